from django.db import migrations


class Migration(migrations.Migration):
    """Ranks know when the next promise ends; those that are there learn it here, and follow with `manage.py rerank`."""

    dependencies = [
        ("sla", "0004_simulation"),
        ("tickets", "0009_rank_parts"),
    ]

    operations = [
        migrations.RunSQL(
            """
            UPDATE tickets_ticket t SET promised_at = c.ends FROM (
                SELECT ticket_id, min(due_at) AS ends FROM sla_slaclock
                WHERE running_since IS NOT NULL AND due_at IS NOT NULL GROUP BY ticket_id
            ) c WHERE c.ticket_id = t.id
            """,
            migrations.RunSQL.noop,
        ),
    ]

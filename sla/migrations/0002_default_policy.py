"""A desk promises something from its first minute."""

from typing import Any

from django.db import migrations
from django.utils.timezone import now

TARGETS = {  # minutes: first response, next response, resolution
    "urgent": (30, 30, 8 * 60),
    "high": (2 * 60, 2 * 60, 24 * 60),
    "normal": (8 * 60, 8 * 60, 48 * 60),
    "low": (24 * 60, 24 * 60, 7 * 24 * 60),
}


def seed(apps: Any, schema_editor: Any) -> None:
    calendar = apps.get_model("sla", "Calendar").objects.create(name="Round the clock")
    apps.get_model("sla", "CalendarVersion").objects.create(
        calendar=calendar, number=1, state="active", timezone="UTC", week=[[[0, 1440]]] * 7, created_at=now()
    )
    policy = apps.get_model("sla", "Policy").objects.create(name="Default", position=1, is_default=True, active=True)
    metrics = ("first_response", "next_response", "resolution")
    apps.get_model("sla", "PolicyVersion").objects.create(
        policy=policy,
        number=1,
        state="active",
        targets={priority: dict(zip(metrics, minutes, strict=True)) for priority, minutes in TARGETS.items()},
        calendar=calendar,
        created_at=now(),
        activated_at=now(),
    )


class Migration(migrations.Migration):
    dependencies = [("sla", "0001_initial")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]

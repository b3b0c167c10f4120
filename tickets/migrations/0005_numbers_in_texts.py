from django.db import migrations

# PostgreSQL's parser takes digits that touch a letter, a dot or a sign for a part of another word ("Nr.4471", "-4471",
# and any number in a script without spaces). So every run of digits is a word of its own besides.
NUMBERS = r"""
CREATE OR REPLACE FUNCTION tickets_words(dictionary regconfig, said text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN to_tsvector(dictionary, said) || array_to_tsvector(ARRAY(
        SELECT DISTINCT digits[1] FROM regexp_matches(said, '(?<![0-9])[0-9]{1,19}(?![0-9])', 'g') AS digits
    ));
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN '';
END $$;

CREATE OR REPLACE FUNCTION tickets_text_of_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tickets_tickettext (ticket_id, public)
    SELECT id, setweight(tickets_words(tickets_dictionary(language), subject), 'A') FROM added;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tickets_text_anew(wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    dictionary regconfig; title text; said text; noted tsvector; words tsvector;
BEGIN
    SELECT tickets_dictionary(language), subject INTO dictionary, title FROM tickets_ticket WHERE id = wanted;
    IF NOT FOUND THEN RETURN; END IF;
    words := setweight(tickets_words(dictionary, title), 'A');
    FOR said IN SELECT body FROM tickets_message WHERE ticket_id = wanted ORDER BY position LOOP
        words := tickets_joined(words, tickets_words(dictionary, said));
    END LOOP;
    FOR said IN SELECT body FROM tickets_note WHERE ticket_id = wanted ORDER BY id LOOP
        noted := tickets_joined(noted, tickets_words(dictionary, said));
    END LOOP;
    UPDATE tickets_tickettext SET public = words, notes = noted WHERE ticket_id = wanted;
END $$;
"""
WHAT_WAS_THERE_BEFORE = """
DO $$ DECLARE wanted bigint; BEGIN
    FOR wanted IN SELECT id FROM tickets_ticket LOOP PERFORM tickets_text_anew(wanted); END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("tickets", "0004_leaner_indexes")]

    operations = [
        migrations.RunSQL(NUMBERS, migrations.RunSQL.noop),  # what the older functions made stays readable either way
        migrations.RunSQL(WHAT_WAS_THERE_BEFORE, migrations.RunSQL.noop),
    ]

"""`import_tickets` from a file to the summary, on small files of the shape of the public data set."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder

from agents.tests.builders import SYSTEM
from customers.models import Customer
from customers.tests.builders import make_customer
from sla.models import SLAClock, TicketSLA
from supportdesk.core.models import Delivery, Event, ImportRecord
from supportdesk.importing import running
from supportdesk.importing.mapping import TICKETS
from tickets.models import Message, Ticket
from tickets.services import lifecycle

pytestmark = pytest.mark.slow

HEADER = TICKETS.wanted_columns()
OPEN = {
    "Ticket ID": "1",
    "Customer Name": "Marisa Stone",
    "Customer Email": "Marisa@Example.com",
    "Customer Age": "32",
    "Customer Gender": "Other",
    "Product Purchased": "GoPro Hero",
    "Date of Purchase": "2021-03-22",
    "Ticket Type": "Technical issue",
    "Ticket Subject": "Product setup",
    "Ticket Description": "My {product_purchased} blinks.\n\nSee {error_message}.",
    "Ticket Status": "Open",
    "Resolution": "",
    "Ticket Priority": "Critical",
    "Ticket Channel": "Social media",
    "First Response Time": "",
    "Time to Resolution": "",
    "Customer Satisfaction Rating": "",
}
CLOSED = OPEN | {
    "Ticket ID": "2",
    "Customer Email": "other@example.com",
    "Ticket Status": "Closed",
    "Ticket Type": "Refund request",
    "Ticket Priority": "Medium",
    "Ticket Channel": "Email",
    "Resolution": "Money is back.",
    "First Response Time": "2023-06-01 12:15:36",
    "Time to Resolution": "2023-06-01 18:05:38",
    "Customer Satisfaction Rating": "3.0",
}
PENDING = OPEN | {
    "Ticket ID": "3",
    "Ticket Status": "Pending Customer Response",
    "First Response Time": "2023-06-01 09:00:00",
}
ODD = CLOSED | {"Ticket ID": "4", "Time to Resolution": "2023-06-01 10:00:00"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(*rows: dict[str, str], name: str = "tickets.csv", header: list[str] = HEADER) -> Path:
    path = Path(name)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
    return path


def imported(path: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("import_tickets", str(path), stdout=out, **options)
    return out.getvalue()


def rejects(path: str = "tickets.rejects.csv") -> list[list[str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.django_db
def test_an_import_starts_no_clock_unless_it_is_asked_to() -> None:
    path = written(OPEN, CLOSED, PENDING)
    assert "clocks" not in imported(path)
    assert not TicketSLA.objects.exists()
    assert "Tickets whose clocks began: 2" in imported(path, activate=True)
    states = SLAClock.objects.values_list("ticket__external_id", "metric", "state").order_by(
        "ticket__external_id", "metric"
    )
    assert list(states) == [
        ("1", "first_response", "running"),
        ("1", "resolution", "running"),
        ("3", "resolution", "paused"),
    ]
    assert not SLAClock.objects.filter(started_at__lt=Ticket.objects.earliest("updated_at").updated_at).exists()
    assert "clocks" not in imported(path, activate=True)
    assert "Tickets whose clocks began: 1" in imported(written(OPEN | {"Ticket ID": "9"}), activate=True)
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_an_open_row_becomes_a_waiting_ticket_of_its_customer() -> None:
    printed = imported(written(OPEN))
    ticket = Ticket.objects.get()
    assert "Tickets: 1 made, 0 changed, 0 skipped, 0 refused" in printed
    assert "Odd: once unknown placeholder {error_message} left in the text" in printed
    assert (ticket.status, ticket.priority, ticket.channel, ticket.category) == (
        "open",
        "urgent",
        "social",
        "technical",
    )
    assert (ticket.source, ticket.external_id, ticket.created_at_estimated) == ("import", "1", True)
    assert ticket.attributes == {"product": "GoPro Hero", "purchase_date": "2021-03-22"}
    assert ticket.waiting_since == ticket.created_at
    assert ticket.customer.email == "Marisa@Example.com"
    assert ticket.customer.attributes == {"age": "32", "gender": "Other"}
    assert Message.objects.get().body == "My GoPro Hero blinks.\n\nSee {error_message}."


@pytest.mark.django_db
def test_a_closed_row_keeps_its_times_its_rating_and_its_resolution() -> None:
    imported(written(CLOSED))
    ticket = Ticket.objects.get()
    answered, resolved = datetime(2023, 6, 1, 12, 15, 36, tzinfo=UTC), datetime(2023, 6, 1, 18, 5, 38, tzinfo=UTC)
    assert (ticket.created_at, ticket.first_response_at, ticket.resolved_at) == (answered, answered, resolved)
    assert (ticket.status, ticket.satisfaction_rating, ticket.waiting_since) == ("closed", 3, None)
    resolution = ticket.messages.get(position=2)
    assert (resolution.sender, resolution.system_name, resolution.body) == ("system", "import", "Money is back.")
    assert resolution.created_at == resolved
    facts = Event.objects.filter(subject_type="ticket", subject_id=ticket.pk).order_by("at", "id")
    assert [(fact.name, fact.at, fact.origin) for fact in facts] == [
        ("ticket.created", answered, "import"),
        ("ticket.message_added", answered, "import"),
        ("ticket.message_added", resolved, "import"),
        ("ticket.status_changed", resolved, "import"),
    ]


@pytest.mark.django_db
def test_a_resolution_before_its_response_is_kept_and_counted() -> None:
    printed = imported(written(ODD))
    ticket = Ticket.objects.get()
    assert "Odd: once resolved before its first response" in printed
    assert ticket.first_response_at and ticket.resolved_at
    assert ticket.resolved_at < ticket.first_response_at
    assert ticket.created_at == ticket.resolved_at


@pytest.mark.django_db
def test_times_are_read_in_the_given_zone() -> None:
    imported(written(PENDING), timezone="Europe/Berlin")
    ticket = Ticket.objects.get()
    assert ticket.first_response_at == datetime(2023, 6, 1, 7, 0, tzinfo=UTC)
    assert (ticket.status, ticket.waiting_since) == ("pending", None)


@pytest.mark.django_db
def test_customers_are_matched_by_address_in_any_case_and_left_as_they_are() -> None:
    known = make_customer(name="Known before", email="marisa@example.com")
    imported(written(OPEN, PENDING))
    assert {ticket.customer_id for ticket in Ticket.objects.all()} == {known.pk}
    known.refresh_from_db()
    assert known.name == "Known before"


@pytest.mark.django_db
def test_two_names_at_one_address_are_counted() -> None:
    make_customer(name="Marisa Stone", email="marisa@example.com")
    another = CLOSED | {"Ticket ID": "5", "Customer Name": "S. Marisa"}
    printed = imported(written(OPEN, PENDING | {"Customer Name": "marisa stone"}, CLOSED, another))
    assert "Odd: once another name than the customer of this address has; theirs is kept" in printed
    assert set(Customer.objects.values_list("name", flat=True)) == {"Marisa Stone"}


@pytest.mark.django_db
def test_a_placeholder_is_known_in_any_case_and_with_spaces() -> None:
    text = "{Product_purchased} { product_purchased } {product_purchased_id}"
    imported(written(OPEN | {"Ticket Description": text, "Ticket Subject": text}))
    filled = "GoPro Hero GoPro Hero {product_purchased_id}"
    assert (Ticket.objects.get().subject, Message.objects.get().body) == (filled, filled)


@pytest.mark.django_db
def test_a_line_break_in_a_subject_or_a_name_is_a_space() -> None:
    imported(written(OPEN | {"Ticket Subject": "It blinks,\r\n\tthen stops", "Customer Name": "Marisa\nStone"}))
    ticket = Ticket.objects.get()
    assert (ticket.subject, ticket.customer.name) == ("It blinks, then stops", "Marisa Stone")


@pytest.mark.django_db
def test_a_language_is_a_code() -> None:
    mapping = {"columns": {**TICKETS.columns, "language": "Language"}}
    Path("mapping.json").write_text(json.dumps(mapping))
    rows = [OPEN | {"Language": "pt-BR"}, CLOSED | {"Language": "Deutsch!"}]
    path = written(*rows, header=[*HEADER, "Language"])
    assert "1 made, 0 changed, 0 skipped, 1 refused" in imported(path, mapping=Path("mapping.json"))
    assert Ticket.objects.get().language == "pt-br"
    assert rejects()[1][1:] == ["Language", '"deutsch!" is not a language code such as en or pt-br']


@pytest.mark.django_db
def test_a_second_run_doubles_nothing() -> None:
    path = written(OPEN, CLOSED, PENDING)
    imported(path)
    before = (Ticket.objects.count(), Customer.objects.count(), Message.objects.count(), Event.objects.count())
    assert before == (3, 2, 4, 3 + 4 + 2 + 2)
    assert "Tickets: 0 made, 0 changed, 3 skipped, 0 refused" in imported(path)
    after = (Ticket.objects.count(), Customer.objects.count(), Message.objects.count(), Event.objects.count())
    assert after == before


@pytest.mark.django_db
def test_a_changed_row_changes_its_ticket_through_the_services() -> None:
    imported(written(OPEN))
    printed = imported(written(OPEN | {"Ticket Status": "Closed", "Resolution": "Done.", "Ticket Priority": "Low"}))
    ticket = Ticket.objects.get()
    assert "Tickets: 0 made, 1 changed, 0 skipped, 0 refused" in printed
    assert (ticket.status, ticket.priority, ticket.last_position) == ("closed", "low", 2)
    names = [event.name for event in Event.objects.filter(subject_type="ticket").order_by("id")]
    assert names[2:] == ["ticket.message_added", "ticket.status_changed", "ticket.priority_changed"]


@pytest.mark.django_db
def test_a_row_that_was_closed_since_brings_its_times() -> None:
    imported(written(OPEN))
    printed = imported(written(CLOSED | {"Ticket ID": "1", "Customer Email": OPEN["Customer Email"]}))
    ticket = Ticket.objects.get()
    assert "Tickets: 0 made, 1 changed, 0 skipped, 0 refused" in printed
    assert ticket.first_response_at == datetime(2023, 6, 1, 12, 15, 36, tzinfo=UTC)
    assert ticket.resolved_at == datetime(2023, 6, 1, 18, 5, 38, tzinfo=UTC)
    facts = Event.objects.filter(subject_type="ticket", name="ticket.updated").order_by("id")
    assert facts.reverse()[0].payload == {"fields": ["first_response_at", "resolved_at"]}


@pytest.mark.django_db
def test_another_description_is_not_taken_over_and_said() -> None:
    imported(written(OPEN))
    printed = imported(written(OPEN | {"Ticket Description": "Another."}))
    assert "Odd: once another description than before; the first is kept" in printed
    assert Message.objects.get().body.startswith("My GoPro Hero blinks.")


@pytest.mark.django_db
def test_a_changed_row_does_not_move_its_ticket_to_another_customer() -> None:
    imported(written(OPEN, CLOSED))
    printed = imported(written(OPEN | {"Customer Email": CLOSED["Customer Email"]}, CLOSED))
    assert "Tickets: 0 made, 0 changed, 1 skipped, 1 refused" in printed
    assert rejects()[1] == ["2", "Customer Email", "names another customer than before"]


@pytest.mark.django_db
def test_a_changed_row_never_overwrites_what_was_changed_here() -> None:
    imported(written(OPEN))
    ticket = Ticket.objects.get()
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"subject": "Ours"}, by=SYSTEM, now=datetime.now(UTC))
    printed = imported(written(OPEN | {"Ticket Subject": "Theirs"}))
    assert "0 changed, 0 skipped, 1 refused" in printed
    assert Ticket.objects.get().subject == "Ours"
    assert rejects()[1][:2] == ["2", "Ticket ID"]


@pytest.mark.django_db
def test_an_illegal_change_is_refused_with_its_reason() -> None:
    imported(written(CLOSED))
    imported(written(CLOSED | {"Ticket Status": "Open"}))
    assert rejects()[1] == [
        "2",
        "Ticket Status",
        "A ticket that is closed cannot become open; that is final.",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"Ticket ID": ""}, "Ticket ID", "is empty"),
        ({"Customer Email": "nobody"}, "Customer Email", "This is not an e-mail address."),
        ({"Customer Email": ""}, "Customer Email", "is empty"),
        ({"Ticket Subject": "x" * 301}, "Ticket Subject", "has 301 characters, at most 300 are kept"),
        ({"Ticket Description": "a\0b"}, "Ticket Description", "holds a NUL"),
        ({"Ticket Status": "Odd"}, "Ticket Status", '"Odd" is none of: closed, on_hold, open'),
        ({"Ticket Priority": "Now!"}, "Ticket Priority", '"Now!" is none of'),
        ({"Ticket Channel": "Pigeon"}, "Ticket Channel", '"Pigeon" is none of'),
        ({"Ticket Type": "Riddle"}, "Ticket Type", '"Riddle" is none of'),
        ({"Time to Resolution": "yesterday"}, "Time to Resolution", '"yesterday" is not a time'),
        ({"Time to Resolution": "0001-01-01 00:00:00+23:00"}, "Time to Resolution", "is not a time"),
        (
            {"Customer Satisfaction Rating": "6"},
            "Customer Satisfaction Rating",
            '"6" is not a whole number from 1 to 5',
        ),
        ({"Customer Satisfaction Rating": "nan"}, "Customer Satisfaction Rating", "is not a whole number"),
        ({"Customer Name": "x" * 201}, "Customer Name", "has 201 characters, at most 200 are kept"),
        ({"Product Purchased": "x" * 1001}, "Product Purchased", "has 1001 characters, at most 1000 are kept"),
        ({"Product Purchased": "a\0b", "Ticket Description": "x"}, "Product Purchased", "holds a NUL"),
        (
            {"Product Purchased": "x" * 400, "Ticket Subject": "My {product_purchased}"},
            "Ticket Subject",
            "has 403 characters, at most 300 are kept",
        ),
        (
            {"Product Purchased": "x" * 1000, "Ticket Description": "{product_purchased}" * 66},
            "Ticket Description",
            "has 66000 characters, at most 65536 are kept",
        ),
        ({"Ticket Subject": "a\x07b"}, "Ticket Subject", "holds control characters"),
        ({"First Response Time": "9999-12-31 23:59:59"}, "First Response Time", "is not a time between 1970 and 2200"),
        ({"First Response Time": "1969-12-31 23:59:59"}, "First Response Time", "is not a time between 1970 and 2200"),
    ],
)
def test_a_bad_row_is_refused_with_line_field_and_reason_and_stops_nothing(
    change: dict[str, str], field: str, reason: str
) -> None:
    printed = imported(written(OPEN | change, CLOSED))
    assert "Tickets: 1 made, 0 changed, 0 skipped, 1 refused" in printed
    head, row = rejects()
    assert head == ["line", "field", "reason"]
    assert row[:2] == ["2", field]
    assert reason in row[2]
    assert Ticket.objects.get().external_id == "2"


@pytest.mark.django_db
def test_every_fault_of_a_row_is_named_at_once() -> None:
    imported(written(OPEN | {"Ticket Status": "Odd", "Ticket Priority": "Odd", "Customer Email": ""}))
    assert [row[1] for row in rejects()[1:]] == ["Customer Email", "Ticket Status", "Ticket Priority"]


@pytest.mark.django_db
def test_lines_are_counted_through_cells_of_several_lines() -> None:
    imported(written(OPEN, CLOSED | {"Ticket Status": "Odd"}))
    assert rejects()[1][0] == "5"  # the first row fills lines 2 to 4


@pytest.mark.django_db
def test_an_id_twice_in_one_file_is_refused_whichever_batch_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    path = written(OPEN, OPEN | {"Ticket Subject": "Again"}, CLOSED, OPEN | {"Ticket Subject": "And again"})
    assert "2 made, 0 changed, 0 skipped, 2 refused" in imported(path)
    assert "0 made, 0 changed, 2 skipped, 2 refused" in imported(path)
    assert Ticket.objects.get(external_id="1").subject == "Product setup"


@pytest.mark.django_db
def test_an_id_that_a_ticket_made_elsewhere_has_is_refused() -> None:
    lifecycle.create_ticket(
        customer=make_customer(),
        subject="Ours",
        description="x",
        source="import",
        external_id="1",
        by=SYSTEM,
        now=datetime.now(UTC),
    )
    assert "1 made, 0 changed, 0 skipped, 1 refused" in imported(written(OPEN, CLOSED))


@pytest.mark.django_db
def test_a_row_with_too_few_cells_is_refused() -> None:
    path = written(CLOSED)
    path.write_text(path.read_text() + "9,only\n")
    assert "1 made, 0 changed, 0 skipped, 1 refused" in imported(path)
    assert rejects()[1] == ["5", "(row)", "has more or fewer cells than the header"]


@pytest.mark.django_db
def test_a_dry_run_says_the_same_and_writes_nothing() -> None:
    path = written(OPEN, CLOSED | {"Ticket Status": "Odd"})
    printed = imported(path, dry_run=True)
    assert "Dry run: nothing was written" in printed
    assert "Tickets: 1 made, 0 changed, 0 skipped, 1 refused" in printed
    assert not any(model.objects.exists() for model in (Ticket, Customer, Message, Event, ImportRecord))


@pytest.mark.django_db
def test_text_beyond_ascii_arrives_whole() -> None:
    text = "مرحبا 👩🏽‍🚒 naïve ¿ 佐藤"
    imported(written(OPEN | {"Ticket Subject": text, "Ticket Description": text, "Customer Name": text}))
    ticket = Ticket.objects.get()
    assert (ticket.subject, ticket.messages.get().body, ticket.customer.name) == (text, text, text)


@pytest.mark.django_db
def test_a_mapping_reads_the_columns_and_words_of_another_export() -> None:
    mapping = {
        "columns": {"id": "Nr", "email": "Mail", "subject": "Betreff", "description": "Text", "status": "Stand"},
        "values": {"status": {"Offen": "open", "Erledigt": "closed"}},
        "attributes": {"warehouse": "Lager"},
        "customer_attributes": {},
        "placeholders": {},
        "delimiter": ";",
    }
    Path("mapping.json").write_text(json.dumps(mapping))
    Path("export.csv").write_text("Nr;Mail;Betreff;Text;Stand;Lager\n7;a@example.com;Hallo;Wo ist es?;Erledigt;Ost\n")
    printed = imported(Path("export.csv"), mapping=Path("mapping.json"), source="altsystem")
    ticket = Ticket.objects.get()
    assert "1 made" in printed
    assert (ticket.source, ticket.external_id, ticket.status, ticket.attributes) == (
        "altsystem",
        "7",
        "closed",
        {"warehouse": "Ost"},
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"column": {}}', "there is no column to set"),
        ('{"columns": {"id": "a"}}', "columns must name a column for description, email, subject"),
        ('{"columns": {"id": "a", "email": "b", "subject": "c", "description": "d", "size": "e"}}', "names size"),
        ('{"values": {"status": {"x": "gone"}}}', "status knows no gone"),
        ('{"values": {"subject": {"x": "y"}}}', "values of subject cannot be mapped"),
        ('{"delimiter": ""}', "delimiter must be one character"),
        ('{"attributes": {"x": 3}}', "every value of attributes must be text"),
    ],
)
def test_a_wrong_mapping_is_one_clear_sentence(mapping: str, reason: str) -> None:
    Path("mapping.json").write_text(mapping)
    with pytest.raises(CommandError, match=reason):
        imported(written(OPEN), mapping=Path("mapping.json"))
    assert not Ticket.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b"\x7fELF\0\0", "is not CSV: it holds binary data"),
        ("Größe\n".encode("latin-1"), "is not UTF-8 text"),
        ("Größe\n".encode("utf-16"), "is not UTF-8 text"),
        (b"Ticket ID,b\n1,2\n", 'has no column "Customer Name", "Customer Email", .* and 11 more. Name the columns'),
        (b"a;b\x1b[2J\n1;2\n", r'has none of the columns; it begins with "a;b\\u001b\[2J". Name its columns, or'),
        (b"a" * 4_000_001, "is not CSV: a line has more than 4000000 characters"),
        (b"Ticket ID," + b'"' + b"a\n" * 600_000 + b'"', "is not CSV: field larger than field limit"),
        (b'"a,b\n1,2\n', "is not CSV"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_clear_sentence(content: bytes | None, reason: str) -> None:
    if content is not None:
        Path("bad.csv").write_bytes(content)
    with pytest.raises(CommandError, match=reason):
        imported(Path("bad.csv"))
    assert not Path("bad.rejects.csv").exists()


@pytest.mark.django_db
def test_a_wrong_byte_far_down_the_file_writes_nothing() -> None:
    path = written(OPEN, CLOSED)
    path.write_bytes(path.read_bytes() + b"\xff\xfe")
    with pytest.raises(CommandError, match="is not UTF-8 text"):
        imported(path)
    assert not Ticket.objects.exists()


@pytest.mark.django_db
def test_a_database_without_tables_is_one_clear_sentence() -> None:
    MigrationRecorder(connection).migration_qs.filter(app="tickets").delete()
    with pytest.raises(CommandError, match=r"The database is not migrated: run `manage.py migrate` first"):
        imported(written(OPEN))


@pytest.mark.django_db
def test_a_pipe_is_no_file() -> None:
    os.mkfifo("pipe.csv")
    with pytest.raises(CommandError, match="is no file; save what it gives first"):
        imported(Path("pipe.csv"))


@pytest.mark.django_db
def test_a_folder_is_no_file() -> None:
    with pytest.raises(CommandError, match="Is a directory"):
        imported(Path())


@pytest.mark.django_db
def test_a_byte_order_mark_is_not_part_of_the_header() -> None:
    path = written(OPEN)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert "1 made" in imported(path)


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_are_refused() -> None:
    rival = connection.copy()
    try:
        with rival.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(5220602)")
        with pytest.raises(CommandError, match="Another import of tickets is running"):
            imported(written(OPEN))
    finally:
        rival.close()


@pytest.mark.django_db(transaction=True)
def test_a_killed_run_is_finished_by_starting_it_again() -> None:
    rows = [OPEN | {"Ticket ID": str(n), "Customer Email": f"c{n}@example.com"} for n in range(1, 4001)]
    path = written(*rows)
    name = connections["default"].settings_dict["NAME"]
    url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "import_tickets", str(path.resolve())]
    child = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url}, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while Ticket.objects.count() < 500 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    done = Ticket.objects.count()
    assert 500 <= done < 4000
    assert ImportRecord.objects.count() == done
    time.sleep(0.2)  # until the server noticed that its client is gone, and let go of the lock
    assert f"Tickets: {4000 - done} made, 0 changed, {done} skipped, 0 refused" in imported(path)
    assert (Ticket.objects.count(), Message.objects.count(), Customer.objects.count()) == (4000, 4000, 4000)

"""Loads an export of tickets; see docs/importing.md."""

import hashlib
import json
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, ClassVar

from customers.identity import email_index, normalised_email
from customers.models import Customer
from customers.services import create_customers, draft_customer
from sla.services.starting import start_open
from supportdesk.core.errors import DomainError, InvalidInput, StaleVersion
from supportdesk.core.models import ImportRecord
from supportdesk.importing import mapping
from supportdesk.importing.cells import Cells, Fault
from supportdesk.importing.outcome import OTHER_NAME, Outcome
from supportdesk.importing.reading import Row
from supportdesk.importing.running import ImportCommand, Refuse
from tickets.enums import Category, Channel, Priority, Status
from tickets.models import Ticket
from tickets.models.ticket import MAX_TAG_LENGTH, MAX_TAGS
from tickets.services.history import PastTicket, create_past_tickets, update_past_ticket
from tickets.status import DONE

KIND = "ticket"
CHANGED_HERE = "was changed here since it was imported, and is left as it is"


class Command(ImportCommand):
    help = "Imports tickets and their customers from a CSV file. Running it again changes nothing twice."
    noun: ClassVar = "tickets"
    table: ClassVar = mapping.TICKETS
    lock: ClassVar = 5_220_602

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--activate", action="store_true", help="start the SLA clocks of open tickets, from now on")

    def handle(self, *args: Any, **options: Any) -> None:
        self.activate: bool = options["activate"]
        super().handle(*args, **options)

    def write_batch(self, batch: list[tuple[Row, Cells]], outcome: Outcome, refuse: Refuse) -> None:
        read = self._read(batch, refuse)
        known, taken = self._records(read), self._taken(read)
        fresh: list[_Read] = []
        met: set[str] = set()
        same: list[int] = []
        for one in read:
            record = known.get(one.external_id)
            if one.external_id in met or (record is not None and record.seen_at == self.now):
                refuse(one.line, [one.fault("id", f'"{one.external_id}" stands in this file twice')])
            elif record is None and one.external_id in taken:
                refuse(one.line, [one.fault("id", "belongs to a ticket that this import did not make")])
            elif record is None:
                fresh.append(one)
            elif record.digest == one.digest:
                same.append(record.pk)
            else:
                self._update(one, record, outcome, refuse)
            met.add(one.external_id)
        ImportRecord.objects.filter(pk__in=same).update(seen_at=self.now)
        outcome.rows["skipped"] += len(same)
        made = self._create(fresh, outcome)
        if self.activate:
            ids = [record.subject_id for record in known.values()] + [ticket.pk for ticket in made]
            outcome.besides["Tickets whose clocks began"] += start_open(ids, by=self.by, now=self.now)

    def _read(self, batch: list[tuple[Row, Cells]], refuse: Refuse) -> list["_Read"]:
        read = []
        for row, cells in batch:
            one = _Read(row.line, cells, cells.cells)
            if cells.faults:
                refuse(row.line, cells.faults)
            else:
                read.append(one)
        return read

    def _records(self, read: list["_Read"]) -> Mapping[str, ImportRecord]:
        wanted = [one.external_id for one in read]
        found = ImportRecord.objects.filter(kind=KIND, source=self.source, external_id__in=wanted)
        return {record.external_id: record for record in found}

    def _taken(self, read: list["_Read"]) -> set[str]:
        wanted = [one.external_id for one in read]
        found = Ticket.objects.filter(source=self.source, external_id__in=wanted)
        return {external_id or "" for external_id in found.values_list("external_id", flat=True)}

    def _create(self, fresh: list["_Read"], outcome: Outcome) -> list[Ticket]:
        if not fresh:
            return []
        customers = self._customers(fresh, outcome)
        past = [one.past(customers[one.email_index], self) for one in fresh]
        tickets = create_past_tickets(past, by=self.by, now=self.now)
        ImportRecord.objects.bulk_create(
            ImportRecord(
                kind=KIND,
                source=self.source,
                external_id=one.external_id,
                digest=one.digest,
                subject_id=ticket.pk,
                subject_version=ticket.version,
                seen_at=self.now,
            )
            for one, ticket in zip(fresh, tickets, strict=True)
        )
        outcome.rows["made"] += len(tickets)
        for one in fresh:
            outcome.odd.update(one.odd)
            if one.name and one.name.casefold() != customers[one.email_index].name.casefold():
                outcome.odd[OTHER_NAME] += 1
        return tickets

    def _customers(self, fresh: list["_Read"], outcome: Outcome) -> dict[str, Customer]:
        """By blind index: those that are there, and new ones for the rest. One that is there is left as it is."""
        wanted = {one.email_index: one for one in reversed(fresh)}
        found = {customer.email_index or "": customer for customer in Customer.objects.filter(email_index__in=wanted)}
        drafts = [
            draft_customer(
                name=one.name or one.email, email=one.email, attributes=one.customer_attributes, now=self.now
            )
            for index, one in wanted.items()
            if index not in found
        ]
        made = create_customers(drafts, by=self.by, now=self.now)
        outcome.besides["Customers made"] += len(made)
        return found | {customer.email_index or "": customer for customer in made}

    def _update(self, one: "_Read", record: ImportRecord, outcome: Outcome, refuse: Refuse) -> None:
        customer = Customer.objects.filter(email_index=one.email_index, tickets=record.subject_id).first()
        if customer is None:
            refuse(one.line, [one.fault("email", "names another customer than before")])
            return
        try:
            ticket = update_past_ticket(
                record.subject_id,
                one.past(customer, self),
                by=self.by,
                now=self.now,
                expected_version=record.subject_version,
            )
        except StaleVersion:
            refuse(one.line, [one.fault("id", CHANGED_HERE)])
            return
        except DomainError as problem:
            field = problem.errors[0].field if problem.errors else "id"
            refuse(one.line, [one.fault(field, problem.detail)])
            return
        record.digest, record.subject_version, record.seen_at = one.digest, ticket.version, self.now
        record.save(update_fields=["digest", "subject_version", "seen_at"])
        outcome.rows["changed"] += 1
        outcome.odd.update(one.odd)
        if ticket.messages.filter(position=1).exclude(body=one.description).exists():
            outcome.odd["another description than before; the first is kept"] += 1


class _Read:
    """One row, read. Look at `cells.faults` before using it."""

    def __init__(self, line: int, cells: Cells, raw: Mapping[str, str]) -> None:
        self.line, self.cells = line, cells
        self.digest = hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()
        self.external_id = cells.text("id", limit=191, required=True)
        self.name = cells.line("name", limit=200)
        self.email = cells.text("email", limit=254, required=True)
        self.email_index = self._email_index()
        self.subject = cells.line("subject", limit=300, required=True, filled=True)
        self.description = cells.text("description", limit=65_536, required=True, filled=True)
        self.resolution = cells.text("resolution", limit=65_536, filled=True)
        self.status = Status(cells.word("status", Status.OPEN))
        self.priority = Priority(cells.word("priority", Priority.NORMAL))
        self.channel = Channel(cells.word("channel", Channel.EMAIL))
        self.category = Category(cells.word("category", Category.GENERAL))
        self.created_at = cells.time("created_at")
        self.first_response_at = cells.time("first_response_at")
        self.resolved_at = cells.time("resolved_at")
        self.rating = cells.rating("rating")
        self.language = cells.language("language")
        self.tags = self._tags()
        self.attributes = cells.group(cells.table.attributes, limit=1_000)
        self.customer_attributes = cells.group(cells.table.customer_attributes, limit=1_000)
        self.odd = self._odd()

    def past(self, customer: Customer, command: ImportCommand) -> PastTicket:
        """Without a creation time, the earliest that is known of the ticket stands for it, and is marked so."""
        known = [moment for moment in (self.first_response_at, self.resolved_at) if moment]
        created_at = self.created_at or min(known, default=command.now)
        done = self.status in DONE
        return PastTicket(
            customer=customer,
            subject=self.subject,
            description=self.description,
            source=command.source,
            external_id=self.external_id,
            status=self.status,
            created_at=created_at,
            created_at_estimated=self.created_at is None,
            priority=self.priority,
            channel=self.channel,
            category=self.category,
            tags=self.tags,
            language=self.language,
            attributes=self.attributes,
            first_response_at=self.first_response_at,
            resolved_at=(self.resolved_at or self.first_response_at or created_at) if done else None,
            resolution=self.resolution,
            satisfaction_rating=self.rating,
        )

    def fault(self, name: str, reason: str) -> Fault:
        return Fault(field=self.cells.table.columns.get(name, name), reason=reason)

    def _email_index(self) -> str:
        try:
            return email_index(normalised_email(self.email)) if self.email else ""
        except InvalidInput as problem:
            self.cells.fault("email", problem.detail)
            return ""

    def _tags(self) -> list[str]:
        tags = [tag.strip() for tag in self.cells.text("tags", limit=2_000).split(",") if tag.strip()]
        if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in tags):
            self.cells.fault("tags", f"are more than {MAX_TAGS}, or one is longer than {MAX_TAG_LENGTH} characters")
        return tags

    def _odd(self) -> list[str]:
        odd = list(self.cells.odd)
        if self.created_at is None:
            odd.append("no creation time, so the earliest known time stands for it")
        if self.first_response_at and self.resolved_at and self.resolved_at < self.first_response_at:
            odd.append("resolved before its first response; kept, and left out of response statistics")
        if self.status in DONE and self.resolved_at is None:
            odd.append("closed without a time of resolution")
        if self.status not in DONE and self.resolved_at is not None:
            odd.append("not closed, with a time of resolution that is not kept")
        return odd

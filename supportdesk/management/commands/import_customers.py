"""Loads an export of customers; see docs/importing.md."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from customers.identity import email_index, normalised_email
from customers.models import Customer
from customers.services import IMPORTED, create_customers, draft_customer, update_customer
from supportdesk.core.errors import DomainError, InvalidInput, StaleVersion
from supportdesk.core.models import ImportRecord
from supportdesk.importing import mapping
from supportdesk.importing.cells import Cells, Fault
from supportdesk.importing.outcome import OTHER_NAME, Outcome
from supportdesk.importing.reading import Row
from supportdesk.importing.running import ImportCommand, Refuse

CHANGED_HERE = "was changed here since it was imported, and is left as it is"


class Command(ImportCommand):
    help = "Imports customers from a CSV file, one per e-mail address. Running it again changes nothing twice."
    noun: ClassVar = "customers"
    table: ClassVar = mapping.CUSTOMERS
    lock: ClassVar = 5_220_603

    def write_batch(self, batch: list[tuple[Row, Cells]], outcome: Outcome, refuse: Refuse) -> None:
        read = self._read(batch, refuse)
        records = self._records(read)
        known = self._customers(read, records)
        fresh: list[_Read] = []
        again: list[_Read] = []  # about a customer that an earlier row of the batch is about
        keys: set[str] = set()
        emails: set[str] = set()
        same: list[int] = []
        for one in read:
            record = records.get(one.key)
            there = known.get(one.email_index)
            if one.key in keys or (record is not None and record.seen_at == self.now):
                refuse(one.line, [one.fault("id" if one.external_id else "email", "stands in this file twice")])
            elif record is not None and record.digest == one.digest:
                same.append(record.pk)
            elif one.email_index in emails:
                again.append(one)
            elif record is not None:
                self._change(one, record, outcome, refuse)
            elif there is not None:
                self._complete(one, there, outcome, refuse)
            else:
                fresh.append(one)
            keys.add(one.key)
            emails |= {one.email_index} - {""}
        ImportRecord.objects.filter(pk__in=same).update(seen_at=self.now)
        outcome.rows["skipped"] += len(same)
        self._create(fresh, outcome)
        for one in again:
            self._take(one, records.get(one.key), outcome, refuse)

    def _take(self, one: "_Read", record: ImportRecord | None, outcome: Outcome, refuse: Refuse) -> None:
        """A row by itself, after whatever the others made of its customer."""
        there = Customer.objects.filter(email_index=one.email_index).first()
        if record is not None:
            self._change(one, record, outcome, refuse)
        elif there is not None:
            self._complete(one, there, outcome, refuse)
        else:
            self._create([one], outcome)

    def _read(self, batch: list[tuple[Row, Cells]], refuse: Refuse) -> list["_Read"]:
        read = []
        for row, cells in batch:
            one = _Read(row.line, cells, self)
            if cells.faults:
                refuse(row.line, cells.faults)
            else:
                read.append(one)
        return read

    def _records(self, read: list["_Read"]) -> Mapping[str, ImportRecord]:
        wanted = [one.key for one in read]
        found = ImportRecord.objects.filter(kind=IMPORTED, source=self.source, external_id__in=wanted)
        return {record.external_id: record for record in found}

    def _customers(self, read: list["_Read"], records: Mapping[str, ImportRecord]) -> dict[str, Customer]:
        """Customers that are here already, by the blind index of the address of a row that has no record."""
        wanted = [one.email_index for one in read if one.email_index and one.key not in records]
        return {customer.email_index or "": customer for customer in Customer.objects.filter(email_index__in=wanted)}

    def _create(self, fresh: list["_Read"], outcome: Outcome) -> None:
        customers = create_customers([one.draft for one in fresh if one.draft], by=self.by, now=self.now)
        ImportRecord.objects.bulk_create(
            self._record(one, customer) for one, customer in zip(fresh, customers, strict=True)
        )
        outcome.rows["made"] += len(customers)

    def _complete(self, one: "_Read", there: Customer, outcome: Outcome, refuse: Refuse) -> None:
        """Of a customer that others made, the import fills what is empty and overwrites nothing."""
        blank: dict[str, Any] = {
            name: value for name, value in one.values.items() if value and not getattr(there, name)
        }
        attributes = {**one.attributes, **there.attributes}
        if attributes != there.attributes:
            blank["attributes"] = attributes
        updated = self._updated(one, there.pk, blank, None, refuse)
        if updated is not None:
            self._record(one, updated).save(force_insert=True)
            if updated.name.casefold() != str(one.values["name"]).casefold():
                outcome.odd[OTHER_NAME] += 1
            outcome.rows["changed" if updated.version != there.version else "skipped"] += 1

    def _change(self, one: "_Read", record: ImportRecord, outcome: Outcome, refuse: Refuse) -> None:
        changes: dict[str, Any] = {**one.values, "attributes": one.attributes}
        updated = self._updated(one, record.subject_id, changes, record.subject_version, refuse)
        if updated is not None:
            record.digest, record.subject_version, record.seen_at = one.digest, updated.version, self.now
            record.save(update_fields=["digest", "subject_version", "seen_at"])
            outcome.rows["changed"] += 1

    def _updated(
        self, one: "_Read", customer_id: int, changes: Mapping[str, Any], version: int | None, refuse: Refuse
    ) -> Customer | None:
        try:
            return update_customer(
                customer_id=customer_id, changes=changes, by=self.by, now=self.now, expected_version=version
            )
        except StaleVersion:
            refuse(one.line, [one.fault("id", CHANGED_HERE)])
        except DomainError as problem:
            refuse(one.line, [one.fault(problem.errors[0].field if problem.errors else "id", problem.detail)])
        return None

    def _record(self, one: "_Read", customer: Customer) -> ImportRecord:
        return ImportRecord(
            kind=IMPORTED,
            source=self.source,
            external_id=one.key,
            digest=one.digest,
            subject_id=customer.pk,
            subject_version=customer.version,
            seen_at=self.now,
        )


class _Read:
    """One row, read. Without an id of theirs, the blind index of the address stands for it."""

    def __init__(self, line: int, cells: Cells, command: ImportCommand) -> None:
        self.line, self.cells = line, cells
        self.digest = hashlib.sha256(json.dumps(dict(cells.cells), sort_keys=True).encode()).hexdigest()
        self.external_id = cells.text("id", limit=191)
        self.values: dict[str, str | None] = {
            "name": cells.line("name", limit=200, required=True),
            "email": cells.text("email", limit=254) or None,
            "phone": cells.text("phone", limit=50) or None,
            "address": cells.text("address", limit=1_000) or None,
            "timezone": cells.timezone("timezone"),
            "language": cells.language("language"),
        }
        self.attributes = cells.group(cells.table.attributes, limit=1_000)
        self.email_index = self._email_index()
        self.key = self.external_id or self.email_index
        if not self.key:
            cells.fault("email", "is empty, and so is the id: nothing tells this customer from others")
        self.draft = self._draft(command)

    def fault(self, name: str, reason: str) -> Fault:
        return Fault(field=self.cells.table.columns.get(name, name), reason=reason)

    def _email_index(self) -> str:
        email = self.values["email"]
        try:
            return email_index(normalised_email(email)) if email else ""
        except InvalidInput as problem:
            self.cells.fault("email", problem.detail)
            return ""

    def _draft(self, command: ImportCommand) -> Customer | None:
        if self.cells.faults:
            return None
        given: dict[str, Any] = {**self.values, "attributes": self.attributes}
        try:
            return draft_customer(**given, now=command.now)
        except InvalidInput as problem:
            self.cells.fault(problem.errors[0].field, problem.detail)
            return None

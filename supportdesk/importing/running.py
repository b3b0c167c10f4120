"""The course of every import: check the file, take the lock, write in batches, report."""

import itertools
import zoneinfo
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from customers.services import count_under_older_keys
from supportdesk.core.actor import Actor, Door, system
from supportdesk.importing import mapping, reading
from supportdesk.importing.cells import Cells, Fault
from supportdesk.importing.mapping import Table
from supportdesk.importing.outcome import Outcome, Rejects
from supportdesk.importing.reading import Row

BATCH = 500  # rows to a transaction: large enough to be fast, small enough to keep little in memory
PLAIN_STEP = 1_000  # rows between two lines of progress where there is no terminal
ATTEMPTS = 3  # of a batch that met a rival's row
IMPORTER = system("import", origin=Door.IMPORT)

Refuse = Callable[[int, Sequence[Fault]], None]


class _DryRun(Exception):
    """Takes everything back."""


class ImportCommand(BaseCommand):
    """Base of the import commands. A subclass names its table and writes a batch."""

    noun: ClassVar[str]
    table: ClassVar[Table]
    lock: ClassVar[int]  # any number, of its own

    by: Actor = IMPORTER
    source: str
    zone: tzinfo
    now: datetime

    def write_batch(self, batch: list[tuple[Row, Cells]], outcome: Outcome, refuse: Refuse) -> None:
        """Writes the rows inside the caller's transaction."""
        raise NotImplementedError

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a CSV file in UTF-8, with a header")
        parser.add_argument("--mapping", type=Path, help="a JSON file that names other columns and words")
        parser.add_argument("--source", default="import", help="name of the system the ids come from (import)")
        parser.add_argument("--timezone", default="UTC", help="of times that name none (UTC)")
        parser.add_argument("--rejects", type=Path, help="where to write what was refused (FILE.rejects.csv, here)")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if len(settings.BLIND_INDEX_KEYS) > 1 and count_under_older_keys():
            raise CommandError("Finish `rotate_keys` before an import: customers are found under older keys still.")
        _refuse_unmigrated()
        path: Path = options["file"]
        table = self._prepare(options)
        try:
            total = reading.checked(path, table)
        except reading.Unreadable as problem:
            raise CommandError(str(problem)) from None
        rejects = Rejects(options["rejects"] or Path(f"{path.stem}.rejects.csv"))
        outcome = Outcome()
        with self._alone(), rejects:
            try:
                self._write(path, table, total, outcome, rejects, dry_run=options["dry_run"])
            except reading.Unreadable as problem:  # it changed under our hands
                raise CommandError(str(problem)) from None
            except OSError as problem:
                raise CommandError(f"{rejects.path} cannot be written: {problem.strerror}.") from None
        self._report(outcome, rejects, dry_run=options["dry_run"])

    def _prepare(self, options: dict[str, Any]) -> Table:
        self.source, self.now = options["source"], timezone.now()
        if not self.source.replace("-", "").replace("_", "").isalnum() or len(self.source) > 32:
            raise CommandError("--source must be 1 to 32 letters, digits, - or _.")
        try:
            self.zone = zoneinfo.ZoneInfo(options["timezone"])
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise CommandError(f"--timezone: there is no time zone {options['timezone']}.") from None
        if options["mapping"] is None:
            return self.table
        try:
            return mapping.load(options["mapping"], self.table)
        except mapping.BadMapping as problem:
            raise CommandError(str(problem)) from None

    def _write(
        self, path: Path, table: Table, total: int, outcome: Outcome, rejects: Rejects, *, dry_run: bool
    ) -> None:
        try:
            with transaction.atomic() if dry_run else _each_batch(), self._progress(total) as advance:
                rows = reading.rows(path, table)
                while batch := list(itertools.islice(rows, BATCH)):
                    outcome.add(self._batch(batch, table, rejects))
                    advance(len(batch))
                if dry_run:
                    raise _DryRun
        except _DryRun:
            pass

    def _batch(self, batch: list[Row], table: Table, rejects: Rejects) -> Outcome:
        """One transaction. A row that somebody else made meanwhile is met again in the next attempt, as theirs."""
        for attempt in range(ATTEMPTS):
            outcome, refused = Outcome(), dict[int, Sequence[Fault]]()
            readable = []
            for row in batch:
                if row.cells is None:
                    refused[row.line] = [Fault(field="(row)", reason="has more or fewer cells than the header")]
                else:
                    readable.append((row, Cells(table, row.cells, self.zone)))
            try:
                with transaction.atomic():
                    self.write_batch(readable, outcome, refused.__setitem__)
                break
            except IntegrityError:
                if attempt == ATTEMPTS - 1:
                    raise
        for line in sorted(refused):
            rejects.write(line, refused[line])
        outcome.rows["refused"] += len(refused)
        return outcome

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two imports of one kind at a time would be each other's rivals for every row."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [self.lock])
            if not cursor.fetchone()[0]:
                raise CommandError(f"Another import of {self.noun} is running.")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [self.lock])

    @contextmanager
    def _progress(self, total: int) -> Iterator[Callable[[int], None]]:
        if self.stdout.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            terminal: Any = self.stdout
            with Progress(*columns, console=Console(file=terminal)) as bar:
                task = bar.add_task(f"Importing {self.noun}", total=total)
                yield lambda number: bar.update(task, advance=number)
            return
        done = 0

        def say(number: int) -> None:
            nonlocal done
            before, done = done, done + number
            if done // PLAIN_STEP > before // PLAIN_STEP or done == total:
                self.stdout.write(f"{done} of {total} rows")
                self.stdout.flush()

        yield say

    def _report(self, outcome: Outcome, rejects: Rejects, *, dry_run: bool) -> None:
        if dry_run:
            self.stdout.write("Dry run: nothing was written. It would have been:")
        for line in outcome.lines(self.noun):
            self.stdout.write(line)
        if rejects.file:
            self.stdout.write(f"Refused rows are in {rejects.path}")


def _refuse_unmigrated() -> None:
    try:
        executor = MigrationExecutor(connection)
    except OperationalError as problem:
        raise CommandError(f"The database cannot be used: {str(problem).strip()}") from None
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError("The database is not migrated: run `manage.py migrate` first, or once `make run`.")


@contextmanager
def _each_batch() -> Iterator[None]:
    """No transaction around the batches: each stands for itself, so that what is done stays done."""
    yield

"""What commands that take over what a partner has have in common. One for a provider names it and its sources."""

import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import get_current_timezone
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from integrations import syncing
from integrations.enums import ConnectionStatus, Provider
from integrations.models import Connection
from integrations.syncing import Held, Limits, Source
from supportdesk.core.actor import Actor, Door, system
from supportdesk.core.http import GatewayError

FAULT, HELD, INTERRUPTED = 1, 75, 130
LINE_EVERY = 10.0  # seconds between lines of progress where there is no terminal
Tell = Callable[[syncing.Progress], None]


class SyncCommand(BaseCommand):
    """Goes on with what was broken off, unless --restart. Ends with 0 when everything is there, 1 when something is
    wrong, 75 when another run is at it, and 130 after Ctrl-C, which ends the page that is under way.
    """

    provider: ClassVar[Provider]
    sources: ClassVar[Mapping[str, Source]]
    most: ClassVar[int]  # records of a page

    def actor(self) -> Actor:
        """Whose writes they are."""
        return system(f"import_{self.provider}", origin=Door(self.provider))

    def notes(self, known: Connection, resource: str) -> Iterable[str]:
        """What an operator must know before. Raises CommandError for what cannot be done."""
        return []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("resource", choices=sorted(self.sources))
        parser.add_argument("--connection", help="its number or account; needed only when there are several")
        parser.add_argument("--since", help="what was changed from then on: 2026-11-23, 2026-11-23T10:00:00Z")
        parser.add_argument("--limit", type=int, help="end after so many records")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and write nothing")
        parser.add_argument("--batch-size", type=int, help="records of a page, and of a transaction")
        again = parser.add_mutually_exclusive_group()
        again.add_argument("--resume", action="store_true", help="go on with what was broken off (the default)")
        again.add_argument("--restart", action="store_true", help="begin anew, with everything")

    def handle(self, *args: Any, **options: Any) -> None:
        known, source = self._connection(options["connection"]), self.sources[options["resource"]]
        since = _instant(options["since"])
        for name in ("limit", "batch_size"):
            if options[name] is not None and options[name] < 1:
                raise CommandError(f"--{name.replace('_', '-')} must be 1 or more.")
        if (options["batch_size"] or 0) > self.most:
            raise CommandError(f"--batch-size must be at most {self.most}.")
        for note in self.notes(known, source.resource):
            self.stdout.write(f"Note: {note}")
        try:
            found, stopped = self._run(known, source, since, options)
        except Held as held:
            self.stderr.write(held.detail)
            sys.exit(HELD)
        except GatewayError as error:
            again = self._again(known, source)
            raise CommandError(f"{known} does not do what it should ({error.reason}). Go on with: {again}") from None
        self._report(known, source, found, stopped=stopped, dry=options["dry_run"])

    def _run(
        self, known: Connection, source: Source, since: datetime | None, options: Mapping[str, Any]
    ) -> tuple[syncing.Progress, bool]:
        total = source.count(known, since) if source.count else None
        with _until_interrupted() as is_stopped, self._telling(source.resource, total) as tell:
            found = syncing.run(
                known,
                source,
                by=self.actor(),
                since=since,
                restart=options["restart"],
                size=options["batch_size"],
                limits=Limits(records=options["limit"], is_stopped=is_stopped),
                dry=options["dry_run"],
                tell=tell,
            )
            return found, is_stopped()

    def _report(self, known: Connection, source: Source, found: syncing.Progress, *, stopped: bool, dry: bool) -> None:
        if dry:
            self.stdout.write("Dry run: nothing was written. It would have been:")
        counts = f"{found.written} written, {found.skipped} left as they are, {found.failed} refused"
        self.stdout.write(f"{source.resource}: {found.seen} seen, {counts}.")
        if found.failed:
            self.stdout.write("What was refused, and why, stands in the admin at the connection's cursor.")
        if found.is_too_bad:
            raise CommandError(f"Too much was refused. Go on all the same with: {self._again(known, source)}")
        if not found.ended and not dry:
            self.stdout.write(f"Not at its end. Go on with: {self._again(known, source)}")
        if stopped and not found.ended:
            sys.exit(INTERRUPTED)

    def _again(self, known: Connection, source: Source) -> str:
        return f"manage.py import_{self.provider} {source.resource} --connection {known.pk} --resume"

    def _connection(self, named: str | None) -> Connection:
        found = Connection.objects.filter(provider=self.provider)
        if named:
            found = found.filter(
                **({"pk": int(named)} if named.isascii() and named.isdecimal() else {"account_key": named})
            )
        else:
            found = found.filter(status=ConnectionStatus.ACTIVE)
        there = list(found[:2])
        if len(there) != 1:
            what = "There are several connections" if there else "There is no such connection"
            raise CommandError(f"{what}: name one with --connection.")
        if there[0].status != ConnectionStatus.ACTIVE:
            raise CommandError(f"{there[0]} is not active, but: {there[0].get_status_display()}.")
        return there[0]

    @contextmanager
    def _telling(self, resource: str, total: tuple[int, bool] | None) -> Iterator[Tell]:
        count, exact = total or (0, False)
        shown = f"{'' if exact else '>'}{count}" if total else "?"
        if self.stdout.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[seen]}"),
                TimeElapsedColumn(),
            )
            terminal: Any = self.stdout
            with Progress(*columns, console=Console(file=terminal)) as bar:
                task = bar.add_task(f"Importing {resource}", total=count if exact and count else None, seen="")
                yield lambda found: bar.update(task, completed=found.seen, seen=f"{found.seen} of {shown}")
            return
        told_at = time.monotonic()

        def tell(found: syncing.Progress) -> None:
            nonlocal told_at
            if time.monotonic() - told_at >= LINE_EVERY:
                told_at = time.monotonic()
                self.stdout.write(f"{found.seen} of {shown} {resource}, {found.failed} refused")
                self.stdout.flush()

        yield tell


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = parse_datetime(text)
        day = parse_date(text)
    except ValueError:
        found = day = None
    if found is None and day is not None:
        found = datetime(day.year, day.month, day.day)
    if found is None:
        raise CommandError("--since must be a day or an instant, such as 2026-11-23 or 2026-11-23T10:00:00Z.")
    return found if found.tzinfo else found.replace(tzinfo=get_current_timezone())


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed. The second time ends it at once."""
    stopped = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: stopped
    finally:
        signal.signal(signal.SIGINT, before)

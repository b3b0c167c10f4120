"""Takes over what an account of Gorgias has: tickets with all that was said on them, or customers."""

import signal
import sys
import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from integrations import syncing
from integrations.enums import Provider
from integrations.gorgias.polling import IMPORTER, IMPORTS
from integrations.models import Connection
from integrations.syncing import Held, Limits, Progress
from sla.services.starting import start_open
from supportdesk.core.http import GatewayError
from tickets.models import Ticket

TOO_BAD, HELD, STOPPED = 1, 75, 130  # exit codes
TELL_EVERY = 10.0  # seconds
BATCH = 500


class Command(BaseCommand):
    help = "Takes over tickets or customers of Gorgias, newest first. Started again, it goes on where it was stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=sorted(IMPORTS))
        parser.add_argument("--connection", type=int, help="its number; without it, the only one")
        parser.add_argument("--since", help="only what changed from then on: 2026-11-23T10:00:00Z")
        parser.add_argument("--limit", type=int, help="stop after so many records")
        parser.add_argument("--batch-size", type=int, help="records to a transaction")
        parser.add_argument("--restart", action="store_true", help="begin anew, not where the last run stopped")
        parser.add_argument("--dry-run", action="store_true", help="read everything and write nothing")
        parser.add_argument(
            "--activate", action="store_true", help="of tickets: start the clocks of open ones, from now on"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        known, source = self._connection(options["connection"]), IMPORTS[options["what"]]
        for name in ("limit", "batch_size"):
            if options[name] is not None and options[name] < 1:
                raise CommandError(f"--{name.replace('_', '-')} must be at least 1.")
        self.stopped, self.told = False, time.monotonic()
        before = signal.signal(signal.SIGINT, self._stop)
        try:
            progress = syncing.run(
                known,
                source,
                by=IMPORTER,
                since=_instant(options["since"]),
                restart=options["restart"],
                size=options["batch_size"],
                limits=Limits(records=options["limit"], is_stopped=lambda: self.stopped),
                dry=options["dry_run"],
                tell=self._tell,
            )
        except Held as held:
            self.stderr.write(held.detail)
            sys.exit(HELD)
        except GatewayError as error:
            raise CommandError(f"Gorgias: {error.reason}. Start it again to go on.") from None
        finally:
            signal.signal(signal.SIGINT, before)
        self.stdout.write(_words(progress) + ("." if progress.ended else "; there is more."))
        if options["activate"] and options["what"] == "tickets" and not options["dry_run"]:
            self.stdout.write(f"Clocks begun: {_activate(known)}.")
        if progress.is_too_bad:
            raise CommandError("Too many records were bad: see the cursor's failures.", returncode=TOO_BAD)
        if self.stopped and not progress.ended:
            self.stderr.write(
                f"Stopped. Go on: python manage.py import_gorgias {options['what']} --connection {known.pk}"
            )
            sys.exit(STOPPED)

    def _connection(self, number: int | None) -> Connection:
        found = Connection.objects.active(Provider.GORGIAS)
        found = found.filter(pk=number) if number else found
        if found.count() != 1:
            raise CommandError("Name one active connection to Gorgias: --connection NUMBER.")
        return found.get()

    def _stop(self, *_: Any) -> None:
        """The page that is under way is finished."""
        self.stopped = True

    def _tell(self, progress: Progress) -> None:
        if time.monotonic() - self.told >= TELL_EVERY:
            self.told = time.monotonic()
            self.stdout.write(_words(progress))


def _words(progress: Progress) -> str:
    counts = f"{progress.seen} seen: {progress.written} taken over, {progress.skipped} as they were"
    return counts + (f", {progress.failed} bad" if progress.failed else "")


def _activate(known: Connection) -> int:
    ids = known.links.filter(object_type="ticket").values("local_id")
    open_ones = list(Ticket.objects.unfinished().filter(pk__in=ids, sla__isnull=True).values_list("pk", flat=True))
    batches = [open_ones[start : start + BATCH] for start in range(0, len(open_ones), BATCH)]
    return sum(start_open(batch, by=IMPORTER, now=timezone.now()) for batch in batches)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise CommandError("--since must be an instant with its offset, such as 2026-11-23T10:00:00Z.")
    return found

"""The order of work by other weights: what would come first, and the ranks brought up to date."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from supportdesk.core.errors import InvalidInput
from tickets import weights
from tickets.ordering import Weights
from tickets.services import ranking

SHOWN = 50
ROUNDS = 60  # over what somebody was just changing
REST_SECONDS = 0.5  # between two of them


class Command(BaseCommand):
    help = (
        "Ranks unfinished tickets by the weights in force, in batches that nobody waits for; may be stopped and begun "
        "again. With --dry-run shows who would come first by those of a file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--weights", type=Path, metavar="FILE", help="JSON, as SUPPORTDESK_RANK_WEIGHTS names one")
        parser.add_argument("--dry-run", action="store_true", help=f"show the first {SHOWN} before and after only")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = _weights(options["weights"])
        if options["dry_run"]:
            self._compare(wanted)
            return
        if wanted != weights.current():
            raise CommandError(
                "These are not the weights in force, so each change of a ticket would rank it by others. Have "
                "SUPPORTDESK_RANK_WEIGHTS name this file, start every process again, and run this again."
            )
        self._apply(wanted)

    def _compare(self, wanted: Weights) -> None:
        found = ranking.preview(wanted, most=SHOWN)
        places = {pk: place for place, pk in enumerate(found.before, start=1)}
        self.stdout.write(f"{'Place':>5}{'Before':>12}{'After':>12}{'Was at':>8}")
        for place, pair in enumerate(zip(found.before, found.after, strict=True), start=1):
            before, after = pair
            self.stdout.write(f"{place:>5}{before:>12}{after:>12}{places.get(after, '-'):>8}")
        moved = sum(before != after for before, after in zip(found.before, found.after, strict=True))
        self.stdout.write(f"{moved} of the first {len(found.before)} places would change.")

    def _apply(self, wanted: Weights) -> None:
        ranked = 0
        for number in range(ROUNDS):
            if number:
                time.sleep(REST_SECONDS)
            after = 0
            while batch := ranking.rerank(after=after):
                after, count = batch
                ranked += count
                self.stderr.write(f"{ranked} tickets, up to {after}")
            if not ranking.stale_ones().exists():
                self.stdout.write(f"{ranked} tickets are ranked by version {wanted.version}.")
                return
        raise CommandError(f"{ranking.stale_ones().count()} tickets were being changed all the time; run this again.")


def _weights(path: Path | None) -> Weights:
    if path is None:
        return weights.current()
    try:
        return weights.load(path)
    except (InvalidInput, OSError) as error:
        raise CommandError(str(error)) from None

"""A desk with any number of tickets, for measuring."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from supportdesk.core.actor import Door, system
from supportdesk.load import generating, storing

CHUNK = 2_500
MOST = 20_000_000
TOLD_EVERY = 20  # chunks


class Command(BaseCommand):
    help = "Adds tickets by COPY, shaped like years of a busy desk. Nothing follows from them: no push, no partner."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tickets", type=int, required=True)
        parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same tickets")

    def handle(self, *args: Any, **options: Any) -> None:
        count: int = options["tickets"]
        if settings.PRODUCTION:
            raise CommandError("This is for measuring, never for a desk that people work on.")
        if not 1 <= count <= MOST:
            raise CommandError(f"--tickets must be from 1 to {MOST:,}.")
        by, now, self.started = system("generate_load", origin=Door.IMPORT), timezone.now(), time.monotonic()
        cast = storing.cast(tickets=count, by=by, now=now)
        made = generating.chunks(count, size=CHUNK, cast=cast, ids=storing.ids(), now=now, seed=options["seed"])
        for number, chunk in enumerate(made, start=1):
            storing.store(chunk, by=by)
            if number % TOLD_EVERY == 0:
                self._tell(f"{number * CHUNK:,} of {count:,} tickets")
        storing.tidy()
        self._tell(f"{count:,} tickets, vacuumed and analysed")

    def _tell(self, what: str) -> None:
        self.stdout.write(f"  {what}, {time.monotonic() - self.started:.0f} s")
        self.stdout.flush()

"""Works off what partners sent and nobody was woken for."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from integrations import receipts

MOST = 10_000


class Command(BaseCommand):
    help = "Works off the deliveries that are due now, here and not by a worker, and says how many they were."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=MOST, help=f"at most so many ({MOST:,})")

    def handle(self, *args: Any, **options: Any) -> None:
        count, limit = 0, options["limit"]
        while count < limit and (done := receipts.sweep(limit=limit - count)):
            count += done
        left = receipts.is_something_due()
        self.stdout.write(f"{count} worked off{', and more are due' if left else ''}.")

"""After a new key was put first in the ring: brings everything under it, while the product runs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from customers import services
from supportdesk.core import rotation
from supportdesk.core.crypto import encrypted_columns

NAMED = 5  # ids of unreadable rows that are named


class Command(BaseCommand):
    help = (
        "Re-encrypts every value under the first key of SUPPORTDESK_ENCRYPTION_KEYS, and brings the hashes that find "
        "customers under the first of SUPPORTDESK_BLIND_INDEX_KEY. Stop it and start it again as you like."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only count the values under each key")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["check"]:
            self._rotate()
            self._reindex()
        self._report()

    def _rotate(self) -> None:
        unreadable: dict[str, list[int]] = {}
        for progress in rotation.rotate():
            self.stdout.write(f"  {progress.column}: {progress.done}")
            unreadable[progress.column] = progress.unreadable
        wrong = {column: ids for column, ids in unreadable.items() if ids}
        if wrong:
            named = "; ".join(f"{column}: {len(ids)} (ids {ids[:NAMED]} …)" for column, ids in wrong.items())
            raise CommandError(f"No key of the ring reads these values, which were left as they are: {named}.")

    def _reindex(self) -> None:
        last: int | None = 0
        while last is not None:
            last = services.reindex(after=last)

    def _report(self) -> None:
        for model, column in encrypted_columns():
            counts = rotation.key_ids(model, column)
            said = ", ".join(f"{count} under {key_id}" for key_id, count in sorted(counts.items()))
            self.stdout.write(f"{column.context}: {said or 'no values'}")

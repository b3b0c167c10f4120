"""After a new key was put first in the ring: brings everything under it, while the product runs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from customers import services
from integrations import links, receipts
from supportdesk.core import rotation
from supportdesk.core.crypto import encrypted_columns, index_key_names

NAMED = 5  # ids of unreadable rows that are named
RING = "SUPPORTDESK_BLIND_INDEX_KEY"
# Hashes of what is not kept, each good for as long as its key is there.
MARKS = {
    "marks of erased people": links.buried_by_key,
    "hashes of what partners told": links.told_by_key,
    "hashes of whom deliveries speak of": receipts.subjects_by_key,
}


class Command(BaseCommand):
    help = (
        "Re-encrypts every value under the first key of SUPPORTDESK_ENCRYPTION_KEYS, and brings the hashes that find "
        f"customers under the first of {RING}; then says what older ones are still needed for. Stop it and start it "
        "again as you like."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only count what is under each key")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["check"]:
            self._rotate()
            self._reindex()
        self._report()
        self._report_hashes()

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

    def _report_hashes(self) -> None:
        """What of the ring is still needed. Raises CommandError for what nothing of the ring recognises any more."""
        older = services.count_under_older_keys()
        self.stdout.write(f"customers: {older} not found under the first value of {RING} yet")
        values = {name: f"value {number}" for number, name in enumerate(index_key_names(), start=1)}
        needed, gone = set[str](), list[str]()
        for what, count in MARKS.items():
            for name, found in sorted(count().items()):
                self.stdout.write(f"{what}: {found} under {values.get(name, 'a value that is not known')}")
                needed |= {name} if name else set(values)  # those that name none may be of any
                if name and name not in values:
                    gone.append(f"{found} {what}")
        for name in list(values)[1:]:
            is_needed = older or name in needed
            self.stdout.write(f"{values[name]} of {RING}: {'keep it' if is_needed else 'may be dropped'}")
        if gone:
            raise CommandError(
                f"The value of {RING} is gone that made {', '.join(gone)}: erased people may come back, and what is"
                " told of somebody is not found when they are erased. Put it back, behind the others."
            )

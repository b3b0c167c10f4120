"""Erasing people for good, and doing it again after a backup brought them back."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from customers import privacy
from customers.events import CustomerErased
from customers.models import Customer
from supportdesk.core.actor import Door, system
from supportdesk.core.models import Event


class Command(BaseCommand):
    help = (
        "Erases customers by id. `--list` prints the ids of all who were erased: keep that list outside the backups, "
        "and after a restore, before the desk opens, feed it back: erase_customers --from-input < list"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("customers", type=int, nargs="*", help="ids")
        parser.add_argument("--list", action="store_true", help="print the ids of those who were erased")
        parser.add_argument("--from-input", action="store_true", help="read ids from standard input, one a line")
        parser.add_argument("--yes", action="store_true", help="do not ask; needed with ids")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            erased = Event.objects.filter(name=CustomerErased.name, subject_type=CustomerErased.subject_type)
            for customer_id in erased.order_by("pk").values_list("subject_id", flat=True):
                self.stdout.write(str(customer_id))
            return
        ids = [*options["customers"], *(_ids(sys.stdin.read()) if options["from_input"] else [])]
        if ids and not (options["yes"] or options["from_input"]):
            raise CommandError("Nothing brings the data back. Add --yes.")
        present = Customer.objects.filter(pk__in=ids, erased_at__isnull=True).values_list("pk", flat=True)
        by, done = system("erase_customers", origin=Door.COMMAND), 0
        for customer_id in sorted(present):
            privacy.erase(customer_id=customer_id, by=by, now=timezone.now())
            done += 1
        self.stdout.write(f"Erased {done}; {len(set(ids)) - done} were erased before or are not there.")


def _ids(text: str) -> list[int]:
    try:
        return [int(line) for line in text.split()]
    except ValueError:
        raise CommandError("Must be ids, one a line.") from None

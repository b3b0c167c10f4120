"""Everything that is kept of one person, as JSON."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from supportdesk.core.actor import Door, system
from supportdesk.core.errors import NotFound
from tickets.services.privacy import export


class Command(BaseCommand):
    help = "Writes everything that is kept of a customer to standard output, as JSON. Leaves an audit row."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("customer", type=int, help="the customer's id")

    def handle(self, *args: Any, **options: Any) -> None:
        by = system("export_customer", origin=Door.COMMAND)
        try:
            found = export(customer_id=options["customer"], by=by, now=timezone.now())
        except NotFound:
            raise CommandError(f"There is no customer {options['customer']}.") from None
        self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))

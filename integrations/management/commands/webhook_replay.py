"""Has deliveries of partners worked off again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from integrations import receipts
from integrations.enums import Provider, ReceiptStatus
from integrations.models import WebhookReceipt
from supportdesk.core.actor import Door, system
from supportdesk.core.errors import DomainError

BY = system("webhook_replay", origin=Door.COMMAND)


class Command(BaseCommand):
    help = "Has one delivery, or those of a range that were given up, worked off again in the order in which they came."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, help="numbers of deliveries; without any, a range")
        parser.add_argument("--provider", choices=Provider.values)
        parser.add_argument("--topic")
        parser.add_argument("--status", choices=ReceiptStatus.values, default=ReceiptStatus.DEAD.value)
        parser.add_argument("--since", help="received from then on: 2026-11-23T10:00:00Z")
        parser.add_argument("--until", help="received before then")
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        ids = list(self._range(options)) if not options["ids"] else options["ids"]
        if options["dry_run"]:
            self.stdout.write(f"{len(ids)} to be worked off again.")
            return
        again = 0
        for number in ids:
            try:
                receipts.replay(receipt_id=number, by=BY, now=timezone.now())
                again += 1
            except DomainError as problem:
                self.stderr.write(f"{number}: {problem.detail}")
        self.stdout.write(f"{again} of {len(ids)} worked off again.")
        if again < len(ids):
            raise CommandError("Some were not.")

    def _range(self, options: dict[str, Any]) -> Any:
        found = WebhookReceipt.objects.filter(status=options["status"]).order_by("pk")
        if not any(options[name] for name in ("since", "until", "provider", "topic")):
            raise CommandError("Name deliveries, or a range: --since, --until, --provider or --topic.")
        if options["since"]:
            found = found.filter(received_at__gte=_instant("since", options["since"]))
        if options["until"]:
            found = found.filter(received_at__lt=_instant("until", options["until"]))
        if options["provider"]:
            found = found.filter(provider=options["provider"])
        if options["topic"]:
            found = found.filter(topic=options["topic"])
        return found.values_list("pk", flat=True)


def _instant(name: str, text: str) -> Any:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise CommandError(f"--{name} must be an instant with its offset, such as 2026-11-23T10:00:00Z.")
    return found

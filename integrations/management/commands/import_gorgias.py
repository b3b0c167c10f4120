"""Takes over tickets with all that was said on them, or customers, of a Gorgias account; see docs/integrations.md."""

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.utils import timezone

from integrations.enums import Provider
from integrations.gorgias.client import PAGE
from integrations.gorgias.names import TICKET
from integrations.gorgias.polling import IMPORTER, SOURCES
from integrations.management.sync_command import SyncCommand
from integrations.models import ExternalLink
from sla.services.starting import start_open
from supportdesk.core.actor import Actor
from tickets.models import Ticket

BATCH = 500


class Command(SyncCommand):
    help = "Takes over tickets or customers of Gorgias, the newest first. What happened before starts nothing here."
    provider: ClassVar = Provider.GORGIAS
    sources: ClassVar = SOURCES
    most: ClassVar = PAGE

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--activate", action="store_true", help="start the SLA clocks of open tickets, from now on")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if options["activate"] and options["resource"] == "tickets" and not options["dry_run"]:
            self.stdout.write(f"Tickets whose clocks began: {_activate(self._connection(options['connection']).pk)}.")

    def actor(self) -> Actor:
        return IMPORTER


def _activate(connection_id: int) -> int:
    theirs = ExternalLink.objects.filter(connection=connection_id, object_type=TICKET).values("local_id")
    unfinished = Ticket.objects.unfinished().filter(pk__in=theirs, sla__isnull=True).order_by("pk")
    ids = list(unfinished.values_list("pk", flat=True))
    batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    return sum(start_open(batch, by=IMPORTER, now=timezone.now()) for batch in batches)

"""Takes over customers, orders and products of a shop; see docs/integrations.md."""

from collections.abc import Iterator
from typing import ClassVar

from django.core.management.base import CommandError

from integrations.enums import Provider
from integrations.management.sync_command import SyncCommand
from integrations.models import Connection
from integrations.shopify.sources import MOST, SIXTY_DAYS, SOURCES, may_read, scope_of


class Command(SyncCommand):
    help = "Takes over customers, orders or products of a shop: everything the first time, then what changed."
    provider: ClassVar = Provider.SHOPIFY
    sources: ClassVar = SOURCES
    most: ClassVar = MOST

    def notes(self, known: Connection, resource: str) -> Iterator[str]:
        if not may_read(known, resource):
            raise CommandError(f"{known} does not let us read {resource}: connect it again with {scope_of(resource)}.")
        if resource == "orders" and SIXTY_DAYS not in known.scopes:
            yield f"only orders of the last 60 days are shown to us without the scope {SIXTY_DAYS}."

"""Registers what shops tell us of."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.enums import Provider
from integrations.models import Connection
from integrations.shopify import subscriptions
from supportdesk.core.http import GatewayError


class Command(BaseCommand):
    help = "Registers at every active shop the webhooks that it lacks; they lead to SUPPORTDESK_PUBLIC_URL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--connection", type=int, help="the number of one connection")

    def handle(self, *args: Any, **options: Any) -> None:
        found = Connection.objects.active(Provider.SHOPIFY).order_by("account_key")
        if options["connection"]:
            found = found.filter(pk=options["connection"])
        if not found:
            raise CommandError("There is no active connection to a shop.")
        failed = 0
        for known in found:
            try:
                topics = subscriptions.register(known)
            except GatewayError as error:
                failed += 1
                self.stderr.write(f"{known}: {error.reason}")
            else:
                self.stdout.write(f"{known}: {', '.join(topics) or 'nothing was missing'}")
        if failed:
            raise CommandError("Some were not registered.")

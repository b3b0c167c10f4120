"""Registers what partners tell us of."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations import connections
from integrations.enums import ConnectionStatus, Provider
from integrations.models import Connection
from integrations.providers import REGISTRARS
from supportdesk.core.actor import Door, system
from supportdesk.core.http import GatewayError

BY = system("integration_register_webhooks", origin=Door.COMMAND)


class Command(BaseCommand):
    help = "Registers at every active shop and Gorgias the webhooks that it lacks; they lead to SUPPORTDESK_PUBLIC_URL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--provider", choices=[provider.value for provider in REGISTRARS])
        parser.add_argument(
            "--new-secret", action="store_true", help="make another webhook secret for each Gorgias, and hand it over"
        )
        parser.add_argument("--connection", type=int, help="the number of one connection")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = [options["provider"]] if options["provider"] else list(REGISTRARS)
        found = Connection.objects.filter(status=ConnectionStatus.ACTIVE, provider__in=wanted)
        if options["connection"]:
            found = found.filter(pk=options["connection"])
        if not found:
            raise CommandError("There is no active connection to register at.")
        failed = 0
        for known in found.order_by("provider", "account_key"):
            if options["new_secret"] and known.provider == Provider.GORGIAS:
                connections.new_webhook_secret(connection_id=known.pk, by=BY, now=timezone.now())
                known.refresh_from_db()
            try:
                topics = REGISTRARS[Provider(known.provider)](known)
            except GatewayError as error:
                failed += 1
                self.stderr.write(f"{known}: {error.reason}")
            else:
                self.stdout.write(f"{known}: {', '.join(topics) or 'nothing was missing'}")
        if failed:
            raise CommandError("Some were not registered.")

"""Makes a connection to a partner, or changes one, as the admin does."""

import os
import sys
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations import connections
from integrations.enums import ConnectionStatus, Provider
from integrations.models import Connection
from supportdesk.core.actor import Door, system
from supportdesk.core.errors import DomainError

BY = system("integration_connect", origin=Door.COMMAND)
PREFIX = "SUPPORTDESK_CONNECTION_"
VARIABLES = {f"{PREFIX}{name.upper()}": name for name in sorted(connections.SECRETS)}
SAID_BY = {name: variable for variable, name in VARIABLES.items()}


class Command(BaseCommand):
    help = (
        f"Makes or changes a connection, and activates it when it has what it needs. Secrets are no arguments, which "
        f"others on the machine can read: they come from {', '.join(VARIABLES)}, or with --stdin from lines."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("provider", choices=Provider.values)
        parser.add_argument("account", help="the shop's domain, the subdomain of gorgias.com, the workspace's name")
        parser.add_argument("--email", help="of the Gorgias user whose API key it is")
        parser.add_argument("--address", help="from which Gorgias answers what was opened here")
        parser.add_argument("--channel", help="the id of the Slack channel that is written to")
        parser.add_argument("--write-back", action=BooleanOptionalAction, help="write notes and tags to the shop")
        parser.add_argument("--stdin", action="store_true", help=f"read secrets: lines such as {min(VARIABLES)}=…")

    def handle(self, *args: Any, **options: Any) -> None:
        secrets = _secrets(sys.stdin if options["stdin"] else ())
        names = (*sorted(connections.OPTIONS), "write_back")
        changes = {name: options[name] for name in names if options[name] is not None} | secrets
        try:
            known = self._saved(Provider(options["provider"]), options["account"], changes)
            if _is_to_be_activated(known, secrets):
                known = connections.activate(connection_id=known.pk, by=BY, now=timezone.now())
        except connections.NotReady as missing:
            self.stdout.write(f"{known} (#{known.pk}) is {known.get_status_display()}. {missing.detail}")
        except DomainError as problem:
            raise CommandError(
                "; ".join(f"{SAID_BY.get(one.field, one.field)}: {one.detail}" for one in problem.errors)
                or problem.detail
            ) from None
        else:
            self.stdout.write(f"{known} (#{known.pk}) is {known.get_status_display()}.")

    def _saved(self, provider: Provider, account: str, changes: dict[str, Any]) -> Connection:
        account, now = connections.checked_account(provider, account), timezone.now()
        known = Connection.objects.filter(provider=provider, account_key=account).first()
        if known is None:
            return connections.create(provider=provider, account_key=account, changes=changes, by=BY, now=now)
        return connections.update(connection_id=known.pk, changes=changes, by=BY, now=now)


def _is_to_be_activated(known: Connection, secrets: dict[str, str]) -> bool:
    """What somebody paused stays so, and what a partner let go of until there is something else to open it with."""
    has_left = known.status in {ConnectionStatus.REAUTH, ConnectionStatus.UNINSTALLED}
    return known.status == ConnectionStatus.PENDING or (has_left and bool(connections.OPENING & secrets.keys()))


def _secrets(lines: Iterable[str]) -> dict[str, str]:
    """By the column that each is kept in. What stands in a line counts before the environment."""
    given = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if line.strip() and (not equals or name not in VARIABLES):
            raise CommandError(f"A line must be one of {', '.join(VARIABLES)}, an equals sign and the value.")
        given |= {name: value} if name else {}
    return {VARIABLES[name]: value for name, value in given.items()}

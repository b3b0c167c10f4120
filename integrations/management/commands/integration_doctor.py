"""Looks at every connection and says what is wrong."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from integrations import doctor
from integrations.enums import ConnectionStatus, Provider
from integrations.models import Connection

FAULT = 1


class Command(BaseCommand):
    help = "Looks at every connection that is not paused, asks the partner, and names what is wrong. Ends with 1 then."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--provider", choices=Provider.values)
        parser.add_argument("--connection", type=int, help="the number of one connection, also of one that is paused")

    def handle(self, *args: Any, **options: Any) -> None:
        found = Connection.objects.order_by("provider", "account_key")
        if options["connection"]:
            found = found.filter(pk=options["connection"])
        else:
            found = found.exclude(status__in=[ConnectionStatus.PAUSED, ConnectionStatus.UNINSTALLED])
        if options["provider"]:
            found = found.filter(provider=options["provider"])
        faults = 0
        for known in found:
            findings = doctor.examine(known, now=timezone.now())
            faults += sum(not finding.is_fine for finding in findings)
            self.stdout.write("\n".join([f"{known} (#{known.pk})", *(f"  {finding}" for finding in findings)]))
        if not found:
            self.stdout.write("There is no connection to look at.")
        if faults:
            self.stderr.write(f"{faults} {'fault' if faults == 1 else 'faults'}.")
            sys.exit(FAULT)

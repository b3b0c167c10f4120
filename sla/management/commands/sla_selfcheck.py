"""Whether the clocks in the table are what the events say."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from sla.services import selfcheck

NAMED = 20


class Command(BaseCommand):
    help = "Winds every SLA clock again from the events and reports those that differ: there should be none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        report = selfcheck.check(now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps({**vars(report), "drift": len(report.drift), "ids": report.drift}))
        else:
            self.stdout.write(f"{report.clocks} clocks of {report.tickets} tickets; {report.awaiting} to be raised.")
            named = ", ".join(map(str, report.drift[:NAMED])) + (" …" if len(report.drift) > NAMED else "")
            self.stdout.write(f"Drift: {len(report.drift)}{f' (tickets {named})' if report.drift else ''}.")
        if report.drift:
            sys.exit(1)

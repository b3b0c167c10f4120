"""What another version of a policy, or other hours, would have meant for the tickets of the last days."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from agents.models import Department
from sla.api.hours import HoursIn
from sla.models import Policy
from sla.services import simulating
from sla.services.simulating import Tally
from supportdesk.core.actor import Door, system
from supportdesk.core.errors import DomainError

BY = system("simulation", origin=Door.COMMAND)
COUNTS = ("tickets", "recorded", "simulated", "gained", "lost")


class Command(BaseCommand):
    help = "Winds the clocks of past tickets by other words or hours, and counts the breaches gained and lost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--policy", type=int, help="id of the policy; the default one unless given")
        parser.add_argument("--number", type=int, help="its version; the draft unless given, else what is active")
        parser.add_argument("--days", type=int, default=30, help="tickets created in these last days (30)")
        parser.add_argument(
            "--calendar", type=Path, help="JSON with timezone, week and holidays, as the API takes them"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        policy_id = options["policy"] or Policy.objects.get(is_default=True).pk
        hours = _hours(options["calendar"]) if options["calendar"] else None
        try:
            draft = simulating.draft(
                policy_id=policy_id,
                number=options["number"],
                days=options["days"],
                calendar=hours,
                by=BY,
                now=timezone.now(),
            )
        except DomainError as error:
            raise CommandError(error.detail) from None
        found: dict[int, Tally] = {}
        _, total = simulating.extent(draft)
        for looked_at, so_far in simulating.run(draft):
            found = so_far
            self.stderr.write(f"{looked_at} of {total} tickets")
        names = {0: "No department", **dict(Department.objects.values_list("pk", "name"))}
        if options["json"]:
            departments = {names[pk]: asdict(tally) for pk, tally in sorted(found.items())}
            self.stdout.write(json.dumps({"policy": policy_id, "number": draft.number, "departments": departments}))
            return
        self.stdout.write(f"{'Department':<30}" + "".join(f"{name.capitalize():>11}" for name in COUNTS))
        for pk, tally in sorted(found.items()):
            self.stdout.write(f"{names[pk]:<30}" + "".join(f"{getattr(tally, name):>11,}" for name in COUNTS))
            for kind in ("gained", "lost"):
                for ticket_id, metric, at in getattr(tally, f"{kind}_examples"):
                    self.stdout.write(f"  {kind}: ticket {ticket_id}, {metric.replace('_', ' ')}, {at}")


def _hours(path: Path) -> dict[str, Any]:
    try:
        serializer = HoursIn(data=json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read as JSON: {error}") from None
    if not serializer.is_valid():
        raise CommandError(f"{path} holds no hours: {json.dumps(serializer.errors)}")
    return dict(serializer.validated_data)

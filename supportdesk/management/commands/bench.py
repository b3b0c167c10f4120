"""Measures the ways of asking on the tickets that are there; `generate_load` makes them. See docs/performance.md."""

import json
import logging
import statistics
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.test.utils import override_settings
from django.utils import timezone

from supportdesk.core.actor import Door, system
from supportdesk.load import measuring, ways
from supportdesk.load.askers import Asker, EmptyDesk, askers
from supportdesk.load.floors import searched
from supportdesk.load.measuring import Measured, NotTheirs
from supportdesk.load.ways import Way
from tickets.models import Ticket

SETTINGS = {"REQUESTS_PER_MINUTE": 10**9, "KEPT_ANSWER_SECONDS": 0, "ALLOWED_HOSTS": ["testserver"]}
WRITES = {"message": 6, "ticket": 8}  # statements each may take
SEARCH_RATIO = 3.0


class Command(BaseCommand):
    help = "Statements and buffers of each way of asking, against what it may cost. Writes nothing that stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--plans", action="store_true", help="print how PostgreSQL answers each")
        parser.add_argument("--save", type=Path, help="write the figures to this file")
        parser.add_argument("--against", type=Path, help="compare with figures of another size")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("This is for measuring, never for a desk that people work on.")
        self.plans, self.over = options["plans"], 0
        self.figures: dict[str, dict[str, int]] = {}
        self.known = json.loads(options["against"].read_text()) if options["against"] else {}
        self.now, by = timezone.now(), system("bench", origin=Door.COMMAND)
        logging.disable(logging.CRITICAL)  # a line per request
        try:
            with measuring.rolled_back(), override_settings(**SETTINGS):
                self._measure(askers(by=by, now=self.now))
        except EmptyDesk as problem:
            raise CommandError(str(problem)) from None
        finally:
            logging.disable(logging.NOTSET)
            cache.clear()
        if options["save"]:
            options["save"].write_text(json.dumps(self.figures, indent=1))
        if self.over:
            raise CommandError(f"{self.over} cost more than they may.")

    def _measure(self, people: Mapping[str, Asker]) -> None:
        self.stdout.write("Besides the one statement that checks the token.")
        self.stdout.write(f"About {_tickets():,} tickets\n\n{'':40}statements  audit  buffers  times      ms  rows")
        for way in ways.main_ways(people):
            self._tell(way, people[way.who].asking.read(way.path))
        self._writes(people["agent"])
        self._many("every filter and order", people, list(ways.filters(people, now=self.now)))
        self._many("every other list", people, list(ways.other_reads(people, now=self.now)))
        self._many("the admin", {who: people[who] for who in ("admin", "supervisor")}, list(ways.admin_pages(people)))
        self._searches({who: people[who] for who in ("admin", "agent", "small")})

    def _writes(self, asker: Asker) -> None:
        ticket = Ticket.objects.filter(assignee=asker.agent, status="open").order_by("rank_at", "pk")[0]
        where = {"customer_id": ticket.customer_id, "department_id": asker.agent.department_id}
        bodies: Mapping[str, tuple[str, dict[str, Any]]] = {
            "message": (f"/api/tickets/{ticket.pk}/messages", {"body": "We are on it."}),
            "ticket": ("/api/tickets", {"subject": "A question", "description": "How does this work?", **where}),
        }
        for name, (path, body) in bodies.items():
            way = Way(name=f"new {name}", who="agent", path=path, statements=WRITES[name])
            self._tell(way, asker.asking.written(path, body))

    def _many(self, name: str, people: Mapping[str, Asker], paths: Iterable[str]) -> None:
        """Only the dearest of many, and those that cost more than they may."""
        for who, asker in people.items():
            found = {}
            for path in paths:
                try:
                    found[path] = asker.asking.read(path)
                except NotTheirs:
                    continue
                if found[path].buffers > ways.MOST_BUFFERS:
                    self._tell(Way(name=path, who=who, path=path), found[path])
            dearest = max(found, key=lambda path, found=found: found[path].buffers)  # type: ignore[misc]
            self._tell(Way(name=f"{name}: {len(found)}, at most", who=who, path=dearest), found[dearest])
            self.stdout.write(f"    {dearest}")

    def _searches(self, people: Mapping[str, Asker]) -> None:
        self.stdout.write(f"\n{'search':40}{'floor ms':>10}{'in SQL ms':>11}{'times':>7}{'request ms':>12}{'times':>7}")
        in_sql, whole = [], []
        for who, asker in people.items():
            for name, words in ways.searches().items():
                found = searched(asker, words)
                in_sql.append(found.in_sql / found.floor)
                whole.append(found.request / found.floor)
                figures = f"{found.floor:>10.1f}{found.in_sql:>11.1f}{in_sql[-1]:>7.1f}"
                self.stdout.write(f"{f'{name} ({who})':40}{figures}{found.request:>12.1f}{whole[-1]:>7.1f}")
                self._outline(found.measured)
        middle, outer = statistics.median(in_sql), statistics.median(whole)
        self.over += middle > SEARCH_RATIO
        self.stdout.write(f"{'median':40}{'':>21}{middle:>7.1f}{'':>12}{outer:>7.1f}")

    def _tell(self, way: Way, found: Measured) -> None:
        name = f"{way.name} ({way.who})"
        self.figures[name] = {"statements": found.statements, "buffers": found.buffers, "rows": found.rows}
        growth = _growth(found, self.known.get(name))
        times = f"{growth:.2f}" if growth else ""
        broken = [
            way.statements is not None and found.statements > way.statements,
            found.buffers > way.buffers,
            bool(growth and way.growth and growth > way.growth),
        ]
        self.over += any(broken)
        self.stdout.write(
            f"{name:<40}{found.statements:>10}{found.audit:>7}{found.buffers:>9,}{times:>7}{found.milliseconds:>8.1f}"
            f"{found.rows:>6}{'  OVER' if any(broken) else ''}"
        )
        self._outline(found)

    def _outline(self, found: Measured) -> None:
        if self.plans:
            for plan in found.plans:
                self.stdout.write("\n".join(f"    {line}" for line in plan.splitlines()) + "\n")
        self.stdout.flush()


def _growth(found: Measured, before: Mapping[str, int] | None) -> float | None:
    """How many times what it cost at another size, for each row that it showed there and here."""
    if not before or not before["buffers"]:
        return None
    return (found.buffers / max(1, found.rows)) / (before["buffers"] / max(1, before["rows"]))


def _tickets() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE relname = 'tickets_ticket'")
        return int(cursor.fetchone()[0])

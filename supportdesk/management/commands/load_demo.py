"""Fills an empty database with the demo."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

from agents.models import Agent
from sla.services import deadlines, starting
from supportdesk.demo import story
from tickets.models import Ticket

LOCK = 5_220_601  # an arbitrary number, for the advisory lock of this command
STEP = 50
MOST_CLOCKS = 10_000


class Command(BaseCommand):
    help = "Fills an empty database with a month of a small support team. Does nothing when there is data."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo's logins are public, so it is never loaded in production.")
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            if Agent.objects.get_queryset().exists() or Ticket.objects.exists():
                return
            self.stdout.write("Loading the demo: a month of a small support team …")
            now = timezone.now()
            story.play(now=now, progress=self._progress)
            starting.start_from_history(now=now)
            deadlines.raise_due(by=story.SOMEBODY, now=now, limit=MOST_CLOCKS)
        self.stdout.write(f"Loaded {Ticket.objects.count()} tickets.")

    def _progress(self, done: int, total: int) -> None:
        if done % STEP == 0:
            self.stdout.write(f"  {done} of {total} tickets")
            self.stdout.flush()

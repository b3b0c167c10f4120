"""Alerts in Slack: many workers with the same breach tell it once; hundreds at once are a post and a digest, no more
than a message a second.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents.tests.builders import occurrence_of
from integrations.enums import NoticeStatus
from integrations.models import SlackNotification
from integrations.slack import handlers, notices, turns
from integrations.slack.sandbox import Asked, Sandbox
from integrations.tests.builders import make_slack
from sla.events import SLABreached
from sla.tests.builders import change_default, minutes, raise_due
from supportdesk.core import delivery
from supportdesk.core.delivery import Later
from supportdesk.core.models import Delivery
from supportdesk.tests.chaos.crew import crew
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from tickets.tests.builders import make_ticket

PROCESSES, THREADS = 2, 2
OURS = "integrations."
PATIENCE = 100.0  # seconds, which only a slow machine needs
CLOSEST = 1.0  # seconds between messages to a channel


def tell_one(event: SLABreached) -> str:
    """The same breach, as each worker that raised it would tell it."""
    try:
        handlers.tell_deadline(occurrence_of(event), now=timezone.now())
    except Later:
        return "later"
    finally:
        connection.close()
    return "told"


def work(patience: float) -> int:
    """A worker, until nothing of ours is to be told any more."""
    done, deadline = 0, time.monotonic() + patience
    while _waits() and time.monotonic() < deadline:
        done += delivery.run_due(limit=50)
        time.sleep(0.05)
    connection.close()
    return done


def run(setting: Setting) -> Outcome:
    breaches = 300 if setting.full else 40
    slack = Sandbox()
    slack.start()
    os.environ["SLACK_BASE_URL"] = settings.SLACK_BASE_URL = f"{slack.url}/api/"
    make_slack()
    now = timezone.now()
    change_default(now, targets=minutes(resolution=60))
    tickets = [make_ticket(priority="normal") for _ in range(breaches + 1)]
    Delivery.objects.all().delete()
    raise_due(now + timedelta(hours=2))
    first = SLABreached(subject_id=tickets[0].pk, metric="resolution", cycle=1, due_at=now.isoformat())
    Delivery.objects.exclude(event__name=SLABreached.name).delete()  # what was warned of is over, and is waited for
    Delivery.objects.filter(subject_id=tickets[0].pk).delete()
    Delivery.objects.update(due_at=now)  # those breaches happen in an hour
    fault = DRILL.faults[setting.broken] if setting.broken else None
    with crew(processes=PROCESSES, threads=THREADS, fault=fault) as rivals:
        told = rivals.race(tell_one, [first] * rivals.rivals)
        after_one = len(slack.messages)
        rivals.race(work, [PATIENCE] * rivals.rivals)
    slack.stop()
    return _outcome(slack, breaches + 1, after_one, told)


def _outcome(slack: Sandbox, breaches: int, after_one: int, told: list[str]) -> Outcome:
    posts = slack.of("chat.postMessage")
    gaps = [later.at - before.at for before, later in pairwise(sorted(posts, key=lambda one: one.at))]
    sent = SlackNotification.objects.filter(status=NoticeStatus.SENT)
    return Outcome(
        counts={
            "posts_of_one_breach": (after_one, 1),
            "told": (sent.count(), breaches),
            "too_many": (max(0, len(posts) - _most(posts)), 0),
            "too_soon": (sum(gap < CLOSEST for gap in gaps), 0),
            "tries": (Delivery.objects.filter(reaction__startswith=OURS, attempts__gt=1).count(), 0),
        },
        shown={
            "messages": len(posts),
            "rivals": dict(Counter(told)),
            "closest_seconds": round(min(gaps, default=0.0), 2),
        },
    )


def _most(posts: list[Asked]) -> int:
    """One, a digest, and another for each time in which more was gathered."""
    took = max(one.at for one in posts) - min(one.at for one in posts) if posts else 0.0
    return 2 + int(took // turns.GATHER)


def _waits() -> bool:
    return Delivery.objects.pending().filter(reaction__startswith=OURS).exists()


def forget_keys() -> None:
    """What was told is not known again."""
    real: Any = SlackNotification.objects.get_or_create

    def always(*, subject_key: str, **given: Any) -> Any:
        return real(subject_key=f"{subject_key}:{random.random()}", **given)

    SlackNotification.objects.get_or_create = always  # type: ignore[assignment, method-assign]


def let_everybody() -> None:
    """Nobody waits for a turn."""

    @contextmanager
    def turn(*_: Any, **__: Any) -> Iterator[turns.Turn]:
        yield turns.Turn()

    notices.turn = turn  # type: ignore[attr-defined]


DRILL = Drill(run=run, faults={"forget-keys": forget_keys, "let-everybody": let_everybody})

"""The tables that can start code, compared with what they start."""

from typing import Any

import pytest
from django.conf import settings
from django.urls import URLPattern
from django_celery_beat.models import PeriodicTask

from supportdesk.beat import Scheduler
from supportdesk.celery import app
from supportdesk.routing import websockets
from supportdesk.schedule import SCHEDULE
from supportdesk.urls import urlpatterns

# The seed's routes that exist so far, word for word; the rest of its tables joins with the work behind them.
SEED = {
    ("POST", "api/tickets"),
    ("GET", "api/tickets"),
    ("GET", "api/tickets/<id:pk>"),
    ("PATCH", "api/tickets/<id:pk>"),
    ("DELETE", "api/tickets/<id:pk>"),
    ("POST", "api/tickets/<id:pk>/assign"),
    ("POST", "api/tickets/<id:pk>/auto-assign"),
    ("POST", "api/tickets/<id:pk>/transfer"),
    ("GET", "api/tickets/unassigned"),
    ("GET", "api/agents/available"),
    ("GET", "api/agents/<id:pk>/queue"),
    ("POST", "api/tickets/<id:pk>/messages"),
    ("GET", "api/tickets/<id:pk>/messages"),
    ("POST", "api/tickets/<id:pk>/notes"),
    ("GET", "api/tickets/<id:pk>/notes"),
    ("POST", "api/customers"),
    ("GET", "api/customers"),
    ("GET", "api/customers/<id:pk>"),
    ("PATCH", "api/customers/<id:pk>"),
    ("GET", "api/customers/<id:pk>/tickets"),
    ("POST", "api/agents"),
    ("GET", "api/agents"),
    ("GET", "api/agents/<id:pk>"),
    ("PATCH", "api/agents/<id:pk>"),
    ("POST", "api/agents/<id:pk>/login"),
    ("POST", "api/agents/<id:pk>/logout"),
    ("GET", "api/sla/policies"),
    ("POST", "api/sla/policies"),
    ("GET", "api/sla/tickets/<id:pk>"),
    ("GET", "api/sla/breaches"),
    ("GET", "api/sla/at-risk"),
    ("GET", "api/sla/dashboard"),
}


def routes() -> dict[tuple[str, str], tuple[type, str]]:
    """(method, path) to view class and action, of the API."""
    found = {}
    for pattern in urlpatterns:
        if not isinstance(pattern, URLPattern):
            continue
        view: Any = pattern.callback
        actions = getattr(view, "actions", None)
        for method, action in (actions or {}).items():
            if method != "head":
                found[(method.upper(), str(pattern.pattern))] = (view.cls, action)
    return found


def test_every_route_of_the_seed_is_there() -> None:
    assert set(routes()) >= SEED


def test_the_socket_of_the_seed_is_there() -> None:
    assert [str(route.pattern) for route in websockets.routes] == ["ws/agent/<int:pk>", ""]  # and nothing else


def test_every_action_says_who_may_use_it() -> None:
    for view, action in routes().values():
        assert view.allowed.get(action), f"{view.__name__}.{action} names no role"  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)  # the scheduler closes the connection it finds
def test_beat_runs_what_the_schedule_names_and_nothing_else() -> None:
    Scheduler(app=app)
    assert set(PeriodicTask.objects.values_list("name", flat=True)) == set(SCHEDULE)


def test_every_job_of_the_schedule_is_a_task() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)
    assert settings.CELERY_WORKER_PREFETCH_MULTIPLIER == 1

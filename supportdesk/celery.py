"""The Celery application: the worker's and beat's entry point."""

import os

from celery import Celery
from celery.signals import setup_logging, worker_ready

from supportdesk.schedule import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings.base")

app = Celery("supportdesk", task_cls="supportdesk.core.observability.tracing:TracedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = SCHEDULE
app.steps["worker"].add("supportdesk.core.observability.worker:ScrapeServer")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]
def keep_our_logging(**_: object) -> None:
    """Having a receiver is what keeps Celery from replacing the JSON logging of the settings."""


@worker_ready.connect  # type: ignore[untyped-decorator]
def take_up_what_was_left(**_: object) -> None:
    """A worker that comes up does not wait for beat to see what its predecessor left."""
    app.send_task("core.relay")
    app.send_task("integrations.sweep_receipts")

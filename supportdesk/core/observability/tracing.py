"""One id from a request to what it sends a worker to do, and one log line and a count per task."""

import time
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Ignore, Reject, Retry

from supportdesk.core.observability.metrics import TASK_TIME, TASKS
from supportdesk.core.observability.middleware import current_request_id

HEADER = "request_id"

log = structlog.get_logger("supportdesk.task")


class TracedTask(Task):
    """Base of every task. Sent from a request or from another task, it carries that one's request id in its message;
    sent by the clock, it has its own id for one. Every log line and every Event of its run has it.
    """

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        headers = {HEADER: current_request_id(), **(options.pop("headers", None) or {})}
        return super().apply_async(args, kwargs, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        message = self.request
        if message.called_directly:
            return super().__call__(*args, **kwargs)
        request_id = message.get(HEADER) or message.id
        with structlog.contextvars.bound_contextvars(request_id=request_id, task=self.name, task_id=message.id):
            return self._measured(*args, **kwargs)

    def _measured(self, *args: Any, **kwargs: Any) -> Any:
        outcome, started = "failed", time.perf_counter()
        try:
            result = self.run(*args, **kwargs)
            outcome = "done"
            return result
        except (Retry, Ignore, Reject) as wish:
            outcome = type(wish).__name__.lower()
            raise
        except Exception:
            log.exception("task failed")  # Celery's own line about it has the exception's text and is not shown
            raise
        finally:
            seconds = time.perf_counter() - started
            TASKS.labels(self.name, outcome).inc()
            TASK_TIME.labels(self.name).observe(seconds)
            log.info("task", outcome=outcome, milliseconds=round(seconds * 1000, 1))

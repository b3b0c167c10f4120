"""Tasks of the tests, for a real worker: `celery -A supportdesk worker --include supportdesk.tests.working`."""

from dataclasses import dataclass
from typing import ClassVar

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from supportdesk.core.actor import Door, system
from supportdesk.core.events import DomainEvent, emit


@dataclass(frozen=True, kw_only=True)
class Worked(DomainEvent):
    name: ClassVar[str] = "test.worked"
    subject_type: ClassVar[str] = "test"


@shared_task(name="tests.work")  # type: ignore[untyped-decorator]
def work(*, subject_id: int) -> None:
    with transaction.atomic():
        emit(Worked(subject_id=subject_id), by=system("tests", origin=Door.TASK), at=timezone.now())
    if subject_id > 1:
        work.delay(subject_id=subject_id - 1)


@shared_task(name="tests.fail")  # type: ignore[untyped-decorator]
def fail(*, whom: str) -> None:
    raise LookupError(f"no {whom}")

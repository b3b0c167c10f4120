"""Beat's scheduler: the database, with `schedule.py` as the first entry of each job."""

from collections.abc import Mapping
from typing import Any

from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler


class Scheduler(DatabaseScheduler):
    """Adds the jobs of `schedule.py` that the table lacks, and leaves those that an administrator may have changed."""

    def update_from_dict(self, mapping: Mapping[str, Any]) -> None:
        known = set(PeriodicTask.objects.filter(name__in=mapping).values_list("name", flat=True))
        super().update_from_dict({name: entry for name, entry in mapping.items() if name not in known})

"""How Quimbi answered: figures of the log of calls."""

from datetime import datetime
from typing import Any

from django.db.models import Aggregate, Count, FloatField, Q

from quimbi.models import Call


class _Median(Aggregate):
    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def figures(*, begin: datetime, end: datetime) -> list[dict[str, Any]]:
    """Of each function, the calls made from `begin` until before `end`: how many, how many were answered (that there is
    no profile is an answer), and the median of their milliseconds. One statement.
    """
    made = Call.objects.filter(called_at__gte=begin, called_at__lt=end).order_by("function").values("function")
    counted = made.annotate(
        calls=Count("pk"),
        answered=Count("pk", filter=Q(outcome__in=["ok", "no_profile"])),
        median_ms=_Median("milliseconds"),
    )
    return [{**row} for row in counted]

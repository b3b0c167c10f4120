"""How fast a shop may be asked: a bucket of points, which each query costs some of and each second restores."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UNKNOWN_COST = 50.0  # points, before an operation has told what it costs
MARGIN = 1.1


@dataclass(kw_only=True)
class Pace:
    """What the last answers told. Seconds are those of whoever asks."""

    most: float = 1_000.0
    restored: float = 50.0  # points a second
    available: float = 1_000.0
    at: float = 0.0
    costs: dict[str, float] = field(default_factory=dict)  # of each operation, as it was last asked for
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, operation: str, *, now: float, most: float) -> float:
        """Seconds until the operation will not be refused for its cost. The points are taken as spent, unless that is
        `most` or longer: then it is not asked.
        """
        with self.lock:
            cost = min(self.most, self.costs.get(operation, UNKNOWN_COST) * MARGIN)
            there = min(self.most, self.available + max(0.0, now - self.at) * self.restored)
            wait = max(0.0, (cost - there) / self.restored)
            self.available, self.at = there - (cost if wait < most else 0.0), now
            return wait

    def note(self, operation: str, cost: Mapping[str, Any], *, now: float) -> None:
        """`cost` as of an answer's extensions; what it leaves out stays as it was."""
        status = cost.get("throttleStatus")
        told = status if isinstance(status, Mapping) else {}
        with self.lock:
            if (asked := _number(cost.get("requestedQueryCost"))) is not None:
                self.costs[operation] = asked
            self.most = _number(told.get("maximumAvailable")) or self.most
            self.restored = _number(told.get("restoreRate")) or self.restored
            if (available := _number(told.get("currentlyAvailable"))) is not None:
                self.available, self.at = available, now


_paces: dict[int, Pace] = {}


def pace_of(connection_id: int) -> Pace:
    """This process's, of one connection."""
    return _paces.setdefault(connection_id, Pace(at=time.monotonic()))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None

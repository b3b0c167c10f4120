"""What drills have in common on paper: how they are asked, and the line they print."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a drill is run: in full or as far as a pipeline has time, from which seed, with which fault patched in."""

    full: bool
    seed: int
    broken: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`counts` by name with what each must be; `shown` is only printed."""

    counts: Mapping[str, tuple[Any, Any]]
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        return all(found == wanted for found, wanted in self.counts.values())

    def line(self, *, drill: str, setting: Setting, seconds: float) -> str:
        wrong = [f"{name} must be {wanted}" for name, (found, wanted) in self.counts.items() if found != wanted]
        return json.dumps(
            {
                "drill": drill,
                "profile": "full" if setting.full else "ci",
                "seed": setting.seed,
                "broken": setting.broken,
                "ok": self.is_right,
                **{name: found for name, (found, _) in self.counts.items()},
                **self.shown,
                "wrong": wrong,
                "seconds": round(seconds, 1),
            }
        )


@dataclass(frozen=True, kw_only=True)
class Drill:
    """`faults` name what can be patched in, each a function that does it in the process that calls it."""

    run: Callable[[Setting], Outcome]
    faults: Mapping[str, Callable[[], None]]

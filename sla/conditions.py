"""Which tickets a policy is for. Pure: no database.

A condition names values of one thing; a ticket meets it when it has one of them. All conditions of a policy must be
met; one that names nothing always is. A tag is a word and no object: one that no ticket bears any more is never met.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Conditions = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is asked of a ticket when it gets its policy."""

    priority: str
    channel: str
    category: str
    tags: frozenset[str]
    tier: str
    department_id: int | None

    def values(self) -> dict[str, frozenset[Any]]:
        """Name of a condition to what the ticket has of it."""
        return {
            "priorities": frozenset({self.priority}),
            "channels": frozenset({self.channel}),
            "categories": frozenset({self.category}),
            "tags": self.tags,
            "tiers": frozenset({self.tier}),
            "department_ids": frozenset({self.department_id}),
        }


NAMES = ("priorities", "channels", "categories", "tags", "tiers", "department_ids")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An active policy, by the ids of its present version and of its calendar's; with its name if that was asked."""

    policy_version_id: int
    calendar_version_id: int
    conditions: Conditions
    is_default: bool
    policy_id: int = 0
    name: str = ""
    number: int = 0


def meets(case: Case, conditions: Conditions) -> bool:
    has = case.values()
    return all(not wanted or not has[name].isdisjoint(wanted) for name, wanted in conditions.items())


def choose(case: Case, candidates: Iterable[Candidate]) -> Candidate | None:
    """The first in the order given whose conditions the ticket meets, else the default; None when there is none."""
    default = None
    for candidate in candidates:
        if candidate.is_default:
            default = candidate
        elif meets(case, candidate.conditions):
            return candidate
    return default

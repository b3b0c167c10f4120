"""Which agent takes a ticket: a total order of those who can. Pure arithmetic; no database, no clock.

The same need and the same candidates give the same decision, in whatever order they come: a decision can be replayed
from what was kept of it (see tickets.decisions).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction

from agents.enums import Availability

VERSION = 1  # raise it with every change that can change a decision
ONE = 100  # the load of an open ticket; loads are whole hundredths of one, so that sums and comparisons are exact
_NEVER = datetime.min.replace(tzinfo=UTC)


class LeftOut(StrEnum):
    """Why an agent could not be given the ticket."""

    GONE = "gone"  # no longer active, or no longer sees the ticket
    BUSY = "busy"
    OFFLINE = "offline"
    AT_CAPACITY = "at_capacity"
    LACKS_SKILL = "lacks_skill"
    NOT_SENIOR = "not_senior"  # a senior can take this urgent ticket of a VIP


@dataclass(frozen=True, kw_only=True)
class Need:
    """What the ticket asks of an agent. `skills` are ids; `preferred` is the agent who had it before."""

    category: str
    language: str = ""
    vip: bool = False
    urgent: bool = False
    skills: frozenset[int] = frozenset()
    skill_is_must: bool = True
    preferred: int | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An agent as they stand at the moment of the choice. `load` is in hundredths of an open ticket."""

    id: int
    senior: bool = False
    skills: frozenset[int] = frozenset()
    languages: frozenset[str] = frozenset()
    load: int = 0
    capacity: int = 0
    availability: Availability = Availability.ONLINE
    active: bool = True
    last_assigned_at: datetime | None = None

    @property
    def has_room(self) -> bool:
        """Whether one more open ticket keeps within the capacity."""
        return self.load + ONE <= self.capacity * ONE


@dataclass(frozen=True, kw_only=True, order=True)
class Score:
    """What the order compares, member by member, the smaller before the larger. The id makes it total."""

    skill: int  # required skills that the agent lacks
    vip: int  # 1: the customer is a VIP and the agent no senior
    owner: int  # 1: somebody else had the ticket before
    language: int  # 1: the agent does not speak the ticket's language
    load: Fraction  # share of the capacity that is taken, see _share
    idle: datetime  # the last assignment
    id: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who takes it (None: nobody can), the order of those who could, and why each of the others could not.

    `tie_break` names the member of Score that set the first apart from the second; empty when there was no second.
    """

    chosen: int | None
    ranked: Sequence[Score]
    left_out: Sequence[tuple[int, LeftOut]]
    tie_break: str
    version: int = VERSION


def choose(need: Need, candidates: Iterable[Candidate]) -> Decision:
    """The best of those who can take the ticket.

    Of an urgent ticket of a VIP, only seniors as long as one of them can take it.
    """
    left_out: dict[int, LeftOut] = {}
    fit: list[Candidate] = []
    for candidate in candidates:
        why = unfit(need, candidate)
        if why is None:
            fit.append(candidate)
        else:
            left_out[candidate.id] = why
    if need.vip and need.urgent and any(candidate.senior for candidate in fit):
        left_out |= {candidate.id: LeftOut.NOT_SENIOR for candidate in fit if not candidate.senior}
        fit = [candidate for candidate in fit if candidate.senior]
    ranked = sorted(_score(need, candidate) for candidate in fit)
    return Decision(
        chosen=ranked[0].id if ranked else None,
        ranked=tuple(ranked),
        left_out=tuple(sorted(left_out.items())),
        tie_break=_tie_break(ranked),
    )


def unfit(need: Need, candidate: Candidate) -> LeftOut | None:
    """What keeps the candidate from taking the ticket whoever else is there; None when nothing does."""
    if not candidate.active:
        return LeftOut.GONE
    if candidate.availability == Availability.BUSY:
        return LeftOut.BUSY
    if candidate.availability == Availability.OFFLINE:
        return LeftOut.OFFLINE
    if not candidate.has_room:
        return LeftOut.AT_CAPACITY
    if need.skill_is_must and not need.skills <= candidate.skills:
        return LeftOut.LACKS_SKILL
    return None


def _score(need: Need, candidate: Candidate) -> Score:
    return Score(
        skill=len(need.skills - candidate.skills),
        vip=int(need.vip and not candidate.senior),
        owner=int(need.preferred is not None and need.preferred != candidate.id),
        language=int(not _speaks(candidate, need.language)),
        load=_share(candidate),
        idle=candidate.last_assigned_at or _NEVER,
        id=candidate.id,
    )


def _share(candidate: Candidate) -> Fraction:
    """How full the agent is, halfway into the next ticket. Before it, small capacities would get more than their part,
    and after it large ones, by what rounding does to shares. Those who have nothing to do are equal, and take turns.
    """
    if candidate.load == 0:
        return Fraction(0)
    return Fraction(2 * candidate.load + ONE, 2 * candidate.capacity * ONE)


def _speaks(candidate: Candidate, language: str) -> bool:
    """Whatever the region: who speaks pt-br can read pt."""
    return not language or _bare(language) in {_bare(spoken) for spoken in candidate.languages}


def _bare(language: str) -> str:
    return language.partition("-")[0]


def _tie_break(ranked: Sequence[Score]) -> str:
    if len(ranked) < 2:
        return ""
    first, second = ranked[:2]
    return next(member.name for member in fields(Score) if getattr(first, member.name) != getattr(second, member.name))

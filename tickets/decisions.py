"""What is kept of a decision about who works on a ticket: enough to take it again, and to say why in plain words.

A record holds ids, numbers, codes and times; no name, no text. Whoever could not be asked at all (busy, offline, gone)
stands there as an id only: nothing else about them could have changed the decision.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.enums import Availability
from tickets.enums import Trigger
from tickets.matching import ONE, VERSION, Candidate, Decision, LeftOut, Need, Score, choose

Record = Mapping[str, Any]
_AWAY = (LeftOut.GONE, LeftOut.BUSY, LeftOut.OFFLINE)
_WHY_LEFT_OUT = {
    LeftOut.GONE: "no longer there",
    LeftOut.BUSY: "busy",
    LeftOut.OFFLINE: "offline",
    LeftOut.AT_CAPACITY: "at capacity",
    LeftOut.LACKS_SKILL: "without the skill",
    LeftOut.NOT_SENIOR: "no senior, for an urgent ticket of a VIP",
}
_WHY_FIRST = {
    "skill": "the only one with more of the skills it needs",
    "vip": "a senior, for a VIP",
    "owner": "had it before",
    "language": "speaks its language",
    "load": "least busy for their capacity",
    "idle": "waited longest since their last ticket",
    "id": "equal to the next in everything, and first by number",
}


def of_choice(
    need: Need,
    candidates: Mapping[int, Candidate],
    decision: Decision,
    *,
    trigger: Trigger,
    advice: Mapping[str, Any] | None = None,
) -> Record:
    """The record of an automatic choice, made or in vain. `advice`: what Quimbi said, where `need` rests on it."""
    away = {reason.value: [pk for pk, why in decision.left_out if why == reason] for reason in _AWAY}
    asked = [candidates[pk] for pk in sorted(candidates) if not any(pk in ids for ids in away.values())]
    return {
        "version": decision.version,
        "trigger": trigger.value,
        "need": {
            "category": need.category,
            "language": need.language,
            "vip": need.vip,
            "urgent": need.urgent,
            "skills": sorted(need.skills),
            "skill_is_must": need.skill_is_must,
            "preferred": need.preferred,
        },
        "advice": advice,
        "candidates": [_candidate(candidate) for candidate in asked],
        "away": {reason: ids for reason, ids in away.items() if ids},
        "left_out": {str(pk): why.value for pk, why in decision.left_out if why not in _AWAY},
        "ranked": [_score(score) for score in decision.ranked],
        "chosen": decision.chosen,
        "tie_break": decision.tie_break,
        "over_capacity": False,
    }


def by_hand(agent: Candidate, *, previous: int | None) -> Record:
    """Somebody gave the ticket to the agent, who is described as they were before."""
    return {
        "version": VERSION,
        "trigger": Trigger.REQUEST.value,
        "candidates": [_candidate(agent)],
        "availability": agent.availability.value,
        "previous": previous,
        "chosen": agent.id,
        "over_capacity": not agent.has_room,
    }


def of_release(*, previous: int, trigger: Trigger) -> Record:
    return {
        "version": VERSION,
        "trigger": trigger.value,
        "previous": previous,
        "chosen": None,
        "over_capacity": False,
    }


def replayed(record: Record) -> Decision:
    """The decision again, from the inputs in its record. Only an automatic one can be replayed."""
    need = {**record["need"], "skills": frozenset(record["need"]["skills"])}
    away = [_away(pk, LeftOut(reason)) for reason, ids in record["away"].items() for pk in ids]
    return choose(Need(**need), [*map(_recalled, record["candidates"]), *away])


def same_reasons(one: Record, other: Record) -> bool:
    """Whether both times the same was asked for and the same stood in the way."""
    return all(one.get(name) == other.get(name) for name in ("need", "away", "left_out"))


def why(record: Record) -> str:
    """The decision in one sentence, without a name."""
    if "need" not in record:
        return _why_by_hand(record)
    reasons = _reasons(record)
    others = f" ({reasons})" if reasons else ""
    ranked = record["ranked"]
    if not ranked:
        return f"Nobody could take it{others}." if reasons else "Nobody works where it belongs."
    if len(ranked) == 1:
        return f"The only one who could take it{others}."
    return f"First of {len(ranked)} who could take it: {_WHY_FIRST[record['tie_break']]}{others}."


def left_out(record: Record) -> dict[int, str]:
    """Why each of the others could not take it, in words."""
    found = {int(pk): _WHY_LEFT_OUT[LeftOut(reason)] for pk, reason in record.get("left_out", {}).items()}
    for reason, ids in record.get("away", {}).items():
        found |= dict.fromkeys(ids, _WHY_LEFT_OUT[LeftOut(reason)])
    return found


def loads(record: Record) -> dict[int, tuple[float, int]]:
    """Load, in open tickets, and capacity of each agent who was asked."""
    return {entry["id"]: (entry["load"] / ONE, entry["capacity"]) for entry in record.get("candidates", ())}


def _why_by_hand(record: Record) -> str:
    if record["chosen"] is None:
        return f"Taken back: {Trigger(record['trigger']).label}."
    load, capacity = loads(record)[record["chosen"]]
    over = f", who had {load:g} of {capacity} and so has more than fits" if record["over_capacity"] else ""
    away = "" if record["availability"] == Availability.ONLINE else f", who was {record['availability']}"
    return f"Given by hand to an agent{over}{away}." if over or away else "Given by hand."


def _reasons(record: Record) -> str:
    """Such as `2 at capacity, 3 offline`."""
    counted = Counter(left_out(record).values())
    return ", ".join(f"{counted[words]} {words}" for words in _WHY_LEFT_OUT.values() if counted[words])


def _candidate(candidate: Candidate) -> dict[str, Any]:
    last = candidate.last_assigned_at
    return {
        "id": candidate.id,
        "senior": candidate.senior,
        "skills": sorted(candidate.skills),
        "languages": sorted(candidate.languages),
        "load": candidate.load,
        "capacity": candidate.capacity,
        "last_assigned_at": last.isoformat() if last else None,
    }


def _recalled(entry: Mapping[str, Any]) -> Candidate:
    last = entry["last_assigned_at"]
    return Candidate(
        **{
            **entry,
            "skills": frozenset(entry["skills"]),
            "languages": frozenset(entry["languages"]),
            "last_assigned_at": datetime.fromisoformat(last) if last else None,
        }
    )


def _away(pk: int, reason: LeftOut) -> Candidate:
    if reason == LeftOut.GONE:
        return Candidate(id=pk, active=False)
    return Candidate(id=pk, availability=Availability(reason.value))


def _score(score: Score) -> dict[str, Any]:
    return {
        "id": score.id,
        "skill": score.skill,
        "vip": score.vip,
        "owner": score.owner,
        "language": score.language,
        "load": round(float(score.load), 4),
    }

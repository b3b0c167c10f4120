"""Who takes a ticket: each rule by itself, their order, and that the order is total."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.enums import Availability
from tickets.matching import ONE, Candidate, LeftOut, Need, choose, unfit

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NEED = Need(category="billing")


def agent(id: int, **over: Any) -> Candidate:
    return Candidate(**{"id": id, "capacity": 10, **over})


def chosen(need: Need, *candidates: Candidate) -> int | None:
    return choose(need, candidates).chosen


# Who can


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"active": False}, LeftOut.GONE),
        ({"availability": Availability.OFFLINE}, LeftOut.OFFLINE),
        ({"availability": Availability.BUSY}, LeftOut.BUSY),
        ({"load": 10 * ONE}, LeftOut.AT_CAPACITY),
        ({"load": 9 * ONE + 1}, LeftOut.AT_CAPACITY),
        ({"load": 14 * ONE}, LeftOut.AT_CAPACITY),  # the capacity was lowered
        ({"capacity": 0}, LeftOut.AT_CAPACITY),
        ({"load": 9 * ONE}, None),
        ({}, None),
    ],
)
def test_who_can_take_a_ticket(over: dict[str, Any], reason: LeftOut | None) -> None:
    candidate = agent(1, **over)
    assert unfit(NEED, candidate) == reason
    decision = choose(NEED, [candidate])
    assert decision.chosen == (1 if reason is None else None)
    assert list(decision.left_out) == ([] if reason is None else [(1, reason)])


def test_every_required_skill_is_a_must_at_first_and_counts_later() -> None:
    need = replace(NEED, skills=frozenset({5, 6}))
    none, one, both = agent(1), agent(2, skills=frozenset({5})), agent(3, skills=frozenset({5, 6, 7}), load=ONE)
    decision = choose(need, [none, one, both])
    assert decision.chosen == 3
    assert dict(decision.left_out) == {1: LeftOut.LACKS_SKILL, 2: LeftOut.LACKS_SKILL}
    assert chosen(need, none, one) is None
    later = replace(need, skill_is_must=False)
    assert [score.id for score in choose(later, [none, one, both]).ranked] == [3, 2, 1]


def test_a_vip_goes_to_a_senior_where_that_is_possible() -> None:
    need = replace(NEED, vip=True)
    senior, junior = agent(2, senior=True, load=8 * ONE), agent(1)
    assert chosen(need, junior, senior) == 2
    assert chosen(need, junior, replace(senior, load=10 * ONE)) == 1
    assert chosen(NEED, junior, senior) == 1
    assert choose(need, [junior, senior]).left_out == ()


def test_an_urgent_ticket_of_a_vip_goes_to_no_one_else_while_a_senior_can_take_it() -> None:
    need = replace(NEED, vip=True, urgent=True, skills=frozenset({5}), skill_is_must=False)
    junior, senior = agent(1, skills=frozenset({5})), agent(2, senior=True)
    decision = choose(need, [junior, senior])
    assert (decision.chosen, list(decision.left_out)) == (2, [(1, LeftOut.NOT_SENIOR)])
    assert chosen(replace(need, urgent=False), junior, senior) == 1  # then the skill comes first
    for away in ({"availability": Availability.OFFLINE}, {"load": 10 * ONE}, {"active": False}):
        assert chosen(need, junior, replace(senior, **away)) == 1
    assert chosen(replace(need, skill_is_must=True), junior, senior) == 1  # this senior cannot take it


# Who is first

FIRST = agent(1)
ORDER: list[
    tuple[str, dict[str, Any]]
] = [  # each is better than the one after it by that which the name says, and worse in everything that follows
    ("skill", {"skills": frozenset({5})}),
    ("vip", {"senior": True}),
    ("owner", {"id": 9}),
    ("language", {"languages": frozenset({"pt-br"})}),
    ("load", {"load": 0}),
    ("idle", {"last_assigned_at": NOON - timedelta(hours=2)}),
]
ALL = Need(category="x", skills=frozenset({5}), skill_is_must=False, vip=True, preferred=9, language="pt")
WORST = agent(10, load=ONE, last_assigned_at=NOON)


@pytest.mark.parametrize("place", range(len(ORDER)))
def test_an_earlier_rule_outweighs_all_later_ones_together(place: int) -> None:
    name, better = ORDER[place]
    rest: dict[str, Any] = {}
    for _, over in ORDER[place + 1 :]:
        rest |= over
    one, other = replace(WORST, **better), replace(WORST, **{"id": 11, **rest})
    decision = choose(ALL, [other, one])
    assert (decision.chosen, decision.tie_break) == (one.id, name)


def test_the_id_decides_between_equals() -> None:
    decision = choose(NEED, [agent(3), agent(1), agent(2)])
    assert (decision.chosen, decision.tie_break) == (1, "id")
    assert choose(NEED, [agent(3)]).tie_break == ""
    assert choose(NEED, []).chosen is None


def test_the_load_is_compared_to_the_capacity_halfway_into_the_next_ticket() -> None:
    assert chosen(NEED, agent(1, load=2 * ONE, capacity=4), agent(2, load=4 * ONE, capacity=10)) == 2
    assert chosen(NEED, agent(1, load=2 * ONE, capacity=4), agent(2, load=6 * ONE, capacity=10)) == 1
    equal = choose(NEED, [agent(1, load=40, capacity=3), agent(2, load=130, capacity=6, last_assigned_at=NOON)])
    assert (equal.chosen, equal.tie_break) == (1, "idle")  # 0.9 of 3 and 1.8 of 6


def test_who_has_nothing_to_do_comes_before_who_has_and_takes_turns_with_the_others() -> None:
    small = agent(1, capacity=2, last_assigned_at=NOON - timedelta(hours=1))
    large = agent(2, capacity=20, last_assigned_at=NOON)
    assert chosen(NEED, small, large) == 1
    assert chosen(NEED, replace(small, load=25), large) == 2
    assert chosen(NEED, small, replace(large, load=25)) == 1


def test_who_never_had_a_ticket_has_waited_longest() -> None:
    assert chosen(NEED, agent(1, last_assigned_at=NOON), agent(2)) == 2


@pytest.mark.parametrize(
    ("spoken", "wanted", "is_first"),
    [
        ({"pt"}, "pt-br", True),
        ({"pt-br"}, "pt", True),
        ({"en"}, "pt", False),
        (set(), "pt", False),
        (set(), "", True),
    ],
)
def test_a_language_is_spoken_whatever_its_region(spoken: set[str], wanted: str, is_first: bool) -> None:
    speaker = agent(1, languages=frozenset(spoken), load=0)
    other = agent(2, languages=frozenset({wanted or "en"}), load=ONE)
    assert (chosen(replace(NEED, language=wanted), speaker, other) == 1) is is_first


# Whatever comes

instants = st.none() | st.integers(0, 3).map(lambda hours: NOON - timedelta(hours=hours))
skills = st.frozensets(st.integers(1, 3), max_size=3)
languages = st.sampled_from(["", "en", "pt", "pt-br"])
needs = st.builds(
    Need,
    category=st.just("billing"),
    language=languages,
    vip=st.booleans(),
    urgent=st.booleans(),
    skills=skills,
    skill_is_must=st.booleans(),
    preferred=st.none() | st.integers(1, 6),
)
teams = st.lists(
    st.builds(
        Candidate,
        id=st.integers(1, 6),
        senior=st.booleans(),
        skills=skills,
        languages=st.frozensets(languages.filter(bool), max_size=2),
        load=st.integers(0, 5).map(lambda quarters: 25 * quarters),
        capacity=st.integers(0, 2),
        availability=st.sampled_from([Availability.ONLINE, Availability.ONLINE, *Availability]),
        active=st.booleans() | st.just(True),
        last_assigned_at=instants,
    ),
    max_size=6,
    unique_by=lambda candidate: candidate.id,
)


@given(needs, teams)
@settings(max_examples=500, deadline=None)
def test_whoever_is_chosen_could_take_it_and_everybody_is_accounted_for(need: Need, team: list[Candidate]) -> None:
    decision = choose(need, team)
    by_id = {candidate.id: candidate for candidate in team}
    ranked, left_out = [score.id for score in decision.ranked], dict(decision.left_out)
    assert sorted([*ranked, *left_out]) == sorted(by_id)
    assert decision.chosen == (ranked[0] if ranked else None)
    assert all(unfit(need, by_id[pk]) is None for pk in ranked)
    if not ranked:
        assert all(unfit(need, candidate) is not None for candidate in team)
    for better, worse in pairwise(decision.ranked):
        assert better < worse
    if need.vip and need.urgent and any(by_id[pk].senior for pk in ranked):
        assert all(by_id[pk].senior for pk in ranked)


@given(needs, teams.filter(lambda team: len(team) < 5))
@settings(max_examples=100, deadline=None)
def test_the_order_in_which_they_come_does_not_matter(need: Need, team: list[Candidate]) -> None:
    assert len({repr(choose(need, order)) for order in permutations(team)}) == 1

"""What is kept of a decision: it can be taken again, it names nobody, and it says why."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from agents.enums import Availability
from tickets import decisions
from tickets.enums import Trigger
from tickets.matching import ONE, Candidate, Need, choose
from tickets.tests.test_matching import NEED, agent, needs, teams


def record_of(need: Need, team: list[Candidate]) -> decisions.Record:
    """As it comes back from the database."""
    found = {candidate.id: candidate for candidate in team}
    record = decisions.of_choice(need, found, choose(need, team), trigger=Trigger.CREATED)
    kept: decisions.Record = json.loads(json.dumps(record))
    return kept


@given(needs, teams)
@settings(max_examples=500, deadline=None)
def test_the_decision_can_be_taken_again_from_its_record(need: Need, team: list[Candidate]) -> None:
    record = record_of(need, team)
    again = decisions.replayed(record)
    assert again == choose(need, team)
    assert (again.chosen, again.tie_break, again.version) == (
        record["chosen"],
        record["tie_break"],
        record["version"],
    )
    assert decisions.why(record)
    assert set(decisions.left_out(record)) == dict(again.left_out).keys()


def test_of_who_could_not_be_asked_only_the_id_is_kept() -> None:
    team = [agent(1, load=ONE), agent(2, availability=Availability.OFFLINE, load=5 * ONE), agent(3, active=False)]
    record = record_of(NEED, team)
    assert record["away"] == {"offline": [2], "gone": [3]}
    assert [entry["id"] for entry in record["candidates"]] == [1]
    assert decisions.loads(record) == {1: (1.0, 10)}


@pytest.mark.parametrize(
    ("need", "team", "sentence"),
    [
        (NEED, [], "Nobody works where it belongs."),
        (NEED, [agent(1)], "The only one who could take it."),
        (
            NEED,
            [agent(1, load=10 * ONE), agent(2, availability=Availability.BUSY), agent(3, load=10 * ONE)],
            "Nobody could take it (1 busy, 2 at capacity).",
        ),
        (
            NEED,
            [agent(1), agent(2, load=ONE), agent(3, availability=Availability.OFFLINE)],
            "First of 2 who could take it: least busy for their capacity (1 offline).",
        ),
        (
            replace(NEED, vip=True, urgent=True),
            [agent(1), agent(2, senior=True)],
            "The only one who could take it (1 no senior, for an urgent ticket of a VIP).",
        ),
        (
            replace(NEED, skills=frozenset({1}), preferred=2),
            [agent(1), agent(2, skills=frozenset({1})), agent(3, skills=frozenset({1}))],
            "First of 2 who could take it: had it before (1 without the skill).",
        ),
    ],
)
def test_a_choice_is_said_in_one_sentence(need: Need, team: list[Candidate], sentence: str) -> None:
    assert decisions.why(record_of(need, team)) == sentence


@pytest.mark.parametrize(
    ("candidate", "sentence"),
    [
        (agent(1), "Given by hand."),
        (agent(1, load=10 * ONE + 25), "Given by hand to an agent, who had 10.25 of 10 and so has more than fits."),
        (agent(1, availability=Availability.OFFLINE), "Given by hand to an agent, who was offline."),
    ],
)
def test_a_change_by_hand_says_what_was_unusual(candidate: Candidate, sentence: str) -> None:
    record = json.loads(json.dumps(decisions.by_hand(candidate, previous=None)))
    assert decisions.why(record) == sentence
    assert record["over_capacity"] is (candidate.load > 9 * ONE)


def test_a_release_says_why() -> None:
    assert decisions.why(decisions.of_release(previous=3, trigger=Trigger.OWNER_AWAY)) == (
        "Taken back: its agent is offline."
    )


def test_the_same_in_vain_is_the_same_whatever_led_to_it() -> None:
    full = record_of(NEED, [agent(1, load=10 * ONE)])
    assert decisions.same_reasons(full, {**full, "trigger": "room", "version": 2})
    assert not decisions.same_reasons(full, record_of(NEED, [agent(1, availability=Availability.BUSY)]))
    assert not decisions.same_reasons(full, record_of(replace(NEED, language="de"), [agent(1, load=10 * ONE)]))

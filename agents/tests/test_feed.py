"""Positions that are final, entries that are told once, and what is kept of them."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs

from agents import feed, realtime
from agents.enums import FeedKind
from agents.events import AgentUpdated
from agents.feed import Start
from agents.models import FeedEntry, FeedHead
from agents.tests.builders import make_agent, occurrence_of
from supportdesk.core.events import Occurrence
from supportdesk.tests.client import counted_statements
from supportdesk.tests.races import race

BEYOND = 2**63 - 1


def fact() -> Occurrence:
    return occurrence_of(AgentUpdated(subject_id=1, fields=["name"]))


def tell(*agents: Any, occurrence: Occurrence | None = None, **over: Any) -> int:
    given: dict[str, Any] = {
        "kind": FeedKind.TICKET_UPDATE,
        "recipients": [getattr(agent, "pk", agent) for agent in agents],
        "occurrence": occurrence or fact(),
        "subject_id": 7,
        "version": 3,
        "changed": ["status"],
        "details": {"status": "open"},
        "now": timezone.now(),
    }
    return feed.append(**{**given, **over})


def positions(agent: Any) -> list[int]:
    return list(FeedEntry.objects.filter(agent=agent).order_by("seq").values_list("seq", flat=True))


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[int]]]:
    told: list[list[int]] = []
    monkeypatch.setattr(realtime, "nudge", lambda ids: told.append(list(ids)))
    yield told


@pytest.mark.django_db
def test_each_agent_has_a_sequence_of_their_own() -> None:
    one, other = make_agent(), make_agent()
    assert tell(one, other) == 2
    assert tell(one) == 1
    assert (positions(one), positions(other)) == ([1, 2], [1])
    entry = FeedEntry.objects.get(agent=other)
    assert (entry.kind, entry.subject_id, entry.version, entry.changed, entry.details) == (
        "ticket_update",
        7,
        3,
        ["status"],
        {"status": "open"},
    )


@pytest.mark.django_db
def test_a_fact_is_told_once_of_each_kind_and_a_repetition_takes_no_position() -> None:
    agent, other, occurrence = make_agent(), make_agent(), fact()
    assert [tell(agent, occurrence=occurrence) for _ in range(3)] == [1, 0, 0]
    assert tell(agent, other, occurrence=occurrence) == 0
    assert tell(agent, occurrence=occurrence, kind=FeedKind.NEW_TICKET) == 1
    assert positions(agent) == [1, 2]
    assert FeedHead.objects.get(agent=agent).last_seq == 2


@pytest.mark.django_db
def test_nobody_to_tell_and_what_is_older_than_the_feed_keeps_leave_nothing() -> None:
    agent = make_agent()
    old = occurrence_of(AgentUpdated(subject_id=1, fields=[]), at=timezone.now() - feed.KEPT_FOR)
    assert (tell(), tell(agent, occurrence=old)) == (0, 0)
    assert not FeedHead.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_rivals_with_the_same_fact_tell_it_once() -> None:
    agent, occurrence = make_agent(), fact()
    assert sum(race(lambda _: tell(agent, occurrence=occurrence))) == 1
    assert positions(agent) == [1]
    assert tell(agent) == 1
    assert positions(agent) == [1, 2]  # the rivals' positions went back


@pytest.mark.django_db(transaction=True)
def test_positions_have_no_gap_and_no_repeat_and_whoever_sees_one_sees_all_before_it() -> None:
    agents = [make_agent() for _ in range(4)]
    occurrences = [[fact() for _ in range(6)] for _ in range(32)]
    over = threading.Event()
    torn: list[list[int]] = []

    def look() -> None:
        try:
            while not over.is_set():
                for agent in agents:
                    seen = positions(agent)
                    if seen != list(range(1, len(seen) + 1)):
                        torn.append(seen)
        finally:
            connection.close()

    def work(number: int) -> None:
        for turn, occurrence in enumerate(occurrences[number]):
            mine = [agent for index, agent in enumerate(agents) if (number + turn + index) % 3]
            tell(*(reversed(mine) if number % 2 else mine), occurrence=occurrence)

    reader = threading.Thread(target=look)
    reader.start()
    race(work)
    over.set()
    reader.join(30)
    assert torn == []
    for agent in agents:
        assert positions(agent) == list(range(1, len(positions(agent)) + 1))
    assert FeedEntry.objects.count() == sum(
        len([None for index in range(4) if (number + turn + index) % 3]) for number in range(32) for turn in range(6)
    )


@pytest.mark.django_db(transaction=True)
def test_the_nudge_comes_after_the_commit_and_a_failure_takes_its_positions_back(nudged: list[list[int]]) -> None:
    one, other = make_agent(), make_agent()
    with transaction.atomic():
        tell(other, one)
        assert nudged == []
    assert nudged == [[one.pk, other.pk]]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell(one)
        raise ZeroDivisionError
    assert len(nudged) == 1
    tell(one)
    assert positions(one) == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_without_redis_nothing_is_lost_but_the_nudge(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime._redis, "quiet_until", 0.0)
    layer = settings.CHANNEL_LAYERS["default"]
    hosts = [{"address": "redis://127.0.0.1:1/0", "socket_connect_timeout": 0.3}]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {**layer["CONFIG"], "hosts": hosts}}}
    agent = make_agent()
    with capture_logs() as logs:
        tell(agent)
        tell(agent)
    assert [(line["event"], line["use"]) for line in logs] == [
        ("going on without redis", "nudge")
    ]  # the second did not even try
    assert positions(agent) == [1, 2]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("last_seq", "start"),
    [
        (None, Start(position=5)),
        (5, Start(position=5)),
        (4, Start(position=4)),
        (2, Start(position=2)),
        (1, Start(position=5, resync="too_old")),
        (0, Start(position=5, resync="too_old")),
        (6, Start(position=5, resync="ahead")),
        (BEYOND, Start(position=5, resync="ahead")),
    ],
)
def test_where_a_reader_goes_on(last_seq: int | None, start: Start) -> None:
    agent = make_agent()
    for _ in range(5):
        tell(agent)
    FeedEntry.objects.filter(agent=agent, seq__lte=2).update(appended_at=timezone.now() - feed.KEPT_FOR)
    assert feed.prune(now=timezone.now()) == 2
    assert feed.start(agent_id=agent.pk, last_seq=last_seq) == start


@pytest.mark.django_db
def test_an_agent_who_was_never_told_anything_begins_at_nothing() -> None:
    agent = make_agent()
    assert feed.start(agent_id=agent.pk, last_seq=None) == Start(position=0)
    assert feed.start(agent_id=agent.pk, last_seq=3) == Start(position=0, resync="ahead")


@pytest.mark.django_db
def test_pruning_keeps_a_day_and_never_gives_a_position_again() -> None:
    agent = make_agent()
    now = timezone.now()
    for _ in range(3):
        tell(agent)
    FeedEntry.objects.filter(agent=agent).update(appended_at=now - feed.KEPT_FOR - timedelta(seconds=1))
    assert feed.prune(now=now) == 3
    assert feed.prune(now=now) == 0
    tell(agent)
    assert positions(agent) == [4]


@pytest.mark.django_db
def test_telling_many_takes_the_statements_of_telling_one() -> None:
    counts = []
    for number in (1, 3):
        agents, occurrence = [make_agent() for _ in range(number)], fact()
        with counted_statements() as statements:
            tell(*agents, occurrence=occurrence)
        counts.append(len(statements))
    assert counts == [3, 3]  # told before?, positions, entries

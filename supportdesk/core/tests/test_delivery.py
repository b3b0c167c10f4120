"""What follows from events: written with them, run once, in order, and never lost."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from structlog.testing import capture_logs

from supportdesk.core import delivery, wakeup
from supportdesk.core.actor import Actor, Door, system
from supportdesk.core.delivery import DeliveryRetried, Later, NotDead
from supportdesk.core.errors import NotFound, Unavailable
from supportdesk.core.events import DomainEvent, Occurrence, emit
from supportdesk.core.models import Delivery, DeliveryState, Event
from supportdesk.core.tests.reactions import DONE, TROUBLE, Happened, Waited
from supportdesk.tests.races import race

pytestmark = pytest.mark.slow

BY = system("tests", origin=Door.API, request_id="request-12345")


@pytest.fixture(autouse=True)
def _table(settings: Any) -> Iterator[None]:
    settings.REACTIONS = "supportdesk.core.tests.reactions.REACTIONS"
    yield
    DONE.clear()
    TROUBLE.clear()


def state(*events: DomainEvent, by: Actor = BY, at: datetime | None = None) -> None:
    with transaction.atomic():
        emit(*events, by=by, at=at or timezone.now())


def work_off(**given: Any) -> int:
    return delivery.run_due(limit=1_000, **given)


def make_due(**where: Any) -> None:
    Delivery.objects.filter(**where).update(due_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db
def test_a_fact_leaves_one_delivery_for_each_later_reaction() -> None:
    state(Happened(subject_id=3, number=1))
    rows = Delivery.objects.order_by("reaction").values_list("reaction", "subject_type", "subject_id", "state")
    assert list(rows) == [
        ("supportdesk.follow", "thing", 3, "pending"),
        ("supportdesk.tell", "thing", 3, "pending"),
    ]
    assert work_off() == 2
    assert sorted(DONE) == [("follow", 3, 1), ("tell", 3, 1)]
    assert set(Delivery.objects.values_list("state", "attempts", "claim")) == {("done", 1, None)}
    assert work_off() == 0


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_refused_within_leaves_nothing() -> None:
    with pytest.raises(ValueError, match="negative"):
        state(Happened(subject_id=3, number=-1))
    assert not Event.objects.exists()
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_nothing_follows_from_imported_history() -> None:
    state(Happened(subject_id=3, number=1), by=system("import", origin=Door.IMPORT))
    assert Event.objects.count() == 1
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_the_handler_is_told_who_when_and_through_which_door() -> None:
    seen: list[Occurrence] = []
    TROUBLE.append(seen.append)
    at = timezone.now() - timedelta(minutes=1)
    state(Happened(subject_id=3, number=7), at=at)
    work_off()
    event = Event.objects.get()
    assert seen[0].event == Happened(subject_id=3, number=7)
    assert (seen[0].at, seen[0].origin, seen[0].event_id) == (at, Door.API, event.pk)
    assert (seen[0].by.name, seen[0].by.origin, seen[0].by.request_id) == (
        "supportdesk.follow",
        Door.TASK,
        "request-12345",
    )
    assert seen[0].key == f"supportdesk.follow:{event.pk}"


@pytest.mark.django_db
def test_members_of_another_version_of_the_event_do_no_harm() -> None:
    row = Event(name="thing.happened", subject_type="thing", subject_id=1, payload={"number": 1, "gone": True})
    assert Happened.from_row(row) == Happened(subject_id=1, number=1)


@pytest.mark.django_db
def test_facts_of_one_subject_are_followed_in_their_order() -> None:
    state(*(Happened(subject_id=subject, number=number) for number in range(5) for subject in (1, 2)))
    last = Delivery.objects.filter(reaction="supportdesk.follow", subject_id=1).latest("event_id")
    assert delivery.run(last.pk) == 0  # not its turn
    work_off()
    for subject in (1, 2):
        assert [n for name, s, n in DONE if (name, s) == ("follow", subject)] == [0, 1, 2, 3, 4]


@pytest.mark.django_db
def test_who_is_woken_for_the_first_works_off_those_behind_it_too() -> None:
    state(*(Happened(subject_id=1, number=number) for number in range(3)))
    first = Delivery.objects.filter(reaction="supportdesk.tell").earliest("event_id")
    assert delivery.run(first.pk) == 3
    assert DONE == [("tell", 1, 0), ("tell", 1, 1), ("tell", 1, 2)]


@pytest.mark.django_db
def test_a_delivery_that_waits_is_run_when_its_time_has_come() -> None:
    state(Waited(subject_id=1))
    assert work_off() == 0
    make_due()
    assert work_off() == 1


def _fail(_: Occurrence) -> None:
    raise ZeroDivisionError("the text of it may name a customer")


@pytest.mark.django_db
def test_a_poison_delivery_backs_off_and_is_given_up_while_the_rest_goes_on() -> None:
    def fail_for_one(occurrence: Occurrence) -> None:
        if (occurrence.event.subject_id, occurrence.event.number) == (1, 1):
            _fail(occurrence)

    TROUBLE.append(fail_for_one)
    state(*(Happened(subject_id=subject, number=1) for subject in (1, 2)), Happened(subject_id=1, number=2))
    poison = Delivery.objects.filter(reaction="supportdesk.follow", subject_id=1).earliest("event_id")
    pauses = []
    for attempt in range(1, delivery.TRIES + 1):
        before = timezone.now()
        with capture_logs():
            work_off()
        poison.refresh_from_db()
        assert (poison.attempts, poison.last_error) == (attempt, "ZeroDivisionError")
        pauses.append((poison.due_at - before).total_seconds())
        make_due(pk=poison.pk)
    assert poison.state == DeliveryState.DEAD
    assert poison.finished_at is not None
    for pause, least in zip(pauses, delivery.BACKOFF, strict=False):
        assert least <= pause <= least * 1.1 + 5
    assert ("follow", 2, 1) in DONE
    TROUBLE.clear()
    work_off()
    assert ("follow", 1, 2) in DONE  # what stood behind it had its turn after all
    assert ("follow", 1, 1) not in DONE


@pytest.mark.django_db
def test_a_partner_that_says_when_to_come_again_is_believed() -> None:
    def unavailable(_: Occurrence) -> None:
        raise Unavailable("Later.", retry_after=600)

    TROUBLE.append(unavailable)
    state(Happened(subject_id=1, number=1))
    before = timezone.now()
    with capture_logs():
        work_off()
    assert (Delivery.objects.get(reaction="supportdesk.follow").due_at - before).total_seconds() >= 600


@pytest.mark.django_db
def test_whoever_waits_for_a_turn_comes_back_when_it_is_due_and_counts_as_no_try() -> None:
    def busy(_: Occurrence) -> None:
        raise Later(7.5)

    TROUBLE.append(busy)
    state(Waited(subject_id=3))
    make_due()
    for _ in range(delivery.TRIES * 2):
        before = timezone.now()
        assert work_off() == 1
        waiting = Delivery.objects.get()
        assert before + timedelta(seconds=7.5) <= waiting.due_at <= timezone.now() + timedelta(seconds=7.5)
        assert (waiting.state, waiting.attempts, waiting.last_error) == ("pending", 0, "")
        assert work_off() == 0
        make_due()
    TROUBLE.clear()
    assert work_off() == 1
    assert Delivery.objects.get().state == "done"


@pytest.mark.django_db
def test_a_delivery_that_kills_its_process_every_time_is_given_up() -> None:
    state(Happened(subject_id=1, number=1))
    Delivery.objects.update(attempts=delivery.TRIES)  # each try took the lease and was never heard of again
    with capture_logs():
        work_off()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"dead"}
    assert DONE == []


@pytest.mark.django_db
def test_a_reaction_that_this_code_does_not_know_is_left_to_one_that_does() -> None:
    state(Happened(subject_id=1, number=1))
    Delivery.objects.filter(reaction="supportdesk.follow").update(reaction="supportdesk.follow_in_another_version")
    with capture_logs():
        work_off()
    unknown = Delivery.objects.get(reaction="supportdesk.follow_in_another_version")
    assert (unknown.state, unknown.attempts, unknown.last_error) == ("pending", 1, "UnknownReaction")


@pytest.mark.django_db(transaction=True)
def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_marks_nothing() -> None:
    state(Happened(subject_id=1, number=1))
    stuck = delivery._claim("d.reaction = 'supportdesk.follow'")
    assert stuck is not None
    assert delivery.run(stuck.id) == 0  # somebody has it
    Delivery.objects.filter(pk=stuck.id).update(leased_until=timezone.now() - timedelta(seconds=1))
    assert delivery.run(stuck.id) == 1
    with capture_logs() as logs:
        delivery._mark(stuck, state=DeliveryState.DEAD)
    assert [line["event"] for line in logs] == ["delivery was taken over"]
    assert Delivery.objects.get(pk=stuck.id).state == DeliveryState.DONE


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_on_the_same_deliveries_each_is_run_by_one() -> None:
    state(*(Happened(subject_id=subject, number=number) for subject in range(8) for number in range(4)))
    counts = race(lambda _: work_off(), rivals=8)
    work_off()
    assert sum(counts) <= len(DONE) == 64
    assert len(set(DONE)) == 64
    for subject in range(8):
        assert [n for name, s, n in DONE if (name, s) == ("follow", subject)] == [0, 1, 2, 3]


@pytest.mark.django_db(transaction=True)
def test_the_same_delivery_woken_thirty_two_times_is_run_once() -> None:
    state(Happened(subject_id=1, number=1))
    first = Delivery.objects.get(reaction="supportdesk.follow")
    inside = threading.Event()

    def hold(_: Occurrence) -> None:
        inside.set()
        threading.Event().wait(0.2)

    TROUBLE.append(hold)
    assert sum(race(lambda _: delivery.run(first.pk))) == 1
    assert DONE == [("follow", 1, 1)]


@pytest.mark.django_db
def test_the_sockets_process_runs_what_sockets_wait_for_and_only_when_nobody_else_did() -> None:
    state(Happened(subject_id=1, number=1))
    assert work_off(push_only=True, waited=timedelta(seconds=2)) == 0
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=3))
    assert work_off(push_only=True, waited=timedelta(seconds=2)) == 1
    assert DONE == [("tell", 1, 1)]


@pytest.mark.django_db
def test_what_was_given_up_is_tried_again_by_hand_with_a_fact_of_it() -> None:
    TROUBLE.append(_fail)
    state(Happened(subject_id=1, number=1))
    work_off()
    dead = Delivery.objects.get(reaction="supportdesk.follow")
    with pytest.raises(NotDead):
        delivery.retry(delivery_id=dead.pk, by=BY, now=timezone.now())
    Delivery.objects.filter(pk=dead.pk).update(state="dead", attempts=5, finished_at=timezone.now())
    with pytest.raises(NotFound):
        narrow = Actor(kind=BY.kind, origin=Door.API, departments=frozenset())
        delivery.retry(delivery_id=dead.pk, by=narrow, now=timezone.now())
    delivery.retry(delivery_id=dead.pk, by=BY, now=timezone.now())
    TROUBLE.clear()
    work_off()
    dead.refresh_from_db()
    assert (dead.state, dead.attempts) == ("done", 1)
    assert Event.objects.filter(name=DeliveryRetried.name, subject_id=dead.pk).exists()


@pytest.mark.django_db
def test_old_deliveries_are_pruned_and_their_events_stay() -> None:
    state(*(Happened(subject_id=subject, number=1) for subject in range(4)))
    now = timezone.now()
    tell = Delivery.objects.filter(reaction="supportdesk.tell")
    tell.update(state="done", finished_at=now - timedelta(days=8))
    follow = Delivery.objects.filter(reaction="supportdesk.follow")
    follow.filter(subject_id=0).update(state="dead", finished_at=now - timedelta(days=8))
    follow.filter(subject_id=1).update(state="dead", finished_at=now - timedelta(days=91))
    follow.filter(subject_id=2).update(state="done", finished_at=now - timedelta(days=6))
    assert delivery.prune(now=now) == 5
    assert sorted(Delivery.objects.values_list("subject_id", flat=True)) == [0, 2, 3]
    assert Event.objects.count() == 4


# Waking


@pytest.mark.django_db(transaction=True)
def test_the_commit_wakes_a_worker_with_ids_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **given: sent.append((name, given["kwargs"])))
    state(Happened(subject_id=1, number=1), Waited(subject_id=1))
    now_due = list(Delivery.objects.exclude(event__name="thing.waited").order_by("pk").values_list("pk", flat=True))
    assert sent == [("core.deliver", {"ids": now_due})]


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_change_stands_and_the_relay_finds_the_rest(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeup._redis, "quiet_until", 0.0)
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    with capture_logs() as logs:
        state(Happened(subject_id=1, number=1))
        state(Happened(subject_id=2, number=1))
    tried = [line for line in logs if line["event"] == "going on without redis"]
    assert len(tried) == 1  # the second did not even try
    assert work_off() == 4


# Cost


@pytest.mark.django_db
def test_emitting_costs_the_same_for_one_fact_and_for_many() -> None:
    counts = []
    for number in (1, 3):
        with CaptureQueriesContext(connection) as captured:
            state(*(Happened(subject_id=subject, number=1) for subject in range(number)))
        counts.append(len([q for q in captured if "INSERT INTO" in q["sql"]]))
    assert counts == [1, 1]
    assert (Event.objects.count(), Delivery.objects.count()) == (4, 8)


@pytest.mark.django_db
def test_claiming_reads_an_index_of_what_is_pending() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_event (name, subject_type, subject_id, payload, actor_kind, actor_name, origin,"
            " request_id, at) SELECT 'x', 'thing', n % 500, '{}', 'system', '', 'task', '', now()"
            " FROM generate_series(1, 20000) n"
        )
        cursor.execute(
            "INSERT INTO core_delivery (event_id, reaction, subject_type, subject_id, state, due_at, attempts,"
            " last_error) SELECT id, 'a.b', 'thing', subject_id, CASE WHEN id % 200 = 0 THEN 'pending' ELSE 'done' END,"
            " now(), 0, '' FROM core_event"
        )
        cursor.execute("ANALYZE core_delivery")
        given = {"claim": None, "lease": 15, "waited": 0}
        cursor.execute(f"EXPLAIN {delivery._CLAIM.format(which='TRUE')}", given)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "delivery_due" in plan
    assert "Seq Scan" not in plan

"""Topic alerts: what they lift, for how long, and who may."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department, make_key
from supportdesk.core import delivery
from supportdesk.core.errors import Forbidden, InvalidInput, NotFound
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from tickets.models import Ticket, TopicAlert
from tickets.ordering import Part
from tickets.services import lifecycle, ranking, topic_alerts
from tickets.tasks import drop_expired_lifts
from tickets.tests.builders import make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PATH = "/api/topic-alerts"


def begin(**over: Any) -> TopicAlert:
    given = {"minutes": 30, "ends_at": START + 2 * HOUR, "by": SYSTEM, "now": START, **over}
    return topic_alerts.begin(**given)


def lifted(ticket: Ticket) -> int:
    """Minutes, by the rank itself."""
    now = Ticket.objects.get(pk=ticket.pk)
    assert now.rank_at == now.rank().at
    return int(-now.rank().parts.get(Part.ALERT, timedelta(0)) / MINUTE)


def spread(alert: TopicAlert, now: datetime = START) -> None:
    topic_alerts.spread(alert_id=alert.pk, by=SYSTEM, now=now)


# What is lifted


def test_new_tickets_are_lifted_by_subject_message_and_tag() -> None:
    begin(phrase="Card declined")
    begin(tag="Outage", minutes=20)
    assert lifted(make_ticket(now=START, subject="my CARD DECLINED twice")) == 30
    assert lifted(make_ticket(now=START, description="They say: card declined.")) == 30
    assert lifted(make_ticket(now=START, tags=["outage"])) == 20
    assert lifted(make_ticket(now=START, tags=["outages"], subject="card was declined")) == 0
    both = make_ticket(now=START, tags=["outage"], subject="card declined")
    assert lifted(both) == 30  # the strongest, not the sum
    assert both.rank_at == Ticket.objects.get(pk=both.pk).rank_at


def test_signs_of_patterns_mean_themselves() -> None:
    begin(phrase="100%_sure")
    assert lifted(make_ticket(now=START, subject="100%_sure")) == 30
    assert lifted(make_ticket(now=START, subject="100 xx sure")) == 0
    spread(TopicAlert.objects.get())
    assert Ticket.objects.filter(lift_minutes__gt=0).count() == 1


def test_tickets_follow_what_is_written_and_changed() -> None:
    begin(phrase="card declined")
    ticket = make_ticket(now=START)
    say(ticket, "Now my card declined", by=SYSTEM, now=START)
    assert lifted(ticket) == 30
    other = make_ticket(now=START, subject="card declined")
    lifecycle.update_ticket(ticket_id=other.pk, changes={"subject": "All fine"}, by=SYSTEM, now=START)
    assert lifted(other) == 0
    lifecycle.update_ticket(ticket_id=other.pk, changes={"priority": "high"}, by=SYSTEM, now=START)
    begin(tag="outage", minutes=25)
    lifecycle.update_ticket(ticket_id=other.pk, changes={"tags": ["outage"]}, by=SYSTEM, now=START)
    assert lifted(other) == 25


def test_what_agents_write_lifts_nothing() -> None:
    begin(phrase="card declined")
    ticket = make_ticket(now=START)
    admin = actor_of(make_agent(role="admin"))
    say(ticket, "Was your card declined?", sender="agent", by=admin, now=START)
    say(ticket, "No", now=START)
    assert lifted(ticket) == 0


def test_an_alert_of_a_department_lifts_its_tickets_alone() -> None:
    here, there = make_department(), make_department()
    alert = begin(tag="outage", department=here)
    mine, theirs, free = (make_ticket(now=START, tags=["outage"], department=where) for where in (here, there, None))
    assert [lifted(ticket) for ticket in (mine, theirs, free)] == [30, 0, 0]
    spread(alert)
    assert [lifted(ticket) for ticket in (mine, theirs, free)] == [30, 0, 0]
    lifecycle.update_ticket(ticket_id=mine.pk, changes={"department": there}, by=SYSTEM, now=START)
    assert lifted(mine) == 0


def test_a_lift_is_bounded_by_the_weights() -> None:
    begin(tag="outage", minutes=10_000)
    assert lifted(make_ticket(now=START, tags=["outage"])) == 60


def test_open_tickets_follow_when_it_begins_and_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_alerts, "BATCH", 2)
    monkeypatch.setattr(topic_alerts, "BATCHES", 2)
    now = timezone.now() - MINUTE
    match = [make_ticket(now=now, subject="card declined") for _ in range(9)]
    other, done = make_ticket(now=now), make_ticket(now=now, subject="card declined")
    lifecycle.update_ticket(ticket_id=done.pk, changes={"status": "resolved"}, by=SYSTEM, now=now)
    while delivery.run_due(limit=1_000):
        pass
    versions = list(Ticket.objects.order_by("pk").values_list("version", "updated_at"))
    alert = begin(phrase="card declined", now=now, ends_at=now + HOUR)
    while delivery.run_due(limit=1_000):
        pass
    assert [lifted(ticket) for ticket in match] == [30] * 9
    assert (lifted(other), lifted(done)) == (0, 0)
    topic_alerts.end(alert_id=alert.pk, by=SYSTEM, now=now + timedelta(seconds=1))
    while delivery.run_due(limit=1_000):
        pass
    assert [lifted(ticket) for ticket in match] == [0] * 9
    assert list(Ticket.objects.order_by("pk").values_list("version", "updated_at")) == versions
    facts = Event.objects.filter(subject_type="topic_alert").order_by("pk")
    followed = ["topic_alert.followed"] * 2  # after each four of the nine
    assert list(facts.values_list("name", flat=True)) == [
        "topic_alert.begun",
        *followed,
        "topic_alert.ended",
        *followed,
    ]
    spread(alert, now + MINUTE)  # late: it is over
    assert lifted(match[0]) == 0


def test_what_is_over_is_dropped_and_the_next_alert_takes_over() -> None:
    begin(phrase="card declined", minutes=40, ends_at=START + HOUR)
    begin(tag="outage", minutes=20, ends_at=START + 2 * HOUR)
    both = make_ticket(now=START, subject="card declined", tags=["outage"])
    one = make_ticket(now=START, subject="card declined")
    assert topic_alerts.drop_expired(now=START + HOUR - MINUTE, limit=100) == 0
    assert topic_alerts.drop_expired(now=START + HOUR, limit=100) == 2
    assert (lifted(both), lifted(one)) == (20, 0)
    assert topic_alerts.drop_expired(now=START + HOUR, limit=100) == 0
    assert drop_expired_lifts() == 1  # by the clock of today
    assert lifted(both) == 0


def test_dropping_goes_on_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_alerts, "BATCH", 2)
    begin(tag="outage", ends_at=START + HOUR)
    for _ in range(5):
        make_ticket(now=START, tags=["outage"])
    assert topic_alerts.drop_expired(now=START + HOUR, limit=4) == 4
    assert topic_alerts.drop_expired(now=START + HOUR, limit=4) == 1


def test_asking_costs_one_statement_while_nothing_changes() -> None:
    begin(tag="outage")
    ids = [make_ticket(now=START, tags=["outage"]).pk for _ in range(3)]
    with counted_statements() as taken:
        assert ranking.lift_all(ids, now=START) == 0
    assert len(taken) == 1
    with counted_statements() as taken:
        assert ranking.lift_all(ids, now=START + 3 * HOUR) == 3
    assert len(taken) == 3


# Who may, and what cannot be


def test_only_supervisors_and_administrators_begin_and_end() -> None:
    alert = begin(tag="outage")
    for role in ("agent", "senior"):
        by = actor_of(make_agent(role=role))
        with pytest.raises(Forbidden):
            begin(tag="x-ray", by=by)
        with pytest.raises(Forbidden):
            topic_alerts.end(alert_id=alert.pk, by=by, now=START)


def test_a_supervisor_of_some_departments_keeps_to_them() -> None:
    here, there = make_department(), make_department()
    by = actor_of(make_agent(role="supervisor", leads=[here]))
    mine, foreign, everywhere = begin(tag="a", department=here, by=by), begin(tag="b", department=there), begin(tag="c")
    for department in (None, there):
        with pytest.raises(InvalidInput) as refused:
            begin(tag="outage", department=department, by=by)
        assert refused.value.errors[0].field == "department_id"
    assert topic_alerts.end(alert_id=mine.pk, by=by, now=START + MINUTE).ends_at == START + MINUTE
    with pytest.raises(NotFound):
        topic_alerts.end(alert_id=foreign.pk, by=by, now=START)
    with pytest.raises(Forbidden):
        topic_alerts.end(alert_id=everywhere.pk, by=by, now=START)


def test_ending_what_is_over_changes_nothing() -> None:
    alert = begin(tag="outage")
    later = START + 5 * HOUR
    assert topic_alerts.end(alert_id=alert.pk, by=SYSTEM, now=later).ends_at == START + 2 * HOUR
    assert not Event.objects.filter(name="topic_alert.ended").exists()
    early = begin(tag="other")
    assert topic_alerts.end(alert_id=early.pk, by=SYSTEM, now=START - HOUR).ends_at == START  # a clock set back


def test_the_database_keeps_alerts_that_mean_something() -> None:
    given = {"minutes": 5, "ends_at": START, "created_at": START}
    for wrong in (
        {},
        {"phrase": "a", "tag": "b"},
        {"tag": "b", "minutes": 0},
        {"tag": "b", "created_at": START + HOUR},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            TopicAlert.objects.create(**{**given, **wrong})
    with pytest.raises(IntegrityError), transaction.atomic():
        Ticket.objects.filter(pk=make_ticket().pk).update(lift_minutes=5)


# The API


def soon(hours: float = 1) -> str:
    return (timezone.now() + timedelta(hours=hours)).isoformat()


@pytest.fixture
def supervisor() -> Agent:
    return make_agent(role="supervisor", name="Sofia Lind")


def test_an_alert_is_begun_read_listed_and_ended(supervisor: Agent) -> None:
    api, here = Api(supervisor), make_department(name="Billing")
    made = api.post(PATH, {"phrase": " Card declined ", "minutes": 45, "ends_at": soon(), "department_id": here.pk})
    assert made.status == 201
    assert (made.body["phrase"], made.body["tag"], made.body["minutes"]) == ("Card declined", "", 45)
    assert made.body["department"] == {"id": here.pk, "name": "Billing"}
    assert made.body["created_by"] == {"id": supervisor.pk, "name": "Sofia Lind"}
    path = f"{PATH}/{made.body['id']}"
    assert api.get(path).body == made.body
    ticket = make_ticket(subject="Card declined", department=here)
    parts = api.get(f"/api/tickets/{ticket.pk}/rank").body["parts"]
    assert {"part": "alert", "seconds": -45 * 60.0, "why": "A topic alert: 45 min earlier."} in parts
    assert [row["id"] for row in api.get(PATH, running="true").body["results"]] == [made.body["id"]]
    ended = api.post(f"{path}/end", {})
    assert ended.status == 200
    assert api.get(PATH, running="true").body["results"] == []
    assert len(api.get(PATH, running="false").body["results"]) == len(api.get(PATH).body["results"]) == 1


def test_everybody_is_shown_those_that_concern_them() -> None:
    here, there = make_department(), make_department()
    for tag, where in (("here", here), ("there", there), ("everywhere", None)):
        begin(tag=tag, department=where)

    def seen(caller: Agent | str) -> list[str]:
        return sorted(row["tag"] for row in Api(caller).get(PATH).body["results"])

    assert seen(make_agent(department=here)) == ["everywhere", "here"]
    assert seen(make_agent(role="supervisor", leads=[there])) == ["everywhere", "there"]
    assert seen(make_agent(role="admin")) == seen(make_key("tickets:read")) == ["everywhere", "here", "there"]
    foreign = TopicAlert.objects.get(tag="there")
    assert Api(make_agent(department=here)).get(f"{PATH}/{foreign.pk}").status == 404
    assert Api(make_agent(role="supervisor", leads=[here])).post(f"{PATH}/{foreign.pk}/end", {}).status == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"phrase": None}, "phrase"),
        ({"phrase": "ab"}, "phrase"),
        ({"phrase": "x" * 101}, "phrase"),
        ({"phrase": "a\nbc"}, "phrase"),
        ({"tag": "outage"}, "phrase"),
        ({"phrase": ""}, "phrase"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": 10_081}, "minutes"),
        ({"minutes": "5"}, "minutes"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2200-01-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "tomorrow"}, "ends_at"),
        ({"department_id": 987_654}, "department_id"),
        ({"through": 5}, "through"),
    ],
)
def test_an_alert_that_cannot_be_is_refused_by_name(supervisor: Agent, change: dict[str, Any], field: str) -> None:
    answer = Api(supervisor).post(PATH, {"phrase": "card declined", "minutes": 30, "ends_at": soon()} | change)
    assert (answer.status, list(answer.fields)) == (400, [field])
    assert not TopicAlert.objects.exists()


def test_there_is_an_end_to_how_many_run(supervisor: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_alerts, "MOST_RUNNING", 1)
    api, body = Api(supervisor), {"tag": "outage", "minutes": 30, "ends_at": soon()}
    assert api.post(PATH, body).status == 201
    again = api.post(PATH, body)
    assert (again.status, again.body["code"]) == (400, "too_many")


def test_lists_take_the_same_statements_for_one_and_three(supervisor: Agent) -> None:
    api, counts = Api(supervisor), []
    for number in (1, 2):
        for _ in range(number):
            begin(tag="outage", department=make_department())
        with counted_statements() as taken:
            assert api.get(PATH).status == 200
        counts.append(len(taken))
    assert counts == [2, 2]


# The admin


def test_a_supervisor_begins_and_ends_alerts_in_the_admin(supervisor: Agent) -> None:
    client = Client()
    client.force_login(supervisor)
    base = "/admin/tickets/topicalert/"
    ends = (timezone.now() + HOUR).strftime("%Y-%m-%d %H:%M:%S")
    wrong = client.post(f"{base}add/", {"phrase": "", "tag": "", "minutes": "30", "ends_at": ends})
    assert "Give a phrase or a tag" in wrong.content.decode()
    made = client.post(f"{base}add/", {"phrase": "card declined", "minutes": "30", "ends_at": ends})
    alert = TopicAlert.objects.get()
    assert (made.status_code, made.headers["Location"]) == (302, f"{base}{alert.pk}/change/")
    assert (alert.phrase, alert.created_by) == ("card declined", supervisor)
    assert "card declined" in client.get(base).content.decode()
    page = client.get(f"{base}{alert.pk}/change/").content.decode()
    assert "End it now" in page
    assert client.post(f"{base}{alert.pk}/change/", {"end_now": "on"}).status_code == 302
    alert.refresh_from_db()
    assert alert.ends_at <= timezone.now()
    assert 'type="submit">Save' not in client.get(f"{base}{alert.pk}/change/").content.decode()

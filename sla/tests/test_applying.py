"""Other words for tickets that run: counted first, then given in batches that nobody waits for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.tests.builders import SYSTEM, actor_of, make_agent
from sla.clock import Metric
from sla.models import Policy, PolicyApplication, SLAAlert, SLAClock, TicketSLA
from sla.services import applying, selfcheck
from sla.services.applying import StillApplying
from sla.services.calendars import update_calendar
from sla.tests.builders import HOUR, MINUTE, change_default, clock_of, make_calendar, minutes, raise_due
from supportdesk.core import delivery
from supportdesk.core.errors import Forbidden
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from tickets.enums import Sender, Status
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.tests.builders import make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
FIRST, RESOLUTION = Metric.FIRST_RESPONSE, Metric.RESOLUTION


def after(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def promise(**metrics: int) -> Policy:
    return change_default(START, targets=minutes(**metrics)).policy


def run(policy: Policy, now: datetime, *, preview: bool = False) -> PolicyApplication:
    job = applying.request(policy_id=policy.pk, preview=preview, by=SYSTEM, now=now)
    while applying.work(job.pk, by=SYSTEM, now=now):
        pass
    job.refresh_from_db()
    return job


def test_a_preview_counts_and_touches_nothing() -> None:
    promise(first_response=60, resolution=600)
    for hours in (0, 3):
        make_ticket(now=after(hours))
    done = make_ticket(now=START)
    lifecycle.update_ticket(ticket_id=done.pk, changes={"status": Status.RESOLVED}, by=SYSTEM, now=after(1))
    policy = promise(first_response=30, resolution=900)
    before = list(SLAClock.objects.order_by("pk").values())
    job = run(policy, after(3.25), preview=True)
    assert (job.state, job.tickets, job.earlier, job.later, job.breached) == ("done", 2, 2, 2, 0)
    assert list(SLAClock.objects.order_by("pk").values()) == before
    assert run(policy, after(3.75), preview=True).breached == 1
    assert not Event.objects.filter(name="sla.policy_applied").exists()


def test_open_tickets_get_the_present_version_and_done_ones_keep_theirs() -> None:
    old = promise(first_response=60).versions.get(state="active")
    ticket, done = make_ticket(now=START), make_ticket(now=START)
    lifecycle.update_ticket(ticket_id=done.pk, changes={"status": Status.RESOLVED}, by=SYSTEM, now=after(0.1))
    policy = promise(first_response=120)
    new = policy.versions.get(state="active")
    job = run(policy, after(0.5))
    assert (job.state, job.tickets, job.later) == ("done", 1, 1)
    assert TicketSLA.objects.get(ticket=ticket).policy_version == new
    assert TicketSLA.objects.get(ticket=done).policy_version == old
    assert (clock_of(ticket, FIRST).due_at, clock_of(ticket, FIRST).counted) == (after(2), timedelta(0))
    event = Event.objects.get(name="sla.policy_applied")
    assert (event.subject_id, event.payload["policy_version_id"]) == (ticket.pk, new.pk)
    assert Ticket.objects.get(pk=ticket.pk).version == 1
    assert run(policy, after(0.6)).tickets == 0
    assert selfcheck.check(now=after(1)).drift == []


def test_a_breach_that_was_raised_stays_and_is_not_raised_again() -> None:
    promise(first_response=60)
    ticket = make_ticket(now=START)
    assert raise_due(after(2)) == 2
    policy = promise(first_response=240)
    run(policy, after(2))
    assert (clock_of(ticket, FIRST).state, clock_of(ticket, FIRST).due_at) == ("running", after(4))
    assert raise_due(after(9)) == 0
    assert SLAAlert.objects.filter(ticket=ticket).count() == 2
    assert selfcheck.check(now=after(9)).drift == []


def test_a_breach_by_the_change_alone_is_raised_at_its_instant() -> None:
    promise(first_response=600)
    ticket = make_ticket(now=START)
    job = run(promise(first_response=60), after(2))
    assert job.breached == 1
    raise_due(after(2))
    assert SLAAlert.objects.breaches().get(ticket=ticket).at == after(1)


def test_a_metric_that_is_no_longer_promised_loses_its_clock_and_may_have_it_again() -> None:
    promise(first_response=60, resolution=600)
    ticket = make_ticket(now=START)
    raise_due(after(2))
    run(promise(resolution=600), after(2))
    assert [clock.metric for clock in SLAClock.objects.filter(ticket=ticket)] == [RESOLUTION]
    assert SLAAlert.objects.filter(ticket=ticket).count() == 2
    run(promise(first_response=60, resolution=600), after(3))
    assert raise_due(after(3)) == 0
    assert SLAAlert.objects.filter(ticket=ticket).count() == 2
    assert selfcheck.check(now=after(3)).drift == []


def test_a_new_version_of_the_calendar_is_applied_too() -> None:
    calendar = make_calendar(START)
    policy = change_default(START, calendar=calendar, targets=minutes(first_response=60)).policy
    ticket = make_ticket(now=after(-2))  # 08:00 in Berlin
    assert clock_of(ticket, FIRST).due_at == after(0)
    update_calendar(calendar_id=calendar.pk, changes={"week": [[[420, 1020]]] * 7}, by=SYSTEM, now=START)
    assert clock_of(ticket, FIRST).due_at == after(0)
    assert run(policy, after(-1.5)).earlier == 1
    assert clock_of(ticket, FIRST).due_at == after(-1)


def test_batches_follow_each_other_as_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "BATCH", 2)
    monkeypatch.setattr(applying, "BATCHES", 2)
    promise(first_response=60)
    for _ in range(9):
        make_ticket(now=START)
    api = Api(make_agent(role="supervisor"))
    delivery.run_due(limit=1_000)
    policy = promise(first_response=120)
    job = api.post(f"/api/sla/policies/{policy.pk}/apply", {"preview": False})
    assert (job.status, job.body["state"], job.body["tickets"]) == (202, "pending", 0)
    assert delivery.run_due(limit=1) == 1
    progress = api.get(f"/api/sla/applications/{job.body['id']}").body
    assert (progress["state"], progress["tickets"], progress["finished_at"]) == ("running", 4, None)
    again = api.post(f"/api/sla/policies/{policy.pk}/apply", {"preview": False})
    assert (again.status, again.body["code"]) == (409, "still_applying")
    assert delivery.run_due(limit=100) == 2
    progress = api.get(f"/api/sla/applications/{job.body['id']}").body
    assert (progress["state"], progress["tickets"], progress["later"]) == ("done", 9, 9)
    assert set(SLAClock.objects.values_list("target", flat=True)) == {2 * HOUR}
    assert Event.objects.filter(name="sla.policy_applied").count() == 9


def test_a_delivery_that_is_run_again_does_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "BATCH", 2)
    promise(first_response=60)
    for _ in range(3):
        make_ticket(now=START)
    job = applying.request(policy_id=promise(first_response=120).pk, preview=False, by=SYSTEM, now=START)
    for _ in range(3):
        applying.work(job.pk, by=SYSTEM, now=START)
    job.refresh_from_db()
    assert (job.tickets, Event.objects.filter(name="sla.policy_applied").count()) == (3, 3)


def test_a_newer_version_ends_the_work_of_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "BATCH", 1)
    monkeypatch.setattr(applying, "BATCHES", 1)
    promise(first_response=60)
    for _ in range(2):
        make_ticket(now=START)
    policy = promise(first_response=120)
    job = applying.request(policy_id=policy.pk, preview=False, by=SYSTEM, now=START)
    applying.work(job.pk, by=SYSTEM, now=START)
    promise(first_response=180)
    applying.work(job.pk, by=SYSTEM, now=START)
    job.refresh_from_db()
    assert (job.state, job.tickets) == ("superseded", 1)
    assert run(policy, START).tickets == 2


def test_one_application_at_a_time() -> None:
    policy = promise(first_response=60)
    applying.request(policy_id=policy.pk, preview=False, by=SYSTEM, now=START)
    applying.request(policy_id=policy.pk, preview=True, by=SYSTEM, now=START)
    with pytest.raises(StillApplying):
        applying.request(policy_id=policy.pk, preview=False, by=SYSTEM, now=START)


def test_a_policy_without_an_active_version_has_nothing_to_apply() -> None:
    api = Api(make_agent(role="admin"))
    draft = api.post(
        "/api/sla/policies",
        {"name": "x", "targets": minutes(resolution=5), "calendar_id": make_calendar(START).pk},
    ).body["id"]
    assert api.post(f"/api/sla/policies/{draft}/apply", {"preview": True}).body["code"] == "nothing_to_activate"
    assert api.post(f"/api/sla/policies/{draft}/apply", {}).fields == {"preview": "required"}
    assert api.get("/api/sla/applications/987654").status == 404


def test_a_batch_takes_the_same_statements_for_one_and_ten() -> None:
    counts = []
    for number in (1, 10):
        promise(first_response=60)
        for _ in range(number):
            ticket = make_ticket(now=START)
            lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": Status.PENDING}, by=SYSTEM, now=after(0.1))
        policy = promise(first_response=90)
        job = applying.request(policy_id=policy.pk, preview=False, by=SYSTEM, now=START)
        with counted_statements() as taken:
            applying.work(job.pk, by=SYSTEM, now=after(0.5))
        counts.append(len(taken))
    assert counts[0] == counts[1]


def test_a_reply_meanwhile_is_neither_lost_nor_counted_wrong() -> None:
    promise(first_response=60)
    ticket = make_ticket(now=START)
    policy = promise(first_response=30)
    job = applying.request(policy_id=policy.pk, preview=False, by=SYSTEM, now=after(0.2))
    say(ticket, sender=Sender.AGENT, by=actor_of(make_agent()), now=after(0.4))
    applying.work(job.pk, by=SYSTEM, now=after(0.6))
    clock = clock_of(ticket, FIRST)
    assert (clock.state, clock.target) == ("met", 30 * MINUTE)
    assert selfcheck.check(now=after(1)).drift == []


def test_agents_do_not_apply_policies() -> None:
    given: dict[str, Any] = {"preview": False}
    policy = promise(first_response=60)
    assert Api(make_agent()).post(f"/api/sla/policies/{policy.pk}/apply", given).status == 403
    with pytest.raises(Forbidden):
        applying.request(policy_id=policy.pk, preview=False, by=actor_of(make_agent()), now=START)

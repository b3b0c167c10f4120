"""The one-time ticket of a socket, at its service and its route."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import passes, services, sessions
from agents.models import LoginSession, SocketPass
from agents.passes import BadPass
from agents.tests.builders import PASSWORD, SYSTEM, actor_of, make_agent, make_key
from supportdesk.core.models import IdempotencyRecord
from supportdesk.tests.client import Api
from supportdesk.tests.races import race

PAGE = "https://desk.example.com"


def make_pass(origin: str = "", **over: Any) -> str:
    agent = make_agent()
    sessions.log_in(email=agent.email, password=PASSWORD, network="192.0.2.1", now=timezone.now())
    session = LoginSession.objects.select_related("agent").get(agent=agent)
    return passes.issue(session=session, origin=origin, now=over.get("now", timezone.now()))


@pytest.mark.django_db
def test_a_pass_opens_once_and_is_kept_as_a_hash_only() -> None:
    text = make_pass()
    assert len(text) >= 43  # 256 bits
    assert text not in str(SocketPass.objects.values().get())
    assert passes.redeem(text=text, origin="", now=timezone.now()).session == LoginSession.objects.get()
    with pytest.raises(BadPass):
        passes.redeem(text=text, origin="", now=timezone.now())


@pytest.mark.vuln
@pytest.mark.django_db(transaction=True)
def test_of_thirty_two_who_use_a_pass_at_once_one_gets_in() -> None:
    text = make_pass()
    lock = threading.Lock()
    opened: list[int] = []

    def act(number: int) -> None:
        try:
            passes.redeem(text=text, origin="", now=timezone.now())
        except BadPass:
            return
        with lock:
            opened.append(number)

    race(act)
    assert len(opened) == 1


@pytest.mark.vuln
@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", " ", "x", "0" * 43])
def test_what_is_no_pass_opens_nothing(text: str) -> None:
    make_pass()
    with pytest.raises(BadPass):
        passes.redeem(text=text, origin="", now=timezone.now())


@pytest.mark.django_db
def test_a_pass_is_good_for_thirty_seconds() -> None:
    now = timezone.now()
    early, late = make_pass(now=now), make_pass(now=now)
    passes.redeem(text=early, origin="", now=now + passes.LIFETIME - timedelta(microseconds=1))
    with pytest.raises(BadPass):
        passes.redeem(text=late, origin="", now=now + passes.LIFETIME)


@pytest.mark.vuln
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("made_for", "used_by", "opens"),
    [(PAGE, PAGE, True), (PAGE, "https://evil.example", False), (PAGE, "", True), ("", PAGE, True)],
)
def test_a_pass_belongs_to_the_page_it_was_made_for(made_for: str, used_by: str, opens: bool) -> None:
    text = make_pass(made_for)
    if opens:
        passes.redeem(text=text, origin=used_by, now=timezone.now())
        return
    with pytest.raises(BadPass):
        passes.redeem(text=text, origin=used_by, now=timezone.now())
    with pytest.raises(BadPass):  # and is used up by the attempt
        passes.redeem(text=text, origin=made_for, now=timezone.now())


@pytest.mark.vuln
@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "senior"}, {"password": "another long pass phrase"}])
def test_a_pass_dies_with_its_login(change: dict[str, Any]) -> None:
    one, other = make_pass(), make_pass()
    first, second = LoginSession.objects.select_related("agent").order_by("pk")
    services.update_agent(agent_id=first.agent_id, changes=change, by=SYSTEM, now=timezone.now())
    sessions.log_out(session=second, by=actor_of(second.agent), now=timezone.now())
    for text in (one, other):
        with pytest.raises(BadPass):
            passes.redeem(text=text, origin="", now=timezone.now())


@pytest.mark.django_db
def test_pruning_takes_what_can_open_nothing_any_more() -> None:
    now = timezone.now()
    make_pass(now=now)
    make_pass(now=now - passes.LIFETIME)
    assert passes.prune(now=now) == 1
    assert SocketPass.objects.count() == 1


# The route


@pytest.mark.django_db
def test_an_agent_gets_a_ticket_for_themselves_only() -> None:
    agent, other = make_agent(), make_agent(role="admin")
    answer = Api(agent).post(f"/api/agents/{agent.pk}/ws-ticket", origin=PAGE)
    assert (answer.status, answer.body["expires_in"], answer.body["path"]) == (201, 30, f"/ws/agent/{agent.pk}")
    assert SocketPass.objects.get().origin == PAGE
    assert Api(agent).post(f"/api/agents/{agent.pk + 1_000}/ws-ticket").status == 404
    assert Api(other).post(f"/api/agents/{agent.pk}/ws-ticket").status == 404
    assert Api(make_key("agents:read")).post(f"/api/agents/{agent.pk}/ws-ticket").status == 403
    assert Api().post(f"/api/agents/{agent.pk}/ws-ticket").status == 401


@pytest.mark.django_db
def test_the_answer_is_a_credential_and_is_never_kept() -> None:
    agent = make_agent()
    api = Api(agent)
    path = f"/api/agents/{agent.pk}/ws-ticket"
    answers = [api.post(path, idempotency_key="the-same-key") for _ in range(2)]
    assert answers[0].body["ticket"] != answers[1].body["ticket"]
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "headers", "field"),
    [({"ticket": 1}, {}, "ticket"), (None, {"origin": "https://" + "x" * 300}, "Origin")],
)
def test_bad_input_names_its_field(body: Any, headers: dict[str, str], field: str) -> None:
    agent = make_agent()
    answer = Api(agent).post(f"/api/agents/{agent.pk}/ws-ticket", body, **headers)
    assert (answer.status, list(answer.fields)) == (400, [field])

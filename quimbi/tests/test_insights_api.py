"""What Quimbi says, over the API: every value with its source, every absence with its reason."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents.tests.builders import actor_of, make_agent, make_department, make_key
from customers.tests.builders import make_customer
from quimbi import service
from quimbi.api import views
from quimbi.dialects import Function
from quimbi.sandbox import Sandbox
from quimbi.types import Draft as Text
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from tickets.enums import DraftOutcome
from tickets.models import Draft
from tickets.services import drafts
from tickets.tests.builders import make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
FAULTS = ["refuse", "reset", "500", "html", "huge", "nan", "boolean", "wrong-customer", "empty", "redirect"]


@pytest.fixture
def me() -> Api:
    return Api(make_agent(role="admin"))


# A ticket and its customer


def test_a_ticket_is_shown_with_what_quimbi_says_of_its_customer(me: Api, quimbi: Sandbox) -> None:
    ticket = make_ticket()
    quimbi.say(Function.CHURN, f"crm-{ticket.customer_id}", churn_risk_score=0.41, risk_level="low")
    found = me.get(f"/api/tickets/{ticket.pk}").body["ai_insights"]
    assert list(found) == ["dna", "churn_risk"]
    for part in found.values():
        assert (part["source"], part["reason"]) == ("live", None)
        assert part["as_of"].endswith("Z")
    assert found["churn_risk"]["value"]["score"] == 0.41
    assert found["churn_risk"]["value"]["level"] == "medium"  # by our limits, whatever word came with it
    assert found["dna"]["value"]["archetype"]["id"]
    assert quimbi.count() == 2
    assert me.get(f"/api/customers/{ticket.customer_id}").body["dna"]["value"] == found["dna"]["value"]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_ticket_is_shown_whatever_quimbi_does_and_nothing_is_invented(me: Api, quimbi: Sandbox, kind: str) -> None:
    quimbi.play(kind)
    ticket = make_ticket()
    answer = me.get(f"/api/tickets/{ticket.pk}")
    assert answer.status == 200
    for part in answer.body["ai_insights"].values():
        assert (part["value"], part["source"], part["as_of"]) == (None, "none", None)
        assert part["reason"] in {"upstream_error", "timeout", "bad_answer", "circuit_open", "no_profile"}
    assert answer.body["ticket"]["id"] == ticket.pk
    assert me.get(f"/api/customers/{ticket.customer_id}").status == 200


def test_what_is_not_asked_for_is_not_asked_of_quimbi(me: Api, quimbi: Sandbox) -> None:
    ticket = make_ticket()
    me.get(f"/api/tickets/{ticket.pk}", fields="ticket.id,customer.name")
    me.get(f"/api/customers/{ticket.customer_id}", fields="id,name")
    me.get("/api/tickets")
    me.get("/api/tickets", explain=1)
    me.get("/api/customers")
    me.patch(f"/api/tickets/{ticket.pk}", {"priority": "high"})
    assert quimbi.count() == 0
    assert list(me.get(f"/api/tickets/{ticket.pk}", fields="ai_insights.dna").body) == ["ai_insights"]
    assert quimbi.count() == 2


def test_a_machine_that_does_not_read_customers_is_told_nothing_of_them(quimbi: Sandbox) -> None:
    ticket = make_ticket()
    assert Api(make_key("tickets:read")).get(f"/api/tickets/{ticket.pk}").body["ai_insights"] is None
    assert quimbi.count() == 0


def test_reading_insights_leaves_an_audit_row(me: Api, quimbi: Sandbox) -> None:
    customer = make_customer()
    me.get(f"/api/ai/customers/{customer.pk}/dna")
    row = Event.objects.get(name="customer.read")
    assert (row.subject_id, row.payload["through"]) == (customer.pk, "insights")


# DNA and churn by themselves


@pytest.mark.parametrize("what", ["dna", "churn"])
def test_absent_for_now_is_503_and_absent_for_good_is_null(me: Api, quimbi: Sandbox, what: str) -> None:
    customer = make_customer()
    quimbi.strangers.add(f"crm-{customer.pk}")
    found = me.get(f"/api/ai/customers/{customer.pk}/{what}")
    assert (found.status, found.body["value"], found.body["reason"]) == (200, None, "no_profile")
    assert (found.body["source"], found.body["as_of"] is None) == ("none", False)  # and when Quimbi said so
    other = make_customer()
    quimbi.play("500")
    failed = me.get(f"/api/ai/customers/{other.pk}/{what}")
    assert (failed.status, failed.body["code"], failed.body["reason"]) == (503, "no_advice", "upstream_error")
    assert int(failed.headers["Retry-After"]) >= 1


def test_without_a_quimbi_it_says_so(me: Api) -> None:
    customer, ticket = make_customer(), make_ticket()
    for path in (f"customers/{customer.pk}/dna", f"customers/{customer.pk}/churn", f"tickets/{ticket.pk}/draft"):
        answer = me.get(f"/api/ai/{path}")
        assert (answer.status, answer.body["reason"]) == (503, "not_configured"), path


def test_asking_again_by_force_has_its_limit(me: Api, quimbi: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "REFRESHES", replace(views.REFRESHES, allowed=1))
    customer = make_customer()
    assert me.get(f"/api/ai/customers/{customer.pk}/dna", refresh=1).status == 200
    refused = me.get(f"/api/ai/customers/{customer.pk}/churn", refresh=1)
    assert (refused.status, refused.body["code"]) == (429, "too_many_requests")
    assert me.get(f"/api/ai/customers/{customer.pk}/churn").status == 200
    wrong = me.get(f"/api/ai/customers/{customer.pk}/dna", refresh="yes")
    assert (wrong.status, wrong.fields) == (400, {"refresh": "invalid_choice"})


# Drafts and recommendations


def test_a_draft_is_flat_and_says_where_it_comes_from(me: Api, quimbi: Sandbox) -> None:
    ticket = make_ticket(customer=make_customer(name="Sarah Connor"), description="Where is my parcel?")
    found = me.get(f"/api/ai/tickets/{ticket.pk}/draft", tone="empathetic")
    assert found.status == 200
    assert list(found.body) == [
        *("source", "as_of", "reason", "draft", "tone", "personalization", "reasoning", "too_long"),
    ]
    assert "Sarah" in found.body["draft"]
    assert (found.body["tone"], found.body["source"]) == ("empathetic", "live")
    asked = quimbi.requests[-1].body
    assert [line["content"] for line in asked["messages"]] == ["Where is my parcel?"]
    assert "Connor" not in str(asked)


def test_notes_never_reach_quimbi(me: Api, quimbi: Sandbox) -> None:
    ticket = make_ticket()
    me.post(f"/api/tickets/{ticket.pk}/notes", {"body": "secret-note-77"})
    me.get(f"/api/ai/tickets/{ticket.pk}/draft")
    me.get(f"/api/ai/tickets/{ticket.pk}/recommend")
    assert quimbi.count() == 2
    assert "secret-note-77" not in str([one.body for one in quimbi.requests])


def test_after_an_agents_reply_there_is_nothing_to_draft_and_no_call(me: Api, quimbi: Sandbox) -> None:
    agent = make_agent()
    ticket = make_ticket()
    say(ticket, "We are on it", sender="agent", by=actor_of(agent))
    found = me.get(f"/api/ai/tickets/{ticket.pk}/draft")
    assert (found.status, found.body["draft"], found.body["reason"]) == (200, None, "nothing_to_draft")
    assert quimbi.count() == 0


@pytest.mark.parametrize("kind", ["refuse", "500", "html", "empty"])
def test_no_draft_is_503_and_never_a_canned_sentence(me: Api, quimbi: Sandbox, kind: str) -> None:
    quimbi.play(kind)
    ticket = make_ticket()
    failed = me.get(f"/api/ai/tickets/{ticket.pk}/draft")
    assert (failed.status, failed.body["code"]) == (503, "no_advice")
    assert "Retry-After" in failed.headers
    assert Draft.objects.count() == 0


def test_a_recommendation_lists_what_to_do(me: Api, quimbi: Sandbox) -> None:
    ticket = make_ticket(category="shipping")
    found = me.get(f"/api/ai/tickets/{ticket.pk}/recommend").body
    assert found["source"] == "live"
    assert found["value"]["recommended"][0]["action"] == "Look into shipping delay"
    assert [action["priority"] for action in found["value"]["recommended"]] == [1, 3]


@pytest.mark.parametrize(
    ("query", "field"),
    [({"tone": "rude"}, "tone"), ({"length": "1"}, "length"), ({"channel": "fax"}, "channel"), ({"x": "1"}, "x")],
)
def test_what_a_draft_cannot_be_is_refused_by_name(me: Api, quimbi: Sandbox, query: dict[str, str], field: str) -> None:
    ticket = make_ticket()
    answer = me.get(f"/api/ai/tickets/{ticket.pk}/draft", **query)
    assert (answer.status, set(answer.fields)) == (400, {field})
    posted = me.post(f"/api/ai/tickets/{ticket.pk}/draft", query)
    assert (posted.status, set(posted.fields)) == (400, {field})
    assert quimbi.count() == 0


def test_another_draft_is_written_on_demand(me: Api, quimbi: Sandbox) -> None:
    ticket = make_ticket()
    first = me.get(f"/api/ai/tickets/{ticket.pk}/draft").body
    again = me.post(f"/api/ai/tickets/{ticket.pk}/draft", {"tone": "formal"})
    assert (again.status, again.body["tone"]) == (200, "formal")
    assert quimbi.count(Function.DRAFT) == 2
    assert first["draft"]


def test_a_foreign_ticket_has_no_draft_and_costs_none(quimbi: Sandbox) -> None:
    ticket = make_ticket(department=make_department())
    stranger = Api(make_agent(department=make_department()))
    assert stranger.get(f"/api/ai/tickets/{ticket.pk}/draft").status == 404
    assert stranger.post(f"/api/ai/tickets/{ticket.pk}/draft", {}).status == 404
    assert stranger.get(f"/api/ai/tickets/{ticket.pk}/recommend").status == 404
    assert quimbi.count() == 0


# What became of them


def shown(ticket: Any, api: Api, **query: str) -> str:
    text: str = api.get(f"/api/ai/tickets/{ticket.pk}/draft", **query).body["draft"]
    return text


@pytest.mark.parametrize(
    ("reply", "outcome", "least", "most"),
    [
        (lambda text: text, "sent", 0.99, 1.0),
        (lambda text: "  " + text.replace("\n", "\n\n "), "sent", 0.99, 1.0),
        (lambda text: text + " Your refund of 20 EUR is on its way since this morning.", "edited", 0.6, 0.98),
        (lambda text: "No. Please send photos and the serial number first, then we talk.", "discarded", None, None),
    ],
)
def test_what_an_agent_makes_of_a_draft_is_noted(
    quimbi: Sandbox, reply: Any, outcome: str, least: float | None, most: float | None
) -> None:
    agent = make_agent()
    ticket = make_ticket()
    text = shown(ticket, Api(agent))
    posted = say(ticket, reply(text), sender="agent", by=actor_of(agent))
    drafts.settle(ticket_id=ticket.pk, position=posted.message.position, now=timezone.now())
    draft = Draft.objects.get()
    assert (draft.outcome, draft.text) == (outcome, None)
    if least is None or most is None:
        assert (draft.likeness, draft.reply) == (None, None)
    else:
        assert draft.likeness is not None
        assert least <= draft.likeness <= most
        assert draft.reply == 2


def test_the_same_draft_shown_again_is_one_and_of_two_the_nearer_was_used(quimbi: Sandbox) -> None:
    agent, other = make_agent(), make_agent()
    ticket = make_ticket()
    shown(ticket, Api(agent))
    shown(ticket, Api(agent))
    text = shown(ticket, Api(agent), tone="empathetic")
    shown(ticket, Api(other))
    assert Draft.objects.count() == 3
    posted = say(ticket, text, sender="agent", by=actor_of(agent))
    drafts.settle(ticket_id=ticket.pk, position=posted.message.position, now=timezone.now())
    drafts.settle(ticket_id=ticket.pk, position=posted.message.position, now=timezone.now())
    found = Draft.objects.order_by("pk").values_list("agent_id", "outcome")
    assert list(found) == [(agent.pk, "discarded"), (agent.pk, "sent"), (other.pk, "discarded")]


def test_a_draft_that_nobody_answers_with_is_given_up_with_its_text(quimbi: Sandbox) -> None:
    now = timezone.now()
    shown(make_ticket(), Api(make_agent()))
    assert drafts.discard_unused(now=now + timedelta(days=6)) == 0
    assert drafts.discard_unused(now=now + timedelta(days=8)) == 1
    assert Draft.objects.get().text is None


def test_texts_of_drafts_are_ciphertext(quimbi: Sandbox) -> None:
    text = shown(make_ticket(), Api(make_agent()))
    assert Draft.objects.get().text == text
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tickets_draft")
        assert text[:20] not in str(cursor.fetchall())


def test_the_report_says_what_drafts_are_worth(me: Api, quimbi: Sandbox) -> None:
    department, agent = make_department(), make_agent()
    mine = make_agent(department=department)
    now = timezone.now()
    for number, outcome in enumerate(["sent", "edited", "edited", "discarded", "open"]):
        settled = {} if outcome == "open" else {"settled_at": now}
        likeness = {"sent": 1.0, "edited": 0.7}.get(outcome)
        ticket = make_ticket(department=department if number % 2 else None)
        Draft.objects.create(
            ticket=ticket,
            position=1,
            agent=mine if number % 2 else agent,
            tone="formal" if number else "",
            digest=str(number),
            outcome=DraftOutcome(outcome),
            likeness=likeness,
            shown_at=now,
            **settled,
        )
    counts = []
    for _ in range(2):
        with counted_statements() as taken:
            body = me.get("/api/ai/report").body
        counts.append(len(taken))
        shown(make_ticket(), Api(make_agent()))
    total = {"shown": 5, "sent": 1, "edited": 2, "discarded": 1, "open": 1, "likeness": 0.8}
    assert body["drafts"] | {"likeness": round(body["drafts"]["likeness"], 6), "shown": 5, "open": 1} == total
    assert {(row["tone"], row["sent"]) for row in body["by_tone"]} >= {("", 1), ("formal", 0)}
    assert {row["name"] for row in body["by_agent"]} >= {agent.name, mine.name}
    assert counts[0] == counts[1]
    boss = Api(make_agent(role="supervisor", department=department))
    assert boss.get("/api/ai/report").body["drafts"]["shown"] >= 2
    assert Api(make_agent()).get("/api/ai/report").status == 403


# What went wrong elsewhere, or would


@pytest.mark.vuln
def test_a_rank_tells_nothing_of_a_customer_whom_the_key_does_not_read(quimbi: Sandbox) -> None:
    ticket = make_ticket()
    machine = Api(make_key("tickets:read"))
    assert machine.get(f"/api/tickets/{ticket.pk}/rank").status == 403
    assert machine.get("/api/tickets", explain=1).status == 403
    assert machine.get("/api/tickets").status == 200


def test_the_same_key_again_is_the_same_draft_and_not_billed_again(me: Api, quimbi: Sandbox) -> None:
    ticket = make_ticket()
    path, asked = f"/api/ai/tickets/{ticket.pk}/draft", {"tone": "formal"}
    first = me.post(path, asked, idempotency_key="one")
    again = me.post(path, asked, idempotency_key="one")
    assert (first.body["draft"], quimbi.count(Function.DRAFT)) == (again.body["draft"], 1)
    me.post(path, asked, idempotency_key="two")
    assert quimbi.count(Function.DRAFT) == 2


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_quimbi_writes(me: Api, quimbi: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket, honest, within = make_ticket(), service.draft, []

    def watched(*args: Any, **given: Any) -> Any:
        within.append(connection.in_atomic_block)
        return honest(*args, **given)

    monkeypatch.setattr(service, "draft", watched)
    assert me.post(f"/api/ai/tickets/{ticket.pk}/draft", {}, idempotency_key="one").status == 200
    assert me.get(f"/api/ai/tickets/{ticket.pk}/draft").status == 200
    assert within == [False, False]


def test_nothing_is_written_for_who_was_erased_or_for_what_is_closed(me: Api, quimbi: Sandbox) -> None:
    erased, closed = make_ticket(), make_ticket()
    me.patch(f"/api/tickets/{closed.pk}", {"status": "closed"})
    me.post(f"/api/customers/{erased.customer_id}/erase", {"confirm": "erase"})
    quimbi.forget()
    for ticket in (erased, closed):
        assert me.get(f"/api/ai/tickets/{ticket.pk}/draft").body["reason"] == "nothing_to_draft"
    assert me.get(f"/api/ai/tickets/{erased.pk}/recommend").body["reason"] == "no_profile"
    assert quimbi.count() == 0


def test_a_draft_that_comes_after_an_erasure_is_not_noted(me: Api) -> None:
    agent, ticket = make_agent(), make_ticket()
    me.post(f"/api/customers/{ticket.customer_id}/erase", {"confirm": "erase"})
    drafts.show(
        ticket_id=ticket.pk, position=1, draft=Text(text="Hi", tone=None), by=actor_of(agent), now=timezone.now()
    )
    assert Draft.objects.count() == 0


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        (
            "ご連絡ありがとうございます。すぐに確認いたします。",
            "ご連絡ありがとうございます。明日確認いたします。",
            0.6,
            0.98,
        ),
        ("word " * 600, "word " * 600, 1.0, 1.0),
        ("word " * 600, "word " * 600 + "and more", 0.5, 0.98),
        ("", "", 1.0, 1.0),
    ],
)
def test_texts_are_compared_in_any_script_and_to_their_end(one: str, other: str, least: float, most: float) -> None:
    assert least <= drafts.likeness(one, other) <= most

"""Slack, told through the product's own reactions: once, in turn, many at once as a digest, and whatever goes wrong."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.conf import settings as project
from django.db import transaction
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent, occurrence_of
from customers import privacy
from integrations import connections
from integrations.enums import NoticeKind, NoticeStatus
from integrations.models import Connection, SlackChannel, SlackNotification
from integrations.slack import client, handlers, turns
from integrations.slack.client import SlackDown, SlackRefuses
from integrations.slack.sandbox import CHANNEL, HOOK, Sandbox, Scripted
from integrations.tests.builders import make_slack
from sla.events import SLABreached
from sla.tests.builders import raise_due
from supportdesk.core import delivery
from supportdesk.core.delivery import Later
from supportdesk.core.errors import InvalidInput
from supportdesk.core.http import OUR_NAME
from supportdesk.core.models import Delivery, Event
from supportdesk.tests.logs import written_log
from supportdesk.tests.races import race
from tickets.models import Ticket
from tickets.services import conversation
from tickets.tests.builders import assign, change, make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
SLACK = "integrations."


def run_all() -> int:
    return delivery.run_due(limit=10_000)


def rest() -> None:
    """The channel's rest is over, and so is the wait of whoever waits for it."""
    past = timezone.now() - timedelta(seconds=1)
    SlackChannel.objects.update(free_at=past, gather_until=past)
    Delivery.objects.filter(state="pending", reaction__startswith=SLACK).update(due_at=past)


def settle() -> None:
    """Until nothing of ours waits."""
    for _ in range(12):
        run_all()
        if not Delivery.objects.filter(state="pending", reaction__startswith=SLACK).exists():
            return
        rest()
    raise AssertionError("something waits for ever")


def urgent(**over: Any) -> Ticket:
    return make_ticket(**{"priority": "urgent", **over})


def breach(ticket: Ticket, days: int = 3) -> None:
    raise_due(timezone.now() + timedelta(days=days))


def texts(slack: Sandbox) -> list[str]:
    return [message["text"] for message in slack.messages.values()]


def one() -> SlackNotification:
    return SlackNotification.objects.get()


# What is told


def test_an_urgent_ticket_is_told_of_with_a_link(slack: Sandbox) -> None:
    make_slack()
    ticket = urgent(subject="Everything is down")
    run_all()
    (message,) = slack.messages.values()
    assert f"/admin/tickets/ticket/{ticket.pk}/change/" in json.dumps(message["blocks"])
    assert "Everything is down" in json.dumps(message["blocks"])
    assert (message["channel"], message["metadata"]["event_payload"]) == (CHANNEL, {"ids": [one().pk]})
    assert one().ts == message["ts"]
    assert Connection.objects.get().last_ok_at is not None


def test_which_priorities_are_told_of_is_a_setting(slack: Sandbox, settings: Any) -> None:
    make_slack()
    for priority in ("urgent", "high", "normal", "low"):
        make_ticket(priority=priority)
    settle()
    assert SlackNotification.objects.count() == 2
    settings.SLACK_ALERT_PRIORITIES = ["urgent"]
    make_ticket(priority="high")
    settle()
    assert SlackNotification.objects.count() == 2


def test_a_ticket_that_is_raised_is_told_of_once(slack: Sandbox) -> None:
    make_slack()
    ticket = make_ticket(priority="normal")
    settle()
    for priority in ("high", "normal", "urgent"):
        change(ticket, priority=priority)
        settle()
    assert len(slack.of("chat.postMessage")) == 1
    assert slack.of("chat.postMessage")[0].given["text"].startswith(":mega: High ticket")
    assert texts(slack)[0].startswith(":mega: Urgent ticket")  # as it is now


def test_a_mention_is_told_to_whom_it_mentions_without_what_the_note_says(slack: Sandbox) -> None:
    make_slack()
    author, known, gone, unknown = (make_agent(name=name) for name in ("Ada", "Bo", "Cy", "Di"))
    slack.users[known.email] = {"id": "U0SYNTH001", "deleted": False}
    slack.users[gone.email] = {"id": "U0SYNTH002", "deleted": True}
    ticket = make_ticket()
    ids = [agent.pk for agent in (known, gone, unknown)]
    conversation.add_note(ticket_id=ticket.pk, body="the secret", mentions=ids, by=actor_of(author), now=timezone.now())
    conversation.add_note(ticket_id=ticket.pk, body="to nobody", by=actor_of(author), now=timezone.now())
    settle()
    (message,) = slack.messages.values()
    assert "Ada mentioned <@U0SYNTH001>, Cy, Di in a note on <" in message["text"]
    assert "secret" not in json.dumps(message)


def test_members_are_looked_up_once_and_never_cost_the_alert(slack: Sandbox) -> None:
    make_slack()
    author, agents = make_agent(), [make_agent(name=f"Agent {number}") for number in range(5)]
    slack.users[agents[0].email] = {"id": "U0SYNTH001"}
    ticket = make_ticket()

    def mention() -> None:
        conversation.add_note(
            ticket_id=ticket.pk,
            body="x",
            mentions=[agent.pk for agent in agents],
            by=actor_of(author),
            now=timezone.now(),
        )
        settle()

    mention()
    assert len(slack.of("users.lookupByEmail")) == 3  # and no more for one message
    mention()
    assert len(slack.of("users.lookupByEmail")) == 5  # that somebody is unknown is known as well
    slack.script("users.lookupByEmail", Scripted(status=429, body={"ok": False, "error": "ratelimited"}))
    agents.append(make_agent(name="New"))
    mention()
    assert texts(slack)[-1].endswith(f"New in a note on <{link_of(ticket)}|#{ticket.pk}>.")


def link_of(ticket: Ticket) -> str:
    return f"{project.PUBLIC_URL}admin/tickets/ticket/{ticket.pk}/change/"


def test_a_breach_is_told_under_its_warning(slack: Sandbox) -> None:
    make_slack()
    make_ticket(priority="normal")
    raise_due(timezone.now() + timedelta(hours=7))
    settle()
    (warning,) = slack.messages.values()
    assert ":hourglass_flowing_sand: First response: promise nearly broken" in warning["text"]
    raise_due(timezone.now() + timedelta(hours=9))
    settle()
    breach = list(slack.messages.values())[1]
    assert ":rotating_light: First response: promise broken" in breach["text"]
    assert (breach["thread_ts"], breach["reply_broadcast"]) == (warning["ts"], True)


def test_what_is_no_longer_so_is_not_told(slack: Sandbox) -> None:
    make_slack()
    ticket = make_ticket(priority="normal")
    raise_due(timezone.now() + timedelta(hours=7))
    say(ticket, sender="agent", by=actor_of(make_agent()))
    change(urgent(), status="resolved")
    settle()
    assert slack.messages == {}
    assert set(SlackNotification.objects.values_list("status", flat=True)) == {"stale"}


def test_what_was_told_follows_the_ticket(slack: Sandbox) -> None:
    make_slack()
    ticket, agent = urgent(), make_agent(name="Bo")
    settle()
    assign(ticket, agent)
    settle()
    change(ticket, status="resolved")
    settle()
    assert len(slack.of("chat.postMessage")) == 1
    assert len(slack.of("chat.update")) >= 2
    assert "Resolved · Bo · no department" in json.dumps(list(slack.messages.values()), ensure_ascii=False)
    asked = len(slack.asked)
    handlers.follow_ticket(occurrence_of(breach_of(ticket)), now=timezone.now())
    assert len(slack.asked) == asked  # it says all of it already


def breach_of(ticket: Ticket) -> SLABreached:
    return SLABreached(subject_id=ticket.pk, metric="first_response", cycle=1, due_at=None)


@pytest.mark.vuln
def test_what_was_told_of_somebody_who_is_erased_says_so_no_longer(slack: Sandbox) -> None:
    make_slack()
    ticket = urgent(subject="Zoë's order")
    settle()
    privacy.erase(customer_id=ticket.customer_id, by=SYSTEM, now=timezone.now())
    settle()
    assert "Zoë" not in json.dumps(list(slack.messages.values()), ensure_ascii=False)


@pytest.mark.vuln
def test_an_erasure_reaches_what_was_told_long_ago(slack: Sandbox) -> None:
    make_slack()
    ticket = urgent(subject="Zoë's order")
    settle()
    SlackNotification.objects.update(sent_at=timezone.now() - timedelta(days=400))
    change(ticket, status="resolved")
    settle()
    assert len(slack.of("chat.update")) == 0  # which is news to nobody any more
    privacy.erase(customer_id=ticket.customer_id, by=SYSTEM, now=timezone.now())
    settle()
    assert "Zoë" not in json.dumps(list(slack.messages.values()), ensure_ascii=False)


@pytest.mark.vuln
@pytest.mark.parametrize("away", ["paused", "refused"])
def test_an_erasure_waits_for_a_connection_that_is_not_active(away: str, slack: Sandbox) -> None:
    known = make_slack()
    tickets = [urgent(subject="Zoë's order")]
    settle()
    tickets += [urgent(subject="Zoë's bill", customer=tickets[0].customer)]
    settle()
    if away == "paused":
        connections.pause(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    else:
        slack.script("chat.update", Scripted(body={"ok": False, "error": "token_revoked"}))
    privacy.erase(customer_id=tickets[0].customer_id, by=SYSTEM, now=timezone.now())
    for _ in range(3):
        run_all()
        rest()
    assert json.dumps(list(slack.messages.values()), ensure_ascii=False).count("Zoë's order") == 1
    known.refresh_from_db()
    assert known.status == ("paused" if away == "paused" else "reauth")
    connections.activate(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    settle()
    assert "Zoë" not in json.dumps(list(slack.messages.values()), ensure_ascii=False)


def test_an_erasure_waits_for_nothing_that_cannot_be_done(slack: Sandbox) -> None:
    known = make_slack()
    ticket = urgent()
    settle()
    connections.uninstall(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    privacy.erase(customer_id=ticket.customer_id, by=SYSTEM, now=timezone.now())
    settle()
    make_slack(changes={"api_key": f"{slack.url}{HOOK}"})
    other = urgent()
    settle()
    privacy.erase(customer_id=other.customer_id, by=SYSTEM, now=timezone.now())
    settle()
    assert slack.of("chat.update") == []


def test_an_erasure_waits_for_a_message_that_is_being_sent(slack: Sandbox) -> None:
    make_slack()
    ticket = urgent(subject="Zoë's order")
    settle()
    shown = one().shown
    SlackNotification.objects.update(status=NoticeStatus.SENDING, shown="")
    privacy.erase(customer_id=ticket.customer_id, by=SYSTEM, now=timezone.now())
    run_all()
    SlackNotification.objects.update(status=NoticeStatus.SENT, shown=shown)
    rest()
    settle()
    assert "Zoë" not in json.dumps(list(slack.messages.values()), ensure_ascii=False)


def test_without_an_active_connection_nothing_is_told_or_waits(slack: Sandbox) -> None:
    urgent()
    known = make_slack()
    connections.pause(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    urgent()
    run_all()
    assert slack.asked == []
    assert SlackNotification.objects.count() == 0
    assert not Delivery.objects.filter(state="pending", reaction__startswith=SLACK).exists()


def test_an_incoming_webhook_is_enough(slack: Sandbox) -> None:
    make_slack(changes={"api_key": f"{slack.url}{HOOK}"})
    ticket = urgent()
    settle()
    change(ticket, status="resolved")
    settle()
    assert [asked.method for asked in slack.asked] == ["hook"]
    assert (one().status, one().ts) == ("sent", "")


@pytest.mark.parametrize("changes", [{}, {"api_key": HOOK}])
def test_slack_is_told_who_we_are_and_for_which_request_it_is(changes: dict[str, str], slack: Sandbox) -> None:
    make_slack(**({"changes": {"api_key": slack.url + changes["api_key"]}} if changes else {}))
    with structlog.contextvars.bound_contextvars(request_id="5c0e9a52-request"):
        urgent()
    settle()
    (asked,) = slack.asked
    assert (asked.agent, asked.request_id) == (OUR_NAME, "5c0e9a52-request")


# Once, in turn


@pytest.mark.django_db(transaction=True)
def test_one_breach_raised_by_two_workers_is_one_post(slack: Sandbox) -> None:
    make_slack()
    ticket = make_ticket()
    breach(ticket)
    Delivery.objects.all().delete()
    event = breach_of(ticket)
    occurrence = occurrence_of(event)

    def act(number: int) -> str:
        try:
            handlers.tell_deadline(occurrence, now=timezone.now())
        except Later:
            return "later"
        return "done"

    assert "done" in race(act, 8)
    rest()
    assert act(0) == "done"
    assert len(slack.of("chat.postMessage")) == 1


def test_many_at_once_are_one_post_and_then_a_digest(slack: Sandbox) -> None:
    make_slack()
    for number in range(40):
        urgent(subject=f"Number {number}")
    run_all()
    assert len(slack.messages) == 1
    assert SlackNotification.objects.filter(status="waiting").count() == 39
    assert not Delivery.objects.filter(reaction="integrations.tell_new", attempts__gt=1).exists()  # waiting is no try
    run_all()
    assert len(slack.messages) == 1  # gathered meanwhile
    settle()
    assert len(slack.messages) == 2
    digest = list(slack.messages.values())[1]
    assert digest["text"].startswith(":bell: 39 alerts")
    assert "and 9 more" in json.dumps(digest["blocks"])
    assert "Number" not in json.dumps(digest["blocks"])
    assert set(SlackNotification.objects.values_list("status", "in_digest")) == {("sent", False), ("sent", True)}


def test_a_turn_is_one_callers_and_ends_by_itself() -> None:
    channel = turns.channel_of(make_slack())
    with turns.turn(channel), pytest.raises(Later) as held, turns.turn(channel):
        pass
    assert 10 < held.value.seconds <= turns.HELD + turns.BREATH
    with pytest.raises(Later) as resting, turns.turn(channel):
        pass
    assert 0 < resting.value.seconds <= turns.REST + turns.BREATH
    rest()
    with turns.turn(channel) as mine:
        mine.gather = True
    with pytest.raises(Later) as gathering, turns.turn(channel):
        pass
    assert turns.REST < gathering.value.seconds <= turns.GATHER + turns.BREATH


# What goes wrong


@pytest.mark.parametrize("wait", ["3", "1.5", "0.25"])
def test_a_rate_limit_is_waited_for_to_the_fraction_and_is_no_try(wait: str, slack: Sandbox) -> None:
    make_slack()
    limited = {"ok": False, "error": "ratelimited"}
    slack.script("chat.postMessage", Scripted(status=429, body=limited, headers={"Retry-After": wait}))
    urgent()
    before = timezone.now()
    run_all()
    waiting = Delivery.objects.get(reaction="integrations.tell_new")
    assert waiting.due_at >= before + timedelta(seconds=float(wait))
    assert waiting.due_at <= timezone.now() + timedelta(seconds=max(1.0, float(wait)) + 0.1)
    assert (waiting.attempts, waiting.state) == (0, "pending")
    assert SlackChannel.objects.get().free_at >= before + timedelta(seconds=float(wait))
    settle()
    assert len(slack.messages) == 1


@pytest.mark.parametrize("wait", ["soon", "", "inf", "-3", "nan", "1e9"])
@pytest.mark.vuln
def test_a_nonsensical_wait_is_no_error(wait: str, slack: Sandbox) -> None:
    make_slack()
    slack.script("chat.postMessage", Scripted(status=429, body={"ok": False}, headers={"Retry-After": wait}))
    urgent()
    settle()
    assert len(slack.messages) == 1
    assert Delivery.objects.get(reaction="integrations.tell_new").due_at < timezone.now() + timedelta(hours=1)


def test_a_slack_that_is_down_for_long_loses_nothing(slack: Sandbox) -> None:
    make_slack()
    html = Scripted(status=503, body="<!DOCTYPE html><title>Service Unavailable</title>")
    slack.script("chat.postMessage", *[html] * 9)
    urgent()
    settle()
    assert (len(slack.of("chat.postMessage")), len(slack.messages)) == (10, 1)
    assert one().status == "sent"


def test_nobody_at_the_address_is_waited_for(slack: Sandbox) -> None:
    known = make_slack()
    slack.stop()
    with pytest.raises(SlackDown) as down:
        client.post(known, CHANNEL, client.Message(text="x"), marks=[])
    assert down.value.sent is False


@pytest.mark.parametrize("stored", [True, False])
def test_a_line_that_breaks_after_it_was_asked_is_sent_once_more_and_no_oftener(stored: bool, slack: Sandbox) -> None:
    make_slack()
    slack.script("chat.postMessage", *[Scripted(drop=True, stores=stored)] * 3)
    urgent()
    with written_log() as log:
        settle()
    assert len(slack.of("chat.postMessage")) == 2
    assert len(slack.messages) == (2 if stored else 0)
    assert one().status == NoticeStatus.UNSURE
    assert "slack message maybe not sent" in {line["event"] for line in log.lines()}
    ids = {tuple(message["metadata"]["event_payload"]["ids"]) for message in slack.messages.values()}
    assert len(ids) == (1 if stored else 0)  # what is there twice says so


def test_a_process_that_ended_while_it_sent_is_followed_by_one_more_try(slack: Sandbox) -> None:
    make_slack()
    urgent()
    run_all()
    SlackNotification.objects.update(status="sending", attempts=1)
    Delivery.objects.filter(reaction="integrations.tell_new").update(state="pending", finished_at=None)
    settle()
    assert (len(slack.messages), one().status, one().attempts) == (2, "sent", 2)


REFUSALS = json.loads((Path(__file__).parent / "slack_refusals.json").read_text())


@pytest.mark.parametrize(("code", "status"), REFUSALS.items())
def test_what_slack_will_never_do_is_not_tried_again_and_is_an_alarm(code: str, status: str, slack: Sandbox) -> None:
    make_slack()
    slack.script("chat.postMessage", Scripted(body={"ok": False, "error": code}))
    urgent()
    with written_log() as log:
        settle()
    assert len(slack.of("chat.postMessage")) == 1
    known = Connection.objects.get()
    assert (one().status, one().error, known.last_error, known.status) == ("refused", code, code, status)
    assert "slack refuses" in {line["event"] for line in log.lines() if line["level"] == "error"}
    assert Event.objects.filter(name="connection.status_changed", payload__after="reauth").count() == (
        status == "reauth"
    )


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "invalid_payload", SlackRefuses),
        (400, "no_text", SlackRefuses),
        (403, "action_prohibited", SlackRefuses),
        (404, "no_service", SlackRefuses),
        (404, "channel_not_found", SlackRefuses),
        (410, "channel_is_archived", SlackRefuses),
        (429, "rate_limited", SlackDown),
        (500, "rollup_error", SlackDown),
        (503, "<html>", SlackDown),
        (302, "elsewhere", SlackRefuses),
    ],
)
def test_each_answer_of_an_incoming_webhook(status: int, text: str, kind: type[Exception], slack: Sandbox) -> None:
    known = make_slack(changes={"api_key": f"{slack.url}{HOOK}"})
    slack.script("hook", Scripted(status=status, body=text, headers={"Location": f"{slack.url}/"}))
    with pytest.raises(kind):
        client.post(known, "", client.Message(text="x"), marks=[])
    assert len(slack.asked) == 1


@pytest.mark.vuln
def test_no_redirect_is_followed_with_the_token(slack: Sandbox) -> None:
    known, elsewhere = make_slack(), Sandbox()
    elsewhere.start()
    away = {"Location": f"{elsewhere.url}/api/chat.postMessage"}
    slack.script(
        "chat.postMessage", Scripted(status=307, headers=away, body=""), Scripted(status=302, headers=away, body="")
    )
    for _ in range(2):
        with pytest.raises(SlackRefuses):
            client.post(known, CHANNEL, client.Message(text="x"), marks=[])
    assert elsewhere.asked == []
    elsewhere.stop()


@pytest.mark.vuln
def test_an_incoming_webhook_leads_nowhere_else(slack: Sandbox, settings: Any) -> None:
    with pytest.raises(InvalidInput):
        make_slack(changes={"api_key": "https://evil.example.com/services/x"})
    known = make_slack(changes={"api_key": f"{slack.url}{HOOK}"})
    settings.SLACK_HOOKS_URL = "https://hooks.slack.com/"
    with pytest.raises(SlackRefuses):
        client.post(known, "", client.Message(text="x"), marks=[])
    assert slack.asked == []


@pytest.mark.vuln
def test_neither_tokens_nor_addresses_stand_in_logs_or_arguments(slack: Sandbox) -> None:
    make_slack()
    make_slack(changes={"api_key": f"{slack.url}{HOOK}"})
    slack.script("chat.postMessage", Scripted(drop=True), Scripted(body={"ok": False, "error": "invalid_auth"}))
    with written_log() as log:
        urgent()
        settle()
    assert "xoxb" not in log.getvalue()
    assert HOOK not in log.getvalue()


def test_kinds_are_those_with_a_template() -> None:
    folder = Path(project.BASE_DIR) / "templates" / "slack"
    assert {path.stem for path in folder.glob("*.txt")} == {*NoticeKind.values, "digest"}


def test_a_change_that_is_rolled_back_is_not_told(slack: Sandbox) -> None:
    make_slack()
    with pytest.raises(LookupError), transaction.atomic():
        urgent()
        raise LookupError
    run_all()
    assert slack.asked == []

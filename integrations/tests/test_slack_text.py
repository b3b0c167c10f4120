"""What is written for Slack: escaped, cut where it may be cut, within Slack's limits whatever customers write."""

import json
from typing import Any

import pytest
from django.utils import timezone

from agents.tests.builders import make_agent
from integrations.enums import NoticeKind
from integrations.models import SlackNotification
from integrations.slack import messages, sandbox
from integrations.slack.text import clusters, link, shown
from integrations.slack.turns import channel_of
from integrations.tests.builders import make_slack
from tickets.tests.builders import make_ticket, set_agent

HOSTILE = [
    "<!channel> urgent",
    "<@U0SYNTH001> hi",
    "a < b & c > d",
    "<https://evil.example.test|click>",
    "*bold* _it_ `code`",
    "&lt;!here&gt;",
    "x\u202egnp.exe",
    "<!date^1^{date}|now>",
    "> quoted\n# a header\n- small",
]


@pytest.mark.vuln
@pytest.mark.parametrize("text", HOSTILE)
def test_no_markup_is_left_in_what_others_wrote(text: str) -> None:
    found = shown(text, most=300)
    assert "<" not in found
    assert ">" not in found
    assert "\n" not in found
    assert "\u202e" not in found
    assert not any(part and not part.startswith(("amp;", "lt;", "gt;")) for part in found.split("&")[1:])


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("a&b", 6, "a…"),
        ("a&b", 7, "a&amp;b"),
        ("e\u0301e\u0301e\u0301", 4, "e\u0301…"),
        ("👩‍👩‍👧x👩‍👩‍👧", 7, "👩‍👩‍👧x…"),
        ("🇩🇪🇫🇷🇮🇹", 5, "🇩🇪🇫🇷…"),
        ("👍🏽👍🏽", 3, "👍🏽…"),
        ("\u1100\u1161\u11a8" * 3, 7, "\u1100\u1161\u11a8" * 2 + "…"),
    ],
)
def test_it_is_cut_between_what_is_read_as_characters(text: str, most: int, cut: str) -> None:
    found = shown(text, most=most)
    assert found == cut
    assert len(found) <= most


def test_clusters_lose_nothing() -> None:
    text = "Zoë e\u0301 👩🏽‍🚀 🇩🇪🇩 \u200d 한국 नमस्ते"
    assert "".join(clusters(text)) == text


@pytest.mark.vuln
def test_a_link_leads_where_it_says() -> None:
    assert link("https://desk.example.com/x", "a|<b>") == "<https://desk.example.com/x|a|&lt;b&gt;>"


LONG = [
    "x" * 500,
    "&" * 500,
    "<!channel>" * 50,
    "👩‍👩‍👧" * 100,
    "\u202e" + "é" * 499,
]


@pytest.mark.vuln
@pytest.mark.django_db
@pytest.mark.parametrize("kind", list(NoticeKind))
@pytest.mark.parametrize("text", LONG)
def test_every_message_is_within_slacks_limits_whatever_stands_in_it(kind: NoticeKind, text: str) -> None:
    known = make_slack()
    agents = [make_agent(name=text[:200]) for _ in range(12)]
    ticket = make_ticket(subject=text[:300], priority="urgent")
    details = {"metric": "first_response", "cycle": 1, "due_at": "2026-11-23T10:00:00+00:00"}
    details |= {"note_id": 1, "mentions": [agent.pk for agent in agents]}
    notice = SlackNotification(kind=kind, ticket=ticket, channel=channel_of(known), details=details, at=timezone.now())
    known.access_token = None  # nobody is looked up
    for message in (
        messages.message_of(known, notice, ticket),
        messages.digest_of([(notice, ticket)] * 400),
    ):
        given: dict[str, Any] = {"channel": sandbox.CHANNEL, "text": message.text, "blocks": list(message.blocks)}
        assert sandbox._problem("chat.postMessage", given) == ""
        assert "<!channel>" not in json.dumps(given)


@pytest.mark.django_db
def test_a_message_says_what_where_and_who(settings: Any) -> None:
    settings.PUBLIC_URL = "https://desk.example.com/"
    known, agent = make_slack(), make_agent(name="Bo & Co")
    ticket = make_ticket(subject="Order <late>", priority="urgent")
    ticket.assignee = set_agent(agent, availability="online")
    details = {"metric": "first_response", "cycle": 1, "due_at": "2026-11-23T10:00:00+00:00"}
    notice = SlackNotification(
        kind=NoticeKind.BREACH, ticket=ticket, channel=channel_of(known), details=details, at=timezone.now()
    )
    message = messages.message_of(known, notice, ticket)
    url = f"https://desk.example.com/admin/tickets/ticket/{ticket.pk}/change/"
    assert [block["type"] for block in message.blocks] == ["header", "section", "section", "context", "actions"]
    assert message.blocks[0]["text"]["text"] == ":rotating_light: First response: promise broken"
    assert f"<{url}|#{ticket.pk}> was to be kept until <!date^1795428000^" in message.blocks[1]["text"]["text"]
    assert message.blocks[2]["text"] == {"type": "plain_text", "text": "Order &lt;late&gt;", "emoji": False}
    assert message.blocks[3]["elements"][0]["text"] == "Urgent · Open · Bo &amp; Co · no department"
    assert message.blocks[4]["elements"][0]["url"] == url
    assert "late" not in message.text  # a notification on a locked screen

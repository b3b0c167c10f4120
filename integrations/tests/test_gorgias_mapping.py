"""Gorgias' words in ours, read from what it sends and from what it should not."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.gorgias import mapping
from integrations.reading import Unreadable
from tickets.enums import Channel, Status

TICKET = {
    "id": 231000111,
    "status": "open",
    "priority": "normal",
    "channel": "email",
    "created_datetime": "2026-11-21T10:00:00",
    "updated_datetime": "2026-11-21T10:07:01.654321+00:00",
}
MESSAGE = {
    "id": 610000001,
    "public": True,
    "channel": "email",
    "from_agent": False,
    "body_text": "Hallo",
    "created_datetime": "2026-11-21T10:00:00",
}


def read(**over: Any) -> mapping.Ticket:
    return mapping.ticket({**TICKET, **over})


def said(**over: Any) -> mapping.Said:
    (one,) = read(messages=[{**MESSAGE, **over}]).said
    return one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T10:00:00", (10, 0)),
        ("2026-11-21T10:00:00.123456", (10, 123456)),
        ("2026-11-21T10:00:00.5", (10, 500000)),
        ("2026-11-21T10:00:00+00:00", (10, 0)),
        ("2026-11-21T12:00:00+0200", (10, 0)),
        ("2026-11-21T10:00:00Z", (10, 0)),
    ],
)
def test_a_datetime_without_an_offset_is_utc(text: str, expected: tuple[int, int]) -> None:
    hour, micros = expected
    assert mapping.instant(text) == datetime(2026, 11, 21, hour, 0, 0, micros, UTC)


@pytest.mark.parametrize(
    "odd", ["", None, 7, "yesterday", "2026-13-01T00:00:00", "0001-01-01T00:00:00+23:59", "x" * 99]
)
def test_what_is_no_datetime_is_none(odd: Any) -> None:
    assert mapping.instant(odd) is None


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("email", Channel.EMAIL),
        ("chat", Channel.CHAT),
        ("phone", Channel.PHONE),
        ("sms", Channel.SMS),
        ("contact_form", Channel.WEB),
        ("facebook-messenger", Channel.SOCIAL),
        ("instagram-comment", Channel.SOCIAL),
        ("whatsapp", Channel.SOCIAL),
        ("something-new", Channel.WEB),
        (None, Channel.WEB),
    ],
)
def test_every_channel_has_one_of_ours(word: Any, ours: Channel) -> None:
    assert mapping.channel(word) == ours
    assert read(channel=word).words.get("channel", None) == word


@pytest.mark.parametrize(
    ("theirs", "present", "after"),
    [
        ("open", "pending", "pending"),
        ("open", "on_hold", "on_hold"),
        ("open", "open", "open"),
        ("open", "resolved", "open"),
        ("open", "closed", "closed"),
        ("closed", "open", "resolved"),
        ("closed", "pending", "resolved"),
        ("closed", "resolved", "resolved"),
        ("closed", "closed", "closed"),
    ],
)
def test_what_their_status_makes_of_ours(theirs: str, present: str, after: str) -> None:
    assert mapping.status_here(theirs, present) == Status(after)


def test_our_status_in_their_words() -> None:
    assert {status.value: mapping.status_there(status) for status in Status} == {
        "open": "open",
        "pending": "open",
        "on_hold": "open",
        "resolved": "closed",
        "closed": "closed",
    }


@pytest.mark.parametrize(
    ("over", "hidden", "status"),
    [
        ({"spam": True}, "spam", "closed"),
        ({"trashed_datetime": "2026-11-20T00:00:00"}, "trashed", "closed"),
        ({}, "", "open"),
    ],
)
def test_what_is_no_work_there_is_done(over: dict[str, Any], hidden: str, status: str) -> None:
    assert (read(**over).hidden, read(**over).status) == (hidden, status)


@pytest.mark.parametrize(
    ("over", "body"),
    [
        ({"stripped_text": "short", "body_text": "long"}, "short"),
        ({"stripped_text": "", "body_text": "a\r\nb"}, "a\nb"),
        ({"body_text": None, "body_html": "<p>a<br>b</p><script>alert(1)</script><img src=x onerror=y>"}, "a\nb"),
        ({"body_text": "", "body_html": None}, ""),
        ({"body_text": None, "body_html": "<![foo]>a<!-- <p>b</p> --> &amp; <![ b<i x='>'>c</i><!-- d"}, "a & c"),
        ({"body_text": None, "body_html": "<a " * 3}, "<a <a <a"),
        ({"attachments": [{"name": "📦 (1).jpg", "size": 2**31}]}, "Hallo\n\n[File at Gorgias: 📦 (1).jpg]"),
        ({"body_text": 7, "attachments": "none"}, ""),
    ],
)
def test_what_a_message_says(over: dict[str, Any], body: str) -> None:
    assert said(**over).body == body


@pytest.mark.parametrize(
    ("over", "public"), [({}, True), ({"public": False}, False), ({"channel": "internal-note"}, False)]
)
def test_a_note_is_never_public(over: dict[str, Any], public: bool) -> None:
    assert said(**over).public is public


def test_a_person_is_named_by_what_there_is() -> None:
    person = mapping.person({"id": 7, "name": None, "firstname": "", "lastname": "", "email": None, "channels": []})
    assert person is not None
    assert (person.name, person.email, person.shopify) == ("Unnamed customer", "", [])
    assert mapping.person(None) is None
    assert mapping.person({"id": 7.0}) is None


def test_tags_that_differ_by_case_are_one_here() -> None:
    assert mapping.tags_here(["order-status", "ORDER-STATUS", " "]) == {"order-status"}


@pytest.mark.parametrize("over", [{"id": None}, {"id": 1.5}, {"created_datetime": "", "updated_datetime": None}])
def test_what_cannot_be_a_ticket_is_unreadable(over: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(**over)


def test_whatever_stands_in_a_ticket_it_is_read() -> None:
    odd: list[Any] = [None, 7, "x", [], {}, [None], {"id": None}, [{"id": "x"}], [{"name": 7}], True]
    fields = ("status", "priority", "channel", "via", "subject", "tags", "assignee_user", "assignee_team", "customer")
    for name in (*fields, "messages", "spam", "language", "closed_datetime"):
        for value in odd:
            assert read(**{name: value}).id == "231000111"
    for name in MESSAGE.keys() | {"headers", "sender", "source", "last_sending_error", "attachments", "rule_id"}:
        for value in odd:
            read(messages=[{**MESSAGE, name: value}])


def test_the_ticket_of_the_documents_is_read() -> None:
    here = Path(__file__).with_name("gorgias_ticket.json")
    found = mapping.ticket(json.loads(here.read_text()))
    assert [(one.public, one.from_agent, bool(one.body)) for one in found.said] == [
        (True, False, True),
        (False, True, True),
        (True, True, True),
        (True, False, False),
    ]
    assert found.said[0].mail_id == "<synthetic-1@mail.example.com>"
    assert (found.said[2].external_id, found.said[2].error) == (
        "crm:msg:01JD8Z6QK3",
        "The sending address is not verified",
    )
    assert found.customer is not None
    assert (found.customer.name, found.customer.phone) == ("zoe@example.com", "+12025550143")
    assert found.customer.shopify == ["8123456789012"]
    assert (found.words["team"], list(found.tags)) == ("1201", ["order-status", "ORDER-STATUS"])

"""Kept first pages: as good as new after every write, whoever made it and through whichever door, and nobody else's."""

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisConnectionError

from agents import services as agents
from agents import structure
from agents.models import Agent
from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department, make_key
from customers import privacy
from customers import services as customers
from customers.tests.builders import make_customer
from supportdesk.core import asking, kept
from supportdesk.core.crypto import decrypt
from supportdesk.tests.client import Answer, Api, counted_statements
from tickets import lists
from tickets.enums import Priority, Sender, Status
from tickets.models import Ticket
from tickets.services import assignment, bulk, lifecycle
from tickets.services.history import create_past_tickets
from tickets.tests.builders import change, make_ticket, past_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world() -> dict[str, Any]:
    here, there = make_department(), make_department()
    return {
        "here": here,
        "there": there,
        "agent": make_agent(department=here),
        "colleague": make_agent(department=here),
        "other": make_agent(department=there),
        "admin": make_agent(role="admin"),
        "customer": make_customer(name="Zoë Brandt"),
        "ticket": make_ticket(department=here),
        "foreign": make_ticket(department=there),
        "nobodys": make_ticket(),
    }


def asked(api: Api, **query: Any) -> tuple[Answer, bool]:
    """The list, and whether it was repeated: then nothing but the token was looked up."""
    with counted_statements() as statements:
        answer = api.get("/api/tickets", **query)
    assert answer.status == 200, answer.body
    return answer, len(statements) == 1


def ids(answer: Answer) -> list[int]:
    return [row["id"] for row in answer.body["results"]]


def test_a_first_page_is_repeated_word_for_word(world: dict[str, Any]) -> None:
    api = Api(world["agent"])
    for query in ({}, {"status": "open"}, {"ordering": "-created_at", "page_size": 1}, {"fields": "id,customer.name"}):
        made, again = asked(api, **query), asked(api, **query)
        assert (made[1], again[1]) == (False, True)
        assert made[0].body == again[0].body


def test_other_questions_and_other_pages_are_not_kept(world: dict[str, Any]) -> None:
    api = Api(world["admin"])
    first, _ = asked(api, page_size=1)
    for query in ({"q": "question"}, {"customer": world["ticket"].customer_id}, {"cursor": first.body["next"][-80:]}):
        if "cursor" in query:
            query = {"page_size": 1, "cursor": first.body["next"].partition("cursor=")[2]}
        assert [asked(api, **query)[1] for _ in range(2)] == [False, False], query


def test_bad_parameters_are_refused_each_time(world: dict[str, Any]) -> None:
    api = Api(world["admin"])
    assert [api.get("/api/tickets", status="lost").status for _ in range(2)] == [400, 400]


# Foreign answers.


@pytest.mark.vuln
def test_nobody_is_shown_what_was_kept_for_somebody_else(world: dict[str, Any]) -> None:
    seen = {
        "agent": {"ticket", "nobodys"},
        "colleague": {"ticket", "nobodys"},
        "other": {"foreign", "nobodys"},
        "admin": {"ticket", "foreign", "nobodys"},
    }
    for _ in range(2):
        for who, names in seen.items():
            assert set(ids(asked(Api(world[who]))[0])) == {world[name].pk for name in names}, who
    assignment.assign(ticket_id=world["ticket"].pk, agent_id=world["agent"].pk, by=SYSTEM, now=timezone.now())
    for _ in range(2):
        mine = {who: ids(asked(Api(world[who]), assignee="me")[0]) for who in ("agent", "colleague", "admin")}
        assert mine == {"agent": [world["ticket"].pk], "colleague": [], "admin": []}


@pytest.mark.vuln
def test_a_key_is_shown_what_its_own_scopes_allow(world: dict[str, Any]) -> None:
    whole, bare = Api(make_key("tickets:read", "customers:read")), Api(make_key("tickets:read"))
    for _ in range(2):
        assert asked(whole)[0].body["results"][0]["customer"] is not None
        assert asked(bare)[0].body["results"][0]["customer"] is None


@pytest.mark.vuln
def test_rights_that_changed_count_at_once(world: dict[str, Any]) -> None:
    api = Api(world["agent"])
    asked(api)
    Agent.objects.get_queryset().filter(pk=world["agent"].pk).update(department=world["there"])
    assert set(ids(asked(api)[0])) == {world["foreign"].pk, world["nobodys"].pk}
    Agent.objects.get_queryset().filter(pk=world["agent"].pk).update(is_active=False)
    assert api.get("/api/tickets").status == 401


# Stale answers: each write, and whether each reader's list is what it would be without anything kept.


def _move(world: dict[str, Any]) -> None:
    change(world["ticket"], department=world["there"])


def _many(world: dict[str, Any]) -> None:
    targets = [bulk.Target(id=world[name].pk) for name in ("ticket", "nobodys")]
    bulk.update_tickets(targets, changes={"tags": ["vip"]}, by=SYSTEM, now=timezone.now())


def _assign(world: dict[str, Any]) -> None:
    assignment.assign(ticket_id=world["ticket"].pk, agent_id=world["agent"].pk, by=SYSTEM, now=timezone.now())


def _transfer(world: dict[str, Any]) -> None:
    """From somebody who sees it for no other reason than that they have it."""
    _assign(world)
    _move(world)
    _list_all(world)
    given = {"ticket_id": world["ticket"].pk, "from_agent_id": world["agent"].pk, "agent_id": world["other"].pk}
    assignment.transfer(**given, reason="On leave", by=SYSTEM, now=timezone.now())


def _rename_agent(world: dict[str, Any]) -> None:
    _assign(world)
    _list_all(world)
    agents.update_agent(agent_id=world["agent"].pk, changes={"name": "Other"}, by=SYSTEM, now=timezone.now())


def _answer(world: dict[str, Any]) -> None:
    by = Api(world["agent"])
    assert by.post(f"/api/tickets/{world['ticket'].pk}/messages", {"body": "We are on it."}).status == 201


def _follow_up(world: dict[str, Any]) -> None:
    change(world["ticket"], status=Status.CLOSED)
    _list_all(world)
    say(world["ticket"], sender=Sender.CUSTOMER)


def _import(world: dict[str, Any]) -> None:
    create_past_tickets([past_ticket(world["customer"])], by=SYSTEM, now=timezone.now())


WRITES: dict[str, Callable[[dict[str, Any]], object]] = {
    "opened": lambda world: make_ticket(department=world["here"]),
    "opened for nobody": lambda world: make_ticket(),
    "changed": lambda world: change(world["ticket"], subject="Other words", priority=Priority.URGENT),
    "resolved": lambda world: change(world["ticket"], status=Status.RESOLVED),
    "moved": _move,
    "changed with others": _many,
    "archived": lambda world: lifecycle.archive_ticket(ticket_id=world["ticket"].pk, by=SYSTEM, now=timezone.now()),
    "answered": _answer,
    "written on": lambda world: say(world["foreign"]),
    "written on when closed": _follow_up,
    "assigned": _assign,
    "transferred": _transfer,
    "imported": _import,
    "customer renamed": lambda world: customers.update_customer(
        customer_id=world["ticket"].customer_id, changes={"name": "Zoë B."}, by=SYSTEM, now=timezone.now()
    ),
    "customer erased": lambda world: privacy.erase(
        customer_id=world["ticket"].customer_id, by=SYSTEM, now=timezone.now()
    ),
    "agent renamed": _rename_agent,
    "department renamed": lambda world: structure.rename_department(
        department_id=world["here"].pk, name="Renamed", by=SYSTEM, now=timezone.now()
    ),
}


def _list_all(world: dict[str, Any]) -> dict[str, Any]:
    return {who: asked(Api(world[who]))[0].body for who in ("agent", "colleague", "other", "admin")}


@pytest.mark.vuln
@pytest.mark.parametrize("write", WRITES)
def test_no_list_is_stale_after_a_write(world: dict[str, Any], write: str, settings: Any) -> None:
    before = _list_all(world)
    WRITES[write](world)
    after = _list_all(world)
    settings.KEPT_ANSWER_SECONDS = 0
    assert after == _list_all(world)
    assert after != before


def test_what_a_reader_cannot_see_leaves_their_list_kept(world: dict[str, Any]) -> None:
    api = Api(world["agent"])
    asked(api)
    change(world["foreign"], subject="Elsewhere")
    assert asked(api)[1]


def test_a_change_that_is_taken_back_shows_nothing_of_itself(world: dict[str, Any]) -> None:
    api = Api(world["agent"])
    before, _ = asked(api)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        change(world["ticket"], subject="Never said")
        raise ZeroDivisionError
    assert asked(api)[0].body == before.body


# Races.


def test_who_reads_while_a_change_is_committed_keeps_nothing_stale(world: dict[str, Any]) -> None:
    groups, key = ["department:1"], ["somebody"]

    def overtaken() -> str:
        with transaction.atomic():
            kept.changed(lists.KIND, groups)
        return "as it was before"

    assert kept.answer(lists.KIND, key=key, groups=groups, make=overtaken) == "as it was before"
    assert kept.answer(lists.KIND, key=key, groups=groups, make=lambda: "as it is") == "as it is"


def test_nothing_is_repeated_or_kept_between_a_change_and_its_commit(world: dict[str, Any]) -> None:
    groups, key = ["department:1"], ["somebody"]

    def ask(text: str) -> str:
        return kept.answer(lists.KIND, key=key, groups=groups, make=lambda: text)

    assert [ask("old"), ask("not made")] == ["old", "old"]
    with transaction.atomic():
        kept.changed(lists.KIND, groups)
        assert [ask("meanwhile"), ask("and again")] == ["meanwhile", "and again"]
    assert [ask("new"), ask("not made")] == ["new", "new"]


def test_a_process_that_dies_after_its_commit_leaves_nothing_stale(world: dict[str, Any]) -> None:
    """As when the last word never comes: the groups stay as they were during the change."""
    groups, key = ["department:1"], ["somebody"]
    assert kept.answer(lists.KIND, key=key, groups=groups, make=lambda: "old") == "old"
    cache.set("kept:ticket_lists:group:department:1", "changing", 60)
    assert kept.answer(lists.KIND, key=key, groups=groups, make=lambda: "new") == "new"


# Redis.


def test_what_is_kept_is_ciphertext(world: dict[str, Any]) -> None:
    make_ticket(customer=world["customer"], department=world["here"], subject="A secret merger")
    asked(Api(world["agent"]))
    names = cache._cache.get_client().keys("*kept:*")  # type: ignore[attr-defined]
    assert names
    for name in names:
        raw = cache._cache.get_client().get(name)  # type: ignore[attr-defined]
        assert b"Brandt" not in raw and b"merger" not in raw
        assert b"Brandt" not in name
    (entry,) = [name.decode().partition(":1:")[2] for name in names if b":group:" not in name]
    assert "A secret merger" in decrypt(cache.get(entry)[1], context="kept")


def test_lists_are_served_without_redis(world: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
            "OPTIONS": {"socket_timeout": 0.1, "socket_connect_timeout": 0.1},
        }
    }
    api = Api(world["agent"])
    before = kept.ANSWERS.labels(lists.KIND, "without_redis")._value.get()
    assert [asked(api)[1] for _ in range(2)] == [False, False]
    assert kept.ANSWERS.labels(lists.KIND, "without_redis")._value.get() == before + 2
    change(world["ticket"], subject="Other words")
    assert "Other words" in json.dumps(asked(api)[0].body)


class Abyss:
    """A Redis that takes every connection and never says a word. Each try of ours is a new connection."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.listener.getsockname()[1]}/0"

    def close(self) -> None:
        for one in (self.listener, *self.taken):
            one.close()

    def _take(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                self.taken.append(self.listener.accept()[0])


@pytest.fixture
def abyss(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Abyss]:
    """In the place of Redis; a quiet time that begins lasts as long as the test."""
    monkeypatch.setattr(asking, "QUIET_SECONDS", 3_600.0)
    abyss = Abyss()
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": abyss.url}}
    yield abyss
    abyss.close()


@pytest.mark.vuln
@pytest.mark.parametrize("together", [False, True])
def test_a_redis_that_hangs_costs_a_hundred_changes_no_more_than_one(
    world: dict[str, Any], settings: Any, request: pytest.FixtureRequest, together: bool
) -> None:
    tickets = [make_ticket(department=world[("here", "there")[number % 2]]) for number in range(100)]
    abyss: Abyss = request.getfixturevalue("abyss")
    targets = [bulk.Target(id=ticket.pk) for ticket in tickets]
    with transaction.atomic() if together else contextlib.nullcontext():
        outcomes = bulk.update_tickets(targets, changes={"priority": "high"}, by=SYSTEM, now=timezone.now())
    assert not any(outcome.refused for outcome in outcomes)
    assert len(abyss.taken) == 2  # before a commit, and after it
    assert ids(asked(Api(world["agent"]))[0])[0] in {ticket.pk for ticket in tickets}


def test_a_transaction_tells_of_each_group_once(world: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []
    set_many = cache.set_many

    def listening(words: dict[str, str], seconds: int | None) -> Any:
        told.append(sorted(words))
        return set_many(words, seconds)

    monkeypatch.setattr(cache, "set_many", listening)
    with transaction.atomic():
        for words in ("First", "Second"):
            change(world["ticket"], subject=words)
        change(world["foreign"], subject="Third")
    here, there = (f"kept:ticket_lists:group:department:{world[name].pk}" for name in ("here", "there"))
    everything = "kept:ticket_lists:group:everything"
    assert told == [[here, everything], [there], sorted([here, there, everything])]


def test_a_long_transaction_says_again_that_it_is_changing(
    world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"kept:ticket_lists:group:department:{world['here'].pk}"
    with transaction.atomic():
        change(world["ticket"], subject="First")
        cache.delete(name)  # as after a minute
        change(world["ticket"], subject="Second")
        assert cache.get(name) is None
        began = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: began + kept.CHANGE_SECONDS)
        change(world["ticket"], subject="Third")
        assert cache.get(name) == "changing"


def test_what_is_taken_back_takes_no_word_of_anything_else_along(world: dict[str, Any]) -> None:
    api = Api(world["other"])
    assert [asked(api)[1] for _ in range(2)] == [False, True]
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            change(world["ticket"], subject="Never")
            raise ZeroDivisionError
        change(world["foreign"], subject="Other words")
    answer, repeated = asked(api)
    assert ("Other words" in json.dumps(answer.body), repeated) == (True, False)


def test_a_change_of_which_redis_was_not_told_is_told_with_the_next_word_to_it(
    world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else, for whom Redis answers, is not held up: it is this process that could not reach it."""
    api, generation = Api(world["agent"]), f"kept:ticket_lists:group:department:{world['here'].pk}"
    assert [asked(api)[1] for _ in range(2)] == [False, True]
    before = cache.get(generation)
    with monkeypatch.context() as broken:
        broken.setattr(cache, "set_many", _refuse)
        change(world["ticket"], subject="Other words")
        assert cache.get(generation) == before
        assert ("Other words" in json.dumps(asked(api)[0].body), asked(api)[1]) == (True, False)
    assert asked(api)[1] is False  # still quiet: what this process has changed it does not read from Redis
    kept._telling.quiet_until = 0.0
    assert [asked(api)[1] for _ in range(2)] == [False, True]
    assert cache.get(generation) not in {before, "changing", None}


def test_what_changes_while_it_is_told_is_told_again(world: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a rival thread, whose commit comes between our word to Redis and our noting that it was heard."""
    set_many = cache.set_many

    def overtaken(words: dict[str, str], seconds: int | None) -> Any:
        kept._owed.update(dict.fromkeys(words, "of the rival"))
        return set_many(words, seconds)

    kept._owed["group"] = "ours"
    with monkeypatch.context() as patched:
        patched.setattr(cache, "set_many", overtaken)
        assert kept._pay()
    assert (cache.get("group"), kept._owed) == ("ours", {"group": "of the rival"})
    assert kept._pay()
    assert (cache.get("group"), kept._owed) == ("of the rival", {})


def _refuse(*_: Any, **__: Any) -> None:
    raise RedisConnectionError


def test_an_answer_under_a_key_that_is_gone_is_made_again(world: dict[str, Any], settings: Any) -> None:
    api = Api(world["agent"])
    before, _ = asked(api)
    known = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = {f"k{uuid.uuid4().hex[:4]}": next(iter(known.values())), **known}
    assert asked(api)[0].body == before.body


def test_how_often_an_answer_was_repeated_is_counted(world: dict[str, Any]) -> None:
    def count(how: str) -> float:
        return float(kept.ANSWERS.labels(lists.KIND, how)._value.get())

    api = Api(world["agent"])
    made, repeated = count("made"), count("repeated")
    for _ in range(3):
        asked(api)
    assert (count("made") - made, count("repeated") - repeated) == (1, 2)


def test_everybody_whose_list_a_ticket_stands_in_depends_on_one_of_its_groups(world: dict[str, Any]) -> None:
    _assign(world)
    for ticket in Ticket.objects.all():
        for who in ("agent", "colleague", "other", "admin"):
            actor_groups = set(lists.groups_for(actor_of(world[who])))
            visible = Ticket.objects.visible_to(actor_of(world[who])).filter(pk=ticket.pk).exists()
            assert visible == bool(actor_groups & lists.groups_of(ticket)), (who, ticket.pk)

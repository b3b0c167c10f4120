"""What is asked of Quimbi, how often, and what comes of it, over real HTTP and a real Redis."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
import time_machine
from django.db import OperationalError, connection, transaction
from django.db.backends.signals import connection_created
from django.test import Client
from redis import ConnectionError as RedisDown
from redis import Redis

from agents.tests.builders import make_agent
from quimbi import budget, calling, fetching, kept, questions, service, shared, tasks
from quimbi.dialects import Function
from quimbi.models import Call
from quimbi.sandbox import Sandbox
from quimbi.tests.builders import NOW, make_conversation, make_profile
from quimbi.types import DNA, Insight, Line, Purpose, Reason, Source
from supportdesk.tests.canary.marks import Marks
from supportdesk.tests.canary.places import watched
from supportdesk.tests.client import counted_statements
from supportdesk.tests.logs import written_log
from supportdesk.tests.test_metrics import scraped

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
REQUEST = Purpose.REQUEST
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _asking_anew() -> None:
    shared.asking.quiet_until = 0.0


@pytest.fixture(params=["ml", "platform"])
def dialect(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.QUIMBI_DIALECT = request.param
    return str(request.param)


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise RedisDown("refused")

    monkeypatch.setattr(Redis, "execute_command", down)


def dna(profile: Any, **more: Any) -> Insight[DNA]:
    return service.analyze(profile, purpose=REQUEST, **more)


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What as many threads got, as requests run: each with a connection of its own."""

    def alone(number: int) -> Any:
        try:
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(alone, range(count)))


# What is said


def test_insights_are_asked_for_side_by_side(quimbi: Sandbox, dialect: str) -> None:
    profile = make_profile()
    [found] = service.insights([profile], purpose=REQUEST)
    assert (found.dna.source, found.churn.source) == (Source.LIVE, Source.LIVE)
    assert found.dna.value and found.dna.value.segments["purchase_value"]["premium"] > 0
    assert found.churn.value and 0 <= (found.churn.value.score or 0) <= 1
    assert sorted(request.function for request in quimbi.requests) == [Function.ANALYZE, Function.CHURN]
    assert {request.dialect for request in quimbi.requests} == {dialect}
    assert quimbi.refused == {}


def test_value_is_what_analyze_says_of_it(quimbi: Sandbox, dialect: str) -> None:
    [found] = service.insights([make_profile()], purpose=REQUEST)
    if dialect == "platform":
        assert found.ltv.source == Source.LIVE
        assert found.ltv.value and found.ltv.value.forecast_12m
    else:
        assert (found.ltv.value, found.ltv.reason) == (None, Reason.NOT_OFFERED)


def test_the_forecast_is_asked_for_where_settings_say_so(quimbi: Sandbox, settings: Any, dialect: str) -> None:
    settings.QUIMBI_LTV_FORECAST = True
    profile = make_profile()
    [found] = service.insights([profile], purpose=REQUEST)
    assert found.ltv.value and found.ltv.value.forecast_12m
    assert quimbi.count(Function.LTV) == 1
    assert service.known([profile.key])[profile.key].ltv.value == found.ltv.value


def test_texts_and_actions_are_written(quimbi: Sandbox, dialect: str) -> None:
    conversation = make_conversation()
    draft = service.draft(conversation, tone="empathetic", length=None)
    assert draft.value and "(Simulated draft.)" in draft.value.text
    assert (draft.value.tone, draft.source) == ("empathetic", Source.LIVE)
    actions = service.actions(conversation)
    assert actions.value and actions.value.recommended[0].action == "Look into shipping delay"
    assert actions.value.recommended[0].priority == 1
    assert quimbi.refused == {}


def test_a_ticket_without_a_customer_has_a_draft(quimbi: Sandbox, dialect: str) -> None:
    conversation = make_conversation(profile=None)
    assert service.draft(conversation, tone=None, length=None).source == Source.LIVE
    assert quimbi.requests[0].customer_id == f"ticket-{conversation.ticket}"


def test_sentiment_is_asked_for_where_it_is_offered(quimbi: Sandbox, dialect: str) -> None:
    found = service.sentiment(1, 2, "This is terrible.", purpose=REQUEST)
    if dialect == "ml":
        assert found.value and found.value.score < 0
        assert service.known_sentiments([2, 3]) == {
            2: Insight(value=found.value, source=Source.CACHE, as_of=found.as_of)
        }
    else:
        assert (found.value, found.reason, quimbi.count()) == (None, Reason.NOT_OFFERED, 0)
    assert service.offers(Function.SENTIMENT) is (dialect == "ml")


def test_without_an_address_nothing_is_asked() -> None:
    assert not service.enabled()
    [found] = service.insights([make_profile()], purpose=REQUEST)
    assert {found.dna.reason, found.churn.reason, found.ltv.reason} == {Reason.NOT_CONFIGURED}
    assert service.draft(make_conversation(), tone=None, length=None).reason == Reason.NOT_CONFIGURED
    assert service.known([1])[1].dna.reason == Reason.NOT_CONFIGURED
    assert Call.objects.count() == 0


def test_the_churn_call_wins_over_what_analyze_says(quimbi: Sandbox, settings: Any) -> None:
    settings.QUIMBI_DIALECT = "platform"
    profile = make_profile()
    quimbi.say(Function.CHURN, profile.customer_id, churn_probability=0.65)
    quimbi.say(Function.ANALYZE, profile.customer_id, churn_risk={"score": 0.1})
    [found] = service.insights([profile], purpose=REQUEST)
    assert found.churn.value and (found.churn.value.score, found.churn.value.level) == (0.65, "high")
    quimbi.say(Function.CHURN, profile.customer_id, churn_probability=7)
    service.forget_customer(profile.key)
    [found] = service.insights([profile], purpose=REQUEST)
    assert found.churn.value and (found.churn.value.score, found.churn.as_of) == (0.1, found.dna.as_of)
    assert service.churn(profile, purpose=REQUEST).value == found.churn.value


# What fails


@pytest.mark.parametrize(
    ("play", "reason"),
    [
        ("refuse", Reason.UPSTREAM_ERROR),
        ("reset", Reason.UPSTREAM_ERROR),
        ("cut", Reason.UPSTREAM_ERROR),
        ("hang", Reason.TIMEOUT),
        ("slow", Reason.TIMEOUT),
        ("drip", Reason.TIMEOUT),
        ("429", Reason.RATE_LIMITED),
        ("500", Reason.UPSTREAM_ERROR),
        ("html", Reason.BAD_ANSWER),
        ("huge", Reason.BAD_ANSWER),
        ("nan", Reason.BAD_ANSWER),
        ("boolean", Reason.BAD_ANSWER),
        ("empty", Reason.BAD_ANSWER),
        ("wrong-customer", Reason.BAD_ANSWER),
        ("redirect", Reason.BAD_ANSWER),
        ("401", Reason.MISCONFIGURED),
        ("404", Reason.MISCONFIGURED),
        ("422", Reason.REJECTED),
    ],
)
@pytest.mark.vuln
def test_a_failure_is_a_reason_and_nothing_is_made_up(
    quimbi: Sandbox, settings: Any, dialect: str, play: str, reason: Reason
) -> None:
    settings.QUIMBI_TOTALS = dict.fromkeys(settings.QUIMBI_TOTALS, 0.6)
    quimbi.play(play, seconds=1.5)
    [found] = service.insights([make_profile()], purpose=REQUEST)
    for part in (found.dna, found.churn, found.ltv):
        assert (part.value, part.source, part.reason) == (None, Source.NONE, reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"detail": "Not Found"}, Reason.MISCONFIGURED),
        ({"error": {"code": "ENDPOINT_NOT_FOUND", "message": "No such thing"}}, Reason.MISCONFIGURED),
        ({}, Reason.MISCONFIGURED),
        ({"error": {"code": "CUSTOMER_NOT_FOUND"}}, Reason.NO_PROFILE),
        ({"error": {"code": "HTTP_ERROR", "message": "Customer 7 not found"}}, Reason.NO_PROFILE),
        ({"detail": "Customer not found"}, Reason.NO_PROFILE),
    ],
)
def test_a_path_that_is_not_there_is_told_from_a_customer_who_is_not(
    quimbi: Sandbox, monkeypatch: pytest.MonkeyPatch, said: Any, reason: Reason
) -> None:
    monkeypatch.setattr(
        "quimbi.sandbox._Handler._answer", lambda handler, *_: handler._write(404, [json.dumps(said).encode()])
    )
    assert dna(make_profile()).reason == reason


def test_no_profile_is_an_answer_and_kept_for_a_while(quimbi: Sandbox) -> None:
    profile = make_profile(customer_id="unknown-1")
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        assert [dna(profile).reason for _ in range(3)] == [Reason.NO_PROFILE] * 3
        assert quimbi.count() == 1
        clock.shift(timedelta(minutes=6))
        assert dna(profile).reason == Reason.NO_PROFILE
    assert quimbi.count() == 2


def test_nothing_but_404_raises_an_alarm_once(quimbi: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    quimbi.play("404")
    before = calling.NOTHING_BUT_404.labels(Function.ANALYZE)._value.get()
    for _ in range(19):
        dna(make_profile())
    quimbi.play("well")
    dna(make_profile())
    quimbi.play("404")
    for _ in range(19):
        dna(make_profile())
    assert calling.NOTHING_BUT_404.labels(Function.ANALYZE)._value.get() == before
    dna(make_profile())
    assert calling.NOTHING_BUT_404.labels(Function.ANALYZE)._value.get() == before + 1
    assert "quimbi answers nothing but 404" in caplog.text


@pytest.mark.vuln
def test_the_key_goes_to_no_other_host_and_into_no_log(quimbi: Sandbox, settings: Any) -> None:
    settings.QUIMBI_API_KEY = quimbi.key = "a-key-that-nobody-else-has"
    other = Sandbox(port=0)
    with other, written_log() as log:
        for play in ("redirect", "500", "401", "422", "nan", "huge"):
            quimbi.play(play)
            dna(make_profile())
        service.draft(make_conversation(), tone=None, length=None)
        assert (len(other.requests), other.refused) == (0, {})
    assert log.getvalue()
    assert settings.QUIMBI_API_KEY not in log.getvalue()
    assert not {"KeyError", "Ada", "parcel"} & set(log.getvalue().replace('"', " ").split())


def test_a_try_that_failed_by_chance_is_made_again(quimbi: Sandbox) -> None:
    for _ in range(5):
        dna(make_profile())
    quimbi.forget()
    quimbi.next_plays = ["500"]
    found = dna(make_profile())
    assert (found.source, quimbi.count()) == (Source.LIVE, 2)
    assert list(Call.objects.order_by("-pk").values_list("outcome", "tries")[:1]) == [("ok", 2)]


def test_nobody_calls_before_quimbi_said_so(quimbi: Sandbox) -> None:
    quimbi.play("429", retry_after="30")
    first = dna(make_profile())
    assert (first.reason, first.retry_after) == (Reason.RATE_LIMITED, 30.0)
    quimbi.play("well")
    later = dna(make_profile())
    assert (later.reason, quimbi.count()) == (Reason.RATE_LIMITED, 1)
    assert 29 < (later.retry_after or 0) <= 30
    assert service.draft(make_conversation(), tone=None, length=None).reason == Reason.RATE_LIMITED


def test_a_short_pause_is_waited_for(quimbi: Sandbox) -> None:
    quimbi.next_plays, quimbi.retry_after = ["429"], "0.2"
    assert (dna(make_profile()).source, quimbi.count()) == (Source.LIVE, 2)


def test_the_breaker_opens_and_answers_come_at_once(quimbi: Sandbox) -> None:
    quimbi.play("500")
    while (found := dna(make_profile())).reason == Reason.UPSTREAM_ERROR:
        assert quimbi.count() <= 10
    assert found.reason == Reason.CIRCUIT_OPEN
    assert 0 < (found.retry_after or 0) <= 30
    asked = quimbi.count()
    assert dna(make_profile()).reason == Reason.CIRCUIT_OPEN
    assert quimbi.count() == asked <= 10
    assert service.draft(make_conversation(), tone=None, length=None).reason == Reason.UPSTREAM_ERROR  # its own


def test_the_breaker_closes_after_a_probe(quimbi: Sandbox, settings: Any) -> None:
    settings.QUIMBI_BREAKER_SECONDS = 0.3
    quimbi.play("500")
    while dna(make_profile()).reason != Reason.CIRCUIT_OPEN:
        pass
    quimbi.play("well")
    quimbi.released.wait(0.4)
    assert [dna(make_profile()).source for _ in range(3)] == [Source.LIVE] * 3


# What is kept


def test_what_is_kept_is_not_asked_again(quimbi: Sandbox, dialect: str) -> None:
    profile, conversation = make_profile(), make_conversation()
    [first] = service.insights([profile], purpose=REQUEST)
    text = service.draft(conversation, tone="friendly", length=None)
    [second] = service.insights([profile], purpose=REQUEST)
    again = service.draft(conversation, tone="friendly", length=None)
    assert (second.dna.value, second.churn.value, again.value) == (first.dna.value, first.churn.value, text.value)
    assert {second.dna.source, second.churn.source, again.source} == {Source.CACHE}
    assert second.dna.as_of == first.dna.as_of
    assert quimbi.count() == 3
    assert service.known([profile.key]) == {profile.key: second}


def test_another_tone_message_or_length_is_another_draft(quimbi: Sandbox) -> None:
    asked = make_conversation()
    for tone, length in ((None, None), ("friendly", None), ("friendly", "short")):
        service.draft(asked, tone=tone, length=length)
    later = make_conversation(ticket=asked.ticket, last_message=asked.last_message + 1_000)
    assert service.draft(later, tone=None, length=None).source == Source.LIVE
    assert quimbi.count() == 4


def test_refreshing_asks_anew(quimbi: Sandbox) -> None:
    profile = make_profile()
    dna(profile)
    quimbi.say(Function.ANALYZE, profile.customer_id, archetype="other")
    found = dna(profile, refresh=True)
    assert (found.source, quimbi.count()) == (Source.LIVE, 2)
    assert found.value and found.value.archetype and found.value.archetype.id == "other"
    assert dna(profile).value == found.value


def test_a_copy_from_before_stands_in_for_a_day_and_says_so(quimbi: Sandbox) -> None:
    profile, conversation = make_profile(), make_conversation()
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        first = dna(profile)
        service.draft(conversation, tone=None, length=None)
        clock.shift(2 * HOUR)
        quimbi.play("500")
        found = dna(profile)
        assert (found.value, found.source, found.reason) == (first.value, Source.STALE, Reason.UPSTREAM_ERROR)
        assert found.as_of == first.as_of
        assert service.known([profile.key])[profile.key].dna.source == Source.STALE
        assert service.draft(conversation, tone=None, length=None).value is None
        clock.shift(23 * HOUR)
        assert (dna(profile).value, dna(profile).source) == (None, Source.NONE)


def test_an_order_makes_what_is_kept_stale(quimbi: Sandbox) -> None:
    profile = make_profile()
    first = dna(profile)
    service.outdate_customer(profile.key)
    kept = service.known([profile.key])[profile.key].dna
    assert (kept.value, kept.source) == (first.value, Source.STALE)
    assert (dna(profile).source, quimbi.count()) == (Source.LIVE, 2)


def test_forgetting_empties_everything(quimbi: Sandbox, settings: Any) -> None:
    conversation = make_conversation()
    profile = conversation.profile
    assert profile
    for dialect in ("ml", "platform"):
        settings.QUIMBI_DIALECT = dialect
        service.insights([profile], purpose=REQUEST)
        service.draft(conversation, tone="formal", length=None)
        service.actions(conversation)
        service.sentiment(conversation.ticket, 5, "fine", purpose=REQUEST)
    assert service.forget_customer(profile.key)
    assert service.forget_conversations([conversation.ticket])
    assert service.forget_messages([5])
    left = [value for key in shared.redis().scan_iter("quimbi:{*") for value in shared.redis().hgetall(key)]
    assert set(left) == {"epoch"}
    assert service.known([profile.key])[profile.key].dna.reason == Reason.NOT_ASKED


@pytest.mark.vuln
@pytest.mark.parametrize("change", [service.forget_customer, service.outdate_customer])
def test_an_answer_that_was_asked_for_before_a_change_is_not_kept_after_it(quimbi: Sandbox, change: Any) -> None:
    profile, asked = make_profile(), threading.Event()

    def changed_meanwhile() -> None:
        asked.set()
        change(profile.key)

    quimbi.before_answering = changed_meanwhile
    assert dna(profile).source == Source.LIVE
    assert asked.is_set()
    assert service.known([profile.key])[profile.key].dna.reason == Reason.NOT_ASKED


@pytest.mark.vuln
def test_what_is_kept_is_ciphertext_in_its_place(quimbi: Sandbox, settings: Any) -> None:
    settings.QUIMBI_DIALECT = "ml"
    one, other = make_profile(), make_profile()
    dna(one)
    dna(other)
    server = shared.redis()
    fields: Any = server.hgetall(f"quimbi:{{customer:{one.key}}}")
    assert "maker" not in str(fields) and "purchase_value" not in str(fields)
    server.hset(f"quimbi:{{customer:{other.key}}}", mapping=fields)
    assert service.known([other.key])[other.key].dna.reason == Reason.NOT_ASKED


# Together


@pytest.mark.django_db(transaction=True)
def test_many_who_open_the_same_customers_ask_once_for_each(quimbi: Sandbox) -> None:
    quimbi.takes = 0.05
    profiles = [make_profile() for _ in range(4)]
    found = together(40, lambda number: dna(profiles[number % 4]))
    assert {one.source for one in found} <= {Source.LIVE, Source.CACHE}
    assert quimbi.count() == 4


@pytest.mark.django_db(transaction=True)
def test_those_who_wait_learn_of_a_failure(quimbi: Sandbox) -> None:
    profile = make_profile()
    quimbi.play("500")
    quimbi.before_answering = lambda: time.sleep(0.3)
    found = together(8, lambda _: dna(profile).reason)
    assert found == [Reason.UPSTREAM_ERROR] * 8
    assert quimbi.count() == 2  # of whom they waited for


def test_who_dies_while_asking_is_waited_for_no_longer_than_their_time(quimbi: Sandbox, settings: Any) -> None:
    profile = make_profile()
    place = questions.dna_of(profile.key)
    kept.join(place, claim="dead", seconds=0.3, now=datetime.now(UTC))
    assert (dna(profile).source, quimbi.count()) == (Source.LIVE, 1)


def test_doubles_are_asked_for_once_and_order_is_kept(quimbi: Sandbox) -> None:
    one, other = make_profile(), make_profile()
    found = service.insights([one, other, one], purpose=REQUEST)
    assert [each.dna.value for each in found] == [
        service.known([key])[key].dna.value for key in (one.key, other.key, one.key)
    ]
    assert quimbi.count() == 4


def test_at_most_four_calls_are_under_way(quimbi: Sandbox) -> None:
    quimbi.takes = 0.05
    service.insights([make_profile() for _ in range(6)], purpose=Purpose.PREFETCH)
    assert (quimbi.count(), quimbi.most_at_once) == (12, 4)


# Within limits


def test_the_budget_is_kept(quimbi: Sandbox, settings: Any) -> None:
    settings.QUIMBI_CALLS_PER_MINUTE = 6
    sources = [service.analyze(make_profile(), purpose=Purpose.PREFETCH).reason for _ in range(4)]
    assert sources == [None] * 3 + [Reason.BUDGET]
    found = [dna(make_profile()) for _ in range(4)]
    assert [one.reason for one in found] == [None] * 3 + [Reason.BUDGET]
    assert 0 < (found[-1].retry_after or 0) <= 60
    assert quimbi.count() == 6


@pytest.mark.django_db(transaction=True)
def test_only_so_many_wait_for_a_text(quimbi: Sandbox, settings: Any) -> None:
    settings.QUIMBI_WRITING_AT_ONCE = 2
    quimbi.takes = 0.3
    found = together(6, lambda _: service.draft(make_conversation(), tone=None, length=None))
    assert sorted(str(one.reason) for one in found) == ["None"] * 2 + ["busy"] * 4
    assert service.draft(make_conversation(), tone=None, length=None).source == Source.LIVE


# Without Redis


def test_without_redis_answers_are_made_anew(quimbi: Sandbox, no_redis: None) -> None:
    profile = make_profile()
    assert [dna(profile).source for _ in range(2)] == [Source.LIVE] * 2
    assert quimbi.count() == 2
    assert service.known([profile.key])[profile.key].dna.reason == Reason.NOT_ASKED
    assert service.draft(make_conversation(), tone=None, length=None).source == Source.LIVE
    assert not service.forget_customer(profile.key)
    assert not service.outdate_customer(profile.key)


def test_without_redis_each_process_has_its_share(quimbi: Sandbox, no_redis: None, settings: Any) -> None:
    settings.QUIMBI_CALLS_PER_MINUTE = 14
    budget._alone.clear()
    found = [dna(make_profile()).reason for _ in range(4)]
    assert found == [None, None, Reason.BUDGET, Reason.BUDGET]
    budget._alone.clear()


def test_without_redis_the_breaker_is_this_process_own(quimbi: Sandbox, no_redis: None, settings: Any) -> None:
    settings.QUIMBI_CALLS_PER_MINUTE = 700
    budget._alone.clear()
    quimbi.play("500")
    found = [dna(make_profile()).reason for _ in range(8)]
    assert found[-1] == Reason.CIRCUIT_OPEN
    assert quimbi.count() <= 7
    shared.INSIGHTS.alone = type(shared.INSIGHTS.alone)()
    budget._alone.clear()


# The log of calls


def test_calls_are_written_down_without_a_word_of_the_customer(quimbi: Sandbox) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        service.insights([make_profile()], purpose=REQUEST)
        service.analyze(make_profile(customer_id="unknown-7"), purpose=REQUEST)
    rows = list(Call.objects.order_by("pk").values("function", "dialect", "outcome", "tries", "request_id"))
    same = {"dialect": "ml", "tries": 1, "request_id": "request-1"}
    assert sorted(rows, key=str) == [
        {"function": "analyze", "outcome": "no_profile", **same},
        {"function": "analyze", "outcome": "ok", **same},
        {"function": "churn", "outcome": "ok", **same},
    ]
    assert {field.name for field in Call._meta.get_fields()} == {
        *("id", "function", "dialect", "outcome", "tries", "milliseconds", "request_id", "called_at")
    }


def test_one_statement_writes_them_and_none_is_read(quimbi: Sandbox) -> None:
    with counted_statements() as statements:
        service.insights([make_profile(), make_profile()], purpose=REQUEST)
    assert [statement.split()[:3] for statement in statements] == [["INSERT", "INTO", '"quimbi_call"']]


def test_a_call_that_was_not_made_is_not_written_down(quimbi: Sandbox, settings: Any) -> None:
    settings.QUIMBI_CALLS_PER_MINUTE = 0
    assert dna(make_profile()).reason == Reason.BUDGET
    assert Call.objects.count() == 0


def test_a_log_that_cannot_be_written_fails_nobody(quimbi: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise OperationalError

    monkeypatch.setattr(Call.objects, "bulk_create", broken)
    with transaction.atomic():
        assert dna(make_profile()).source == Source.LIVE
        assert Call.objects.count() == 0  # the transaction goes on


def test_old_calls_are_pruned() -> None:
    now = datetime.now(UTC)
    for days in (1, 13, 15, 40):
        Call.objects.create(
            function="analyze",
            dialect="ml",
            outcome="ok",
            tries=1,
            milliseconds=1,
            called_at=now - timedelta(days=days),
        )
    assert tasks.prune_calls() == 2
    assert Call.objects.count() == 2


# Seen from outside


def test_what_the_gateway_does_is_counted(quimbi: Sandbox, settings: Any) -> None:
    before = scraped()
    profile = make_profile()
    for _ in range(3):
        service.insights([profile], purpose=REQUEST)
    quimbi.play("500")
    while dna(make_profile()).reason != Reason.CIRCUIT_OPEN:
        pass
    after = scraped()

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    calls, answers = "supportdesk_quimbi_calls_total", "supportdesk_quimbi_answers_total"
    assert grown(calls, function="analyze", dialect="ml", outcome="ok") == 1
    assert grown(calls, function="analyze", outcome="circuit_open") >= 1
    assert grown(answers, function="churn", source="live") == 1
    assert grown(answers, function="churn", source="cache") == 2
    assert grown("supportdesk_quimbi_call_seconds_count", function="churn") == 1
    assert grown("supportdesk_quimbi_tries_total") == quimbi.count()
    assert grown("supportdesk_breaker_opened_total", breaker="quimbi-insights") == 1
    assert after.value("supportdesk_breaker_open", breaker="quimbi-insights") == 1
    assert after.value("supportdesk_breaker_open", breaker="quimbi-texts") == 0
    assert after.value("supportdesk_quimbi_calls_left", window="minute") == 90 - quimbi.count()


def test_readiness_does_not_depend_on_quimbi(quimbi: Sandbox) -> None:
    quimbi.play("refuse")
    assert Client().get("/readyz").status_code == 200


def test_administrators_see_the_log_of_calls_and_nobody_else_does(quimbi: Sandbox) -> None:
    dna(make_profile())
    call = Call.objects.get()
    page = f"/admin/quimbi/call/{call.pk}/change/"
    browser = Client()
    browser.force_login(make_agent(role="admin"))
    assert "analyze" in browser.get("/admin/quimbi/call/?outcome=ok").content.decode()
    assert "analyze" in browser.get(page).content.decode()
    browser.force_login(make_agent(role="supervisor"))
    assert browser.get("/admin/quimbi/call/").status_code == 403
    assert browser.get(page).status_code != 200


# What it costs


def test_while_a_breaker_is_open_no_thread_is_begun(quimbi: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    quimbi.play("500")
    profile = make_profile()
    while dna(profile).reason != Reason.CIRCUIT_OPEN:
        pass
    monkeypatch.setattr(fetching, "ThreadPoolExecutor", None)
    [found] = service.insights([profile], purpose=REQUEST)
    assert {found.dna.reason, found.churn.reason} == {Reason.CIRCUIT_OPEN}


@pytest.mark.django_db(transaction=True)
def test_no_thread_touches_the_database(quimbi: Sandbox) -> None:
    opened: list[str] = []

    def note(**_: Any) -> None:
        opened.append(threading.current_thread().name)

    connection.close()
    connection_created.connect(note)
    try:
        service.insights([make_profile() for _ in range(3)], purpose=Purpose.PREFETCH)
    finally:
        connection_created.disconnect(note)
    assert opened == [threading.main_thread().name]
    assert Call.objects.count() == 6


def test_what_is_kept_is_one_question_to_redis(quimbi: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = [make_profile() for _ in range(3)]
    service.insights(profiles, purpose=Purpose.PREFETCH)
    asked, honest = list[Any](), shared.asking.ask

    def ask(question: Any) -> Any:
        asked.append(question)
        return honest(question)

    monkeypatch.setattr(shared.asking, "ask", ask)
    service.insights(profiles, purpose=REQUEST)
    assert len(asked) == 1
    service.known([profile.key for profile in profiles])
    assert len(asked) == 2


@pytest.mark.vuln
def test_nothing_of_a_customer_is_left_behind(quimbi: Sandbox, dialect: str) -> None:
    """What is asked, what is answered, and what goes wrong: none of it is in Redis, in a log, a figure or a row."""
    marks = Marks()
    line = Line(from_customer=True, content=marks.text("message"), created_at=NOW)
    with watched() as places:
        profile = make_profile(first_name=marks.text("name"), language=marks.word("language"))
        conversation = make_conversation(profile=profile, lines=(line,), subject=marks.text("subject"))
        quimbi.say(Function.ACTIONS, profile.customer_id, warnings=[marks.text("message")])
        for play in ("well", "wrong-customer", "nan", "500", "422", "404"):
            quimbi.play(play)
            service.insights([profile], purpose=REQUEST, refresh=True)
            service.draft(conversation, tone=None, length=None, refresh=True)
            service.actions(conversation, refresh=True)
            service.sentiment(1, 2, line.content, purpose=REQUEST)
        assert quimbi.count() > 12
        assert places.leaks(marks) == {}

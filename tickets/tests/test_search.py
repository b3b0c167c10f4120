"""Finding tickets."""

from typing import Any

import pytest
from django.db import connection

from agents.models import Agent
from agents.tests.builders import actor_of, make_agent, make_department, make_key
from customers.tests.builders import make_customer
from supportdesk.tests.client import Api, counted_statements
from tickets import search
from tickets.models import Message, Note, Ticket, TicketText
from tickets.services import conversation
from tickets.tests.builders import change, make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def agent() -> Agent:
    return make_agent()


def found(api: Api, q: str, **more: Any) -> list[int]:
    answer = api.get("/api/tickets", q=q, ordering="created_at", **more)
    assert answer.status == 200, answer.body
    return [row["id"] for row in answer.body["results"]]


def note(ticket: Ticket, body: str, agent: Agent) -> Note:
    return conversation.add_note(ticket_id=ticket.pk, body=body, by=actor_of(agent), now=ticket.created_at)


def test_words_are_found_in_subject_messages_and_notes(agent: Agent) -> None:
    api = Api(agent)
    one = make_ticket(subject="Broken zip", description="It came apart", language="en")
    two = make_ticket(subject="A question", description="Do you repair zips?", language="en")
    three = make_ticket(subject="Hello", description="Please call", language="en")
    say(three, "The zipper of my coat")
    note(three, "Told them about the warranty", agent)
    assert found(api, "zip") == [one.pk, two.pk]
    assert found(api, "zipper") == [three.pk]
    assert found(api, "warranties") == [three.pk]
    assert found(api, "zip repairs") == [two.pk]
    assert found(api, "zip -repair") == [one.pk]
    assert found(api, '"came apart"') == [one.pk]
    assert found(api, '"apart came"') == []
    assert found(api, "coat or broken") == [one.pk, three.pk]


@pytest.mark.parametrize(
    ("language", "said", "asked"),
    [
        ("en", "The parcels were delivered twice", "delivering parcel"),
        ("de", "Die Bestellungen wurden nicht geliefert", "Bestellung"),
        ("de-at", "Meine Rückerstattungen fehlen", "Rückerstattung"),
        ("fr", "Mes commandes ne sont pas arrivées", "commande arrivée"),
        ("ru", "Мои посылки потерялись", "посылка"),
        ("es", "Los pedidos llegaron rotos", "pedido roto"),
        ("tr", "Siparişlerim gelmedi", "siparişlerim"),
        ("xx", "Quux frobnicates", "frobnicates"),
        ("", "Nothing is known", "known"),
        ("el", "Η παραγγελία χάθηκε", "ΠΑΡΑΓΓΕΛΊΑ"),  # noqa: RUF001
    ],
)
def test_words_are_found_in_the_tickets_language(agent: Agent, language: str, said: str, asked: str) -> None:
    ticket = make_ticket(description=said, language=language)
    make_ticket(description="Something else")
    assert found(Api(agent), asked) == [ticket.pk]


def test_the_database_knows_the_same_dictionaries() -> None:
    with connection.cursor() as cursor:
        for language, dictionary in {
            **search.DICTIONARIES,
            "": "simple",
            "ja": "simple",
            "pt-br": "portuguese",
        }.items():
            cursor.execute("SELECT tickets_dictionary(%s)::text", [language])
            assert cursor.fetchone() == (dictionary,)


def test_names_and_numbers_are_found_where_no_text_has_the_words(agent: Agent) -> None:
    api = Api(agent)
    theirs = make_ticket(customer=make_customer(name="Zoë Brandtner"), source="shop", external_id="A-1043")
    other = make_ticket(subject="Unzippable")
    assert found(api, "brandt") == [theirs.pk]
    assert found(api, "Brandtnr") == [theirs.pk]
    assert found(api, "nzipp") == [other.pk]
    assert found(api, f"#{other.pk}") == [other.pk]
    assert found(api, str(other.pk)) == [other.pk]
    assert found(api, "A-1043") == [theirs.pk]
    mentioned = make_ticket(description="My order 18744 is late")
    assert found(api, "18744") == found(api, "#18744") == [mentioned.pk]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "order 4471 is late"),
        ("en", "order-4471 is late, see https://shop.example/orders/4471"),
        ("de", "Bestellung Nr.4471 fehlt"),
        ("ar", "الطلب رقم4471 ناقص"),
        ("ja", "注文番号は#4471です。"),
        ("zh", "訂單4471號"),
        ("xx", "SO4471/2"),
    ],
)
def test_a_number_is_found_whatever_stands_beside_it(agent: Agent, language: str, said: str) -> None:
    ticket = make_ticket(description=said, language=language)
    titled = make_ticket(subject=said, language=language)
    make_ticket(description="order 44710 and 14471", language=language)
    api = Api(agent)
    assert found(api, "4471") == found(api, "#4471") == [ticket.pk, titled.pk]


def test_more_digits_than_any_number_has_are_no_words(agent: Agent) -> None:
    ticket = make_ticket(description=f"{'7' * 3_000} is a lot", language="en")
    assert found(Api(agent), "lot") == [ticket.pk]


def test_what_is_found_is_highlighted_as_plain_text(agent: Agent) -> None:
    api = Api(agent)
    ticket = make_ticket(
        subject="Hello", description="I want a <b>refund</b> for the 👟 shoes, please refund me", language="en"
    )
    row = api.get("/api/tickets", q="refunds shoe").body["results"][0]
    highlight = row["highlight"]
    assert highlight["where"] == "message"
    assert [highlight["text"][start:end] for start, end in highlight["marks"]] == ["refund", "shoes", "refund"]
    assert "<" not in highlight["text"]
    change(ticket, subject="A refund")
    assert api.get("/api/tickets", q="refund").body["results"][0]["highlight"] == {
        "where": "subject",
        "text": "A refund",
        "marks": [[2, 8]],
    }
    assert "highlight" not in api.get("/api/tickets").body["results"][0]
    assert api.get("/api/tickets", q=f"#{ticket.pk}").body["results"][0]["highlight"] is None


def test_every_page_of_a_search_is_a_page_of_the_search(agent: Agent) -> None:
    api, tickets = Api(agent), [make_ticket(subject="Refund") for _ in range(5)]
    make_ticket(subject="Other")
    first = api.get("/api/tickets", q="refund", page_size=2, ordering="created_at")
    second = api.get(first.body["next"])
    assert [row["id"] for row in first.body["results"] + second.body["results"]] == [t.pk for t in tickets[:4]]


def test_nobody_finds_what_they_may_not_see(agent: Agent) -> None:
    here, there = make_department(), make_department()
    foreign = make_ticket(subject="Secret merger", department=there, customer=make_customer(name="Xaver Quendel"))
    api = Api(make_agent(department=here))
    for q in ("merger", "Quendel", str(foreign.pk), f"#{foreign.pk}", "ecret"):
        assert found(api, q) == []


@pytest.mark.vuln
def test_a_key_without_notes_finds_and_is_shown_none(agent: Agent) -> None:
    ticket = make_ticket(subject="Hello", description="refund please")
    note(ticket, "Watch out: chargeback refund fraud", agent)
    without, with_notes = Api(make_key("tickets:read")), Api(make_key("notes:read"))
    assert found(without, "chargeback") == []
    assert found(with_notes, "chargeback") == [ticket.pk]
    make_ticket(customer=make_customer(name="Zoë Brandtner"))
    assert found(with_notes, "Brandtner") == []
    row = without.get("/api/tickets", q="refund fraud or refund").body["results"][0]
    assert "fraud" not in str(row)


@pytest.mark.parametrize(
    "q", ["'", '"', "a & | !", "():*<->", "\\", "%", "_", "a" * 200, "-", "☃", "٠١٢", "#", "the", "' OR 1=1 --", "a:*B"]
)
def test_no_query_is_an_error_of_ours(agent: Agent, q: str) -> None:
    make_ticket(subject="Something the like")
    assert Api(agent).get("/api/tickets", q=q).status in {200, 400}


def test_a_query_that_only_leaves_out_is_refused(agent: Agent) -> None:
    answer = Api(agent).get("/api/tickets", q="-refund -please")
    assert (answer.status, set(answer.fields)) == (400, {"q"})


def test_words_follow_every_change_of_the_texts(agent: Agent) -> None:
    api, ticket = Api(agent), make_ticket(subject="First", description="alpha", language="en")
    change(ticket, subject="Second")
    assert (found(api, "first"), found(api, "second"), found(api, "alpha")) == ([], [ticket.pk], [ticket.pk])
    Message.objects.filter(ticket=ticket).update(body="omega")
    assert (found(api, "alpha"), found(api, "omega")) == ([], [ticket.pk])
    written = note(ticket, "gamma", agent)
    assert found(api, "gamma") == [ticket.pk]
    written.delete()
    assert found(api, "gamma") == []


def test_a_conversation_too_long_to_index_is_still_taken(agent: Agent) -> None:
    ticket = make_ticket(subject="Long", language="en")
    for part in range(30):
        say(ticket, " ".join(f"w{part}x{word}" for word in range(8_000))[:65_000])
    assert ticket.messages.count() == 31
    assert found(Api(agent), "long") == [ticket.pk]
    assert TicketText.objects.filter(ticket=ticket).exists()


def test_a_search_takes_few_statements_at_any_size(agent: Agent) -> None:
    api = Api(agent)
    for _ in range(2):
        make_ticket(subject="Refund")
    search.parsed.cache_clear()
    with counted_statements() as for_two:
        assert len(found(api, "refund")) == 2
    for _ in range(8):
        make_ticket(subject="Refund")
    search.parsed.cache_clear()
    with counted_statements() as for_ten:
        assert len(found(api, "refund")) == 10
    assert len(for_two) == len(for_ten) == 6  # token, words of the query, are there any, page, highlights, audit

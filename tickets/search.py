"""Finding tickets by words, names and numbers.

Words are looked up in the dictionaries of all languages we have one for, because a query does not say its language: the
variants differ in few words, and a match by accident costs less than a ticket that is not found. Where no ticket has
the words, the query is taken for a part of a subject or of a customer's name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.postgres.search import SearchQueryField
from django.db import connection
from django.db.models import BooleanField, F, Func, Q, Value
from django.db.models.functions import Cast

from agents.enums import Scope
from customers import selectors as customers
from customers.models import Customer
from supportdesk.core.actor import Actor
from supportdesk.core.api.fields import MAX_ID
from supportdesk.core.errors import InvalidInput
from supportdesk.core.lookups import holding
from tickets.models.ticket import TicketQuerySet

# Language of a ticket (ISO 639-1) to PostgreSQL's dictionary; the function tickets_dictionary in the database holds the
# same table, and a test compares them.
DICTIONARIES = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
ANY_LANGUAGE = "simple"
MOST_NAMES = 50  # customers that a name may stand for
MOST_BY_NUMBER = 200  # tickets whose text holds a number
MARK, END_MARK = "\ue000", "\ue001"  # of Unicode's private use: no text has them after `translate`
_WHOLE = f"StartSel={MARK}, StopSel={END_MARK}, HighlightAll=true"
_PART = f"StartSel={MARK}, StopSel={END_MARK}, MaxFragments=1, MaxWords=24, MinWords=8"
_MARKED_LENGTH = 20_000  # characters of a message that are looked through for the words


@dataclass(frozen=True, kw_only=True)
class Highlight:
    """Where the words were found (`subject`, `message` or `note`), with the first and last position of each."""

    where: str
    text: str
    marks: list[tuple[int, int]]


class _Has(Func):
    """`vector @@ query`."""

    arg_joiner = " @@ "
    template = "%(expressions)s"
    output_field = BooleanField()
    conditional = True


class _HasInOwnLanguage(Func):
    """Whether the words of a ticket match the variant that is in the ticket's own language.

    Stands beside the index condition over all variants and takes out what one language's stem matched in another. As a
    CASE, it leaves PostgreSQL's estimate to the index condition.
    """

    output_field = BooleanField()
    conditional = True

    def __init__(self, vector: str, query: "Query") -> None:
        super().__init__(F("language"), F(vector))
        self.query = query

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        (language, _p), (vector, _q) = (compiler.compile(part) for part in self.source_expressions)
        cases, params = [], []
        for words, dictionaries in self.query.by_words().items():
            cases.append(f"WHEN tickets_dictionary({language})::text = ANY(%s) THEN {vector} @@ %s::tsquery")
            params += [dictionaries, words]
        return f"CASE {' '.join(cases)} ELSE false END", params


@dataclass(frozen=True, kw_only=True)
class Query:
    """The words that are looked for, as a tsquery for each dictionary in which there are any."""

    variants: dict[str, str]

    @property
    def any_language(self) -> str:
        return " | ".join(f"({words})" for words in dict.fromkeys(self.variants.values()))

    def by_words(self) -> dict[str, list[str]]:
        grouped: dict[str, list[str]] = {}
        for dictionary, words in self.variants.items():
            grouped.setdefault(words, []).append(dictionary)
        return grouped


def matching(tickets: TicketQuerySet, text: str, actor: Actor) -> TicketQuerySet:
    """Those of the tickets that the text finds, notes included where the actor may read them.

    Raises InvalidInput when the text only says what is not wanted.
    """
    text = text.strip()
    number = text.removeprefix("#")
    query = parsed(text)
    found = tickets.filter(_words(query, actor)) if query.variants else tickets.none()
    if number.isascii() and number.isdecimal() and len(number) <= 19 and int(number) <= MAX_ID:
        with_it = list(found.values_list("pk", flat=True)[:MOST_BY_NUMBER])
        return tickets.filter(Q(pk=int(number)) | Q(external_id=number) | Q(pk__in=with_it))
    if query.variants and found.exists():
        return found
    return tickets.filter(_names(text, actor))


def highlights(ids: Iterable[int], text: str, actor: Actor) -> dict[int, Highlight]:
    """For each ticket the first place that has one of the words, in one statement. Within rights like the search."""
    query = parsed(text).any_language
    wanted = list(ids)
    if not query or not wanted:
        return {}
    any_word = query if "!" in query else query.replace(" & ", " | ").replace(" <-> ", " | ")
    notes = _FIRST_NOTE if actor.may(Scope.NOTES_READ) else "NULL"
    with connection.cursor() as cursor:
        cursor.execute(
            _HIGHLIGHTS.format(notes=notes),
            {
                "ids": wanted,
                "query": any_word,
                "whole": _WHOLE,
                "options": _PART,
                "marks": MARK + END_MARK,
                "length": _MARKED_LENGTH,
            },
        )
        rows = cursor.fetchall()
    return {row[0]: found for row in rows if (found := _first_marked(row[1:])) is not None}


@lru_cache(maxsize=256)
def parsed(text: str) -> Query:
    """The text as PostgreSQL's `websearch_to_tsquery` understands it. Raises InvalidInput as `matching` does."""
    words = text.split()
    if words and all(word.startswith("-") for word in words):
        raise InvalidInput.on("q", "Name at least one word to find.", "invalid")
    names = [ANY_LANGUAGE, *sorted(set(DICTIONARIES.values()))]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, websearch_to_tsquery(name::regconfig, %s)::text FROM unnest(%s::text[]) AS name",
            [text, names],
        )
        return Query(variants={name: variant for name, variant in cursor.fetchall() if variant})


def _words(query: Query, actor: Actor) -> Q:
    parsed_query = Cast(Value(query.any_language), SearchQueryField())
    vectors = ["text__public", "text__notes"] if actor.may(Scope.NOTES_READ) else ["text__public"]
    found, exactly = Q(), Q()
    for vector in vectors:
        found |= Q(_Has(F(vector), parsed_query))
        exactly |= Q(_HasInOwnLanguage(vector, query))
    return found & exactly


def _names(text: str, actor: Actor) -> Q:
    people = customers.named(Customer.objects.visible_to(actor), text).order_by("pk").values_list("pk", flat=True)
    return holding("subject", text) | Q(external_id=text) | Q(customer_id__in=list(people[:MOST_NAMES]))


_FIRST_NOTE = """(
    SELECT ts_headline(dictionary, left(translate(n.body, %(marks)s, ''), %(length)s), query, %(options)s)
    FROM tickets_note n
    WHERE n.ticket_id = t.id AND to_tsvector(dictionary, left(n.body, %(length)s)) @@ query ORDER BY n.id LIMIT 1
)"""
_HIGHLIGHTS = """
SELECT t.id,
    ts_headline(dictionary, translate(t.subject, %(marks)s, ''), query, %(whole)s),
    (
        SELECT ts_headline(dictionary, left(translate(m.body, %(marks)s, ''), %(length)s), query, %(options)s)
        FROM tickets_message m
        WHERE m.ticket_id = t.id AND to_tsvector(dictionary, left(m.body, %(length)s)) @@ query
        ORDER BY m.position LIMIT 1
    ),
    {notes}
FROM tickets_ticket t, LATERAL (SELECT tickets_dictionary(t.language) AS dictionary, %(query)s::tsquery AS query) q
WHERE t.id = ANY(%(ids)s)
"""


def _first_marked(found: Iterable[str | None]) -> Highlight | None:
    for where, text in zip(("subject", "message", "note"), found, strict=True):
        if text and MARK in text:
            return _highlight(where, text)
    return None


def _highlight(where: str, marked: str) -> Highlight:
    plain, marks, start = "", [], 0
    for part in marked.replace(END_MARK, END_MARK + MARK).split(MARK):
        if part.endswith(END_MARK):
            start = len(plain)
            plain += part[:-1]
            marks.append((start, len(plain)))
        else:
            plain += part
    return Highlight(where=where, text=plain, marks=marks)

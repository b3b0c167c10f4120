"""Tickets by the million, shaped like a desk that has been open for years: nearly all closed, one department with most
of the work, few agents busy, some customers who write all the time. The same seed gives the same desk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from random import Random

from supportdesk.core.events import Fact
from supportdesk.demo.topics import PRODUCTS, TOPICS, Topic
from tickets.enums import AssignmentReason, Category, Channel, Priority, Sender, Status
from tickets.events import (
    MessageAdded,
    NoteAdded,
    TicketArchived,
    TicketAssigned,
    TicketCreated,
    TicketEvent,
    TicketStatusChanged,
)
from tickets.models import Assignment, Message, Note, Ticket
from tickets.status import DONE

SPAN = timedelta(days=3 * 365)
GROWTH = 1.3  # above 1, later years are busier
LIVE = timedelta(days=21)  # what is older is done
SHARES_OF_LIVE = {
    Status.OPEN: 0.5,
    Status.PENDING: 0.2,
    Status.ON_HOLD: 0.1,
    Status.RESOLVED: 0.1,
    Status.CLOSED: 0.1,
}
SHARES_OF_OLD = {Status.RESOLVED: 0.03, Status.CLOSED: 0.97}
ARCHIVED = 0.05  # of the closed
UNSORTED = 0.01  # without a department
UNASSIGNED = 0.1  # of what is not done
URGENT = 0.02
NOTED = 0.15
LONGEST_TALK = 12
FAVOURITES = 1.7  # how unevenly work falls on the agents of a team
REGULARS = 2  # how unevenly tickets fall on customers
CHANNELS = (Channel.EMAIL,) * 9 + (Channel.CHAT,) * 5 + (Channel.WEB,) * 3 + (Channel.PHONE, Channel.SMS)
TAGS = tuple(f"tag-{number}" for number in range(60))
VOCABULARY = 20_000
DETAILS = 8  # words of a ticket drawn from the vocabulary, the first ones often, the last ones hardly ever
_SYLLABLES = tuple(first + vowel for first in "bdfgklmnprstvz" for vowel in "aeiou")


@dataclass(frozen=True, kw_only=True)
class Team:
    """A department, its share of the tickets, and its agents, the busiest first."""

    department_id: int
    share: float
    agent_ids: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Whom the tickets are between; the customers who write most come first."""

    customer_ids: Sequence[int]
    teams: Sequence[Team]


@dataclass(frozen=True, kw_only=True)
class Ids:
    """New ids, as many as are asked for."""

    tickets: Iterator[int]
    messages: Iterator[int]
    notes: Iterator[int]


@dataclass(kw_only=True)
class Chunk:
    """Some tickets with everything that belongs to them. Nothing is saved."""

    tickets: list[Ticket] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)


def chunks(count: int, *, size: int, cast: Cast, ids: Ids, now: datetime, seed: int) -> Iterator[Chunk]:
    """`count` tickets, the oldest first, `size` of them at a time."""
    maker = _Maker(cast, ids, now, Random(seed))  # noqa: S311
    ages = ((1 - number / count) ** GROWTH * SPAN for number in range(count))
    while some := list(islice(ages, size)):
        chunk = Chunk()
        for age in some:
            maker.add(chunk, now - age)
        yield chunk


class _Maker:
    def __init__(self, cast: Cast, ids: Ids, now: datetime, random: Random) -> None:
        self.cast, self.ids, self.now, self.random = cast, ids, now, random

    def add(self, chunk: Chunk, created_at: datetime) -> None:
        """One ticket with its story."""
        shares = SHARES_OF_OLD if self.now - created_at > LIVE else SHARES_OF_LIVE
        status = self.random.choices(list(shares), list(shares.values()))[0]
        topic = self.random.choices(TOPICS, [topic.weight for topic in TOPICS])[0]
        ticket = self._ticket(topic, status, created_at)
        said = self._conversation(ticket, topic)
        self._conclude(ticket, said)
        chunk.tickets.append(ticket)
        chunk.messages += said
        chunk.facts += self._facts(ticket, said)
        if ticket.assignee_id is not None:
            chunk.assignments.append(self._assignment(ticket, ticket.assignee_id))
        if ticket.assignee_id is not None and topic.notes and self.random.random() < NOTED:
            note = self._note(ticket, topic, ticket.assignee_id)
            noted = NoteAdded(subject_id=ticket.pk, note_id=note.pk, mentions=[])
            chunk.notes.append(note)
            chunk.facts.append(Fact(event=noted, at=note.created_at))

    def _ticket(self, topic: Topic, status: Status, created_at: datetime) -> Ticket:
        random, ticket_id = self.random, next(self.ids.tickets)
        team = random.choices(self.cast.teams, [team.share for team in self.cast.teams])[0]
        nobody = status not in DONE and random.random() < UNASSIGNED
        self.words = {
            "name": "there",
            "product": random.choice(PRODUCTS),
            "order": f"#{order_of(ticket_id)}",
            "amount": f"€{random.randint(9, 400)}.00",
        }
        return Ticket(
            id=ticket_id,
            subject=self._said(topic.subjects),
            status=status,
            priority=Priority.URGENT if random.random() < URGENT else Priority(random.choice(topic.urgency)),
            channel=random.choice(CHANNELS),
            category=Category(topic.category),
            tags=sorted({random.choice(TAGS[: random.randint(1, len(TAGS))]) for _ in range(random.randint(0, 3))}),
            attributes={"order": self.words["order"], "product": self.words["product"]},
            language=topic.language,
            customer_id=_unevenly(self.cast.customer_ids, random, REGULARS),
            assignee_id=None if nobody else _unevenly(team.agent_ids, random, FAVOURITES),
            department_id=None if random.random() < UNSORTED else team.department_id,
            created_at=created_at,
        )

    def _conversation(self, ticket: Ticket, topic: Topic) -> list[Message]:
        """Question and answer in turns; whatever is done was answered last."""
        opening = f"{self._said(topic.openings)}\n\n{self._details()}"
        said = [self._message(ticket, 1, Sender.CUSTOMER, opening, ticket.created_at)]
        turns = 0 if ticket.assignee_id is None else min(LONGEST_TALK, 1 + int(self.random.expovariate(0.7)))
        if ticket.status in DONE and turns % 2 == 0:
            turns += 1
        for turn in range(turns):
            sender, texts = (Sender.CUSTOMER, topic.replies) if turn % 2 else (Sender.AGENT, topic.answers)
            at = min(said[-1].created_at + timedelta(minutes=self.random.randint(2, 900)), self.now)
            said.append(self._message(ticket, len(said) + 1, sender, self._said(texts), at))
        return said

    def _message(self, ticket: Ticket, position: int, sender: Sender, body: str, at: datetime) -> Message:
        return Message(
            id=next(self.ids.messages),
            ticket_id=ticket.pk,
            position=position,
            sender=sender,
            agent_id=ticket.assignee_id if sender == Sender.AGENT else None,
            body=body,
            channel=ticket.channel,
            created_at=at,
        )

    def _conclude(self, ticket: Ticket, said: Sequence[Message]) -> None:
        """What follows from the conversation for the ticket itself."""
        last = said[-1]
        ticket.last_position = ticket.version = last.position
        ticket.last_activity_at = ticket.updated_at = last.created_at
        ticket.first_response_at = said[1].created_at if len(said) > 1 else None
        if ticket.status == Status.OPEN and last.sender == Sender.CUSTOMER:
            ticket.waiting_since = last.created_at
        if ticket.status in DONE:
            done_at = last.created_at + timedelta(minutes=self.random.randint(1, 600))
            ticket.resolved_at = ticket.updated_at = min(done_at, self.now)
        if ticket.status == Status.CLOSED and self.random.random() < ARCHIVED:
            ticket.archived_at = ticket.resolved_at
        ticket.rerank()

    def _assignment(self, ticket: Ticket, agent_id: int) -> Assignment:
        return Assignment(
            ticket_id=ticket.pk,
            agent_id=agent_id,
            reason=AssignmentReason.MANUAL,
            assigned_at=ticket.created_at,
            ended_at=ticket.resolved_at if ticket.status == Status.CLOSED else None,
        )

    def _note(self, ticket: Ticket, topic: Topic, author_id: int) -> Note:
        return Note(
            id=next(self.ids.notes),
            ticket_id=ticket.pk,
            author_id=author_id,
            body=self._said(topic.notes),
            created_at=ticket.last_activity_at,
        )

    def _facts(self, ticket: Ticket, said: Sequence[Message]) -> Iterator[Fact]:
        """What a desk would have recorded of the ticket."""
        created = TicketCreated(
            subject_id=ticket.pk,
            customer_id=ticket.customer_id,
            channel=ticket.channel,
            priority=ticket.priority,
            category=ticket.category,
        )
        yield Fact(event=created, at=ticket.created_at)
        if ticket.assignee_id is not None:
            assigned = TicketAssigned(
                subject_id=ticket.pk,
                agent_id=ticket.assignee_id,
                previous_agent_id=None,
                reason=AssignmentReason.MANUAL.value,
            )
            yield Fact(event=assigned, at=ticket.created_at)
        for message in said:
            yield Fact(event=_added(message), at=message.created_at)
        if ticket.status != Status.OPEN:
            moved: TicketEvent = TicketStatusChanged(
                subject_id=ticket.pk, before=Status.OPEN.value, after=Status(ticket.status).value
            )
            yield Fact(event=moved, at=ticket.updated_at)
        if ticket.archived_at is not None:
            yield Fact(event=TicketArchived(subject_id=ticket.pk), at=ticket.archived_at)

    def _said(self, texts: Sequence[str]) -> str:
        return self.random.choice(texts).format(**self.words)

    def _details(self) -> str:
        return " ".join(word(int(VOCABULARY ** self.random.random())) for _ in range(DETAILS))


def order_of(ticket_id: int) -> int:
    """The number of the order that a generated ticket is about."""
    return 100_000 + ticket_id


def word(number: int) -> str:
    """The word of the vocabulary with this number, from 1 on: the lower, the more often it is said."""
    letters = ""
    while number:
        number, place = divmod(number, len(_SYLLABLES))
        letters += _SYLLABLES[place]
    return f"{letters}x"


def _added(message: Message) -> MessageAdded:
    return MessageAdded(
        subject_id=message.ticket_id,
        message_id=message.pk,
        position=message.position,
        sender=Sender(message.sender).value,
        public_reply=message.sender == Sender.AGENT,
    )


def _unevenly(ids: Sequence[int], random: Random, exponent: float) -> int:
    """One of them, the first ones far more often."""
    return ids[int(len(ids) * random.random() ** exponent)]

"""Who is told about which fact of a ticket."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta

import pytest
from django.utils import timezone

from agents import presence, services, sessions
from agents.models import Agent, FeedEntry, LoginSession, Tab
from agents.tests.builders import PASSWORD, SYSTEM, actor_of, make_agent, make_department, occurrence_of
from supportdesk.core import delivery
from supportdesk.core.errors import NotFound
from supportdesk.core.events import plans
from supportdesk.reactions import REACTIONS
from supportdesk.tests.client import counted_statements
from tickets import events
from tickets.events import TicketEvent
from tickets.models import Ticket, Watch
from tickets.services import assignment, conversation, lifecycle, telling, watching
from tickets.services.watching import MOST_WATCHED, TooManyWatched
from tickets.tests.builders import change, make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def open_tab(agent: Agent) -> Tab:
    now = timezone.now()
    sessions.log_in(email=agent.email, password=PASSWORD, network="192.0.2.1", now=now)
    session = LoginSession.objects.filter(agent=agent).latest("pk")
    opened = {"key": uuid.uuid4(), "connection": uuid.uuid4(), "by": actor_of(agent), "now": now}
    return presence.tab_opened(session_id=session.pk, **opened)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Team:
    """One of each who may be concerned by a ticket of the department, and who may not."""

    owner: Agent
    former: Agent
    mentioned: Agent
    watching: Agent
    colleague: Agent
    supervisor: Agent
    leads_all: Agent
    leads_other: Agent
    admin: Agent
    stranger: Agent
    inactive: Agent


@pytest.fixture
def team() -> Team:
    home, away = make_department(), make_department()
    made = Team(
        owner=make_agent(department=home),
        former=make_agent(department=home),
        mentioned=make_agent(department=home),
        watching=make_agent(department=home),
        colleague=make_agent(department=home),
        supervisor=make_agent(role="supervisor", leads=[home]),
        leads_all=make_agent(role="supervisor"),
        leads_other=make_agent(role="supervisor", leads=[away]),
        admin=make_agent(role="admin"),
        stranger=make_agent(department=away),
        inactive=make_agent(department=home),
    )
    services.update_agent(agent_id=made.inactive.pk, changes={"is_active": False}, by=SYSTEM, now=timezone.now())
    return made


@pytest.fixture
def ticket(team: Team) -> Iterator[Ticket]:
    ticket = make_ticket(department=team.owner.department)
    assignment.assign(ticket_id=ticket.pk, agent_id=team.owner.pk, by=SYSTEM, now=timezone.now())
    mentions = [team.mentioned.pk]
    conversation.add_note(ticket_id=ticket.pk, body="x", mentions=mentions, by=actor_of(team.owner), now=timezone.now())
    watching.watch(ticket_id=ticket.pk, tab=open_tab(team.watching), by=actor_of(team.watching))
    FeedEntry.objects.all().delete()
    ticket.refresh_from_db()
    yield ticket


def told(team: Team, kind: str = "ticket_update") -> set[str]:
    ids = set(FeedEntry.objects.filter(kind=kind).values_list("agent_id", flat=True))
    return {field.name for field in fields(team) if getattr(team, field.name).pk in ids}


CONCERNED = {"owner", "mentioned", "watching"}
DEPARTMENT = {"owner", "former", "mentioned", "watching", "colleague", "supervisor", "leads_all", "admin"}


@pytest.mark.parametrize(
    ("event", "changed", "details"),
    [
        (
            events.TicketStatusChanged(subject_id=0, before="open", after="pending"),
            ["status"],
            {"status": "pending"},
        ),
        (
            events.TicketPriorityChanged(subject_id=0, before="low", after="high"),
            ["priority"],
            {"priority": "high"},
        ),
        (events.TicketUpdated(subject_id=0, fields=["subject", "tags"]), ["subject", "tags"], {}),
        (events.TicketArchived(subject_id=0), ["archived_at"], {}),
        (
            events.MessageAdded(subject_id=0, message_id=9, position=2, sender="customer", public_reply=False),
            ["messages"],
            {"message_id": 9, "sender": "customer"},
        ),
        (events.NoteAdded(subject_id=0, note_id=8, mentions=[]), ["notes"], {"note_id": 8}),
        (
            events.AttachmentAdded(subject_id=0, attachment_id=7, content_type="image/png"),
            ["attachments"],
            {"attachment_id": 7},
        ),
        (events.FollowUpOpened(subject_id=0, follow_up_id=6), ["follow_ups"], {"follow_up_id": 6}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, TicketEvent) else "",
)
def test_a_change_is_told_to_its_agent_the_mentioned_and_who_has_it_open(
    team: Team, ticket: Ticket, event: TicketEvent, changed: list[str], details: dict[str, object]
) -> None:
    fact = replace(event, subject_id=ticket.pk)
    assert telling.tell(occurrence_of(fact), now=timezone.now()) == 3
    assert (told(team), told(team, "new_ticket")) == (CONCERNED, set())
    entry = FeedEntry.objects.earliest("pk")
    assert (entry.subject_id, entry.version, entry.changed, entry.details) == (
        ticket.pk,
        ticket.version,
        changed,
        details,
    )


def test_a_new_ticket_is_told_to_its_agent_and_the_loss_to_the_former(team: Team, ticket: Ticket) -> None:
    fact = events.TicketAssigned(
        subject_id=ticket.pk, agent_id=team.owner.pk, previous_agent_id=team.former.pk, reason="transfer"
    )
    assert telling.tell(occurrence_of(fact), now=timezone.now()) == 4
    assert told(team, "new_ticket") == {"owner"}
    assert told(team) == {"former", "mentioned", "watching"}


def test_who_lost_a_ticket_is_told_although_it_is_nobodys(team: Team, ticket: Ticket) -> None:
    Ticket.objects.filter(pk=ticket.pk).update(assignee=None)
    fact = events.TicketUnassigned(subject_id=ticket.pk, agent_id=team.former.pk, reason="absent")
    telling.tell(occurrence_of(fact), now=timezone.now())
    assert told(team) == {"former", "mentioned", "watching"}


def test_a_ticket_that_waits_is_announced_to_everyone_who_may_see_it(team: Team, ticket: Ticket) -> None:
    Ticket.objects.filter(pk=ticket.pk).update(assignee=None)
    telling.tell(occurrence_of(events.TicketQueued(subject_id=ticket.pk)), now=timezone.now())
    assert told(team, "new_ticket") == DEPARTMENT
    assert told(team) == set()


def test_a_ticket_that_waits_in_no_department_is_announced_to_every_active_agent(team: Team) -> None:
    homeless = make_ticket()
    telling.tell(occurrence_of(events.TicketQueued(subject_id=homeless.pk)), now=timezone.now())
    assert told(team, "new_ticket") == {field.name for field in fields(team)} - {"inactive"}


def test_a_ticket_that_was_given_to_somebody_meanwhile_is_not_announced(team: Team, ticket: Ticket) -> None:
    assert telling.tell(occurrence_of(events.TicketQueued(subject_id=ticket.pk)), now=timezone.now()) == 0


def test_a_warning_goes_to_the_agent_and_the_supervisors_of_the_department(team: Team, ticket: Ticket) -> None:
    occurrence = occurrence_of(events.TicketUpdated(subject_id=ticket.pk, fields=[]))
    assert telling.warn(occurrence, ticket_id=ticket.pk, details={}, now=timezone.now()) == 3
    assert told(team, "sla_warning") == {"owner", "supervisor", "leads_all"}
    assert telling.warn(occurrence, ticket_id=999_999, details={}, now=timezone.now()) == 0


def test_an_agents_status_is_told_to_their_department_and_its_supervisors(team: Team) -> None:
    services.update_agent(agent_id=team.owner.pk, changes={"availability": "busy"}, by=SYSTEM, now=timezone.now())
    delivery.run_due(limit=1_000)
    assert told(team, "agent_status") == DEPARTMENT
    entry = FeedEntry.objects.filter(kind="agent_status").earliest("pk")
    assert (entry.subject_id, entry.changed, entry.details) == (
        team.owner.pk,
        ["availability"],
        {"availability": "busy"},
    )


def test_what_services_do_is_told_in_its_order(team: Team, ticket: Ticket) -> None:
    change(ticket, priority="high")
    say(ticket, "Hello?")
    change(ticket, status="resolved")
    lifecycle.archive_ticket(ticket_id=ticket.pk, by=SYSTEM, now=timezone.now())
    delivery.run_due(limit=1_000)
    entries = FeedEntry.objects.filter(agent=team.owner, kind="ticket_update").order_by("seq")
    assert [entry.changed for entry in entries][-5:] == [
        ["priority"],
        ["messages"],
        ["status"],
        ["status"],
        ["archived_at"],
    ]


def test_every_fact_of_a_ticket_but_its_birth_is_told_by_one_reaction_so_that_order_is_kept() -> None:
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, TicketEvent)}
    silent = {TicketEvent, events.TicketCreated}
    telling_kinds = {
        kind for kind in REACTIONS if "tickets.tell_agents" in {plan.name for plan in plans(kind) if plan.push}
    }
    assert telling_kinds == kinds - silent


def test_a_tab_that_is_gone_does_not_have_the_ticket_open(team: Team, ticket: Ticket) -> None:
    later = timezone.now() + presence.TAB_SEEN_FOR
    telling.tell(occurrence_of(events.TicketArchived(subject_id=ticket.pk)), now=later)
    assert told(team) == CONCERNED - {"watching"}
    presence.expire(now=later)
    assert not Watch.objects.exists()


def test_watching_asks_for_rights_and_is_bounded(team: Team, ticket: Ticket) -> None:
    tab, by = open_tab(team.colleague), actor_of(team.colleague)
    foreign = make_ticket(department=team.stranger.department)
    for missing in (foreign.pk, 999_999):
        with pytest.raises(NotFound):
            watching.watch(ticket_id=missing, tab=tab, by=by)
    seen = [make_ticket(department=team.owner.department) for _ in range(MOST_WATCHED + 1)]
    for one in seen[:-1]:
        watching.watch(ticket_id=one.pk, tab=tab, by=by)
    watching.watch(ticket_id=seen[0].pk, tab=tab, by=by)  # again is not one more
    with pytest.raises(TooManyWatched):
        watching.watch(ticket_id=seen[-1].pk, tab=open_tab(team.colleague), by=by)
    watching.unwatch(ticket_id=seen[0].pk, tab=tab)
    watching.unwatch(ticket_id=seen[0].pk, tab=tab)
    watching.watch(ticket_id=seen[-1].pk, tab=tab, by=by)
    assert Watch.objects.filter(tab=tab).count() == MOST_WATCHED


def test_telling_takes_the_same_statements_however_many_are_told(team: Team, ticket: Ticket) -> None:
    counts = []
    for _ in range(2):
        with counted_statements() as statements:
            telling.tell(occurrence_of(events.TicketArchived(subject_id=ticket.pk)), now=timezone.now())
        counts.append(len(statements))
        ids = [make_agent(department=team.owner.department).pk for _ in range(3)]
        by = actor_of(team.owner)
        conversation.add_note(ticket_id=ticket.pk, body="x", mentions=ids, by=by, now=timezone.now())
    assert counts == [6, 6]  # fact, ticket, whom, told before?, positions, entries


def test_what_happened_more_than_a_day_ago_is_told_to_nobody(team: Team, ticket: Ticket) -> None:
    occurrence = occurrence_of(events.TicketArchived(subject_id=ticket.pk), at=timezone.now() - timedelta(hours=25))
    assert telling.tell(occurrence, now=timezone.now()) == 0

"""Plays a month at the demo's desk through the same services as everybody: the same seed gives the same story.

The month is over when the desk opens, so its facts are history, from which nothing follows. What came in last is not:
some of it was given out, and some waits for who comes online next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from agents import services as agents
from agents import structure
from agents.enums import Role
from agents.models import Agent, Department
from agents.selectors import actor_for
from customers import services as customers
from customers.enums import Tier
from customers.models import Customer
from supportdesk.core.actor import Actor, Door, system
from supportdesk.demo import people
from supportdesk.demo.logins import DEMO_LOGINS, PASSWORD
from supportdesk.demo.topics import PRODUCTS, TOPICS, Topic
from tickets.enums import Category, Channel, Priority, Sender, Status
from tickets.models import Ticket
from tickets.services import assignment, conversation, lifecycle

SEED = 20_260_105
CUSTOMERS, TICKETS, DAYS = 90, 200, 30
VIP_EVERY = 15
SOMEBODY = system("demo", origin=Door.IMPORT)
DESK = system("demo", origin=Door.COMMAND)
JUST_NOW = (26, 13, 5)  # minutes ago, tickets for a department where nobody is online
CHANNELS = (
    (Channel.EMAIL,) * 9 + (Channel.CHAT,) * 5 + (Channel.WEB,) * 3 + (Channel.PHONE, Channel.SMS, Channel.SOCIAL)
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Who is there to work."""

    departments: dict[str, Department]
    agents: list[Agent]

    def worker(self, department: Department, random: Random) -> Agent:
        """Somebody of the department; a supervisor helps out where nobody else is."""
        of_department = [agent for agent in self.agents if agent.department_id == department.pk]
        workers = [agent for agent in of_department if agent.role in {Role.AGENT, Role.SENIOR}]
        return random.choice(workers or of_department)


def play(*, now: datetime, progress: Progress) -> None:
    """Fills an empty desk with the month before `now`. The caller's transaction makes it whole or nothing."""
    random = Random(SEED)  # noqa: S311 - a story, not a secret
    start = now - timedelta(days=DAYS)
    desk = _open_desk(start)
    known = _customers(random, start)
    for number in range(TICKETS):
        _Thread(random, desk, random.choice(known), now).play(number)
        progress(number + 1, TICKETS)
    for minutes in JUST_NOW:
        _Thread(random, desk, random.choice(known), now, about="Billing").begin(minutes)
    _give_out(now)


def _open_desk(start: datetime) -> Desk:
    departments = {name: structure.create_department(name=name, by=SOMEBODY, now=start) for name in people.DEPARTMENTS}
    skills = {
        slug: structure.create_specialization(slug=slug, name=name, categories=categories, by=SOMEBODY, now=start)
        for slug, name, categories in people.SKILLS
    }
    with_login = {login.email for login in DEMO_LOGINS}
    agents.create_agent(
        email="admin@example.com", name="Alex Admin", password=PASSWORD, role=Role.ADMIN, by=SOMEBODY, now=start
    )
    staff = []
    for colleague in people.COLLEAGUES:
        agent = agents.create_agent(
            email=colleague.email,
            name=colleague.name,
            password=PASSWORD if colleague.email in with_login else None,
            role=Role(colleague.role),
            department=departments[colleague.department],
            leads=[departments[name] for name in colleague.leads],
            specializations=[skills[slug] for slug in colleague.skills],
            languages=colleague.languages,
            capacity=colleague.capacity,
            by=SOMEBODY,
            now=start,
        )
        present = {"availability": colleague.availability}
        staff.append(agents.update_agent(agent_id=agent.pk, changes=present, by=SOMEBODY, now=start))
    return Desk(departments=departments, agents=staff)


def _give_out(now: datetime) -> None:
    """What nobody took so far, in the order of work: by now it is given to who is online, or waits for who is not."""
    left = Ticket.objects.unfinished().filter(assignee__isnull=True).order_by("rank_at", "pk")
    for ticket_id in list(left.values_list("pk", flat=True)):
        assignment.auto_assign(ticket_id=ticket_id, by=DESK, now=now)


def _customers(random: Random, start: datetime) -> list[Customer]:
    made = []
    for number in range(CUSTOMERS):
        if number < len(people.OWN_SCRIPTS):
            language, name, local = people.OWN_SCRIPTS[number]
            city, zone, _ = random.choice(people.CITIES)
        else:
            given, family = random.choice(people.GIVEN_NAMES), random.choice(people.FAMILY_NAMES)
            city, zone, language = random.choice(people.CITIES)
            name, local = f"{given} {family}", f"customer{number:03}"
        reachable = random.random() < 0.4
        made.append(
            customers.create_customer(
                name=name,
                email=f"{local}@example.{random.choice(('com', 'org', 'net'))}",
                phone=f"+1 202 555 01{number % 100:02}" if reachable else None,  # a range kept free for fiction
                address=f"{random.randint(1, 180)} {random.choice(people.STREETS)}, {city}" if reachable else None,
                timezone=zone,
                language=language,
                tier=Tier.VIP if number % VIP_EVERY == 0 else Tier.STANDARD,
                attributes={"orders": random.randint(1, 14), "newsletter": random.random() < 0.3},
                by=SOMEBODY,
                now=start,
            )
        )
    return made


class _Thread:
    """One ticket from its first message to where it stands today."""

    def __init__(self, random: Random, desk: Desk, customer: Customer, now: datetime, *, about: str = "") -> None:
        self.random, self.desk, self.customer, self.now = random, desk, customer, now
        self.topic = self._topic([topic for topic in TOPICS if about in {"", topic.department}])
        self.said: set[str] = set()  # people rarely write the same sentence twice
        self.words = {
            "name": customer.name if customer.language in {"ar", "ja"} else customer.name.split()[0],
            "product": random.choice(PRODUCTS),
            "order": f"#{random.randint(10_000, 49_999)}",
            "amount": f"€{random.randint(12, 340)}.{random.choice(('00', '50', '90'))}",
        }

    def play(self, number: int) -> None:
        age = self.random.random() ** 1.6 * DAYS * 24 * 60
        self.clock = self.now - timedelta(minutes=max(4.0, age))
        department = None if number % 11 == 0 else self.desk.departments[self.topic.department]
        self.ticket = self._open(department)
        worker = self.desk.worker(department or self.desk.departments["Customer care"], self.random)
        self.actor = actor_for(worker, led=frozenset(), origin=Door.IMPORT)
        if self.random.random() < 0.22 and age < 3 * 24 * 60 and not self._is_old():
            return  # nobody took it yet
        if self._later(2, 90):
            assignment.assign(ticket_id=self.ticket.pk, agent_id=worker.pk, by=self.actor, now=self.clock)
        self._converse()
        self._finish(number)

    def begin(self, minutes: int) -> None:
        """The first message, and nothing more yet."""
        self.clock = self.now - timedelta(minutes=minutes)
        self._open(self.desk.departments[self.topic.department])

    def _topic(self, topics: list[Topic]) -> Topic:
        """In the customer's language where there is one, else in English."""
        spoken = [topic for topic in topics if topic.language == self.customer.language]
        if not spoken or (self.customer.language != "en" and self.random.random() < 0.3):
            spoken = [topic for topic in topics if topic.language == "en"]
        return self.random.choices(spoken, [topic.weight for topic in spoken])[0]

    def _open(self, department: Department | None) -> Ticket:
        topic = self.topic
        return lifecycle.create_ticket(
            customer=self.customer,
            subject=self._say(topic.subjects),
            description=self._say(topic.openings),
            priority=Priority(self.random.choice(topic.urgency)),
            channel=self.random.choice(CHANNELS),
            category=Category(topic.category),
            tags=[tag for tag in topic.tags if self.random.random() < 0.7],
            attributes={"order": self.words["order"], "product": self.words["product"]},
            language=topic.language,
            department=department,
            by=SOMEBODY,
            now=self.clock,
        )

    def _converse(self) -> None:
        for turn in range(self.random.randint(1, 3)):
            if turn == 0 and self.topic.notes and self.random.random() < 0.45 and self._later(3, 30):
                self._note()
            if not self._later(5, 300):
                return
            self._message(self._say(self.topic.answers), Sender.AGENT, self.actor)
            if self.random.random() < 0.35:
                self._status(Status.PENDING)
            if self.random.random() < 0.55:
                if not self._later(20, 1500):
                    return
                self._message(self._say(self.topic.replies), Sender.CUSTOMER, SOMEBODY)

    def _finish(self, number: int) -> None:
        chance = self.random.random()
        if chance < 0.08 and self._later(10, 200):
            self._status(Status.ON_HOLD)
        if (chance < 0.3 and self.now - self.clock < timedelta(days=2)) or not self._later(15, 600):
            return  # still being worked on
        if chance < 0.1:
            self._message(self._say(self.topic.answers), Sender.AGENT, self.actor)
            self._status(Status.PENDING)
            return
        if self.ticket.waiting_since is not None:
            self._message(self._say(self.topic.answers), Sender.AGENT, self.actor)
        if self.random.random() < 0.6 and self._later(10, 900):
            self._message(self._say(self.topic.closings), Sender.CUSTOMER, SOMEBODY)
        self._status(Status.RESOLVED)
        if self.random.random() < 0.55 and self._later(600, 4000):
            self._status(Status.CLOSED)
            if number % 9 == 0 and self._later(600, 6000):
                self._message(self._say(self.topic.replies), Sender.CUSTOMER, SOMEBODY)  # opens a follow-up
                if self._later(20, 700):
                    self._message(self._say(self.topic.answers), Sender.AGENT, self.actor)
                    self._status(Status.RESOLVED)
            elif number % 7 == 0 and self._later(60, 3000):
                lifecycle.archive_ticket(ticket_id=self.ticket.pk, by=self.actor, now=self.clock)

    def _note(self) -> None:
        others = [agent for agent in self.desk.agents if agent.department_id == self.ticket.department_id]
        mentions = [self.random.choice(others).pk] if others and self.random.random() < 0.6 else []
        conversation.add_note(
            ticket_id=self.ticket.pk,
            body=self._say(self.topic.notes),
            mentions=mentions,
            by=self.actor,
            now=self.clock,
        )

    def _message(self, body: str, sender: Sender, by: Actor) -> None:
        posted = conversation.add_message(ticket_id=self.ticket.pk, body=body, sender=sender, by=by, now=self.clock)
        self.ticket = posted.ticket

    def _status(self, status: Status) -> None:
        if self.ticket.status != status:
            changes = {"status": status}
            self.ticket = lifecycle.update_ticket(
                ticket_id=self.ticket.pk, changes=changes, by=self.actor, now=self.clock
            )

    def _later(self, low: int, high: int) -> bool:
        """Moves the clock on by some minutes; False, and nothing moved, when that would be after today."""
        then = self.clock + timedelta(minutes=self.random.randint(low, high))
        if then > self.now:
            return False
        self.clock = then
        return True

    def _is_old(self) -> bool:
        return self.now - self.clock > timedelta(days=2)

    def _say(self, texts: tuple[str, ...]) -> str:
        fresh = [text for text in texts if text not in self.said] or texts
        text = self.random.choice(fresh)
        self.said.add(text)
        return text.format(**self.words)

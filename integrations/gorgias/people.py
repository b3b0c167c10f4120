"""Who a customer of Gorgias is here, and which of its users our agents are."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.core.cache import cache

from agents.models import Agent
from agents.selectors import actor_for
from customers import selectors, services
from customers.enums import IdentitySource
from customers.identity import normalised_email, normalised_phone
from customers.models import Customer, ExternalIdentity
from customers.services import Identity, IdentityTaken
from integrations import breakers, links
from integrations.gorgias import client, mapping
from integrations.gorgias.mapping import Person, User
from integrations.gorgias.names import USER
from integrations.links import CUSTOMER
from integrations.models import Connection, ExternalLink
from supportdesk.core.actor import Actor, Door
from supportdesk.core.errors import InvalidInput
from supportdesk.core.models import Delivery

INTRODUCE = "integrations.introduce_to_gorgias"  # the reaction that tells there who a customer is
UNKNOWN_FOR = 600  # seconds in which an agent who has no user there is not looked for again


def customer_of(person: Person | None, *, by: Actor, now: datetime) -> Customer:
    """The customer, made if there is none: known by their id there, by their id in the shop, by e-mail address, by a
    phone number that only one customer has. Somebody without any of it is a customer of their own.
    """
    if person is None:
        return services.create_customer(name=mapping.NO_NAME, by=by, now=now)
    email, phone = _sound_email(person.email), _sound_phone(person.phone)
    found = next(_known(person, email, phone), None)
    identities = [
        Identity(source=IdentitySource.GORGIAS, external_id=person.id),
        *(Identity(source=IdentitySource.SHOPIFY, external_id=pk) for pk in person.shopify),
    ]
    if found is None:
        found = services.create_customer(name=person.name, email=email, phone=phone, by=by, now=now)
    for identity in identities:
        with suppress(IdentityTaken):
            services.identify_customer(customer_id=found.pk, identity=identity, by=by, now=now)
    return found


def follow(known: Connection, person: Person | None, *, at: datetime, by: Actor, now: datetime) -> None:
    """Takes over what a customer whom we know says otherwise there than last time. Of somebody of whom nothing was told
    yet, what is not known here.

    `at`: of when that is at least; what is older than what was taken over says nothing. While a change here is about to
    be told there, nothing is taken, nor counted as known: telling it settles which is newer.
    """
    if person is None or not (told := _sound(mapping.told_of(person))):
        return
    identity = ExternalIdentity.objects.filter(source=IdentitySource.GORGIAS, external_id=person.id).first()
    if identity is None:
        return
    customer = identity.customer
    link = links.link_to(known, CUSTOMER, person.id, local_type=CUSTOMER, local_id=customer.pk)
    news = links.news(link, told, now=now)
    if not link.remote:
        news = {name for name in news if getattr(customer, name) in {None, "", mapping.NO_NAME}}
    is_older = link.remote_updated_at is not None and at < link.remote_updated_at
    if is_older or (news and _is_to_be_told(customer.pk)):
        return
    if news:
        _change(customer, {name: told[name] for name in news}, by=by, now=now)
    links.learn(link, told)
    link.remote_updated_at = at
    link.save(update_fields=["remote", "remote_updated_at"])


def _change(customer: Customer, changes: dict[str, str], *, by: Actor, now: datetime) -> None:
    for given in (changes, {name: value for name, value in changes.items() if name != "email"}):
        with suppress(IdentityTaken):  # an address that is another customer's here stays theirs
            services.update_customer(customer_id=customer.pk, changes=given, by=by, now=now)
            return


def _is_to_be_told(customer_id: int) -> bool:
    waiting = Delivery.objects.pending().filter(reaction=INTRODUCE, subject_type=CUSTOMER, subject_id=customer_id)
    return waiting.exists()


def _sound(told: dict[str, str]) -> dict[str, str]:
    """Without what is no address and no number; the number as we write it."""
    checked = {**told, "email": _sound_email(told.get("email", "")), "phone": _sound_phone(told.get("phone", ""))}
    return {name: value for name, value in checked.items() if value}


def agent_of(known: Connection, user: User | None) -> Agent | None:
    """The active agent of the user's e-mail address; remembered, so that we can name the user."""
    if user is None or not user.email:
        return None
    agent = Agent.objects.get_queryset().known_as(user.email).filter(is_active=True).first()
    if agent is not None:
        _remember(known, user.id, agent)
    return agent


def acting(agent: Agent) -> Actor:
    """The agent at the door of Gorgias, where they were shown the ticket, whatever department it is of here."""
    return replace(actor_for(agent, led=frozenset(), origin=Door.GORGIAS), departments=None)


def is_ours(known: Connection, user_id: str) -> bool:
    """Whether the user is one of our agents, as far as we know."""
    users = ExternalLink.objects.filter(connection=known, object_type=USER, local_type="agent")
    return bool(user_id) and users.filter(external_id=user_id).exists()


def user_of(known: Connection, agent: Agent, *, left: float) -> str:
    """The id of the agent's user there; empty when there is none. Raises Down, Refused."""
    links = ExternalLink.objects.filter(connection=known, object_type=USER, local_type="agent")
    if found := links.filter(local_id=agent.pk).values_list("external_id", flat=True).first():
        return found
    unknown = f"gorgias:{known.pk}:no-user:{agent.pk}"
    if breakers.asking.ask(lambda: cache.get(unknown)):
        return ""
    for row in client.every(known, "users", left=left):
        user = mapping.user(row)
        if user is not None and user.email.casefold() == agent.email.casefold():
            _remember(known, user.id, agent)
            return user.id
    breakers.asking.ask(lambda: cache.set(unknown, True, UNKNOWN_FOR))
    return ""


def _known(person: Person, email: str | None, phone: str | None) -> Iterator[Customer]:
    """In the order in which they are believed."""
    for source, ids in ((IdentitySource.GORGIAS, [person.id]), (IdentitySource.SHOPIFY, list(person.shopify))):
        for identity in ExternalIdentity.objects.filter(source=source, external_id__in=ids).select_related("customer"):
            yield identity.customer
    if email and (found := selectors.known_by_email(email)):
        yield found
    if phone and (found := selectors.known_by_phone(phone, email=email)):
        yield found


def _sound_email(text: str) -> str | None:
    try:
        normalised_email(text)
    except InvalidInput:
        return None
    return text


def _sound_phone(text: str) -> str | None:
    try:
        return normalised_phone(text, region=settings.PHONE_REGION)
    except InvalidInput:
        return None


def _remember(known: Connection, user_id: str, agent: Agent) -> None:
    ExternalLink.objects.update_or_create(
        connection=known,
        object_type=USER,
        external_id=user_id,
        defaults={"local_type": "agent", "local_id": agent.pk},
    )

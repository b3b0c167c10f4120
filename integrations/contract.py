"""What a provider has to say for itself, and what its processors are given. Names no provider."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from integrations.enums import Provider
from integrations.models import Connection
from supportdesk.core.actor import Actor


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """An authentic delivery. Names of headers are in lower case; `body` is None when it is no JSON object."""

    headers: Mapping[str, str]
    raw: bytes
    body: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Label:
    """What the inbox writes on a delivery.

    `delivery_id`: the vendor's key of it, or one made of what it says. `resource_key`: what it is about; of one thing
    only the earliest is worked on. `privacy`: to be worked off whatever becomes of the connection, and its body blanked
    as soon as that is done. `people`: ids of persons it is about, as `shopify:7`; addresses and numbers in the body
    are found without help.
    """

    delivery_id: str
    topic: str
    resource_key: str = ""
    event_id: str = ""
    triggered_at: datetime | None = None
    privacy: bool = False
    people: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Job:
    """One receipt to be worked off. `by` acts through the provider's door, so nothing is sent back there."""

    receipt_id: int
    connection: Connection | None
    topic: str
    body: Mapping[str, Any]
    received_at: datetime
    triggered_at: datetime | None
    by: Actor
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Processor:
    """What is done about a topic.

    `fetch` runs first, outside any transaction, and may ask the partner; `apply` gets what it found, in the transaction
    in which the receipt becomes done: both are there or neither. `merges`: one run also answers for whatever waited
    for the same resource when it began. Either may raise Ignored, Unreadable, Unavailable (with `retry_after`).
    """

    apply: Callable[[Job, Any], None]
    fetch: Callable[[Job], Any] | None = None
    merges: bool = False


class Ignored(Exception):
    """There is nothing to do about it, and never will be. Its text is a reason in our own words."""


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """How deliveries of one provider are believed, told apart and worked off.

    `is_authentic(headers, raw, secrets)` never raises, whatever the headers hold. `app_secrets` are those that sign for
    every account of an app. `account` is the account that the signed body names; None when it names none.
    """

    headers: frozenset[str]
    is_authentic: Callable[[Mapping[str, str], bytes, Sequence[str]], bool]
    label: Callable[[Delivered], Label]
    app_secrets: Callable[[], Sequence[str]] = tuple
    account: Callable[[Delivered], str | None] = lambda delivered: None
    processors: Mapping[str, Processor] = field(default_factory=dict)


def inbox_of(provider: Provider | str) -> Inbox:
    """By the table that the settings name. Raises KeyError for a provider that sends us nothing."""
    table: Mapping[Provider, Inbox] = import_string(settings.INBOXES)
    return table[Provider(provider)]

"""What of ours is what of a partner's; what of it both know; and what is gone and must not come back.

What the partner told last is kept as keyed hashes, by field: enough to see that nothing new is told, and nothing to
read. Of an erased person there is a keyed hash of the partner's id, which meets the id when it is told again. Neither
can be made again under another key: each says which one it needs.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import models

from customers.models import Customer, ExternalIdentity
from integrations.models import Connection, ExternalLink
from supportdesk.core.crypto import mark, marks
from supportdesk.core.locks import hold
from supportdesk.core.rotation import count_by_key

ERASED, GONE = "erased", "gone"  # of a person, found by hash; of a thing, found by its id
CUSTOMER = "customer"
ECHO_FOR = timedelta(minutes=10)
_VALUES, _PEOPLE = "link.value", "link.erased"


def link_to(known: Connection, object_type: str, external_id: str, *, local_type: str, local_id: int) -> ExternalLink:
    """The link, made if there is none, and locked until the caller's transaction ends."""
    ExternalLink.objects.get_or_create(
        connection=known,
        object_type=object_type,
        external_id=external_id,
        defaults={"local_type": local_type, "local_id": local_id},
    )
    found = ExternalLink.objects.select_for_update().get(
        connection=known, object_type=object_type, external_id=external_id
    )
    if (found.local_type, found.local_id) != (local_type, local_id) and found.local_type != GONE:
        found.local_type, found.local_id = local_type, local_id
        found.save(update_fields=["local_type", "local_id"])
    return found


def news(link: ExternalLink, told: Mapping[str, str], *, now: datetime) -> set[str]:
    """Names of what the partner tells otherwise than last time, but for what we wrote there a moment ago."""
    return {
        name for name, value in told.items() if not (is_known(link, name, value) or is_echo(link, name, value, now=now))
    }


def is_known(link: ExternalLink, name: str, value: str) -> bool:
    return is_digest(link.remote.get(name), value)


def digest(value: str) -> str:
    """What stands for a value that is not to be read here."""
    return mark(value, context=_VALUES)


def digests(value: str) -> list[str]:
    """What it may have been kept as, under each live key."""
    return marks(value, context=_VALUES)


def is_digest(kept: str | None, value: str) -> bool:
    return kept in digests(value)


def learn(link: ExternalLink, told: Mapping[str, str]) -> None:
    """What the partner holds now; the caller saves."""
    link.remote = {**link.remote, **{name: digest(value) for name, value in told.items()}}


def mark_pushed(link: ExternalLink, told: Mapping[str, str], *, now: datetime) -> None:
    """What we are about to write there; the caller saves."""
    written = {name: [digest(value), now.isoformat()] for name, value in told.items()}
    link.pushed = {**link.pushed, **written}


def lose(known: Connection, object_type: str, external_id: str) -> None:
    """The partner has it no more, whatever comes late of it. What of ours it was is still known."""
    ExternalLink.objects.update_or_create(
        connection=known,
        object_type=object_type,
        external_id=external_id,
        defaults={"local_type": GONE, "remote": {}, "pushed": {}},
        create_defaults={"local_type": GONE, "local_id": 0},
    )


def is_lost(known: Connection, object_type: str, external_id: str) -> bool:
    gone = ExternalLink.objects.filter(connection=known, object_type=object_type, external_id=external_id)
    return gone.filter(local_type=GONE).exists()


def bury(customer_id: int) -> None:
    """Of a customer who is being erased: no link is left, and nobody comes back under the ids they had."""
    known_as = ExternalIdentity.objects.filter(customer_id=customer_id).values_list("source", "external_id")
    ids: dict[str, list[str]] = {}
    for source, external_id in known_as:
        ids.setdefault(source, []).append(external_id)
    for known in Connection.objects.filter(provider__in=ids).only("provider"):
        bury_ids(known, ids[known.provider], customer_id=customer_id)
    of_customer(customer_id).delete()


def of_customer(customer_id: int) -> models.QuerySet[ExternalLink]:
    """Those by which accounts know them, or knew them."""
    return ExternalLink.objects.filter(object_type=CUSTOMER, local_id=customer_id)


def exhume(known: Connection, customer_id: int) -> None:
    """Nobody asked for them by name: should the account come back, so may they."""
    ExternalLink.objects.filter(connection=known, object_type=ERASED, local_id=customer_id).delete()


def bury_ids(known: Connection, external_ids: Iterable[str], *, customer_id: int = 0) -> None:
    """Nobody is known under them again. `customer_id` is who was, if anybody."""
    buried = [
        ExternalLink(
            connection=known,
            object_type=ERASED,
            external_id=mark(one, context=_PEOPLE),
            local_type=CUSTOMER,
            local_id=customer_id,
        )
        for one in external_ids
    ]
    ExternalLink.objects.bulk_create(buried, ignore_conflicts=True)


def one_at_a_time(known: Connection, external_id: str) -> None:
    """Until the caller's transaction ends: who makes a person of an id, and who buries it, are never both at it."""
    hold(f"{known.provider}:{known.pk}:person:{external_id}")


def is_buried(known: Connection, external_id: str) -> bool:
    """Whether the person was erased."""
    return buried_at(known, external_id) is not None


def buried_at(known: Connection, external_id: str) -> datetime | None:
    """When the person was erased; None when they were not."""
    theirs = marks(external_id, context=_PEOPLE)
    buried = ExternalLink.objects.filter(connection=known, object_type=ERASED, external_id__in=theirs)
    return buried.order_by("created_at").values_list("created_at", flat=True).first()


def linked_customers(known: Connection, *, after: int, limit: int) -> list[int]:
    """Ids of customers that the account told of, in their order, erased ones left out."""
    links = ExternalLink.objects.filter(connection=known, object_type=CUSTOMER, local_id__gt=after)
    there = Customer.objects.filter(pk__in=links.values("local_id"), erased_at__isnull=True)
    return list(there.order_by("pk").values_list("pk", flat=True)[:limit])


def is_echo(link: ExternalLink, name: str, value: str, *, now: datetime) -> bool:
    """Whether it is what we wrote there a moment ago."""
    written: Any = link.pushed.get(name)
    return bool(written) and now - datetime.fromisoformat(written[1]) <= ECHO_FOR and is_digest(written[0], value)


def buried_by_key() -> Mapping[str, int]:
    """How many marks of erased people each key made."""
    return count_by_key(f"SELECT external_id FROM integrations_externallink WHERE object_type = '{ERASED}'")  # noqa: S608


def told_by_key() -> Mapping[str, int]:
    """How many hashes of what partners told last each key made."""
    return count_by_key(
        "SELECT found[1] FROM integrations_externallink,"
        r""" regexp_matches(remote::text, '"([0-9a-f]{8}:[0-9a-f]{55}|[0-9a-f]{64})"(?!:)', 'g') found"""
    )

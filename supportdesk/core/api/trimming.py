"""`?fields=`: an answer with only the members that the caller wants, for which only those are read."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from supportdesk.core.errors import InvalidInput

PARAMETER = "fields"
Wanted = dict[str, set[str]]  # member to the members wanted of it; empty: the whole of it


def choices(serializer: serializers.BaseSerializer[Any]) -> list[str]:
    """Everything that `?fields=` may name."""
    return [
        name
        for member, inner in _members(serializer).items()
        for name in (member, *(f"{member}.{part}" for part in sorted(inner)))
    ]


def wanted_of(request: Request, serializer: serializers.BaseSerializer[Any]) -> Wanted | None:
    """What `?fields=id,customer.name` names; None without it. Raises InvalidInput for what no answer has."""
    given = request.query_params.get(PARAMETER)
    if given is None:
        return None
    known = _members(serializer)
    wanted: Wanted = {}
    for name in given.split(","):
        head, _, tail = name.strip().partition(".")
        if head not in known or (tail and tail not in known[head]):
            names = ", ".join(known)
            raise InvalidInput.on(PARAMETER, f"Must name fields of the answer. There are: {names}.", "unknown")
        inner = wanted.setdefault(head, set())
        if tail:
            inner.add(tail)
    return wanted


def trim(serializer: serializers.BaseSerializer[Any], wanted: Wanted | None) -> None:
    """Takes out of the serializer what is not wanted."""
    if wanted is None:
        return
    whole = _single(serializer)
    for name in set(whole.fields) - set(wanted):
        del whole.fields[name]
    for name, inner in wanted.items():
        if inner:
            part = _single(whole.fields[name])
            for other in set(part.fields) - inner:
                del part.fields[other]


def narrow(
    rows: QuerySet[Any], serializer: serializers.BaseSerializer[Any], wanted: Wanted | None, *, keep: Iterable[str]
) -> QuerySet[Any]:
    """The rows with only those columns and relations that the trimmed serializer shows, and the columns in `keep`.

    Members that are computed may need any column, so with one of those the rows stay whole.
    """
    if wanted is None:
        return rows
    related, columns, plain = set(), set(keep), True
    prefetched = {str(lookup).split("__")[0] for lookup in rows._prefetch_related_lookups}  # type: ignore[attr-defined]
    for member in _single(serializer).fields.values():
        source = str(member.source)
        if source in prefetched:
            continue
        try:
            field = rows.model._meta.get_field(source.removesuffix("_id"))
        except FieldDoesNotExist:
            plain = plain and source in rows.query.annotations
            continue
        if isinstance(field, ForeignKey) and not source.endswith("_id"):
            related.add(source)
            columns |= {source, *(f"{source}__{inner.source}" for inner in _single(member).fields.values())}
        else:
            columns.add(source)
    unwanted = prefetched - {str(member.source) for member in _single(serializer).fields.values()}
    if unwanted:
        kept = [lookup for lookup in rows._prefetch_related_lookups if str(lookup).split("__")[0] not in unwanted]  # type: ignore[attr-defined]
        rows = rows.prefetch_related(None).prefetch_related(*kept)
    rows = rows.select_related(None).select_related(*related) if related else rows.select_related(None)
    return rows.only(*columns, "pk") if plain else rows


def _single(serializer: Any) -> Any:
    return getattr(serializer, "child", serializer)


def _members(serializer: Any) -> dict[str, set[str]]:
    """Names of the members, each with those of its own."""
    return {
        name: set(inner.fields) if isinstance(inner := _single(member), serializers.Serializer) else set()
        for name, member in _single(serializer).fields.items()
    }

"""What every view of the API has in common."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from supportdesk.core.actor import Actor
from supportdesk.core.api import idempotency, trimming
from supportdesk.core.api.filters import StrictFilterBackend, refuse_unknown
from supportdesk.core.api.pagination import KeysetPagination, Ordering
from supportdesk.core.api.permissions import Credential
from supportdesk.core.errors import InvalidInput, NotFound

VERSION_HEADER = "If-Match"
VERSION = r'\*|(?:W/)?"?([0-9]{1,10})"?'


class ApiViewSet(viewsets.GenericViewSet[Any]):
    """Load, one call, translate.

    `allowed` names the roles of each action; `orderings` the sort orders of a list, the default first; `credentials`
    the actions whose answer is one, and so is never kept for an Idempotency-Key; `shown_once` the members of an answer
    to a POST that are not repeated when the POST is; `waiting` the actions that wait for a partner, who must not hold a
    transaction meanwhile: they see to an Idempotency-Key themselves.
    """

    allowed: ClassVar[Mapping[str, frozenset[str]]] = {}
    orderings: ClassVar[Mapping[str, Ordering]] = {}
    credentials: ClassVar[frozenset[str]] = frozenset()
    shown_once: ClassVar[frozenset[str]] = frozenset()
    waiting: ClassVar[frozenset[str]] = frozenset()
    queryset: Any = None
    shown: Sequence[Any] = ()  # the rows of the page that is answered
    post: Any  # the action of the route's POST, where it has one

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After every check: a POST that names an Idempotency-Key goes through the one place that knows what it did."""
        super().initial(request, *args, **kwargs)
        if request.method != "POST" or request.auth is None or self.action in self.credentials | self.waiting:
            return
        key = idempotency.key_of(request)
        if key is not None:
            work = self.post

            def once(request: Request, *args: Any, **kwargs: Any) -> Response:
                return idempotency.once(
                    lambda: work(request, *args, **kwargs),
                    request=request,
                    key=key,
                    actor=self.actor,
                    check_reach=lambda: self.check_reach(**kwargs),
                    shown_once=self.shown_once,
                )

            self.post = once

    def check_reach(self, **path: Any) -> None:
        """Raises NotFound when the object in the path is out of the caller's sight."""

    @property
    def actor(self) -> Actor:
        return cast(Credential, self.request.auth).actor

    @property
    def now(self) -> datetime:
        """The clock, read here at the edge and passed down."""
        return timezone.now()

    def read(self, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The validated body. Raises ValidationError naming each field."""
        actor = self.actor if self.request.auth else None
        serializer = serializer_class(data=self.request.data, context={"actor": actor})
        serializer.is_valid(raise_exception=True)
        return cast("dict[str, Any]", serializer.validated_data)

    def page(
        self,
        queryset: QuerySet[Any],
        serializer_class: type[serializers.BaseSerializer[Any]],
        *,
        parts: Sequence[QuerySet[Any]] = (),
    ) -> Response:
        """One page of what the filters leave of the queryset, trimmed to `?fields=`.

        With `parts`, of what they leave of these together: see KeysetPagination.paginate.
        """
        context: dict[str, Any] = {"actor": self.actor}
        serializer = serializer_class(context=context)
        wanted = trimming.wanted_of(self.request, serializer)
        trimming.trim(serializer, wanted)
        keep = {ordering.column for ordering in self.orderings.values()}
        found = self.filtered(parts or [queryset])
        whole = trimming.narrow(queryset if parts else found[0], serializer, wanted, keep=keep)
        paginator = cast(KeysetPagination, self.paginator)
        self.shown = paginator.paginate(whole, self.request, self, parts=found if parts else ())
        context |= self.beside(self.shown)
        return self.get_paginated_response([serializer.to_representation(row) for row in self.shown])

    def filtered(self, parts: Sequence[QuerySet[Any]]) -> list[QuerySet[Any]]:
        """What the filters leave of each."""
        return StrictFilterBackend().filter_parts(self.request, parts, self)

    def beside(self, rows: Sequence[Any]) -> dict[str, Any]:
        """What the serializer of a page, or of the one row that is asked for, needs to know beside it."""
        return {}

    def found(self, queryset: QuerySet[Any], serializer_class: type[serializers.BaseSerializer[Any]]) -> Response:
        """The one row of the queryset, trimmed to `?fields=`, with its version. Raises NotFound."""
        refuse_unknown(self.request, {trimming.PARAMETER})
        context: dict[str, Any] = {"actor": self.actor}
        serializer = serializer_class(context=context)
        wanted = trimming.wanted_of(self.request, serializer)
        trimming.trim(serializer, wanted)
        row = trimming.narrow(queryset, serializer, wanted, keep={"version"}).first()
        if row is None:
            raise NotFound
        context |= self.beside([row])
        return versioned(serializer.to_representation(row), row.version)


def versioned(data: Any, version: int, *, status: int = 200) -> Response:
    """An answer whose ETag is the object's version."""
    return Response(data, status=status, headers={"ETag": f'"{version}"'})


def expected_version(request: Request) -> int | None:
    """The version in If-Match; None when the header is missing or `*`. Raises InvalidInput for anything else."""
    header = request.headers.get(VERSION_HEADER, "*").strip()
    match = re.fullmatch(VERSION, header)
    if match is None:
        detail = 'Must be the version in quotes, as ETag gave it: "3".'
        raise InvalidInput.on(VERSION_HEADER, detail, "invalid_version")
    return None if header == "*" else int(match[1])

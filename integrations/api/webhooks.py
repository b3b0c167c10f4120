"""The doors of partners: believe, store, answer. Nothing is asked of anybody, and nothing is worked off here."""

from typing import Any, ClassVar, Protocol, Self, cast

from django.conf import settings
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import intake
from integrations.enums import Provider
from integrations.intake import Unverified
from supportdesk.core.api.guards import body_too_large
from supportdesk.core.api.permissions import ANYONE
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet

EXAMPLE = {"id": 7, "updated_at": "2026-11-23T10:00:00Z"}


class _Readable(Protocol):
    def read(self, size: int) -> bytes: ...


class AnyAnswer(BaseContentNegotiation):
    """Partners look at the status alone, whatever they say that they accept."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class WebhookViewSet(ApiViewSet):
    allowed: ClassVar = {"take_in": frozenset({ANYONE}), "take_in_of_app": frozenset({ANYONE})}
    authentication_classes = ()
    throttle_classes = ()  # a partner that is turned away stops sending; what is not signed is not stored
    content_negotiation_class = AnyAnswer
    provider: ClassVar[Provider]

    @classmethod
    def of(cls, provider: Provider) -> type[Self]:
        return cast("type[Self]", type(f"{provider.label}WebhookViewSet", (cls,), {"provider": provider}))

    @operation(
        "Take in what a partner sends",
        takes={"application/json": {"type": "object", "additionalProperties": True}},
        request_example=EXAMPLE,
        status=202,
        errors=[Unverified],
        description="Signed by the partner. Answered once it is stored, a repetition as well; worked off later.",
    )
    def take_in(self, request: Request, public_id: str) -> Response:
        return self._take_in(request, public_id)

    @operation(
        "Take in what a partner sends to the app's own address",
        takes={"application/json": {"type": "object", "additionalProperties": True}},
        request_example=EXAMPLE,
        status=202,
        errors=[Unverified],
        description="As at the address of a connection; the account is the one that the signed body names.",
        operation_id="integrations_shopify_app_webhook_create",
    )
    def take_in_of_app(self, request: Request) -> Response:
        return self._take_in(request, None)

    def _take_in(self, request: Request, public_id: str | None) -> Response:
        body = cast(_Readable, request._request).read(settings.MAX_WEBHOOK_BYTES + 1)
        if len(body) > settings.MAX_WEBHOOK_BYTES:
            raise body_too_large(settings.MAX_WEBHOOK_BYTES)
        headers = {name.lower(): value for name, value in request.headers.items()}
        intake.take_in(provider=self.provider, public_id=public_id, headers=headers, raw=body, now=self.now)
        return Response(status=202)

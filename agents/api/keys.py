"""API keys: made, listed and revoked by administrators."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from agents import keys
from agents.api import examples
from agents.api.serializers import ApiKeyCreate, ApiKeyIssued, ApiKeyOut
from agents.enums import Role
from agents.models import ApiKey
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet

ADMINS = frozenset({Role.ADMIN.value})


class ApiKeyViewSet(ApiViewSet):
    allowed: ClassVar = dict.fromkeys(("list", "create", "destroy"), ADMINS)
    orderings: ClassVar = {"-id": Ordering("pk", descending=True), "id": Ordering("pk")}
    shown_once = frozenset({"key"})
    queryset = ApiKey.objects.none()

    @operation("List API keys", returns=ApiKeyOut(many=True), example=examples.API_KEY)
    def list(self, request: Request) -> Response:
        """Expired and revoked keys too; never the keys themselves."""
        return self.page(ApiKey.objects.visible_to(self.actor), ApiKeyOut)

    @operation(
        "Create an API key",
        takes=ApiKeyCreate,
        request_example=examples.API_KEY_CREATE,
        returns=ApiKeyIssued,
        example=examples.API_KEY_ISSUED,
        status=201,
    )
    def create(self, request: Request) -> Response:
        """The answer holds the key, this once; only its hash is kept. Send it as `X-API-Key`."""
        issued = keys.issue(**self.read(ApiKeyCreate), by=self.actor, now=self.now)
        return Response({**ApiKeyOut(issued.key).data, "key": issued.text}, status=201)

    @operation("Revoke an API key", status=204)
    def destroy(self, request: Request, pk: int) -> Response:
        """Refused from the next request on. The row stays, so that what the key did keeps its name."""
        keys.revoke(key_id=pk, by=self.actor, now=self.now)
        return Response(status=204)

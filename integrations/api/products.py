"""Products, asked of the shop when an agent looks at one."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from agents.enums import EVERY_ROLE
from integrations.api import examples
from integrations.api.serializers import ProductOut
from integrations.enums import Provider
from integrations.models import Connection
from integrations.shopify import products
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet
from supportdesk.core.errors import NotFound, Unavailable
from supportdesk.core.http import GatewayError

ASK_AGAIN = 10  # seconds


class ShopAway(Unavailable):
    """The shop does not answer. Nothing is shown instead: it may be wrong by now."""

    code = "shop_away"


class ProductViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": EVERY_ROLE}
    queryset = Connection.objects.none()

    @operation("Get a product of a shop", returns=ProductOut, example=examples.PRODUCT, errors=[ShopAway])
    def retrieve(self, request: Request, pk: int) -> Response:
        """As the shop tells it now, or told it within the last five minutes. `id` is Shopify's."""
        away = False
        for known in Connection.objects.active(Provider.SHOPIFY).order_by("pk"):
            try:
                found = products.read(known, str(pk))
            except GatewayError:
                away = True
                continue
            if found is not None:
                return Response(ProductOut(found).data)
        if away:
            raise ShopAway("The shop does not answer.", retry_after=ASK_AGAIN)
        raise NotFound

"""What a person may ask for, asked by an administrator for them. The door where the apps' parts come together."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from agents.enums import Role
from customers import privacy
from customers.api import examples
from customers.api.serializers import CustomerOut, ErasureRequest, PersonalData
from customers.models import Customer
from supportdesk.core.api.filters import refuse_unknown
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet, versioned
from tickets.services.privacy import export

ADMINS = frozenset({Role.ADMIN.value})


class PrivacyViewSet(ApiViewSet):
    allowed: ClassVar = {"export": ADMINS, "erase": ADMINS}
    queryset = Customer.objects.none()

    @operation("Export a customer's data", returns=PersonalData, example=examples.PERSONAL_DATA)
    def export(self, request: Request, pk: int) -> Response:
        """Everything that is kept of the person, with every conversation; without agents' notes."""
        refuse_unknown(request, ())
        return Response(export(customer_id=pk, by=self.actor, now=self.now))

    @operation(
        "Erase a customer's data",
        takes=ErasureRequest,
        request_example={"confirm": "erase"},
        returns=CustomerOut,
        example=examples.ERASED,
    )
    def erase(self, request: Request, pk: int) -> Response:
        """For good: name, addresses, identities, and every text and file of their tickets. Numbers and times stay."""
        self.read(ErasureRequest)
        customer = privacy.erase(customer_id=pk, by=self.actor, now=self.now)
        return versioned(CustomerOut(customer).data, customer.version)

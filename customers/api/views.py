"""Customers. Their tickets are served by tickets.api."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from agents.enums import EVERY_ROLE, Scope
from customers import audit, services
from customers.api import examples
from customers.api.filters import CustomerFilter
from customers.api.serializers import CustomerCreate, CustomerDetail, CustomerOut, CustomerUpdate, OrderOut
from customers.models import Customer, CustomerQuerySet, Order
from supportdesk.core.api import trimming
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet, expected_version, versioned
from supportdesk.core.errors import NotFound, StaleVersion
from tickets.services import advising


class CustomerViewSet(ApiViewSet):
    allowed: ClassVar = {
        "list": EVERY_ROLE | {Scope.CUSTOMERS_READ},
        "create": EVERY_ROLE | {Scope.CUSTOMERS_WRITE},
        "retrieve": EVERY_ROLE | {Scope.CUSTOMERS_READ},
        "partial_update": EVERY_ROLE | {Scope.CUSTOMERS_WRITE},
    }
    orderings: ClassVar = {
        "-created_at": Ordering("created_at", descending=True),
        "created_at": Ordering("created_at"),
        "-updated_at": Ordering("updated_at", descending=True),
        "updated_at": Ordering("updated_at"),
    }
    filterset_class = CustomerFilter
    queryset = Customer.objects.none()

    @operation("List customers", returns=CustomerOut(many=True), example=examples.CUSTOMER)
    def list(self, request: Request) -> Response:
        seen = Customer.objects.visible_to(self.actor)
        answer = self.page(Customer.objects.prefetch_related("identities"), CustomerOut, parts=[seen])
        audit.record_listing(
            ids=[customer.pk for customer in self.shown],
            parameters=request.query_params,
            through="list",
            by=self.actor,
            now=self.now,
        )
        return answer

    @operation(
        "Create a customer",
        takes=CustomerCreate,
        request_example=examples.CREATE,
        returns=CustomerOut,
        example=examples.CUSTOMER,
        status=201,
        errors=[services.IdentityTaken],
    )
    def create(self, request: Request) -> Response:
        """One customer per e-mail address: a second one with the same address is a conflict."""
        data = self.read(CustomerCreate)
        identities = [services.Identity(**identity) for identity in data.pop("identities", [])]
        customer = services.create_customer(**data, identities=identities, by=self.actor, now=self.now)
        return versioned(CustomerOut(customer).data, customer.version, status=201)

    @operation("Get a customer", returns=CustomerDetail, example=examples.DETAIL)
    def retrieve(self, request: Request, pk: int) -> Response:
        answer = self.found(self._visible().filter(pk=pk), CustomerDetail)
        audit.record_read(customer_id=pk, through="record", by=self.actor, now=self.now)
        return answer

    @operation(
        "Change a customer",
        takes=CustomerUpdate,
        request_example=examples.UPDATE,
        returns=CustomerOut,
        example=examples.CUSTOMER | {"phone": None, "language": "en", "version": 2},
        errors=[services.IdentityTaken, services.Erased],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        by, now, changes = self.actor, self.now, self.read(CustomerUpdate)
        try:
            customer = services.update_customer(
                customer_id=pk, changes=changes, by=by, now=now, expected_version=expected_version(request)
            )
        except StaleVersion:
            audit.record_read(customer_id=pk, through="record", by=by, now=now)  # the refusal says what is there now
            raise
        if customer.updated_at != now:
            audit.record_read(customer_id=pk, through="record", by=by, now=now)  # what changes nothing is a reading
        return versioned(CustomerOut(customer).data, customer.version)

    def beside(self, rows: Sequence[Any]) -> dict[str, Any]:
        """Of a list, nothing: it never waits for Quimbi."""
        if self.action != "retrieve":
            return {}
        wanted = trimming.wanted_of(self.request, CustomerDetail())
        if wanted is not None and "dna" not in wanted:
            return {}
        pk: int = rows[0].pk
        return {"dna": advising.dna_of(pk)}

    def _visible(self) -> CustomerQuerySet:
        return Customer.objects.visible_to(self.actor).prefetch_related("identities")


class OrderViewSet(ApiViewSet):
    allowed: ClassVar = {"list": EVERY_ROLE | {Scope.CUSTOMERS_READ}}
    orderings: ClassVar = {"-ordered_at": Ordering("ordered_at", descending=True)}
    queryset = Order.objects.none()

    @operation("List a customer's orders", returns=OrderOut(many=True), example=examples.ORDER)
    def list(self, request: Request, pk: int) -> Response:
        """As their shop told them last, the newest first."""
        if not Customer.objects.visible_to(self.actor).filter(pk=pk).exists():
            raise NotFound
        answer = self.page(Order.objects.filter(customer=pk), OrderOut)
        audit.record_read(customer_id=pk, through="orders", by=self.actor, now=self.now)
        return answer

"""Customers and their identities in other systems."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, HashIndex, OpClass
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject, Upper
from django.utils.timezone import now

from agents.enums import Scope
from customers.enums import IdentitySource, Tier
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.crypto import EncryptedTextField

NO_TICKETS, ANYBODY = "new", "all"


class CustomerQuerySet(models.QuerySet["Customer"]):
    def visible_to(self, actor: Actor) -> "CustomerQuerySet":
        """Customers who have a ticket the actor sees, or no ticket at all.

        `seen_by` finds them; whether it is so is asked of their tickets. Those stand to the right of this app, and are
        reached through the relation they declare, so that their own rule is asked and not repeated.
        """
        if not actor.may(Scope.CUSTOMERS_READ):
            return self.none()
        if actor.sees_everything:
            return self
        tickets: Any = self.model._meta.get_field("tickets").related_model._default_manager
        theirs = tickets.filter(customer_id=OuterRef("pk"))
        # As scalars: EXISTS would be answered by reading every ticket that the actor sees, once for all customers.
        one, one_seen = (Subquery(some.values("pk")[:1]) for some in (theirs, theirs.visible_to(actor)))
        found = self.filter(seen_by__overlap=_keys_of(actor)).alias(one=one, one_seen=one_seen)
        return found.filter(Q(one_seen__isnull=False) | Q(one__isnull=True))

    def with_identities(self) -> "CustomerQuerySet":
        """With what `known_as` tells, for one customer at no statement of its own."""
        return self.annotate(identities_read=identities_of("pk"))


def identities_of(customer: str) -> ArraySubquery:
    """The identities of the customer whose id is in this column, as Customer.identities_read."""
    theirs = ExternalIdentity.objects.filter(customer=OuterRef(customer)).order_by("source", "id")
    return ArraySubquery(theirs.values(identity=JSONObject(source="source", external_id="external_id")))


def _keys_of(actor: Actor) -> list[str]:
    """What the actor sees customers by."""
    keys = [NO_TICKETS, ANYBODY, *(f"d{pk}" for pk in sorted(actor.departments or ()))]
    return [*keys, f"a{actor.id}"] if actor.kind == ActorKind.PERSON else keys


def no_tickets() -> list[str]:
    return [NO_TICKETS]


class Customer(models.Model):
    """Somebody who asks for help. One customer per normalised e-mail address.

    E-mail, phone and address are ciphertext at rest; the first two are found by exact match through a keyed hash of
    their normalised form. The name stays plain, for search by similarity.
    """

    name = models.CharField(max_length=200)
    email = EncryptedTextField(null=True)
    email_index = models.CharField(max_length=64, null=True, unique=True, editable=False)
    phone = EncryptedTextField(null=True)
    phone_index = models.CharField(max_length=64, null=True, db_index=True, editable=False)
    address = EncryptedTextField(null=True)
    timezone = models.CharField(max_length=64, blank=True, help_text="IANA name such as Europe/Berlin.")
    language = models.CharField(max_length=16, blank=True, help_text="ISO 639-1 code such as en or pt-br.")
    tier = models.CharField(
        max_length=16,
        choices=Tier.choices,
        default=Tier.STANDARD,
        db_default=Tier.STANDARD,
        help_text="A VIP's tickets go to seniors first.",
    )
    attributes = models.JSONField(default=dict, blank=True)
    seen_by = ArrayField(
        models.CharField(max_length=24),
        default=no_tickets,
        editable=False,
        help_text="Whom to ask for: `new` without tickets; else `d7` when one is department 7's, `all` when one has no "
        "department, `a9` when one is agent 9's. Kept by the database itself; may name too many, never too few.",
    )
    erased_at = models.DateTimeField(null=True, help_text="When everything personal was removed, for good.")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="customer_tier_known"),
            models.CheckConstraint(condition=Q(updated_at__gte=F("created_at")), name="customer_updated_once_created"),
            models.CheckConstraint(
                condition=Q(email__isnull=True, email_index__isnull=True)
                | Q(email__isnull=False, email_index__isnull=False),
                name="customer_email_and_index_together",
            ),
            models.CheckConstraint(
                condition=Q(phone__isnull=True, phone_index__isnull=True)
                | Q(phone__isnull=False, phone_index__isnull=False),
                name="customer_phone_and_index_together",
            ),
        ]
        indexes: ClassVar = [
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="customer_name_trigram"),
            GinIndex(fields=["seen_by"], name="customer_seen_by"),
            # A list of tickets shows fifty names: by hash each is two pages away, however many customers there are.
            HashIndex(fields=["id"], name="customer_by_id"),
            # With what the list is searched by, so that a page is found without reading customers who are not on it.
            models.Index(
                fields=["created_at", "id"], include=["name", "seen_by", "updated_at"], name="customer_created"
            ),
            models.Index(
                fields=["updated_at", "id"], include=["name", "seen_by", "created_at"], name="customer_updated"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def known_as(self) -> Any:
        """Source and id in other systems, of each identity; at no cost if they were read along."""
        return self.identities_read if hasattr(self, "identities_read") else self.identities.all()

    def touch(self, now: datetime) -> None:
        """One version more, written at `now` though never before it was made; the caller saves."""
        self.version += 1
        self.updated_at = max(now, self.created_at)


class ExternalIdentityQuerySet(models.QuerySet["ExternalIdentity"]):
    def visible_to(self, actor: Actor) -> "ExternalIdentityQuerySet":
        """Those of the customers the actor sees."""
        if not actor.may(Scope.CUSTOMERS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(customer__in=Customer.objects.visible_to(actor))


class ExternalIdentity(models.Model):
    """The id a customer has in another system."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="identities")
    source = models.CharField(max_length=32, choices=IdentitySource.choices)
    external_id = models.CharField(max_length=191)

    objects = ExternalIdentityQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["source", "id"]
        verbose_name_plural = "external identities"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "external_id"], name="identity_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.source}:{self.external_id}"


class OrderQuerySet(models.QuerySet["Order"]):
    def visible_to(self, actor: Actor) -> "OrderQuerySet":
        """Those of the customers the actor sees."""
        if not actor.may(Scope.CUSTOMERS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(customer__in=Customer.objects.visible_to(actor))


class Order(models.Model):
    """What a customer bought, as the shop told it last: a snapshot, which only the shop changes."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders", db_index=False)
    source = models.CharField(max_length=32, choices=IdentitySource.choices)
    external_id = models.CharField(max_length=191)
    account = models.CharField(max_length=100, blank=True, db_default="", help_text="Which shop it is of.")
    number = models.CharField(max_length=64, blank=True, help_text="What the shop calls it, such as #1042.")
    payment = models.CharField(max_length=32, blank=True, help_text="The shop's word, such as paid.")
    fulfilment = models.CharField(max_length=32, blank=True, help_text="The shop's word, such as fulfilled.")
    total = models.DecimalField(max_digits=19, decimal_places=4)
    currency = models.CharField(max_length=3, help_text="ISO 4217.")
    items = models.JSONField(default=list, blank=True)
    parcels = models.JSONField(default=list, blank=True)
    ordered_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(help_text="How old the snapshot is, by the clock of the shop.")

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "external_id"], name="order_unique"),
            models.CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="order_currency_code"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["customer", "-ordered_at", "-id"], name="order_customer_newest"),
            models.Index(fields=["account"], condition=~Q(account=""), name="order_account"),
        ]

    def __str__(self) -> str:
        return self.number or f"{self.source}:{self.external_id}"

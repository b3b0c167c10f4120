"""Customers and their identities in other systems."""

from typing import Any, ClassVar

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Upper
from django.utils.timezone import now

from agents.enums import Scope
from customers.enums import IdentitySource, Tier
from supportdesk.core.actor import Actor
from supportdesk.core.crypto import EncryptedTextField


class CustomerQuerySet(models.QuerySet["Customer"]):
    def visible_to(self, actor: Actor) -> "CustomerQuerySet":
        """Customers who have a ticket the actor sees, or no ticket at all.

        Tickets stand to the right of this app; they are reached through the relation they declare, so that their own
        rule is asked and not repeated.
        """
        if not actor.may(Scope.CUSTOMERS_READ):
            return self.none()
        if actor.sees_everything:
            return self
        tickets: Any = self.model._meta.get_field("tickets").related_model._default_manager
        theirs = tickets.filter(customer_id=OuterRef("pk"))
        return self.filter(Exists(theirs.visible_to(actor)) | ~Exists(theirs))


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
    erased_at = models.DateTimeField(null=True, help_text="When everything personal was removed, for good.")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="customer_tier_known"),
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
            models.Index(fields=["created_at", "id"], name="customer_created"),
            models.Index(fields=["updated_at", "id"], name="customer_updated"),
        ]

    def __str__(self) -> str:
        return self.name


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

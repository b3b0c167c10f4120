"""Reading customers."""

from django.conf import settings
from django.db.models import Q, Value
from django.db.models.functions import Upper

from customers.identity import email_indexes, normalised_email, normalised_phone, phone_indexes
from customers.models import Customer, CustomerQuerySet
from supportdesk.core.lookups import holding


def with_email(customers: CustomerQuerySet, email: str) -> CustomerQuerySet:
    """Exact match of the normalised address. Raises InvalidInput when it is not one."""
    return customers.filter(email_index__in=email_indexes(normalised_email(email)))


def with_phone(customers: CustomerQuerySet, phone: str) -> CustomerQuerySet:
    """Exact match of the normalised number. Raises InvalidInput when it is not one."""
    return customers.filter(phone_index__in=phone_indexes(normalised_phone(phone, region=settings.PHONE_REGION)))


def known_by_email(email: str) -> Customer | None:
    """Whose address it is. Raises InvalidInput when it is none."""
    return with_email(Customer.objects.all(), email).first()


def known_by_phone(phone: str, *, email: str | None) -> Customer | None:
    """Whose number it is, if it is of one customer only, and not of one who writes from another address than `email`.

    Raises InvalidInput when it is no number.
    """
    same = list(with_phone(Customer.objects.all(), phone)[:2])
    return same[0] if len(same) == 1 and not (email and same[0].email) else None


def named(customers: CustomerQuerySet, text: str) -> CustomerQuerySet:
    """Names that hold the text in any case, or a word much like it (word similarity of PostgreSQL's pg_trgm)."""
    alike = Q(folded__trigram_word_similar=Upper(Value(text)))
    return customers.alias(folded=Upper("name")).filter(holding("name", text) | alike)

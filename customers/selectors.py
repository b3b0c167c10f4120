"""Reading customers."""

from django.conf import settings
from django.db.models import Q, Value
from django.db.models.functions import Upper

from customers.identity import email_indexes, normalised_email, normalised_phone, phone_indexes
from customers.models import CustomerQuerySet
from supportdesk.core.lookups import holding


def with_email(customers: CustomerQuerySet, email: str) -> CustomerQuerySet:
    """Exact match of the normalised address. Raises InvalidInput when it is not one."""
    return customers.filter(email_index__in=email_indexes(normalised_email(email)))


def with_phone(customers: CustomerQuerySet, phone: str) -> CustomerQuerySet:
    """Exact match of the normalised number. Raises InvalidInput when it is not one."""
    return customers.filter(phone_index__in=phone_indexes(normalised_phone(phone, region=settings.PHONE_REGION)))


def named(customers: CustomerQuerySet, text: str) -> CustomerQuerySet:
    """Names that hold the text in any case, or a word much like it (word similarity of PostgreSQL's pg_trgm)."""
    alike = Q(folded__trigram_word_similar=Upper(Value(text)))
    return customers.alias(folded=Upper("name")).filter(holding("name", text) | alike)

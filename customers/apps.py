from django.apps import AppConfig


class CustomersConfig(AppConfig):
    """The people who ask: contact data, encrypted at rest, and their identities in other systems."""

    name = "customers"

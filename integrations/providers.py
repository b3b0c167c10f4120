"""Webhooks: whose we take. To add a provider, or a topic to one, is a row here or in the table that it names."""

from collections.abc import Mapping

from django.conf import settings
from django.utils.module_loading import import_string

from integrations.contract import Inbox
from integrations.enums import Provider
from integrations.gorgias import webhooks as gorgias
from integrations.shopify import webhooks as shopify

INBOXES: Mapping[Provider, Inbox] = {
    Provider.GORGIAS: gorgias.INBOX,
    Provider.SHOPIFY: shopify.INBOX,
}


def inbox_of(provider: Provider | str) -> Inbox:
    """By the table that the settings name. Raises KeyError for a provider that sends us nothing."""
    table: Mapping[Provider, Inbox] = import_string(settings.INBOXES)
    return table[Provider(provider)]

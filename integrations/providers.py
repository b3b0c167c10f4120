"""What there is of each provider: whose webhooks we take, who is connected on a page of theirs, whose tokens we renew.

To add a provider, or a topic to one, is a row here or in the table that it names. This stands above the parts that it
puts together: what a provider does may use connections and tokens, which know of no provider's work.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from integrations.contract import Inbox
from integrations.enums import Provider
from integrations.gorgias import access as gorgias_access
from integrations.gorgias import registration as gorgias_registration
from integrations.gorgias import webhooks as gorgias
from integrations.models import Connection
from integrations.oauth import Authorization
from integrations.shopify import access as shopify_access
from integrations.shopify import authorization as shopify_authorization
from integrations.shopify import inbound as shopify_inbound
from integrations.shopify import subscriptions as shopify_subscriptions
from integrations.shopify import webhooks as shopify
from integrations.tokens import Refresh

INBOXES: Mapping[Provider, Inbox] = {
    Provider.GORGIAS: gorgias.INBOX,
    Provider.SHOPIFY: replace(shopify.INBOX, processors=shopify_inbound.PROCESSORS),
}
AUTHORIZATIONS: Mapping[Provider, Authorization] = {
    Provider.GORGIAS: gorgias_access.AUTHORIZATION,
    Provider.SHOPIFY: shopify_authorization.AUTHORIZATION,
}
REFRESHES: Mapping[Provider, Refresh] = {
    Provider.GORGIAS: gorgias_access.refresh,
    Provider.SHOPIFY: shopify_access.refresh,
}
# Has a provider tell us of what it does not yet, and answers what that is.
REGISTRARS: Mapping[Provider, Callable[[Connection], Sequence[str]]] = {
    Provider.GORGIAS: gorgias_registration.register_missing,
    Provider.SHOPIFY: shopify_subscriptions.register,
}

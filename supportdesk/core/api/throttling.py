"""Requests per minute: per agent and per key, so that colleagues behind one address never share a limit."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from supportdesk.core import limits
from supportdesk.core.api.permissions import actor_of
from supportdesk.core.limits import Limit, TooManyRequests
from supportdesk.core.network import client_network

WINDOW_SECONDS = 60


class CallerRate(BaseThrottle):
    """Raises TooManyRequests. Without a credential the network is the caller. Serves on without Redis."""

    def allow_request(self, request: Request, view: Any) -> bool:
        actor = actor_of(request)
        if actor is None:
            subject, allowed = f"network:{client_network(request)}", settings.ANONYMOUS_REQUESTS_PER_MINUTE
        else:
            subject, allowed = f"{actor.kind}:{actor.id}", settings.REQUESTS_PER_MINUTE
        limit = Limit(name="requests", allowed=allowed, seconds=WINDOW_SECONDS, strict=False)
        wait = limits.take(limit, subject)
        if wait:
            raise TooManyRequests(f"More than {allowed} requests in a minute.", retry_after=wait)
        return True

"""Which pages may open a WebSocket: browsers let any page do so, and only say where it is from."""

from typing import Any
from urllib.parse import urlsplit

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http.request import validate_host
from django.utils.http import is_same_domain


class OriginCheck:
    """Refuses the handshake (403) unless it names one origin, and that is an allowed one.

    Channels' own validator raises on an Origin that is no URL, which would be a 500.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        origins = origins_of(scope)
        allowed = len(origins) == 1 and is_allowed(origins[0])
        await (self.application if allowed else Refusal())(scope, receive, send)


class Refusal(AsyncWebsocketConsumer):
    """Answers a handshake with 403."""

    channel_layer_alias = "none"

    async def connect(self) -> None:
        await self.close()


def origins_of(scope: Any) -> list[str]:
    """Every Origin header of a connection."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]


def is_allowed(origin: str) -> bool:
    """Whether it is one of CSRF_TRUSTED_ORIGINS; where none are named, whether it is one of our own hosts."""
    try:
        parts = urlsplit(origin)
        plain = origin == f"{parts.scheme}://{parts.netloc}" and parts.username is None and parts.port != 0
    except ValueError:
        return False
    if not plain or parts.scheme not in {"http", "https"} or not parts.hostname:
        return False
    if settings.CSRF_TRUSTED_ORIGINS:
        return any(_matches(origin.lower(), trusted.lower()) for trusted in settings.CSRF_TRUSTED_ORIGINS)
    if parts.scheme == "http" and settings.SECURE_SSL_REDIRECT:
        return False
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return validate_host(host, settings.ALLOWED_HOSTS)


def _matches(origin: str, trusted: str) -> bool:
    """A trusted origin is whole, or names any host below one: https://*.example.com."""
    scheme, _, host = trusted.partition("://")
    if not host.startswith("*"):
        return origin == trusted
    origin_scheme, _, origin_host = origin.partition("://")
    return origin_scheme == scheme and is_same_domain(origin_host, host.removeprefix("*"))

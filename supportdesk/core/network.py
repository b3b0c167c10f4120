"""Where a request comes from. What a client claims about that is believed only when a configured proxy says it."""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse

UNKNOWN = "unknown"
_CLAIMS = ("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")
_TLS_CLAIM = "HTTP_X_FORWARDED_PROTO"


class ProxyMiddleware:
    """Makes REMOTE_ADDR the client's own address and drops every other claim about the way the request took.

    From an address in settings.TRUSTED_PROXIES, the client is the last entry of X-Forwarded-For that is not itself such
    a proxy, and X-Forwarded-Proto counts. From any other address those headers are removed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        request.came_directly = not any(claim in meta for claim in (*_CLAIMS, _TLS_CLAIM))  # type: ignore[attr-defined]
        if _is_trusted(_parsed(meta.get("REMOTE_ADDR", ""))):
            for hop in reversed(meta.get("HTTP_X_FORWARDED_FOR", "").split(",")):
                address = _parsed(hop.strip())
                if address is None:
                    break
                meta["REMOTE_ADDR"] = str(address)
                if not _is_trusted(address):
                    break
        else:
            meta.pop(_TLS_CLAIM, None)
        for claim in _CLAIMS:
            meta.pop(claim, None)
        return self.get_response(request)


def is_direct(request: HttpRequest) -> bool:
    """Whether nothing says that a proxy stands between: REMOTE_ADDR is then who connected to us."""
    return bool(getattr(request, "came_directly", False))


def stands_in(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def client_network(request: HttpRequest) -> str:
    """What one guesser commands: an IPv4 address, or the /64 that an IPv6 address stands in."""
    address = _parsed(request.META.get("REMOTE_ADDR", ""))
    if address is None:
        return UNKNOWN
    return str(ip_network(f"{address}/64", strict=False)) if address.version == 6 else str(address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_trusted(address: IPv4Address | IPv6Address | None) -> bool:
    return address is not None and any(address in network for network in settings.TRUSTED_PROXIES)

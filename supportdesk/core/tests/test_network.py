"""Whose word about a request's way counts."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from supportdesk.core.network import ProxyMiddleware, client_network


def seen(settings: Any, *, peer: str, trusted: tuple[str, ...] = (), **headers: str) -> HttpRequest:
    settings.TRUSTED_PROXIES = [ip_network(network) for network in trusted]
    requests: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return HttpResponse()

    ProxyMiddleware(view)(RequestFactory().get("/", REMOTE_ADDR=peer, **headers))  # type: ignore[arg-type]
    return requests[0]


@pytest.mark.vuln
def test_nobody_is_believed_unless_configured(settings: Any) -> None:
    claims = {
        "HTTP_X_FORWARDED_FOR": "203.0.113.9",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_FORWARDED_HOST": "evil.example",
        "HTTP_X_REAL_IP": "203.0.113.9",
        "HTTP_FORWARDED": "for=203.0.113.9;proto=https",
    }
    request = seen(settings, peer="198.51.100.1", trusted=("10.0.0.0/8",), **claims)
    assert client_network(request) == "198.51.100.1"
    assert not request.is_secure()
    assert not set(claims) & set(request.META)


def test_a_configured_proxy_is_believed_about_client_and_tls(settings: Any) -> None:
    request = seen(
        settings,
        peer="10.1.2.3",
        trusted=("10.0.0.0/8",),
        HTTP_X_FORWARDED_FOR="203.0.113.9",
        HTTP_X_FORWARDED_PROTO="https",
    )
    assert client_network(request) == "203.0.113.9"
    assert request.is_secure()


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),  # what the client itself wrote stands left of what the proxy saw
        ("203.0.113.9, 10.9.9.9", "203.0.113.9"),  # two proxies of ours
        ("203.0.113.9, nonsense", "10.1.2.3"),
        ("", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_ours(settings: Any, claimed: str, expected: str) -> None:
    request = seen(settings, peer="10.1.2.3", trusted=("10.0.0.0/8",), HTTP_X_FORWARDED_FOR=claimed)
    assert client_network(request) == expected


def test_a_peer_without_an_address_is_one_unknown_network(settings: Any) -> None:
    assert client_network(seen(settings, peer="")) == "unknown"

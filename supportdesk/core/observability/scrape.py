"""`/metrics` in Prometheus' text format: for scrapers from inside or with the token. Others find nothing here."""

import hmac

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from supportdesk.core.network import is_direct, stands_in
from supportdesk.core.observability import multiprocess


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """What all processes of this service counted, and the gauges of this moment.

    503 where the processes have no folder in common: each would answer for itself, and every scrape something else.
    """
    address, authorization = request.META.get("REMOTE_ADDR", ""), request.headers.get("Authorization", "")
    if not admitted(address if is_direct(request) else "", authorization):
        raise Http404
    if not settings.METRICS_FOLDER:
        return HttpResponse(f"Set {multiprocess.VARIABLE}.\n", status=503, content_type="text/plain")
    return HttpResponse(exposition(with_gauges=True), content_type=CONTENT_TYPE_LATEST)


def admitted(address: str, authorization: str) -> bool:
    """Whether an address that connected to us directly, or a bearer token, may see the figures."""
    scheme, _, token = authorization.partition(" ")
    given = token.strip().encode() if scheme.lower() == "bearer" else b""
    known = any(hmac.compare_digest(given, live.encode()) for live in settings.METRICS_TOKENS)
    return known or stands_in(address, settings.METRICS_NETWORKS)


def exposition(*, with_gauges: bool) -> bytes:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=settings.METRICS_FOLDER)  # type: ignore[no-untyped-call]
    if with_gauges:
        for collector in settings.COLLECTORS:
            registry.register(import_string(collector)())
    return generate_latest(registry)

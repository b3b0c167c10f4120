"""What every answer carries."""

from typing import Any

PROTECTIVE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
UNCACHED = ("/api/", "/admin/")
SHARED = ("/api/schema", "/api/docs")  # the same for everybody


def missing_headers(response: Any) -> set[str]:
    """Names of the headers that the answer should have, as it should have them."""
    missing = {name for name, value in PROTECTIVE.items() if response.headers.get(name) != value}
    policy = response.headers.get("Content-Security-Policy", "")
    if "frame-ancestors 'none'" not in policy and "sandbox" not in policy:
        missing.add("Content-Security-Policy")
    if not response.headers.get("X-Request-ID"):
        missing.add("X-Request-ID")
    path = response.request["PATH_INFO"]
    if path.startswith(UNCACHED) and path not in SHARED and not _kept_by_nobody(response):
        missing.add("Cache-Control")
    return missing


def _kept_by_nobody(response: Any) -> bool:
    return {"private", "no-store"} <= {part.strip() for part in response.headers.get("Cache-Control", "").split(",")}

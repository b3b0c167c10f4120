"""The routes that the product has, and a sound request to each."""

import json
import re
from collections.abc import Iterator
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import URLPattern, URLResolver, get_resolver

from supportdesk.tests.security.matrix import FORMS, Row
from supportdesk.tests.security.world import Caller, World

ADMIN = "admin/"
SINGULAR = {"breaches": "breach", "policies": "policy"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^)]*\)")


def routes() -> dict[str, set[str]]:
    """Route, as the table writes it, to the methods that it serves (HEAD goes with GET)."""
    return {route: _methods(route, view) for route, view in _views(get_resolver())}


def _views(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        route = prefix + _GROUP.sub(r"<\1>", str(pattern.pattern)).strip("^$").replace("$", "").replace("^", "")
        if isinstance(pattern, URLPattern):
            yield route.replace("<path:", "<"), pattern.callback
        else:
            yield from _views(pattern, route)


def _methods(route: str, view: Any) -> set[str]:
    if route.startswith(ADMIN):
        return {"GET", "POST"}
    if hasattr(view, "actions"):
        return {method.upper() for method in view.actions} - {"HEAD"}
    if hasattr(view, "view_class"):
        names = view.view_initkwargs.get("http_method_names", view.view_class.http_method_names)
        return {name.upper() for name in names if hasattr(view.view_class, name)} - {"HEAD", "OPTIONS"}
    return {"GET"}  # a plain function; the test of all other methods holds it to that


def path_of(route: str, world: World) -> str:
    """The route with the world's own objects in it; a place may have one of its own."""
    kind, parts = "", list[str]()
    for part in route.split("/"):
        parameter = _PARAMETER.fullmatch(part)
        named = world.values.get(parameter[1], world.values.get(kind)) if parameter else part
        found = world.values.get("/".join(parts), named) if parameter else part
        parts.append(str(found))
        kind = SINGULAR.get(part, part.removesuffix("s").replace("-", ""))
    return "/" + "/".join(parts)


def knock(row: Row, caller: Caller, world: World, *, method: str = "", path: str = "") -> Any:
    """The answer to the row's request, or to the same one with another method or at another path; read to its end."""
    data, kind = _encoded(row, world)
    client, path = caller.client(), path or path_of(row.route, world)
    response = client.generic(method or row.method, path, data, kind, headers=caller.headers)
    if response.streaming:
        b"".join(response)
    return response


def form_of(row: Row, world: World) -> dict[str, Any]:
    """What the row sends as a form."""
    return {"file": SimpleUploadedFile("new.txt", b"a text")} if row.body == "FILE" else body_of(row, world)


def body_of(row: Row, world: World) -> dict[str, Any]:
    """What the row sends as JSON."""
    body = FORMS[row.body[1:]] if row.body.startswith("@") else json.loads(row.body or "{}")
    return dict(_filled(body, world))


def _encoded(row: Row, world: World) -> tuple[bytes, str]:
    if row.body == "FILE" or row.route.startswith(ADMIN):
        return encode_multipart(BOUNDARY, form_of(row, world)), MULTIPART_CONTENT
    return json.dumps(body_of(row, world)).encode() if row.body else b"", "application/json"


def _filled(value: Any, world: World) -> Any:
    """The body with the world's own objects in it."""
    if isinstance(value, dict):
        return {name: _filled(inner, world) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, world) for inner in value]
    return world.values[value[1:]] if isinstance(value, str) and value.startswith("$") else value

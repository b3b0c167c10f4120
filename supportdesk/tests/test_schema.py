"""The OpenAPI document: complete, with true examples."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from agents.enums import Role
from agents.presence import TooManyTabs
from agents.structure import SpecializationTaken
from agents.tests.builders import make_agent
from integrations.connections import ConnectionTaken, NotReady
from integrations.oauth import BadCallback, NotConfigured, NotGranted
from integrations.receipts import NotReplayable
from integrations.syncing import Held
from supportdesk.core.api.fields import StrictSerializer
from supportdesk.core.api.views import ApiViewSet
from supportdesk.core.delivery import NotDead
from supportdesk.core.errors import Conflict, DomainError
from supportdesk.tests.client import Api
from supportdesk.tests.test_tables import routes
from tickets.api.filters import TicketFilter
from tickets.api.views import OnTicketViewSet
from tickets.services.watching import TooManyWatched
from tickets.tests.builders import make_ticket


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call, no-any-return]


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, found) for path, item in schema["paths"].items() for method, found in item.items()]


def test_document_is_valid_and_holds_every_route(schema: dict[str, Any]) -> None:
    validate_schema(schema)  # type: ignore[no-untyped-call]
    described = {(method.upper(), path) for path, method, _ in operations(schema)}
    expected = {
        (method, "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", path.replace("<id:pk>", "{id}"))) for method, path in routes()
    }
    assert {(method, path.replace("{pk}", "{id}")) for method, path in described} == expected


def test_every_operation_has_a_summary_and_examples(schema: dict[str, Any]) -> None:
    for path, method, found in operations(schema):
        where = f"{method} {path}"
        assert found["summary"], where
        good = next(answer for status, answer in found["responses"].items() if status.startswith("2"))
        if "application/json" in good.get("content", {}):
            assert good["content"]["application/json"]["examples"], where
        if "application/json" in found.get("requestBody", {}).get("content", {}):
            assert found["requestBody"]["content"]["application/json"]["examples"], where


def test_every_operation_documents_its_failures(schema: dict[str, Any]) -> None:
    for path, method, found in operations(schema):
        where = f"{method} {path}"
        expected = {"400", "406", "503"} | ({"404"} if "{" in path else set())
        if found.get("security"):
            expected |= {"401", "403"}
        if method in {"post", "patch"}:
            expected |= {"411", "413", "415"}
        assert expected <= set(found["responses"]), where
        for status in expected:
            content = found["responses"][status]["content"]["application/problem+json"]
            for example in content["examples"].values():
                assert str(example["value"]["status"]) == status, where
                assert example["value"]["detail"], f"{where} {status}"


# Raised by doors that the document is not about, or the base of others.
ELSEWHERE = {SpecializationTaken.code, NotDead.code, Conflict.code, TooManyTabs.code, TooManyWatched.code}
ELSEWHERE |= {ConnectionTaken.code, NotReady.code, NotReplayable.code}
ELSEWHERE |= {BadCallback.code, NotConfigured.code, NotGranted.code, Held.code}


def test_every_failure_that_we_can_raise_is_documented(schema: dict[str, Any]) -> None:
    documented = {code for _, _, found in operations(schema) for codes in failures(found).values() for code in codes}
    assert {one.code for one in subclasses(DomainError)} - documented == ELSEWHERE


def test_an_operation_names_every_code_of_its_own(schema: dict[str, Any]) -> None:
    found = failures(schema["paths"]["/api/tickets"]["post"])
    assert found["400"] == {"invalid", "parse_error"}
    assert found["401"] == {"not_authenticated", "token_not_valid", "api_key_not_valid"}
    assert found["403"] == {"forbidden"}
    assert found["409"] == {"idempotency_in_progress", "external_id_taken", "customer_erased"}
    assert found["503"] == {"unavailable", "decryption_failed"}
    assert failures(schema["paths"]["/api/tickets"]["get"])["400"] == {"invalid"}
    assert "customer_erased" in failures(schema["paths"]["/api/customers/{id}"]["patch"])["409"]
    assert "customer_erased" in failures(schema["paths"]["/api/tickets/{id}/messages"]["post"])["409"]


def failures(operation: dict[str, Any]) -> dict[str, set[str]]:
    """Status to the codes that are documented for it."""
    problems = {status: answer["content"] for status, answer in operation["responses"].items() if status >= "400"}
    return {status: set(content["application/problem+json"]["examples"]) for status, content in problems.items()}


def subclasses(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for one in kind.__subclasses__():
        if "tests" not in one.__module__.split("."):
            yield one
        yield from subclasses(one)


def test_answers_in_examples_have_exactly_the_documented_members(schema: dict[str, Any]) -> None:
    components = schema["components"]["schemas"]
    checked = 0
    for path, method, found in operations(schema):
        for status, answer in found["responses"].items():
            for example in answer.get("content", {}).get("application/json", {}).get("examples", {}).values():
                if not status.startswith("2"):
                    continue
                shape = answer["content"]["application/json"]["schema"]
                assert_shape(example["value"], shape, components, f"{method} {path}")
                checked += 1
    assert checked >= 18


def assert_shape(value: Any, shape: dict[str, Any], components: dict[str, Any], where: str) -> None:
    if "oneOf" in shape:
        if value is None and {"$ref": "#/components/schemas/NullEnum"} in shape["oneOf"]:
            return
        shape = shape["oneOf"][0]
    if "allOf" in shape:
        if value is None and shape.get("nullable"):
            return
        shape = shape["allOf"][0]
    if "$ref" in shape:
        shape = components[shape["$ref"].rsplit("/", 1)[1]]
        if "oneOf" in shape:
            return assert_shape(value, shape, components, where)
    if value is None:
        assert shape.get("nullable") or not shape.get("type"), where
    elif shape.get("type") == "object" and "properties" in shape:
        assert set(value) <= set(shape["properties"]), where
        assert set(shape.get("required", ())) <= set(value), where
        for name, inner in value.items():
            assert_shape(inner, shape["properties"][name], components, f"{where} .{name}")
    elif shape.get("type") == "array":
        for inner in value:
            assert_shape(inner, shape["items"], components, where)
    return None


def test_input_objects_are_closed(schema: dict[str, Any]) -> None:
    inputs = {name: shape for name, shape in schema["components"]["schemas"].items() if name.endswith("Request")}
    assert len(inputs) >= 15
    assert [name for name, shape in inputs.items() if shape.get("additionalProperties") is not False] == []


def test_what_is_written_for_readers_of_the_code_stays_there(schema: dict[str, Any]) -> None:
    texts = [found.get("description", "") for _, _, found in operations(schema)]
    texts += [shape.get("description", "") for shape in schema["components"]["schemas"].values()]
    for base in (ApiViewSet, OnTicketViewSet, StrictSerializer):
        assert base.__doc__
        assert not [text for text in texts if base.__doc__.split("\n")[0] in text]


def test_ids_in_paths_are_positive_integers(schema: dict[str, Any]) -> None:
    ids = [
        parameter["schema"]
        for _, _, found in operations(schema)
        for parameter in found.get("parameters", ())
        if parameter["in"] == "path" and parameter["name"] != "public_id"
    ]
    assert len(ids) >= 20
    assert all(shape["type"] == "integer" and shape["minimum"] == 1 for shape in ids)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/api/tickets", "/api/tickets/{id}", "/api/agents", "/api/customers/{id}", "/api/views"]
)
def test_every_field_that_is_documented_may_be_asked_for(schema: dict[str, Any], path: str) -> None:
    parameters = {parameter["name"]: parameter for parameter in schema["paths"][path]["get"]["parameters"]}
    assert parameters["fields"]["explode"] is False
    names = parameters["fields"]["schema"]["items"]["enum"]
    ticket, api = make_ticket(), Api(make_agent(role=Role.ADMIN))
    at = path.replace("{id}", str(ticket.customer_id if "customers" in path else ticket.pk))
    assert api.get(at, fields=",".join(names)).status == 200


def test_filters_are_documented_where_they_are_taken(schema: dict[str, Any]) -> None:
    def names(path: str) -> set[str]:
        return {parameter["name"] for parameter in schema["paths"][path]["get"]["parameters"]}

    assert set(TicketFilter.base_filters) <= names("/api/tickets")
    assert set(TicketFilter.base_filters) <= names("/api/tickets/export")
    assert not set(TicketFilter.base_filters) & names("/api/views/{id}/tickets")


FIRST = """
import django; django.setup()
from concurrent.futures import ThreadPoolExecutor
from django.test import Client
with ThreadPoolExecutor(8) as pool:
    answers = pool.map(lambda _: Client(SERVER_NAME="localhost").get("/api/schema"), range(8))
    print(*{answer.status_code for answer in answers})
"""


@pytest.mark.slow
def test_many_who_are_the_first_to_ask_a_process_all_get_the_document() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST], cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["200"], done.stderr[-2_000:]

"""The OpenAPI document: complete, with true examples."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from supportdesk.tests.test_tables import routes


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call, no-any-return]


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, found) for path, item in schema["paths"].items() for method, found in item.items()]


def test_document_is_valid_and_holds_every_route(schema: dict[str, Any]) -> None:
    validate_schema(schema)  # type: ignore[no-untyped-call]
    described = {(method.upper(), path) for path, method, _ in operations(schema)}
    expected = {
        (method, "/" + path.replace("<id:pk>", "{id}").replace("<id:", "{").replace(">", "}"))
        for method, path in routes()
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
            expected |= {"413", "415"}
        assert expected <= set(found["responses"]), where
        for status in expected:
            content = found["responses"][status]["content"]["application/problem+json"]
            for example in content["examples"].values():
                assert str(example["value"]["status"]) == status, where
                assert example["value"]["detail"], f"{where} {status}"


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

"""What a GraphQL query selects, and what of an answer that is: the sandbox tells no more than it was asked for.

As much of the language as our queries use: fields with arguments, no aliases, fragments or directives.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r'"[^"]*"|[{}()\[\]:!]|\$?\w+')


class NoField(Exception):
    """The query selects what is not there, or not as it is there. Its text is the message of the refusal."""


@dataclass(frozen=True)
class Field:
    arguments: Mapping[str, str]  # literals and `$names`
    inner: "Mapping[str, Field] | None"


def selected(query: str) -> Mapping[str, Field]:
    """The fields of the query's one operation, whose braces are known to be balanced."""
    tokens = deque(_TOKEN.findall(query))
    while tokens[0] not in {"(", "{"}:
        tokens.popleft()
    if tokens[0] == "(":
        _arguments(tokens)
    tokens.popleft()
    return _fields(tokens)


def picked(value: Any, fields: Mapping[str, Field], given: Mapping[str, Any]) -> Any:
    """Of an object, or of each in a list, what is selected. Raises NoField."""
    if isinstance(value, list):
        return [picked(one, fields, given) for one in value]
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise NoField("Selections can't be made on scalars")
    if missing := sorted(set(fields) - set(value)):
        raise NoField(f"Field '{missing[0]}' doesn't exist")
    return {name: _of(name, value[name], field, given) for name, field in fields.items()}


def _of(name: str, value: Any, field: Field, given: Mapping[str, Any]) -> Any:
    if field.inner is not None:
        return picked(_cut(value, field.arguments, given), field.inner, given)
    if isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(one, Mapping) for one in value)):
        raise NoField(f"Field '{name}' must have selections")
    return value


def _cut(value: Any, arguments: Mapping[str, str], given: Mapping[str, Any]) -> Any:
    """A list in full becomes the page of it that is asked for."""
    if not isinstance(value, Mapping) or "pageInfo" in value or "first" not in arguments:
        return value
    begin = int(_value(arguments.get("after", "0"), given) or 0)
    end = begin + int(_value(arguments["first"], given))
    info = {"hasNextPage": end < len(value["nodes"]), "endCursor": str(end)}
    return {"nodes": value["nodes"][begin:end], "pageInfo": info}


def _value(argument: str, given: Mapping[str, Any]) -> Any:
    return given.get(argument[1:]) if argument.startswith("$") else argument


def _fields(tokens: deque[str]) -> dict[str, Field]:
    found = {}
    while (name := tokens.popleft()) != "}":
        arguments = _arguments(tokens) if tokens[0] == "(" else {}
        inner = None
        if tokens[0] == "{":
            tokens.popleft()
            inner = _fields(tokens)
        found[name] = Field(arguments, inner)
    return found


def _arguments(tokens: deque[str]) -> dict[str, str]:
    found = []
    while (one := tokens.popleft()) != ")":
        found.append(one)
    return {found[at - 1]: found[at + 1] for at, one in enumerate(found) if one == ":"}

"""What a pretend Gorgias is asked, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request: when, its method and path without the query, with what, and what was answered (0: nothing)."""

    at: float
    method: str
    path: str
    given: Mapping[str, Any]
    query: Mapping[str, str]
    answered: int


@dataclass(frozen=True)
class Scripted:
    """What the next request is answered with. `drop` closes the line once it was read instead; `stores`: what was asked
    is done all the same.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    stores: bool = False


class Wrong(Exception):
    """What is asked for is not there, or is not as it should be."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Scripted(status=status, body={"error": {"msg": message}})

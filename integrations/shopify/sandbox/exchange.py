"""What a pretend Shopify is asked, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request: when, which operation (or `token`), with what, and what it was answered."""

    at: float
    operation: str
    given: Mapping[str, Any]
    answered: int


@dataclass(frozen=True)
class Scripted:
    """What the next request to an operation is answered with. `drop` closes the line once it was read instead;
    `stores`: what was asked is done all the same.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    stores: bool = False

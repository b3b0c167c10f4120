"""The error tree. Services raise these; every door translates them the same way.

Each class fixes an HTTP status and a stable `code` that clients may branch on; `detail` is a sentence for people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one input. `field` is a path such as `customer.email` or `tags[2]`."""

    field: str
    code: str
    detail: str


class DomainError(Exception):
    """Base of everything that a caller did or met that is not a bug of ours."""

    status: ClassVar[int] = 400
    code: str = "invalid"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.more = dict(more or {})  # members that this kind of problem adds (RFC 9457, section 3.2)


class InvalidInput(DomainError):
    """The request is understood and wrong."""

    @classmethod
    def on(cls, field: str, detail: str, code: str = "invalid") -> "InvalidInput":
        return cls(detail, errors=[FieldError(field, code, detail)])


class NotFound(DomainError):
    """Missing, or not visible to the caller: the two look the same on purpose."""

    status = 404
    code = "not_found"

    def __init__(self, detail: str = "There is no such object.") -> None:
        super().__init__(detail)


class NotAuthenticated(DomainError):
    """The request carries no sound credential."""

    status = 401
    code = "not_authenticated"


class Forbidden(DomainError):
    """The caller's role does not allow it."""

    status = 403
    code = "forbidden"


class Conflict(DomainError):
    """The present state does not allow it."""

    status = 409
    code = "conflict"


class StaleVersion(DomainError):
    """Somebody changed the object since the caller read it."""

    status = 412
    code = "stale_version"


class Unavailable(DomainError):
    """A part we need does not answer; trying again later is right."""

    status = 503
    code = "unavailable"

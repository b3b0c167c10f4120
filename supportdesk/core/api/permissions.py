"""Default deny: a view answers only those roles that it names for the action."""

from typing import Any, Protocol, cast

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from supportdesk.core.actor import Actor

ANYONE = "*"  # also without a login


class Credential(Protocol):
    """What an authentication class leaves as `request.auth`."""

    @property
    def actor(self) -> Actor: ...


def actor_of(request: Request) -> Actor | None:
    """Who asks; None without a credential."""
    return cast(Credential, request.auth).actor if request.auth else None


class RoleAllowed(BasePermission):
    """Reads the view's `allowed`: action name to the roles and scopes that may use it. An unnamed action is refused.

    Raises MethodNotAllowed for a method that the route has no action for.
    """

    message = "Your role, or the scopes of your key, do not allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        if view.action in {None, "metadata"}:
            raise MethodNotAllowed(str(request.method))
        allowed = view.allowed.get(view.action, frozenset())
        if ANYONE in allowed:
            return True
        actor = actor_of(request)
        return actor is not None and not allowed.isdisjoint(actor.grants)

"""Default deny: a view answers only those roles that it names for the action."""

from typing import Any

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

ANYONE = "*"  # also without a login


class RoleAllowed(BasePermission):
    """Reads the view's `allowed`: action name to the roles that may use it. An action that is not named is refused.

    Raises MethodNotAllowed for a method that the route has no action for.
    """

    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        if view.action in {None, "metadata"}:
            raise MethodNotAllowed(str(request.method))
        allowed = view.allowed.get(view.action, frozenset())
        if ANYONE in allowed:
            return True
        role = getattr(request.user, "role", None)
        return role is not None and role in allowed

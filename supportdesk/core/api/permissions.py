"""Default deny: a view answers only those roles that it names for the method."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

ANYONE = "*"  # also without a login


class RoleAllowed(BasePermission):
    """Reads the view's `allowed`: HTTP method to the roles that may use it. A method that is not named is refused."""

    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        allowed = getattr(view, "allowed", {}).get(request.method, frozenset())
        if ANYONE in allowed:
            return True
        return request.user is not None and request.user.role in allowed

"""Django's authentication backend: it remembers who is logged in to the admin, and checks no password."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from agents.models import Agent


class AdminSessionBackend(ModelBackend):
    """Passwords are checked in agents.credentials and nowhere else; this one accepts none."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Agent | None:
        return None

"""Our two kinds of token: signed with the newest key, read with every key that is live during a rotation."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken, TokenError

from agents.models import LoginSession

ALGORITHM, ISSUER, AUDIENCE = "HS256", "supportdesk", "supportdesk-api"


class _Ring(TokenBackend):
    """Signs as the first backend does and reads what any of them can."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__(ALGORITHM, keys[0], issuer=ISSUER, audience=AUDIENCE)
        self.live = [TokenBackend(ALGORITHM, key, issuer=ISSUER, audience=AUDIENCE) for key in keys]

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """Raises TokenBackendError."""
        refused: TokenBackendError | None = None
        for backend in self.live:
            try:
                return dict(backend.decode(token, verify=verify))
            except TokenBackendExpiredToken:
                raise  # the signature was right
            except TokenBackendError as error:
                refused = error
        raise refused or TokenBackendError("There is no key.")


@cache
def _ring(keys: tuple[str, ...]) -> _Ring:
    return _Ring(keys)


class AccessToken(tokens.AccessToken):
    @property
    def token_backend(self) -> TokenBackend:
        return _ring(tuple(settings.JWT_KEYS))


class RefreshToken(tokens.RefreshToken):
    @property
    def token_backend(self) -> TokenBackend:
        return _ring(tuple(settings.JWT_KEYS))


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a token says of the login that it belongs to."""

    id: str
    agent_id: str
    session_id: int
    version: int

    @classmethod
    def read(cls, token: tokens.Token) -> "Claims":
        """Raises TokenError when one is missing or of another kind."""
        told: dict[str, Any] = {name: token.payload.get(name) for name in ("jti", "sub", "sid", "ver")}
        if [type(value) for value in told.values()] != [str, str, int, int]:
            raise TokenError("A claim is missing.")
        return cls(id=told["jti"], agent_id=told["sub"], session_id=told["sid"], version=told["ver"])

    def are_of(self, session: LoginSession) -> bool:
        """Whether they name this login, its agent, and the version that the agent's logins have now."""
        told = (self.session_id, self.agent_id, self.version)
        return told == (session.pk, str(session.agent_id), session.agent.token_version)

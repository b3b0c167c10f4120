"""Who is calling: an agent by the access token of a login, or a machine by its API key."""

from dataclasses import dataclass

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from agents import keys
from agents.models import Agent, LoginSession
from agents.selectors import actor_for, session_with_agent
from agents.tokens import AccessToken, Claims
from supportdesk.core.actor import Actor, Door
from supportdesk.core.errors import NotAuthenticated
from supportdesk.core.observability.middleware import current_request_id

API_KEY_HEADER = "X-API-Key"


class BadAccessToken(NotAuthenticated):
    """The access token is malformed, expired, or its login has ended. Refresh it or log in again."""

    code = "token_not_valid"


@dataclass(frozen=True, kw_only=True)
class Login:
    """`request.auth` of an agent."""

    session: LoginSession
    actor: Actor


class AccessTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`. One indexed read; a login that ended is refused at once."""

    failures = (BadAccessToken,)

    def authenticate(self, request: Request) -> tuple[Agent, Login] | None:
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        claims = _claims(token)
        session = session_with_agent(session_id=claims.session_id, now=timezone.now())
        if session is None or not claims.are_of(session):
            raise _refused()
        led: frozenset[int] = frozenset(session.led_ids)  # type: ignore[attr-defined]
        actor = actor_for(session.agent, led=led, origin=Door.API, request_id=current_request_id())
        return session.agent, Login(session=session, actor=actor)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


@dataclass(frozen=True, kw_only=True)
class MachineLogin:
    """`request.auth` of a machine."""

    actor: Actor


class ApiKeyAuthentication(BaseAuthentication):
    """`X-API-Key: sdk_…`. One indexed read; a key that expired or was revoked is refused at once."""

    failures = (keys.BadApiKey,)

    def authenticate(self, request: Request) -> tuple[None, MachineLogin] | None:
        text = request.headers.get(API_KEY_HEADER)
        if text is None:
            return None
        actor = keys.machine(text=text, now=timezone.now(), request_id=current_request_id())
        return None, MachineLogin(actor=actor)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes the above."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": API_KEY_HEADER}


class AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes the above."""

    target_class = AccessTokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return build_bearer_security_scheme_object("Authorization", "Bearer", "JWT")


def _claims(token: bytes) -> Claims:
    try:
        return Claims.read(AccessToken(token))  # type: ignore[arg-type]
    except TokenError:
        raise _refused() from None


def _refused() -> BadAccessToken:
    return BadAccessToken("The access token is invalid, expired, or its login has ended.")

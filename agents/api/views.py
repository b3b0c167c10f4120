"""Agents, their logins and their logouts."""

from typing import Any, ClassVar, cast

from rest_framework.request import Request
from rest_framework.response import Response

from agents import passes, selectors, services, sessions
from agents.api import examples
from agents.api.authentication import Login
from agents.api.filters import AgentFilter
from agents.api.serializers import (
    AgentCreate,
    AgentEntry,
    AgentProfile,
    AgentRecord,
    AgentUpdate,
    Credentials,
    NothingRequest,
    RefreshRequest,
    TokenPair,
    WsTicket,
)
from agents.credentials import BadCredentials, TooManyAttempts
from agents.enums import EVERY_ROLE, Role, Scope
from agents.models import Agent, AgentQuerySet
from sla import performance
from supportdesk.core.api import trimming
from supportdesk.core.api.filters import refuse_unknown
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.permissions import ANYONE
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet, expected_version, versioned
from supportdesk.core.errors import InvalidInput, NotFound
from supportdesk.core.network import client_network
from supportdesk.core.observability.middleware import current_request_id

ADMINS = frozenset({Role.ADMIN.value})
LONGEST_ORIGIN = 255


class AgentViewSet(ApiViewSet):
    allowed: ClassVar = {
        "list": EVERY_ROLE | {Scope.AGENTS_READ},
        "create": ADMINS,
        "retrieve": EVERY_ROLE | {Scope.AGENTS_READ},
        "partial_update": EVERY_ROLE,
        "logout": EVERY_ROLE,
        "ws_ticket": EVERY_ROLE,
    }
    credentials = frozenset({"ws_ticket"})
    orderings: ClassVar = {"id": Ordering("pk"), "-created_at": Ordering("created_at", descending=True)}
    filterset_class = AgentFilter
    queryset = Agent.objects.none()

    @operation("List agents", returns=AgentEntry(many=True), example=examples.RECORD)
    def list(self, request: Request) -> Response:
        """Every active agent: the whole record where the caller may read it, else the card."""
        return self.page(self._entries(), AgentEntry)

    @operation(
        "Create an agent",
        takes=AgentCreate,
        request_example=examples.CREATE,
        returns=AgentRecord,
        example=examples.RECORD,
        status=201,
        errors=[services.EmailTaken],
    )
    def create(self, request: Request) -> Response:
        agent = services.create_agent(**{"password": None, **self.read(AgentCreate)}, by=self.actor, now=self.now)
        return versioned(AgentRecord(agent).data, agent.version, status=201)

    @operation("Get an agent", returns=AgentProfile, example=examples.PROFILE)
    def retrieve(self, request: Request, pk: int) -> Response:
        """The whole record and the performance where the caller may read it, else the card."""
        refuse_unknown(request, {trimming.PARAMETER})
        context: dict[str, Any] = {"actor": self.actor}
        serializer = AgentProfile(context=context)
        wanted = trimming.wanted_of(request, serializer)
        trimming.trim(serializer, wanted)
        entries: Any = trimming.narrow(self._entries().filter(pk=pk), serializer, wanted, keep={"version"})
        agent = entries.first()
        if agent is None:
            raise NotFound
        if agent.whole and "performance" in serializer.fields:
            context["performance"] = performance.of_agent(pk, now=self.now)
        return versioned(serializer.to_representation(agent), agent.version)

    @operation(
        "Change an agent",
        takes=AgentUpdate,
        request_example=examples.UPDATE,
        returns=AgentRecord,
        example=examples.RECORD | {"availability": "busy"},
        errors=[services.EmailTaken],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        agent = services.update_agent(
            agent_id=pk,
            changes=self.read(AgentUpdate),
            by=self.actor,
            now=self.now,
            expected_version=expected_version(request),
        )
        return versioned(AgentRecord(agent).data, agent.version)

    @operation("Log out", takes=NothingRequest, request_example={}, status=204)
    def logout(self, request: Request, pk: int) -> Response:
        """Ends the login that the access token belongs to: access and refresh tokens are refused from now on."""
        self.read(NothingRequest)
        if pk != self.actor.id:
            raise NotFound
        login = cast(Login, request.auth)
        sessions.log_out(session=login.session, by=self.actor, now=self.now)
        return Response(status=204)

    @operation(
        "Get a ticket for a socket",
        takes=NothingRequest,
        request_example={},
        returns=WsTicket,
        example=examples.WS_TICKET,
        status=201,
    )
    def ws_ticket(self, request: Request, pk: int) -> Response:
        """Opens the WebSocket `/ws/agent/{id}` or the stream, once and within 30 seconds, for this login and page."""
        self.read(NothingRequest)
        if pk != self.actor.id:
            raise NotFound
        login = cast(Login, request.auth)
        text = passes.issue(session=login.session, origin=_origin(request), now=self.now)
        lifetime = int(passes.LIFETIME.total_seconds())
        return Response({"ticket": text, "expires_in": lifetime, "path": f"/ws/agent/{pk}"}, status=201)

    def _entries(self) -> AgentQuerySet:
        agents = selectors.directory(self.actor).select_related("department")
        return agents.prefetch_related("leads", "specializations")


def _origin(request: Request) -> str:
    """The page that asks; empty where no browser says so. Raises InvalidInput."""
    origin = request.headers.get("Origin", "")
    if len(origin) > LONGEST_ORIGIN:
        raise InvalidInput.on("Origin", f"Must have at most {LONGEST_ORIGIN} characters.", "too_long")
    return origin


class LoginViewSet(ApiViewSet):
    """The only routes that need no token; they make one."""

    authentication_classes = ()
    allowed: ClassVar = dict.fromkeys(("log_in", "refresh"), frozenset({ANYONE}))
    filterset_class = None

    @operation(
        "Log in",
        takes=Credentials,
        request_example=examples.CREDENTIALS,
        returns=TokenPair,
        example=examples.TOKENS,
        errors=[BadCredentials, TooManyAttempts],
    )
    def log_in(self, request: Request, pk: int | None = None) -> Response:
        """With an id in the path, the credentials must be that agent's own."""
        tokens = sessions.log_in(
            **self.read(Credentials),
            network=client_network(request),
            agent_id=pk,
            now=self.now,
            request_id=current_request_id(),
        )
        return Response(TokenPair(tokens).data)

    @operation(
        "Refresh a login",
        takes=RefreshRequest,
        request_example=examples.REFRESH,
        returns=TokenPair,
        example=examples.TOKENS,
        errors=[sessions.BadToken],
    )
    def refresh(self, request: Request) -> Response:
        """Replaces the refresh token. The one replaced is honoured for 30 seconds more; an older one ends the login."""
        token = self.read(RefreshRequest)["refresh"]
        return Response(TokenPair(sessions.refresh(token=token, now=self.now, request_id=current_request_id())).data)

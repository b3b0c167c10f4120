"""What Schemathesis asks of us while it runs: who it is, and which failures are none.

It runs in a process of its own with the settings and the database of the server under attack, so that an identity whose
login the run has ended can be replaced at once. Everything that is forgiven here has its reason beside it.
"""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import django
import schemathesis
from django.utils import timezone
from schemathesis import AuthContext, BaseSchema, HookContext, Response
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.openapi.checks import JsonSchemaError, RejectedPositiveData, UseAfterFree

django.setup()

from drf_spectacular.generators import SchemaGenerator  # noqa: E402 - all of these need the settings

from agents import sessions  # noqa: E402
from agents.enums import Role, Scope  # noqa: E402
from agents.models import Department  # noqa: E402
from agents.sessions import Tokens  # noqa: E402
from agents.tests.builders import PASSWORD, make_agent, make_key  # noqa: E402
from supportdesk.core.api.trimming import PARAMETER as TRIMMING  # noqa: E402

Case = schemathesis.Case[Any]
hook: Any = schemathesis.hook  # its filters have no types
IDENTITY = os.environ["SUPPORTDESK_FUZZ_IDENTITY"]
NETWORK = "192.0.2.1"  # of our own logins: what the run guesses at the login does not lock it out

# Refusals of input that the document cannot rule out: `code field`, or the code of a refusal without fields.
BEYOND_THE_DOCUMENT = (
    "not_found .+",  # an id of something that is not there, or not for this caller
    "forbidden_field .+",  # which fields may be set depends on the role and on whose record it is
    "invalid_cursor cursor",  # opaque
    r"invalid_timezone (calendar\.)?timezone",  # the names of the time zone database of the day
    "invalid_email email",
    "invalid email",  # RFC 5322 allows more than any mail system
    "invalid_phone phone",
    "weak_password password",  # too common, or too like the name
    "out_of_range expires_at",  # relative to now
    "out_of_range last_seen_position",  # relative to the messages that are there
    "required (source|external_id)",  # both or none: OpenAPI 3.0 has no dependentRequired
    r"invalid_name (changes\.)?attributes\..*",  # nor propertyNames
    r"invalid_text ((changes\.)?attributes|query)",
    "required changes",  # an empty object is a change of one ticket, and none of many
    "repeated tickets",  # distinct in the id only
    "same_agent agent_id",  # who has the ticket already
    "invalid_choice assignee|invalid sender",  # an API key has no tickets of its own, and replies to nobody
    "empty file",  # minLength counts characters
    "program_refused",
    "too_many",  # views that an agent keeps
    "idempotency_key_reused",
    "stale_version|differs .+",
    r"invalid_interval (calendar\.)?week.+",  # they follow each other, and none ends at 24:30
    r"never_open (calendar\.)?week",  # one of seven days has an interval
    "too_few_hours (week|calendar_id|calendar)",  # for what is promised
    "not_found number",  # of a version
    "out_of_range (since|until|ends_at)",  # relative to now, and to each other
    "phrase_or_tag phrase",  # one of the two
    "too_short phrase",  # without the space around it
    "required department_id",  # whose reach is bounded names a department
    "out_of_place explain",  # in one of the orders only
    r"required targets(\..+)?",  # the same at every priority
    r"out_of_range (years|(calendar\.)?holidays.+)",  # relative to now; from 1970 to 2200
    "unknown (country|subdivision)",
)


class Person:
    """A new agent of the identity's role, logged in."""

    def __init__(self) -> None:
        email = f"{IDENTITY}-{os.urandom(6).hex()}@example.com"
        department = Department.objects.order_by("pk").first() if IDENTITY == Role.AGENT else None
        self.agent = make_agent(email=email, role=Role(IDENTITY), department=department)
        self.headers = {"Authorization": f"Bearer {self.log_in().access}"}

    def log_in(self) -> Tokens:
        return sessions.log_in(email=self.agent.email, password=PASSWORD, network=NETWORK, now=timezone.now())


class Machine:
    """A new API key of every scope."""

    def __init__(self) -> None:
        self.headers = {"X-API-Key": make_key(*Scope.values)}


me: Person | Machine = Machine() if IDENTITY == "machine" else Person()


@schemathesis.auth()
class Identity:
    """Asked at the start and again after a 401: the run may log itself out, change its password, revoke its key."""

    fresh = True

    def get(self, case: Case, context: AuthContext) -> dict[str, str]:
        global me
        if not self.fresh:
            me = type(me)()
        self.fresh = False
        return me.headers

    def set(self, case: Case, data: dict[str, str], context: AuthContext) -> None:
        case.headers.update(data)


@hook("map_path_parameters").apply_to(path="/api/agents/{id}/logout")  # type: ignore[untyped-decorator]
def log_oneself_out(context: HookContext, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """Every other logout would be a 404."""
    return path_parameters | {"id": me.agent.pk} if isinstance(me, Person) else path_parameters


@hook("before_add_examples").apply_to(path=["/api/auth/login", "/api/agents/{id}/login"])  # type: ignore[untyped-decorator]
def log_in(context: HookContext, examples: list[Case]) -> None:
    """With credentials that nobody could guess."""
    operation: Any = context.operation
    if isinstance(me, Person):
        body = {"email": me.agent.email, "password": PASSWORD}
        examples.append(operation.Case(body=body, path_parameters={"id": me.agent.pk}))


@hook("before_add_examples").apply_to(path="/api/auth/refresh")  # type: ignore[untyped-decorator]
def refresh(context: HookContext, examples: list[Case]) -> None:
    operation: Any = context.operation
    if isinstance(me, Person):
        examples.append(operation.Case(body={"refresh": me.log_in().refresh}))


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    match failure:
        case RejectedPositiveData():
            return not all(re.fullmatch("|".join(BEYOND_THE_DOCUMENT), fault) for fault in _faults(response))
        case JsonSchemaError() if TRIMMING in case.query:
            return not _conforms_but_for_what_is_left_out(case, response)
        case UseAfterFree():
            return failure.operation != "DELETE /api/tickets/{id}"  # archives: the ticket stays to be read
    return True


def _faults(response: Response) -> Iterator[str]:
    problem = response.json()
    if problem["errors"]:
        yield from (f"{error['code']} {error['field']}" for error in problem["errors"])
    else:
        yield problem["code"]


def _conforms_but_for_what_is_left_out(case: Case, response: Response) -> bool:
    """Whether what `?fields=` left is as documented. OpenAPI cannot say that a parameter takes members away."""
    try:
        _document_without_required()[case.operation.path][case.operation.method].validate_response(response)
    except (Failure, FailureGroup):
        return False
    return True


@cache
def _document_without_required() -> BaseSchema:
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return schemathesis.openapi.from_dict(_without_required(json.loads(json.dumps(document))))


def _without_required(document: Any) -> Any:
    if isinstance(document, list):
        return [_without_required(part) for part in document]
    if isinstance(document, dict):
        return {name: _without_required(part) for name, part in document.items() if not _lists_members(name, part)}
    return document


def _lists_members(name: str, part: Any) -> bool:
    return name == "required" and isinstance(part, list)

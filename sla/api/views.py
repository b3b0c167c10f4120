"""Policies, calendars, the promises of a ticket, and what became of them."""

import json
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from agents.enums import EVERY_ROLE, Role, Scope
from sla import dashboard, performance, selectors
from sla.api import examples
from sla.api.filters import AtRiskFilter, BreachFilter, PeriodFilter
from sla.api.serializers import (
    Acknowledgment,
    Activation,
    ApplicationCreate,
    ApplicationOut,
    AtRiskOut,
    BreachOut,
    CalendarCreate,
    CalendarOut,
    CalendarUpdate,
    CalendarVersionOut,
    DashboardOut,
    HolidayImport,
    HolidaysImported,
    PolicyCreate,
    PolicyDetail,
    PolicyOut,
    PolicyUpdate,
    PolicyVersionOut,
    SimulationCreate,
    SimulationOut,
    TicketSLAOut,
)
from sla.models import (
    Calendar,
    CalendarVersion,
    Policy,
    PolicyApplication,
    PolicyVersion,
    Simulation,
    SLAAlert,
    SLAClock,
)
from sla.services import applying, breaches, calendars, policies, simulating
from supportdesk.core import kept
from supportdesk.core.api import trimming
from supportdesk.core.api.filters import read_parameters, refuse_unknown
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet, expected_version, versioned
from supportdesk.core.errors import NotFound

READERS = EVERY_ROLE | {Scope.TICKETS_READ}
WRITERS = frozenset({Role.SUPERVISOR.value, Role.ADMIN.value})
BY_NUMBER = {"-number": Ordering("number", descending=True), "number": Ordering("number")}


class PolicyViewSet(ApiViewSet):
    allowed: ClassVar = {
        **dict.fromkeys(("list", "retrieve"), READERS),
        **dict.fromkeys(("create", "partial_update", "activate", "apply", "simulate"), WRITERS),
    }
    orderings: ClassVar = {"position": Ordering("position"), "id": Ordering("pk")}
    queryset = Policy.objects.none()

    def check_reach(self, **path: Any) -> None:
        if "pk" in path and not Policy.objects.visible_to(self.actor).filter(pk=path["pk"]).exists():
            raise NotFound

    @operation("List SLA policies", returns=PolicyOut(many=True), example=examples.POLICY)
    def list(self, request: Request) -> Response:
        """In the order in which a new ticket asks them: it gets the first active one whose conditions it meets, else
        the default.
        """
        return self.page(selectors.policies(self.actor), PolicyOut)

    @operation(
        "Create an SLA policy",
        takes=PolicyCreate,
        request_example=examples.POLICY_CREATE,
        returns=PolicyDetail,
        example=examples.POLICY_DETAIL,
        status=201,
        errors=[policies.PolicyNameTaken],
    )
    def create(self, request: Request) -> Response:
        """A draft: no ticket gets it before its activation. Supervisors and administrators write policies."""
        policy = policies.create_policy(**self.read(PolicyCreate), by=self.actor, now=self.now)
        return self._detail(policy.pk, status=201)

    @operation("Get an SLA policy", returns=PolicyDetail, example=examples.POLICY_DETAIL)
    def retrieve(self, request: Request, pk: int) -> Response:
        refuse_unknown(request, {trimming.PARAMETER})
        return self._detail(pk)

    @operation(
        "Change an SLA policy",
        takes=PolicyUpdate,
        request_example=examples.POLICY_UPDATE,
        returns=PolicyDetail,
        example=examples.POLICY_DETAIL,
        errors=[policies.PolicyNameTaken, policies.OneDefault, policies.NothingToActivate],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        """Tickets that run keep the version they have, whatever is changed."""
        policies.update_policy(
            policy_id=pk,
            changes=self.read(PolicyUpdate),
            by=self.actor,
            now=self.now,
            expected_version=expected_version(request),
        )
        return self._detail(pk)

    @operation(
        "Activate a draft",
        takes=Activation,
        request_example={"number": 2},
        returns=PolicyDetail,
        example=examples.POLICY_DETAIL,
        errors=[policies.NothingToActivate],
    )
    def activate(self, request: Request, pk: int) -> Response:
        """The draft holds for tickets from now on, and the version before it is retired."""
        policies.activate(policy_id=pk, **self.read(Activation), by=self.actor, now=self.now)
        return self._detail(pk)

    @operation(
        "Apply to open tickets",
        takes=ApplicationCreate,
        request_example={"preview": True},
        returns=ApplicationOut,
        example=examples.APPLICATION,
        status=202,
        errors=[policies.NothingToActivate, applying.StillApplying],
    )
    def apply(self, request: Request, pk: int) -> Response:
        """Gives open tickets that have an earlier version of the policy, or of its calendar, the present one; or
        counts what that would do. A job in batches: its progress is at `/api/sla/applications/{id}`.
        """
        job = applying.request(policy_id=pk, **self.read(ApplicationCreate), by=self.actor, now=self.now)
        return Response(ApplicationOut(job).data, status=202)

    @operation(
        "Simulate a policy",
        takes=SimulationCreate,
        request_example=examples.SIMULATION_CREATE,
        returns=SimulationOut,
        example=examples.SIMULATION,
        status=202,
        errors=[simulating.StillSimulating],
    )
    def simulate(self, request: Request, pk: int) -> Response:
        """What the draft, or another version or other hours, would have meant for the tickets of the last days: which
        promises would have been broken and were not, and the other way round. Changes nothing. A job in batches: its
        progress, and what it finds, is at `/api/sla/simulations/{id}`.
        """
        job = simulating.request(policy_id=pk, **self.read(SimulationCreate), by=self.actor, now=self.now)
        simulated = selectors.simulated(job.pk, actor=self.actor)
        return Response(SimulationOut().to_representation(simulated), status=202)

    def _detail(self, pk: int, *, status: int = 200) -> Response:
        serializer = PolicyDetail(context={"actor": self.actor})
        wanted = trimming.wanted_of(self.request, serializer)
        policy = selectors.policies(self.actor).filter(pk=pk).first()
        if policy is None:
            raise NotFound
        tags = {tag for version in policy.versions.all() for tag in version.conditions.get("tags", ())}
        serializer = PolicyDetail(context={"actor": self.actor, "unused_tags": selectors.unused_tags(tags)})
        trimming.trim(serializer, wanted)
        return versioned(serializer.to_representation(policy), policy.version, status=status)


class PolicyVersionViewSet(ApiViewSet):
    allowed: ClassVar = {"list": READERS}
    orderings: ClassVar = BY_NUMBER
    queryset = PolicyVersion.objects.none()

    @operation("List a policy's versions", returns=PolicyVersionOut(many=True), example=examples.POLICY_VERSION)
    def list(self, request: Request, pk: int) -> Response:
        """Newest first. What is not a draft never changes."""
        if not Policy.objects.visible_to(self.actor).filter(pk=pk).exists():
            raise NotFound
        versions = PolicyVersion.objects.visible_to(self.actor).filter(policy=pk)
        return self.page(versions.select_related("calendar", "created_by"), PolicyVersionOut)


class ApplicationViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": READERS}
    queryset = PolicyApplication.objects.none()

    @operation("Get the progress of an application", returns=ApplicationOut, example=examples.APPLICATION, trims=())
    def retrieve(self, request: Request, pk: int) -> Response:
        refuse_unknown(request, ())
        jobs = PolicyApplication.objects.visible_to(self.actor).select_related("policy_version")
        job = jobs.filter(pk=pk).first()
        if job is None:
            raise NotFound
        return Response(ApplicationOut(job).data)


class SimulationViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": READERS}
    queryset = Simulation.objects.none()

    @operation("Get a simulation", returns=SimulationOut, example=examples.SIMULATION, trims=())
    def retrieve(self, request: Request, pk: int) -> Response:
        """How far it is, and what it found so far of the departments of the caller."""
        refuse_unknown(request, ())
        simulated = selectors.simulated(pk, actor=self.actor)
        return Response(SimulationOut().to_representation(simulated))


class CalendarViewSet(ApiViewSet):
    allowed: ClassVar = {
        **dict.fromkeys(("list", "retrieve"), READERS),
        **dict.fromkeys(("create", "partial_update", "import_holidays"), WRITERS),
    }
    orderings: ClassVar = {"id": Ordering("pk"), "-id": Ordering("pk", descending=True)}
    queryset = Calendar.objects.none()

    def check_reach(self, **path: Any) -> None:
        if "pk" in path and not Calendar.objects.visible_to(self.actor).filter(pk=path["pk"]).exists():
            raise NotFound

    @operation("List calendars", returns=CalendarOut(many=True), example=examples.CALENDAR)
    def list(self, request: Request) -> Response:
        return self.page(self._calendars(), CalendarOut)

    @operation(
        "Create a calendar",
        takes=CalendarCreate,
        request_example=examples.CALENDAR_CREATE,
        returns=CalendarOut,
        example=examples.CALENDAR,
        status=201,
        errors=[calendars.CalendarNameTaken],
    )
    def create(self, request: Request) -> Response:
        """Working hours in a time zone. A calendar that is never open is refused."""
        calendar = calendars.create_calendar(**self.read(CalendarCreate), by=self.actor, now=self.now)
        return self._detail(calendar, status=201)

    @operation("Get a calendar", returns=CalendarOut, example=examples.CALENDAR)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.found(self._calendars().filter(pk=pk), CalendarOut)

    @operation(
        "Change a calendar",
        takes=CalendarUpdate,
        request_example=examples.CALENDAR_UPDATE,
        returns=CalendarOut,
        example=examples.CALENDAR,
        errors=[calendars.CalendarNameTaken],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        """Other hours are a new version, good for tickets from now on; those that run keep theirs."""
        calendar = calendars.update_calendar(
            calendar_id=pk,
            changes=self.read(CalendarUpdate),
            by=self.actor,
            now=self.now,
            expected_version=expected_version(request),
        )
        return self._detail(calendar)

    @operation(
        "Import holidays",
        takes=HolidayImport,
        request_example=examples.HOLIDAY_IMPORT,
        returns=HolidaysImported,
        example=examples.HOLIDAYS_IMPORTED,
    )
    def import_holidays(self, request: Request, pk: int) -> Response:
        """Adds the public holidays of a country, or of a part of it, to those that the calendar has."""
        calendar, added = calendars.import_holidays(
            calendar_id=pk, **self.read(HolidayImport), by=self.actor, now=self.now
        )
        return versioned({**CalendarOut(calendar).data, "added": added}, calendar.version)

    def _calendars(self) -> Any:
        return Calendar.objects.visible_to(self.actor).prefetch_related("versions__created_by")

    def _detail(self, calendar: Calendar, *, status: int = 200) -> Response:
        return versioned(CalendarOut(calendar).data, calendar.version, status=status)


class CalendarVersionViewSet(ApiViewSet):
    allowed: ClassVar = {"list": READERS}
    orderings: ClassVar = BY_NUMBER
    queryset = CalendarVersion.objects.none()

    @operation("List a calendar's versions", returns=CalendarVersionOut(many=True), example=examples.CALENDAR_VERSION)
    def list(self, request: Request, pk: int) -> Response:
        """Newest first. None of them ever changes."""
        if not Calendar.objects.visible_to(self.actor).filter(pk=pk).exists():
            raise NotFound
        versions = CalendarVersion.objects.visible_to(self.actor).filter(calendar=pk)
        return self.page(versions.select_related("created_by"), CalendarVersionOut)


class TicketSLAViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": READERS}
    queryset = SLAClock.objects.none()

    @operation("Get a ticket's promises", returns=TicketSLAOut, example=examples.TICKET_SLA)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Every clock that the ticket ever had, as it is now, in the order in which they began."""
        refuse_unknown(request, {trimming.PARAMETER})
        serializer = TicketSLAOut()
        trimming.trim(serializer, trimming.wanted_of(request, serializer))
        sla = selectors.of_ticket(ticket_id=pk, actor=self.actor)
        parts = {
            "ticket_id": sla.ticket_id,
            "policy_version": sla.policy_version,
            "calendar_version": sla.calendar_version,
            "started_at": sla.started_at,
            "clocks": selectors.standings(sla, now=self.now),
        }
        return Response(serializer.to_representation(parts))


class BreachViewSet(ApiViewSet):
    allowed: ClassVar = {"list": READERS, "acknowledge": WRITERS}
    orderings: ClassVar = {"-at": Ordering("at", descending=True), "at": Ordering("at")}
    filterset_class = BreachFilter
    queryset = SLAAlert.objects.none()

    def check_reach(self, **path: Any) -> None:
        if not SLAAlert.objects.visible_to(self.actor).breaches().filter(pk=path["pk"]).exists():
            raise NotFound

    @operation("List breaches", returns=BreachOut(many=True), example=examples.BREACH)
    def list(self, request: Request) -> Response:
        """Broken promises on tickets that the caller sees, the latest first. Once there, a breach stays."""
        return self.page(selectors.breaches(self.actor), BreachOut)

    @operation(
        "Acknowledge a breach",
        takes=Acknowledgment,
        request_example={"reason": "The carrier's site was down all morning."},
        returns=BreachOut,
        example=examples.BREACH,
        errors=[breaches.AlreadyAcknowledged],
    )
    def acknowledge(self, request: Request, pk: int) -> Response:
        """Notes once, for good, why the promise was broken. Supervisors and administrators."""
        breaches.acknowledge(breach_id=pk, **self.read(Acknowledgment), by=self.actor, now=self.now)
        return Response(BreachOut(selectors.breaches(self.actor).get(pk=pk)).data)


class AtRiskViewSet(ApiViewSet):
    allowed: ClassVar = {"list": READERS}
    orderings: ClassVar = {"due_at": Ordering("due_at"), "-due_at": Ordering("due_at", descending=True)}
    filterset_class = AtRiskFilter
    queryset = SLAClock.objects.none()

    @operation("List what is at risk", returns=AtRiskOut(many=True), example=examples.AT_RISK)
    def list(self, request: Request) -> Response:
        """Running clocks that were warned of and are not due yet, the earliest first, on tickets that the caller
        sees.
        """
        return self.page(selectors.at_risk(self.actor, now=self.now), AtRiskOut)


class DashboardViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": READERS}
    filterset_class = PeriodFilter
    queryset = SLAClock.objects.none()

    @operation("Get the dashboard", returns=DashboardOut, example=examples.DASHBOARD, filtered=True, trims=())
    def retrieve(self, request: Request) -> Response:
        """How promises were kept on tickets that the caller sees, and what lies ahead. Up to a minute old."""
        actor, now = self.actor, self.now
        during = performance.period(**read_parameters(request, PeriodFilter), now=now)

        def made() -> str:
            found = dashboard.dashboard(actor, during, now=now)
            return json.dumps(DashboardOut().to_representation(found), cls=JSONEncoder)

        text = kept.answer(
            dashboard.KIND, key=[*actor.sight, during.since, during.until], groups=[dashboard.KIND], make=made
        )
        return Response(json.loads(text))

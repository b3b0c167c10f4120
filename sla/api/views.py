"""Policies, and what is applied and simulated of them."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from agents.enums import EVERY_ROLE, Role, Scope
from sla import selectors
from sla.api import examples
from sla.api.applications import ApplicationCreate, ApplicationOut
from sla.api.policies import Activation, PolicyCreate, PolicyDetail, PolicyOut, PolicyUpdate, PolicyVersionOut
from sla.api.simulations import SimulationCreate, SimulationOut
from sla.models import Policy, PolicyApplication, PolicyVersion, Simulation
from sla.services import applying, policies, simulating
from supportdesk.core.api import trimming
from supportdesk.core.api.filters import refuse_unknown
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

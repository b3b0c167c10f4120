"""Agents, how they are grouped, and what they log in with."""

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Upper
from django.utils import timezone
from django.utils.crypto import salted_hmac

from agents.enums import Availability, Role, Scope
from agents.identity import compared_email
from supportdesk.core.actor import Actor, ActorKind


class DepartmentQuerySet(models.QuerySet["Department"]):
    def visible_to(self, actor: Actor) -> "DepartmentQuerySet":
        """All of them: names of departments are known to everyone who works here."""
        return self


class Department(models.Model):
    """A team that owns tickets. Its name is known to every agent; what it owns is not."""

    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)

    objects = DepartmentQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="department_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class SpecializationQuerySet(models.QuerySet["Specialization"]):
    def visible_to(self, actor: Actor) -> "SpecializationQuerySet":
        """All of them: the list of skills is no secret."""
        return self


class Specialization(models.Model):
    """A skill. Tickets of the categories it lists need an agent who has it."""

    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    categories = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    version = models.PositiveIntegerField(default=1)

    objects = SpecializationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.name


class AgentQuerySet(models.QuerySet["Agent"]):
    def visible_to(self, actor: Actor) -> "AgentQuerySet":
        """Agents whose whole record the actor may read: themselves and the agents of the actor's departments.

        Of everybody else only the card (`id`, `name`, `availability`) is shown; see `agents.selectors.directory`.
        """
        if not actor.may(Scope.AGENTS_READ):
            return self.none()
        if actor.sees_everything:
            return self
        reach = Q(department_id__in=actor.departments or ())
        if actor.kind == ActorKind.PERSON:
            reach |= Q(pk=actor.id)
        return self.filter(reach)

    def known_as(self, email: str) -> "AgentQuerySet":
        """The agent of this address, in any case of its letters. Answered by the index that keeps it unique."""
        return self.alias(compared=Lower("email")).filter(compared=compared_email(email))

    def reaching(self, department_id: int | None, *, or_id: int | None = None) -> "AgentQuerySet":
        """Active agents who see what belongs to the department (None: to no department), and agent `or_id`."""
        active = self.filter(is_active=True)
        if department_id is None:
            return active
        members = Q(department_id=department_id) | Q(role=Role.ADMIN) | Q(pk=or_id)
        return active.filter(members | _supervising(department_id)).distinct()

    def supervising(self, department_id: int | None, *, or_id: int | None = None) -> "AgentQuerySet":
        """Active supervisors who answer for the department (None: for what has none), and agent `or_id`."""
        return self.filter(is_active=True).filter(_supervising(department_id) | Q(pk=or_id)).distinct()


def _supervising(department_id: int | None) -> Q:
    """A supervisor who leads the department, or none in particular and so all."""
    return Q(role=Role.SUPERVISOR) & (Q(leads=department_id) | Q(leads__isnull=True))


class AgentManager(BaseUserManager["Agent"]):
    def get_queryset(self) -> AgentQuerySet:
        return AgentQuerySet(self.model, using=self._db)

    def visible_to(self, actor: Actor) -> AgentQuerySet:
        return self.get_queryset().visible_to(actor)

    def get_by_natural_key(self, username: str | None) -> "Agent":
        """By e-mail address in any case; what Django's own login form asks."""
        return self.get_queryset().known_as(username or "").get()


class Agent(AbstractBaseUser):
    """A member of the support team; Django's user model, so that every author, assignee and actor is one table."""

    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.AGENT)
    department = models.ForeignKey(Department, models.PROTECT, null=True, blank=True, related_name="agents")
    leads = models.ManyToManyField(
        Department,
        blank=True,
        related_name="supervisors",
        help_text="Departments a supervisor leads; none named means all.",
    )
    specializations = models.ManyToManyField(Specialization, blank=True, related_name="agents")
    languages = ArrayField(
        models.CharField(max_length=16), default=list, blank=True, help_text="ISO 639-1 codes such as en or pt-br."
    )
    capacity = models.PositiveSmallIntegerField(default=10, help_text="Open tickets the agent takes at a time.")
    availability = models.CharField(max_length=16, choices=Availability.choices, default=Availability.OFFLINE)
    returns_to = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        choices=Availability.choices,
        help_text="What they were when they were lost, and are again when they return; empty: nothing.",
    )
    is_active = models.BooleanField(default=True)
    token_version = models.PositiveIntegerField(
        default=1, help_text="Raised to end every login at once: password, role and activation changes do."
    )
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[AgentManager] = AgentManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["name"]

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), name="agent_email_unique"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="agent_role_known"),
            models.CheckConstraint(condition=Q(availability__in=Availability.values), name="agent_availability_known"),
            models.CheckConstraint(condition=Q(capacity__lte=500), name="agent_capacity_bounded"),
            models.CheckConstraint(
                condition=Q(returns_to__in=["", Availability.ONLINE, Availability.BUSY]), name="agent_returns_to_known"
            ),
        ]
        indexes: ClassVar = [
            models.Index(F("department"), F("availability"), name="agent_department_presence"),
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="agent_name_trigram"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_staff(self) -> bool:
        """Whether the admin site opens to them."""
        return self.role in {Role.SUPERVISOR, Role.ADMIN}

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What an admin session must still be equal to: what ends every login at the API ends the admin's as well."""
        now_good = f"{self.password} {self.token_version}"
        return salted_hmac("agents.session", now_good, secret=secret, algorithm="sha256").hexdigest()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Django's model permissions: administrators only. Every admin class of ours decides for itself instead."""
        return self.is_active and self.role == Role.ADMIN

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff


class LoginSessionQuerySet(models.QuerySet["LoginSession"]):
    def visible_to(self, actor: Actor) -> "LoginSessionQuerySet":
        """One's own logins."""
        if actor.kind == ActorKind.SYSTEM:
            return self
        return self.filter(agent_id=actor.id or 0) if actor.kind == ActorKind.PERSON else self.none()


class LoginSession(models.Model):
    """One login on one device: the family of its refresh tokens. Access tokens name it and die with it."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="login_sessions")
    refresh_id = models.CharField(max_length=32, help_text="`jti` of the refresh token that is good now.")
    previous_refresh_id = models.CharField(max_length=32, blank=True)
    rotated_at = models.DateTimeField(null=True)
    network_index = models.CharField(max_length=64, blank=True, help_text="Keyed hash of where it was opened from.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=32, blank=True)
    token_version = models.PositiveIntegerField(
        default=1, db_default=1, help_text="The agent's, when it was opened; it is over when that has risen."
    )
    present_until = models.DateTimeField(null=True, help_text="How long it counts as being there without a tab.")
    had_tab = models.BooleanField(default=False, db_default=False, help_text="Its tabs say whether somebody is there.")

    objects = LoginSessionQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["expires_at"], name="login_session_expiry"),
            models.Index(
                fields=["present_until"], condition=Q(present_until__isnull=False), name="login_session_presence"
            ),
        ]

    def __str__(self) -> str:
        return f"login {self.pk}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def visible_to(self, actor: Actor) -> "ApiKeyQuerySet":
        """All of them, for administrators; none for anybody else."""
        return self if actor.kind == ActorKind.SYSTEM or actor.role == Role.ADMIN else self.none()


class ApiKey(models.Model):
    """A machine's credential. Only a hash is kept; the key itself is shown once, when it is made."""

    name = models.CharField(max_length=100, help_text="The machine or the integration that holds it.")
    prefix = models.CharField(max_length=16, unique=True, help_text="How a key is told from others; no secret.")
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the whole key.")
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope.choices))
    created_by = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(scopes__contained_by=Scope.values), name="api_key_scopes_known"),
            models.CheckConstraint(condition=Q(scopes__len__gte=1), name="api_key_has_scope"),
        ]

    def __str__(self) -> str:
        return self.name

"""Tickets in the admin: a list to find them, and one page to read and to work them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timesince import timesince

from agents.admin import DeskAdmin
from agents.models import Agent, Department
from customers.audit import record_read
from sla import selectors as promises
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.admin import ServiceForm
from supportdesk.core.errors import DomainError, InvalidInput, NotFound, Unavailable
from supportdesk.core.models import Event
from tickets import audit, decisions, search, selectors
from tickets.enums import Category, Channel, Priority, Sender, Status, Trigger
from tickets.models import Ticket, TopicAlert
from tickets.models.conversation import MAX_BODY
from tickets.models.ticket import MAX_TAG_LENGTH, MAX_TAGS
from tickets.services import assignment, conversation, lifecycle, topic_alerts
from tickets.services.conversation import NewerMessages
from tickets.status import TRANSITIONS
from tickets.weights import MOST_HEAD_START

MAX_REASON = 500
SHOWN = 200  # newest messages, notes and facts on the page


class TicketForm(ServiceForm):
    subject = forms.CharField(max_length=300)
    status = forms.ChoiceField(choices=Status.choices)
    priority = forms.ChoiceField(choices=Priority.choices)
    category = forms.ChoiceField(choices=Category.choices)
    channel = forms.ChoiceField(choices=Channel.choices)
    department = forms.ModelChoiceField(Department.objects.all(), required=False)
    tags = forms.CharField(required=False, max_length=2_000, help_text="Separated by commas.")
    language = forms.CharField(max_length=16, required=False)

    def clean_tags(self) -> list[str]:
        tags = lifecycle.normalised_tags(self.cleaned_data["tags"].split(","))
        if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in tags):
            raise forms.ValidationError(f"At most {MAX_TAGS} tags of {MAX_TAG_LENGTH} characters each.")
        return tags


class ReplyForm(ServiceForm):
    body = forms.CharField(max_length=MAX_BODY, label="Reply", strip=False, widget=forms.Textarea(attrs={"rows": 5}))

    last_seen_position = forms.IntegerField(widget=forms.HiddenInput, required=False)


class NoteForm(ServiceForm):
    body = forms.CharField(max_length=MAX_BODY, label="Note", strip=False, widget=forms.Textarea(attrs={"rows": 3}))


class AssignForm(ServiceForm):
    agent = forms.ModelChoiceField(Agent.objects.get_queryset().none())

    def offer(self, agents: QuerySet[Agent]) -> None:
        field: Any = self.fields["agent"]
        field.queryset = agents.order_by("name", "pk")


class TransferForm(AssignForm):
    reason = forms.CharField(max_length=MAX_REASON, help_text="For colleagues.")
    from_agent = forms.IntegerField(widget=forms.HiddenInput)


class AutoAssignForm(ServiceForm):
    """A button."""


class StatusFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*Status.choices, ("archived", "Archived")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "archived":
            return queryset.filter(archived_at__isnull=False)
        live = queryset.filter(archived_at__isnull=True)
        return live.in_status([self.value()]) if self.value() else live


class AssigneeFilter(admin.SimpleListFilter):
    title = "assignee"
    parameter_name = "assignee"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "Me"), ("none", "Nobody"), ("some", "Somebody")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "me":
                return queryset.filter(assignee_id=request.user.pk)
            case "none":
                return queryset.filter(assignee__isnull=True)
            case "some":
                return queryset.filter(assignee__isnull=False)
        return queryset


class DepartmentFilter(admin.SimpleListFilter):
    title = "department"
    parameter_name = "department"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Those whose tickets the actor can see."""
        departments = Department.objects.visible_to(model_admin.actor(request))
        reach = model_admin.actor(request).departments
        if reach is not None:
            departments = departments.filter(pk__in=reach)
        return [("none", "None"), *((str(pk), name) for pk, name in departments.values_list("pk", "name"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value == "none":
            return queryset.filter(department__isnull=True)
        return queryset.filter(department_id=int(value)) if value and value.isdecimal() else queryset


@admin.register(Ticket)
class TicketAdmin(DeskAdmin):
    form_class = TicketForm
    record_template = "admin/desk/ticket.html"
    list_display = (
        "number",
        "subject",
        "state",
        "urgency",
        "customer",
        "assignee",
        "department",
        "waiting",
        "updated",
    )
    list_display_links = ("number", "subject")
    list_filter: ClassVar[Any] = (StatusFilter, "priority", AssigneeFilter, DepartmentFilter, "channel", "category")
    plain_filters = ("priority", "channel", "category", "status", "assignee", "department")
    list_select_related = ("customer", "assignee", "department")
    search_fields = ("subject",)
    search_help_text = "Words of a ticket, part of a subject or of a customer's name, or a number"
    ordering = ("rank_at", "id")
    sortable_by: ClassVar[Any] = ("updated",)
    actions = ("take", "auto_assign", "archive")

    # The list

    @admin.display(description="No.", ordering="id")
    def number(self, obj: Ticket) -> str:
        return f"#{obj.pk}"

    @admin.display(description="Status")
    def state(self, obj: Ticket) -> str:
        return format_html(
            '<span class="badge badge-{}">{}</span>', obj.status, obj.status.replace("_", " ").capitalize()
        )

    @admin.display(description="Priority")
    def urgency(self, obj: Ticket) -> str:
        return format_html('<span class="badge badge-{}">{}</span>', obj.priority, obj.get_priority_display())

    @admin.display(description="Updated", ordering="updated_at")
    def updated(self, obj: Ticket) -> datetime:
        return obj.updated_at

    @admin.display(description="Waiting")
    def waiting(self, obj: Ticket) -> str:
        return timesince(obj.waiting_since, depth=1) if obj.waiting_since else "-"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found: Any = queryset
        try:
            return (search.matching(found, search_term, self.actor(request)) if search_term.strip() else found), False
        except InvalidInput:
            return queryset.none(), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        page = super().changelist_view(request, extra_context)
        shown = getattr(page, "context_data", {}).get("cl")
        if shown is not None:
            ids, by = [ticket.pk for ticket in shown.result_list], self.actor(request)
            audit.record_search(ids=ids, parameters=request.GET, through="admin", by=by, now=timezone.now())
        return page

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # tickets come from customers, through the API

    @admin.action(description="Assign to me")
    def take(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> None:
        agent_id = int(request.user.pk or 0)
        self._each(
            request,
            queryset,
            "assigned to you",
            lambda pk, by: assignment.assign(ticket_id=pk, agent_id=agent_id, by=by, now=timezone.now()),
        )

    @admin.action(description="Assign automatically")
    def auto_assign(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> None:
        waiting: list[int] = []

        def act(pk: int, by: Actor) -> None:
            if assignment.auto_assign(ticket_id=pk, by=by, now=timezone.now()).ticket.assignee_id is None:
                waiting.append(pk)

        self._each(request, queryset, "looked at", act)
        if waiting:
            numbers = ", ".join(f"#{pk}" for pk in waiting)
            messages.warning(request, f"Nobody can take {numbers} now: waiting for the next who can.")

    @admin.action(description="Archive")
    def archive(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> None:
        self._each(
            request,
            queryset,
            "archived",
            lambda pk, by: lifecycle.archive_ticket(ticket_id=pk, by=by, now=timezone.now()),
        )

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Ticket], done: str, act: Callable[[int, Actor], object]
    ) -> None:
        """One service call per ticket: what one refuses does not stop the others."""
        by, count = self.actor(request), 0
        for pk in queryset.values_list("pk", flat=True):
            try:
                act(pk, by)
                count += 1
            except Unavailable:
                raise
            except DomainError as problem:
                messages.error(request, f"#{pk}: {problem.detail}")
        if count:
            messages.success(request, f"{count} {'ticket' if count == 1 else 'tickets'} {done}.")

    # The page

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        return frozenset() if obj.archived_at else frozenset(TicketForm.base_fields)

    def initial(self, obj: Ticket) -> dict[str, Any]:
        names = ("subject", "status", "priority", "category", "channel", "language")
        return {name: getattr(obj, name) for name in names} | {
            "department": obj.department_id,
            "tags": ", ".join(obj.tags),
        }

    def build_form(self, request: HttpRequest, obj: Any) -> ServiceForm:
        """The fields of the ticket; unless this is one of the page's other forms, they take what was posted."""
        if request.POST.get("do", "save") == "save":
            form = super().build_form(request, obj)
        else:
            initial = {"version": obj.version, **self.initial(obj)}
            form = self.form_class(None, initial=initial, settable=self.settable(request, obj))
        reachable = TRANSITIONS[Status(obj.status)] | {Status(obj.status)}
        status: Any = form.fields["status"]
        status.choices = [(value, label) for value, label in Status.choices if value in reachable]
        return form

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> Ticket:
        return lifecycle.update_ticket(
            ticket_id=obj.pk,
            changes=form.changes(),
            by=self.actor(request),
            now=timezone.now(),
            expected_version=form.seen_version,
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if request.method == "POST" and request.POST.get("do") in {"reply", "note", "assign", "transfer", "auto"}:
            return self._speak(request, unquote(str(object_id)), request.POST["do"])
        return super().changeform_view(request, object_id, form_url, extra_context)

    def beside(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        by, now = self.actor(request), timezone.now()
        record_read(customer_id=obj.customer_id, through="admin", by=by, now=now, ticket_id=obj.pk)
        events = list(self._latest(selectors.timeline(ticket_id=obj.pk, actor=self.actor(request)), "at"))
        return {
            "thread": self._thread(request, obj),
            "timeline": self._named(events),
            "assignments": selectors.assignments(ticket_id=obj.pk, actor=self.actor(request)).order_by("-id"),
            "decision": self._decision(request, obj),
            "promised": promises.status_of(obj, now=now),
            "attributes": sorted(obj.attributes.items()),
            "reply_form": ReplyForm(prefix="reply", initial={"last_seen_position": obj.last_position}),
            "note_form": NoteForm(prefix="note"),
            "assign_form": self._assign_form(request, obj, None),
            "transfer_form": self._transfer_form(request, obj, None),
        }

    def _speak(self, request: HttpRequest, object_id: str, do: str) -> HttpResponse:
        """Reply, note and who works on it: small forms on one page, each with its own button."""
        obj = self.get_object(request, object_id)
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        forms_by_name: dict[str, Callable[[], ServiceForm]] = {
            "reply": lambda: ReplyForm(request.POST, prefix="reply"),
            "note": lambda: NoteForm(request.POST, prefix="note"),
            "assign": lambda: self._assign_form(request, obj, request.POST),
            "transfer": lambda: self._transfer_form(request, obj, request.POST),
            "auto": lambda: AutoAssignForm(request.POST, prefix="auto"),
        }
        form = forms_by_name[do]()
        if form.is_valid():
            try:
                done = self._act(do, obj, form, self.actor(request))
            except NewerMessages as problem:
                form.take(problem)
                obj.refresh_from_db(fields=["last_position"])
                form.data = {
                    **request.POST.dict(),
                    "reply-last_seen_position": obj.last_position,
                }  # they are on the page now
            except NotFound:
                form.add_error(None, "This is no longer possible; read the page again.")
            except DomainError as problem:
                form.take(problem)
                messages.error(request, problem.detail)  # the form itself may be gone from the page by now
            else:
                messages.success(request, done)
                return HttpResponseRedirect(self.url_of(obj))
        more = {"form": self.build_form(request, obj), **self.beside(request, obj), f"{do}_form": form}
        return self.page(request, obj, more)

    def _act(self, do: str, obj: Ticket, form: ServiceForm, by: Actor) -> str:
        now = timezone.now()
        if do == "reply":
            seen = {name: form.cleaned_data[name] for name in ("body", "last_seen_position")}
            conversation.add_message(ticket_id=obj.pk, **seen, sender=Sender.AGENT, by=by, now=now)
            return "Reply added."
        if do == "note":
            conversation.add_note(ticket_id=obj.pk, body=form.cleaned_data["body"], by=by, now=now)
            return "Note added."
        if do == "auto":
            result = assignment.auto_assign(ticket_id=obj.pk, by=by, now=now)
            owner = result.ticket.assignee
            return f"Assigned to {owner.name}." if owner else "Nobody can take it now: it waits for the next who can."
        agent: Agent = form.cleaned_data["agent"]
        if do == "transfer":
            given = {"from_agent_id": form.cleaned_data["from_agent"], "reason": form.cleaned_data["reason"]}
            assignment.transfer(ticket_id=obj.pk, agent_id=agent.pk, **given, by=by, now=now)
            return f"Transferred to {agent.name}."
        assignment.assign(ticket_id=obj.pk, agent_id=agent.pk, by=by, now=now)
        return f"Assigned to {agent.name}."

    def _assign_form(self, request: HttpRequest, obj: Ticket, data: Any) -> AssignForm:
        form = AssignForm(data, prefix="assign")
        form.offer(self._able(request, obj))
        return form

    def _transfer_form(self, request: HttpRequest, obj: Ticket, data: Any) -> TransferForm:
        form = TransferForm(data, prefix="transfer", initial={"from_agent": obj.assignee_id})
        form.offer(self._able(request, obj).exclude(pk=obj.assignee_id or 0))
        return form

    def _able(self, request: HttpRequest, obj: Ticket) -> QuerySet[Agent]:
        """Agents who see the ticket, of those whose record the actor may read."""
        reach = Agent.objects.get_queryset().reaching(obj.department_id)
        return Agent.objects.visible_to(self.actor(request)).filter(pk__in=reach.values("pk"))

    def _decision(self, request: HttpRequest, obj: Ticket) -> dict[str, Any] | None:
        """Why the ticket is with whom it is, with those of the agents it was about whose record the actor may read."""
        latest = obj.decisions.order_by("-pk").first()
        if latest is None:
            return None
        record = latest.record
        others, loads = decisions.left_out(record), decisions.loads(record)
        ranked = [entry["id"] for entry in record.get("ranked", ())]
        ids = {*ranked, *others}
        names = dict(Agent.objects.visible_to(self.actor(request)).filter(pk__in=ids).values_list("pk", "name"))
        return {
            "outcome": latest.get_outcome_display(),
            "at": latest.decided_at,
            "trigger": Trigger(record["trigger"]).label,
            "why": decisions.why(record),
            "ranked": [(names[pk], *loads[pk]) for pk in ranked if pk in names],
            "left_out": sorted((names[pk], reason) for pk, reason in others.items() if pk in names),
            "unnamed": len(ids - set(names)),
        }

    def _thread(self, request: HttpRequest, obj: Ticket) -> list[Any]:
        """Messages and notes in the order in which they were written."""
        actor = self.actor(request)
        messages_ = list(self._latest(selectors.messages(ticket_id=obj.pk, actor=actor), "position"))
        notes = list(self._latest(selectors.notes(ticket_id=obj.pk, actor=actor), "pk"))
        return sorted([*messages_, *notes], key=lambda item: (item.created_at, item.pk))

    def _latest(self, rows: QuerySet[Any], order: str) -> list[Any]:
        return list(rows.order_by(f"-{order}", "-pk")[:SHOWN])[::-1]

    def _named(self, events: list[Event]) -> list[tuple[Event, str, str]]:
        """Each fact with what it says and the name of who caused it."""
        people = {event.actor_id or 0 for event in events if event.actor_kind == ActorKind.PERSON}
        names = {agent.pk: agent.name for agent in Agent.objects.get_queryset().filter(pk__in=people)}
        return [(event, _told(event), names.get(event.actor_id or 0, event.actor_name)) for event in events]


def _told(event: Event) -> str:
    """`ticket.status_changed` of open and pending is "Status changed: open → pending"."""
    said = event.name.rpartition(".")[2].replace("_", " ").capitalize()
    if "before" in event.payload:
        return f"{said}: {event.payload['before']} → {event.payload['after']}".replace("_", " ")
    if metric := event.payload.get("metric"):
        return f"{said}: {metric}".replace("_", " ")
    if fields := event.payload.get("fields"):
        return f"{said}: {', '.join(fields)}".replace("_", " ")
    return said


class TopicAlertForm(ServiceForm):
    phrase = forms.CharField(
        max_length=100, required=False, help_text="In the subject or in what the customer wrote. Or a tag:"
    )
    tag = forms.CharField(max_length=MAX_TAG_LENGTH, required=False)
    department = forms.ModelChoiceField(
        Department.objects.all(), required=False, empty_label="Every department", help_text="Whose tickets it lifts."
    )
    minutes = forms.IntegerField(min_value=1, max_value=MOST_HEAD_START, help_text="How much earlier they come.")
    ends_at = forms.DateTimeField(label="Ends at (UTC)", help_text="As in 2027-01-31 18:00.")


class EndForm(TopicAlertForm):
    """Of an alert that is there: it is only ended."""

    end_now = forms.BooleanField(required=False, label="End it now")


@admin.register(TopicAlert)
class TopicAlertAdmin(DeskAdmin):
    form_class = EndForm
    may_add = True
    list_display = ("topic", "department", "minutes", "created_by", "created_at", "ends_at")
    list_select_related = ("department", "created_by")
    ordering = ("-created_at", "-id")
    sortable_by: ClassVar[Any] = ()

    @admin.display(description="Phrase or tag")
    def topic(self, obj: TopicAlert) -> str:
        return str(obj)

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        if obj is None:
            return frozenset(TopicAlertForm().fields)
        return frozenset({"end_now"}) if obj.ends_at > timezone.now() else frozenset()

    def build_form(self, request: HttpRequest, obj: Any) -> ServiceForm:
        data = request.POST if request.method == "POST" else None
        kind = TopicAlertForm if obj is None else EndForm
        names = ("phrase", "tag", "department", "minutes", "ends_at")
        initial = {} if obj is None else {name: getattr(obj, name) for name in names}
        return kind(data, initial=initial, settable=self.settable(request, obj))

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> TopicAlert:
        by, now = self.actor(request), timezone.now()
        if obj is not None:
            return topic_alerts.end(alert_id=obj.pk, by=by, now=now) if form.cleaned_data["end_now"] else obj
        given = {name: form.cleaned_data[name] for name in ("phrase", "tag", "department", "minutes", "ends_at")}
        return topic_alerts.begin(**given, by=by, now=now)

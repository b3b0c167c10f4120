"""HTTP: every route of the product. One of the four tables that can start code."""

from typing import Any

from django.contrib import admin
from django.urls import path, register_converter
from django.views.generic import RedirectView

from agents.api.keys import ApiKeyViewSet
from agents.api.stream import StreamViewSet
from agents.api.views import AgentViewSet, LoginViewSet
from customers.api.privacy import PrivacyViewSet
from customers.api.views import CustomerViewSet, OrderViewSet
from integrations.api.products import ProductViewSet
from integrations.api.webhooks import WebhookViewSet
from integrations.enums import Provider
from quimbi.api.views import CustomerInsightViewSet, DraftViewSet, RecommendationViewSet, ReportViewSet
from sla.api.breaches import AtRiskViewSet, BreachViewSet
from sla.api.calendars import CalendarVersionViewSet, CalendarViewSet
from sla.api.dashboard import DashboardViewSet
from sla.api.promises import TicketSLAViewSet
from sla.api.views import ApplicationViewSet, PolicyVersionViewSet, PolicyViewSet, SimulationViewSet
from supportdesk.core.api.converters import IdConverter, PublicIdConverter
from supportdesk.core.api.docs import DocsView, document
from supportdesk.core.observability import health, scrape
from tickets.api.assignment import (
    AgentQueueViewSet,
    AssignmentViewSet,
    AvailableAgentViewSet,
    UnassignedViewSet,
)
from tickets.api.attachments import AttachmentViewSet
from tickets.api.saved_views import SavedViewTicketsViewSet, SavedViewViewSet
from tickets.api.topic_alerts import TopicAlertViewSet
from tickets.api.views import (
    CustomerTicketsViewSet,
    MessageViewSet,
    NoteViewSet,
    RankViewSet,
    TicketViewSet,
    TimelineViewSet,
)

register_converter(IdConverter, "id")
register_converter(PublicIdConverter, "public_id")

handler400 = "supportdesk.pages.bad_request"
handler403 = "supportdesk.pages.permission_denied"
handler404 = "supportdesk.pages.not_found"
handler500 = "supportdesk.pages.server_error"

collection: dict[str, Any] = {"get": "list", "post": "create"}
webhook: dict[str, Any] = {"post": "take_in"}
app_webhook: dict[str, Any] = {"post": "take_in_of_app"}

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/", http_method_names=["get", "head"])),
    path("admin/", admin.site.urls),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", scrape.metrics),
    path("api/schema", document, name="schema"),
    path("api/docs", DocsView.as_view(), name="docs"),
    path("api/auth/login", LoginViewSet.as_view({"post": "log_in"})),
    path("api/auth/refresh", LoginViewSet.as_view({"post": "refresh"})),
    path("api/agents", AgentViewSet.as_view(collection)),
    path("api/agents/available", AvailableAgentViewSet.as_view({"get": "list"})),
    path("api/agents/<id:pk>", AgentViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("api/agents/<id:pk>/login", LoginViewSet.as_view({"post": "log_in"})),
    path("api/agents/<id:pk>/logout", AgentViewSet.as_view({"post": "logout"})),
    path("api/agents/<id:pk>/queue", AgentQueueViewSet.as_view({"get": "list"})),
    path("api/agents/<id:pk>/ws-ticket", AgentViewSet.as_view({"post": "ws_ticket"})),
    path("api/agents/<id:pk>/stream", StreamViewSet.as_view({"get": "follow"})),
    path("api/ai/customers/<id:pk>/churn", CustomerInsightViewSet.as_view({"get": "churn"})),
    path("api/ai/customers/<id:pk>/dna", CustomerInsightViewSet.as_view({"get": "dna"})),
    path("api/ai/report", ReportViewSet.as_view({"get": "retrieve"})),
    path("api/ai/tickets/<id:pk>/draft", DraftViewSet.as_view({"get": "retrieve", "post": "create"})),
    path("api/ai/tickets/<id:pk>/recommend", RecommendationViewSet.as_view({"get": "retrieve"})),
    path("api/api-keys", ApiKeyViewSet.as_view(collection)),
    path("api/api-keys/<id:pk>", ApiKeyViewSet.as_view({"delete": "destroy"})),
    path("api/customers", CustomerViewSet.as_view(collection)),
    path("api/customers/<id:pk>", CustomerViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("api/customers/<id:pk>/erase", PrivacyViewSet.as_view({"post": "erase"})),
    path("api/customers/<id:pk>/export", PrivacyViewSet.as_view({"get": "export"})),
    path("api/customers/<id:pk>/orders", OrderViewSet.as_view({"get": "list"})),
    path("api/customers/<id:pk>/tickets", CustomerTicketsViewSet.as_view({"get": "list"})),
    path("api/sla/applications/<id:pk>", ApplicationViewSet.as_view({"get": "retrieve"})),
    path("api/sla/at-risk", AtRiskViewSet.as_view({"get": "list"})),
    path("api/sla/breaches", BreachViewSet.as_view({"get": "list"})),
    path("api/sla/breaches/<id:pk>/acknowledge", BreachViewSet.as_view({"post": "acknowledge"})),
    path("api/sla/calendars", CalendarViewSet.as_view(collection)),
    path("api/sla/calendars/<id:pk>", CalendarViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("api/sla/calendars/<id:pk>/holidays/import", CalendarViewSet.as_view({"post": "import_holidays"})),
    path("api/sla/calendars/<id:pk>/versions", CalendarVersionViewSet.as_view({"get": "list"})),
    path("api/sla/dashboard", DashboardViewSet.as_view({"get": "retrieve"})),
    path(
        "api/integrations/gorgias/webhook/<public_id:public_id>", WebhookViewSet.of(Provider.GORGIAS).as_view(webhook)
    ),
    path(
        "api/integrations/shopify/webhook/<public_id:public_id>", WebhookViewSet.of(Provider.SHOPIFY).as_view(webhook)
    ),
    path("api/integrations/shopify/products/<id:pk>", ProductViewSet.as_view({"get": "retrieve"})),
    path("api/integrations/shopify/webhook", WebhookViewSet.of(Provider.SHOPIFY).as_view(app_webhook)),
    path("api/sla/policies", PolicyViewSet.as_view(collection)),
    path("api/sla/policies/<id:pk>", PolicyViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("api/sla/policies/<id:pk>/activate", PolicyViewSet.as_view({"post": "activate"})),
    path("api/sla/policies/<id:pk>/apply", PolicyViewSet.as_view({"post": "apply"})),
    path("api/sla/policies/<id:pk>/versions", PolicyVersionViewSet.as_view({"get": "list"})),
    path("api/sla/policies/<id:pk>/simulate", PolicyViewSet.as_view({"post": "simulate"})),
    path("api/sla/simulations/<id:pk>", SimulationViewSet.as_view({"get": "retrieve"})),
    path("api/sla/tickets/<id:pk>", TicketSLAViewSet.as_view({"get": "retrieve"})),
    path("api/tickets", TicketViewSet.as_view(collection)),
    path("api/tickets/unassigned", UnassignedViewSet.as_view({"get": "list"})),
    path("api/tickets/export", TicketViewSet.as_view({"get": "export"})),
    path("api/tickets/bulk", TicketViewSet.as_view({"post": "bulk"})),
    path(
        "api/tickets/<id:pk>",
        TicketViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("api/tickets/<id:pk>/assign", AssignmentViewSet.as_view({"post": "assign"})),
    path("api/tickets/<id:pk>/auto-assign", AssignmentViewSet.as_view({"post": "auto_assign"})),
    path("api/tickets/<id:pk>/transfer", AssignmentViewSet.as_view({"post": "transfer"})),
    path("api/tickets/<id:pk>/assignments", AssignmentViewSet.as_view({"get": "list"})),
    path("api/tickets/<id:pk>/messages", MessageViewSet.as_view(collection)),
    path("api/tickets/<id:pk>/attachments", AttachmentViewSet.as_view(collection)),
    path("api/tickets/<id:pk>/attachments/<id:attachment>", AttachmentViewSet.as_view({"get": "download"})),
    path("api/tickets/<id:pk>/rank", RankViewSet.as_view({"get": "retrieve"})),
    path("api/tickets/<id:pk>/notes", NoteViewSet.as_view(collection)),
    path("api/tickets/<id:pk>/events", TimelineViewSet.as_view({"get": "list"})),
    path("api/topic-alerts", TopicAlertViewSet.as_view(collection)),
    path("api/topic-alerts/<id:pk>", TopicAlertViewSet.as_view({"get": "retrieve"})),
    path("api/topic-alerts/<id:pk>/end", TopicAlertViewSet.as_view({"post": "end"})),
    path("api/views", SavedViewViewSet.as_view(collection)),
    path(
        "api/views/<id:pk>",
        SavedViewViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("api/views/<id:pk>/tickets", SavedViewTicketsViewSet.as_view({"get": "list"})),
]

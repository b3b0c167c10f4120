"""WebSocket: every route of the product. One of the four tables that can start code."""

from channels.routing import URLRouter
from django.urls import path, re_path

from agents.api.consumers import FeedConsumer
from supportdesk.core.api.origins import Refusal

websockets = URLRouter(
    [
        path("ws/agent/<int:pk>", FeedConsumer.as_asgi()),
        re_path("", Refusal.as_asgi()),
    ]
)

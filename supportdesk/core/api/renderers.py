"""Answers that are no JSON."""

import json
from typing import Any

from rest_framework.renderers import BaseRenderer


class FileRenderer(BaseRenderer):
    """Lets any `Accept` in to a route that answers with a file. Only refusals are rendered here, and those are JSON."""

    media_type = "*/*"
    format = "file"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return json.dumps(data).encode()


class EventStreamRenderer(FileRenderer):
    """The same for a route that answers with server-sent events."""

    media_type = "text/event-stream"
    format = "stream"

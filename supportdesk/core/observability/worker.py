"""A worker's own `/metrics`, for where it shares no folder with a web process: in another container, for instance."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from celery import bootsteps
from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST

from supportdesk.core.observability import scrape

SLOWEST_CLIENT = 5  # seconds


class ScrapeServer(bootsteps.StartStopStep):
    """Runs beside the pool on SUPPORTDESK_WORKER_METRICS_PORT, where that is set. Who may see it is as at the web's."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self.server: ThreadingHTTPServer | None = None
        super().__init__(parent, **kwargs)

    def include_if(self, parent: Any) -> bool:
        return bool(settings.WORKER_METRICS_PORT and settings.METRICS_FOLDER)

    def start(self, parent: Any) -> None:
        self.server = ThreadingHTTPServer(("", settings.WORKER_METRICS_PORT), _Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self, parent: Any) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout = SLOWEST_CLIENT

    def do_GET(self) -> None:
        admitted = scrape.admitted(self.client_address[0], self.headers.get("Authorization", ""))
        if self.path != "/metrics" or not admitted:
            self.send_error(404)
            return
        body = scrape.exposition(with_gauges=False)
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """No line per scrape."""

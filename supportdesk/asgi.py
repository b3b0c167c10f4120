"""WebSockets and event streams under an ASGI server; for a small desk, HTTP as well."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings.base")
os.environ.setdefault("SUPPORTDESK_PROCESS", "sockets")
http = get_asgi_application()

from supportdesk.core.api.origins import OriginCheck  # noqa: E402 - models can be imported only now
from supportdesk.routing import websockets  # noqa: E402

application = ProtocolTypeRouter({"http": http, "websocket": OriginCheck(websockets)})

"""HTTP under a WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings.base")
os.environ.setdefault("SUPPORTDESK_PROCESS", "web")

application = get_wsgi_application()

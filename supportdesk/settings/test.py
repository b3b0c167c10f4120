"""The tests' settings: the real thing, with a password hash that costs nothing."""

import os

from supportdesk.settings.base import *  # noqa: F403

STORAGES["attachments"] = {"BACKEND": "django.core.files.storage.InMemoryStorage"}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# No partner is asked but those that a test starts on this machine.
SLACK_BASE_URL = outbound_url("SLACK_BASE_URL", "http://127.0.0.1:9/api") + "/"  # noqa: F405
SHOPIFY_BASE_URL = os.environ.get("SHOPIFY_BASE_URL", "http://127.0.0.1:9")
SHOPIFY_CLIENT_ID = "the-app-of-tests"
SLACK_HOOKS_URL = "http://127.0.0.1:9/"
GORGIAS_BASE_URL = outbound_url("GORGIAS_BASE_URL", "http://127.0.0.1:9")  # noqa: F405
# Tests and fuzzers are faster than people; those of the limits set their own.
REQUESTS_PER_MINUTE = ANONYMOUS_REQUESTS_PER_MINUTE = 1_000_000
# Each test client builds the middleware anew: static files are looked up when one is asked for, not listed each time.
WHITENOISE_AUTOREFRESH = True
# Servers that tests run in threads would keep their connections to a database that is to go.
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405
DATABASES["default"]["TEST"] = {"TEMPLATE": os.environ.get("PYTEST_TEMPLATE_DATABASE") or None}  # noqa: F405
# Tests ask a Quimbi of their own or none, whatever the shell they are started in names.
QUIMBI_BASE_URL, QUIMBI_API_KEY = os.environ.get("SUPPORTDESK_TEST_QUIMBI_URL", ""), "the-key-of-tests"

"""A real PostgreSQL and a real Valkey for development, the demo and the tests, with nothing to install or configure.

Only the binaries of two pip packages are used; see docs/adr/0002. Importing this package, and reading what it wrote
(`urls_from_state`, `secrets_from_state`), starts nothing. Starting happens at three doors: `exec`, `manage.py` and the
pytest plugin.
"""

from supportdesk.core.devservices.binaries import Unsupported
from supportdesk.core.devservices.clients import ensure
from supportdesk.core.devservices.state import FOLDER, secrets_from_state, urls_from_state

__all__ = ["FOLDER", "Unsupported", "ensure", "secrets_from_state", "urls_from_state"]

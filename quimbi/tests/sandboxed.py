"""A Quimbi for tests: loopback HTTP, with the settings pointed at it."""

from collections.abc import Iterator
from typing import Any

import pytest

from quimbi.sandbox import Sandbox


@pytest.fixture
def quimbi(settings: Any) -> Iterator[Sandbox]:
    """A running sandbox that the product asks. Other tests have no Quimbi, and nothing is called."""
    with Sandbox() as sandbox:
        settings.QUIMBI_BASE_URL, settings.QUIMBI_API_KEY = sandbox.url, sandbox.key
        yield sandbox

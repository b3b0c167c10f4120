"""Fixtures of the inbox."""

import pytest

from integrations import providers
from integrations.tests.builders import Work, registered


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Something is done about some topics, and is seen here."""
    done = Work()
    monkeypatch.setattr(providers, "INBOXES", registered(done))
    return done

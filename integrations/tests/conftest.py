"""The inbox with something behind it, and partners of our own to talk to."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations import providers
from integrations.gorgias.sandbox.server import Sandbox as Gorgias
from integrations.slack.sandbox import Sandbox
from integrations.tests.builders import Work, registered


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Something is done about some topics, and is seen here."""
    done = Work()
    monkeypatch.setattr(providers, "INBOXES", registered(done))
    return done


@pytest.fixture
def slack(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A Slack that the desk is to talk to."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    sandbox = Sandbox()
    sandbox.start()
    settings.SLACK_BASE_URL, settings.SLACK_HOOKS_URL = f"{sandbox.url}/api/", f"{sandbox.url}/"
    yield sandbox
    sandbox.stop()


@pytest.fixture
def gorgias(settings: Any) -> Iterator[Gorgias]:
    """A Gorgias that the desk is to talk to."""
    sandbox = Gorgias()
    sandbox.start()
    settings.GORGIAS_BASE_URL = sandbox.url
    yield sandbox
    sandbox.stop()

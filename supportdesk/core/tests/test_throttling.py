"""Requests per minute."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import ConnectionError as RedisDown

from agents.tests.builders import make_agent
from supportdesk.core import limits
from supportdesk.core.limits import Limit
from supportdesk.tests.client import Api


@pytest.mark.django_db
def test_each_agent_has_a_limit_of_their_own(settings: Any) -> None:
    settings.REQUESTS_PER_MINUTE = 5
    one, other = Api(make_agent()), Api(make_agent())
    assert [one.get("/api/agents").status for _ in range(6)] == [200] * 5 + [429]
    refused = one.get("/api/agents")
    assert refused.body["code"] == "too_many_requests"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert other.get("/api/agents").status == 200


@pytest.mark.django_db
def test_without_a_credential_the_network_is_the_caller(settings: Any) -> None:
    settings.ANONYMOUS_REQUESTS_PER_MINUTE = 2
    assert [Api().get("/api/agents").status for _ in range(3)] == [401, 401, 401]  # no work was done for them
    statuses = [Api().post("/api/auth/refresh", {"refresh": "x"}).status for _ in range(3)]
    assert statuses == [401, 401, 429]


@pytest.mark.django_db
def test_agents_work_on_without_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise RedisDown("refused")

    settings.REQUESTS_PER_MINUTE = 1
    api = Api(make_agent())
    monkeypatch.setattr(limits, "_redis_script", lambda: down)
    assert [api.get("/api/agents").status for _ in range(3)] == [200] * 3


def test_rivals_never_pass_a_limit_together() -> None:
    limit = Limit(name="test", allowed=50, seconds=60, strict=False)
    with ThreadPoolExecutor(32) as pool:
        waits = list(pool.map(lambda _: limits.take(limit, "somebody"), range(200)))
    assert waits.count(0) == 50
    assert all(1 <= wait <= 60 for wait in waits if wait)

"""The alert rules speak of figures that are there."""

import re
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.utils import timezone
from redis import ConnectionError as RedisDown

from agents.tests.builders import make_agent
from integrations import intake
from integrations.enums import PrivacyRequest
from integrations.gorgias import turns
from integrations.models import Connection, DataSubjectRequest, SyncCursor
from integrations.tests.builders import SECRET, make_connection, make_slack, send_shopify
from quimbi import service
from quimbi.sandbox import Sandbox
from quimbi.tests.builders import make_profile
from quimbi.types import Purpose
from supportdesk.core import delivery, limits
from supportdesk.tests import working
from supportdesk.tests.client import Api
from supportdesk.tests.test_metrics import Scraped, scraped
from tickets.tests.builders import make_ticket

pytestmark = pytest.mark.slow

FILE = settings.BASE_DIR / "docs" / "alerts.yml"
WORDS = frozenset({"by", "on", "and", "unless", "or", "without", "ignoring", "bool"})
# What stands in an expression and is no metric: strings, ranges, the labels of a grouping.
_ASIDE = re.compile(r'"[^"]*"|\[\w+\]|\b(?:by|on|without|ignoring)\s*\([^)]*\)')
_METRIC = re.compile(r"([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\(|\w)")  # a name that is not a function's


def rules(text: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def metrics_of(expression: str) -> dict[str, set[str]]:
    """Names of the metrics in an expression of PromQL, each with the labels that it is asked by."""
    found: dict[str, set[str]] = {}
    for name, matchers in _METRIC.findall(_ASIDE.sub(" ", expression)):
        if name not in WORDS:
            found.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!]", matchers))
    return found


def faults(text: str, exposed: Scraped) -> list[str]:
    """What an alert asks for and no figure has."""
    found = []
    for rule in rules(text):
        if rule["expr"].count("(") != rule["expr"].count(")"):
            found.append(f"{rule['alert']}: parentheses")
        grouped = {
            name.strip() for names in re.findall(r"\bby\s*\(([^)]*)\)", rule["expr"]) for name in names.split(",")
        }
        asked = metrics_of(rule["expr"])
        known = {name: exposed.labels(name) for name in asked}
        found += [f"{rule['alert']}: there is no {name}" for name, labels in known.items() if not labels]
        labels = {label for each in known.values() for one in each for label in one}
        for name, matched in asked.items():
            missing = {label for label in matched if not all(label in one for one in known[name])}
            found += [f"{rule['alert']}: {name} has no label {label}" for label in sorted(missing)]
        found += [f"{rule['alert']}: nothing has a label {label}" for label in sorted(grouped - labels)]
        spoken = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        found += [f"{rule['alert']}: its words name {label}" for label in sorted(spoken - grouped)]
    return found


@pytest.fixture
def exposed(db: None, monkeypatch: pytest.MonkeyPatch, settings: Any, quimbi: Sandbox) -> Scraped:
    """The figures after a little of everything happened."""

    def down(*_: Any, **__: Any) -> Any:
        raise RedisDown("refused")

    api = Api(make_agent())
    api.get("/api/tickets")
    Api().post("/api/auth/login", {"email": "nobody@example.com", "password": "x"})
    working.work.apply(kwargs={"subject_id": 1})
    working.fail.apply(kwargs={"whom": "nobody"})
    quimbi.play("404")
    for number in range(20):
        service.analyze(make_profile(key=number), purpose=Purpose.REQUEST)
    settings.REQUESTS_PER_MINUTE = 0
    api.get("/api/tickets")
    monkeypatch.setattr(limits, "_redis_script", lambda: down)
    api.get("/api/tickets")
    monkeypatch.undo()
    shop = make_connection()
    for secret in (SECRET, "x" * 32):
        send_shopify(shop, {"id": 7}, secret=secret)
    turns.OPERATIONS.labels("refused")
    intake.LATE_ONES.labels("shopify")
    _have_late_things(shop)
    make_slack()
    make_ticket(priority="urgent")
    delivery.run_due(limit=100)
    return scraped()


def _have_late_things(shop: Connection) -> None:
    now = timezone.now()
    shop.refresh_token, shop.expires_at = "renews", now
    shop.save()
    given = {"source": "shop", "kind": PrivacyRequest.EXPORT, "request_key": "1", "subject": "1"}
    DataSubjectRequest.objects.create(connection=shop, received_at=now, due_at=now, **given)
    SyncCursor.objects.create(connection=shop, resource="customers", counted_at=now, counted_there=3, counted_here=2)


def test_every_alert_asks_for_figures_that_are_there(exposed: Scraped) -> None:
    assert faults(FILE.read_text(), exposed) == []


def test_every_alert_says_how_grave_it_is_and_what_to_do() -> None:
    found = rules(FILE.read_text())
    assert len({rule["alert"] for rule in found}) == len(found) > 10
    assert {rule["labels"]["severity"] for rule in found} == {"page", "ticket"}
    assert all(rule["annotations"]["summary"] and rule["annotations"]["action"] for rule in found)


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("sum(rate(supportdesk_request_total[5m])) > 1", "there is no supportdesk_request_total"),
        ('supportdesk_requests_total{path="x"} > 1', "supportdesk_requests_total has no label path"),
        ("sum by (agent) (supportdesk_requests_total) > 1", "nothing has a label agent"),
        ("sum(supportdesk_requests_total > 1", "parentheses"),
        ("supportdesk_part_up == 0 and supportdesk_missing", "there is no supportdesk_missing"),
        ("min by (route) (supportdesk_requests_total) > 0", "its words name part"),
    ],
)
def test_a_planted_fault_is_found(expression: str, fault: str) -> None:
    exposed = Scraped(
        'supportdesk_requests_total{route="api/tickets",method="GET",status="200"} 1.0\n'
        'supportdesk_part_up{part="redis"} 0.0\n'
    )
    rule = {"alert": "X", "expr": expression, "annotations": {"summary": "{{ $labels.part }}"}}
    text = yaml.safe_dump({"groups": [{"name": "x", "rules": [rule]}]})
    assert any(fault in one for one in faults(text, exposed))


def test_names_are_read_off_expressions() -> None:
    expression = (
        'histogram_quantile(0.9, sum by (le, x) (rate(a_bucket{b=~"c(d|e)", f!="g"}[5m]))) > 1 and on (x) h unless i'
    )
    assert metrics_of(expression) == {"a_bucket": {"b", "f"}, "h": set(), "i": set()}

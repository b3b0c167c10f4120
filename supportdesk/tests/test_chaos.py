"""The drills, as far as a pipeline has time: each finds nothing wrong, and each finds the fault that it is for."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from supportdesk.tests.databases import TEMPLATE, database

pytestmark = pytest.mark.slow

CONTROLS = [
    ("capacity", "count-then-insert", {"assigned", "over_capacity", "told_nobody"}),
    ("capacity", "skip-locked", {"false_nobody"}),
    ("transfer", "unlocked", {"one_winner", "errors_5xx"}),
    ("status", "unlocked", {"one_winner", "steps"}),
    ("fairness", "first-come", {"agents_off_their_share"}),
    ("outbox", "publish-on-commit", {"without_agent"}),
    ("workers", "keep-leases", {"lost", "unfinished"}),
    ("workers", "assign-blindly", {"doubled"}),
    ("ws", "forget", {"missing"}),
    ("ws", "repeat", {"shown_twice"}),
    ("ws", "mix-up", {"to_the_wrong_agent"}),
    ("breaker", "each-alone", {"failures_over_ten", "calls_while_open"}),
    ("breaker", "probe-storm", {"calls_while_open"}),
    ("breaker", "repeat-always", {"amplified_too_much"}),
    ("breaker", "count-late", {"failures_over_ten"}),
    ("quimbi", "invent", {"dishonest"}),
    ("quimbi", "let-through", {"raised"}),
    ("quimbi", "as-if-fresh", {"dishonest"}),
    ("quimbi", "each-for-themselves", {"analyze_calls"}),
    ("pages", "raise", {"not_200"}),
    ("pages", "make-up", {"made_up"}),
    ("day", "look-away", {"asking_ahead_pays"}),
    ("webhooks", "forget-keys", {"doubled"}),
    ("webhooks", "mark-first", {"lost"}),
    ("webhooks", "believe-the-last", {"wrong_final_states"}),
    ("same", "forget-keys", {"rows", "rounds_with_one_effect"}),
    ("alerts", "forget-keys", {"posts_of_one_breach", "told"}),
    ("alerts", "let-everybody", {"too_soon"}),
    ("echo", "forget-marks", {"messages_here"}),
    ("echo", "send-back", {"messages_there", "writes_afterwards"}),
    ("partners", "impatient", {"calls_too_soon"}),
    ("partners", "send-blindly", {"sent_twice"}),
    ("partners", "give-up", {"given_up"}),
    ("imports", "move-first", {"customers", "same_as_unbroken"}),
    ("tokens", "claim-nothing", {"renewals"}),
    ("tokens", "store-with-the-caller", {"renewals", "pairs_kept"}),
]

WEEKLY = frozenset({"alerts", "day", "imports", "pages", "ws"})  # too long for every change


@pytest.fixture
def servers() -> Iterator[dict[str, str]]:
    """The tests' own, with a database for one drill: what another left is not in its way."""
    with database(template=TEMPLATE) as url:
        yield {"SUPPORTDESK_CHAOS_DATABASE_URL": url, "SUPPORTDESK_CHAOS_REDIS_URL": os.environ["REDIS_URL"]}


def drill(name: str, servers: dict[str, str], *more: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "supportdesk.tests.chaos", name, "--profile", "ci", *more]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=os.environ | servers, capture_output=True, text=True)
    assert done.stdout.strip(), done.stderr[-2_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return done.returncode, found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.control if name in WEEKLY else ())
        for name in sorted({name for name, _, _ in CONTROLS})
    ],
)
def test_the_drill_finds_nothing_wrong(name: str, servers: dict[str, str]) -> None:
    code, found = drill(name, servers)
    if (code, found["ok"]) != (0, True):
        pytest.fail(json.dumps(found))  # whole, which an assertion does not show


@pytest.mark.control
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "fault", "sees"), CONTROLS)
def test_the_drill_finds_the_fault_that_is_patched_in(
    name: str, fault: str, sees: set[str], servers: dict[str, str]
) -> None:
    code, found = drill(name, servers, "--broken", fault)
    assert (code, found["ok"]) == (1, False)
    assert {wrong.split()[0] for wrong in found["wrong"]} & sees, found

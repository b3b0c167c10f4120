"""The fuzz run's verdict: nothing that Schemathesis signals is taken for a success."""

from typing import Any

import pytest

from supportdesk.tests.fuzz.__main__ import IDENTITIES, PROFILES, summary, verdict_of

SOUND: dict[str, Any] = {
    "complete": True,
    "test_cases": {"generated": 285},
    "operations": {"tested": 39},
    "failures": [],
    "errors": [],
}


def test_a_run_without_failures_passes() -> None:
    verdict = verdict_of("agent", SOUND, 0)
    assert verdict.passed
    assert list(summary([verdict]))[1:] == ["agent                39     285         0", "285 cases, 0 failures."]


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (SOUND, 1),
        (SOUND | {"complete": False}, 0),
        (SOUND | {"test_cases": {"generated": 0}}, 0),
        (SOUND | {"failures": [{"code": "ST101", "title": "Server error", "count": 2}]}, 1),
        (SOUND | {"errors": [{"title": "Network Error", "count": 1}]}, 0),
        ({}, 1),
        ({}, 0),
    ],
)
def test_everything_else_fails(report: dict[str, Any], code: int) -> None:
    verdict = verdict_of("agent", report, code)
    assert not verdict.passed


def test_the_summary_names_what_was_found() -> None:
    report = SOUND | {"complete": False, "failures": [{"code": "ST101", "title": "Server error", "count": 2}]}
    assert list(summary([verdict_of("machine", report, 1)]))[1:] == [
        "machine              39     285         2",
        "    ST101 Server error: 2",
        "    did not run to its end",
        "285 cases, 2 failures.",
    ]


def test_a_pipeline_leaves_no_identity_and_no_operation_out() -> None:
    attacks = [attack for lane in PROFILES["ci"].lanes for attack in lane]
    assert {attack.identity for attack in attacks if {"examples", "stateful"} <= set(attack.phases)} == set(IDENTITIES)
    covered = {attack.operations for attack in attacks if "coverage" in attack.phases and attack.identity == "admin"}
    assert covered == {("--include-method", "GET"), ("--exclude-method", "GET")}

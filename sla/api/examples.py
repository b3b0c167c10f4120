"""What the API documentation shows."""

from typing import Any

OFFICE: dict[str, Any] = {
    **{day: ["09:00-12:00", "13:30-18:00"] for day in ("monday", "tuesday", "wednesday", "thursday")},
    "friday": ["09:00-15:00"],
    "saturday": [],
    "sunday": [],
}
HOLIDAYS = [{"date": "2026-12-25", "name": "Christmas Day"}]
CALENDAR_CREATE = {"name": "Berlin office", "timezone": "Europe/Berlin", "week": OFFICE, "holidays": HOLIDAYS}
CALENDAR_UPDATE = {"holidays": HOLIDAYS}
CALENDAR_VERSION = {
    "number": 2,
    "state": "active",
    "timezone": "Europe/Berlin",
    "week": OFFICE,
    "holidays": HOLIDAYS,
    "created_by": {"id": 3, "name": "Sofia Lind"},
    "created_at": "2026-11-24T09:00:00Z",
    "retired_at": None,
}
CALENDAR = {
    "id": 2,
    "name": "Berlin office",
    "hours": CALENDAR_VERSION,
    "version": 2,
    "created_at": "2026-11-02T09:00:00Z",
    "updated_at": "2026-11-24T09:00:00Z",
}
HOLIDAY_IMPORT = {"country": "DE", "subdivision": "BE", "years": [2026, 2027]}
HOLIDAYS_IMPORTED = CALENDAR | {"added": 19}

TARGETS = {
    "urgent": {"first_response": 30, "next_response": 30, "resolution": 480},
    "high": {"first_response": 120, "next_response": 120, "resolution": 1_440},
    "normal": {"first_response": 480, "next_response": 480, "resolution": 2_880},
    "low": {"first_response": 1_440, "next_response": 1_440, "resolution": 10_080},
}
POLICY_CREATE = {
    "name": "VIP refunds",
    "conditions": {"categories": ["refund"], "tiers": ["vip"]},
    "targets": TARGETS,
    "warning_percent": 75,
    "calendar_id": 2,
}
POLICY_UPDATE = {"position": 1, "targets": TARGETS}
POLICY_VERSION = {
    "number": 1,
    "state": "active",
    "conditions": {
        "priorities": [],
        "channels": [],
        "categories": ["refund"],
        "tags": [],
        "tiers": ["vip"],
        "department_ids": [],
    },
    "targets": TARGETS,
    "warning_percent": 75,
    "floor_minutes": 10,
    "pending_pauses_responses": False,
    "on_hold_pauses": False,
    "calendar": {"id": 2, "name": "Berlin office"},
    "created_by": {"id": 3, "name": "Sofia Lind"},
    "created_at": "2026-11-24T09:00:00Z",
    "activated_at": "2026-11-24T09:05:00Z",
    "retired_at": None,
}
POLICY = {
    "id": 4,
    "name": "VIP refunds",
    "position": 2,
    "is_default": False,
    "active": True,
    "active_version": POLICY_VERSION,
    "draft": None,
    "version": 2,
    "created_at": "2026-11-24T09:00:00Z",
    "updated_at": "2026-11-24T09:05:00Z",
}
POLICY_DETAIL = POLICY | {"unused_tags": []}
APPLICATION = {
    "id": 9,
    "policy_id": 4,
    "number": 2,
    "preview": True,
    "state": "done",
    "tickets": 214,
    "earlier": 180,
    "later": 0,
    "breached": 3,
    "created_at": "2026-11-24T09:10:00Z",
    "finished_at": "2026-11-24T09:10:02Z",
}
CLOCK_BRIEF = {
    "state": "running",
    "cycle": 1,
    "due_at": "2026-11-24T17:00:00Z",
    "breached_at": None,
    "remaining_seconds": 19_800,
}
CLOCK = {
    **CLOCK_BRIEF,
    "metric": "first_response",
    "started_at": "2026-11-24T09:00:00Z",
    "warn_at": "2026-11-24T15:24:00Z",
    "warned_at": None,
    "stopped_at": None,
    "target_seconds": 28_800,
    "elapsed_seconds": 9_000,
    "cause": "created",
    "pauses": [{"started_at": "2026-11-24T10:00:00Z", "ended_at": "2026-11-24T10:30:00Z"}],
    "why": "Runs: 2 h 30 min of 8 h used, due 2026-11-24 17:00 UTC.",
}
POLICY_NAME = {"id": 4, "name": "VIP refunds", "number": 1}
STATUS = {
    "policy": POLICY_NAME,
    "first_response": CLOCK_BRIEF,
    "next_response": None,
    "resolution": CLOCK_BRIEF | {"due_at": "2026-11-26T17:00:00Z", "remaining_seconds": 163_800},
}
TICKET_SLA = {
    "ticket_id": 123,
    "policy": POLICY_NAME,
    "calendar": {"id": 2, "name": "Berlin office", "number": 2, "timezone": "Europe/Berlin"},
    "started_at": "2026-11-24T09:00:00Z",
    "clocks": [CLOCK],
}
TICKET = {"id": 123, "subject": "Charged twice for one order", "status": "open", "priority": "high"}
BREACH = {
    "id": 31,
    "ticket": TICKET,
    "metric": "first_response",
    "cycle": 1,
    "at": "2026-11-24T11:00:00Z",
    "raised_at": "2026-11-24T11:00:04Z",
    "priority": "high",
    "owner": {"id": 7, "name": "Mina Osei"},
    "department": {"id": 2, "name": "Billing"},
    "policy_id": 4,
    "policy_name": "VIP refunds",
    "policy_number": 1,
    "acknowledged_at": None,
    "acknowledged_by": None,
    "reason": "",
}
AT_RISK = {
    "id": 88,
    "ticket": TICKET,
    "metric": "resolution",
    "cycle": 1,
    "due_at": "2026-11-24T17:00:00Z",
    "warned_at": "2026-11-24T12:12:00Z",
    "assignee_id": 7,
    "assignee_name": "Mina Osei",
    "department_id": 2,
    "department_name": "Billing",
}
FIGURES = {
    "kept": 412,
    "breaches": 23,
    "attainment": 0.9471,
    "first_response_attainment": 0.9623,
    "next_response_attainment": 0.9402,
    "resolution_attainment": 0.9333,
    "first_response_median_seconds": 2_910,
    "first_response_p90_seconds": 21_660,
}
LOAD = {"overdue": 4, "within_1_hour": 2, "within_4_hours": 9, "within_24_hours": 31}
BILLING = {"id": 2, "name": "Billing"}
DASHBOARD = {
    "since": "2026-10-26",
    "until": "2026-11-24",
    "as_of": "2026-11-24T12:00:00Z",
    "max_age_seconds": 60,
    "total": FIGURES,
    "by_priority": [{"priority": "high"} | FIGURES],
    "by_channel": [{"channel": "email"} | FIGURES],
    "by_department": [{"department": BILLING} | FIGURES],
    "by_agent": [{"agent": {"id": 7, "name": "Mina Osei"}} | FIGURES],
    "by_day": [{"day": "2026-11-24"} | FIGURES],
    "load": {"total": LOAD, "by_department": [{"department": BILLING} | LOAD]},
}
SIMULATION_CREATE = {"days": 60, "calendar": {"timezone": "Europe/Berlin", "week": OFFICE}}
SIMULATION = {
    "id": 5,
    "policy_id": 4,
    "number": 2,
    "days": 60,
    "state": "done",
    "tickets": 2_140,
    "total": 2_140,
    "departments": [
        {
            "department": BILLING,
            "tickets": 611,
            "recorded": 23,
            "simulated": 31,
            "gained": 9,
            "lost": 1,
            "gained_examples": [
                {
                    "ticket_id": 123,
                    "subject": "Charged twice for one order",
                    "metric": "first_response",
                    "at": "2026-11-20T10:30:00Z",
                }
            ],
            "lost_examples": [],
        }
    ],
    "created_at": "2026-11-24T09:10:00Z",
    "finished_at": "2026-11-24T09:10:11Z",
}

"""What the API documentation shows."""

from customers.api.examples import CUSTOMER
from quimbi.api.examples import INSIGHTS
from sla.api.examples import STATUS as SLA_STATUS

CREATE = {
    "customer_id": 42,
    "subject": "Charged twice for one order",
    "description": "My card shows two payments for order 1043.",
    "priority": "high",
    "category": "billing",
    "tags": ["double-charge"],
    "attributes": {"order": "1043"},
    "department_id": 2,
}
ROW = {
    "id": 123,
    "subject": "Charged twice for one order",
    "status": "open",
    "priority": "high",
    "channel": "email",
    "category": "billing",
    "tags": ["double-charge"],
    "customer": {"id": 42, "name": "Zoë Brandt"},
    "assignee": {"id": 7, "name": "Mina Osei"},
    "department": {"id": 2, "name": "Billing"},
    "source": "",
    "external_id": None,
    "message_count": 1,
    "waiting_since": "2026-11-24T09:12:44Z",
    "queued_at": None,
    "last_activity_at": "2026-11-24T09:12:44Z",
    "first_response_at": None,
    "resolved_at": None,
    "archived_at": None,
    "rank_at": "2026-11-24T11:12:44Z",
    "version": 2,
    "created_at": "2026-11-24T09:12:44Z",
    "created_at_estimated": False,
    "updated_at": "2026-11-24T09:13:02Z",
}
FULL = ROW | {
    "description": "My card shows two payments for order 1043.",
    "attributes": {"order": "1043"},
    "language": "",
    "follow_up_of": None,
    "satisfaction_rating": None,
}
ASSIGNMENT = {
    "id": 311,
    "agent": {"id": 7, "name": "Mina Osei"},
    "reason": "manual",
    "assigned_at": "2026-11-24T09:13:02Z",
}
DETAIL = {"ticket": FULL, "customer": CUSTOMER, "assignment": ASSIGNMENT, "sla": SLA_STATUS, "ai_insights": INSIGHTS}
UNASSIGNED_ROW = ROW | {"assignee": None, "queued_at": "2026-11-24T09:12:45Z"}
ASSIGN = {"agent_id": 7}
TRANSFER = {"from_agent_id": 7, "agent_id": 9, "reason": "Needs somebody who reads the carrier's reports."}
DECISION = {
    "id": 4_210,
    "outcome": "manual",
    "trigger": "request",
    "why": "Given by hand.",
    "over_capacity": False,
    "version": 1,
    "decided_at": "2026-11-24T09:13:02Z",
}
ASSIGNED = DETAIL | {"decision": DECISION}
TRANSFERRED = DETAIL | {
    "ticket": FULL | {"assignee": {"id": 9, "name": "Ana Ruiz"}, "version": 3},
    "assignment": ASSIGNMENT | {"id": 312, "agent": {"id": 9, "name": "Ana Ruiz"}, "reason": "transfer"},
    "decision": DECISION | {"id": 4_211, "outcome": "transfer"},
}
AUTO_DECISION = DECISION | {
    "outcome": "auto",
    "why": "First of 3 who could take it: least busy for their capacity (1 at capacity, 2 offline).",
}
AUTO_ASSIGNED = DETAIL | {"assignment": ASSIGNMENT | {"reason": "auto"}, "decision": AUTO_DECISION}
ASSIGNMENT_ENTRY = ASSIGNMENT | {
    "reason": "auto",
    "previous_agent": None,
    "transfer_reason": "",
    "assigned_by": None,
    "ended_at": None,
    "decision": AUTO_DECISION,
}
AVAILABLE = {
    "id": 7,
    "name": "Mina Osei",
    "department": {"id": 2, "name": "Billing"},
    "specializations": [{"id": 1, "slug": "refunds", "name": "Refunds"}],
    "capacity": 12,
    "load": 3.25,
    "free": 8,
}
CREATED = DETAIL | {"ticket": FULL | {"assignee": None, "version": 1}, "assignment": None}
UPDATE = {"status": "pending", "tags": ["double-charge", "refund"]}
BULK_UPDATE = {"tickets": [{"id": 123, "version": 2}, {"id": 124}], "changes": {"status": "resolved"}}
BULK_RESULTS = {
    "results": [
        {"id": 123, "status": 200, "version": 3, "problem": None},
        {
            "id": 124,
            "status": 404,
            "version": None,
            "problem": {"code": "not_found", "detail": "There is no such object."},
        },
    ]
}
MESSAGE = {
    "id": 901,
    "ticket_id": 123,
    "position": 2,
    "sender": "agent",
    "agent": {"id": 7, "name": "Mina Osei"},
    "system_name": "",
    "body": "One of the two will be back on your card by Friday.",
    "channel": "email",
    "automated": False,
    "attachments": [],
    "source": "",
    "external_id": None,
    "created_at": "2026-11-24T09:20:10Z",
}
HEARD = MESSAGE | {"sentiment": None}
MESSAGE_CREATE = {"body": MESSAGE["body"]}
POSTED = MESSAGE | {"follow_up": False}
NOTE = {
    "id": 77,
    "ticket_id": 123,
    "author": {"id": 7, "name": "Mina Osei"},
    "system_name": "",
    "body": "The payment provider confirmed a retry on their side.",
    "mentions": [{"id": 9, "name": "Ana Ruiz"}],
    "created_at": "2026-11-24T09:22:31Z",
}
NOTE_CREATE = {"body": NOTE["body"], "mentions": [9]}
EVENT = {
    "id": 5120,
    "name": "ticket.status_changed",
    "at": "2026-11-24T09:20:10Z",
    "actor": {"kind": "person", "id": 7, "name": "Mina Osei"},
    "origin": "api",
    "payload": {"before": "open", "after": "pending"},
    "request_id": "0f8fad5bd9cb469fa16570867728950e",
}
SAVED_VIEW_CREATE = {"name": "Urgent and mine", "query": {"priority": "urgent,high", "assignee": "me"}}
SAVED_VIEW = {
    "id": 12,
    **SAVED_VIEW_CREATE,
    "shared": False,
    "owner_id": 7,
    "version": 1,
    "created_at": "2026-11-24T09:00:00Z",
    "updated_at": "2026-11-24T09:00:00Z",
}
ATTACHMENT = {
    "id": 55,
    "name": "receipt.pdf",
    "content_type": "application/pdf",
    "size": 48_213,
    "ticket_id": 123,
    "message_id": None,
    "uploaded_by": {"id": 7, "name": "Mina Osei"},
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "created_at": "2026-11-24T09:19:58Z",
}
RANK_PARTS = {
    "rank_at": "2026-11-24T10:12:44Z",
    "begin_at": "2026-11-24T09:12:44Z",
    "parts": [
        {"part": "patience", "seconds": 7_200.0, "why": "That is too long after 2 h, as its priority is high."},
        {"part": "vip", "seconds": -3_600.0, "why": "Its customer is a VIP: 1 h earlier."},
    ],
    "sentence": "Its customer has waited since 2026-11-24 09:12 UTC. That is too long after 2 h, as its priority is "
    "high. Its customer is a VIP: 1 h earlier.",
    "stale": False,
    "advice": "fresh",
}
RANK = RANK_PARTS | {
    "ticket_id": 123,
    "weights_version": 2,
    "ahead": None,
    "behind": {
        "ticket_id": 119,
        "decided_by": "vip",
        "sentence": "123 comes before 119, by 25 min; what decides is that its customer is a VIP.",
    },
}
TOPIC_ALERT_CREATE = {"phrase": "card declined", "minutes": 45, "ends_at": "2026-11-25T18:00:00Z", "department_id": 2}
TOPIC_ALERT = {
    "id": 6,
    "phrase": "card declined",
    "tag": "",
    "department": {"id": 2, "name": "Billing"},
    "minutes": 45,
    "ends_at": "2026-11-25T18:00:00Z",
    "created_by": {"id": 3, "name": "Sofia Lind"},
    "created_at": "2026-11-24T09:10:00Z",
}

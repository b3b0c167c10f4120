"""What runs by the clock. Beat adds these rows to its table, where an administrator may change them."""

from datetime import timedelta
from typing import Any

RELAY_EVERY = timedelta(seconds=5)
WAITING_EVERY = timedelta(minutes=1)
PRESENCE_EVERY = timedelta(seconds=15)
LIFTS_EVERY = timedelta(minutes=1)
ADVICE_EVERY = timedelta(minutes=1)
DEADLINES_EVERY = timedelta(seconds=10)
RECEIPTS_EVERY = timedelta(minutes=1)
POLL_EVERY = timedelta(minutes=5)
TOKENS_EVERY = timedelta(minutes=1)
SHOPIFY_EVERY = timedelta(minutes=30)

SCHEDULE: dict[str, dict[str, Any]] = {
    "relay deliveries": {
        "task": "core.relay",
        "schedule": RELAY_EVERY,
        "options": {"expires": RELAY_EVERY.total_seconds()},  # the next one does the same
    },
    "assign waiting tickets": {
        "task": "tickets.assign_waiting",
        "schedule": WAITING_EVERY,
        "options": {"expires": WAITING_EVERY.total_seconds()},
    },
    "drop expired lifts": {
        "task": "tickets.drop_expired_lifts",
        "schedule": LIFTS_EVERY,
        "options": {"expires": LIFTS_EVERY.total_seconds()},
    },
    "ask Quimbi about queues": {
        "task": "tickets.meet_queues",
        "schedule": ADVICE_EVERY,
        "options": {"expires": ADVICE_EVERY.total_seconds()},
    },
    "drop expired advice": {
        "task": "tickets.drop_expired_advice",
        "schedule": ADVICE_EVERY,
        "options": {"expires": ADVICE_EVERY.total_seconds()},
    },
    "discard unused drafts": {"task": "tickets.discard_drafts", "schedule": timedelta(hours=1)},
    "check deadlines": {
        "task": "sla.check_deadlines",
        "schedule": DEADLINES_EVERY,
        "options": {"expires": DEADLINES_EVERY.total_seconds()},
    },
    "sweep receipts of webhooks": {
        "task": "integrations.sweep_receipts",
        "schedule": RECEIPTS_EVERY,
        "options": {"expires": RECEIPTS_EVERY.total_seconds()},
    },
    "look at Gorgias": {
        "task": "integrations.poll_gorgias",
        "schedule": POLL_EVERY,
        "options": {"expires": POLL_EVERY.total_seconds()},
    },
    "look after the calls of Gorgias": {"task": "integrations.look_after_gorgias", "schedule": timedelta(days=1)},
    "renew tokens of partners": {
        "task": "integrations.refresh_tokens",
        "schedule": TOKENS_EVERY,
        "options": {"expires": TOKENS_EVERY.total_seconds()},
    },
    "take over what changed at Shopify": {
        "task": "integrations.sync_shopify",
        "schedule": SHOPIFY_EVERY,
        "options": {"expires": SHOPIFY_EVERY.total_seconds()},
    },
    "count what shops have": {"task": "integrations.compare_shops", "schedule": timedelta(days=1)},
    "register webhooks again": {"task": "integrations.register_webhooks", "schedule": timedelta(days=1)},
    "work off requests about privacy": {"task": "integrations.work_privacy", "schedule": timedelta(minutes=10)},
    "prune receipts of webhooks": {"task": "integrations.prune_receipts", "schedule": timedelta(hours=1)},
    "prune deliveries": {"task": "core.prune_deliveries", "schedule": timedelta(hours=1)},
    "prune idempotency records": {"task": "core.prune_idempotency_records", "schedule": timedelta(hours=1)},
    "prune rate windows": {"task": "core.prune_rate_windows", "schedule": timedelta(hours=1)},
    "prune calls to Quimbi": {"task": "quimbi.prune_calls", "schedule": timedelta(hours=1)},
    "expire presence": {
        "task": "agents.expire_presence",
        "schedule": PRESENCE_EVERY,
        "options": {"expires": PRESENCE_EVERY.total_seconds()},
    },
    "prune agents' feeds": {"task": "agents.prune_feed", "schedule": timedelta(hours=1)},
    "prune passes to sockets": {"task": "agents.prune_passes", "schedule": timedelta(hours=1)},
    "prune login sessions": {"task": "agents.prune_login_sessions", "schedule": timedelta(hours=1)},
}

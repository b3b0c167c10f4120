"""What runs by the clock. Beat adds these rows to its table, where an administrator may change them."""

from datetime import timedelta
from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "prune idempotency records": {"task": "core.prune_idempotency_records", "schedule": timedelta(hours=1)},
    "prune rate windows": {"task": "core.prune_rate_windows", "schedule": timedelta(hours=1)},
    "prune login sessions": {"task": "agents.prune_login_sessions", "schedule": timedelta(hours=1)},
}

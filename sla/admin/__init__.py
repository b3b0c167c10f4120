"""Promises in the admin: policies, calendars and what became of them."""

from sla.admin.breaches import AlertAdmin
from sla.admin.calendars import CalendarAdmin
from sla.admin.policies import PolicyAdmin

__all__ = ["AlertAdmin", "CalendarAdmin", "PolicyAdmin"]

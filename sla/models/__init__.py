from sla.models.alert import SLAAlert
from sla.models.calendar import Calendar, CalendarVersion
from sla.models.clock import SLAClock, SLAPause, TicketSLA
from sla.models.policy import Policy, PolicyApplication, PolicyVersion
from sla.models.simulation import Simulation

__all__ = [
    "Calendar",
    "CalendarVersion",
    "Policy",
    "PolicyApplication",
    "PolicyVersion",
    "SLAAlert",
    "SLAClock",
    "SLAPause",
    "Simulation",
    "TicketSLA",
]

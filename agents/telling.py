"""Who is told about agents."""

from datetime import datetime

from agents import feed
from agents.enums import FeedKind
from agents.models import Agent
from supportdesk.core.events import Occurrence


def tell_availability(occurrence: Occurrence, *, now: datetime) -> int:
    """Their department and its supervisors, and the agents themselves in their other tabs; returns how many."""
    event = occurrence.event
    agents = Agent.objects.get_queryset()
    agent = agents.filter(pk=event.subject_id).first()
    if agent is None:
        return 0
    return feed.append(
        kind=FeedKind.AGENT_STATUS,
        recipients=agents.reaching(agent.department_id, or_id=agent.pk).values_list("pk", flat=True),
        occurrence=occurrence,
        subject_id=agent.pk,
        version=agent.version,
        changed=["availability"],
        details={"availability": event.after},
        now=now,
    )

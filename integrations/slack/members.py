"""Who an agent is in Slack: found by e-mail, kept for a while, as is that there is nobody. Never worth an alert."""

import structlog
from django.core.cache import cache

from agents.models import Agent
from integrations.models import Connection
from integrations.slack import client
from integrations.slack.client import SlackDown, SlackRefuses
from integrations.slack.text import Markup, mention, shown
from supportdesk.core.asking import Asking

KNOWN_FOR, UNKNOWN_FOR = 24 * 3600, 3600  # seconds
MOST_LOOK_UPS = 3  # for one message
NAME = 80

_redis = Asking("slack")
log = structlog.get_logger("supportdesk.slack")


def names_of(known: Connection, agents: list[Agent]) -> list[Markup]:
    """Each agent as they are mentioned, or by name where Slack does not know them or does not say."""
    found, left = [], MOST_LOOK_UPS if known.access_token else 0
    for agent in agents:
        key = f"slack:member:{known.pk}:{agent.pk}"
        kept = _redis.ask(lambda key=key: cache.get(key))  # type: ignore[misc]
        user_id = kept or ""
        if kept is None and left:
            left -= 1
            user_id, left = _looked_up(known, agent, key, left)
        found.append(mention(user_id) if user_id else shown(agent.name, most=NAME))
    return found


def _looked_up(known: Connection, agent: Agent, key: str, left: int) -> tuple[str, int]:
    """The id, and how many more may be looked up: none once Slack has had enough."""
    try:
        user_id = client.user_id_of(known, agent.email)
    except (SlackDown, SlackRefuses) as problem:
        log.warning("no look-up of a member", error=type(problem).__name__, reason=str(problem))
        return "", 0
    _redis.ask(lambda: cache.set(key, user_id, KNOWN_FOR if user_id else UNKNOWN_FOR))
    return user_id, left

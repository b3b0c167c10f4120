from agents.models.agent import Agent, AgentQuerySet, ApiKey, Department, LoginSession, Specialization
from agents.models.feed import FeedEntry, FeedHead, SocketPass
from agents.models.presence import Tab

__all__ = [
    "Agent",
    "AgentQuerySet",
    "ApiKey",
    "Department",
    "FeedEntry",
    "FeedHead",
    "LoginSession",
    "SocketPass",
    "Specialization",
    "Tab",
]

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """The people who answer: agents, departments, specializations, login sessions."""

    name = "agents"

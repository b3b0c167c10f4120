"""Settings of the workers that `workers` kills: the tests', with handlers that can be met at work."""

from supportdesk.settings.test import *  # noqa: F403

REACTIONS = "supportdesk.tests.chaos.workers.REACTIONS"

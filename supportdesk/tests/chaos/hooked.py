"""Settings of what `webhooks` kills: the tests', with something done about one topic."""

from supportdesk.settings.test import *  # noqa: F403

INBOXES = "supportdesk.tests.chaos.webhooks.INBOXES"

"""The tests' settings: the real thing, with a password hash that costs nothing."""

from supportdesk.settings.base import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

"""Whose turn it is to write to a channel: one caller at a time, over all processes, by the clock of the database.

Who has the turn holds it for as long as a call may take; then the channel rests for a second, or for as long as Slack
says. A turn that was lost with its process ends by itself.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

from integrations.models import Connection, SlackChannel
from supportdesk.core.delivery import Later

HELD = 14.0  # seconds; a delivery ends within its lease
REST = 1.0  # seconds between messages to a channel
GATHER = 30.0  # seconds after a message in which others are gathered for one digest
BREATH = 0.05

_TAKE = """
UPDATE integrations_slackchannel SET claim = %(claim)s, free_at = clock_timestamp() + %(held)s * interval '1 second'
WHERE id = %(id)s AND free_at <= clock_timestamp() AND (%(quiet)s OR gather_until <= clock_timestamp())
"""
_LEFT = """
SELECT greatest(extract(epoch FROM free_at - clock_timestamp()),
    CASE WHEN %(quiet)s THEN 0 ELSE extract(epoch FROM gather_until - clock_timestamp()) END)
FROM integrations_slackchannel WHERE id = %(id)s
"""
_GIVE_BACK = """
UPDATE integrations_slackchannel SET claim = NULL, free_at = clock_timestamp() + %(rest)s * interval '1 second',
    gather_until = CASE WHEN %(gather)s THEN clock_timestamp() + %(length)s * interval '1 second' ELSE gather_until END
WHERE id = %(id)s AND claim = %(claim)s
"""


@dataclass
class Turn:
    """What its holder says of it: how long the channel is to rest, and whether more is to be gathered meanwhile."""

    rest: float = REST
    gather: bool = False


def channel_of(known: Connection) -> SlackChannel:
    """The one that is written to."""
    found, _ = SlackChannel.objects.get_or_create(connection=known, channel=known.options.get("channel", ""))
    return found


@contextmanager
def turn(channel: SlackChannel, *, quiet: bool = False) -> Iterator[Turn]:
    """The turn, for the block. Raises Later when it is not ours. `quiet`: for what is no new message in the channel."""
    claim, taken = uuid.uuid4(), Turn()
    given: dict[str, Any] = {"id": channel.pk, "claim": claim, "quiet": quiet}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, given | {"held": HELD})
        if not cursor.rowcount:
            cursor.execute(_LEFT, given)
            (left,) = cursor.fetchone()
            raise Later(max(float(left), 0.0) + BREATH)
    try:
        yield taken
    finally:
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_BACK, given | {"rest": taken.rest, "gather": taken.gather, "length": GATHER})

"""What a broken feed would do. Patched into the server of a drill, and nowhere else."""

from collections.abc import Callable

from agents import feed
from agents.feed import Start
from agents.models import FeedEntry, FeedHead
from agents.models.feed import FeedEntryQuerySet

VARIABLE = "SUPPORTDESK_CHAOS_FAULT"


def forget() -> None:
    """Whoever comes back is told from now on, as if nothing was missed."""
    honest = feed.start
    feed.start = lambda *, agent_id, last_seq: honest(agent_id=agent_id, last_seq=None)


def repeat() -> None:
    """Whoever comes back is told the last thing again."""

    def start(*, agent_id: int, last_seq: int | None, honest: Callable[..., Start] = feed.start) -> Start:
        found = honest(agent_id=agent_id, last_seq=last_seq)
        return Start(position=max(0, found.position - 1), resync=found.resync)

    feed.start = start


def mix_up() -> None:
    """Everybody is told what the next agent should be."""

    def behind(position: int, *, agent_id: int) -> FeedEntryQuerySet:
        heads = FeedHead.objects.order_by("agent_id").values_list("agent_id", flat=True)
        behind = [*heads.filter(agent_id__gt=agent_id)[:1], *heads[:1]]
        return FeedEntry.objects.filter(agent_id=behind[0], seq__gt=position).order_by("seq")

    feed.behind = behind


FAULTS: dict[str, Callable[[], None]] = {"forget": forget, "repeat": repeat, "mix-up": mix_up}

"""A reply that comes back from Gorgias as a webhook, a hundred times: it is one message there and one here, and nothing
more is sent.
"""

import random
from types import SimpleNamespace

from django.conf import settings

from agents.tests.builders import actor_of, make_agent
from integrations.gorgias import handlers, outbound
from integrations.gorgias.sandbox.credentials import EMAIL
from integrations.gorgias.sandbox.server import Sandbox
from integrations.tests.builders import GorgiasDesk
from supportdesk.core.models import Delivery
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from tickets.enums import Sender
from tickets.tests.builders import change, say

OURS = "integrations.push_to_gorgias"


def run(setting: Setting) -> Outcome:
    rounds = 100 if setting.full else 15
    if setting.broken:
        DRILL.faults[setting.broken]()
    there = Sandbox()
    there.start()
    settings.GORGIAS_BASE_URL = there.url
    desk = GorgiasDesk(there)
    pk = int(there.open_ticket(there.add_customer("zoe@example.com"), "Wo bleibt mein Paket?")["id"])
    desk.arrive()
    desk.leave()
    agent = make_agent(email=EMAIL)
    say(desk.ticket(pk), "On its way", sender=Sender.AGENT, by=actor_of(agent))
    change(desk.ticket(pk), status="resolved", tags=["late"])
    desk.leave()
    after_one = _writes(there)
    deliveries = sum(_round(desk, there, pk) for _ in range(rounds))
    there.stop()
    ticket = there.tickets[pk]
    return Outcome(
        counts={
            "messages_there": (len(ticket["messages"]), 2),
            "messages_here": (desk.ticket(pk).messages.count(), 2),
            "mailed": (len(there.mailed), 1),
            "writes_for_one_reply": (after_one, 3),  # the message, its status, a tag
            "writes_afterwards": (_writes(there) - after_one, 0),
            "same_on_both_sides": ((ticket["status"], desk.ticket(pk).status), ("closed", "resolved")),
            "waiting": (Delivery.objects.pending().filter(reaction=OURS).count(), 0),
        },
        shown={"rounds": rounds, "deliveries": deliveries, "calls": len(there.asked)},
    )


def _round(desk: GorgiasDesk, there: Sandbox, pk: int) -> int:
    """Everything that is there is told again, as if it had just happened."""
    with there.lock:
        ticket = there.tickets[pk]
        ticket["updated_datetime"] = there.now()
        for message in list(ticket["messages"]):
            there.fire("ticket-message-created", ticket, message)
        there.fire("ticket-updated", ticket)
        there.fire("ticket-status-updated", ticket)
    delivered = desk.arrive()
    desk.leave()
    return delivered


def _writes(there: Sandbox) -> int:
    return sum(one.method != "GET" for one in there.asked)


def forget_marks() -> None:
    """What is ours is not known again: not by its external id, and not by a link."""
    outbound.mark = lambda kind, number: f"other:{random.random()}"  # type: ignore[attr-defined]
    outbound._note_sent = lambda *given: None


def send_back() -> None:
    """As that, and what came from Gorgias is sent back there."""
    forget_marks()
    outbound._is_there = lambda turn, kind, local_id: False
    handlers.Door = SimpleNamespace(GORGIAS=None)  # type: ignore[assignment, attr-defined]


DRILL = Drill(run=run, faults={"forget-marks": forget_marks, "send-back": send_back})

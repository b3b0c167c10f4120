"""What agents make of Quimbi's drafts: so that somebody can say what those are worth."""

from datetime import datetime, timedelta
from difflib import SequenceMatcher

from django.db import transaction

from customers.models import Customer
from quimbi import types as quimbi
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.crypto import blind_index
from tickets.enums import DraftOutcome, Sender
from tickets.models import Draft, Message, Ticket

AS_IT_WAS = 0.99  # likeness: a comma more or less is no change
USED = 0.4  # a reply less like the draft than this was written without it
CHANGED = 0.98
LONGEST_WORD = 15  # characters on average, beyond which they are no words
MOST_COMPARED = 10  # drafts that one agent was shown of one ticket, the newest
MOST_WORDS = 500  # of each text that are compared: what that costs grows with their product, and faster
ANSWERED_WITHIN = timedelta(days=7)
BATCH = 500


def show(*, ticket_id: int, position: int, draft: quimbi.Draft, by: Actor, now: datetime) -> None:
    """Notes that the agent was shown the text. The same text again, or shown to a machine, is no news. Not a change of
    anything that a reader could see: an entry of the operations' log, so that reading a draft writes it.
    """
    if by.kind != ActorKind.PERSON or by.id is None:
        return
    shown = Draft(
        ticket_id=ticket_id,
        position=position,
        agent_id=by.id,
        tone=(draft.tone or "")[:64],
        text=draft.text,
        digest=blind_index(draft.text, context="draft"),
        shown_at=now,
    )
    with transaction.atomic():  # an erasure that is under way ends first, and whoever comes after it notes nothing
        ticket = Ticket.objects.select_for_update(no_key=True).get(pk=ticket_id)
        if Customer.objects.filter(pk=ticket.customer_id, erased_at__isnull=True).exists():
            Draft.objects.bulk_create([shown], ignore_conflicts=True)


def settle(*, ticket_id: int, position: int, now: datetime) -> None:
    """After an agent's reply: of the drafts that they were shown before, the one most like it was sent or changed, if
    any is like it at all; the others, and those that other agents were shown, were not used.
    """
    reply = Message.objects.filter(ticket=ticket_id, position=position, sender=Sender.AGENT).first()
    if reply is None:
        return
    shown = Draft.objects.open().filter(ticket=ticket_id, position__lt=position, shown_at__lte=reply.created_at)
    newest = shown.filter(agent=reply.agent_id).order_by("-pk")[:MOST_COMPARED]
    alike = {draft.pk: likeness(draft.text or "", reply.body) for draft in newest}
    best = max(alike, key=lambda pk: (alike[pk], pk), default=None)
    with transaction.atomic():
        for draft in shown.select_for_update().order_by("pk"):
            _settle(draft, alike[draft.pk] if draft.pk == best else None, reply=position, now=now)


def discard_unused(*, now: datetime) -> int:
    """Gives up drafts that nobody answered with in a week; returns how many."""
    discarded = 0
    stale = Draft.objects.open().filter(shown_at__lte=now - ANSWERED_WITHIN).order_by("shown_at", "pk")
    while ids := list(stale.values_list("pk", flat=True)[:BATCH]):
        given_up = Draft.objects.open().filter(pk__in=ids)
        discarded += given_up.update(outcome=DraftOutcome.DISCARDED, text=None, settled_at=now)
    return discarded


def likeness(one: str, other: str) -> float:
    """How much of two texts is the same words in the same order, from 0 to 1, whatever the white space. Of long ones
    the beginning is compared; only what is the same to its end is as it was.
    """
    first, second = one.split(), other.split()
    if any(len(text) > LONGEST_WORD * len(words) for text, words in ((one, first), (other, second))):
        first, second = list("".join(first)), list("".join(second))  # a script without spaces between words
    if first == second:
        return 1.0
    found = SequenceMatcher(None, first[:MOST_WORDS], second[:MOST_WORDS], autojunk=False).ratio()
    return min(found, CHANGED) if max(len(first), len(second)) > MOST_WORDS else found


def _settle(draft: Draft, like: float | None, *, reply: int, now: datetime) -> None:
    used = like is not None and like >= USED
    draft.outcome = DraftOutcome.DISCARDED if not used else DraftOutcome.EDITED
    if like is not None and like >= AS_IT_WAS:
        draft.outcome = DraftOutcome.SENT
    draft.likeness, draft.reply = (like, reply) if used else (None, None)
    draft.text, draft.settled_at = None, now
    draft.save(update_fields=["outcome", "likeness", "reply", "text", "settled_at"])

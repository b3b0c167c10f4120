"""What becomes of a breach once somebody has seen it."""

from datetime import datetime

from django.db import transaction

from sla.events import SLABreachAcknowledged
from sla.models import SLAAlert
from sla.services.rights import author, refuse_others
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Conflict, NotFound
from supportdesk.core.events import emit


class AlreadyAcknowledged(Conflict):
    """Somebody acknowledged this breach before; what they said stays."""

    code = "already_acknowledged"


def acknowledge(*, breach_id: int, reason: str, by: Actor, now: datetime) -> SLAAlert:
    """Notes why the promise was broken, once, for good. Raises Forbidden, NotFound, AlreadyAcknowledged."""
    refuse_others(by)
    with transaction.atomic():
        breaches = SLAAlert.objects.visible_to(by).breaches().select_for_update(of=("self",))
        breach = breaches.filter(pk=breach_id).first()
        if breach is None:
            raise NotFound
        if breach.acknowledged_at is not None:
            raise AlreadyAcknowledged("This breach was acknowledged before.")
        breach.acknowledged_at, breach.acknowledged_by_id, breach.reason = now, author(by), reason
        breach.save(update_fields=["acknowledged_at", "acknowledged_by", "reason"])
        emit(SLABreachAcknowledged(subject_id=breach.ticket_id, breach_id=breach.pk), by=by, at=now)
    return breach

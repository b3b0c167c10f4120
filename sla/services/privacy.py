"""What promises keep of a customer, and how it goes."""

from sla.models import SLAAlert

ERASED = "[erased]"


def erase_reasons(*, customer_id: int) -> None:
    """Removes the words with which supervisors acknowledged breaches on the customer's tickets; the rest is numbers."""
    SLAAlert.objects.filter(ticket__customer_id=customer_id, acknowledged_at__isnull=False).update(reason=ERASED)

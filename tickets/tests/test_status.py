"""Every pair of statuses, in the function and in the database."""

import itertools

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tickets.enums import Status
from tickets.ordering import DONE_FROM
from tickets.status import DONE, TRANSITIONS, IllegalTransition, check_transition
from tickets.tests.builders import make_ticket

PAIRS = list(itertools.product(Status, Status))


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_function_allows_what_the_table_says(before: Status, after: Status) -> None:
    if after in TRANSITIONS[before]:
        check_transition(before, after)
    else:
        with pytest.raises(IllegalTransition, match=f"A ticket that is {before.value} cannot become {after.value}"):
            check_transition(before, after)


@pytest.mark.django_db
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_database_refuses_the_same(before: Status, after: Status) -> None:
    ticket = make_ticket()
    _put(ticket.pk, before)
    if after in TRANSITIONS[before] or after == before:
        _put(ticket.pk, after)
    else:
        with pytest.raises(IntegrityError, match="cannot become"), transaction.atomic():
            _put(ticket.pk, after)


def _put(pk: int, status: Status) -> None:
    """Around every service, as a slip of the hand would."""
    done = status in DONE
    resolved_at, rank_at = timezone.now() if done else None, DONE_FROM if done else timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tickets_ticket SET status = %s, resolved_at = %s, rank_at = %s WHERE id = %s",
            [status.value, resolved_at, rank_at, pk],
        )

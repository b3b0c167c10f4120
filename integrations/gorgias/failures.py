"""What goes wrong when Gorgias is told: a time to come again, or a remark for the agents."""

import structlog

from integrations import connections
from integrations.gorgias.client import Down, Refused
from integrations.gorgias.turns import BY, KEPT_FOR, OPERATIONS, GivenUp, Turn, remark
from integrations.reading import Unreadable
from supportdesk.core.delivery import LATEST, Later, patience

DOUBT = 20.0  # seconds until what may have been posted is looked for

log = structlog.get_logger("supportdesk.gorgias")


class NoWay(Exception):
    """There is no address that a reply could go to."""


class Failures:
    """Makes of what went wrong a time to come again, or a remark for the agents."""

    def __init__(self, turn: Turn, ticket_id: int | None, what: str) -> None:
        self.turn, self.ticket_id, self.what = turn, ticket_id, what

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, GivenUp):
            self._tell("the desk is not connected to it")
        elif isinstance(error, NoWay):
            self._tell("there is no address that it could go to")
        elif isinstance(error, Unreadable):
            self._tell("its ticket cannot be read there")
        elif isinstance(error, Refused):
            self._refused(error)
        elif isinstance(error, Down):
            self._down(error)
        else:
            return False
        return True

    def _refused(self, refused: Refused) -> None:
        turn = self.turn
        log.error("gorgias refuses", connection=turn.known.pk, ticket=self.ticket_id, reason=refused.reason)
        if refused.of_the_account:
            connections.require_reauth(connection_id=turn.known.pk, error=refused.reason, by=BY, now=turn.now)
            raise Later(LATEST)
        connections.note_error(turn.known, refused.reason, now=turn.now)
        self._tell(f"Gorgias does not take it ({refused.reason})")

    def _down(self, down: Down) -> None:
        age = self.turn.now - self.turn.at
        if age > KEPT_FOR:
            self._tell("Gorgias did not answer for a day")
            return
        wait = patience(age, down.retry_after)
        wait = max(wait, DOUBT) if down.sent else wait
        OPERATIONS.labels("later").inc()
        log.warning("gorgias does not answer", reason=down.reason, maybe_sent=down.sent, wait=round(wait, 1))
        raise Later(wait) from None

    def _tell(self, why: str) -> None:
        OPERATIONS.labels("refused").inc()
        log.error("not done at gorgias", connection=self.turn.known.pk, what=self.what, why=why)
        if self.ticket_id is not None:
            remark(self.ticket_id, f"Not sent to Gorgias: {self.what}, because {why}.", now=self.turn.now)

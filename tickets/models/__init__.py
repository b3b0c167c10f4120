from tickets.models.assignment import Assignment
from tickets.models.conversation import Message, Note
from tickets.models.ticket import Ticket

__all__ = ["Assignment", "Message", "Note", "Ticket"]

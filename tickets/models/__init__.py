from tickets.models.assignment import Assignment, AssignmentDecision
from tickets.models.attachment import Attachment
from tickets.models.conversation import Message, Note
from tickets.models.draft import Draft
from tickets.models.saved_view import SavedView
from tickets.models.search import TicketText
from tickets.models.ticket import Ticket
from tickets.models.topic_alert import TopicAlert
from tickets.models.watch import Watch

__all__ = [
    "Assignment",
    "AssignmentDecision",
    "Attachment",
    "Draft",
    "Message",
    "Note",
    "SavedView",
    "Ticket",
    "TicketText",
    "TopicAlert",
    "Watch",
]

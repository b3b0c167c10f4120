"""Events: what follows from each. One of the four tables that can start code.

`on_subject` and `within` run at once, in the transaction of the change, and may refuse it by raising. `durable` and
`push` follow after its commit, each once and in the order of the facts of one subject; `push` is what sockets wait for.
Handlers live in the app that reacts; each is one call into that app's services.
"""

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings

from agents import handlers as agents
from agents.events import AgentAvailabilityChanged, AgentRoleChanged, AgentUpdated, DepartmentRenamed
from customers.events import CustomerErased, CustomerIdentified, CustomerUpdated, OrderForgotten, OrderRecorded
from integrations import handlers as integrations
from integrations.gorgias import handlers as gorgias
from integrations.shopify import handlers as shopify
from integrations.slack import handlers as slack
from sla import handlers as sla
from sla.events import ApplicationBegun, SimulationBegun, SLABreached, SLAWarned
from supportdesk.core.events import After, DomainEvent, Reactions
from tickets import events
from tickets import handlers as tickets

TELL = (tickets.tell_agents,)
GRACE = settings.ABSENT_OWNER_GRACE
MOMENT = timedelta(seconds=5)  # longer than a request that opens or changes a ticket

REACTIONS: Mapping[type[DomainEvent], Reactions] = {
    AgentAvailabilityChanged: Reactions(
        within=(tickets.forget_available_agents,),
        durable=(tickets.meet_available,),
        push=(agents.tell_availability,),
    ),
    AgentRoleChanged: Reactions(durable=(tickets.assign_waiting,)),
    AgentUpdated: Reactions(
        within=(tickets.forget_available_agents, tickets.forget_lists),
        durable=(tickets.meet_changed,),
    ),
    ApplicationBegun: Reactions(durable=(sla.apply_policy,)),
    CustomerErased: Reactions(
        within=(integrations.erase_receipts, integrations.bury_links, tickets.erase_conversations, sla.erase_reasons),
        durable=(tickets.follow_erasure, slack.follow_erased),
    ),
    CustomerIdentified: Reactions(durable=(tickets.outdate_insights,)),
    CustomerUpdated: Reactions(
        within=(tickets.forget_lists,),
        durable=(
            tickets.follow_change,
            tickets.forget_customers_texts,
            shopify.write_back,
            gorgias.introduce_to_gorgias,
        ),
    ),
    DepartmentRenamed: Reactions(within=(tickets.forget_lists,)),
    OrderForgotten: Reactions(durable=(tickets.outdate_insights,)),
    OrderRecorded: Reactions(durable=(tickets.outdate_insights,)),
    SLABreached: Reactions(durable=(slack.tell_deadline,), push=(sla.tell_of_deadline,)),
    SLAWarned: Reactions(durable=(slack.tell_deadline,), push=(sla.tell_of_deadline,)),
    SimulationBegun: Reactions(durable=(sla.simulate_policy,)),
    events.AttachmentAdded: Reactions(push=TELL),
    events.FollowUpOpened: Reactions(push=TELL),
    events.MessageAdded: Reactions(
        on_subject=(sla.hear_message,),
        durable=(After(delay=GRACE, handler=tickets.serve_customer), tickets.heed_message, gorgias.push_to_gorgias),
        push=TELL,
    ),
    events.NoteAdded: Reactions(durable=(slack.tell_mention, gorgias.push_to_gorgias), push=TELL),
    events.TicketArchived: Reactions(push=TELL),
    events.TicketAssigned: Reactions(
        within=(tickets.forget_available_agents,),
        durable=(tickets.fill_room_transferred, slack.follow_ticket, gorgias.push_to_gorgias),
        push=TELL,
    ),
    events.TicketCreated: Reactions(on_subject=(sla.start_clocks,), durable=(tickets.auto_assign, slack.tell_new)),
    events.TicketPriorityChanged: Reactions(
        on_subject=(sla.wind_clocks,), durable=(slack.tell_priority, gorgias.push_to_gorgias), push=TELL
    ),
    events.TicketQueued: Reactions(push=TELL),
    events.TicketStatusChanged: Reactions(
        on_subject=(sla.wind_clocks,),
        within=(tickets.forget_available_agents,),
        durable=(
            tickets.fill_room_left,
            After(delay=GRACE, handler=tickets.serve_reopened),
            slack.follow_ticket,
            gorgias.push_to_gorgias,
        ),
        push=TELL,
    ),
    events.TicketUnassigned: Reactions(
        within=(tickets.forget_available_agents,),
        durable=(tickets.assign_waiting, gorgias.push_to_gorgias),
        push=TELL,
    ),
    events.TicketUpdated: Reactions(durable=(tickets.look_again, gorgias.push_to_gorgias), push=TELL),
    events.TopicAlertBegun: Reactions(durable=(After(delay=MOMENT, handler=tickets.spread_alert),)),
    events.TopicAlertEnded: Reactions(durable=(After(delay=MOMENT, handler=tickets.withdraw_alert),)),
    events.TopicAlertFollowed: Reactions(durable=(tickets.follow_alert,)),
}

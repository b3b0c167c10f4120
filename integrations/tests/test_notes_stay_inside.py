"""What agents write for each other goes to no customer, shop, model or channel."""

import json
from typing import Any

import pytest
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent
from customers.models import Customer
from customers.tests.builders import update
from integrations.gorgias import client
from integrations.gorgias.sandbox.credentials import EMAIL
from integrations.gorgias.sandbox.server import Sandbox as Gorgias
from integrations.models import Connection
from integrations.shopify import sources
from integrations.shopify.sandbox.credentials import SCOPES, TOKEN
from integrations.shopify.sandbox.server import Sandbox as Shopify
from integrations.slack.sandbox import Sandbox as Slack
from integrations.tests.builders import SECRET, GorgiasDesk, make_connection, make_slack
from quimbi.sandbox import Sandbox as Quimbi
from supportdesk.core import delivery
from supportdesk.core.actor import Door
from supportdesk.tests.client import Api
from tickets.enums import Sender
from tickets.models import Note
from tickets.services import conversation
from tickets.tests.builders import change, say

OURS, THEIRS = "do not lend this one money", "bounced a cheque in May"


@pytest.mark.vuln
@pytest.mark.django_db
def test_what_a_note_says_is_told_to_colleagues_alone(
    gorgias: Gorgias, slack: Slack, shopify: Shopify, quimbi: Quimbi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "FIRST", 0.01)
    make_slack()
    shop = make_connection(changes={"access_token": TOKEN, "webhook_secret": SECRET, "write_back": True})
    Connection.objects.filter(pk=shop.pk).update(scopes=SCOPES.split(","))
    shopify.add_customer(7)
    desk, ada, bo = GorgiasDesk(gorgias), make_agent(email=EMAIL, name="Ada"), make_agent(role="supervisor", name="Bo")
    person = gorgias.add_customer("zoe@example.com", name="Zoë", shopify=7)
    pk = int(gorgias.open_ticket(person, "Where is my parcel?")["id"])
    gorgias.say(pk, THEIRS, user=gorgias.me, public=False)
    desk.arrive()
    ticket = desk.ticket(pk)
    change(ticket, priority="urgent")
    conversation.add_note(
        ticket_id=ticket.pk, body=OURS, mentions=[bo.pk], by=actor_of(make_agent(role="admin")), now=timezone.now()
    )
    say(ticket, "It is on its way.", sender=Sender.AGENT, by=actor_of(ada))
    sources.write_customer(shop, shopify.customers["7"], SYSTEM.through(Door.SHOPIFY), timezone.now())
    told = {**Customer.objects.get(pk=ticket.customer_id).attributes, "shopify_note": "likes tea"}
    update(ticket.customer, attributes=told)
    desk.leave()
    api = Api(make_agent(role="admin"))
    for path in (f"tickets/{ticket.pk}/draft", f"tickets/{ticket.pk}/recommend", f"customers/{ticket.customer_id}/dna"):
        assert api.get(f"/api/ai/{path}").status == 200
    desk.leave()
    delivery.run_due(limit=1_000)
    assert {note.body for note in Note.objects.all()} >= {OURS, THEIRS}
    public = [message for message in gorgias.tickets[pk]["messages"] if message["public"]]
    said: dict[str, Any] = {"customers": public, "mail": gorgias.mailed, "slack": slack.asked, "shop": shopify.asked}
    said["quimbi"] = quimbi.requests
    for whom, words in said.items():
        text = json.dumps(words, default=str, ensure_ascii=False)
        assert OURS not in text and THEIRS not in text, whom
    assert all(said.values())

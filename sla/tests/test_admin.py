"""Policies, calendars and breaches in the admin, as a supervisor uses them."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import make_agent, make_department
from sla.clock import Metric
from sla.models import Calendar, Policy, PolicyApplication, SLAAlert, TicketSLA
from sla.tests.builders import MINUTE, change_default, clock_of, make_calendar, make_policy, raise_due
from supportdesk.core import delivery
from supportdesk.tests.client import counted_statements
from tickets.enums import Priority
from tickets.tests.builders import make_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
CALENDARS, POLICIES, ALERTS = "/admin/sla/calendar/", "/admin/sla/policy/", "/admin/sla/slaalert/"


@pytest.fixture
def supervisor() -> Agent:
    return make_agent(role="supervisor", name="Sofia Lind")


@pytest.fixture
def client(supervisor: Agent) -> Client:
    client = Client()
    client.force_login(supervisor)
    return client


def text(response: Any) -> str:
    assert response.status_code == 200, response
    return str(response.content.decode())


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def errors(page: str) -> list[str]:
    return re.findall(r'<ul class="errorlist[^"]*"[^>]*><li>(.*?)</li>', page)


def examples(page: str) -> list[list[str]]:
    """The rows of the table that shows what it means."""
    rows = re.findall(r"<tr>(<td>.*?)</tr>", page, re.DOTALL)
    return [re.findall(r"<td>(.*?)</td>", row) for row in rows if "<input" not in row]


def hours(**over: str) -> dict[str, str]:
    given = {"name": "Berlin", "timezone": "Europe/Berlin", "monday": "09:00-12:00, 13:30-18:00"}
    return given | {"example_target": "2 h", "example_at": "2026-01-05 10:30:00", **over}


def targets(first: str = "30 min", resolution: str = "8 h") -> dict[str, str]:
    return {
        f"{priority.value}_{metric}": value
        for priority in Priority
        for metric, value in (("first_response", first), ("resolution", resolution))
    }


def promises(**over: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"name": "Refunds", "calendar": Calendar.objects.earliest("pk").pk, "warning_percent": "80"}
    return given | {"floor_minutes": "10 min", **targets(), **over}


# Calendars


def test_a_calendar_is_made_from_hours_as_people_write_them(client: Client) -> None:
    given = hours(sunday="00:00-24:00", holidays="2026-12-25 Christmas Day\n\n2028-02-29\n")
    made = client.post(f"{CALENDARS}add/", given)
    assert made.status_code == 302
    version = Calendar.objects.get(name="Berlin").versions.get()
    assert version.week == [[[540, 720], [810, 1080]], [], [], [], [], [], [[0, 1440]]]
    assert version.holidays == {"2026-12-25": "Christmas Day", "2028-02-29": "Holiday"}
    page = text(client.get(made.headers["Location"]))
    assert 'value="09:00-12:00, 13:30-18:00"' in page
    assert "2026-12-25 Christmas Day" in page


def test_what_it_means_is_shown_for_what_is_typed_and_nothing_is_saved(client: Client) -> None:
    page = text(client.post(f"{CALENDARS}add/", hours(do="preview")))
    rows = examples(page)
    assert len(rows) == 10
    assert rows[0] == ["Mon 2026-01-05 11:30", "Mon 2026-01-05 15:00"]  # by the clock of Berlin
    assert rows[1] == ["Mon 2026-01-05 18:30", "Mon 2026-01-12 11:00"]
    assert Calendar.objects.count() == 1


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"monday": ""}, "The calendar must be open at some time of the week."),
        ({"monday": "18:00-09:00"}, "The interval must end after it begins."),
        ({"monday": "09:00-12:00, 11:00-13:00"}, "The interval must begin after the one before it ends."),
        ({"monday": "nine to five"}, "“nine to five” is not such as 09:00-17:30."),
        ({"timezone": "Berlin"}, "Must be a time zone such as Europe/Berlin."),
        ({"holidays": "Christmas"}, "“Christmas” does not begin with a date such as 2026-12-25."),
        ({"holidays": "2027-02-29 Leap day"}, "“2027-02-29 Leap day” does not begin with a date such as 2026-12-25."),
        ({"name": ""}, "This field is required."),
        ({"name": "round the CLOCK"}, "There is another calendar of this name."),
    ],
)
@pytest.mark.parametrize("do", ["save", "preview"])
def test_hours_that_cannot_be_are_refused_in_words(client: Client, over: dict[str, str], said: str, do: str) -> None:
    page = text(client.post(f"{CALENDARS}add/", hours(do=do, **over)))
    if do == "preview" and "name" in over and over["name"]:
        assert errors(page) == []  # a name is taken when it is saved
    else:
        assert errors(page) == [said]
    assert Calendar.objects.count() == 1


def test_an_edit_is_a_new_version_that_one_can_see(client: Client) -> None:
    calendar = make_calendar(timezone.now(), name="Office")
    path = f"{CALENDARS}{calendar.pk}/change/"
    given = hours(name="Office", version="1", timezone="Asia/Tokyo")
    assert client.post(path, given).status_code == 302
    page = words_of(text(client.get(path)))
    assert re.search(r"2 Active Asia/Tokyo, 0 holidays .* Sofia Lind .*1 Europe/Berlin, 0 holidays", page)
    assert "it is version 2 now" in text(client.post(path, given))


def test_holidays_of_a_country_are_added_with_a_click(client: Client) -> None:
    calendar, year = make_calendar(timezone.now()), timezone.now().year
    path = f"{CALENDARS}{calendar.pk}/change/"
    given = {"do": "import", "import-country": "DE", "import-subdivision": "BE", "import-years": f"{year}, {year + 1}"}
    page = text(client.post(path, given, follow=True))
    assert re.search(r"\d\d holidays were added\.", page)
    assert f"{year}-12-25 Christmas Day" in page
    assert "0 holidays were added." in text(client.post(path, given, follow=True))
    for wrong, said in (
        ({"import-subdivision": "XX"}, "DE has these:"),
        ({"import-country": "XX"}, "Select a valid choice"),
        ({"import-years": "soon"}, "Must be years separated by commas."),
        ({"import-years": "1999"}, "Must be 1 to 10 years"),
    ):
        assert said in text(client.post(path, given | wrong, follow=True))
    assert calendar.versions.count() == 2


# Policies


def test_a_policy_is_made_from_a_table_of_targets(client: Client) -> None:
    here = make_department(name="Billing")
    ticked = {"priorities": ["urgent", "high"], "tiers": ["vip"], "departments": [here.pk], "tags": "Gold, silver"}
    made = client.post(f"{POLICIES}add/", promises(**ticked, pending_pauses_responses="on"))
    assert made.status_code == 302, errors(text(made))
    draft = Policy.objects.get(name="Refunds").versions.get()
    assert (draft.state, draft.targets["low"]) == ("draft", {"first_response": 30, "resolution": 480})
    assert draft.conditions == {
        "priorities": ["high", "urgent"],
        "tiers": ["vip"],
        "department_ids": [here.pk],
        "tags": ["gold", "silver"],
    }
    assert (draft.pending_pauses_responses, draft.on_hold_pauses, draft.floor_minutes) == (True, False, 10)
    page = text(client.get(made.headers["Location"]))
    assert 'value="8 h"' in page
    assert "No ticket bears: gold, silver." in page
    assert page.count("checked") == 5


def test_a_draft_is_activated_with_a_click(client: Client) -> None:
    path = client.post(f"{POLICIES}add/", promises()).headers["Location"]
    assert "Activate draft 1" in text(client.get(path))
    assert "has no such draft" in text(client.post(path, {"do": "activate", "number": "2"}, follow=True))
    assert "Activated: tickets get it from now on." in text(
        client.post(path, {"do": "activate", "number": "1"}, follow=True)
    )
    assert TicketSLA.objects.get(ticket=make_ticket()).policy_version.policy.name == "Refunds"
    assert "no such draft" in text(client.post(path, {"do": "activate", "number": "1"}, follow=True))


def test_an_edit_shows_what_holds_until_it_is_activated(client: Client) -> None:
    default = Policy.objects.get()
    path = f"{POLICIES}{default.pk}/change/"
    page = text(client.get(path))
    assert "Save as a draft" in page
    assert "The default takes every ticket" in page
    given = promises(name="Default", version="1", **targets("15 min"))
    assert client.post(path, given).status_code == 302
    page = words_of(text(client.get(path)))
    assert "This is draft 2. Tickets get version 1 until you activate it." in page
    assert re.search(r"2 Draft Round the clock .* 1 Active Round the clock", page)
    assert "it is version 2 now" in text(client.post(path, given))


def test_what_a_policy_means_is_shown_for_the_next_ten_tickets(client: Client) -> None:
    make_calendar(timezone.now(), name="Office")
    office = Calendar.objects.get(name="Office").pk
    given = promises(calendar=office, example_at="2026-01-02 15:30:00", example_priority="normal", do="preview")
    page = text(client.post(f"{POLICIES}add/", given | targets("1 h", "8 h")))
    assert "First response due" in page
    rows = examples(page)
    assert len(rows) == 10
    assert rows[0] == ["Fri 2026-01-02 16:30", "Mon 2026-01-05 09:30", "-", "Mon 2026-01-05 16:30"]
    assert not Policy.objects.filter(name="Refunds").exists()
    assert len(examples(text(client.get(f"{POLICIES}{Policy.objects.get().pk}/change/")))) == 10


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"low_resolution": ""}, "Must be promised at every priority, or at none."),
        ({"low_resolution": "0 h"}, "Must be 1 to 527,040 minutes."),
        ({"low_resolution": "900000 h"}, "Must be 1 to 527,040 minutes."),
        ({"low_resolution": "soon"}, "Must be such as 30 min, 8 h or 1 h 30 min."),
        ({"warning_percent": "101"}, "Must be 1 to 100."),
        ({"floor_minutes": "25 h"}, "Must be 0 to 1440."),
        ({"calendar": "987654"}, "Select a valid choice."),
        ({"priorities": ["huge"]}, "Select a valid choice. huge is not one of the available choices."),
        (dict.fromkeys(targets(), ""), "Promise at least one thing."),
    ],
)
@pytest.mark.parametrize("do", ["save", "preview"])
def test_promises_that_mean_nothing_are_refused_in_words(
    client: Client, over: dict[str, Any], said: str, do: str
) -> None:
    page = text(client.post(f"{POLICIES}add/", promises(do=do, **over)))
    assert len(errors(page)) == 1
    assert errors(page)[0].startswith(said)
    assert Policy.objects.count() == 1


def test_the_one_default_moves_and_is_never_switched_off(client: Client) -> None:
    old, new = Policy.objects.get(), make_policy(timezone.now())
    path, old_path = f"{POLICIES}{new.pk}/change/", f"{POLICIES}{old.pk}/change/"
    assert "cannot be switched off" in text(client.post(old_path, {"do": "switch"}, follow=True))
    assert "This is the default policy now." in text(client.post(path, {"do": "default"}, follow=True))
    assert list(Policy.objects.filter(is_default=True)) == [new]
    assert "Switched off" in text(client.post(old_path, {"do": "switch"}, follow=True))
    assert "Switched on." in text(client.post(old_path, {"do": "switch"}, follow=True))
    assert "Switch off" not in text(client.get(path))


def test_open_tickets_are_counted_and_then_given_the_new_version(client: Client) -> None:
    ticket = make_ticket()
    version = change_default(timezone.now(), warning_percent=50)
    path = f"{POLICIES}{version.policy_id}/change/"
    for do in ("count", "apply"):
        assert client.post(path, {"do": do}).status_code == 302
        delivery.run_due(limit=1_000)
    page = words_of(text(client.get(path)))
    assert "Counted version 2 · Done 1 ticket: 0 due earlier, 0 later, 0 breached by it" in page
    assert "Given version 2 · Done 1 ticket" in page
    assert TicketSLA.objects.get(ticket=ticket).policy_version == version
    assert PolicyApplication.objects.count() == 2


# Warnings and breaches


def test_a_breach_is_acknowledged_once_with_a_reason(client: Client, supervisor: Agent) -> None:
    now = timezone.now()
    ticket = make_ticket(now=now - 40 * MINUTE, priority=Priority.URGENT, subject="About Zoë")
    raise_due(now)
    breach = SLAAlert.objects.breaches().get()
    page = text(client.get(ALERTS))
    assert f"#{ticket.pk}" in page
    assert "About Zoë" not in page
    path = f"{ALERTS}{breach.pk}/change/"
    assert errors(text(client.post(path, {"reason": " "}))) == ["This field is required."]
    assert client.post(path, {"reason": "The carrier was down."}).status_code == 302
    page = text(client.get(path))
    assert "The carrier was down." in page
    assert "Sofia Lind" in page
    assert "<textarea" not in page
    breach.refresh_from_db()
    assert breach.acknowledged_by == supervisor
    assert f"#{ticket.pk}" not in text(client.get(f"{ALERTS}?acknowledged=no")).split("changelist-form")[1]
    warning = SLAAlert.objects.get(kind="warning")
    assert "<textarea" not in text(client.get(f"{ALERTS}{warning.pk}/change/"))


def test_a_supervisor_sees_the_breaches_of_their_departments() -> None:
    now, here, there = timezone.now(), make_department(), make_department()
    mine, foreign = (
        make_ticket(now=now - 40 * MINUTE, priority=Priority.URGENT, department=department)
        for department in (here, there)
    )
    raise_due(now)
    client = Client()
    client.force_login(make_agent(role="supervisor", leads=[here]))
    page = text(client.get(ALERTS))
    assert f"#{mine.pk}<" in page
    assert f"#{foreign.pk}<" not in page
    hidden = SLAAlert.objects.breaches().get(ticket=foreign)
    assert client.get(f"{ALERTS}{hidden.pk}/change/").status_code == 302


def test_the_ticket_shows_its_promises(client: Client) -> None:
    now = timezone.now()
    ticket = make_ticket(now=now - 3 * 60 * MINUTE)
    page = words_of(text(client.get(f"/admin/tickets/ticket/{ticket.pk}/change/")))
    assert "Promises" in page
    assert "First response Runs: 3 h of 8 h used, due" in page
    due = clock_of(ticket, Metric.RESOLUTION).due_at
    assert f"due {due:%Y-%m-%d %H:%M} UTC" in page


def test_lists_take_the_same_statements_for_one_and_three(client: Client) -> None:
    counts = []
    now = timezone.now()
    for _ in range(2):
        make_policy(now, calendar=make_calendar(now))
        make_ticket(now=now - 40 * MINUTE, priority=Priority.URGENT)
        raise_due(now)
        for path in (CALENDARS, POLICIES, ALERTS):
            client.get(path)
            with counted_statements() as taken:
                client.get(path)
            counts.append(len(taken))
    assert counts[:3] == counts[3:]

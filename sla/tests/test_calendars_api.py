"""Calendars over the API: hours and holidays, each edit a version, and a clear answer to what cannot be."""

from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import make_agent, make_key
from sla.clock import Metric
from sla.models import Calendar, CalendarVersion
from sla.tests.builders import change_default, clock_of, make_calendar, minutes
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from tickets.tests.builders import make_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
PATH = "/api/sla/calendars"
WEEK = {"monday": ["09:00-12:00", "13:30-18:00"], "friday": ["00:00-24:00"]}


def body(**over: Any) -> dict[str, Any]:
    return {"name": "Berlin", "timezone": "Europe/Berlin", "week": WEEK, **over}


@pytest.fixture
def supervisor() -> Agent:
    return make_agent(role="supervisor", name="Sofia Lind")


@pytest.fixture
def api(supervisor: Agent) -> Api:
    return Api(supervisor)


def test_a_calendar_is_created_and_read(api: Api, supervisor: Agent) -> None:
    holidays = [{"date": "2026-12-25", "name": "Christmas Day"}, {"date": "2028-02-29", "name": "Leap day"}]
    made = api.post(PATH, body(holidays=holidays))
    assert (made.status, made.headers["ETag"]) == (201, '"1"')
    hours = made.body["hours"]
    assert hours["week"] == {
        "monday": ["09:00-12:00", "13:30-18:00"],
        **{day: [] for day in ("tuesday", "wednesday", "thursday")},
        "friday": ["00:00-24:00"],
        "saturday": [],
        "sunday": [],
    }
    assert (hours["number"], hours["timezone"], hours["holidays"]) == (1, "Europe/Berlin", holidays)
    assert hours["created_by"] == {"id": supervisor.pk, "name": "Sofia Lind"}
    assert api.get(f"{PATH}/{made.body['id']}").body == made.body
    assert Event.objects.get(name="sla_calendar.created").subject_id == made.body["id"]


def test_an_edit_of_the_hours_is_a_new_version_and_one_of_the_name_is_not(api: Api) -> None:
    pk = api.post(PATH, body()).body["id"]
    edited = api.patch(f"{PATH}/{pk}", {"timezone": "Asia/Tokyo"}, if_match='"1"')
    assert (edited.status, edited.body["hours"]["number"], edited.body["version"]) == (200, 2, 2)
    renamed = api.patch(f"{PATH}/{pk}", {"name": "Tokyo"})
    assert (renamed.body["name"], renamed.body["hours"]["number"], renamed.body["version"]) == ("Tokyo", 2, 3)
    assert api.patch(f"{PATH}/{pk}", {"name": "Tokyo", "week": WEEK}).body["version"] == 3
    versions = api.get(f"{PATH}/{pk}/versions").body["results"]
    assert [(row["number"], row["state"], row["timezone"]) for row in versions] == [
        (2, "active", "Asia/Tokyo"),
        (1, "retired", "Europe/Berlin"),
    ]
    facts = Event.objects.filter(name="sla_calendar.updated").order_by("pk").values_list("payload", flat=True)
    assert list(facts) == [{"fields": ["timezone"], "number": 2}, {"fields": ["name"], "number": 2}]
    assert api.patch(f"{PATH}/{pk}", {"name": "X"}, if_match='"1"').status == 412


def test_running_tickets_keep_the_hours_they_had(api: Api) -> None:
    now = timezone.now()
    calendar = make_calendar(now, week=[[[0, 1440]]] * 7)
    change_default(now, calendar=calendar, targets=minutes(resolution=60))
    ticket = make_ticket(now=now)
    due = clock_of(ticket, Metric.RESOLUTION).due_at
    assert api.patch(f"{PATH}/{calendar.pk}", {"week": {"monday": ["09:00-09:01"]}}).status == 200
    api.patch(f"/api/tickets/{ticket.pk}", {"priority": "urgent"})
    assert clock_of(ticket, Metric.RESOLUTION).due_at == due
    assert clock_of(make_ticket(now=now), Metric.RESOLUTION).due_at > due  # type: ignore[operator]


@pytest.mark.parametrize(
    ("over", "field", "code"),
    [
        ({"timezone": "Europe/Atlantis"}, "timezone", "invalid_timezone"),
        ({"timezone": ""}, "timezone", "blank"),
        ({"week": {}}, "week", "never_open"),
        ({"week": {"monday": []}}, "week", "never_open"),
        ({"week": {"monday": ["09:00-09:00"]}}, "week.monday[0]", "invalid_interval"),
        ({"week": {"monday": ["17:00-09:00"]}}, "week.monday[0]", "invalid_interval"),
        ({"week": {"monday": ["09:00-12:00", "11:59-13:00"]}}, "week.monday[1]", "invalid_interval"),
        ({"week": {"monday": ["13:00-14:00", "09:00-12:00"]}}, "week.monday[1]", "invalid_interval"),
        ({"week": {"monday": ["09:00-24:01"]}}, "week.monday[0]", "invalid_interval"),
        ({"week": {"monday": ["9-17"]}}, "week.monday[0]", "invalid_interval"),
        ({"week": {"monday": ["09:60-17:00"]}}, "week.monday[0]", "invalid_interval"),
        ({"week": {"monday": [["09:00", "17:00"]]}}, "week.monday[0]", "wrong_type"),
        ({"week": {"monday": ["00:00-00:01"] * 13}}, "week.monday", "max_length"),
        ({"week": {"Monday": ["09:00-17:00"]}}, "week.Monday", "unknown_field"),
        ({"week": ["09:00-17:00"]}, "week", "invalid"),
        ({"holidays": [{"date": "2027-02-29", "name": "x"}]}, "holidays[0].date", "invalid_date"),
        ({"holidays": [{"date": "2026-12-25"}]}, "holidays[0].name", "required"),
        ({"holidays": [{"date": "2026-12-25T00:00", "name": "x"}]}, "holidays[0].date", "invalid_date"),
        ({"holidays": [{"date": "9999-12-25", "name": "x"}]}, "holidays[0].date", "out_of_range"),
        ({"name": ""}, "name", "blank"),
        ({"zone": "UTC"}, "zone", "unknown_field"),
    ],
)
def test_hours_that_cannot_be_are_refused_by_name(api: Api, over: dict[str, Any], field: str, code: str) -> None:
    answer = api.post(PATH, body(**over))
    assert (answer.status, answer.fields) == (400, {field: code})
    pk = Calendar.objects.earliest("pk").pk
    if "zone" not in over and over != {"name": ""}:
        assert api.patch(f"{PATH}/{pk}", over).fields == {field: code}
    assert CalendarVersion.objects.count() == 1


def test_every_fault_of_a_week_is_named_at_once(api: Api) -> None:
    week = {"monday": ["12:00-09:00"], "sunday": ["09:00-10:00", "09:30-11:00"]}
    assert api.post(PATH, body(week=week)).fields == {
        "week.monday[0]": "invalid_interval",
        "week.sunday[1]": "invalid_interval",
    }


def test_names_are_taken_once_in_any_case(api: Api) -> None:
    assert api.post(PATH, body()).status == 201
    answer = api.post(PATH, body(name="BERLIN"))
    assert (answer.status, answer.body["code"], answer.fields) == (409, "name_taken", {"name": "name_taken"})


def test_a_calendar_that_could_not_hold_what_is_promised_is_refused(api: Api) -> None:
    now = timezone.now()
    calendar = make_calendar(now)
    change_default(now, calendar=calendar)
    answer = api.patch(f"{PATH}/{calendar.pk}", {"week": {"sunday": ["09:00-09:01"]}})
    assert (answer.status, answer.fields) == (400, {"week": "too_few_hours"})
    assert "Default" in answer.body["detail"]


# Holidays by country


def test_holidays_of_a_country_are_added_to_those_there_are(api: Api) -> None:
    year = timezone.now().year
    own = [{"date": f"{year}-01-01", "name": "Ours"}, {"date": f"{year}-08-01", "name": "Day out"}]
    pk = api.post(PATH, body(holidays=own)).body["id"]
    answer = api.post(f"{PATH}/{pk}/holidays/import", {"country": "DE", "subdivision": "BE", "years": [year]})
    assert (answer.status, answer.body["hours"]["number"]) == (200, 2)
    days = {holiday["date"]: holiday["name"] for holiday in answer.body["hours"]["holidays"]}
    assert (days[f"{year}-01-01"], days[f"{year}-08-01"], days[f"{year}-12-25"]) == ("Ours", "Day out", "Christmas Day")
    assert f"{year}-03-08" in days  # Berlin's own
    assert answer.body["added"] == len(days) - 2
    again = api.post(f"{PATH}/{pk}/holidays/import", {"country": "DE", "subdivision": "BE", "years": [year]})
    assert (again.body["added"], again.body["hours"]["number"]) == (0, 2)


def test_every_country_can_be_imported(api: Api) -> None:
    pk, year = api.post(PATH, body()).body["id"], timezone.now().year
    for country in ("JP", "BR", "US", "IN", "SA", "NZ"):
        answer = api.post(f"{PATH}/{pk}/holidays/import", {"country": country, "years": [year, year + 1]})
        assert answer.status == 200, country
    named = api.get(f"{PATH}/{pk}").body["hours"]["holidays"]
    assert all(date.fromisoformat(holiday["date"]).year in {year, year + 1} for holiday in named)


@pytest.mark.parametrize(
    ("over", "field", "code"),
    [
        ({"country": "XX"}, "country", "unknown"),
        ({"country": "de"}, "country", "unknown"),
        ({"country": "DEU"}, "country", "max_length"),
        ({"subdivision": "XX"}, "subdivision", "unknown"),
        ({"years": []}, "years", "min_length"),
        ({"years": [1999]}, "years", "out_of_range"),
        ({"years": [2200]}, "years", "out_of_range"),
        ({"years": ["2026"]}, "years[0]", "wrong_type"),
        ({"years": list(range(2026, 2040))}, "years", "max_length"),
    ],
)
def test_holidays_that_nobody_knows_are_refused_by_name(api: Api, over: dict[str, Any], field: str, code: str) -> None:
    pk = Calendar.objects.earliest("pk").pk
    answer = api.post(f"{PATH}/{pk}/holidays/import", {"country": "DE", "years": [2026], **over})
    assert (answer.status, answer.fields) == (400, {field: code})


# Who may


@pytest.mark.parametrize(("role", "writes"), [("agent", 403), ("senior", 403), ("supervisor", 201), ("admin", 201)])
def test_every_agent_reads_and_supervisors_write(role: str, writes: int) -> None:
    caller = Api(make_agent(role=role))
    pk = Calendar.objects.earliest("pk").pk
    assert caller.get(PATH).status == caller.get(f"{PATH}/{pk}").status == 200
    assert caller.get(f"{PATH}/{pk}/versions").status == 200
    assert caller.post(PATH, body()).status == writes
    allowed = 200 if writes == 201 else 403
    assert caller.patch(f"{PATH}/{pk}", {"name": "Always"}).status == allowed
    given = {"country": "DE", "years": [timezone.now().year]}
    assert caller.post(f"{PATH}/{pk}/holidays/import", given).status == allowed


def test_a_machine_reads_with_the_right_scope_and_never_writes() -> None:
    machine, other = Api(make_key("tickets:read", "tickets:write")), Api(make_key("agents:read"))
    assert (machine.get(PATH).status, other.get(PATH).status, Api().get(PATH).status) == (200, 403, 401)
    assert machine.post(PATH, body()).status == 403


@pytest.mark.parametrize("suffix", ["", "/versions"])
def test_a_calendar_that_is_not_there_is_a_404(api: Api, suffix: str) -> None:
    assert api.get(f"{PATH}/987654{suffix}").status == 404
    assert api.patch(f"{PATH}/987654", {"name": "X"}).status == 404


def test_lists_take_the_same_statements_for_one_and_three(api: Api) -> None:
    pk, counts = api.post(PATH, body()).body["id"], []
    for _ in range(2):
        for path in (PATH, f"{PATH}/{pk}/versions"):
            with counted_statements() as taken:
                api.get(path)
            counts.append(len(taken))
        for number in range(2):
            make_calendar(timezone.now())
            api.patch(f"{PATH}/{pk}", {"timezone": ("Asia/Tokyo", "UTC")[number]})
    assert counts[:2] == counts[2:] == [4, 3]  # token, calendars, versions, authors; token, calendar, versions

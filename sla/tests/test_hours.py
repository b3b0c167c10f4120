"""Working time, with the golden vectors of the rules and what must hold for every calendar."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sla.hours import ALWAYS, Hours, Interval, NoWorkingTime, between, end_of, faults

BERLIN, NEW_YORK, LORD_HOWE = (ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))
WEEKDAYS_9_TO_17 = (((540, 1020),),) * 5 + ((), ())
ROUND_THE_CLOCK = (((0, 1440),),) * 7
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def hours(
    week: tuple[tuple[Interval, ...], ...] = WEEKDAYS_9_TO_17, *, zone: ZoneInfo = BERLIN, **over: object
) -> Hours:
    return Hours(zone=zone, week=week, **over)  # type: ignore[arg-type]


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


FRIDAY_EVENING = at("2026-01-02T16:30")
MONDAY = date(2026, 1, 5)


def test_an_hour_from_friday_half_past_four_ends_on_monday() -> None:
    assert end_of(hours(), FRIDAY_EVENING, HOUR) == at("2026-01-05T09:30")


def test_a_holiday_is_no_working_day() -> None:
    assert end_of(hours(holidays=frozenset({MONDAY})), FRIDAY_EVENING, HOUR) == at("2026-01-06T09:30")


def test_a_split_day_leaves_out_its_break() -> None:
    split = hours((((480, 720), (810, 1080)),) * 7)
    assert end_of(split, at("2026-01-05T11:30"), 2 * HOUR) == at("2026-01-05T15:00")


def test_twelve_hours_are_a_day_and_a_half() -> None:
    assert end_of(hours(), at("2026-01-05T09:00"), 12 * HOUR) == at("2026-01-06T13:00")


@pytest.mark.parametrize(("day", "end"), [("2026-03-29", "05:30"), ("2026-10-25", "03:30")])
def test_round_the_clock_both_nights_of_daylight_saving_are_exact(day: str, end: str) -> None:
    assert end_of(hours(ROUND_THE_CLOCK), at(f"{day}T00:30"), 4 * HOUR) == at(f"{day}T{end}").replace(tzinfo=UTC)
    assert end_of(hours(ROUND_THE_CLOCK), at(f"{day}T00:30"), 4 * HOUR) - at(f"{day}T00:30") == 4 * HOUR


@pytest.mark.parametrize(("day", "length"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-03-30", 24)])
def test_a_day_is_as_long_as_it_is(day: str, length: int) -> None:
    start = at(f"{day}T00:00")
    end = at((date.fromisoformat(day) + timedelta(days=1)).isoformat() + "T00:00")
    assert between(hours(ROUND_THE_CLOCK), start, end) == length * HOUR


def test_an_interval_that_the_clock_skips_holds_nothing() -> None:
    night = hours((((130, 170),),) * 7)  # 02:10-02:50
    assert between(night, at("2026-03-29T00:00"), at("2026-03-30T00:00")) == timedelta(0)
    assert between(night, at("2026-03-28T00:00"), at("2026-03-29T00:00")) == 40 * MINUTE


def test_an_interval_that_begins_while_the_clock_jumps_begins_at_the_jump() -> None:
    night = hours((((150, 360),),) * 7)  # 02:30-06:00
    assert between(night, at("2026-03-29T00:00"), at("2026-03-29T12:00")) == 3 * HOUR


def test_a_zone_that_shifts_by_half_an_hour_is_exact() -> None:
    start = datetime(2026, 10, 3, 13, 0, tzinfo=UTC)
    day = hours(ROUND_THE_CLOCK, zone=LORD_HOWE)
    assert end_of(day, start, 48 * HOUR) - start == 48 * HOUR


def test_the_twenty_ninth_of_february_is_a_day() -> None:
    assert end_of(hours(), at("2028-02-28T16:00"), 2 * HOUR) == at("2028-02-29T10:00")


def test_an_amount_that_ends_when_the_desk_closes_ends_there() -> None:
    assert end_of(hours(), at("2026-01-05T09:00"), 8 * HOUR) == at("2026-01-05T17:00")
    assert end_of(hours(), at("2026-01-05T20:00"), timedelta(0)) == at("2026-01-06T09:00")


def test_a_calendar_that_never_opens_again_says_so() -> None:
    closed = hours(((),) * 7)
    assert between(closed, at("2026-01-05T09:00"), at("2026-01-06T09:00")) == timedelta(0)
    with pytest.raises(NoWorkingTime):
        end_of(closed, at("2026-01-05T09:00"), HOUR)


@pytest.mark.parametrize(
    ("day", "index", "why"),
    [
        (((600, 540),), 0, "must end after it begins"),
        (((540, 540),), 0, "must end after it begins"),
        (((540, 720), (700, 800)), 1, "must begin after the one before it ends"),
        (((540, 1441),), 0, "must lie between 00:00 and 24:00"),
        (((-1, 60),), 0, "must lie between 00:00 and 24:00"),
    ],
)
def test_a_week_that_cannot_be_is_told_where_and_why(day: tuple[Interval, ...], index: int, why: str) -> None:
    assert faults(((), day)) == [(1, index, why)]


def test_a_week_of_touching_intervals_is_sound() -> None:
    assert faults((((0, 600), (600, 1440)),) * 7) == []


def test_intervals_within_an_hour_that_the_clock_shows_twice_count_no_instant_twice() -> None:
    night = hours((((120, 140), (150, 170)),) * 7)  # 02:00-02:20 and 02:30-02:50
    start, end = at("2026-10-25T00:00"), at("2026-10-25T12:00")
    assert between(night, start, end) == 110 * MINUTE  # from the first 02:00 to the last 02:50
    assert end_of(night, start, 110 * MINUTE) - end_of(night, start, 100 * MINUTE) == 10 * MINUTE


# What holds for every calendar


@st.composite
def calendars(draw: st.DrawFn) -> Hours:
    days = []
    for _ in range(7):
        edges = sorted(draw(st.sets(st.integers(0, 1440), max_size=6)))
        days.append(tuple(zip(edges[::2], edges[1::2], strict=False)))
    zone = draw(st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, ZoneInfo("UTC"), ZoneInfo("Asia/Kathmandu")]))
    holidays = draw(st.frozensets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=5))
    return Hours(zone=zone, week=tuple(days), holidays=holidays)


instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))
amounts = st.timedeltas(timedelta(microseconds=1), timedelta(hours=60))


@given(calendars(), instants, amounts)
def test_what_ends_after_an_amount_lies_that_amount_away(calendar: Hours, start: datetime, amount: timedelta) -> None:
    if not any(calendar.week):
        return
    end = end_of(calendar, start, amount)
    assert between(calendar, start, end) == amount
    assert between(calendar, start, end - timedelta(microseconds=1)) < amount


@given(calendars(), instants, instants, instants)
def test_working_time_adds_up_and_never_exceeds_the_clock(
    calendar: Hours, one: datetime, two: datetime, three: datetime
) -> None:
    first, second, third = sorted((one, two, three))
    whole = between(calendar, first, third)
    assert between(calendar, first, second) + between(calendar, second, third) == whole
    assert timedelta(0) <= whole <= third - first
    assert between(calendar, third, first) == timedelta(0)


@given(instants, amounts)
def test_the_calendar_without_a_break_is_the_clock(start: datetime, amount: timedelta) -> None:
    assert end_of(ALWAYS, start, amount) == start + amount
    assert end_of(hours(ROUND_THE_CLOCK), start, amount) == start + amount

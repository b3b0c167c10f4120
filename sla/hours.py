"""Working time: which instants count, how much of it lies between two, and where a given amount of it ends.

Pure arithmetic. Days are walked in the calendar's own zone and every edge is turned into a UTC instant, so daylight
saving is exact: a day that is an hour short holds an hour less, and an edge that a clock skips lies where it jumps.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 24 * 60
HORIZON_DAYS = 3_660  # ten years: farther away, a calendar has no working time for us
CLOCK_CHANGES = 40  # at the most in that time, each of which costs less than a day
ONE_DAY, ZERO = timedelta(days=1), timedelta(0)

Interval = tuple[int, int]  # minutes from midnight by the wall clock, the end excluded: (540, 1020) is 09:00-17:00


class NoWorkingTime(Exception):
    """The calendar opens no more within ten years."""


@dataclass(frozen=True, kw_only=True)
class Hours:
    """A calendar: of each weekday, Monday first, the intervals at which it is open, but for the holidays."""

    zone: ZoneInfo
    week: tuple[tuple[Interval, ...], ...]
    holidays: frozenset[date] = field(default_factory=frozenset)

    @property
    def always_open(self) -> bool:
        return not self.holidays and all(day == ((0, MINUTES_A_DAY),) for day in self.week)


ALWAYS = Hours(zone=ZoneInfo("UTC"), week=(((0, MINUTES_A_DAY),),) * 7)


def between(hours: Hours, start: datetime, end: datetime) -> timedelta:
    """The working time from `start` to `end`; zero when `end` is not later."""
    if end <= start or hours.always_open:
        return max(end - start, ZERO)
    total = ZERO
    for opens, closes in _open_from(hours, start):
        if opens >= end:
            break
        total += min(closes, end) - opens
    return total


def end_of(hours: Hours, start: datetime, amount: timedelta) -> datetime:
    """The instant at which `amount` of working time has passed since `start`. Raises NoWorkingTime.

    An amount that ends exactly when the desk closes ends there, and not when it opens again.
    """
    if hours.always_open:
        return start + amount
    left = amount
    for opens, closes in _open_from(hours, start):
        if left <= closes - opens:
            return opens + left
        left -= closes - opens
    raise NoWorkingTime(f"Less than {amount} of working time in the ten years from {start:%Y-%m-%d}.")


def least(hours: Hours) -> timedelta:
    """Working time that the ten years from any day on hold for certain: what a target must not exceed."""
    if hours.always_open:
        return HORIZON_DAYS * ONE_DAY
    days = [sum(closes - opens for opens, closes in day) for day in hours.week]
    minutes = HORIZON_DAYS // 7 * sum(days) - (len(hours.holidays) + CLOCK_CHANGES) * max(days)
    return max(timedelta(minutes=minutes), ZERO)


def faults(week: Iterable[Iterable[Interval]]) -> list[tuple[int, int, str]]:
    """What is wrong with a week: (weekday, index of the interval, why). An empty week is the caller's to refuse."""
    found = []
    for weekday, intervals in enumerate(week):
        before = 0
        for index, (opens, closes) in enumerate(intervals):
            if not 0 <= opens < MINUTES_A_DAY or not 0 < closes <= MINUTES_A_DAY:
                found.append((weekday, index, "must lie between 00:00 and 24:00"))
            elif closes <= opens:
                found.append((weekday, index, "must end after it begins"))
            elif opens < before:
                found.append((weekday, index, "must begin after the one before it ends"))
            before = max(before, closes)
    return found


def _open_from(hours: Hours, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Open stretches in order, from `start` on."""
    first, last = start.astimezone(hours.zone).date(), start
    for number in range(HORIZON_DAYS):
        day = first + number * ONE_DAY
        if day in hours.holidays:
            continue
        for opens, closes in hours.week[day.weekday()]:
            begins, ends = _instant(day, opens, hours.zone), _instant(day, closes, hours.zone, last=True)
            if ends > last and ends > begins:
                yield max(begins, last), ends  # two intervals of an hour that the clock shows twice would overlap
                last = ends


def _instant(day: date, minutes: int, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """When the wall clock shows this time; of a time that it shows twice, the first, or the `last`.

    A time that it never shows is when it jumps over it.
    """
    wall = datetime.combine(day + minutes // MINUTES_A_DAY * ONE_DAY, time(minutes % MINUTES_A_DAY // 60, minutes % 60))
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early <= late:  # shown once, or twice
        return late if last else early
    return _jump(late, early, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant between the two, to the second, at which the zone's offset changes."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after

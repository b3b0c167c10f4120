"""Public holidays by country, from the `holidays` package."""

from collections.abc import Iterable
from datetime import date

import holidays
from holidays.registry import COUNTRIES

from supportdesk.core.errors import InvalidInput

LANGUAGE = "en_US"  # where the package has it; else the country's own


def countries() -> dict[str, list[str]]:
    """ISO 3166-1 alpha-2 code to the codes of its subdivisions."""
    supported: dict[str, list[str]] = holidays.list_supported_countries(include_aliases=False)
    return supported


def names() -> dict[str, str]:
    """Code to name, of each country that is known."""
    known = countries()
    named = {codes[1]: module.replace("_", " ").title() for module, codes in COUNTRIES.items()}
    return {code: named.get(code, code) for code in known}


def of(*, country: str, subdivision: str, years: Iterable[int]) -> dict[date, str]:
    """The days off in those years, by name. `subdivision` may be empty. Raises InvalidInput (field)."""
    known = countries()
    if country not in known:
        raise InvalidInput.on("country", "Must be the code of a country whose holidays are known: DE.", "unknown")
    if subdivision and subdivision not in known[country]:
        there_are = ", ".join(known[country]) or "none"
        raise InvalidInput.on("subdivision", f"{country} has these: {there_are}.", "unknown")
    found = holidays.country_holidays(country, subdiv=subdivision or None, years=list(years), language=LANGUAGE)
    return {day: name for day, name in found.items() if day.year in set(years)}

"""Input fields that mean what the schema says: a JSON number is not a string that looks like one."""

import re
import zoneinfo
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol, runtime_checkable

from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.fields import empty

from supportdesk.core.actor import Actor
from supportdesk.core.text import is_one_line

MAX_ID = 2**63 - 1
MAX_ATTRIBUTES = 50
MAX_ATTRIBUTE_NAME = 64
MAX_ATTRIBUTE_TEXT = 1_000
CONTROL = r"\x00-\x1f\x7f-\x9f"  # what Unicode calls control characters, for a pattern
ONE_LINE = rf"^[^{CONTROL}]*[^{CONTROL}\s][^{CONTROL}]*$"
LANGUAGE = "[A-Za-z0-9]{2,3}(-[A-Za-z0-9]+)*"


@runtime_checkable
class Documented(Protocol):
    """A field that knows more of what it takes than its type says."""

    @property
    def documented(self) -> dict[str, Any]:
        """What the OpenAPI document adds to the field's schema."""


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses members it does not know, by name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            unknown = [name for name in data if name not in writable]
            if unknown:
                error = serializers.ErrorDetail("There is no such field to set.", code="unknown_field")
                raise serializers.ValidationError({name: [error] for name in unknown})
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A JSON string. `multiline=False` refuses control characters, which have no place in names and subjects."""

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        self.multiline = multiline
        super().__init__(**kwargs)

    @property
    def documented(self) -> dict[str, Any]:
        banned = r"\x00" if self.multiline else CONTROL
        return {"pattern": rf"^[^{banned}]*[^{banned}\s][^{banned}]*$" if self.trim_whitespace else f"^[^{banned}]*$"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Must be text.", code="wrong_type")
        if not self.multiline and not is_one_line(data):
            raise serializers.ValidationError(
                "Must not hold line breaks or control characters.", code="control_character"
            )
        return super().to_internal_value(data)


class Integer(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("Must be a whole number.", code="wrong_type")
        return super().to_internal_value(data)


class Id(Integer):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)


class Visible(Protocol):
    """A manager whose rows know who may see them."""

    def visible_to(self, actor: Actor) -> QuerySet[Any]: ...


class Reference(Id):
    """The id of an object that the acting agent may see; reads as the object. Foreign and missing look the same."""

    def __init__(self, objects: Visible, *, only: Q | None = None, **kwargs: Any) -> None:
        self.objects, self.only = objects, only or Q()
        super().__init__(**kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        identifier = super().run_validation(data)
        if identifier is None:
            return None
        actor: Actor = self.context["actor"]
        found = self.objects.visible_to(actor).filter(self.only, pk=identifier).first()
        if found is None:
            raise serializers.ValidationError(f"There is no such object: {identifier}.", code="not_found")
        return found


class References(serializers.ListField):
    """Ids of objects that the acting agent may see, read in one statement; each id once, at most 50."""

    def __init__(self, objects: Visible, **kwargs: Any) -> None:
        self.objects = objects
        super().__init__(child=Id(), max_length=50, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        identifiers = list(dict.fromkeys(super().to_internal_value(data)))
        actor: Actor = self.context["actor"]
        found = {item.pk: item for item in self.objects.visible_to(actor).filter(pk__in=identifiers)}
        missing = {
            index: [serializers.ErrorDetail(f"There is no such object: {identifier}.", code="not_found")]
            for index, identifier in enumerate(identifiers)
            if identifier not in found
        }
        if missing:
            raise serializers.ValidationError(missing)  # type: ignore[arg-type]
        return [found[identifier] for identifier in identifiers]


class Boolean(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("Must be true or false.", code="wrong_type")
        return data


class Choice(serializers.ChoiceField):
    """One of the values, spelled exactly; a wrong one is told which there are."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            allowed = ", ".join(str(choice) for choice in self.choices)
            raise serializers.ValidationError(f"Must be one of: {allowed}.", code="invalid_choice")
        return super().to_internal_value(data)


class Language(Text):
    """An ISO 639-1 code, with a region where that matters: en, pt-br."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=16, **kwargs)

    @property
    def documented(self) -> dict[str, Any]:
        return {"pattern": f"^{LANGUAGE}$"}

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if code and not re.fullmatch(LANGUAGE, code):
            raise serializers.ValidationError("Must be a language code such as en or pt-br.", code="invalid_language")
        return code.lower()


class Instant(serializers.DateTimeField):
    """An instant with its offset from UTC (ISO 8601)."""

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            raise serializers.ValidationError("Must be a time such as 2026-01-31T12:00:00Z.", code="wrong_type")
        try:
            instant = datetime.fromisoformat(value)
            if instant.tzinfo is not None:
                return instant.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        detail = "Must be a time with its offset, such as 2026-01-31T12:00:00Z."
        raise serializers.ValidationError(detail, code="invalid_time")


class TimeZone(Text):
    """An IANA zone name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name and name not in known_timezones():
            raise serializers.ValidationError("Must be a time zone such as Europe/Berlin.", code="invalid_timezone")
        return name


class Attributes(serializers.DictField):
    """Free names with plain values: up to 50; text of up to 1,000 characters, numbers, booleans, null."""

    @property
    def documented(self) -> dict[str, Any]:
        plain = [
            {"type": "string", "maxLength": MAX_ATTRIBUTE_TEXT, "pattern": r"^[^\x00]*$", "nullable": True},
            {"type": "number", "minimum": -MAX_ID, "maximum": MAX_ID},
            {"type": "boolean"},
        ]
        return {"maxProperties": MAX_ATTRIBUTES, "additionalProperties": {"anyOf": plain}}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Must be an object.", code="wrong_type")
        if len(data) > MAX_ATTRIBUTES:
            raise serializers.ValidationError(f"Must have at most {MAX_ATTRIBUTES} members.", code="too_many")
        wrong = {name: [fault] for name, value in data.items() if (fault := _attribute_fault(name, value))}
        if wrong:
            raise serializers.ValidationError(wrong)
        return data


def _attribute_fault(name: str, value: Any) -> str | None:
    if not name.strip() or len(name) > MAX_ATTRIBUTE_NAME:
        detail = f"The name must have 1 to {MAX_ATTRIBUTE_NAME} characters."
        return serializers.ErrorDetail(detail, code="invalid_name")
    if isinstance(value, str) and len(value) > MAX_ATTRIBUTE_TEXT:
        return f"Must have at most {MAX_ATTRIBUTE_TEXT} characters."
    if isinstance(value, int | float) and abs(value) > MAX_ID:
        return "The number is too large."
    if not isinstance(value, str | int | float | bool | None):
        return "Must be text, a number, true, false or null."
    return None


@cache
def known_timezones() -> frozenset[str]:
    """Every IANA name; read once, because the tz database is hundreds of files."""
    return frozenset(zoneinfo.available_timezones())

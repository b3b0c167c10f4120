"""Path converters."""

from django.urls.converters import IntConverter, StringConverter

from supportdesk.core.api.fields import MAX_ID


class IdConverter(IntConverter):
    """A positive bigint; what could be no id matches no route, so it is a 404 like any other missing object."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if number > MAX_ID:
            raise ValueError
        return number


class PublicIdConverter(StringConverter):
    """256 random bits, in the letters of a URL."""

    regex = "[A-Za-z0-9_-]{43}"

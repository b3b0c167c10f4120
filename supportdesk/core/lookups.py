"""Conditions that more than one app asks with."""

from django.db.models import Q

TRIGRAM = 3


def holding(column: str, text: str) -> Q:
    """Rows whose column holds the text in any case; of a letter or two of ASCII, only at the beginning of a word.

    A trigram index finds nothing for less than three letters that may stand anywhere, and every row would have to be
    looked at; together with the space before them there are enough. In scripts where two letters are a word, all are.
    """
    if len(text) < TRIGRAM and text.isascii():
        return Q(**{f"{column}__istartswith": text}) | Q(**{f"{column}__icontains": f" {text}"})
    return Q(**{f"{column}__icontains": text})

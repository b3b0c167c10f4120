"""Text for Slack: what we did not write ourselves can neither mention anybody, nor hide where a link leads, nor be cut
in the middle of what is read as one character.
"""

import unicodedata
from collections.abc import Iterator

ELLIPSIS = "…"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JOINER, _SELECTORS, _TAGS = "\u200d", range(0xFE00, 0xFE10), range(0xE0020, 0xE0080)
_REGIONS, _TONES = range(0x1F1E6, 0x1F200), range(0x1F3FB, 0x1F400)
_HANGUL_LATER = range(0x1160, 0x1200)  # vowels and final consonants
# Controls, and marks that turn the direction of text: what stands after one is not what is read.
_UNSEEN = frozenset({"Cc", "Zl", "Zp", "Cs"})
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


class Markup(str):
    """Text in Slack's own markup, made by us."""

    __slots__ = ()


def shown(text: str, *, most: int) -> Markup:
    """Text by anybody, on one line and escaped, of at most `most` characters as Slack counts them."""
    line = " ".join(_visible(text).split())
    return Markup(_cut([_escaped(cluster) for cluster in clusters(line)], most))


def link(url: str, label: str) -> Markup:
    """`url` is one of ours."""
    return Markup(f"<{url}|{shown(label, most=100)}>")


def mention(user_id: str) -> Markup:
    return Markup(f"<@{user_id}>")


def instant(seconds: float, fallback: str) -> Markup:
    """A time as each reader's own clock shows it."""
    return Markup(f"<!date^{int(seconds)}^{{date_short_pretty}} {{time}}|{fallback}>")


def clusters(text: str) -> Iterator[str]:
    """What is read as one character each: marks, joined emoji, flags and composed syllables stay together."""
    cluster, regions = "", 0
    for character in text:
        code = ord(character)
        is_region = code in _REGIONS
        joins = bool(cluster) and (
            _extends(character, code) or cluster[-1] == _JOINER or (is_region and regions % 2 == 1)
        )
        if cluster and not joins:
            yield cluster
            cluster, regions = "", 0
        cluster += character
        regions = regions + 1 if is_region else 0
    if cluster:
        yield cluster


def _extends(character: str, code: int) -> bool:
    marks = unicodedata.category(character) in {"Mn", "Me", "Mc"} or code in _HANGUL_LATER
    return marks or character == _JOINER or code in _SELECTORS or code in _TONES or code in _TAGS


def _visible(text: str) -> str:
    return "".join(
        " " if unicodedata.category(character) in _UNSEEN else character
        for character in text
        if character not in _TURNING
    )


def _escaped(cluster: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in cluster)


def _cut(parts: list[str], most: int) -> str:
    if sum(map(len, parts)) <= most:
        return "".join(parts)
    kept, room = [], most - len(ELLIPSIS)
    for part in parts:
        if len(part) > room:
            break
        kept.append(part)
        room -= len(part)
    return "".join(kept) + ELLIPSIS

"""Tags are a set that both sides change: what each added or took away since both knew the same is done to the other.

What both knew last is kept on the link, a keyed hash of each tag. A customer's attribute is one text, which holds as
many whole tags as fit; one that does not fit is the shop's alone, and is not taken away there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from integrations import links
from integrations.models import ExternalLink
from integrations.shopify import mapping

KNOWN = "tags"  # on the link


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The tags as they are here from now on, and what is to be kept of them on the link."""

    text: str
    known: list[str]


def split(text: object) -> set[str]:
    return set(mapping.tags_of(str(text or "")))


def joined(tags: Iterable[str]) -> str:
    """As much as an attribute holds, whole tags."""
    kept = ""
    for tag in sorted(tags):
        longer = f"{kept}, {tag}" if kept else tag
        if len(longer) > mapping.MOST_TEXT:
            break
        kept = longer
    return kept


def told_all(link: ExternalLink, here: object, theirs: Iterable[str]) -> Merged:
    """The shop tells all that it has."""
    ours, there = split(here), set(theirs)
    known = _known(link, ours | there)
    still = set(_hashes(link)) & _all_digests(there)
    return _merged(still, ours, added=there - known, removed=(known & ours) - there)


def told_change(link: ExternalLink, here: object, *, added: set[str], removed: set[str], changed_here: bool) -> Merged:
    """The shop tells what it did. `changed_here`: since then agents changed tags, and what both knew already is not
    done to them once more.
    """
    if changed_here:
        known = _known(link, added | removed)
        added, removed = added - known, removed & known
    return _merged(set(_hashes(link)), split(here), added=added, removed=removed)


def to_send(link: ExternalLink, here: object, there: Iterable[str]) -> tuple[set[str], set[str]]:
    """Which are to be added in the shop, and which to be taken away. What it has and never told stays."""
    ours, theirs = split(here), set(there)
    known = _known(link, ours | theirs)
    return ours - theirs - known, (theirs & known) - ours


def sent(link: ExternalLink, *, both: set[str], removed: set[str]) -> list[str]:
    """What is to be kept on the link once the shop took these away, and has those as we do."""
    return sorted((set(_hashes(link)) - _all_digests(removed)) | {links.digest(tag) for tag in both})


def _merged(known: set[str], ours: set[str], *, added: set[str], removed: set[str]) -> Merged:
    text = joined((ours | added) - removed)
    kept = split(text)
    gone = removed | (ours - kept)
    return Merged(text=text, known=sorted((known - _all_digests(gone)) | {links.digest(tag) for tag in added & kept}))


def _known(link: ExternalLink, tags: set[str]) -> set[str]:
    held = set(_hashes(link))
    return {tag for tag in tags if held & set(links.digests(tag))}


def _hashes(link: ExternalLink) -> list[str]:
    found: list[str] = link.remote.get(KNOWN, [])
    return found


def _all_digests(tags: set[str]) -> set[str]:
    return {one for tag in tags for one in links.digests(tag)}

"""What a file is, and what it may be called. Pure: bytes and text in, a decision out.

The type follows from the first bytes (the signatures are those of the formats' own specifications). Text of any kind is
plain text, so nothing that a browser would run or lay out has a type under which it does.
"""

import unicodedata

from supportdesk.core.errors import DomainError

HEAD = 4_096  # bytes that decide
MAX_NAME = 200
UNNAMED = "file"
PLAIN, UNKNOWN = "text/plain", "application/octet-stream"

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftyp", "video/mp4"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),  # the newer office formats too
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),  # the older office formats
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
)
TYPES = (PLAIN, UNKNOWN, *dict.fromkeys(name for _, _, name in _SIGNATURES))  # all that a file can have
_PROGRAMS: tuple[bytes, ...] = (
    b"MZ",  # Windows
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",  # macOS, in its four spellings and as a bundle of several (Java classes share that one)
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"#!",
    b"\x4c\x00\x00\x00\x01\x14\x02\x00",  # a Windows shortcut
)


class ProgramRefused(DomainError):
    """The file is a program. Nobody who asks for help needs to send one."""

    status = 415
    code = "program_refused"


def content_type(head: bytes) -> str:
    """The media type of a file that begins so. Raises ProgramRefused."""
    if head.startswith(_PROGRAMS):
        raise ProgramRefused("Programs and scripts are not taken as attachments.")
    for offset, signature, name in _SIGNATURES:
        if head.startswith(signature, offset):
            return name
    return PLAIN if _is_text(head) else UNKNOWN


def display_name(given: str) -> str:
    """The last part of what the file was called, in one spelling (NFKC), without what cannot be seen.

    Normalised before anything else looks at it, so that no character that vanishes later can hide another.
    """
    text = unicodedata.normalize("NFKC", given)
    visible = "".join(" " if character.isspace() else character for character in text if _shows(character))
    name = visible.replace("\\", "/").rpartition("/")[2].replace('"', "'").strip(" .")
    if len(name) > MAX_NAME:
        stem, dot, extension = name.rpartition(".")
        kept = extension[:20] if dot else ""
        name = f"{(stem or name)[: MAX_NAME - len(kept) - 1]}.{kept}".strip(" .")
    return name or UNNAMED


def _shows(character: str) -> bool:
    """Not a control, a format character (zero width, direction), a surrogate or one without meaning."""
    return character.isspace() or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":  # which is merely a character that the end of the head cuts
            return False
        text = head[: error.start].decode()
    return not any(unicodedata.category(character) == "Cc" and character not in "\t\n\r\f" for character in text)

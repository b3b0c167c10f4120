"""What one line of text may hold."""

import unicodedata

_BREAKS = frozenset({"Cc", "Zl", "Zp"})  # Unicode's categories of controls, and of separators of lines and paragraphs


def is_one_line(text: str) -> bool:
    """Whether it is free of line breaks and control characters, which have no place in names, subjects, addresses."""
    return not any(unicodedata.category(character) in _BREAKS for character in text)

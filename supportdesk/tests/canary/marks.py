"""Values that are unmistakable: each says by itself that it came from here, and which one it is."""

import re
import secrets

# Kept as ciphertext, as a hash, or not at all: nowhere in the database may one be read.
CLASSIFIED = frozenset({"email", "phone", "address", "password", "token"})


class Marks:
    """Makes marked values, and finds those that it made."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(3)
        self.kinds: dict[str, str] = {}  # mark to kind

    def word(self, kind: str) -> str:
        mark = f"cnry{self.run}x{len(self.kinds):05}"
        self.kinds[mark] = kind
        return mark

    def text(self, kind: str) -> str:
        return f"about {self.word(kind)} of today"

    def email(self, kind: str = "email") -> str:
        return f"{self.word(kind)}@example.com"

    def phone(self) -> str:
        """A German number with digits that nothing else here has."""
        digits = f"77{int(self.run, 16) % 1000:03}{len(self.kinds):05}"
        self.kinds[digits] = "phone"
        return f"+49 30 {digits}"

    def token(self) -> str:
        return f"{self.word('token')}{secrets.token_hex(16)}"

    def found_in(self, text: str, *, kinds: frozenset[str] | None = None) -> set[str]:
        """The marks (of these kinds) that stand in the text, in whatever case."""
        seen = set(re.findall(rf"cnry{self.run}x\d{{5}}", text.lower()))
        seen |= {mark for mark in self.kinds if mark.isdecimal() and mark in text}
        return {mark for mark in seen if mark in self.kinds and (kinds is None or self.kinds[mark] in kinds)}

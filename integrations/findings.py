"""One thing that was looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`detail` is a few words without secrets or anything of a person."""

    what: str
    is_fine: bool
    detail: str

    def __str__(self) -> str:
        return f"{'ok' if self.is_fine else 'FAULT'}  {self.what}: {self.detail}"

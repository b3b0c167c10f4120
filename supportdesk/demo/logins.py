"""The demo's logins, printed by `make run`. They exist in demo databases only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoLogin:
    email: str
    password: str
    role: str


PASSWORD = "demo pass phrase"  # noqa: S105 - of the demo, and printed at its start
DEMO_LOGINS = (
    DemoLogin("admin@example.com", PASSWORD, "admin"),
    DemoLogin("sofia@example.com", PASSWORD, "supervisor"),
    DemoLogin("mina@example.com", PASSWORD, "senior"),
    DemoLogin("jonas@example.com", PASSWORD, "agent"),
)

"""With what a pretend Gorgias is called, and calls."""

EMAIL, KEY = "agent.one@example.com", "sandbox-key-of-nobody"  # opens nothing but this
SECRET = "GORGIAS_SANDBOX_SECRET"  # noqa: S105 - the variable's name
CLIENT_ID, CLIENT_SECRET = "the-gorgias-app-of-tests", "sandbox-secret-of-a-gorgias-app"
REFRESH = "sandbox-refresh-token-of-nobody"

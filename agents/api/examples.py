"""What the API documentation shows."""

CARD = {"id": 7, "name": "Mina Osei", "availability": "online"}
RECORD = CARD | {
    "email": "mina@example.com",
    "role": "senior",
    "department": {"id": 2, "name": "Billing"},
    "leads": [],
    "specializations": [{"id": 4, "slug": "refunds", "name": "Refunds"}],
    "languages": ["en", "fr"],
    "capacity": 12,
    "is_active": True,
    "last_login": "2026-11-24T08:01:12Z",
    "version": 3,
    "created_at": "2026-01-05T09:00:00Z",
    "updated_at": "2026-11-20T16:40:00Z",
}
PERFORMANCE = {
    "since": "2026-10-26",
    "until": "2026-11-24",
    "handled": 164,
    "open": 9,
    "hours_online": 141.5,
    "handled_per_hour": 1.16,
    "first_response_median_seconds": 2_910,
    "resolution_median_seconds": 40_260,
    "kept": 402,
    "breaches": 17,
    "attainment": 0.9594,
    "transferred_away": 6,
    "transferred_to": 11,
    "rating": 4.42,
    "rated": 57,
}
PROFILE = RECORD | {"performance": PERFORMANCE}
CREATE = {
    "email": "mina@example.com",
    "name": "Mina Osei",
    "password": "a long pass phrase of hers",
    "role": "senior",
    "department_id": 2,
    "languages": ["en", "fr"],
    "capacity": 12,
}
UPDATE = {"availability": "busy"}
CREDENTIALS = {"email": "mina@example.com", "password": "a long pass phrase of hers"}
TOKENS = {
    "access": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl",
    "refresh": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3In0.b3RoZXI",
    "token_type": "Bearer",
    "expires_in": 600,
    "agent": CARD,
}
REFRESH = {"refresh": TOKENS["refresh"]}
API_KEY_CREATE = {"name": "Order system", "scopes": ["tickets:write"], "expires_at": "2027-06-30T00:00:00Z"}
API_KEY = {
    "id": 3,
    "name": "Order system",
    "prefix": "sdk_9f86d081",
    "scopes": ["tickets:write"],
    "created_at": "2026-11-24T09:00:00Z",
    "expires_at": "2027-06-30T00:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}
API_KEY_ISSUED = API_KEY | {"key": "sdk_9f86d081_DRY0cm6oX7nyfCb8sS4lJ0u0b2E5pZb1VvM8m3rQk9A"}
WS_TICKET = {
    "ticket": "q8yB2mT0dJ7o5nZrGvQhX1c9KpLs3uWfEaYiNxR6M4k",
    "expires_in": 30,
    "path": "/ws/agent/7",
}

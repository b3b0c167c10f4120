"""What the API documentation shows."""

CREATE = {
    "name": "Zoë Brandt",
    "email": "zoe@example.com",
    "phone": "+49 30 901820",
    "timezone": "Europe/Berlin",
    "language": "de",
    "attributes": {"newsletter": True},
    "identities": [{"source": "shopify", "external_id": "7012345678901"}],
}
CUSTOMER = {
    "id": 42,
    "name": "Zoë Brandt",
    "email": "zoe@example.com",
    "phone": "+4930901820",
    "address": None,
    "timezone": "Europe/Berlin",
    "language": "de",
    "attributes": {"newsletter": True},
    "identities": [{"source": "shopify", "external_id": "7012345678901"}],
    "version": 1,
    "created_at": "2026-11-24T09:12:44Z",
    "updated_at": "2026-11-24T09:12:44Z",
}
UPDATE = {"phone": None, "language": "en"}

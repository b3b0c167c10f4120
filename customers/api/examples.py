"""What the API documentation shows."""

from quimbi.api.examples import DNA

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
    "tier": "standard",
    "attributes": {"newsletter": True},
    "identities": [{"source": "shopify", "external_id": "7012345678901"}],
    "erased_at": None,
    "version": 1,
    "created_at": "2026-11-24T09:12:44Z",
    "updated_at": "2026-11-24T09:12:44Z",
}
DETAIL = CUSTOMER | {"dna": DNA}
ORDER = {
    "id": 31,
    "source": "shopify",
    "external_id": "5541239873241",
    "number": "#1043",
    "payment": "paid",
    "fulfilment": "fulfilled",
    "total": 84.9,
    "currency": "EUR",
    "items": [{"name": "Kettle", "quantity": 1, "product_id": "8812", "category": "Kitchen", "price": "84.90"}],
    "parcels": [{"carrier": "DHL", "number": "00340434161094042557", "url": "https://parcels.example.com/42557"}],
    "ordered_at": "2026-11-20T18:02:00Z",
    "cancelled_at": None,
}
UPDATE = {"phone": None, "language": "en"}
ERASED = CUSTOMER | {
    "name": "Erased customer",
    "email": None,
    "phone": None,
    "timezone": "",
    "language": "",
    "attributes": {},
    "identities": [],
    "erased_at": "2026-11-24T10:00:00Z",
    "version": 2,
    "updated_at": "2026-11-24T10:00:00Z",
}
PERSONAL_DATA = {
    "customer": {name: value for name, value in CUSTOMER.items() if name not in {"erased_at", "version"}},
    "tickets": [
        {
            "id": 123,
            "subject": "Charged twice for one order",
            "status": "open",
            "messages": [{"sender": "customer", "body": "My card shows two payments for order 1043."}],
            "attachments": [],
        }
    ],
}

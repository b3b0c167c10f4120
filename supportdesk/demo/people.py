"""Who works at the demo's desk, and who writes to it. All addresses end in domains that are reserved for examples."""

import unicodedata
from dataclasses import dataclass

DEPARTMENTS = ("Customer care", "Billing", "Technical support", "Shipping", "Key accounts")

# slug, name, categories
SKILLS = (
    ("refunds", "Refunds", ["refund", "cancellation"]),
    ("invoices", "Invoices and payments", ["billing"]),
    ("devices", "Devices and firmware", ["technical", "product"]),
    ("carriers", "Carriers and customs", ["shipping"]),
    ("accounts", "Accounts and sign-in", ["account"]),
)


@dataclass(frozen=True, kw_only=True)
class Colleague:
    name: str
    role: str
    department: str
    availability: str
    capacity: int
    languages: tuple[str, ...]
    skills: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()

    @property
    def email(self) -> str:
        first = unicodedata.normalize("NFKD", self.name.split()[0].lower())
        return f"{first.encode('ascii', 'ignore').decode()}@example.com"


def _colleague(
    name: str,
    role: str,
    department: str,
    availability: str,
    capacity: int,
    languages: str,
    skills: str = "",
    leads: str = "",
) -> Colleague:
    return Colleague(
        name=name,
        role=role,
        department=department,
        availability=availability,
        capacity=capacity,
        languages=tuple(languages.split()),
        skills=tuple(skills.split()),
        leads=tuple(part for part in leads.split(", ") if part),
    )


# Billing's two with a login are not there yet: what waits for them is given to the first who comes online.
COLLEAGUES = (
    _colleague("Sofia Marques", "supervisor", "Customer care", "online", 4, "en pt es", "", "Customer care, Billing"),
    _colleague(
        "Henrik Dahl", "supervisor", "Technical support", "busy", 4, "en da de", "", "Technical support, Shipping"
    ),
    _colleague("Mina Osei", "senior", "Billing", "offline", 12, "en fr", "refunds invoices"),
    _colleague("Jonas Weber", "agent", "Billing", "offline", 10, "de en", "invoices"),
    _colleague("Priya Raman", "agent", "Billing", "busy", 10, "en hi", "refunds"),
    _colleague("Lucas Ferreira", "agent", "Customer care", "online", 14, "pt es en", "accounts"),
    _colleague("Amira Haddad", "agent", "Customer care", "online", 10, "ar fr en", "accounts refunds"),
    _colleague("Tom Becker", "agent", "Customer care", "offline", 8, "de en"),
    _colleague("Yuki Tanaka", "senior", "Technical support", "online", 10, "ja en", "devices"),
    _colleague("Oleg Marchenko", "agent", "Technical support", "online", 10, "uk en", "devices"),
    _colleague("Grace Mbeki", "agent", "Technical support", "offline", 10, "en zu", "devices accounts"),
    _colleague("Inés Castillo", "agent", "Shipping", "online", 12, "es en", "carriers"),
    _colleague("Noah Lindqvist", "agent", "Shipping", "busy", 12, "sv en", "carriers"),
    _colleague("Claire Fontaine", "senior", "Key accounts", "online", 6, "fr en", "refunds invoices devices carriers"),
)

GIVEN_NAMES = [
    "Ada",
    "Elena",
    "Farid",
    "Giulia",
    "Hugo",
    "Ingrid",
    "Javier",
    "Kofi",
    "Leila",
    "Marek",
    "Nadia",
    "Oskar",
    "Paula",
    "Quentin",
    "Rosa",
    "Samir",
    "Tessa",
    "Umut",
    "Vera",
    "William",
    "Ximena",
    "Yara",
    "Zoë",
    "Björn",
    "Çelik",
    "Dóra",
    "Émile",
    "Fátima",
    "Łucja",
    "Søren",
]
FAMILY_NAMES = [
    "Abrams",
    "Bakker",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Horvat",
    "Ito",
    "Jensen",
    "Keller",
    "Lopez",
    "Moreau",
    "Novak",
    "O'Brien",
    "Papadakis",
    "Quinn",
    "Rossi",
    "Schröder",
    "Tran",
    "Ueda",
    "Vargas",
    "Wójcik",
    "Yilmaz",
    "Zimmermann",
    "Müller",
    "Nguyen",
    "Brandt",
    "Silva",
    "Okafor",
]

# Whole names that are written in their own script: language, name, transcription for the address.
OWN_SCRIPTS = (
    ("ar", "ليلى حداد", "layla.haddad"),
    ("ar", "يوسف منصور", "yusuf.mansour"),
    ("ja", "佐藤 美咲", "misaki.sato"),
    ("ja", "鈴木 健", "ken.suzuki"),
    ("he", "נועה לוי", "noa.levi"),
    ("el", "Ελένη Παππά", "eleni.pappa"),
    ("uk", "Олена Коваль", "olena.koval"),
)

STREETS = ("Canal Street", "Lindenallee", "Rue des Lilas", "Calle Mayor", "Harbour Road", "Via Roma", "Kirkegata")
CITIES = (
    ("Rotterdam", "Europe/Amsterdam", "nl"),
    ("Leipzig", "Europe/Berlin", "de"),
    ("Lyon", "Europe/Paris", "fr"),
    ("Valencia", "Europe/Madrid", "es"),
    ("Bristol", "Europe/London", "en"),
    ("Portland", "America/Los_Angeles", "en"),
    ("Toronto", "America/Toronto", "en"),
    ("Bergen", "Europe/Oslo", "en"),
)

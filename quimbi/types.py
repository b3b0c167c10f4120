"""What crosses the gateway: what Quimbi is told, and what it said, in one shape whatever the dialect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T", covariant=True)


class Purpose(StrEnum):
    """Why Quimbi is asked: this decides how long all tries may take, how many there are, and whose budget they use."""

    REQUEST = "request"
    ASSIGNMENT = "assignment"
    PREFETCH = "prefetch"
    GENERATION = "generation"


class Source(StrEnum):
    LIVE = "live"
    CACHE = "cache"
    STALE = "stale"
    NONE = "none"


class Reason(StrEnum):
    """Why there is no value, or why it is an old one."""

    NO_PROFILE = "no_profile"
    NOT_OFFERED = "not_offered"
    NOTHING_TO_DRAFT = "nothing_to_draft"
    NOT_CONFIGURED = "not_configured"
    MISCONFIGURED = "misconfigured"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    UPSTREAM_ERROR = "upstream_error"
    BAD_ANSWER = "bad_answer"
    RATE_LIMITED = "rate_limited"
    BUDGET = "budget"
    CIRCUIT_OPEN = "circuit_open"
    BUSY = "busy"  # as many texts as may be are being written at this moment
    NOT_ASKED = "not_asked"  # looked up in what is kept, and not there


class Tone(StrEnum):
    """Those that Quimbi is known to write in."""

    FRIENDLY = "friendly"
    PROFESSIONAL = "professional"
    EMPATHETIC = "empathetic"
    APOLOGETIC = "apologetic"
    FORMAL = "formal"
    CASUAL = "casual"
    PROFESSIONAL_FRIENDLY = "professional_friendly"
    APPRECIATIVE = "appreciative"


class Length(StrEnum):
    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"


# Says something true of the customer or of the ticket; everything else is a fault, of which most pass.
SETTLED = frozenset({Reason.NO_PROFILE, Reason.NOT_OFFERED, Reason.NOTHING_TO_DRAFT})


@dataclass(frozen=True, kw_only=True)
class Insight(Generic[T]):
    """A value of Quimbi's or why there is none. `as_of` is when Quimbi said it."""

    value: T | None = None
    source: Source = Source.NONE
    as_of: datetime | None = None
    reason: Reason | None = None
    retry_after: float | None = None  # seconds after which to ask again, where somebody said so


@dataclass(frozen=True, kw_only=True)
class Item:
    product_id: str | None
    product_name: str
    category: str | None
    quantity: int
    price: Decimal | None


@dataclass(frozen=True, kw_only=True)
class OrderFacts:
    order_id: str
    total_price: Decimal
    order_date: datetime
    items: tuple[Item, ...] = ()
    status: str = ""
    tracking_numbers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Interaction:
    type: str
    timestamp: datetime
    channel: str


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A customer as Quimbi is told of them. `key` is what answers are kept under here and never leaves; `customer_id`
    is who Quimbi knows them as. No address, phone number or e-mail address.
    """

    key: int
    customer_id: str
    first_name: str | None = None
    language: str | None = None
    orders: tuple[OrderFacts, ...] = ()
    interactions: tuple[Interaction, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Line:
    """One message of a conversation, by the customer or to them."""

    from_customer: bool
    content: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A ticket as Quimbi is told of it. `last_message` is its last message's number, under which answers are kept."""

    ticket: int
    last_message: int
    subject: str
    priority: str
    channel: str
    status: str
    category: str
    lines: tuple[Line, ...]
    profile: Profile | None


@dataclass(frozen=True, kw_only=True)
class Archetype:
    id: str | None
    level: str | None


@dataclass(frozen=True, kw_only=True)
class Metrics:
    lifetime_value: float | None = None
    total_orders: int | None = None
    avg_order_value: float | None = None
    days_since_last_purchase: int | None = None
    tenure_days: int | None = None


@dataclass(frozen=True, kw_only=True)
class Factor:
    factor: str
    impact: float | str | None = None


@dataclass(frozen=True, kw_only=True)
class Churn:
    score: float | None
    level: str | None
    factors: tuple[Factor, ...] = ()
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LTV:
    """Of no stated currency."""

    current: float | None = None
    forecast_12m: float | None = None
    tier: str | None = None


@dataclass(frozen=True, kw_only=True)
class DNA:
    """What analyze said. `churn` and `ltv` are what it says besides; the churn call wins over the former."""

    archetype: Archetype | None
    segments: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    dominant_segments: Mapping[str, str] = field(default_factory=dict)
    confidence: float | None = None
    guidance: tuple[str, ...] = ()
    metrics: Metrics = Metrics()
    churn: Churn | None = None
    ltv: LTV | None = None


@dataclass(frozen=True, kw_only=True)
class CustomerInsights:
    """Each part stands alone: one may be live and the other missing, with its reason."""

    dna: Insight[DNA]
    churn: Insight[Churn]
    ltv: Insight[LTV]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A text for an agent to read and change; never sent by itself."""

    text: str
    tone: str | None
    personalization: tuple[str, ...] = ()
    reasoning: str | None = None
    too_long: bool = False  # for the channel: more than one SMS


@dataclass(frozen=True, kw_only=True)
class Action:
    action: str
    priority: int | None = None  # 1 urgent or high, 2 medium, 3 low
    reasoning: str | None = None
    details: str | None = None


@dataclass(frozen=True, kw_only=True)
class Actions:
    recommended: tuple[Action, ...]
    warnings: tuple[str, ...] = ()
    talking_points: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sentiment:
    """The range of `score` is not stated by Quimbi; it is kept as given."""

    score: float
    emotion: str | None = None
    confidence: float | None = None

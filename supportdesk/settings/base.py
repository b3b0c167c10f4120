"""All settings, driven by the environment; read it from top to bottom. `.env.example` explains each variable.

`SUPPORTDESK_ENV` is `production` (also when unset), `demo` (`make run`) or `test` (`make test`). Outside production the
database, Redis and the secrets may come from what the embedded servers wrote below `.local/`; production takes nothing
from there and refuses to boot when something is missing or weak.
"""

import json
import os
import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from supportdesk.core import devservices, secrets
from supportdesk.core.observability import multiprocess
from supportdesk.core.observability.logs import PROCESSORS, without_values

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VERSION = "0.1.0"  # pyproject.toml's, which an image does not hold

ENV = os.environ.get("SUPPORTDESK_ENV", "").strip() or "production"
if ENV not in {"production", "demo", "test"}:
    raise ImproperlyConfigured("SUPPORTDESK_ENV must be production, demo or test.")
PRODUCTION = ENV == "production"
DEBUG = False

environment = dict(os.environ)
if not PRODUCTION:
    local = {**devservices.urls_from_state(BASE_DIR), **devservices.secrets_from_state(BASE_DIR)}
    if environment.get("DATABASE_URL"):
        local.pop("SUPPORTDESK_MIGRATION_DATABASE_URL", None)  # that of another server
    environment = {name: value for name, value in local.items() if value} | environment
env = environ.Env()
env.ENVIRON = environment


def required(name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        hint = "" if PRODUCTION else " (`make run` and `make manage` start one for you)"
        raise ImproperlyConfigured(f"{name} is not set{hint}; see .env.example.")
    return value


def database(name: str) -> dict[str, Any]:
    """What a database's URL says. Raises ImproperlyConfigured naming the variable and never its value."""
    url = required(name)
    try:
        config = env.db_url_config(url) if url.startswith(("postgres://", "postgresql://")) else {}
    except ValueError:
        config = {}
    if not config.get("NAME"):
        raise ImproperlyConfigured(f"{name} must look like postgres://USER:PASSWORD@HOST:5432/DATABASE.")
    return config


def networks(name: str, default: tuple[str, ...] = ()) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(part.strip()) for part in env.list(name, default=default)]
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be addresses or networks such as 10.0.0.0/8, by commas.") from None


def local_port() -> int:
    """Of the demo; whoever starts it refuses what is no port."""
    given = environment.get("SUPPORTDESK_PORT", "").strip()
    return int(given) if given.isascii() and given.isdecimal() and 0 < int(given) < 65_536 else 8_000


def outbound_url(name: str, default: str = "") -> str:
    """Where a partner is, without a slash at its end; empty when not set. Over plain HTTP only on this machine."""
    value = (environment.get(name, "").strip() or default).rstrip("/")
    try:
        parts = urlsplit(value)
        sound = bool(parts.hostname) and parts.port != 0 and value.isascii() and value.isprintable()
    except ValueError:
        parts, sound = urlsplit(""), False
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"})
    if value and not (sound and safe and " " not in value and not re.search(r"[@?#\\]", value)):
        raise ImproperlyConfigured(
            f"{name} must look like https://HOST/PATH, without a user, a query or a fragment; http:// only on loopback."
        )
    return value


def shop_url(name: str, default: str) -> str:
    """Where shops are: `{shop}` stands for the domain of one. Only on this machine are all of them one server."""
    value = environment.get(name, "").strip().rstrip("/") or default
    if not re.fullmatch(r"https://\{shop\}(:\d+)?|http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?", value):
        raise ImproperlyConfigured(
            f"{name} must be https://{{shop}}, or a server on loopback such as http://127.0.0.1:80."
        )
    return value


def attachment_storage() -> dict[str, Any]:
    """A folder, or a bucket of anything that speaks S3."""
    bucket = environment.get("SUPPORTDESK_S3_BUCKET", "").strip()
    if not bucket:
        folder = environment.get("SUPPORTDESK_ATTACHMENTS_DIR", "").strip()
        if not folder and PRODUCTION:
            raise ImproperlyConfigured("Set SUPPORTDESK_ATTACHMENTS_DIR or SUPPORTDESK_S3_BUCKET.")
        location = folder or str(BASE_DIR / devservices.FOLDER / "attachments")
        options = {"location": location, "base_url": None, "file_permissions_mode": 0o600}
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "endpoint_url": environment.get("SUPPORTDESK_S3_ENDPOINT") or None,
            "region_name": environment.get("SUPPORTDESK_S3_REGION") or None,
            "access_key": environment.get("SUPPORTDESK_S3_ACCESS_KEY") or None,
            "secret_key": environment.get("SUPPORTDESK_S3_SECRET_KEY") or None,
            "default_acl": "private",
            "file_overwrite": False,
        },
    }


# --- Secrets ---------------------------------------------------------------------------------------------------------

# Each holds one value, or several while it is being replaced: newest first, by commas. The newest signs and encrypts;
# every one of them is still believed.
SECRET_KEY, *SECRET_KEY_FALLBACKS = secrets.live_secrets(environment, "SUPPORTDESK_SECRET_KEY")
JWT_KEYS = secrets.live_secrets(environment, "SUPPORTDESK_JWT_KEY")
ENCRYPTION_KEYS = secrets.key_ring(environment, "SUPPORTDESK_ENCRYPTION_KEYS")
BLIND_INDEX_KEYS = secrets.binary_keys(environment, "SUPPORTDESK_BLIND_INDEX_KEY")
METRICS_TOKENS = secrets.live_secrets(environment, "SUPPORTDESK_METRICS_TOKEN", optional=True)
SHOPIFY_CLIENT_SECRETS = secrets.live_secrets(environment, "SHOPIFY_CLIENT_SECRET", optional=True)
GORGIAS_CLIENT_SECRETS = secrets.live_secrets(environment, "GORGIAS_CLIENT_SECRET", optional=True)
secrets.refuse_shared(
    {
        name: [part.strip().rpartition(":")[2] for part in environment.get(name, "").split(",") if part.strip()]
        for name in (
            "SUPPORTDESK_SECRET_KEY",
            "SUPPORTDESK_JWT_KEY",
            "SUPPORTDESK_ENCRYPTION_KEYS",
            "SUPPORTDESK_BLIND_INDEX_KEY",
            "SUPPORTDESK_METRICS_TOKEN",
            "SHOPIFY_CLIENT_SECRET",
            "GORGIAS_CLIENT_SECRET",
        )
    }
)

# --- Django ----------------------------------------------------------------------------------------------------------

LOCAL_HOSTS = [] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS: list[str] = env.list("SUPPORTDESK_ALLOWED_HOSTS", default=LOCAL_HOSTS)
if PRODUCTION and (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    raise ImproperlyConfigured("SUPPORTDESK_ALLOWED_HOSTS must name the hosts that are served, without a bare *.")
CSRF_TRUSTED_ORIGINS: list[str] = env.list("SUPPORTDESK_CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "supportdesk.apps.SupportDeskConfig",
    "supportdesk.core",
    "quimbi",
    "agents",
    "customers",
    "tickets",
    "sla",
    "integrations",
    "supportdesk.apps.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_celery_beat",
]

MIDDLEWARE = [
    "supportdesk.core.network.ProxyMiddleware",
    "supportdesk.core.observability.middleware.RequestContextMiddleware",
    "supportdesk.core.observability.middleware.MetricsMiddleware",
    # What follows only adds headers, so it stands around all that may answer by itself.
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "supportdesk.core.api.caching.NoStoreMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "supportdesk.core.api.guards.RequestGuardMiddleware",
    "supportdesk.core.observability.middleware.InsideMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "supportdesk.pages.UnavailableMiddleware",
]

ROOT_URLCONF = "supportdesk.urls"
REACTIONS = "supportdesk.reactions.REACTIONS"
COLLECTORS = (  # of gauges, at a scrape
    "supportdesk.core.observability.gauges.Parts",
    "quimbi.figures.Gateway",
    "supportdesk.figures.Desk",
)
WSGI_APPLICATION = "supportdesk.wsgi.application"
APPEND_SLASH = False
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["supportdesk.formats"]  # dates in the admin read as in the API: year first

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None  # elsewhere files are served from where they lie
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "attachments": attachment_storage(),
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- Processes -------------------------------------------------------------------------------------------------------

# Who may hold how many database connections: processes, and connections of each. Dockerfile and compose.yaml start what
# stands here, and a test adds it up and compares. See ADR 19.
CONNECTIONS = {
    "web": (2, 4),  # granian: a connection per thread, kept
    "sockets": (1, 6),  # uvicorn: the pool's size
    "alone": (1, 12),  # uvicorn on a platform of one service, instead of web and sockets
    "worker": (2, 1),  # celery: one per child, kept
    "beat": (1, 1),
    "command": (1, 2),  # migrate before the others start, and what an operator runs beside them, one at a time
}
MOST_CONNECTIONS = 20
PROCESS = environment.get("SUPPORTDESK_PROCESS", "").strip() or "command"
if PROCESS not in CONNECTIONS:
    raise ImproperlyConfigured(f"SUPPORTDESK_PROCESS must be one of: {', '.join(CONNECTIONS)}.")
POOLED = PROCESS in {"sockets", "alone"}  # many threads, each for a moment
SERVING = POOLED or PROCESS == "web"

# --- Database and Redis ----------------------------------------------------------------------------------------------

# A WSGI thread keeps its connection: opening one per request costs more than most requests do. Under ASGI threads come
# and go, so they share a pool. What serves ends a statement, a lock wait or an idle transaction before its client gives
# up; commands and workers have more time.
DATABASES = {"default": database("DATABASE_URL")}
DATABASES["default"] |= {
    "ENGINE": "django_prometheus.db.backends.postgresql",  # Django's own, with statements and connections counted
    "CONN_MAX_AGE": 0 if POOLED else None,
    "CONN_HEALTH_CHECKS": True,
    "HOST": unquote(str(DATABASES["default"]["HOST"])),  # a socket's folder stands percent-encoded in a URL
}
DATABASES["default"].setdefault("OPTIONS", {})
DATABASES["default"]["OPTIONS"] |= {
    "application_name": f"supportdesk-{PROCESS}",
    "connect_timeout": 5,
    "options": " ".join(
        [
            f"-c statement_timeout={env.int('SUPPORTDESK_STATEMENT_TIMEOUT_MS', default=5_000 if SERVING else 0)}",
            f"-c lock_timeout={env.int('SUPPORTDESK_LOCK_TIMEOUT_MS', default=2_000 if SERVING else 0)}",
            f"-c idle_in_transaction_session_timeout="
            f"{env.int('SUPPORTDESK_IDLE_TIMEOUT_MS', default=10_000 if SERVING else 0)}",
        ]
    ),
}
if POOLED:
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": CONNECTIONS[PROCESS][1],
        "timeout": 5,  # seconds to wait for one
        "reconnect_timeout": 2,  # then whoever asks next begins anew; longer, and the pauses between tries grow
    }
# Renewed tokens of partners are written on a connection of their own, opened for that alone: see ADR 39.
DATABASES["tokens"] = DATABASES["default"] | {
    "CONN_MAX_AGE": 0,
    "OPTIONS": {name: value for name, value in DATABASES["default"]["OPTIONS"].items() if name != "pool"},
    "TEST": {"MIRROR": "default"},
}
# The role that owns the tables; `migrate` connects as it and leaves the role above what it needs. See ADR 14.
OWNER_URL = "SUPPORTDESK_MIGRATION_DATABASE_URL"
MIGRATION_DATABASE = database(OWNER_URL if environment.get(OWNER_URL) else "DATABASE_URL")
DATABASE_CONNECTIONS = env.int("SUPPORTDESK_DATABASE_CONNECTIONS", default=MOST_CONNECTIONS)  # of all, for the gauge
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = required("REDIS_URL")
if not REDIS_URL.startswith(("redis://", "rediss://")):
    raise ImproperlyConfigured("REDIS_URL must look like redis://:PASSWORD@HOST:6379/0, or rediss:// for TLS.")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 0.3, "socket_connect_timeout": 0.3},
        "KEY_PREFIX": "supportdesk",
    }
}

# Nudges to the processes that hold sockets. Redis' channels know no number of a database, so their name has it.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": 0.3, "socket_connect_timeout": 0.3}],
            "prefix": f"supportdesk{urlsplit(REDIS_URL).path}",
        },
    }
}

# --- People and sessions ---------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["agents.backends.AdminSessionBackend"]
AUTH_USER_MODEL = "agents.Agent"
SILENCED_SYSTEM_CHECKS = ["auth.W004"]  # e-mail is unique in any case, by a constraint that the check does not know
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = LOGOUT_REDIRECT_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"  # for who asked to be led elsewhere
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_COOKIE_NAME = "supportdesk_admin"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_FAILURE_VIEW = "supportdesk.pages.csrf_failure"

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
LOGIN_SESSION_LIFETIME = timedelta(days=14)
REFRESH_GRACE = timedelta(seconds=30)  # two tabs that refresh at once both go on

SIMPLE_JWT = {
    "SIGNING_KEY": JWT_KEYS[0],  # agents.tokens signs and reads; this keeps the library from taking SECRET_KEY
    "ACCESS_TOKEN_LIFETIME": ACCESS_TOKEN_LIFETIME,
    "REFRESH_TOKEN_LIFETIME": LOGIN_SESSION_LIFETIME,
    "USER_ID_CLAIM": "sub",
    "UPDATE_LAST_LOGIN": False,
}

# --- API -------------------------------------------------------------------------------------------------------------

MAX_BODY_BYTES = 1024 * 1024
MAX_UPLOAD_BYTES = 10 * 1024 * 1024  # of one attachment
MAX_WEBHOOK_BYTES = 8 * 1024 * 1024  # of what a partner sends
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

REQUESTS_PER_MINUTE = env.int("SUPPORTDESK_REQUESTS_PER_MINUTE", default=600)  # per agent and per API key
KEPT_ANSWER_SECONDS = env.int("SUPPORTDESK_KEPT_ANSWER_SECONDS", default=60)  # at most; 0 keeps none. See ADR 17
ANONYMOUS_REQUESTS_PER_MINUTE = env.int("SUPPORTDESK_ANONYMOUS_REQUESTS_PER_MINUTE", default=300)  # per network

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "agents.api.authentication.AccessTokenAuthentication",
        "agents.api.authentication.ApiKeyAuthentication",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["supportdesk.core.api.throttling.CallerRate"],
    "DEFAULT_PERMISSION_CLASSES": ["supportdesk.core.api.permissions.RoleAllowed"],
    "DEFAULT_PARSER_CLASSES": ["supportdesk.core.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["supportdesk.core.api.filters.StrictFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "supportdesk.core.api.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "supportdesk.core.api.schema.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "supportdesk.core.api.exceptions.problem_response",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # `?format=` is a parameter like any other, and we know none of that name
    "COERCE_DECIMAL_TO_STRING": False,
    "DATETIME_FORMAT": "iso-8601",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Support Desk API",
    "VERSION": "1",
    "DESCRIPTION": (BASE_DIR / "docs" / "api-introduction.md").read_text(),
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2**63 - 1}},
    "ENUM_NAME_OVERRIDES": {
        "TierEnum": "customers.enums.Tier",
        "CategoryEnum": "tickets.enums.Category",
        "ChannelEnum": "tickets.enums.Channel",
        "ClockStateEnum": "sla.enums.STATES",
        "JobStateEnum": "sla.enums.JobState",
        "PriorityEnum": "tickets.enums.Priority",
        "SenderEnum": "tickets.enums.Sender",
        "VersionStateEnum": "sla.enums.VersionState",
        "MessageAuthorEnum": ["agent", "customer"],
        "AssignmentReasonEnum": "tickets.enums.AssignmentReason",
        "IdentitySourceEnum": "customers.enums.IdentitySource",
        "InsightReasonEnum": "quimbi.api.serializers.REASONS",
        "InsightSourceEnum": "quimbi.api.serializers.SOURCES",
    },
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums"],
}

# --- Tickets ---------------------------------------------------------------------------------------------------------

# Region for phone numbers written without a country code (ISO 3166-1 alpha-2); empty: such numbers are refused.
PHONE_REGION: str = env.str("SUPPORTDESK_PHONE_REGION", default="")

# The order of work, in minutes: how long each priority waits before it is too long, and the head start that a reason
# gives, at `most` all together; an urgent ticket always has that. A file (JSON) holds others, with a version of their
# own: ranks say by which they were written, and `manage.py rerank` brings them up to date.
RANK_WEIGHTS: dict[str, Any] = {
    "version": 2,
    "patience": {"urgent": 30, "high": 120, "normal": 480, "low": 1_440},  # the default first-response targets
    "vip": 60,
    "alert": 60,
    "churn": 30,
    "sentiment": 30,
    "most": 120,
}
if RANK_WEIGHTS_FILE := env.str("SUPPORTDESK_RANK_WEIGHTS", default=""):
    RANK_WEIGHTS = json.loads(Path(RANK_WEIGHTS_FILE).read_text())
# How long what Quimbi said of a ticket's customer moves its rank; as long as a stale answer is shown.
RANK_ADVICE_FOR = timedelta(hours=env.int("SUPPORTDESK_RANK_ADVICE_HOURS", default=24))
# The lifetime value, as Quimbi tells it, from which on a customer's tickets go to seniors first.
VIP_LIFETIME_VALUE = env.float("SUPPORTDESK_VIP_LIFETIME_VALUE", default=2_000.0)
# Of how many tickets at the top of each online agent's queue Quimbi is asked before somebody opens them.
PREFETCHED_PER_AGENT = env.int("SUPPORTDESK_PREFETCHED_PER_AGENT", default=5)

# How much of an agent's capacity a ticket takes that waits for its customer, in hundredths of an open one.
PENDING_LOAD = round(100 * env.float("SUPPORTDESK_PENDING_LOAD", default=0.25))
# How long only agents with the skill that a waiting ticket needs are given it; afterwards others too.
SKILL_MUST_FOR = timedelta(minutes=env.int("SUPPORTDESK_SKILL_MUST_MINUTES", default=15))
# How long an agent who is offline keeps a ticket whose customer just wrote.
ABSENT_OWNER_GRACE = timedelta(minutes=env.int("SUPPORTDESK_ABSENT_OWNER_MINUTES", default=5))

# --- Quimbi ----------------------------------------------------------------------------------------------------------

# What goes out to partners. No proxy and no bundle of certificates is taken from the surroundings.
OUTBOUND_PROXY = environment.get("SUPPORTDESK_OUTBOUND_PROXY", "").strip()
CA_BUNDLE = environment.get("SUPPORTDESK_CA_BUNDLE", "").strip()

QUIMBI_BASE_URL = outbound_url("QUIMBI_BASE_URL")  # empty: no advice, and no call
QUIMBI_API_KEY = environment.get("QUIMBI_API_KEY", "").strip()
QUIMBI_API_KEY_HEADER = environment.get("QUIMBI_API_KEY_HEADER", "").strip() or "X-API-Key"
if QUIMBI_BASE_URL and not QUIMBI_API_KEY and ENV != "demo":
    raise ImproperlyConfigured("QUIMBI_API_KEY is not set, and QUIMBI_BASE_URL is. Set both or neither.")
if not re.fullmatch(r"[!-~]*", QUIMBI_API_KEY) or not re.fullmatch(r"[A-Za-z0-9-]+", QUIMBI_API_KEY_HEADER):
    raise ImproperlyConfigured("QUIMBI_API_KEY and QUIMBI_API_KEY_HEADER must be one word of plain characters.")
QUIMBI_DIALECT = environment.get("QUIMBI_DIALECT", "").strip() or "ml"
if QUIMBI_DIALECT not in {"ml", "platform"}:
    raise ImproperlyConfigured("QUIMBI_DIALECT must be ml or platform.")
QUIMBI_PATHS: dict[str, str] = env.dict("QUIMBI_PATHS", default={})  # function=/path, where a deployment differs
if not all(re.fullmatch(r"/[\w/.-]+", path) for path in QUIMBI_PATHS.values()):
    raise ImproperlyConfigured("QUIMBI_PATHS must look like draft=/api/some/path, by commas.")

# Seconds: for a connection, for one read of insights and of texts, and for all tries together by what they are for.
QUIMBI_CONNECT_TIMEOUT = 2.0
QUIMBI_TIMEOUT = env.float("QUIMBI_TIMEOUT", default=5.0)
QUIMBI_GENERATION_TIMEOUT = env.float("QUIMBI_GENERATION_TIMEOUT", default=30.0)
QUIMBI_TOTALS = {"request": 2.0, "assignment": 2.0, "prefetch": 10.0, "generation": 25.0}
QUIMBI_TRIES = {"request": 2, "assignment": 2, "prefetch": 3, "generation": 2}
QUIMBI_MAX_RETRIES = env.int("QUIMBI_MAX_RETRIES", default=2)  # at most, whatever it is for
QUIMBI_MAX_ANSWER_BYTES = env.int("QUIMBI_MAX_ANSWER_BYTES", default=1024 * 1024)

# Calls of all processes together, below the 100 a minute and 1,000 an hour that Quimbi allows.
QUIMBI_CALLS_PER_MINUTE = env.int("QUIMBI_CALLS_PER_MINUTE", default=90)
QUIMBI_CALLS_PER_HOUR = env.int("QUIMBI_CALLS_PER_HOUR", default=900)
QUIMBI_PREFETCH_SHARE = 0.5  # of the budget: beyond it only people and assignments ask
QUIMBI_WRITING_AT_ONCE = env.int("QUIMBI_WRITING_AT_ONCE", default=4)  # requests that wait for a text
QUIMBI_REFRESHES_PER_MINUTE = env.int("QUIMBI_REFRESHES_PER_MINUTE", default=20)  # of each agent, by hand
QUIMBI_BREAKER_SECONDS = env.float("QUIMBI_BREAKER_SECONDS", default=30.0)  # from one probe to the next

# Whether the forecast of value is asked for too, one call more per customer and hour: `ml` has it in documents only.
QUIMBI_LTV_FORECAST = env.bool("QUIMBI_LTV_FORECAST", default=False)

# Seconds that an answer is fresh; a stale copy stands in for a day when Quimbi fails.
QUIMBI_CACHE_INTELLIGENCE_TTL = env.int("QUIMBI_CACHE_INTELLIGENCE_TTL", default=900)
QUIMBI_CACHE_CHURN_TTL = env.int("QUIMBI_CACHE_CHURN_TTL", default=3_600)
QUIMBI_CACHE_LTV_TTL = env.int("QUIMBI_CACHE_LTV_TTL", default=3_600)
DRAFT_CACHE_TTL = env.int("DRAFT_CACHE_TTL", default=3_600)
QUIMBI_STALE_TTL = 24 * 60 * 60
QUIMBI_NO_PROFILE_TTL = 300

QUIMBI_CHURN_LEVELS = (("low", 0.3), ("medium", 0.5), ("high", 0.7), ("critical", 1.0))  # each below its number
# Our categories in Quimbi's words, of which five change its answer; any other goes as it is.
QUIMBI_ISSUE_TYPES: dict[str, str] = {
    "delivery": "shipping_delay",
    "delay": "shipping_delay",
    "shipping": "shipping_delay",
    "lost": "lost_package",
    "not_received": "lost_package",
    "damaged": "product_defect",
    "defective": "product_defect",
    "wrong_item": "wrong_item",
    "missing_item": "wrong_item",
    "billing": "billing_error",
    "payment": "billing_error",
    **env.dict("QUIMBI_ISSUE_TYPES", default={}),
}
QUIMBI_CALLS_KEPT = timedelta(days=14)  # rows of the log of calls

# --- Partners --------------------------------------------------------------------------------------------------------

INBOXES = "integrations.providers.INBOXES"  # whose webhooks are taken
# Where an account of Gorgias is: its name stands in for {account}.
GORGIAS_BASE_URL = outbound_url("GORGIAS_BASE_URL", "https://{account}.gorgias.com")
if urlsplit(GORGIAS_BASE_URL).scheme == "https" and "{account}" not in urlsplit(GORGIAS_BASE_URL).netloc:
    raise ImproperlyConfigured(
        "GORGIAS_BASE_URL must hold {account} in its host, such as https://{account}.gorgias.com."
    )
GORGIAS_CLIENT_ID = environment.get("GORGIAS_CLIENT_ID", "").strip()  # of a public app; a private one needs a key
if not re.fullmatch(r"[!-~]*", GORGIAS_CLIENT_ID):
    raise ImproperlyConfigured("GORGIAS_CLIENT_ID must be one word of plain characters.")
if GORGIAS_CLIENT_ID and not GORGIAS_CLIENT_SECRETS:
    raise ImproperlyConfigured("GORGIAS_CLIENT_SECRET is not set, and GORGIAS_CLIENT_ID is. Set both or neither.")
GORGIAS_SCOPES: list[str] = env.list(
    "GORGIAS_SCOPES",
    default=[
        *("openid", "email", "profile", "offline", "tickets:read", "tickets:write", "customers:read", "users:read"),
        *("tags:read", "account:read", "integrations:read", "integrations:write"),
    ],
)
if not all(re.fullmatch(r"[a-z_]+(:[a-z_]+)?", scope) for scope in GORGIAS_SCOPES):
    raise ImproperlyConfigured("GORGIAS_SCOPES must look like tickets:read,tickets:write, by commas.")
# What signs Gorgias' calls besides the token that they carry, where somebody saw it: no document tells.
GORGIAS_HMAC_HEADER = environment.get("GORGIAS_HMAC_HEADER", "").strip()  # empty: not asked for
GORGIAS_HMAC_ENCODING = environment.get("GORGIAS_HMAC_ENCODING", "").strip() or "hex"
GORGIAS_HMAC_PREFIX = environment.get("GORGIAS_HMAC_PREFIX", "").strip()
if not re.fullmatch(r"[A-Za-z0-9-]{0,64}", GORGIAS_HMAC_HEADER) or not re.fullmatch(
    r"[!-~]{0,32}", GORGIAS_HMAC_PREFIX
):
    raise ImproperlyConfigured("GORGIAS_HMAC_HEADER must be a header's name, GORGIAS_HMAC_PREFIX plain characters.")
if GORGIAS_HMAC_ENCODING not in {"hex", "base64"}:
    raise ImproperlyConfigured("GORGIAS_HMAC_ENCODING must be hex or base64.")
SHOPIFY_CLIENT_ID = environment.get("SHOPIFY_CLIENT_ID", "").strip()
if not re.fullmatch(r"[!-~]*", SHOPIFY_CLIENT_ID):
    raise ImproperlyConfigured("SHOPIFY_CLIENT_ID must be one word of plain characters.")
if SHOPIFY_CLIENT_ID and not SHOPIFY_CLIENT_SECRETS:
    raise ImproperlyConfigured("SHOPIFY_CLIENT_SECRET is not set, and SHOPIFY_CLIENT_ID is. Set the secret as well.")
SHOPIFY_SCOPES: list[str] = env.list(
    "SHOPIFY_SCOPES", default=["read_customers", "read_customer_merge", "read_orders", "read_products"]
)
if not all(re.fullmatch(r"[a-z_]{1,64}", scope) for scope in SHOPIFY_SCOPES):
    raise ImproperlyConfigured("SHOPIFY_SCOPES must look like read_customers,read_orders.")
SHOPIFY_BASE_URL = shop_url("SHOPIFY_BASE_URL", "https://{shop}")
SHOPIFY_API_VERSION = environment.get("SHOPIFY_API_VERSION", "").strip() or "2026-10"
if not re.fullmatch(r"20[0-9]{2}-(01|04|07|10)", SHOPIFY_API_VERSION):
    raise ImproperlyConfigured("SHOPIFY_API_VERSION must be a version such as 2026-10.")
SLACK_BASE_URL = outbound_url("SLACK_BASE_URL", "https://slack.com/api/") + "/"
SLACK_HOOKS_URL = outbound_url("SLACK_HOOKS_URL", "https://hooks.slack.com/") + "/"  # of incoming webhooks
# Tickets of these priorities are told of in Slack when they come, or come to it.
SLACK_ALERT_PRIORITIES: list[str] = env.list("SLACK_ALERT_PRIORITIES", default=["urgent", "high"])
if not set(SLACK_ALERT_PRIORITIES) <= {"urgent", "high", "normal", "low"}:
    raise ImproperlyConfigured("SLACK_ALERT_PRIORITIES must be some of: urgent, high, normal, low.")
# Where people reach us, for links in what is told elsewhere.
_HERE = f"https://{ALLOWED_HOSTS[0].lstrip('.')}" if PRODUCTION else f"http://127.0.0.1:{local_port()}"
PUBLIC_URL = outbound_url("SUPPORTDESK_PUBLIC_URL", _HERE) + "/"

# --- Background work -------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # else beat adds a job of its own, to clean up results that there are none of
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 50
# Must be 1: with late acks and a larger prefetch a worker dies on a broker restart and strands its tasks.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 120}  # seconds, longer than the longest task
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "supportdesk.beat:Scheduler"
CELERY_TIMEZONE = "UTC"

# --- HTTP security ---------------------------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
# Addresses or networks of the proxies in front of us; only they are believed about the client and about TLS.
TRUSTED_PROXIES = networks("SUPPORTDESK_TRUSTED_PROXIES")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # ProxyMiddleware drops it when anybody else sends it

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- Metrics ---------------------------------------------------------------------------------------------------------

# The processes that serve name a folder to count in together; commands and tools name none, and count for themselves.
METRICS_FOLDER = environment.get(multiprocess.VARIABLE, "").strip()
if METRICS_FOLDER:
    multiprocess.share(Path(METRICS_FOLDER))
METRICS_NETWORKS = networks("SUPPORTDESK_METRICS_NETWORKS", default=("127.0.0.0/8", "::1"))
WORKER_METRICS_PORT = env.int("SUPPORTDESK_WORKER_METRICS_PORT", default=0)
PROMETHEUS_LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

# --- Logs ------------------------------------------------------------------------------------------------------------

LOG_LEVEL: str = env.str("SUPPORTDESK_LOG_LEVEL", default="INFO")
# What we build on logs bodies, arguments and SQL when asked for DEBUG; only our own lines may be that talkative.
THEIR_LOG_LEVEL = "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "structlog.stdlib.ProcessorFormatter",
            "foreign_pre_chain": [without_values, *PROCESSORS],
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": THEIR_LOG_LEVEL},
    "loggers": {
        "supportdesk": {"level": LOG_LEVEL},
        "django": {"handlers": [], "level": THEIR_LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        # Our own middleware writes one line per request, and `pages.server_error` one per failure; Django's would
        # repeat them with the path, and with the exception's text, in it. The same holds for tasks and Celery's.
        "django.request": {"handlers": [], "level": "CRITICAL", "propagate": True},
        "celery.app.trace": {"level": "CRITICAL"},
        # The ASGI server's lines go the way of ours; it logs a line per socket with its whole address, and so do we.
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.error": {"level": "WARNING"},
        "uvicorn.access": {"handlers": [], "level": "WARNING", "propagate": True},
        # Repeats a traceback every second while Redis is away; the hub says so once.
        "channels_redis.pubsub": {"level": "CRITICAL"},
        "celery.worker.strategy": {"level": "WARNING"},
        # Prints addresses of incoming webhooks, which are secrets, and bodies when asked for DEBUG.
        "slack_sdk": {"level": "WARNING"},
    },
}
structlog.configure(
    processors=[*PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)

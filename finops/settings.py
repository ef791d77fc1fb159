"""All settings, driven by the environment; `.env.example` lists every variable.

Names of what later rooms add: ``DETECTION_…``, ``POLICY_…``, ``PRICING_…``. A setting that an admin may
change while the product runs is declared in ``finops.core.tunables``: the value here is its default,
an override in the admin beats it, an override for one tenant beats both, and pages say which applied.
"""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import environ
from csp.constants import NONE, SELF

from finops.api import config as api
from finops.core.slugs import slug_of

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if env.bool("FINOPS_READ_DOTENV", default=True):
    env.read_env(BASE_DIR / ".env")


def _stop(sentence: str) -> None:
    """End the start with one sentence, whatever was starting (manage.py, the web server, a worker)."""
    raise SystemExit(f"finops: {sentence}")


def _decimal(name: str, default: str, low: str, high: str) -> Decimal:
    text = env.str(name, default=default)
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and Decimal(low) <= value <= Decimal(high)):
        _stop(f"{name}={text!r} must be a number from {low} to {high}; the default is {default}.")
    return value


DEBUG = env.bool("DEBUG", default=False)
TESTING = env.bool("FINOPS_TESTING", default=False)

SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
if DEBUG or TESTING:
    SECRET_KEY = SECRET_KEY or "debug-only-key-that-protects-nothing"
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "testserver"]
if not SECRET_KEY:
    _stop(
        "SECRET_KEY is not set: put 50 random characters there (`make setup` writes a .env with one)."
    )
if not ALLOWED_HOSTS:
    _stop(
        "ALLOWED_HOSTS is not set: name the hosts that serve the product, as in finops.example.com."
    )

# --- the house -----------------------------------------------------------------------------------

INSTALLED_APPS = [
    "dashboards",
    "allocation",
    "ingestion",
    "composition",
    "finops",
    "axes",
    "csp",
    "django_htmx",
    "drf_spectacular",
    "finops.admin_site.FinopsAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]

# Who comes next is not known to who came before: what a source produces is handed to these steps.
PIPELINE = {
    "charges": ["allocation.services.allocate_load"],
    "revenue": ["allocation.services.recognise_delivery"],
    "settlements": ["allocation.books.book_settlements"],
    "rates": ["allocation.books.book_rates"],
}

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "finops.urls"
WSGI_APPLICATION = "finops.wsgi.application"
AUTH_USER_MODEL = "finops.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

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
                "dashboards.context.frame",
            ],
        },
    },
]

# --- data ----------------------------------------------------------------------------------------

VAR_DIR = BASE_DIR / "var"
DATABASE_URL = (
    env.str("DATABASE_URL", default="") or f"sqlite:///{quote(str(VAR_DIR / 'finops.sqlite3'))}"
)
DATABASES: dict[str, dict[str, Any]] = {"default": environ.Env.db_url_config(DATABASE_URL)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Measured: deferred transactions fail at once with "database is locked" when a reader turns
    # writer; IMMEDIATE waits, and the wait is longer than the longest write.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA cache_size=-65536;",
    }
    if DATABASES["default"]["NAME"] != ":memory:":
        Path(DATABASES["default"]["NAME"]).parent.mkdir(parents=True, exist_ok=True)
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

REDIS_URL = env.str("REDIS_URL", default="")
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
SESSION_ENGINE = "django.contrib.sessions.backends." + ("cached_db" if REDIS_URL else "db")

FINOPS_LAKE_URL = env.str("FINOPS_LAKE_URL", default="") or str(VAR_DIR / "lake")
_lake = urlsplit(FINOPS_LAKE_URL)
if _lake.scheme not in {"", "file", "s3"}:
    _stop(
        f"FINOPS_LAKE_URL starts with {_lake.scheme}://, which nothing here can write: give a folder, "
        "for example file:///srv/finops/lake, or a bucket, for example s3://acme-finops/lake."
    )
if _lake.scheme == "s3" and (not _lake.netloc or "@" in _lake.netloc):
    _stop(
        "FINOPS_LAKE_URL names no bucket: write it as s3://acme-finops/lake, without credentials."
    )
LAKE_BUCKET_URL = FINOPS_LAKE_URL if _lake.scheme == "s3" else ""
LAKE_ENDPOINT_URL = env.str("FINOPS_LAKE_ENDPOINT_URL", default="")
LAKE_DIR = (VAR_DIR / "lake" if LAKE_BUCKET_URL else Path(unquote(_lake.path))).resolve()

CACHE_DIR = Path(env.str("FINOPS_CACHE_DIR", default="") or VAR_DIR / "cache").resolve()
CACHE_MAX_BYTES = env.int("FINOPS_CACHE_MAX_BYTES", default=20_000_000_000)

LOAD_RETENTION_DAYS = env.int("LOAD_RETENTION_DAYS", default=90)
LOG_OBJECT_DAYS = env.int("LOG_OBJECT_DAYS", default=30)
USAGE_DETAIL_DAYS = env.int("USAGE_DETAIL_DAYS", default=400)
TSA_IDENTITY_DAYS = env.int("TSA_IDENTITY_DAYS", default=400)
BILL_FINAL_AFTER_DAYS = env.int("BILL_FINAL_AFTER_DAYS", default=14)
BILL_EXPECTED_AFTER_DAYS = env.int("BILL_EXPECTED_AFTER_DAYS", default=10)

JOB_LEASE_SECONDS = env.int("JOB_LEASE_SECONDS", default=120)
if JOB_LEASE_SECONDS < 10 and not TESTING:
    _stop(
        f"JOB_LEASE_SECONDS={JOB_LEASE_SECONDS} is too short: a worker is given at least 10 seconds."
    )
LONGEST_JOB_SECONDS = 12 * 3600
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": LONGEST_JOB_SECONDS}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False  # the job table remembers, not the message
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "find what is due, free what was lost": {"task": "finops.tick", "schedule": 15.0}
}

FINOPS_ENGINE = env.str("FINOPS_ENGINE", default="duckdb")
if FINOPS_ENGINE != "duckdb":
    _stop(f"FINOPS_ENGINE={FINOPS_ENGINE!r} is not an engine of this version: write duckdb.")
ENGINE_MEMORY_LIMIT = env.str("ENGINE_MEMORY_LIMIT", default="1GB")

# --- money ---------------------------------------------------------------------------------------

MARGIN_GOAL = _decimal("MARGIN_GOAL", "0.70", "0", "1")
PRICING_EDGE_BYTES_PER_GB = _decimal("PRICING_EDGE_BYTES_PER_GB", "0", "0", "10")
CLOSE_MAX_UNALLOCATED_SHARE = _decimal("CLOSE_MAX_UNALLOCATED_SHARE", "0.05", "0", "1")
GL_COST_CENTRE = env.str("GL_COST_CENTRE", default="tenant")
if GL_COST_CENTRE not in {"tenant", "product", "team", "environment"}:
    _stop(f"GL_COST_CENTRE={GL_COST_CENTRE!r} is none: write tenant, product, team or environment.")
REPORTING_CURRENCY = env.str("REPORTING_CURRENCY", default="USD").upper()
PNL_BELOW_THE_LINE: list[str] = env.list("PNL_BELOW_THE_LINE", default=["Tax"])
NON_PRODUCTION_ENVIRONMENTS: list[str] = env.list("NON_PRODUCTION_ENVIRONMENTS", default=[])
for _name in NON_PRODUCTION_ENVIRONMENTS:
    if slug_of(_name) != _name:
        _stop(
            f"NON_PRODUCTION_ENVIRONMENTS names {_name!r}: write small letters, digits and hyphens, as in "
            "dev,staging."
        )
ALLOCATION_TAGS: dict[str, list[str]] = {
    "tenant": env.list(
        "ALLOCATION_TENANT_TAGS", default=["tenant", "tenant_id", "customer", "customer_id"]
    ),
    "environment": env.list("ALLOCATION_ENVIRONMENT_TAGS", default=["environment", "env", "stage"]),
    "product": env.list(
        "ALLOCATION_PRODUCT_TAGS", default=["product", "project", "application", "app"]
    ),
    "team": env.list("ALLOCATION_TEAM_TAGS", default=["team", "owner", "cost_center"]),
}
CLOCK_OFFSET = timedelta(hours=env.int("CLOCK_OFFSET_HOURS", default=0))

# --- security ------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# Counters must be shared by all web processes: in Redis, or else in the database.
AXES_HANDLER = "axes.handlers." + (
    "cache.AxesCacheHandler" if REDIS_URL else "database.AxesDatabaseHandler"
)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False  # `manage.py axes_reset_username NAME` opens a lock early

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign-in"

HTTPS_ONLY = env.bool("HTTPS_ONLY", default=not (DEBUG or TESTING))
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 60 * 60
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# --- the API -------------------------------------------------------------------------------------

API_TOKEN_MAX_DAYS = env.int("API_TOKEN_MAX_DAYS", default=365)
API_USAGE_MAX_RECORDS = env.int("API_USAGE_MAX_RECORDS", default=1000)
API_TSA_MAX_RECORDS = env.int("API_TSA_MAX_RECORDS", default=5000)
API_RATE = env.str("API_RATE", default="600/minute")
API_FAILED_RATE = env.str("API_FAILED_RATE", default="30/minute")
for _name, _rate in (("API_RATE", API_RATE), ("API_FAILED_RATE", API_FAILED_RATE)):
    if not re.fullmatch(r"[1-9][0-9]{0,6}/(second|minute|hour|day)", _rate):
        _stop(
            f"{_name}={_rate!r} must be a number per second, minute, hour or day, as in 600/minute."
        )
for _name, _count in (
    ("API_TOKEN_MAX_DAYS", API_TOKEN_MAX_DAYS),
    ("API_USAGE_MAX_RECORDS", API_USAGE_MAX_RECORDS),
    ("API_TSA_MAX_RECORDS", API_TSA_MAX_RECORDS),
):
    if _count < 1:
        _stop(f"{_name}={_count} must be 1 or more.")
# Whose address failures are counted for: behind a proxy it says so, otherwise nobody is believed.
REST_FRAMEWORK = {**api.REST_FRAMEWORK, "NUM_PROXIES": 1 if BEHIND_PROXY else 0}
SPECTACULAR_SETTINGS = api.SPECTACULAR_SETTINGS

# --- static files --------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG or env.bool("SERVE_STATIC_FROM_SOURCE", default=False)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if WHITENOISE_USE_FINDERS or TESTING
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- logs ----------------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "finops.logs.RedactingJsonFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": "json"}
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # Django's own handlers would print and mail unredacted tracebacks; without them all goes to the root.
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL},
        "botocore": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "django.server": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
    },
}
DEFAULT_EXCEPTION_REPORTER = "finops.logs.RedactingExceptionReporter"

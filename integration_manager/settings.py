"""Django's settings: one file, everything from the environment.

Three ways to start, told apart by the environment:

* production: nothing set here by default; a missing secret or host stops the start,
* IM_EMBEDDED=1: set by `make run` and the tests, whose supervisor passes the rest,
* DEBUG=1: for a developer's shell; throw-away secrets, loopback only.
"""

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from integration_manager import log
from integration_manager.lookup_prices import Prices
from merchants import verifiers

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name)
    return default if value is None else value.strip().lower() in {"1", "true", "yes", "on"}


def _list(name: str) -> list[str]:
    return [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]


MOST_DAYS = 36_500  # longer ones reach back further than dates do


def _days(name: str) -> dict[str, int]:
    """Days by kind: "" is for all that are not named."""
    found = {}
    for part in _list(name):
        kind, _, days = part.rpartition("=")
        number = days.strip().lstrip("0")
        if not number.isdecimal():
            raise ImproperlyConfigured(f"{name}: “{part}” is not a number of days, or kind=days with at least one day.")
        if len(number) > len(str(MOST_DAYS)) or int(number) > MOST_DAYS:
            raise ImproperlyConfigured(f"{name}: {MOST_DAYS:,} days, a hundred years, are the most.")
        found[kind.strip()] = int(number)
    return found


def _kept_days(name: str, usual: dict[str, int], least: dict[str, int]) -> dict[str, int]:
    """Days by what is kept: the `usual` ones, and those that are given instead, which are at least the `least`."""
    found = _days(name)
    unknown = sorted(found.keys() - usual.keys())
    if unknown:
        raise ImproperlyConfigured(f"{name}: “{unknown[0]}” is none of {', '.join(usual)}.")
    for what, days in found.items():
        if days < least.get(what, 1):
            raise ImproperlyConfigured(f"{name}: “{what}” is kept for {least[what]} days at least, not for {days}.")
    return usual | found


DEBUG = _flag("DEBUG")
EMBEDDED = _flag("IM_EMBEDDED")
TESTING = _flag("IM_TESTING")
RELAXED = DEBUG or EMBEDDED  # loopback only: no HTTPS, no demands on the environment
PROCESS = os.environ.get("IM_PROCESS", "manage")  # web, worker, beat or manage


def _required(name: str, relaxed: str) -> str:
    """The variable's value; a stand-in for developers, never in production or `make run`."""
    value = os.environ.get(name, "")
    if value:
        return value
    if DEBUG:
        return relaxed
    raise ImproperlyConfigured(
        f"{name} is not set. Set it in the environment (README.md, settings); "
        "`make run` makes its own, DEBUG=1 uses throw-away values on a developer's machine."
    )


SECRET_KEY = _required("SECRET_KEY", "debug-only-" + "x" * 50)
# Key ring of integration_manager.crypto: "id:base64,id:base64", the first one encrypts.
IM_KEYS = _required("IM_KEYS", "debug:" + "A" * 43 + "=")
ALLOWED_HOSTS = _list("IM_HOSTS")
if RELAXED:
    ALLOWED_HOSTS += ["localhost", "127.0.0.1", "[::1]"]
elif not ALLOWED_HOSTS:
    _required("IM_HOSTS", "")
if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("IM_HOSTS must name the hosts; * is refused.")
HTTPS = _flag("IM_HTTPS", default=not RELAXED)
PORT = int(os.environ.get("PORT", "8000"))
IM_BASE_URL = os.environ.get("IM_BASE_URL") or (
    f"http://localhost:{PORT}" if RELAXED else f"https://{ALLOWED_HOSTS[0]}"
)

# --- apps ---------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
INSTALLED_APPS = [
    "integration_manager",  # management commands and checks; no models
    "accounts",
    "merchants",
    "carts",
    "wms",
    "orders",
    "alerts",
    "billing",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "integration_manager.static_files.StaticFiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "django_htmx",
    "js_lib_bootstrap5",
    "ninja",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # its padding hides lengths from who guesses at what a page reflects
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.sessions.SessionLimit",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.reauth.ResumePost",
    "integration_manager.kept.Keep",
    "accounts.middleware.AccountMiddleware",  # all that it wraps runs as one tenant
    "integration_manager.kept.ShowAgain",
]
ROOT_URLCONF = "integration_manager.urls"
WSGI_APPLICATION = "integration_manager.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "integration_manager.context.face",
            ]
        },
    }
]
CRISPY_ALLOWED_TEMPLATE_PACKS = CRISPY_TEMPLATE_PACK = "bootstrap5"

# --- database -----------------------------------------------------------------------

# The role decides what row-level security lets through (tenancy.py): im_owner for
# migrations, im_app for everything else. manage.py chooses im_owner where it is needed.
DB_ROLE = os.environ.get("IM_DB_ROLE", "im_app")
STATEMENT_TIMEOUT_MS = {"web": 10_000, "worker": 60_000, "beat": 60_000}.get(PROCESS, 0)


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql:// (nothing else is supported).")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    settings = [f"-c role={DB_ROLE}"] if DB_ROLE else []
    if STATEMENT_TIMEOUT_MS:
        settings.append(f"-c statement_timeout={STATEMENT_TIMEOUT_MS}")
    settings.append("-c idle_in_transaction_session_timeout=120000")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": str(parts.port or query.pop("port", "")),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
        "DISABLE_SERVER_SIDE_CURSORS": False,
        "OPTIONS": {
            "options": " ".join(settings),
            "application_name": f"im-{PROCESS}",
            "connect_timeout": int(query.pop("connect_timeout", "5")),
            **query,
        },
    }


_database_url = _required("DATABASE_URL", "postgresql:///im")
if DB_ROLE == "im_app":
    _database_url = os.environ.get("APP_DATABASE_URL") or _database_url
DATABASES = {"default": _database(_database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: broker in one database, cache and rate limits in the next ----------------

REDIS_URL = _required("REDIS_URL", "redis://127.0.0.1:6379/0")


def _redis_urls(url: str) -> tuple[str, str]:
    """(broker, cache): kombu and redis-py spell a unix socket differently."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        database = int(parse_qs(parts.query).get("db", ["0"])[0])
        return (
            f"redis+socket://{parts.path}?virtual_host={database}",
            f"unix://{parts.path}?db={database + 1}",
        )
    database = int(parts.path.strip("/") or 0)
    return url, parts._replace(path=f"/{database + 1}").geturl()


CELERY_BROKER_URL, _redis_cache = _redis_urls(REDIS_URL)
REDIS_CACHE_URL = os.environ.get("REDIS_CACHE_URL") or _redis_cache
CACHES = {
    # Login throttles live here: they must hold while Redis is away.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "django_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    "redis": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_CACHE_URL,
        "KEY_PREFIX": "im",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},
    },
}

# --- Celery: messages are hints, the work lists are in the database ------------------

CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = CELERY_EVENT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_EXPIRES = 300
CELERY_TASK_DEFAULT_QUEUE = "runs"
CELERY_TASK_ROUTES = {
    "orders.jobs.tick": {"queue": "tick"},
    "orders.jobs.run_job": {"queue": "runs"},
    # Somebody who signs in waits for no channel of a customer's, no clean-up and no action on many orders.
    "accounts.jobs.send_mails": {"queue": "mail"},
    "alerts.jobs.tell": {"queue": "mail"},
    "orders.jobs.nightly": {"queue": "side"},
    "orders.bulk_run.*": {"queue": "side"},
    "accounts.*": {"queue": "side"},
    "alerts.*": {"queue": "side"},
    "billing.*": {"queue": "side"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
    "max_retries": 1,
}
# Sending a hint must not hold up a page or a run when the broker is away.
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
RUN_SLOTS = int(os.environ.get("IM_RUN_SLOTS", "2"))  # processes of the `runs` worker

# --- login --------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["accounts.adapters.Backend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
IM_BREACH_CHECK = _flag("IM_BREACH_CHECK")  # asks IM_BREACH_URL for stolen passwords (accounts/breach.py)
IM_BREACH_URL = os.environ.get("IM_BREACH_URL", "https://api.pwnedpasswords.com")
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "accounts.breach.NotBreached"},
]
PASSWORD_RESET_TIMEOUT = 2 * 3600
IM_SIGNUP = os.environ.get("IM_SIGNUP", "open").strip().lower() != "closed"
IM_TERMS_URL = os.environ.get("IM_TERMS_URL", "")
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_FORMS = {
    "signup": "accounts.forms.SignUpForm",
    "login": "accounts.sign_in_forms.LoginForm",
    "reauthenticate": "accounts.sign_in_forms.ReauthenticateForm",
    "change_password": "accounts.sign_in_forms.ChangePasswordForm",
    "set_password": "accounts.sign_in_forms.SetPasswordForm",
    "reset_password": "accounts.sign_in_forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.sign_in_forms.ResetPasswordKeyForm",
    "add_email": "accounts.sign_in_forms.AddEmailForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"  # nothing works before
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 2
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # in the browser that signed up, and for 15 minutes
ACCOUNT_CHANGE_EMAIL = True  # one address; a new one counts once it is verified
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False  # this session goes on with a new key, all others end
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 60 * int(os.environ.get("IM_REAUTH_MINUTES", "15"))
ACCOUNT_SESSION_REMEMBER = True  # the cookie lives as long as the session: 12 idle hours
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_RATE_LIMITS = {  # wrong passwords: accounts/lockout.py; sign-in links: accounts/magic.py
    "login": "30/m/ip",
    "login_failed": "10/15m/key",  # second steps, per person
    "signup": "10/m/ip",
    "reset_password": "20/m/ip,3/10m/key",
}
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if _flag("IM_BEHIND_PROXY") else 0
MFA_ADAPTER = "accounts.two_step.TwoStepAdapter"
MFA_FORMS = {
    "authenticate": "accounts.sign_in_forms.CodeForm",
    "reauthenticate": "accounts.sign_in_forms.CodeAgainForm",
    "activate_totp": "accounts.sign_in_forms.AddAppForm",
    "add_webauthn": "accounts.sign_in_forms.AddPasskeyForm",
    "edit_webauthn": "accounts.sign_in_forms.PasskeyNameForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Integration Manager"
MFA_TOTP_PERIOD = 30  # seconds
MFA_TOTP_TOLERANCE = 1  # period: the code may turn between reading it and sending it (RFC 6238, section 5.2)
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = RELAXED

MESSAGE_STORAGE = "integration_manager.tab_messages.PerAccount"

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_SAVE_EVERY_REQUEST = (
    False  # accounts.middleware does, so the 12 hours are idle hours; 14 days in all: accounts.sessions
)
_prefix = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{_prefix}im_session"
CSRF_COOKIE_NAME = f"{_prefix}im_csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "integration_manager.kept.too_old"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS

# --- security headers ---------------------------------------------------------------

SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked for inside the cluster
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if _flag("IM_BEHIND_PROXY"):  # only then may a client's word on the scheme count
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = [f"https://{host.lstrip('.')}" for host in _list("IM_HOSTS")] if HTTPS else []
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],  # Bootstrap's icons are data: images
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
FILE_UPLOAD_HANDLERS = [
    "integration_manager.files.limits.Limited",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# --- logs ---------------------------------------------------------------------------

LOGGING = log.configuration(level=os.environ.get("IM_LOG_LEVEL", "INFO"))

# --- the product's own --------------------------------------------------------------

IM_EGRESS_ALLOW = _list("IM_EGRESS_ALLOW")  # networks or hosts that the egress guard lets through
# Below it on this machine: <account>/<merchant>/ for a cart, <account>/ for a WMS; "": none may.
IM_FOLDER_ROOT = os.environ.get("IM_FOLDER_ROOT", "")
# Where the operators' site lies. Better one that nobody guesses: for strangers it is not there anyway.
IM_ADMIN_PATH = os.environ.get("IM_ADMIN_PATH", "operator").strip("/ ") + "/"
if IM_ADMIN_PATH.split("/")[0] in {"", "a", "v1", "login", "hooks", "static", "staff", "security"}:
    raise ImproperlyConfigured("IM_ADMIN_PATH must be a path of its own, like operator-k3v9.")
IM_METRICS_TOKEN = os.environ.get("IM_METRICS_TOKEN", "")
IM_DEMO = EMBEDDED and _flag("IM_DEMO")  # the demo account may log in, on loopback only
# The operator's app in each system that is connected by OAuth: key of the system → (client id, client secret).
IM_OAUTH = {
    name.removeprefix("IM_OAUTH_").removesuffix("_ID").lower(): (value, os.environ.get(name[:-2] + "SECRET", ""))
    for name, value in os.environ.items()
    if name.startswith("IM_OAUTH_") and name.endswith("_ID") and value
}
# After how many days the personal data of an order that is done goes: "90", "shopify=60, amazon=30", or both.
IM_PERSONAL_DAYS = _days("IM_PERSONAL_DAYS")
# How many days what is finished is kept (orders/expiry.py, orders/retention.py).
KEPT = {
    "orders": 730,
    "timeline": 3650,  # it goes with its order, or before
    "runs": 90,
    "exchanges": 30,
    "bulk": 90,
    "skipped": 60,
    "files": 90,  # which files were read, and those that wait
    "contents": 30,  # what was in them
    "alerts": 90,
    "mails": 30,
}
# What may still be wanted: an order that comes back, a file that waits, an order that is loaded anyway.
KEPT_AT_LEAST = {"orders": 180, "files": 30, "skipped": 30}
IM_KEEP_DAYS = _kept_days("IM_KEEP_DAYS", KEPT, KEPT_AT_LEAST)
# The online address verifier (a key of merchants/verifiers), its fields' values, and what its look-ups cost.
IM_ADDRESS_VERIFIER = os.environ.get("IM_ADDRESS_VERIFIER", "").strip().lower()
IM_ADDRESS_VERIFIER_VALUES = {
    name.removeprefix("IM_ADDRESS_VERIFIER_").lower(): value
    for name, value in os.environ.items()
    if name.startswith("IM_ADDRESS_VERIFIER_") and value
}
if IM_ADDRESS_VERIFIER or IM_ADDRESS_VERIFIER_VALUES:
    _verifier_wrong = verifiers.problem(IM_ADDRESS_VERIFIER, IM_ADDRESS_VERIFIER_VALUES)
    if _verifier_wrong:
        raise ImproperlyConfigured(_verifier_wrong)
# By their number in a billing period: "30: 0, 500: 0.02, 1000: 0.015, 8000: 0.01", in US dollars each.
try:
    IM_LOOKUP_PRICES_US = Prices.of(os.environ.get("IM_LOOKUP_PRICES_US", ""))
    IM_LOOKUP_PRICES_INTERNATIONAL = Prices.of(os.environ.get("IM_LOOKUP_PRICES_INTERNATIONAL", ""))
except ValueError as why:
    raise ImproperlyConfigured(f"IM_LOOKUP_PRICES: {why}") from None
if IM_DEMO:
    for _name in ("sandbox_oauth", "shopify"):  # the app that the simulator knows
        IM_OAUTH.setdefault(_name, ("sandbox-app", "sandbox-app-secret"))
DEMO_EMAIL, DEMO_PASSWORD = "demo@example.com", "demo-password"

# --- mail, languages, time, files ---------------------------------------------------

# smtp://user:password@host:25, smtp+tls:// (STARTTLS, 587) or smtps:// (465). Without it mails wait.
EMAIL_URL = os.environ.get("EMAIL_URL", "")
_mail_server = urlsplit(EMAIL_URL)
_mail_ports = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
if EMAIL_URL and (_mail_server.scheme not in _mail_ports or not _mail_server.hostname):
    raise ImproperlyConfigured("EMAIL_URL must be smtp://, smtp+tls:// or smtps:// with user:password@host:port.")
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = _mail_server.hostname or ""
EMAIL_PORT = _mail_server.port or _mail_ports.get(_mail_server.scheme, 25)
EMAIL_HOST_USER = unquote(_mail_server.username or "")
EMAIL_HOST_PASSWORD = unquote(_mail_server.password or "")
EMAIL_USE_TLS = _mail_server.scheme == "smtp+tls"
EMAIL_USE_SSL = _mail_server.scheme == "smtps"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = os.environ.get("IM_FROM_EMAIL", "Integration Manager <no-reply@localhost>")

LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = Path(os.environ.get("IM_STATIC_ROOT") or BASE_DIR / "staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"] if (BASE_DIR / "static").is_dir() else []
# Production and make run serve what collectstatic made: named by content, compressed. Tests serve the sources.
COLLECTED = not RELAXED or bool(os.environ.get("IM_STATIC_ROOT"))
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not COLLECTED
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
if TESTING and "pytest" in sys.modules:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # hundreds of logins

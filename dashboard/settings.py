"""Reads the environment on top, configures Django below. docs/settings.md lists every variable."""

from __future__ import annotations

import ipaddress
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from environs import Env, EnvError

from dashboard import __version__

VERSION = __version__

PACKAGE = Path(__file__).resolve().parent
BASE_DIR = PACKAGE.parent
# A wheel carries templates and static files inside the package, a checkout has them beside it (pyproject.toml).
INSTALLED = (PACKAGE / "templates").is_dir()
# Databases hold who called whom: whatever any of our processes writes is its user's alone.
os.umask(0o077)

env = Env()

# The folder of what this installation writes: databases, sandbox keys, static files, locks. VAR_DIR is the older name.
FLOORLINE_HOME = Path(
    env.str("FLOORLINE_HOME", "")
    or env.str("VAR_DIR", "")
    or (Path.home() / ".local" / "share" / "floorline" if INSTALLED else BASE_DIR / "var")
).absolute()
FLOORLINE_HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
# Where the processes start, and what relative paths in settings are relative to.
WORKING_DIR = FLOORLINE_HOME if INSTALLED else BASE_DIR


def read(reader: Any, name: str, default: Any, *, mend: str) -> Any:
    """Return a setting from the environment, or refuse it with its name and the mend."""
    try:
        return reader(name, default)
    except (EnvError, ValueError) as error:
        raise ImproperlyConfigured(f"{name} cannot be used: {error}. {mend}") from error


def words(name: str) -> list[str]:
    """Return a comma-separated setting as a list without blanks and empty parts."""
    return [word.strip() for word in env.str(name, "").split(",") if word.strip()]


def bracketed(host: str) -> str:
    """Return a host as URLs and the Host header write it."""
    return f"[{host}]" if ":" in host else host


def host_of(url: str) -> str:
    """Return a URL's host as the Host header writes it, without the port."""
    return bracketed(urlsplit(url).hostname or "")


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine, by a name that only this machine uses."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_issuer(url: str) -> bool:
    """Return whether people may be sent to an address to sign in: over https, or to this machine."""
    parts = urlsplit(url)
    known = re.fullmatch(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?(/[^?#;,\s]*)?", url, re.IGNORECASE)
    return known is not None and (parts.scheme == "https" or is_loopback(url))


# --- Telnyx -----------------------------------------------------------------------------------------------------------

TELNYX_API_BASE: str = env.str("TELNYX_API_BASE", "https://api.telnyx.com/v2").rstrip("/")
TELNYX_API_KEY: str = env.str("TELNYX_API_KEY", "").strip()
TELNYX_PUBLIC_KEYS = words("TELNYX_PUBLIC_KEY")
TELNYX_CONNECTION_ID: str = env.str("TELNYX_CONNECTION_ID", "").strip()
TELNYX_FROM_NUMBER: str = env.str("TELNYX_FROM_NUMBER", "").strip()
TELNYX_HOSTS = {"api.telnyx.com", "api.telnyx.eu"}

# A loopback API is the sandbox: it marks every page and gets a database of its own.
SANDBOX = is_loopback(TELNYX_API_BASE)
if not SANDBOX and (urlsplit(TELNYX_API_BASE).scheme, urlsplit(TELNYX_API_BASE).hostname) not in {
    ("https", host) for host in TELNYX_HOSTS
}:
    raise ImproperlyConfigured(
        "TELNYX_API_BASE may only name Telnyx (https://api.telnyx.com/v2, https://api.telnyx.eu/v2) or a loopback "
        f"address for the sandbox, not {TELNYX_API_BASE!r}. Remove it, or name one of these."
    )
# The launcher of the demo sets it; the sign-in page of a demo on loopback says it.
DEMO_PASSWORD: str = env.str("FLOORLINE_DEMO_PASSWORD", "")
SANDBOX_PAGE_URL = TELNYX_API_BASE.removesuffix("/v2") + "/" if SANDBOX else ""

# --- Serving ----------------------------------------------------------------------------------------------------------

HOST: str = env.str("HOST", "").strip("[]") or "localhost"
PORT: int = read(env.int, "PORT", 8000, mend="Give a number such as 8000.")
if not 1 <= PORT <= 65535:
    raise ImproperlyConfigured(f"PORT must be a number from 1 to 65535, not {PORT}. Give one such as 8000.")
_ADDRESS = f"http://{bracketed(HOST)}:{PORT}"
EVERY_ADDRESS = HOST in {"0.0.0.0", "::"}  # noqa: S104  # recognised here, never bound by default
# Whatever HOST is, this machine itself reaches the dashboard by loopback: the sandbox and the launcher do.
ADDRESSES = [HOST] if EVERY_ADDRESS or is_loopback(_ADDRESS) else [HOST, "127.0.0.1"]
LOCAL_URL = _ADDRESS if is_loopback(_ADDRESS) else f"http://127.0.0.1:{PORT}"
PUBLIC_URL: str = env.str("PUBLIC_URL", "").rstrip("/") or (f"http://localhost:{PORT}" if EVERY_ADDRESS else _ADDRESS)
# Reached from other machines, or meant to be: the demo then has no password that everybody knows.
IN_THE_OPEN = EVERY_ADDRESS or not (is_loopback(_ADDRESS) and is_loopback(PUBLIC_URL))
if urlsplit(PUBLIC_URL).scheme not in {"http", "https"} or not urlsplit(PUBLIC_URL).hostname:
    raise ImproperlyConfigured(f"PUBLIC_URL must be an address such as https://floor.example.com, not {PUBLIC_URL!r}.")
SECURE = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = words("ALLOWED_HOSTS") or [
    host_of(PUBLIC_URL),
    "localhost",
    "127.0.0.1",
    "[::1]",
]
# The same name as gunicorn's own: it takes the scheme from these proxies, Floorline the client's address.
PROXIES = [
    read(lambda _name, word: ipaddress.ip_network(word), "FORWARDED_ALLOW_IPS", word, mend="Give addresses, no names.")
    for word in words("FORWARDED_ALLOW_IPS") or ["127.0.0.1", "::1"]
]
DEBUG: bool = read(env.bool, "DEBUG", False, mend="Say true or false.")

SECRET_KEY_GIVEN: bool = bool(env.str("SECRET_KEY", ""))
# Without a SECRET_KEY commands such as migrate still work; dashboard.checks refuses to serve.
SECRET_KEY: str = env.str("SECRET_KEY", "") or get_random_secret_key()
SECRET_KEY_FALLBACKS = words("SECRET_KEY_FALLBACKS")
FIELD_KEYS = words("FIELD_KEYS")

# --- Database ---------------------------------------------------------------------------------------------------------

DEFAULT_DATABASE = FLOORLINE_HOME / ("sandbox.sqlite3" if SANDBOX else "floorline.sqlite3")
DATABASES: dict[str, dict[str, Any]] = {
    "default": read(
        env.dj_db_url,
        "DATABASE_URL",
        f"sqlite:///{DEFAULT_DATABASE}",
        mend="Use sqlite:////path/to/file.sqlite3 or postgres://user:password@host:5432/name.",
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    if DATABASES["default"]["NAME"] != ":memory:":
        # The same file for every command, whichever folder it is called in.
        DATABASES["default"]["NAME"] = str(WORKING_DIR / DATABASES["default"]["NAME"])
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE: a transaction that starts by reading and then writes would otherwise fail with "locked" at once.
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        # FULL: a webhook is acknowledged after the commit, and the commit must survive a power cut.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
elif DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL must name SQLite (sqlite:///…) or PostgreSQL (postgres://…).")
elif find_spec("psycopg") is None:
    raise ImproperlyConfigured("PostgreSQL needs a package more. Install it: pip install 'floorline[postgres]'.")
ON_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
# Counts of attempts, and codes that were used. On SQLite there is one web process, and a guesser's attempts must not
# write where webhooks are written. So many entries that a flood pushes out no count that is needed.
CACHES = {
    "default": {
        "BACKEND": f"django.core.cache.backends.{'locmem.LocMemCache' if ON_SQLITE else 'db.DatabaseCache'}",
        "LOCATION": "conferences_cachedvalue",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Retention --------------------------------------------------------------------------------------------------------

_DAYS = "Give a number of days."
EVENTS_KEPT_DAYS: int = read(env.int, "EVENTS_KEPT_DAYS", 30, mend=_DAYS)
CALLS_KEPT_DAYS: int = read(env.int, "CALLS_KEPT_DAYS", 90, mend=_DAYS)
COMMANDS_KEPT_DAYS: int = read(env.int, "COMMANDS_KEPT_DAYS", 365, mend=_DAYS)
AUDIT_KEPT_DAYS: int = read(env.int, "AUDIT_KEPT_DAYS", 0, mend=_DAYS)
if not 1 <= EVENTS_KEPT_DAYS <= CALLS_KEPT_DAYS <= COMMANDS_KEPT_DAYS:
    # Otherwise the events of a call would outlive it, and a rebuild would bring it back.
    raise ImproperlyConfigured(
        "EVENTS_KEPT_DAYS, CALLS_KEPT_DAYS and COMMANDS_KEPT_DAYS must be at least 1 and in this order, not "
        f"{EVENTS_KEPT_DAYS}, {CALLS_KEPT_DAYS} and {COMMANDS_KEPT_DAYS}."
    )
if AUDIT_KEPT_DAYS and AUDIT_KEPT_DAYS < COMMANDS_KEPT_DAYS:
    raise ImproperlyConfigured(
        f"AUDIT_KEPT_DAYS must be 0 (without end) or at least COMMANDS_KEPT_DAYS ({COMMANDS_KEPT_DAYS}), "
        f"not {AUDIT_KEPT_DAYS}."
    )

# --- Agents -----------------------------------------------------------------------------------------------------------

# Whether agents who sign in see those who listen to their own calls, and when.
AGENTS_SEE_LISTENING: str = env.str("AGENTS_SEE_LISTENING", "not").strip().lower()
if AGENTS_SEE_LISTENING not in {"now", "afterwards", "not"}:
    raise ImproperlyConfigured(
        f"AGENTS_SEE_LISTENING cannot be {AGENTS_SEE_LISTENING!r}. Say now (agents see who listens to them, at "
        "once and later), afterwards (once the listening has ended) or not."
    )

# --- Sessions ---------------------------------------------------------------------------------------------------------

SESSION_ENGINE = "conferences.login_sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60  # one long shift
IDLE_TIMEOUT_MINUTES: int = read(env.int, "IDLE_TIMEOUT_MINUTES", 60, mend="Give a number of minutes.")
if IDLE_TIMEOUT_MINUTES and not 5 <= IDLE_TIMEOUT_MINUTES <= SESSION_COOKIE_AGE // 60:
    raise ImproperlyConfigured(
        f"IDLE_TIMEOUT_MINUTES must be 0 (never) or from 5 to {SESSION_COOKIE_AGE // 60}, not {IDLE_TIMEOUT_MINUTES}."
    )

# --- Application ------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "conferences",
    "dashboard",
    "dashboard.apps.FloorlineAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "django_htmx",
    "csp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "dashboard.middleware.known_methods",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.middleware.noted_activity",
    "dashboard.middleware.private_pages",
    "dashboard.middleware.signed_out_htmx",
    "dashboard.middleware.second_factor_first",
    "dashboard.signing_in.confirmation.confirmed_first",
    "dashboard.middleware.viewer_time_zone",
    "dashboard.middleware.agents_pages",
    "dashboard.middleware.harmless_admin",
]
ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "dashboard" / "templates" if INSTALLED else BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["dashboard.rendering.joined_lines.Loader", "django.template.loaders.app_directories.Loader"],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context_processors.product",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static"],
        },
    }
]

LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
# Sessions name the backend that opened them: one that is removed from here ends them, and the calls of their people.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["dashboard.passwords.BoundedPBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- Mail -------------------------------------------------------------------------------------------------------------

_MAIL_MEND = "Write submission://user:password@host:587, or smtp://user:password@host:465/?ssl=true."
EMAIL_URL: str = env.str("EMAIL_URL", "").strip()
CAN_MAIL = bool(EMAIL_URL)
if CAN_MAIL and not EMAIL_URL.startswith(("smtp://", "submission://")):
    raise ImproperlyConfigured(f"EMAIL_URL names no mail server. {_MAIL_MEND}")
_MAIL: dict[str, Any] = read(env.dj_email_url, "EMAIL_URL", "dummy:", mend=_MAIL_MEND)
EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT = _MAIL["EMAIL_BACKEND"], _MAIL["EMAIL_HOST"], _MAIL["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL["EMAIL_HOST_USER"], _MAIL["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL["EMAIL_USE_TLS"], _MAIL["EMAIL_USE_SSL"]
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL: str = env.str("EMAIL_FROM", "") or f"floorline@{urlsplit(PUBLIC_URL).hostname}"
PASSWORD_RESET_TIMEOUT = 60 * 60

# --- Signing in (django-allauth) --------------------------------------------------------------------------------------

ACCOUNT_ADAPTER = "dashboard.signing_in.adapter.AccountAdapter"
ACCOUNT_FORMS = {"login": "dashboard.signing_in.forms.SignInForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_ENABLED = False
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # administrators make the accounts, and write the addresses
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # whoever types any address must not make Floorline write to it
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_SESSION_COOKIE_AGE = 12 * 60 * 60  # the same as SESSION_COOKIE_AGE
# These may not go on without a second factor. Beside the sandbox nobody is meant, unless it is said.
SECOND_FACTOR_FOR = frozenset(words("SECOND_FACTOR_FOR"))
if not SECOND_FACTOR_FOR and not SANDBOX and "SECOND_FACTOR_FOR" not in os.environ:
    SECOND_FACTOR_FOR = frozenset({"staff", "barge"})
if not {"staff", "barge"} >= SECOND_FACTOR_FOR:
    raise ImproperlyConfigured("SECOND_FACTOR_FOR may name staff and barge, parted by a comma, or be empty.")
# An office has one address: its forty people may mistype, a guesser at one address may not go on. "key" is the account,
# here the browser that its owner has signed in on. Successful sign-ins are not counted at all.
ACCOUNT_RATE_LIMITS = {
    "login": None,
    "password_failed": "100/10m/ip,10/10m/key",
    "password_failed_here": "10/10m/key",
    "login_failed": "6/15m/key",  # codes of second factors
    "reset_password": "40/10m/ip,3/10m/key",
    "single_sign_on": "120/10m/ip",  # ways to the issuer; an office has one address
}
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]
# Exports of the audit and changes of rights want a sign-in, or a confirmation, of the last minutes.
CONFIRMED_SECONDS = 15 * 60
MFA_ADAPTER = "dashboard.signing_in.second_factors.SecondFactorAdapter"
# Browsers have passkeys for names over https and for localhost, never for an address in digits.
PASSKEYS = SECURE or urlsplit(PUBLIC_URL).hostname == "localhost"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", *(["webauthn"] if PASSKEYS else [])]
MFA_PASSKEY_LOGIN_ENABLED = PASSKEYS
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # no password is asked for, so the finger or the PIN is the second factor
MFA_FORMS = {
    "add_webauthn": "dashboard.signing_in.forms.AddPasskeyForm",
    "login_webauthn": "dashboard.signing_in.forms.SignInByPasskeyForm",
    "authenticate_webauthn": "dashboard.signing_in.forms.PasskeyAsSecondFactorForm",
    "reauthenticate_webauthn": "dashboard.signing_in.forms.ReauthenticateByPasskeyForm",
}
MFA_RATE_LIMITS = {"webauthn_login": "120/10m/ip"}  # questions and answers; an office has one address
MFA_TOTP_ISSUER = "Floorline"
MFA_TOTP_TOLERANCE = 1  # phones and servers are some seconds apart, and typing takes some
MFA_ALLOW_UNVERIFIED_EMAIL = True

# --- Single sign-on (OpenID Connect) ----------------------------------------------------------------------------------

OIDC_ISSUER: str = env.str("OIDC_ISSUER", "").strip()
OIDC_CLIENT_ID: str = env.str("OIDC_CLIENT_ID", "").strip()
OIDC_CLIENT_SECRET: str = env.str("OIDC_CLIENT_SECRET", "").strip()
OIDC_NAME: str = env.str("OIDC_NAME", "").strip() or "single sign-on"
OIDC_USERNAME_CLAIM: str = env.str("OIDC_USERNAME_CLAIM", "").strip() or "preferred_username"
# Words of the issuer's claim amr that stand for a second factor; none unless it is said.
OIDC_SECOND_FACTOR = frozenset(words("OIDC_SECOND_FACTOR"))
OIDC = bool(OIDC_ISSUER and OIDC_CLIENT_ID and OIDC_CLIENT_SECRET)
if not OIDC and any(name.startswith("OIDC_") and value.strip() for name, value in os.environ.items()):
    raise ImproperlyConfigured(
        "Single sign-on needs OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET. Set all three, or nothing of OIDC."
    )
if OIDC and not is_issuer(OIDC_ISSUER):
    raise ImproperlyConfigured(
        f"OIDC_ISSUER must be an https address such as https://login.example.com/realms/floor, not {OIDC_ISSUER!r}. "
        "Copy it from the field issuer of its discovery document."
    )
SOCIALACCOUNT_ADAPTER = "dashboard.signing_in.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # people are found by their user name alone

LANGUAGE_CODE = "en"
# As long as there is no catalogue of ours: Django's own alone would turn single words into a browser's language.
LANGUAGES = [("en", "English")]
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = ["dashboard.formats"]
TIME_ZONE = "UTC"
LOCALE_PATHS = [] if INSTALLED else [BASE_DIR / "locale"]

STATIC_URL = "/static/"
STATICFILES_DIRS = [] if INSTALLED else [BASE_DIR / "static"]
# Collected here at the start; an image collects them when it is built, and names the folder.
STATIC_ROOT = Path(env.str("STATIC_ROOT", "") or (FLOORLINE_HOME if INSTALLED else BASE_DIR) / "staticfiles")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django_manifeststaticfiles_enhanced.storage.EnhancedManifestStaticFilesStorage"},
}

# --- Security ---------------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-floorline" if SECURE else "floorline"
CSRF_COOKIE_NAME = "__Host-floorline-csrf" if SECURE else "floorline-csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
THEME_COOKIE_NAME = "floorline-theme"
# For one browser; without a choice, its own setting counts.
THEMES = ("light", "dark")
CSRF_FAILURE_VIEW = "dashboard.views.pages.form_refused"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if SECURE else []
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains: Floorline cannot know whether other hosts below this name have certificates
    "security.W008",  # the redirect to https is the proxy's: Floorline itself is reached over http by it alone
    "security.W021",  # nor is the browsers' preload list
]
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if SECURE else 0

# --- Logging ----------------------------------------------------------------------------------------------------------

LOG_LEVEL: str = env.str("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
    raise ImproperlyConfigured(f"LOG_LEVEL cannot be {LOG_LEVEL!r}. Say DEBUG, INFO, WARNING, ERROR or CRITICAL.")

SENTRY_DSN: str = env.str("SENTRY_DSN", "").strip()
if SENTRY_DSN and find_spec("sentry_sdk") is None:
    raise ImproperlyConfigured("SENTRY_DSN needs a package more. Install it: pip install 'floorline[sentry]'.")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "dashboard.log_lines.LogFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {"urllib3": {"level": "WARNING"}, "django.request": {"level": "ERROR"}},
}

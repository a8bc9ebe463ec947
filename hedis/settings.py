"""All settings, one file: the environment in, strings and numbers out.

Every variable is listed with a sentence in `.env.example`; a test keeps the two in step. A missing or weak secret
stops the start: a system that holds PHI must not come up half-protected (45 CFR 164.312(a), (c)).
"""

from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from environs import Env

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_env(str(BASE_DIR / ".env"), recurse=False)

DEBUG: bool = env.bool("DEBUG", False)


def secret(name: str, *, bits: int = 256) -> str:
    """A secret of the environment, or of a file named by NAME_FILE; refuses a missing, short or repetitive one.

    In DEBUG a fixed, loudly named stand-in is used so that a developer can start with nothing set.
    """
    path = env.str(f"{name}_FILE", "")
    value = Path(path).read_text(encoding="utf-8").strip() if path else env.str(name, "")
    if not value and DEBUG:
        return f"debug-only-{name.lower()}-never-for-real-members-0123456789"
    wanted = bits // 8
    weak = len(value) < wanted or len(set(value)) < 10 or "change-me" in value.lower() or "debug-only" in value
    if weak and not DEBUG:
        raise ImproperlyConfigured(
            f"{name} is missing or weak: give at least {wanted} random characters "
            f"(python -c 'import secrets; print(secrets.token_urlsafe(48))'), or DEBUG=true for a trial."
        )
    return value


SECRET_KEY = secret("SECRET_KEY")
# One key per plan and purpose, never in the database or its backups: it is what keeps a pseudonym from being guessed.
PSEUDONYM_KEY = secret("PSEUDONYM_KEY")
PSEUDONYM_KEY_VERSION: int = env.int("PSEUDONYM_KEY_VERSION", 1)
PSEUDONYM_TENANT: str = env.str("PSEUDONYM_TENANT", "plan")

ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
BEHIND_TLS: bool = env.bool("BEHIND_TLS", True)
TRUSTED_PROXIES: int = env.int("TRUSTED_PROXIES", 0)

# Everything the application writes: warehouse, quarantine, its own database server where none is given.
DATA_DIR: Path = env.path("DATA_DIR", BASE_DIR / "data")
# How `--engine spark` reaches Spark; what the three mean: hedis.engine.backends.SparkOptions.
SPARK: dict[str, Any] = {
    "master": env.str("SPARK_MASTER", ""),
    "session": env.dict("SPARK_CONF", {}),
    "warehouse": env.str("SPARK_WAREHOUSE", ""),
}

INSTALLED_APPS = [
    "hedis.apps.HedisConfig",
    "hedis.apps.PlanAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "auditlog",
    "csp",
    "procrastinate.contrib.django",
    "audit",
    "hedis.accounts",
    "hedis.members",
    "hedis.measures",
    "hedis.evidence",
    "hedis.gaps",
    "hedis.stars",
    "predictions",
    "interventions",
]

MIDDLEWARE = [
    "hedis.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "audit.middleware.AuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "hedis.urls"
WSGI_APPLICATION = "hedis.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

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
            ],
            "libraries": {
                "portfolio": "hedis.lib.templatetags.portfolio",
                "stars": "hedis.lib.templatetags.stars",
            },
        },
    },
]

# --- Database: PostgreSQL only -------------------------------------------------------------------------------------

DATABASE_URL: str = env.str("DATABASE_URL", "")
PRIVATE_DATABASE = not DATABASE_URL
# The web server asks for the pool (hedis/wsgi.py); a command needs one connection and should not open five.
DATABASE_POOL: bool = env.bool("DATABASE_POOL", False)
DATABASE_POOL_MIN: int = env.int("DATABASE_POOL_MIN", 5)
DATABASE_POOL_MAX: int = env.int("DATABASE_POOL_MAX", 20)


def database() -> dict[str, Any]:
    """The one database: the given one, or a private server that starts at the first connection."""
    if PRIVATE_DATABASE:
        config: dict[str, Any] = {"ENGINE": "hedis.lib.database", "NAME": "hedis"}
    else:
        config = dict(dj_database_url.parse(DATABASE_URL))
        if config["ENGINE"] != "django.db.backends.postgresql":
            raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database: postgresql://…")
    if DATABASE_POOL:
        config.setdefault("OPTIONS", {})["pool"] = {"min_size": DATABASE_POOL_MIN, "max_size": DATABASE_POOL_MAX}
    return config


DATABASES = {"default": database()}

# --- People and sessions -------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE: int = env.int("SESSION_IDLE_SECONDS", 15 * 60)
SESSION_SAVE_EVERY_REQUEST = True  # makes the age an idle time (45 CFR 164.312(a)(2)(iii), automatic logoff)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if BEHIND_TLS and TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- Language, time, static files ----------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
TIME_ZONE: str = env.str("TIME_ZONE", "UTC")
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = ["hedis.lib.formats"]

STATIC_URL = "static/"
# Only for a proxy that serves files itself (collectstatic); without it the application finds and serves its own.
STATIC_ROOT: str | None = env.str("STATIC_ROOT", "") or None
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = True

# --- API -----------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "hedis.accounts.keys.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["hedis.accounts.permissions.ModelPermissions"],
    "DEFAULT_PAGINATION_CLASS": "hedis.lib.paging.PageNumber",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "rest_framework.filters.OrderingFilter",
        "rest_framework.filters.SearchFilter",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "EXCEPTION_HANDLER": "hedis.lib.problem.handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": env.str("API_RATE", "600/min")},
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# Canonical URLs and identifier systems are made of it, so it stays the same behind every host name.
FHIR_BASE_URL: str = env.str("FHIR_BASE_URL", "http://localhost:8000/fhir").rstrip("/")
SPECTACULAR_SETTINGS = {
    "TITLE": "HEDIS Star Rating Portfolio Optimizer",
    "DESCRIPTION": "Members, gaps in care, measures and ratings of a Medicare Advantage plan. "
    "Results are HEDIS-aligned, not NCQA-certified.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ModelStateEnum": "predictions.models.State",
        "RunStateEnum": "hedis.lib.runs.RunState",
        "VerdictEnum": "predictions.models.Verdict",
        "MeasureKindEnum": "hedis.measures.models.Measure.Kind",
        "InterventionStateEnum": "interventions.models.State",
        "InterventionKindEnum": "interventions.models.Kind",
        "CampaignStateEnum": "interventions.models.CampaignState",
        "ContactChannelEnum": "interventions.models.Channel",
    },
}

# --- Change tracking: the readable field-by-field diff of hand edits; the ledger (audit) is the record --------------

AUDITLOG_INCLUDE_TRACKING_MODELS = (
    "members.Contract",
    "members.Provider",
    "members.ContactPreference",
    {"model": "accounts.User", "exclude_fields": ["password", "last_login"]},
)

# --- Pages: wiring by name, so that no room imports another's door --------------------------------------------------

HOME_PANELS: list[str] = [
    "hedis.gaps.dashboards.queue_panel",
    "interventions.outlook_home.outlook_panel",
    "audit.dashboards.activity_panel",
    "hedis.gaps.dashboards.rates_panel",
    "hedis.stars.dashboards.stars_panel",
    "predictions.health.models_panel",
    "hedis.accounts.dashboards.people_panel",
    "hedis.evidence.dashboards.data_panel",
]

# Parts of the member's page: each gets the request and the member, and answers None where it has nothing to say.
MEMBER_PANELS: list[str] = [
    "hedis.gaps.dashboards.member_gaps_panel",
    "interventions.dashboards.member_interventions_panel",
    "audit.dashboards.member_events_panel",
]

# Columns that rooms higher up the line add to the list of members.
MEMBER_COLUMNS: list[str] = [
    "hedis.gaps.dashboards.OPEN_GAPS",
]

# What rooms higher up the line add to gaps: columns and filters of the list, chips in the queue, parts of the card
# and of the page.
GAP_COLUMNS: list[str] = ["predictions.dashboards.STAYS_OPEN"]
GAP_FILTERS: list[str] = ["predictions.dashboards.TierFilter"]
GAP_CHIPS: list[str] = ["predictions.dashboards.tier_chips", "interventions.dashboards.planned_chips"]
GAP_PARTS: list[str] = ["predictions.dashboards.gap_parts"]
# What the queue is ordered by before the contact dates: an aggregate of a member's gaps.
QUEUE_RANK = "interventions.dashboards.plan_priority"

# Pages of the admin beside Django's own: address, view, name.
ADMIN_PAGES: list[tuple[str, str, str]] = [
    ("queue/", "hedis.gaps.queue_page.my_queue", "my_queue"),
    ("rates/", "hedis.gaps.rates_page.measure_rates", "measure_rates"),
    ("code-lists/", "hedis.measures.dashboards.code_lists", "code_lists"),
    ("stars/", "hedis.stars.dashboards.star_ratings", "star_ratings"),
    ("stars/compare/", "hedis.stars.dashboards.compare", "star_compare"),
    (
        "stars/<contract_number:number>/<star_year:star_year>/",
        "hedis.stars.dashboards.contract_stars",
        "contract_stars",
    ),
    ("stars/<contract_number:number>/<star_year:star_year>/why/", "hedis.stars.dashboards.why", "star_why"),
    # After the pages of the stars, which name these kinds of addresses.
    ("outlook/", "interventions.outlook_page.outlook_list", "outlook"),
    ("outlook/panel/", "interventions.outlook_home.panel_alone", "outlook_panel"),
    (
        "outlook/<contract_number:number>/<star_year:year>/",
        "interventions.outlook_page.outlook_contract",
        "outlook_contract",
    ),
    (
        "outlook/<contract_number:number>/<star_year:year>/velocity/",
        "interventions.velocity_page.contract_velocity",
        "outlook_velocity",
    ),
    ("equity/", "interventions.equity_page.equity", "equity"),
    ("money/", "interventions.money_page.money_list", "money"),
    (
        "money/<contract_number:number>/<star_year:year>/",
        "interventions.money_page.money_contract",
        "money_contract",
    ),
    ("money/counties/upload/", "interventions.county_admin.upload", "counties_upload"),
]

# Sections of links: label, page, permission that shows it.
NAVIGATION: list[tuple[str, list[tuple[str, str, str]]]] = [
    (
        "Work",
        [
            ("My queue", "admin:my_queue", "gaps.change_gap"),
            ("Interventions", "admin:interventions_intervention_changelist", "interventions.view_intervention"),
            ("Gaps in care", "admin:gaps_gap_changelist", "gaps.view_gap"),
            ("Members", "admin:members_member_changelist", "members.view_member"),
            ("Predictions", "admin:predictions_prediction_changelist", "predictions.view_prediction"),
            ("Campaigns", "admin:interventions_campaign_changelist", "interventions.view_campaign"),
            ("Plans", "admin:interventions_plan_changelist", "interventions.view_plan"),
            ("Simulations", "admin:interventions_simulation_changelist", "interventions.view_simulation"),
        ],
    ),
    (
        "Quality",
        [
            ("Outlook", "admin:outlook", "gaps.view_measurecount"),
            ("Equity", "admin:equity", "gaps.view_measurecount"),
            ("Money", "admin:money", "interventions.view_countyfigures"),
            ("Counties", "admin:interventions_countyfigures_changelist", "interventions.view_countyfigures"),
            ("Measure rates", "admin:measure_rates", "gaps.view_measurecount"),
            ("Star ratings", "admin:star_ratings", "stars.view_publishedcontract"),
            ("Measures", "admin:measures_measure_changelist", "measures.view_measure"),
            ("Code lists", "admin:code_lists", "measures.view_valuesetlist"),
            ("Stored ratings", "admin:stars_rating_changelist", "stars.view_rating"),
            ("Entered scores", "admin:stars_enteredscore_changelist", "stars.view_enteredscore"),
            ("Snapshots", "admin:stars_snapshot_changelist", "stars.view_snapshot"),
            ("Prediction models", "admin:predictions_modelversion_changelist", "predictions.view_modelversion"),
            ("Scoring runs", "admin:predictions_scoringrun_changelist", "predictions.view_scoringrun"),
            ("Effects of actions", "admin:predictions_actioneffect_changelist", "predictions.view_actioneffect"),
        ],
    ),
    (
        "Plan",
        [
            ("Contracts", "admin:members_contract_changelist", "members.view_contract"),
            ("Providers", "admin:members_provider_changelist", "members.view_provider"),
            ("Imports", "admin:evidence_importbatch_changelist", "evidence.view_importbatch"),
        ],
    ),
    (
        "Oversight",
        [
            ("Audit ledger", "admin:audit_event_changelist", "audit.view_event"),
            ("Field changes", "admin:auditlog_logentry_changelist", "auditlog.view_logentry"),
            ("People", "admin:accounts_user_changelist", "accounts.view_user"),
            ("API keys", "admin:accounts_apikey_changelist", "accounts.view_apikey"),
        ],
    ),
]

# Verbs of rooms above that bring themselves up to date once `find_gaps` has found; each tells how many rows changed.
AFTER_FINDING: list[str] = [
    "interventions.ending.withdraw_met",
]

# What a snapshot keeps beside members, gaps and stars: name, function of year and day that gives its rows. The last
# part of a row's key names its column on the pages.
SNAPSHOT_PARTS: dict[str, str] = {
    "gaps_by_tier": "predictions.freezing.gaps_by_tier",
    "projected_stars": "interventions.freezing.projected_stars",
    "projected_measures": "interventions.freezing.projected_measures",
    "value": "interventions.freezing.value",
}
# Parts of a snapshot that take more than the sight of snapshots: what opens them.
SNAPSHOT_PERMISSIONS: dict[str, str] = {"value": "interventions.view_countyfigures"}

# What `manage.py bench` can measure.
BENCHES: dict[str, str] = {
    "gap_list": "hedis.gaps.bench.gap_list",
    "find_gaps": "hedis.gaps.bench.find_gaps",
    "stars": "hedis.stars.bench.stars",
    "measures": "hedis.demo.bench.measures",
    "predictions": "hedis.demo.predicting_bench.predictions",
    "optimiser": "interventions.bench.optimiser",
}

# --- Log: no PHI ever; member ids appear nowhere but in the ledger --------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        # The bridge to Spark tells of every connection it opens and closes, the queue of every job of the clock.
        "py4j": {"level": "WARNING"},
        "procrastinate": {"level": "WARNING"},
    },
}

"""The three people of every permission test: Kim supervises Billing, Lena leads it, Omar is a stranger.

Pages are tested as they are written, not as collectstatic names their files; passwords are hashed quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial

import hypothesis
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connections
from pytest_django.fixtures import Settings

from conferences import logins
from conferences.changes import hub
from conferences.clients import forget_clients
from conferences.models import Account, Agent, AuditOpening, Line, Team, TeamMembership, TeamRule
from dashboard.floor.live import floor as floor_of_this_process
from dashboard.push import worker_state
from dashboard.rendering import row_cache
from tests import planted
from tests.supervision.conftest import Floor, new_floor

# A loaded machine is slow to make up inputs, which says nothing about the code: the first draw builds Unicode tables.
# Each run tries the same inputs, so that a change is refused for what it changes; --hypothesis-profile=searching tries
# others, and many more.
patient = hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.too_slow], deadline=None)
hypothesis.settings.register_profile("floorline", patient, derandomize=True)
hypothesis.settings.register_profile("searching", patient, max_examples=5000)
hypothesis.settings.load_profile("floorline")


def pytest_configure() -> None:
    planted.begin()


@pytest.fixture(autouse=True)
def nothing_planted_is_logged() -> Iterator[None]:
    with planted.nothing_logged():
        yield


@pytest.fixture(autouse=True)
def static_files_under_their_own_names(settings: Settings) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "servestatic" not in name]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def nobody_needs_a_second_factor(settings: Settings) -> None:
    settings.SECOND_FACTOR_FOR = frozenset()


@pytest.fixture(autouse=True)
def nobody_is_asked_whether_it_is_them(settings: Settings) -> None:
    settings.CONFIRMED_SECONDS = 0  # a test signs people in without a password


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Give SQLite a file, as users have it: in memory, a thread that meets a lock fails instead of waiting.

    No commit waits for the disk. On PostgreSQL a TRUNCATE waits all the same, for the file that it removes, so the
    tables are emptied by DELETE, in any order: foreign keys are checked at the end of the transaction. The audit is
    opened for that, as retention opens it.
    """
    database = connections["default"]
    with pytest.MonkeyPatch.context() as changed:
        if database.vendor == "sqlite":
            database.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
            database.settings_dict["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
        else:
            database.settings_dict["OPTIONS"]["options"] = "-c synchronous_commit=off"
        changed.setattr(database.ops, "sql_flush", partial(_delete_from, database.ops.quote_name))
        yield


def _delete_from(quote: Callable[[str], str], _style: object, tables: Iterable[str], **_options: object) -> list[str]:
    opening, true = quote(AuditOpening._meta.db_table), "true" if connections["default"].vendor == "postgresql" else "1"
    rules, tables = quote(TeamRule._meta.db_table), list(tables)
    has_rules = TeamRule._meta.db_table in tables
    emptied = [f"DELETE FROM {quote(table)}" for table in tables if quote(table) != opening]
    return [
        f"INSERT INTO {opening} (id, never_id) VALUES (1, 0) ON CONFLICT DO NOTHING",
        *emptied,
        f"DELETE FROM {opening}",
        # The rule that a migration has put there is there again.
        *([f"INSERT INTO {rules} (place, looks_at, pattern, for_leads) VALUES (1000, 'any', '', {true})"] * has_rules),
    ]


@pytest.fixture(scope="session", autouse=True)
def the_hub_lets_go_of_the_database(django_db_setup: None) -> Iterator[None]:
    """Its thread outlives every event loop, and PostgreSQL drops no database that somebody is connected to."""
    yield
    hub.close()


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    """Forget what this process keeps between requests: it is about the database of the test before."""
    floor_of_this_process.forget()
    row_cache.forget()
    logins.forget()
    forget_clients()
    worker_state.begin(None)
    if connections["default"].vendor == "sqlite":  # elsewhere it is a table
        cache.clear()


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 8, 21, 14, 3, tzinfo=UTC)


@pytest.fixture
def account(db: None) -> Account:
    return Account.objects.create(name="default")


@pytest.fixture
def billing(db: None) -> Team:
    return Team.objects.create(name="Billing")


@pytest.fixture
def ana(billing: Team) -> Agent:
    return Agent.objects.create(name="Ana Ruiz", team=billing, sip_username="gencredAna", reference="ana")


@pytest.fixture
def max_falk(billing: Team) -> Agent:
    return Agent.objects.create(name="Max Falk", team=billing, sip_username="gencredMax", reference="max")


@pytest.fixture
def kim(billing: Team) -> User:
    """A supervisor: sees Billing and may do everything there; listens on a SIP phone."""
    user = User.objects.create_user("kim", password="kim-password", first_name="Kim", last_name="Winter")
    TeamMembership.objects.create(user=user, team=billing, may_monitor=True, may_whisper=True, may_barge=True)
    Line.objects.create(
        user=user, label="Desk phone", kind=Line.Kind.SIP, address="sip:kim@sip.telnyx.com", is_default=True
    )
    return user


@pytest.fixture
def lena(billing: Team) -> User:
    """A lead: staff, also sees conferences that belong to no team; may monitor only."""
    user = User.objects.create_user(
        "lena", password="lena-password", first_name="Lena", last_name="Sommer", is_staff=True
    )
    TeamMembership.objects.create(user=user, team=billing, is_lead=True)
    Line.objects.create(user=user, label="Mobile", kind=Line.Kind.PHONE, address="+4915550100777", is_default=True)
    return user


@pytest.fixture
def omar(db: None) -> User:
    """A stranger: signed in, in no team."""
    return User.objects.create_user("omar", password="omar-password", first_name="Omar", last_name="Haddad")


@pytest.fixture
def floor(transactional_db: None, settings: Settings, billing: Team) -> Iterator[Floor]:
    """A sandbox beside the database, on a clock of their own."""
    with new_floor(settings, billing) as floor:
        yield floor

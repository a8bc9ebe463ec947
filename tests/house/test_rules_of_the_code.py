"""Rules about the code itself."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from hedis.accounts.roles import ROLES

PROJECT = Path(__file__).resolve().parents[2]
CODE = [
    file
    for room in ("hedis", "predictions", "interventions", "audit")
    for file in sorted((PROJECT / room).rglob("*.py"))
    if "migrations" not in file.parts
]
# The line, lowest first: a model may point only at models of its own room or of one further down.
LINE = ["audit", "accounts", "members", "evidence", "measures", "gaps", "stars", "predictions", "interventions"]
SIDE_BY_SIDE = {"evidence", "measures"}
# Modules whose public functions write: each says who did it.
VERBS = [
    "hedis/accounts/people.py",
    "hedis/accounts/keys.py",
    "hedis/members/panels.py",
    "hedis/members/enrolling.py",
    "hedis/members/identifying.py",
    "hedis/gaps/workflow.py",
    "hedis/gaps/finding.py",
    "hedis/gaps/exporting.py",
    "hedis/gaps/extracting.py",
    "hedis/gaps/fhir/bulk.py",
    "hedis/measures/loading.py",
    "hedis/measures/importing.py",
    "hedis/evidence/importing.py",
    "hedis/stars/loading.py",
    "hedis/stars/rating.py",
    "hedis/stars/scores.py",
    "hedis/stars/snapshots.py",
    "interventions/campaigning.py",
    "interventions/planning.py",
    "interventions/outreach.py",
    "interventions/ending.py",
    "interventions/workflow.py",
    "predictions/registry.py",
    "predictions/scoring.py",
    "predictions/portfolio_run.py",
    "predictions/reviewing.py",
    "predictions/waiving.py",
    "predictions/monitoring.py",
    "predictions/exposures.py",
    "interventions/exposing.py",
    "interventions/deciding.py",
    "interventions/counties.py",
    "interventions/simulation_runs.py",
    "predictions/effects.py",
]


def relations() -> list[tuple[str, str, str]]:
    """(room, model.field, room pointed at) of every foreign key between our models."""
    return [
        (model._meta.app_label, f"{model.__name__}.{field.name}", field.related_model._meta.app_label)
        for model in apps.get_models()
        if model._meta.app_label in LINE
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.related_model._meta.app_label in LINE
    ]


def test_every_foreign_key_points_down_the_line() -> None:
    upward = [
        (room, field, target)
        for room, field, target in relations()
        if LINE.index(target) > LINE.index(room) or {room, target} == SIDE_BY_SIDE
    ]
    assert relations(), "the rule looked at nothing"
    assert upward == []


def test_the_ledger_points_at_nothing() -> None:
    assert [field for room, field, _ in relations() if room == "audit"] == []


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


DOWN_AND_UP = """
import django; django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
for label in {labels}:
    call_command("migrate", label, "zero", verbosity=0)
left = [name for name in connection.introspection.table_names() if name.startswith({prefixes})]
assert left == [], left
call_command("migrate", verbosity=0)
call_command("migrate", check_unapplied=True, verbosity=0)
"""


def test_migrations_go_down_and_up_again(django_db_setup: None, tmp_path: Path) -> None:
    url = os.environ["TEST_DATABASE_URL"]
    name = f"down_and_up_{os.getpid()}"
    # Django's own admin log and auditlog's hang on the user table, so they go down first.
    labels = ["admin", "auditlog", *reversed([label for label in LINE if (migrations_of(label)).is_dir()])]
    script = DOWN_AND_UP.format(labels=labels, prefixes=tuple(f"{label}_" for label in LINE))
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            environment = {**os.environ, "DATABASE_URL": with_database(url, name)}
            done = subprocess.run(
                [sys.executable, "-c", script],
                cwd=PROJECT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert done.returncode == 0, done.stderr


def migrations_of(label: str) -> Path:
    """Where a room keeps its migrations."""
    return Path(apps.get_app_config(label).path) / "migrations"


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def test_each_write_verb_takes_by_keyword_last() -> None:
    wrong = []
    for name in VERBS:
        for node in ast.parse((PROJECT / name).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and writes(node):
                last = node.args.kwonlyargs[-1].arg if node.args.kwonlyargs else ""
                if last != "by":
                    wrong.append(f"{name}: {node.name}")
    assert wrong == []


def writes(function: ast.FunctionDef) -> bool:
    """A verb is a function that opens a transaction of its own or writes the ledger."""
    decorated = any("atomic" in ast.unparse(decorator) for decorator in function.decorator_list)
    called = {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    return decorated or bool(called & {"ledger.record", "transaction.atomic"})


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(PROJECT)))
def test_no_naive_datetime_is_made(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"datetime\.now\(\)|datetime\.utcnow|fromtimestamp\([^,)]*\)|date\.today\(\)", text)


def test_every_module_stays_readable() -> None:
    long = {str(file.relative_to(PROJECT)): len(file.read_text(encoding="utf-8").splitlines()) for file in CODE}
    assert {name: lines for name, lines in long.items() if lines > 450} == {}


def test_no_module_is_named_for_a_layer() -> None:
    forbidden = {"utils.py", "helpers.py", "services.py", "managers.py", "signals.py"}
    assert [file for file in CODE if file.name in forbidden] == []


def test_every_permission_of_the_roles_page_exists(db: None) -> None:
    existing = {f"{app}.{code}" for app, code in Permission.objects.values_list("content_type__app_label", "codename")}
    named = {permission for role in ROLES for permission in role.permissions}
    assert named - existing == set()


def test_groups_hold_exactly_what_the_roles_page_says(db: None) -> None:
    for role in ROLES:
        held = {
            f"{app}.{code}"
            for app, code in Group.objects.get(name=role.name).permissions.values_list(
                "content_type__app_label", "codename"
            )
        }
        assert held == set(role.permissions), role.key


def test_a_permission_added_by_hand_goes_at_the_next_migrate(db: None) -> None:
    group = Group.objects.get(name="Care manager")
    group.permissions.add(Permission.objects.get(codename="view_event"))
    call_command("migrate", verbosity=0)
    assert not group.permissions.filter(codename="view_event").exists()


def test_env_example_has_a_sentence_for_every_variable_of_the_settings() -> None:
    source = (PROJECT / "hedis" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", source)) | set(re.findall(r"secret\(\"([A-Z_]+)\"", source))
    described, sentence = set(), ""
    for line in (PROJECT / ".env.example").read_text(encoding="utf-8").splitlines():
        if variable := re.fullmatch(r"(?:# )?([A-Z_]+)=.*", line):
            assert sentence, f"{variable[1]} has no sentence"
            described.add(variable[1])
        sentence = line if line.startswith("# ") and not variable else ""
    assert described == read


def test_generated_pages_are_not_stale(db: None) -> None:
    call_command("write_docs", check=True)


def test_every_setting_that_names_code_names_something_that_exists() -> None:
    from django.utils.module_loading import import_string

    beside_gaps = [*settings.GAP_FILTERS, *settings.GAP_CHIPS, *settings.GAP_PARTS]
    pages = [view for _, view, _ in settings.ADMIN_PAGES]
    for path in [*settings.HOME_PANELS, *settings.BENCHES.values(), *pages, *beside_gaps, settings.QUEUE_RANK]:
        assert callable(import_string(path)), path

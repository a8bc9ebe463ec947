"""A plan of women with gaps in two measures, stored as an import leaves it, and small models that are in force."""

import datetime as dt
import functools
import hashlib
import shutil
from pathlib import Path
from typing import Any

import ibis
import numpy as np
from django.test import override_settings

from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap, Status
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import Measure
from hedis.members.models import Member
from predictions import exporting, fitting, model_file, registry
from predictions.encoding import Encoding, Feature, Scaling
from predictions.feature_store import ScoreDay, open_store
from predictions.features import FEATURE_VERSION
from predictions.fitting import ModelKind
from predictions.models import ModelVersion, State
from predictions.tables import Kind
from tests.engine.plan import Plan
from tests.factories import make_measure
from tests.predictions import warehouse
from tests.predictions.registered import FILLED, FOUND, brought_to

YEAR, AS_OF, GENERATION = 2026, dt.date(2026, 9, 30), "20261001T000000Z-abcdef"
MEMBERS = 12
CODES = ("BCS", "COL")
FEATURES = (
    Feature("age", Kind.NUMBER),
    Feature("sex", Kind.CATEGORY, ("female", "male")),
    Feature("visit_days", Kind.NUMBER),
    Feature("days_since_visit", Kind.NUMBER),
    Feature("days_since_evidence", Kind.NUMBER),
    Feature("met_last_year", Kind.YES_NO),
    Feature("others_met_last_year", Kind.NUMBER),
)


def pseudonym(number: int) -> str:
    """The pseudonym of a member of this plan."""
    return hashlib.sha256(f"portfolio {number}".encode()).hexdigest()


PEOPLE = [pseudonym(number) for number in range(MEMBERS)]


def plan() -> Plan:
    """Everybody lacks both screenings, but for the first, who had her colon examined."""
    made = Plan()
    for number, member in enumerate(PEOPLE):
        events = [f"2026-0{month}-11 place-of-service:11" for month in range(1, number % 5 + 1)]
        events += ["2025-03-03 loinc:29771-3"] if number % 3 == 0 and number else []
        events += ["2026-02-02 loinc:29771-3"] if number == 0 else []
        made.add(member, f"195{6 + number % 4}-03-01", "2022-01-01..2026-12-31", "; ".join(events))
    return made


def write_warehouse(data: Path) -> Path:
    """The plan as a generation below this data directory; returns the directory."""
    connection, held = ibis.duckdb.connect(), warehouse.tables(plan(), YEAR)
    for name in ("member", "enrolment", "event", "dispensing"):
        folder = data / "warehouse" / GENERATION / name
        folder.mkdir(parents=True)
        connection.to_parquet(getattr(held, name).order_by("member"), folder / "part-0.parquet")
    connection.disconnect()
    return data


def put(data: Path, target: Path) -> None:
    """A data directory made once, as the test's own."""
    shutil.copytree(data, target, dirs_exist_ok=True)


@functools.cache
def fitted(kind: ModelKind, seed: int) -> tuple[Scaling | None, bytes]:
    """What is learnt from chance: who was seen seldom and not screened stays open."""
    random = np.random.default_rng(seed)
    width = sum(feature.width for feature in FEATURES)
    values = random.normal(0, 1, (400, width)) * 40 + 40
    values[random.random(values.shape) < 0.1] = np.nan
    labels = (np.nan_to_num(values[:, 4]) - np.nan_to_num(values[:, 3]) + random.normal(0, 40, 400) < 0).astype(int)
    found = fitting.fit(kind, 20 if kind is ModelKind.TREES else 0.1, Encoding(FEATURES), values, labels, 0)
    columns = width + (len(found.scaling.marks) if found.scaling else 0)
    return found.scaling, exporting.to_onnx(found, columns)


def small_model(kind: ModelKind = ModelKind.TREES, *, seed: int = 0, **card: Any) -> model_file.Model:
    """A real model of these features."""
    facts = {
        "versions": {"scikit-learn": "1.7"}, "metrics": FOUND, "thresholds": {"high": 0.6, "medium": 0.3},
        "training": {"feature_version": FEATURE_VERSION, "score_days": [[3, 31], [9, 30]], "seed": seed},
        "calibration_covariance": [[0.04, 0.01], [0.01, 0.02]],
    }  # fmt: skip
    scaling, graph = fitted(kind, seed)
    return model_file.Model(kind, Encoding(FEATURES), scaling, (1.0, 0.0), graph, {**facts, **card})


def registered(
    measure: Measure, folder: Path, *, trained_by: User, approved_by: User, state: str = State.DEPLOYED,
    version: str = "1", kind: ModelKind = ModelKind.TREES, **card: Any,
) -> ModelVersion:  # fmt: skip
    """A model of the measure in this state."""
    model_file.save(small_model(kind, seed=len(version), **card), folder)
    draft = registry.register(
        folder, name=f"{measure.code} stays open", version=version, measure=measure, attributes=FILLED,
        card="For the tests.", by=trained_by,
    )  # fmt: skip
    return brought_to(state, draft, by=approved_by)


def found_gaps(codes: tuple[str, ...] = CODES) -> FindingRun:
    """Members and gaps as a finding run leaves them; everybody's gaps are open."""
    Member.objects.bulk_create(
        Member(pseudonym=member, key_version=1, birth_year=1957, sex="female", first_seen_date=dt.date(2022, 1, 1))
        for member in PEOPLE
    )
    members = list(Member.objects.filter(pseudonym__in=PEOPLE))
    for code in codes:
        measure = make_measure(code)
        Gap.objects.bulk_create(
            Gap(
                member=member, measure=measure, year=YEAR, status=Status.PROSPECTIVE, reason="Nothing found.",
                data_as_of=AS_OF, closable_until=dt.date(YEAR, 12, 31), contact_by=dt.date(YEAR, 12, 1),
                definition_version="1",
            )
            for member in members
        )  # fmt: skip
    return FindingRun.objects.create(year=YEAR, data_as_of=AS_OF, generation=GENERATION, found_by="test")


def make_features(data: Path) -> Path:
    """The feature rows of both measures, as a portfolio run leaves them, below this data directory."""
    definitions = [DEFINITIONS[code] for code in CODES]
    with override_settings(DATA_DIR=data), open_store(ScoreDay(GENERATION, YEAR, AS_OF)) as store:
        for definition in definitions:
            store.part(definition, 0, definitions)
    return data

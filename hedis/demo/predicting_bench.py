"""What scoring costs: a batch of 100 through the API beside the same rows and model bare, and a whole plan in one job.

Runs in a process of its own, over a demo plan of its own, in one transaction that is rolled back: files, import,
gaps and models are made for it and are not part of the figures. The models are of the usual size (trees of 100
rounds for every measure, the dearer kind) and learnt from the plan's features and drawn labels: what they say means
nothing, what they cost is what a trained one costs.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client, override_settings

from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.demo.bench import peak_memory
from hedis.demo.loading import AS_OF, load_formulary
from hedis.demo.plan import write_plan
from hedis.engine.measure import Definition
from hedis.evidence import importing
from hedis.evidence.models import ImportBatch
from hedis.gaps import finding
from hedis.gaps.bench import milliseconds
from hedis.gaps.models import Gap
from hedis.measures import loading as measure_loading
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import Measure
from hedis.members.models import Member
from predictions import applying, encoding, exporting, fitting, learning, model_file, portfolio_run
from predictions.feature_store import ScoreDay, Store, open_store
from predictions.features import FEATURE_VERSION
from predictions.fitting import ModelKind
from predictions.model_file import Model
from predictions.models import ModelVersion, ScoringRun, State
from predictions.tables import typed

BY, SEED, BATCH, ROUNDS = "bench", 7, 100, 100
LEARNT_FROM = 2_000
"""Members whose features the models are learnt from."""
MEASURE = "COL"
SPEED_MEMBERS = (100_000,)


def predictions(members: tuple[int, ...] = SPEED_MEMBERS) -> dict[str, Any]:
    """Ratio of the batch, and rows a second and peak memory of the job, by plan size."""
    figures: dict[str, Any] = {}
    Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True)
    for size in members:
        with (
            TemporaryDirectory(prefix="bench-", dir=settings.DATA_DIR) as folder,
            ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=django.setup) as pool,
        ):
            found = pool.submit(measured, size, Path(folder)).result()
        figures |= {f"{size:,} members: {what}": value for what, value in found.items()}
    return figures


def measured(members: int, folder: Path) -> dict[str, Any]:
    """The figures for a plan of this size, made in `folder`; PostgreSQL is left as it was."""
    # The private server lies in the data directory: connect while that is still its own.
    connection.ensure_connection()
    with override_settings(DATA_DIR=folder), transaction.atomic():
        day = found_plan(members, folder)
        with open_store(day) as store:
            deploy(store)
        forget_peak()
        run = portfolio_run.carry_on(portfolio_run.take_up(year=day.year, by=BY), by=BY)
        figures = {**of_job(run), **of_batch(day)}
        transaction.set_rollback(True)
    return figures


def found_plan(members: int, folder: Path) -> ScoreDay:
    """A demo plan imported and its gaps found, as the running year's newest."""
    # What is loaded lies elsewhere; taken back with everything else.
    ImportBatch.objects.all().delete()
    write_plan(folder / "files", members, SEED, AS_OF)
    importing.import_tuva(folder / "files", by=BY)
    measure_loading.load(today=AS_OF, by=BY)
    load_formulary()
    finding.find(AS_OF.year, as_of=AS_OF, by=BY)
    run = portfolio_run.finding_of(AS_OF.year)
    return ScoreDay(run.generation, run.year, run.data_as_of)


def deploy(store: Store) -> None:
    """A model of every measure in force, and nothing else."""
    people = list(Member.objects.order_by("pseudonym").values_list("pseudonym", flat=True)[:LEARNT_FROM])
    ModelVersion.objects.filter(state=State.DEPLOYED).update(state=State.SUSPENDED)
    for code, rows in store.of_members(dict.fromkeys(DEFINITIONS, people)):
        definition = DEFINITIONS[code]
        model = learnt(definition, rows)
        place = f"models/bench-{definition.code}"
        sha256 = model_file.save(model, Path(settings.DATA_DIR) / place)
        ModelVersion.objects.create(
            name=f"{definition.code} bench", version="1", measure=Measure.objects.get(code=definition.code),
            state=State.DEPLOYED, folder=place, sha256=sha256, kind=model.kind.value,
            thresholds=model.card["thresholds"], trained_by=BY, approved_by="bench, too",
        )  # fmt: skip


def learnt(definition: Definition, rows: pa.Table) -> Model:
    """Trees of the usual size from the measure's features and drawn labels."""
    drawn = np.random.default_rng(SEED)
    names = [name for name in rows.column_names if name not in ("member", "out_of_reach")]
    columns = {name: typed(name, rows[name], definition.code) for name in names}
    names = [name for name in names if not learning.why_useless(columns[name])]
    labels = (drawn.random(rows.num_rows) < 0.3 + 0.4 * (columns["visit_days"].values < 3)).astype(np.int64)
    coding = encoding.learn(columns, names, single_codes=False)
    matrix = coding.matrix(columns)
    fitted = fitting.fit(ModelKind.TREES, ROUNDS, coding, matrix, labels, SEED)
    card = {
        "thresholds": {"high": 0.6, "medium": 0.4}, "training": {"feature_version": FEATURE_VERSION},
        "calibration_covariance": [[0.01, 0.0], [0.0, 0.01]],
    }  # fmt: skip
    return Model(ModelKind.TREES, coding, None, (1.0, 0.0), exporting.to_onnx(fitted, matrix.shape[1]), card)


def forget_peak() -> None:
    """Let the peak of this process's memory begin anew, where the system can: making the plan took more."""
    file = Path("/proc/self/clear_refs")
    if file.exists():
        file.write_text("5")


def of_job(run: ScoringRun) -> dict[str, Any]:
    """The whole plan in one job, making the features included."""
    return {
        "gaps scored in one job": run.scored,
        "measures": len(run.model_ids),
        "seconds, features included": round(run.seconds, 1),
        "rows a second": round(run.scored / run.seconds),
        "peak memory, MB": peak_memory() >> 20,
    }


def of_batch(day: ScoreDay) -> dict[str, Any]:
    """100 gaps through the API, with permissions, validation, reasons, ledger and answer, beside the bare steps."""
    gaps = Gap.objects.for_year(day.year).open().filter(measure__code=MEASURE, predictions__isnull=False)
    people = list(gaps.order_by("member__pseudonym").values_list("member__pseudonym", flat=True)[:BATCH])
    analyst = User.objects.create_user("bench-analyst")
    analyst.groups.add(Group.objects.get(name=roles.ANALYST.name))
    client = Client(HTTP_HOST="localhost")
    client.force_login(analyst)
    asked = {"items": [{"member": member, "measure": MEASURE, "year": day.year} for member in people]}

    def ask() -> None:
        answer = client.post("/api/v1/predictions/batch/", asked, content_type="application/json", secure=True)
        if answer.status_code != 200 or answer.json()["scored"] != len(people):
            raise AssertionError(f"the batch answered {answer.status_code}: {answer.content[:200]!r}")

    (file,) = day.folder.glob(f"{MEASURE}-*/*.parquet")
    model = model_file.load(Path(settings.DATA_DIR) / f"models/bench-{MEASURE}")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE bare (member text, measure text, year int, probability float8)")
    ours, raw = milliseconds(ask), milliseconds(lambda: bare(model, file, people))
    return {
        f"{len(people)} gaps through the API, ms": ours,
        "the same rows, graph and COPY alone, ms": raw,
        "ratio": round(ours / raw, 1),
    }


def bare(model: Model, file: Path, people: Sequence[str]) -> None:
    """Feature rows from Parquet, the model's graph, COPY of the probabilities: nothing else."""
    rows = pq.read_table(file, filters=[("member", "in", people)])
    chances = model.probabilities(applying.columns_of(rows, model.encoding, MEASURE))
    with connection.cursor() as cursor, cursor.copy("COPY bare FROM STDIN") as copy:
        for member, chance in zip(rows["member"].to_pylist(), chances.tolist(), strict=True):
            copy.write_row((member, MEASURE, AS_OF.year, chance))

"""A check of a model in use: what it compares, whom it leaves out, and what it says it could not measure."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit import ledger
from audit.models import Event
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap, Status
from hedis.members.models import Member
from predictions import monitoring, registry
from predictions.models import Arm, DriftCheck, Exposure, Level, ModelVersion, Prediction, State
from tests.conftest import person
from tests.factories import make_measure
from tests.predictions.registered import brought_to, make_model

pytestmark = pytest.mark.django_db
TENTHS = [0.1 * tenth for tenth in range(1, 10)]
REFERENCE = {
    "score": {"edges": TENTHS, "shares": [0.1] * 10},
    "features": {
        "days_since_last_visit": {"edges": [30, 90, 180], "shares": [0.25] * 4, "missing": 0.0},
        "dual": {"levels": [0.0, 1.0], "shares": [0.7, 0.3], "missing": 0.0},
        "days_left": {"levels": [184.0], "shares": [1.0], "missing": 0.0},
    },
}
TODAY = date(2026, 7, 15)


@pytest.fixture
def mo(db: None) -> User:
    """Model steward."""
    return person("mo", roles.MODEL_STEWARD)


@pytest.fixture
def model(tmp_path: Path, ben: User, mo: User) -> ModelVersion:
    """A model in force whose file says what it learnt from."""
    made = make_model(tmp_path, by=ben, measure=make_measure("COL"), known={"reference": REFERENCE})
    return brought_to(State.DEPLOYED, made, by=mo)


def scored(model: ModelVersion, told: Any, year: int = 2025, *, open_share: Any = None) -> list[Gap]:
    """A gap with its score for each of these probabilities; `open_share`: how likely each stayed open."""
    random = np.random.default_rng(year)
    stayed = random.random(len(told)) < np.asarray(told if open_share is None else open_share)
    start = Member.objects.count()
    members = Member.objects.bulk_create(
        Member(
            pseudonym=f"{start + n:064x}",
            key_version=1,
            birth_year=1955,
            sex="female",
            first_seen_date=date(2024, 1, 1),
        )
        for n in range(len(told))
    )
    gaps = Gap.objects.bulk_create(
        Gap(
            member=member, measure=model.measure, year=year, status=Status.OPEN if still else Status.CLOSED,
            reason="No screening found.", data_as_of=date(year + 1, 7, 1), closable_until=date(year, 12, 31),
            definition_version="1",
        )
        for member, still in zip(members, stayed, strict=True)
    )  # fmt: skip
    Prediction.objects.bulk_create(
        Prediction(
            gap=gap, member=gap.member, measure=gap.measure, year=year, model=model, probability=float(p), tier="high",
            recommendation="contact_first", feature_version="2", feature_sha256="0" * 64, as_of=date(year, 6, 30),
            generation="g1", scored_at=datetime(year, 7, 1, tzinfo=UTC), expires_on=date(year, 8, 1),
        )
        for gap, p in zip(gaps, told, strict=True)
    )  # fmt: skip
    return gaps


def judged(year: int, until: date) -> None:
    """The gaps of a year were found on what was known that day."""
    FindingRun.objects.create(year=year, data_as_of=until, generation="g2", found_by="ben")


def even(count: int) -> Any:
    """Scores spread as in the reference."""
    return (np.arange(count) % 100) / 100 + 0.005


def features(visits: Any, dual_share: float) -> pa.Table:
    """Rows of two features, and one of the calendar."""
    count = len(visits)
    return pa.table(
        {
            "days_since_last_visit": visits,
            "dual": [n < dual_share * count for n in range(count)],
            "days_left": [92] * count,
        }
    )


def test_a_model_that_tells_the_truth_about_the_same_people_is_fine(model: ModelVersion, mo: User) -> None:
    scored(model, even(600))
    judged(2025, date(2026, 7, 1))
    rows = features([n % 240 if n % 4 else n % 30 for n in range(600)], 0.3)
    made = monitoring.check(model, rows=rows, today=TODAY, by=mo)
    assert (made.level, made.alarms, made.rows, made.unknown) == (Level.FINE, [], 600, [])
    assert made.score_psi is not None and made.score_psi < 0.05
    assert set(made.feature_psi) == {"days_since_last_visit", "dual"}
    assert (made.calibration["year"], made.calibration["rows"]) == (2025, 600)
    assert abs(made.calibration["oe"]["value"] - 1) < 0.1


def test_the_rate_moves_while_the_order_stays_and_the_alarm_is_raised_on_calibration(
    model: ModelVersion, mo: User
) -> None:
    told = 0.2 + 0.5 * even(800)
    scored(model, told, open_share=np.clip(told * 1.35, 0, 1))
    judged(2025, date(2026, 7, 1))
    made = monitoring.check(model, rows=features([10] * 800, 0.3), today=TODAY, by=mo)
    assert made.level == Level.ACT
    assert made.alarms[0]["figure"] == "oe"
    assert made.calibration["oe"]["value"] > 1.25
    assert [alarm["about"] for alarm in made.alarms if alarm["figure"] == "feature_psi"] == ["days_since_last_visit"]


def test_a_year_counts_once_it_is_settled_and_judged_again(model: ModelVersion, mo: User) -> None:
    scored(model, even(300))
    judged(2025, date(2026, 1, 31))
    for today in (date(2026, 3, 1), TODAY):
        made = monitoring.check(model, today=today, by=mo)
        assert made.calibration == {} and monitoring.NOTHING_SETTLED in made.unknown
    judged(2025, date(2026, 6, 30))
    assert monitoring.settled_year(model, date(2026, 6, 29)) is None
    assert monitoring.check(model, today=date(2026, 6, 30), by=mo).calibration["year"] == 2025


def test_the_newest_scores_and_the_newest_settled_year_are_looked_at(model: ModelVersion, mo: User) -> None:
    for year in (2024, 2025):
        scored(model, even(150), year)
        judged(year, date(year + 1, 7, 1))
    scored(model, np.full(250, 0.95), 2026)
    made = monitoring.check(model, today=TODAY, by=mo)
    assert (made.year, made.rows, made.calibration["year"]) == (2026, 250, 2025)
    assert (made.alarms[-1]["figure"], made.alarms[-1]["level"], made.level) == ("score_psi", "act", Level.ACT)


def test_who_was_contacted_and_who_is_in_no_rate_any_more_is_left_out_and_counted(
    model: ModelVersion, mo: User
) -> None:
    gaps = scored(model, even(300))
    judged(2025, date(2026, 7, 1))
    Gap.objects.filter(pk__in=[gap.pk for gap in gaps[:40]]).update(status=Status.NOT_APPLICABLE, reason="")
    Gap.objects.filter(pk__in=[gap.pk for gap in gaps[40:100]]).update(status=Status.CLOSED, reason="")
    for place, arm in [(slice(40, 100), Arm.TREATED), (slice(100, 130), Arm.HELD_OUT)]:
        Exposure.objects.bulk_create(
            Exposure(member=gap.member, measure=gap.measure, year=2025, action="call", arm=arm, randomised=True,
                     from_day=date(2025, 8, 1), recorded_by="ben", recorded_at=datetime(2025, 8, 1, tzinfo=UTC))
            for gap in gaps[place]
        )  # fmt: skip
    found = monitoring.check(model, today=TODAY, by=mo).calibration
    assert (found["rows"], found["contacted"], found["without_outcome"]) == (200, 60, 40)
    assert abs(found["oe"]["value"] - 1) < 0.15


def test_too_few_scores_or_settled_gaps_are_told_and_no_figure_is_made_of_them(model: ModelVersion, mo: User) -> None:
    scored(model, even(60))
    judged(2025, date(2026, 7, 1))
    made = monitoring.check(model, rows=features([10] * 60, 0.3), today=TODAY, by=mo)
    assert (made.level, made.score_psi, made.feature_psi) == (Level.UNKNOWN, None, {})
    assert "oe" not in made.calibration and made.calibration["rows"] == 60
    assert "Score: 60 predictions, 200 are needed." in made.unknown
    assert any(words.startswith("Calibration: 60 settled gaps") for words in made.unknown)


def test_a_model_file_without_a_reference_and_rows_nobody_kept_are_told(
    tmp_path: Path, ben: User, mo: User, model: ModelVersion
) -> None:
    bare = brought_to(State.SHADOW, make_model(tmp_path, by=ben, version="2", measure=model.measure), by=mo)
    scored(bare, even(220))
    made = monitoring.check(bare, today=TODAY, by=mo)
    assert (made.level, made.score_psi) == (Level.UNKNOWN, None)
    assert made.unknown == [monitoring.NO_REFERENCE, monitoring.NOTHING_SETTLED]
    scored(model, even(220))
    assert monitoring.NO_ROWS in monitoring.check(model, today=TODAY, by=mo).unknown


def test_a_reference_that_mixes_score_dates_is_looked_at_and_one_of_the_nearest_date_acted_on(
    tmp_path: Path, ben: User, mo: User
) -> None:
    mixed = {"reference": REFERENCE, "training": {"score_days": [[3, 31], [6, 30], [9, 30]]}}
    june = {"rows": 700, "score": {"edges": [0.9], "shares": [0.02, 0.98]}, "features": {}}
    september = {"rows": 700, **REFERENCE}
    known = {**mixed, "reference": {**REFERENCE, "by_day": {"06-30": june, "09-30": september}}}
    measure = make_measure("COL")
    told = {}
    for version, held in (("1", mixed), ("2", known)):
        model = brought_to(
            State.SHADOW, make_model(tmp_path, by=ben, version=version, measure=measure, known=held), by=mo
        )
        scored(model, np.full(250, 0.95))
        made = monitoring.check(model, today=TODAY, by=mo)
        told[version] = (made.level, monitoring.MIXED in made.unknown)
    assert told == {"1": (Level.LOOK, True), "2": (Level.FINE, False)}
    Prediction.objects.filter(model=model).update(as_of=date(2025, 10, 31))
    assert monitoring.check(model, today=TODAY, by=mo).level == Level.ACT


def test_a_model_that_has_scored_nothing_and_one_whose_file_changed_are_refused(model: ModelVersion, mo: User) -> None:
    with pytest.raises(monitoring.NothingToWatch, match="has scored nothing yet"):
        monitoring.check(model, by=mo)
    scored(model, even(10))
    ModelVersion.objects.filter(pk=model.pk).update(sha256="0" * 64)
    model.refresh_from_db()
    with pytest.raises(registry.FileChanged):
        monitoring.check(model, by=mo)
    assert not DriftCheck.objects.exists()


def test_a_check_is_a_line_of_the_ledger_that_names_no_member(model: ModelVersion, mo: User) -> None:
    scored(model, np.full(250, 0.95))
    made = monitoring.check(model, today=TODAY, by=mo)
    line = Event.objects.get(action="model.checked")
    told = ledger.contents(line)
    assert (told["members"], told["after"]["level"], line.actor) == ([], made.level, "mo")
    assert DriftCheck.objects.newest().get() == made


def test_a_check_asks_as_often_for_many_gaps_as_for_few(
    model: ModelVersion, mo: User, django_assert_max_num_queries: Any
) -> None:
    judged(2025, date(2026, 7, 1))
    for count in (120, 300):
        scored(model, even(count))
        with django_assert_max_num_queries(14):
            monitoring.check(model, today=TODAY, by=mo)

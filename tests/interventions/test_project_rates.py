"""A contract's projection from what is stored: past runs, predictions in force, adherence, entered scores."""

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from hedis.accounts.models import User
from hedis.gaps.models import AdherenceClass, FindingRun, Gap, MeasureCount, Status, Transition, Work
from hedis.members.models import Contract
from hedis.stars import scores
from hedis.stars.standing import standing_of
from interventions import projection
from predictions.models import ModelVersion, State
from predictions.registry_models import ModelVersion as Version
from tests.factories import make_adherence, make_contract, make_measure
from tests.hedis.star_plan import OTHERS, make_gaps, scores_file
from tests.predictions.scored import make_prediction

pytestmark = pytest.mark.django_db


def answer(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("project_rates", *arguments, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def project(year: int = 2026) -> dict[str, Any]:
    return answer("--contract", "H1234", "--year", str(year))


def past_run(code: str, year: int, as_of: date, numerator: int, denominator: int = 100) -> None:
    """What a run of a past year counted."""
    run = FindingRun.objects.create(year=year, data_as_of=as_of, generation="old", found_by="system")
    MeasureCount.objects.create(
        run=run, measure=make_measure(code), contract=make_contract("H1234"), eligible=denominator, excluded=0,
        denominator=denominator, numerator=numerator, definition_version="1",
    )  # fmt: skip


def two_past_years(code: str = "COL", end: int = 80) -> None:
    for year in (2024, 2025):
        past_run(code, year, date(year, 9, 30), 60)
        past_run(code, year, date(year + 1, 3, 31), end)


def make_model(code: str, *, state: str = State.DEPLOYED) -> ModelVersion:
    """A model of a measure as a row alone: the projection asks only whether it is in force."""
    return Version.objects.create(
        name=f"open-gap-{code}", version=state, sha256="0" * 64, measure=make_measure(code), state=state,
        trained_by="somebody", approved_by="somebody else",
    )  # fmt: skip


def open_gaps(code: str) -> list[Gap]:
    return list(Gap.objects.filter(measure__code=code, status=Status.OPEN).order_by("pk"))


def test_past_years_carry_a_measure_to_the_years_end() -> None:
    make_gaps({"COL": (15, 25)})
    two_past_years()
    found = project()["measures"]["C02"]
    # 60 % on 30 September; in both years half of the open ones still closed.
    assert (found["rate_today"], found["rate"]) == (60.0, pytest.approx(80))
    assert found["methods"] == {"curve": 1.0}
    assert found["closable"] == 10
    assert sum(found["chances"]) == pytest.approx(1)
    assert found["interval"][0] < 80 <= found["interval"][1]


def test_predictions_in_force_carry_it_where_there_are_no_past_years() -> None:
    make_gaps({"COL": (15, 25)})
    deployed, shadow = make_model("COL"), make_model("COL", state=State.SHADOW)
    for gap, probability in zip(open_gaps("COL")[:5], (0.2, 0.4, 0.6, 0.8, 0.5), strict=True):
        make_prediction(gap, deployed, probability=probability, low=None, high=None)
        make_prediction(gap, shadow, probability=1.0, low=None, high=None)
    found = project()["measures"]["C02"]
    # A chance of a half on average, and the five without a prediction are like the five with one.
    assert found["methods"] == {"members": 1.0}
    assert found["numerator"] == pytest.approx(20)
    assert any("too narrow" in note for note in found["notes"])


def test_predictions_of_a_past_year_are_tried_against_how_it_ended() -> None:
    contract = make_gaps({"COL": (15, 25)})
    model = make_model("COL")
    for gap in open_gaps("COL"):
        make_prediction(gap, model, probability=0.5, low=None, high=None)
    for year in (2023, 2024, 2025):
        past_run("COL", year, date(year, 9, 30), 60)
        past_run("COL", year, date(year + 1, 3, 31), 80)
    make_gaps({"COL": (6, 10)}, contract=contract, year=2025)
    for number, gap in enumerate(Gap.objects.filter(year=2025).order_by("pk")):
        as_of = date(2025, 9, 15) if number else date(2025, 3, 1)
        make_prediction(gap, model, probability=0.2, low=None, high=None, as_of=as_of)
    courses = projection.courses(contract, 2026)
    (trial,) = projection.member_trials(contract, 2026, 273, courses)["COL"]
    # The one made in March is of another time of year: nine predictions, 7.2 expected, five closed.
    assert (trial.year, trial.actual, trial.forecast) == (2025, 0.8, pytest.approx(0.8 + (7.2 - 5) / 100))
    found = project()["measures"]["C02"]
    # The curve was right to a tenth of a point in two years, the members two points off.
    assert found["methods"]["curve"] > 0.99
    assert found["methods"]["curve"] + found["methods"]["members"] == pytest.approx(1)


def test_a_closed_gap_keeps_no_prediction_from_before() -> None:
    make_gaps({"COL": (15, 25)})
    model = make_model("COL")
    closed = Gap.objects.filter(status=Status.CLOSED).first()
    assert closed is not None
    make_prediction(closed, model, probability=0.9, low=None, high=None)
    assert project()["left_out"] == {"COL": "nothing to forecast from: no past year, no chances, no claim lag"}


def test_members_who_lost_their_goal_have_no_chance_and_those_covered_to_the_end_are_certain() -> None:
    make_gaps({"COL": (10, 20)})
    gaps = open_gaps("COL")
    for gap in gaps[:4]:
        make_adherence(gap, adherence_class=AdherenceClass.UNSALVAGEABLE, missable_days=-3, last_chance_date=None)
    for gap in gaps[4:]:
        make_adherence(gap, adherence_class=AdherenceClass.LOCKED_IN)
    found = project()["measures"]["C02"]
    assert (found["numerator"], found["interval"]) == (pytest.approx(16), [80, 80])


def test_a_reversible_measure_loses_members_as_often_as_closed_gaps_reopened() -> None:
    make_gaps({"CBP": (18, 20)})
    make_measure("CBP").__class__.objects.filter(code="CBP").update(reversible=True)
    for number, gap in enumerate(Gap.objects.filter(status=Status.CLOSED)):
        steps = [Work.CLOSED_CLAIM, *([Work.REOPENED, Work.CLOSED_CLAIM] if number < 2 else [])]
        for to in steps:
            Transition.objects.create(
                gap=gap, from_status="", to_status=Status.CLOSED, from_work_status="", to_work_status=to,
                by="system", at="2026-09-30T08:00Z",
            )  # fmt: skip
    model = make_model("CBP")
    for gap in open_gaps("CBP"):
        make_prediction(gap, model, probability=1.0, low=None, high=None)
    found = project()["measures"]["C14"]
    # 20 closings, 2 of them undone: (18 + 1)/(20 + 2) of 18 stay.
    assert found["numerator"] == pytest.approx(18 * 19 / 22)
    assert found["closable"] == 2


def test_a_measure_of_which_only_ends_are_known_ends_as_they_did() -> None:
    make_gaps({"COL": (15, 25)})
    past_run("COL", 2025, date(2025, 12, 31), 70)
    found = project()["measures"]["C02"]
    assert (found["rate"], found["methods"]) == (pytest.approx(70), {"past_years": 1.0})


def test_a_year_that_was_never_read_to_its_end_teaches_nothing() -> None:
    make_gaps({"COL": (15, 25)})
    past_run("COL", 2025, date(2025, 6, 30), 40)
    past_run("COL", 2025, date(2025, 9, 30), 60)
    assert "COL" in project()["left_out"]


def test_a_leap_year_is_read_on_the_same_date() -> None:
    # 30 September is day 274 of 2024, a day later than now: taken as it is, the year would not have been read yet.
    assert projection.day_of(date(2024, 9, 30), 2024) == projection.day_of(date(2026, 9, 30), 2026) == 273
    assert projection.day_of(date(2024, 2, 28), 2024) == 59
    assert projection.day_of(date(2024, 2, 29), 2024) == 59
    assert projection.day_of(date(2025, 3, 31), 2024) == 365 + 90


def test_another_contracts_past_and_members_do_not_count() -> None:
    make_gaps({"COL": (15, 25)})
    two_past_years()
    other = make_gaps({"COL": (1, 9)}, contract=make_contract("H9999"))
    MeasureCount.objects.filter(run__year=2025).update(contract=other)
    found = project()["measures"]["C02"]
    assert (found["denominator"], found["rate"]) == (25, pytest.approx(80))


def test_the_rating_takes_entered_scores_as_they_stand(dee: User, tmp_path: Path) -> None:
    contract = make_gaps({"COL": (15, 25), "GSD": (15, 25)})
    two_past_years()
    alone = project()
    assert alone["rating"]["chances"] == {}
    assert alone["rating"]["not_rated"] == "too_few_measures"
    enter(contract, tmp_path, by=dee)
    found = project()
    chances = found["rating"]["chances"]
    assert sum(chances.values()) == pytest.approx(1)
    assert set(found["fixed_stars"].values()) <= {1, 2, 3, 4, 5}
    assert "C02" not in found["fixed_stars"] and "C12" in found["fixed_stars"]
    shared = found["rating_if_errors_are_shared"]["expected"]
    assert found["rating"]["expected"] == pytest.approx(shared, abs=0.3)


def enter(contract: Contract, folder: Path, *, by: User) -> None:
    """Four-star scores of everything that nothing computes."""
    gone = standing_of(contract, 2028).gone
    file = folder / "scores.csv"
    file.write_text(scores_file({name: score for name, score in OTHERS.items() if name not in gone}), encoding="utf-8")
    scores.import_file(file, 2028, by=by)


def test_the_number_of_queries_does_not_grow_with_members(django_assert_max_num_queries: Any) -> None:
    contract = make_gaps({"COL": (6, 12), "GSD": (3, 6)})
    two_past_years()
    model = make_model("COL")
    for number, gap in enumerate(open_gaps("COL")):
        make_prediction(gap, model, probability=number / 10, low=None, high=None)
    with django_assert_max_num_queries(16):
        projection.projected(contract, 2026)


@pytest.mark.parametrize(
    ("contract", "year", "code", "reason"),
    [("H0000", "2026", 2, "no contract"), ("H1234", "2024", 1, "no gaps"), ("H1234", "1990", 2, "1992")],
)
def test_what_cannot_be_projected_is_told(contract: str, year: str, code: int, reason: str) -> None:
    make_gaps({"COL": (1, 2)})
    with pytest.raises(CommandError, match=reason) as refused:
        answer("--contract", contract, "--year", year)
    assert refused.value.returncode == code


def test_people_read_a_table() -> None:
    make_gaps({"COL": (15, 25), "GSD": (15, 25)})
    two_past_years()
    out = io.StringIO()
    call_command("project_rates", contract="H1234", year=2026, stdout=out)
    text = out.getvalue()
    assert "C02 COL" in text and "60.0" in text
    assert "left out: GSD" in text and "not rated, too_few_measures" in text

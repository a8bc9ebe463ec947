"""Scoring one gap and a batch: what is stored, what is refused, and that nobody is scored by what is not a model."""

import dataclasses
import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps.models import AdherenceClass, FindingRun, Gap
from hedis.measures.models import Measure
from hedis.members.models import Member
from predictions import applying, feature_store, quality, registry, scoring
from predictions.fitting import ModelKind
from predictions.models import DriftCheck, Level, ModelVersion, Prediction, Recommendation, State, Tier
from predictions.scoring import Item, Outcome
from tests.factories import make_adherence, make_measure, make_member
from tests.predictions import portfolio
from tests.predictions.portfolio import AS_OF, CODES, GENERATION, PEOPLE, YEAR, registered


@pytest.fixture
def col(found_plan: FindingRun, tmp_path: Path, ben: User, quinn: User) -> ModelVersion:
    """A model of COL in force."""
    return registered(make_measure("COL"), tmp_path / "col", trained_by=ben, approved_by=quinn)


@pytest.fixture
def bcs(found_plan: FindingRun, tmp_path: Path, ben: User, quinn: User) -> ModelVersion:
    """A model of BCS in force, of the other kind."""
    facts: dict[str, Any] = {"trained_by": ben, "approved_by": quinn, "kind": ModelKind.LOGISTIC}
    return registered(make_measure("BCS"), tmp_path / "bcs", **facts)


def items(code: str = "COL", people: list[str] = PEOPLE) -> list[Item]:
    return [Item(member, code, YEAR) for member in people]


def problems(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(outcome.problem.code, outcome.problem.field) for outcome in outcomes if outcome.problem]


def stored(prediction: Prediction) -> dict[str, Any]:
    """Everything of a prediction but when and by which run it was made."""
    apart = {"id", "scored_at", "run"}
    fields = [field for field in Prediction._meta.concrete_fields if field.name not in apart]
    return {field.name: getattr(prediction, field.attname) for field in fields}


def test_a_score_is_stored_with_everything_that_explains_it(col: ModelVersion, quinn: User) -> None:
    (outcome,) = scoring.score(items(people=PEOPLE[3:4]), by=quinn)
    found = outcome.prediction
    assert found is not None and outcome.problem is None
    assert (found.member.pseudonym, found.measure.code, found.year) == (PEOPLE[3], "COL", YEAR)
    assert found.gap == Gap.objects.get(member=found.member, measure=found.measure)
    assert found.model == col and found.as_of == AS_OF and found.generation == GENERATION
    assert found.low is not None and found.high is not None
    assert 0 < found.low < found.probability < found.high < 1 and found.expires_on == dt.date(2026, 12, 1)
    assert found.run is None and len(found.feature_sha256) == 64
    assert {each["feature"] for each in found.reasons} <= {each.name for each in portfolio.FEATURES}


def test_the_word_for_a_tier_and_a_recommendation_is_one_the_database_knows() -> None:
    told = quality.rules()["recommendation"]
    assert {applying.HIGH, applying.MEDIUM, applying.LOW} == set(Tier.values)
    assert set(told.values()) == set(Recommendation.values)
    assert told.keys() == {*Tier.values, "unreachable", "closes_alone"}


def test_one_by_one_and_in_a_batch_and_without_kept_rows_the_scores_are_the_same_to_the_last_bit(
    col: ModelVersion, bcs: ModelVersion, own_data_dir: Path, quinn: User
) -> None:
    every = [item for code in CODES for item in items(code)]
    batch = [stored(each.prediction) for each in scoring.score(every, by=quinn) if each.prediction]
    assert len(batch) == 2 * len(PEOPLE) - 1
    single = [scoring.score([item], by=quinn)[0].prediction for item in every]
    assert [stored(each) for each in single if each] == batch
    shutil.rmtree(own_data_dir / "features")
    some = [*items("BCS", PEOPLE[1:3]), *items("COL", PEOPLE[2:4])]
    fresh = [each.prediction for each in scoring.score(some, by=quinn)]
    assert all(each is not None and stored(each) in batch for each in fresh)
    assert not (own_data_dir / "features").exists()


@pytest.mark.parametrize("kind", ModelKind)
def test_contributions_and_base_add_up_to_the_log_odds(kind: ModelKind, plan_on_disk: Path) -> None:
    model = portfolio.small_model(kind)
    with_rows = sorted((plan_on_disk / "features").rglob("COL-*/*.parquet"))
    rows = feature_store.pq.read_table(with_rows[0])
    columns = applying.columns_of(rows, model.encoding, "COL")
    parts, base = model.contributions(columns)
    assert rows.num_rows and np.allclose(parts.sum(axis=1) + base, model.margins(columns), atol=1e-5)


def test_scoring_again_replaces_the_score_and_leaves_one_row(col: ModelVersion, quinn: User) -> None:
    (first,) = scoring.score(items(people=PEOPLE[3:4]), by=quinn)
    (second,) = scoring.score(items(people=PEOPLE[3:4]), by=quinn)
    assert first.prediction and second.prediction and Prediction.objects.count() == 1
    assert first.prediction.pk == second.prediction.pk and second.prediction.scored_at > first.prediction.scored_at


def test_an_item_asked_twice_is_scored_once_and_answered_twice(col: ModelVersion, quinn: User) -> None:
    first, second = scoring.score(items(people=[PEOPLE[3], PEOPLE[3]]), by=quinn)
    assert first == second and first.prediction is not None


def test_the_number_of_queries_does_not_grow_with_the_items(col: ModelVersion, bcs: ModelVersion, quinn: User) -> None:
    scoring.score(items(), by=quinn)
    counts = []
    for asked in (items(people=PEOPLE[3:4]), items()):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            scoring.score(asked, by=quinn)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 20


def test_the_good_items_of_a_batch_are_scored_and_each_bad_one_says_why(
    col: ModelVersion, quinn: User, own_data_dir: Path
) -> None:
    outsider = make_member().pseudonym
    make_measure("BCS")
    asked = [
        Item(PEOPLE[3], "COL", YEAR), Item("0" * 64, "COL", YEAR), Item(PEOPLE[3], "XYZ", YEAR),
        Item(PEOPLE[3], "BCS", YEAR), Item(PEOPLE[3], "COL", 2019), Item(outsider, "COL", YEAR),
        Item(PEOPLE[0], "COL", YEAR), Item(PEOPLE[4], "COL", YEAR),
    ]  # fmt: skip
    outcomes = scoring.score(asked, by=quinn)
    assert [outcome.item for outcome in outcomes] == asked
    assert [outcome.prediction is not None for outcome in outcomes] == [True, *[False] * 6, True]
    assert problems(outcomes) == [
        ("unknown_member", "member"), ("unknown_measure", "measure"), ("not_deployed", "measure"),
        ("wrong_year", "year"), ("no_open_gap", "measure"), ("no_open_gap", "measure"),
    ]  # fmt: skip
    assert Prediction.objects.count() == 2


def test_a_member_of_another_panel_is_unknown(col: ModelVersion, ana: User, dee: User) -> None:
    Member.objects.filter(pseudonym=PEOPLE[3]).update(care_manager=ana)
    own, stranger = scoring.score(items(people=PEOPLE[3:5]), by=ana)
    assert own.prediction and problems([stranger]) == [("unknown_member", "member")]
    assert problems(scoring.score(items(people=PEOPLE[3:4]), by=dee)) == [("unknown_member", "member")]


def test_without_a_deployed_model_nothing_is_scored_and_the_words_say_what_to_do(
    found_plan: FindingRun, quinn: User
) -> None:
    with pytest.raises(scoring.NoDeployedModel, match="train_model"):
        scoring.score(items(), by=quinn)
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_holds_one_to_a_thousand_items(count: int, db: None) -> None:
    with pytest.raises(scoring.WrongNumber, match="1 to 1,000"):
        scoring.score([Item("0" * 64, "COL", YEAR)] * count, by="test")


def test_a_changed_model_file_scores_nobody_and_leaves_a_ledger_line(
    col: ModelVersion, own_data_dir: Path, quinn: User
) -> None:
    assert scoring.score(items(people=PEOPLE[3:4]), by=quinn)[0].prediction
    file = own_data_dir / col.folder / "model.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"b": 0.0', '"b": 2.0'), encoding="utf-8")
    outcomes = scoring.score(items(people=PEOPLE[3:5]), by=quinn)
    assert problems(outcomes) == [("file_changed", "measure")] * 2
    assert str(own_data_dir) not in str(outcomes[0].problem)
    assert Event.objects.filter(action="model.loaded", outcome="denied", object_id=str(col.pk)).exists()
    assert Prediction.objects.count() == 1


def test_a_model_learnt_from_other_features_is_refused(
    found_plan: FindingRun, tmp_path: Path, ben: User, quinn: User
) -> None:
    registered(
        make_measure("COL"), tmp_path / "old", trained_by=ben, approved_by=quinn, training={"feature_version": "0"}
    )
    outcomes = scoring.score(items(people=PEOPLE[3:4]), by=quinn)
    assert problems(outcomes) == [("feature_version", "measure")]
    assert "train and deploy" in outcomes[0].problem.message  # type: ignore[union-attr]


def test_the_score_of_a_retired_model_stays_readable(col: ModelVersion, quinn: User) -> None:
    (outcome,) = scoring.score(items(people=PEOPLE[3:4]), by=quinn)
    assert outcome.prediction and Prediction.objects.in_force().exists()
    registry.transition(col, State.RETIRED, why="Replaced.", by=quinn)
    assert not Prediction.objects.in_force().exists()
    assert Prediction.objects.for_list().get().model.state == State.RETIRED


def test_a_year_that_has_ended_on_the_score_date_is_not_foreseen(col: ModelVersion, quinn: User) -> None:
    FindingRun.objects.create(year=YEAR, data_as_of=dt.date(2026, 12, 31), generation=GENERATION, found_by="test")
    assert problems(scoring.score(items(people=PEOPLE[3:4]), by=quinn)) == [("wrong_year", "year")]


def test_without_rows_and_without_the_warehouse_it_says_what_to_do(
    col: ModelVersion, own_data_dir: Path, quinn: User
) -> None:
    shutil.rmtree(own_data_dir / "features")
    shutil.rmtree(own_data_dir / "warehouse")
    with pytest.raises(scoring.NothingToScore, match="find the gaps"):
        scoring.score(items(people=PEOPLE[3:4]), by=quinn)


def test_a_batch_leaves_one_ledger_line_that_names_whom_it_scored(col: ModelVersion, quinn: User) -> None:
    scoring.score(items(people=PEOPLE[3:6]), by=quinn)
    event = Event.objects.get(action="prediction.scored")
    assert (event.actor, event.row_count) == ("quinn", 3)
    assert set(Subject.objects.filter(event_id=event.pk).values_list("member_pseudonym", flat=True)) == set(PEOPLE[3:6])


def test_where_nobody_has_a_score_nothing_is_written(col: ModelVersion, quinn: User) -> None:
    assert problems(scoring.score(items(people=PEOPLE[:1]), by=quinn)) == [("no_open_gap", "measure")]
    assert not Event.objects.filter(action="prediction.scored").exists()


def test_what_to_do_follows_tier_and_whether_a_contact_still_counts(col: ModelVersion, quinn: User) -> None:
    late, covered = (Gap.objects.get(member__pseudonym=PEOPLE[at], measure__code="COL") for at in (3, 4))
    Gap.objects.filter(pk__in=[late.pk, covered.pk]).update(contact_by=None)
    make_adherence(covered, adherence_class=AdherenceClass.LOCKED_IN, last_chance_date=None)
    outcomes = scoring.score(items(), by=quinn)
    told = {each.prediction.member.pseudonym: each.prediction for each in outcomes if each.prediction}
    assert told[PEOPLE[3]].recommendation == Recommendation.TOO_LATE
    assert told[PEOPLE[4]].recommendation == Recommendation.WAIT
    words = {Tier.HIGH: Recommendation.CONTACT_FIRST, Tier.MEDIUM: Recommendation.REMIND, Tier.LOW: Recommendation.WAIT}
    for member in PEOPLE[5:]:
        found = told[member]
        at = Tier.HIGH if found.probability >= 0.6 else Tier.MEDIUM if found.probability >= 0.3 else Tier.LOW
        assert (found.tier, found.recommendation) == (at, words[at])


def test_a_model_that_should_be_acted_on_says_so_in_every_score(col: ModelVersion, quinn: User) -> None:
    DriftCheck.objects.create(
        model=col, year=YEAR, as_of=AS_OF, generation=GENERATION, rows=10, level=Level.ACT, checked_by="test",
        checked_at=dt.datetime(2026, 10, 1, tzinfo=dt.UTC),
    )  # fmt: skip
    (outcome,) = scoring.score(items(people=PEOPLE[3:4]), by=quinn)
    assert outcome.prediction and "model_drift" in outcome.prediction.quality
    assert set(outcome.prediction.quality) <= set(scoring.FLAGS)


def test_gaps_out_of_reach_are_told_apart_from_those_the_data_does_not_show() -> None:
    rows = feature_store.pa.table({"member": ["a", "b"], "out_of_reach": [True, True]})
    gap = scoring.OpenGap(1, 1, "a", None, False)
    used = dataclasses.make_dataclass("Used", [])()
    _, skipped = scoring.judging.judged(rows, {"a": gap, "c": gap}, used, None)  # type: ignore[arg-type]
    assert skipped == {"a": "out_of_reach", "c": "no_open_gap"}


def test_measures_nobody_scores_are_no_reason_to_refuse_the_others(col: ModelVersion, quinn: User) -> None:
    assert Measure.objects.filter(code="BCS").exists()
    outcomes = scoring.score([*items("BCS", PEOPLE[3:4]), *items("COL", PEOPLE[3:4])], by=quinn)
    assert problems(outcomes) == [("not_deployed", "measure")] and outcomes[1].prediction

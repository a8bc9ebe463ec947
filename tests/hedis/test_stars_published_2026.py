"""CMS's own tables of Star year 2026, recomputed; and each rule broken, to prove that its breaking is noticed."""

import csv
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from hedis.engine import rating
from hedis.engine.rating_year import Part, StarYear
from hedis.stars import loading, published, recalculation, verification, years
from hedis.stars.models import PublishedContract
from hedis.stars.published_cuts import read_cut_points
from hedis.stars.verification import Release

pytestmark = pytest.mark.published
SHARED = Path(__file__).resolve().parent.parent.parent.parent / "shared"


@pytest.fixture(scope="module")
def release() -> Release:
    return verification.read_release(SHARED / "cms/2026/published", 2026)


@pytest.fixture(scope="module")
def prior() -> verification.Prior:
    return verification.read_prior(SHARED / "cms/2025/published", 2026)


def matched(release: Release) -> tuple[int, int, int]:
    """Ratings computed as published: Part C, Part D, Overall."""
    ratings = verification.verify(release, None).ratings
    return ratings[Part.C].matched, ratings[Part.D].matched, ratings[Part.OVERALL].matched


def test_every_published_rating_is_computed(release: Release) -> None:
    ratings = verification.verify(release, None).ratings
    assert [ratings[part].published for part in Part] == [524, 613, 516]
    assert matched(release) == (524, 613, 516)


def test_every_measure_star_follows_from_cut_points_or_a_disaster(release: Release, prior: verification.Prior) -> None:
    found = verification.verify(release, prior)
    assert (found.measure_stars, found.direct, dict(found.explained), found.unexplained) == (
        17_014, 16_778, {"disaster": 236}, 0,
    )  # fmt: skip
    assert (found.cahps.published, found.cahps.matched) == (4_259, 4_259)
    assert found.all_explained


def test_reversions_are_recognised_without_last_years_tables_by_last_years_cut_points(release: Release) -> None:
    found = verification.verify(release, None)
    assert (found.explained["disaster"], found.unexplained) == (236, 0)


def test_a_reversion_to_a_star_that_was_not_last_years_stays_unexplained(
    release: Release, prior: verification.Prior
) -> None:
    wrong = {key: published.Cell("1", Decimal(1)) for key in prior.stars}
    assert verification.verify(release, replace(prior, stars=wrong)).unexplained > 200


def test_a_reversion_of_a_contract_below_a_quarter_of_enrolment_stays_unexplained(
    release: Release, prior: verification.Prior
) -> None:
    spared = replace(release, year=replace(release.year, disaster_share=Decimal(101)))
    assert verification.verify(spared, prior).unexplained == 236


def test_intermediates_equal_the_independent_recomputation(release: Release) -> None:
    seen = 0
    with (SHARED / "cms/2026/recomputed_ratings_2026.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            contract = verification.engine_contract(release, release.contracts[row["contract_id"]])
            used = rating.rate(contract, release.year).ratings[Part(row["rating"])].used
            assert used is not None
            assert (str(len(used.measures)), used.mean, used.reward, used.cai, used.final) == (
                row["n_measures"],
                *(Decimal(row[name]) for name in ("weighted_mean", "reward_factor", "cai_value", "raw_final")),
            )
            # one variance is 0.6328125 exactly: half up here, cut off there
            assert used.variance is not None
            assert abs(used.variance - Decimal(row["weighted_variance"])) <= Decimal("0.000001")
            assert used.improvement == (row["improvement_used"] == "with")
            seen += 1
    assert seen == 1_653


def test_published_cut_points_equal_the_reference_data(release: Release) -> None:
    found = published.tables(SHARED / "cms/2026/published", 2026)
    read = {
        key: cuts
        for kind in ("part_c_cuts", "part_d_cuts")
        for key, cuts in read_cut_points(found[kind], release.year.measures).items()
    }
    assert len(read) == 57
    assert read == years.star_year(2026).cut_points


def test_our_own_adjustments_stand_in_for_a_missing_cai_table(release: Release) -> None:
    assert years.adjustments(2026) == release.adjustments


def test_the_high_performing_icon_goes_to_the_contracts_cms_names(release: Release) -> None:
    ours = {
        number
        for number, organisation in release.contracts.items()
        for found in [rating.rate(verification.engine_contract(release, organisation), release.year)]
        if found.high_performing and organisation.ratings[found.rated_as.highest.value].number
    }
    assert ours == release.high_performing


def test_the_low_performing_icon_goes_to_contracts_low_in_three_years() -> None:
    table = published.tables(SHARED / "cms/2026/published", 2026)["low_performing"]
    years_of = [[table.column(f"{year} {part} Summary") for part in "CD"] for year in (2024, 2025, 2026)]
    found = [
        rating.low_performing(
            [
                tuple(published.read_cell(table, line, index, "summary").number for index in pair)  # type: ignore[misc]
                for pair in years_of
            ]
        )
        for _, line in table.contracts()
    ]
    assert found == [True] * 4


def test_minimum_counts_decide_who_is_rated(release: Release) -> None:
    """Special needs contracts may be I-SNP only, which the tables do not mark: either count may hold for them."""
    contracts, agree = 0, 0
    for organisation in release.contracts.values():
        kinds = years.organisation_type(organisation.type)
        allowed = {kinds.snp_contract_kind, "ccp_only_isnp"} if organisation.snp else {kinds.contract_kind}
        rated = {part for part, cell in organisation.ratings.items() if cell.number is not None}
        if "toonew" in "".join(published.plain(cell.text) for cell in organisation.ratings.values()):
            continue
        contracts += 1
        outcomes = [
            {part.value for part, one in found.ratings.items() if one.star is not None}
            for kind in allowed
            for found in [rating.rate(verification.engine_contract(release, organisation, kind), release.year)]
        ]
        agree += rated in outcomes
    assert (contracts, agree) == (676, 676)


def test_thresholds_follow_from_the_contracts_of_the_release(release: Release) -> None:
    """Those of PDP contracts to the last place; CMS also counted MA contracts that ended."""
    derived = recalculation.second_run(verification.rated_contracts(release), release.year).thresholds
    for key, ours in derived.items():
        far = Decimal(0) if key[0] == "part_d_pdp" else Decimal("0.06")
        cms = release.year.thresholds[key]
        pairs = [(getattr(ours, name), getattr(cms, name)) for name in vars(cms)]
        assert all(abs(one - other) <= far for one, other in pairs), (key, pairs)


def test_a_rating_that_only_the_second_run_gives_is_explained_in_a_recalculated_year(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    def harder(year: StarYear) -> StarYear:
        changed = {key: replace(one, mean_65=one.mean_65 + 1) for key, one in year.thresholds.items()
                   if key[0] == "part_d_pdp"}  # fmt: skip
        return replace(year, thresholds={**year.thresholds, **changed})

    first_run = with_year(release, harder)
    unexplained = [one for one in verification.verify(first_run, None).differences if not one.explanation]
    assert unexplained and {one.figure for one in unexplained} == {"rating"}
    monkeypatch.setattr(recalculation, "is_recalculated", lambda year: True)
    found = verification.verify(first_run, None)
    assert found.all_explained and found.ratings[Part.D].matched == 613 - len(unexplained)
    assert sum(one.explanation == verification.RECALCULATION for one in found.differences) == len(unexplained)


def test_all_contracts_of_the_year_are_rated_in_under_two_seconds(release: Release) -> None:
    contracts = [verification.engine_contract(release, one) for one in release.contracts.values()]
    begin = time.process_time()
    for contract in contracts:
        rating.rate(contract, release.year)
    assert time.process_time() - begin < 2


# --- Each rule broken: the number of matches that are left, Part C, Part D, Overall ---------------------------------


def with_year(release: Release, change: Callable[[StarYear], StarYear]) -> Release:
    return replace(release, year=change(release.year))


def without_new(year: StarYear) -> StarYear:
    return replace(year, measures={name: replace(one, new=False) for name, one in year.measures.items()})


def with_puerto_rico_weight(year: StarYear) -> StarYear:
    return replace(year, measures={name: replace(one, puerto_rico_zero=False) for name, one in year.measures.items()})


def with_both_copies(year: StarYear) -> StarYear:
    return replace(year, measures={name: replace(one, duplicate_of="") for name, one in year.measures.items()})


def without_cai(year: StarYear) -> StarYear:
    return replace(year, cai_values=dict.fromkeys(year.cai_values, Decimal(0)))


def without_reward(year: StarYear) -> StarYear:
    return replace(year, reward={})


def with_the_lower_reward_alone(year: StarYear) -> StarYear:
    lower = {variance: factor for (mean, variance), factor in year.reward.items() if mean == "relatively_high"}
    return replace(year, reward={key: lower[key[1]] for key in year.reward})


def with_one_set_of_thresholds(year: StarYear) -> StarYear:
    return replace(year, thresholds={key: year.thresholds[key[0], True, key[2]] for key in year.thresholds})


def without_cap(year: StarYear) -> StarYear:
    return replace(year, highest_star=Decimal(6))


def without_improvement_hold_harmless(year: StarYear) -> StarYear:
    return replace(year, hold_harmless_star=Decimal(9))


@pytest.mark.parametrize(
    ("broken", "left"),
    [
        pytest.param(without_improvement_hold_harmless, (523, 608, 471), id="no improvement hold harmless"),
        pytest.param(without_new, (521, 613, 514), id="no new-measure hold harmless"),
        pytest.param(with_puerto_rico_weight, (524, 607, 514), id="Puerto Rico adherence weight kept"),
        pytest.param(with_both_copies, (524, 613, 454), id="both duplicate measures kept"),
        pytest.param(without_cai, (495, 578, 471), id="no CAI"),
        pytest.param(without_reward, (444, 517, 416), id="no reward factor"),
        pytest.param(with_the_lower_reward_alone, (481, 570, 465), id="no higher reward from the 85th percentile"),
        pytest.param(with_one_set_of_thresholds, (524, 613, 511), id="always the with-improvement thresholds"),
        pytest.param(without_cap, (523, 607, 515), id="no cap at five stars"),
    ],
)
def test_breaking_a_rule_of_the_year_loses_matches(
    release: Release, broken: Callable[[StarYear], StarYear], left: tuple[int, int, int]
) -> None:
    """Without any reward 444, 517 and 416 are left, as the steps of the recipe below say too. An independent count of
    "no reward factor" has 481, 570 and 465: exactly what is left where means from the 85th percentile on get no more
    than those from the 65th on, 0.2 and 0.1. There the higher reward was dropped, not the whole factor."""
    assert matched(with_year(release, broken)) == left


def with_mean_alone(year: StarYear) -> StarYear:
    return without_cai(without_reward(year))


@pytest.mark.parametrize(
    ("change", "shares"),
    [
        pytest.param(with_mean_alone, ("78.4", "79.3", "67.6"), id="mean only"),
        pytest.param(without_cai, ("94.1", "94.1", "84.3"), id="mean and reward"),
        pytest.param(lambda year: year, ("99.2", "99.2", "91.1"), id="mean, reward and CAI"),
    ],
)
def test_the_steps_of_the_recipe_add_up_as_documented(
    release: Release,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[StarYear], StarYear],
    shares: tuple[str, str, str],
) -> None:
    """Share matched, in percent, of the recipe without the two hold-harmless rules."""
    monkeypatch.setattr(rating, "is_held_harmless", lambda contract, part: False)
    plain_rules = with_year(release, lambda year: without_new(change(year)))
    found = [Decimal(100 * count) / of for count, of in zip(matched(plain_rules), (524, 613, 516), strict=True)]
    assert tuple(str(round(share, 1)) for share in found) == shares


def test_testing_the_raw_final_instead_of_the_rounded_star_loses_matches(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rating, "is_good_without", lambda without, year: without.final >= 4)
    assert matched(release) == (524, 612, 493)


def test_holding_summaries_of_drug_contracts_harmless_loses_matches(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rating, "is_held_harmless", lambda contract, part: True)
    assert matched(release) == (497, 543, 516)


def test_the_population_variance_loses_matches(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    def population(pairs: list[tuple[int, int]]) -> Fraction:
        mean = rating.weighted_mean(pairs)
        return sum((w * (x - mean) ** 2 for w, x in pairs), Fraction(0)) / sum(w for w, _ in pairs)

    monkeypatch.setattr(rating, "weighted_variance", population)
    assert matched(release) == (522, 612, 514)


@pytest.mark.django_db
def test_the_whole_year_loads_as_history() -> None:
    loaded = loading.load_release(SHARED / "cms/2026/published", 2026, name="October 2025", by="test")
    assert (loaded.release.contract_count, loaded.release.star_count) == (769, 22_362)
    five = PublishedContract.objects.for_year(2026).filter(overall=5)
    assert five.count() == 18

"""How past projections did: by hand, in the command, on the page and in the API."""

import io
from datetime import date
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from hedis.accounts.models import User
from interventions import back_testing
from interventions.back_testing import PastProjection, Verdict, judged, together
from interventions.blending import pinball
from interventions.claim_lag import ClaimYear
from interventions.completing import Course, Reading, Trial
from interventions.projecting import Past, Standing
from tests.factories import make_count, make_measure
from tests.hedis.star_plan import make_gaps
from tests.interventions.test_project_rates import answer, past_run, two_past_years

TODAY = 273
NOW = Standing("COL", TODAY, 100, 60, 60)


def course(year: int, end: int, then: int = 600) -> Course:
    return Course(year, (Reading(TODAY, then, 1000), Reading(455, end, 1000)))


def test_each_year_is_projected_from_the_years_before_it_alone() -> None:
    verdict = judged(NOW, Past([course(2023, 800), course(2024, 700), course(2025, 760)]))
    # Nothing came before 2023. Half of the open ones closed in it, a quarter in 2024.
    assert verdict.years == (2024, 2025)
    first, second = verdict.past
    assert (first.rate, first.actual) == (pytest.approx(0.8), 0.7)
    # 2025 from both: 0.75 on average, a little more as it cannot end below 0.6. The curve had missed by ten points
    # once, so its interval is wide.
    assert (second.rate, second.actual) == (pytest.approx(0.77, abs=0.02), 0.76)
    assert first.low > 0.7 and second.low < 0.76 < second.high
    assert second.high - second.low > 3 * (first.high - first.low)
    assert verdict.covered == 0.5 and not verdict.enough
    assert verdict.errors["curve"] == pytest.approx(((0.1**2 + 0.01**2) / 2) ** 0.5)
    losses = [(pinball(one.low, 0.1, one.actual) + pinball(one.high, 0.9, one.actual)) / 2 for one in verdict.past]
    assert verdict.loss == pytest.approx(sum(losses) / 2)


def test_predictions_and_claims_of_then_take_part() -> None:
    def claims(year: int) -> ClaimYear:
        return ClaimYear(year, np.outer(np.full(12, 60.0), (0.5, 0.5)), 1000)

    past = Past(
        [course(2024, 800), course(2025, 700)], [claims(2024), claims(2025)], claims(2026).as_known_after(9),
        [Trial("members", 2025, 0.66, 0.7)],
    )  # fmt: skip
    verdict = judged(NOW, past)
    # Curve 0.8, members 0.66, claims 0.72: none was tried before 2025, so all count alike; it cannot end below 0.6.
    assert verdict.past[0].rate == pytest.approx((0.8 + 0.66 + 0.72) / 3, abs=0.01)
    assert {name: round(error, 3) for name, error in verdict.errors.items()} == {
        "curve": 0.1, "past_years": 0.1, "claim_lag": 0.0, "members": 0.04,
    }  # fmt: skip


def test_a_rate_that_can_fall_is_judged_as_one_that_can() -> None:
    falls = [course(2024, 500), course(2025, 480)]
    assert judged(Standing("CBP", TODAY, 100, 60, 0), Past(falls)).past[0].rate == pytest.approx(0.5, abs=0.005)


def test_one_past_year_judges_nothing() -> None:
    assert judged(NOW, Past([course(2025, 700)])) == back_testing.NOT_TRIED
    assert together([back_testing.NOT_TRIED]) is None


def test_measures_are_counted_together_but_years_decide_whether_they_are_enough() -> None:
    def verdict(*years: int) -> Verdict:
        past = tuple(PastProjection(year, 0.7, 0.6, 0.8, 0.5 if year == 2023 else 0.7) for year in years)
        return Verdict(past, {}, 0.0, 0.0, 0.0)

    every = together([verdict(2023, 2024), verdict(2023, 2024)])
    assert every is not None and (every.projections, every.held, every.enough) == (4, 2, False)
    every = together([verdict(2023, 2024, 2025)])
    assert every is not None and every.enough


@pytest.fixture
def plan(db: None) -> None:
    cache.clear()
    contract = make_gaps({"COL": (15, 25)})
    two_past_years()
    past_run("COL", 2023, date(2023, 9, 30), 60)
    past_run("COL", 2023, date(2024, 3, 31), 75)
    make_count(make_measure("COL"), contract, eligible=25, excluded=0, denominator=25, numerator=15)


def test_the_command_tells_how_past_projections_did(plan: None) -> None:
    asked = ("--contract", "H1234", "--year", "2026")
    assert "back_test" not in answer(*asked)
    told = answer(*asked, "--back-test")["back_test"]
    one = told["measures"]["C02"]
    # 75 % in 2023, 80 % in 2024 and 2025.
    assert (one["years"], one["enough"]) == ([2024, 2025], False)
    assert one["errors"]["curve"] == pytest.approx(((5**2 + 2.5**2) / 2) ** 0.5)
    assert [past["actual"] for past in one["past"]] == [80, 80]
    assert "2 is too few to judge an interval by" in told["words"]
    out = io.StringIO()
    call_command("project_rates", contract="H1234", year=2026, back_test=True, stdout=out)
    assert "pinball" in out.getvalue() and "curve 4.0" in out.getvalue()


def test_the_page_and_the_api_show_it(plan: None, client: Client, quinn: User) -> None:
    client.force_login(quinn)
    text = client.get("/admin/outlook/H1234/2026/").content.decode()
    assert "How past projections did" in text and "completion curve of past years 4.0" in text
    assert "They rest on 2 years (2024, 2025): too few to judge" in text
    api = APIClient()
    api.force_login(quinn)
    found: dict[str, Any] = api.get("/api/v1/portfolio/summary/").json()["results"][0]["measures"][0]["past"]
    assert (found["years"], found["enough"]) == ([2024, 2025], False)
    assert found["by_method"]["curve"] == pytest.approx(0.0395, abs=1e-4)


def test_a_plan_without_two_past_years_is_told_that_nothing_was_judged(db: None, client: Client, quinn: User) -> None:
    cache.clear()
    contract = make_gaps({"COL": (15, 25)})
    past_run("COL", 2025, date(2025, 12, 31), 70)
    make_count(make_measure("COL"), contract, eligible=25, excluded=0, denominator=25, numerator=15)
    client.force_login(quinn)
    assert "No projection of a past year could be judged" in client.get("/admin/outlook/H1234/2026/").content.decode()
    words = answer("--contract", "H1234", "--year", "2026", "--back-test")["back_test"]["words"]
    assert "No projection of a past year could be judged" in words

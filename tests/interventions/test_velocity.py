"""Gap velocity: the pace of finding runs or of days of care, where it leads, and who sees it."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from audit.models import Event
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap, MeasureCount, Status, Transition, Work
from hedis.measures.models import Measure
from hedis.members.models import Contract
from interventions import velocity
from interventions.velocity import Need, Reading, Steps, Velocity
from tests.conftest import person
from tests.factories import make_measure
from tests.hedis.star_plan import make_gaps

PAGE = "/admin/outlook/H1234/2026/velocity/"
AS_OF = date(2026, 9, 30)


def made(**facts: Any) -> Velocity:
    """A measure with 40 of 100 met at the end of September, and four stars ten closures away."""
    return Velocity(**{
        "code": "COL", "name": "Colorectal", "reversible": False, "as_of": AS_OF, "year": 2026,
        "readings": (Reading(AS_OF, 40, 100),), "weeks": (), "steps": Steps(), "need": Need("C02", 40, 100, 4, 10),
        **facts,
    })  # fmt: skip


def weeks(count: int, closed: int) -> tuple[tuple[date, int], ...]:
    """So many weeks up to the data's day, each with so many closures."""
    monday = AS_OF - timedelta(days=AS_OF.weekday())
    return tuple((monday - timedelta(weeks=back), closed) for back in reversed(range(count)))


def test_the_pace_is_what_finding_runs_came_to_know_a_week_net_of_what_was_lost() -> None:
    runs = (Reading(date(2026, 3, 1), 5, 90), Reading(date(2026, 8, 19), 28, 95), Reading(AS_OF, 40, 100))
    one = made(readings=runs, weeks=weeks(20, 9))
    assert (one.basis, one.pace) == (velocity.BY_RUNS, 2.0)  # 12 more in 6 weeks; March is too long ago
    assert one.by_year_end == 26 and one.reaches is True
    falling = made(readings=(Reading(date(2026, 8, 19), 46, 95), Reading(AS_OF, 40, 100)))
    assert (falling.pace, falling.by_year_end, falling.reaches) == (-1.0, -13, False)


def test_with_one_run_the_days_of_care_tell_unless_who_is_met_can_be_lost_again() -> None:
    one = made(weeks=weeks(30, 1))
    assert (one.basis, one.pace, one.by_year_end, one.reaches) == (velocity.BY_CARE, 1.0, 13, True)
    again = made(weeks=weeks(30, 1), reversible=True)
    assert (again.basis, again.pace, again.by_year_end, again.reaches) == ("", None, None, None)
    assert made().pace is None


def test_runs_of_the_same_week_make_no_pace() -> None:
    assert made(readings=(Reading(date(2026, 9, 25), 30, 100), Reading(AS_OF, 40, 100))).span is None


def test_no_more_can_close_than_are_open_and_nothing_after_the_year() -> None:
    assert made(weeks=weeks(12, 50)).by_year_end == 60
    assert made(weeks=weeks(12, 50), as_of=date(2027, 2, 1)).weeks_left == 0
    assert made(weeks=weeks(12, 1), need=Need("C02", 95, 100, None, None)).reaches is None


def count(run_day: date, contract: Contract, met: int, *, code: str = "COL") -> None:
    run = FindingRun.objects.create(year=2026, data_as_of=run_day, generation="g", found_by="system")
    MeasureCount.objects.create(
        run=run, measure=make_measure(code), contract=contract, eligible=25, excluded=0, denominator=25, numerator=met,
        definition_version="1",
    )  # fmt: skip


@pytest.fixture
def plan() -> Contract:
    """COL: 15 of 25 met, 9 of them known six weeks before; one gap closed 30 days after it was found, one reopened."""
    contract = make_gaps({"COL": (15, 25)})
    count(date(2026, 8, 19), contract, 9)
    count(AS_OF, contract, 14)
    count(AS_OF, contract, 15)  # the run was repeated: the newer one counts
    closed = Gap.objects.filter(status=Status.CLOSED)
    closed.update(evidence_date=date(2026, 6, 3), found_at=datetime(2026, 5, 1, tzinfo=UTC))
    step(closed.first(), Status.OPEN, Status.CLOSED, 31)
    step(Gap.objects.filter(status=Status.OPEN).first(), Status.CLOSED, Status.OPEN, 9)
    return contract


def step(gap: Gap | None, before: str, after: str, day: int) -> None:
    assert gap is not None
    Transition.objects.create(
        gap=gap, from_status=before, to_status=after, from_work_status=Work.OPEN, to_work_status=Work.OPEN, by="system",
        at=datetime(2026, 5, 1, 3, tzinfo=UTC) + timedelta(days=day - 1),
    )  # fmt: skip


@pytest.mark.django_db
def test_a_contract_is_read_from_runs_gaps_and_steps(plan: Contract) -> None:
    (one,) = velocity.of_contract(plan, 2026)
    assert [(each.day, each.met) for each in one.readings] == [(date(2026, 8, 19), 9), (AS_OF, 15)]
    assert one.pace == 1.0 and dict(one.weeks)[date(2026, 6, 1)] == 15
    assert (one.steps.closed, one.steps.reopened, one.steps.days_to_close) == (1, 1, 30.0)
    assert one.need == Need("C02", 15, 25, 3, 2) and one.reaches is True


@pytest.mark.django_db
def test_no_query_grows_with_the_measures(plan: Contract, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(6):
        velocity.of_contract(plan, 2026)
    for day, code in enumerate(("GSD", "CBP"), start=1):
        make_gaps({code: (2, 4)}, contract=plan)
        count(AS_OF + timedelta(days=day), plan, 2, code=code)
    with django_assert_num_queries(6):
        assert len(velocity.of_contract(plan, 2026)) == 3


@pytest.mark.django_db
def test_the_page_says_whether_the_pace_is_enough(plan: Contract, client: Client, quinn: User) -> None:
    client.force_login(quinn)
    text = client.get(PAGE).content.decode()
    assert "fast enough" in text and "from finding runs" in text and "<b>1.0</b>" in text
    assert "COL: 15 gaps closed by care given" in text and "17 are needed for 3 stars" in text
    assert "measure=COL" in text and " style=" not in text.split("<main")[1]
    assert PAGE in client.get("/admin/outlook/H1234/2026/").content.decode()


@pytest.mark.django_db
def test_the_file_has_a_line_for_each_week_and_the_ledger_says_so(plan: Contract, client: Client, quinn: User) -> None:
    client.force_login(quinn)
    answer = client.get(PAGE, {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    (june,) = [row for row in rows if row["week_from"] == "2026-06-01"]
    assert (june["code"], june["closed_in_week"], june["closures_a_week"], june["next_star"]) == (
        "COL", "15", "1.00", "3",
    )  # fmt: skip
    assert Event.objects.get(action="velocity.exported").row_count == len(rows)


@pytest.mark.django_db
@pytest.mark.parametrize(("role", "status"), [(roles.MODEL_STEWARD, 200), (roles.CARE_MANAGER, 403)])
def test_who_sees_the_rates_sees_the_pace(role: roles.Role, status: int, plan: Contract, client: Client) -> None:
    client.force_login(person("sam", role, team="north"))
    answer = client.get(PAGE)
    assert answer.status_code == status and "/admin/gaps/gap/" not in answer.content.decode()


@pytest.mark.django_db
def test_a_contract_that_was_not_counted_is_not_found(client: Client, quinn: User) -> None:
    make_gaps({"COL": (1, 2)})
    client.force_login(quinn)
    assert [client.get(PAGE.replace("H1234", number)).status_code for number in ("H1234", "H9999")] == [404, 404]


@pytest.mark.django_db
def test_the_api_tells_each_contract_with_its_measures(plan: Contract, quinn: User) -> None:
    api = APIClient()
    api.force_login(quinn)
    (row,) = api.get("/api/v1/portfolio/velocity/", {"contract": "H1234"}).json()["results"]
    (measure,) = row["measures"]
    assert (row["contract"], row["year"], measure["measure"], measure["closures_a_week"]) == ("H1234", 2026, "COL", 1.0)
    assert (measure["next_star"], measure["closures_to_next_star"], measure["fast_enough"]) == (3, 2, True)
    assert len(measure["readings"]) == 2 and {"monday": "2026-06-01", "closed": 15} in measure["weeks"]
    assert api.get("/api/v1/portfolio/velocity/", {"year": 2019}).json()["results"] == []


@pytest.mark.django_db
def test_a_measure_of_no_star_year_has_a_pace_but_no_next_star(plan: Contract) -> None:
    count(AS_OF, plan, 5, code="XYZ")
    other = next(one for one in velocity.of_contract(plan, 2026) if one.code == "XYZ")
    assert Measure.objects.filter(code="XYZ").exists() and other.need is None and other.reaches is None

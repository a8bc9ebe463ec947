"""Finding gaps: engine over warehouse, rows, history, counts; twice changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Event
from hedis.accounts.models import User
from hedis.engine.measure import AnyOf
from hedis.evidence import warehouse
from hedis.gaps import finding, workflow
from hedis.gaps.models import Gap, MeasureCount, Status, Transition, Work
from hedis.lib.commands import Refused
from hedis.measures import loading
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.definitions.col import COLONOSCOPY, COLORECTAL_CANCER, FOBT, TOTAL_COLECTOMY
from hedis.members.models import Member
from tests.factories import make_contract, make_member

YEAR = 2026
AS_OF = date(2026, 9, 30)
AFTER = date(2027, 3, 31)
# Two routes and two exclusions of the real definition: what is tested here is what happens to its rows.
COL = [
    replace(
        DEFINITIONS["COL"],
        numerator=AnyOf(COLONOSCOPY, FOBT),
        exclusions=tuple(
            each for each in DEFINITIONS["COL"].exclusions if each in {COLORECTAL_CANCER, TOTAL_COLECTOMY}
        ),
    )
]


class Plan:
    """A little plan whose warehouse is in memory: members born 1960, enrolled for years, and what happened to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.members: dict[str, Member] = {}
        self.enrolled_in: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        monkeypatch.setattr(warehouse, "connect", self.connect)

    def add(self, *names: str, contract: str = "H1234", care_manager: User | None = None) -> None:
        """Members without any care yet."""
        for name in names:
            self.members[name] = make_member(
                f"PLAN-{name}", contract=make_contract(contract), care_manager=care_manager
            )
            self.enrolled_in[name] = contract

    def happened(self, name: str, code: str, day: date, system: str = "hcpcs", **facts: Any) -> None:
        """One coded fact of a member."""
        self.events.append(
            {
                "member": self.members[name].pseudonym, "kind": "procedure", "code_system": system, "code": code,
                "start_date": day, "end_date": day, "value_number": None, "value_text": None, "unit": None,
                "claim_type": "professional", "record": f"{len(self.events):032d}", "line": 1, "source": "claim",
                "data_source": "test", "received_date": day, **facts,
            }
        )  # fmt: skip

    def connect(self) -> warehouse.Warehouse:
        """The plan as the engine reads it."""
        people = [
            {"member": member.pseudonym, "birth_date": date(1960, 5, 5), "sex": "female"}
            for name, member in self.members.items()
            if name in self.enrolled_in
        ]
        spans = [
            {
                "member": self.members[name].pseudonym, "start_date": date(2015, 1, 1), "end_date": date(9999, 12, 31),
                "contract": contract, "plan_benefit_package": "001", "low_income_subsidy": False, "hospice": False,
                "long_term_institutional": False, "institutional_snp": False, "source": "test",
            }
            for name, contract in self.enrolled_in.items()
        ]  # fmt: skip
        return warehouse.Warehouse(
            "in-memory",
            table("member", people),
            table("enrolment", spans),
            table("event", self.events),
            table("dispensing", []),
        )

    def gap(self, name: str) -> Gap:
        """The member's gap as stored."""
        return Gap.objects.get(member=self.members[name], measure__code="COL", year=YEAR)

    def find(self, as_of: date = AS_OF, **scope: str) -> finding.Counts:
        """One run for COL."""
        return finding.find(YEAR, as_of=as_of, scope=finding.Scope(**scope), definitions=COL, by="test")["COL"]


IBIS_TYPES = {"VARCHAR": "string", "DATE": "date", "BOOLEAN": "boolean", "DOUBLE": "float64", "INTEGER": "int32"}


def table(name: str, rows: list[dict[str, Any]]) -> ibis.Table:
    """Rows in the warehouse's shape; columns not named are null."""
    schema = {column: IBIS_TYPES[kind] for column, kind in warehouse.SCHEMA[name].items()}
    complete = [{column: row.get(column) for column in schema} for row in rows]
    return ibis.memtable(complete, schema=ibis.schema(schema))


@pytest.fixture
def plan(db: None, monkeypatch: pytest.MonkeyPatch) -> Plan:
    loading.load(today=AS_OF, by="test")
    return Plan(monkeypatch)


def test_a_member_never_screened_has_a_prospective_gap_that_says_why_while_the_year_runs(plan: Plan) -> None:
    plan.add("never")
    assert plan.find() == finding.Counts(eligible=1, denominator=1, excluded=0, numerator=0)
    gap = plan.gap("never")
    assert (gap.status, gap.work_status, gap.reason_code) == (Status.PROSPECTIVE, Work.OPEN, "NotFound")
    assert "colonoscopy" in gap.reason.lower()
    assert (gap.closable_until, gap.data_as_of) == (date(2026, 12, 31), AS_OF)


def test_after_the_year_the_same_gap_is_open(plan: Plan) -> None:
    plan.add("never")
    plan.find(AFTER)
    assert plan.gap("never").status == Status.OPEN


def test_a_colonoscopy_closes_the_gap_by_claim_with_its_evidence(plan: Plan) -> None:
    plan.add("screened")
    plan.happened("screened", "G0121", date(2019, 6, 1))
    plan.find()
    gap = plan.gap("screened")
    assert (gap.status, gap.work_status, gap.evidence_date) == (Status.CLOSED, Work.CLOSED_CLAIM, date(2019, 6, 1))
    assert "olonoscopy" in gap.evidence_route


def test_an_excluded_member_is_counted_as_excluded_and_never_open(plan: Plan) -> None:
    plan.add("survivor")
    plan.happened("survivor", "C189", date(2020, 2, 2), "icd-10-cm", kind="diagnosis")
    assert plan.find() == finding.Counts(eligible=1, denominator=0, excluded=1, numerator=0)
    gap = plan.gap("survivor")
    assert (gap.status, gap.work_status) == (Status.NOT_APPLICABLE, Work.EXCLUDED)
    assert gap.exclusion


def test_a_second_run_changes_nothing(plan: Plan) -> None:
    plan.add("never", "screened")
    plan.happened("screened", "G0121", date(2019, 6, 1))
    plan.find()
    before = list(Gap.objects.order_by("pk").values())
    steps = Transition.objects.count()
    plan.find()
    assert list(Gap.objects.order_by("pk").values()) == before
    assert Transition.objects.count() == steps == 2


def test_a_later_date_is_noted_without_making_anybodys_decision_stale(plan: Plan) -> None:
    plan.add("never")
    plan.find()
    plan.find(date(2026, 10, 31))
    gap = plan.gap("never")
    assert (gap.data_as_of, gap.version) == (date(2026, 10, 31), 1)


def test_evidence_closes_a_gap_under_work_and_its_loss_reopens_it_both_on_record(plan: Plan, ana: User) -> None:
    plan.add("member", care_manager=ana)
    plan.find()
    workflow.move(plan.gap("member"), to=Work.OUTREACH, by=ana)
    plan.happened("member", "G0121", date(2026, 9, 1))
    plan.find()
    assert plan.gap("member").work_status == Work.CLOSED_CLAIM
    plan.events.clear()
    plan.find()
    gap = plan.gap("member")
    assert (gap.status, gap.work_status, gap.assigned_to) == (Status.PROSPECTIVE, Work.REOPENED, ana)
    steps = list(gap.transitions.values_list("from_work_status", "to_work_status"))
    assert steps == [
        ("", Work.OPEN),
        (Work.OPEN, Work.OUTREACH),
        (Work.OUTREACH, Work.CLOSED_CLAIM),
        (Work.CLOSED_CLAIM, Work.REOPENED),
    ]


def test_work_in_progress_survives_a_run_that_finds_nothing_new(plan: Plan, ana: User) -> None:
    plan.add("member", care_manager=ana)
    plan.find()
    workflow.move(plan.gap("member"), to=Work.REFUSED, why="not this year", by=ana)
    plan.find()
    assert plan.gap("member").work_status == Work.REFUSED


@pytest.mark.parametrize("source", ["supplemental-standard", "supplemental-non-standard"])
def test_a_gap_closed_only_by_supplemental_data_says_so(plan: Plan, source: str) -> None:
    plan.add("member")
    plan.happened("member", "G0121", date(2024, 1, 9), source=source)
    plan.find()
    gap = plan.gap("member")
    assert gap.supplemental_only
    assert gap.work_status == f"closed_by_{source.removeprefix('supplemental-').replace('-', '_')}_supplemental"


def test_a_member_who_left_the_plan_is_no_open_gap_any_more(plan: Plan) -> None:
    plan.add("leaver")
    plan.find()
    del plan.enrolled_in["leaver"]
    plan.find()
    gap = plan.gap("leaver")
    assert (gap.status, gap.work_status, gap.reason) == (Status.NOT_APPLICABLE, Work.GONE, "")


def test_a_run_over_one_contract_touches_only_it_and_leaves_no_plan_rate(plan: Plan) -> None:
    plan.add("one")
    plan.add("two", contract="H5678")
    assert plan.find(contract="H5678").eligible == 1
    assert not Gap.objects.filter(member=plan.members["one"]).exists()
    assert not MeasureCount.objects.exists()


def test_a_member_who_moved_between_contracts_has_not_left_the_plan(plan: Plan) -> None:
    plan.add("mover")
    make_contract("H5678")
    plan.find()
    plan.enrolled_in["mover"] = "H5678"
    plan.find(contract="H1234")
    assert plan.gap("mover").status == Status.PROSPECTIVE
    plan.find()
    assert plan.gap("mover").contract == make_contract("H5678")


def test_a_run_for_one_member_gives_the_row_of_the_full_run(plan: Plan) -> None:
    plan.add("one", "two")
    plan.happened("one", "G0328", date(2026, 3, 3))
    plan.find()
    full = Gap.objects.filter(member=plan.members["one"]).values().get()
    Gap.objects.all().delete()
    plan.find(member=plan.members["one"].pseudonym)
    alone = Gap.objects.values().get()
    for changing in ("id", "found_at", "changed_at"):
        full.pop(changing), alone.pop(changing)
    assert alone == full


def test_counts_are_stored_by_contract_and_add_up(plan: Plan) -> None:
    plan.add("a", "b")
    plan.add("c", contract="H5678")
    plan.happened("c", "G0121", date(2020, 6, 1))
    total = plan.find()
    rows = {row.contract.number: row for row in MeasureCount.objects.latest(YEAR) if row.contract}
    assert (rows["H1234"].denominator, rows["H1234"].numerator, rows["H1234"].rate) == (2, 0, 0.0)
    assert (rows["H5678"].denominator, rows["H5678"].numerator, rows["H5678"].open) == (1, 1, 0)
    assert sum(row.eligible for row in rows.values()) == total.eligible


def test_a_run_is_one_ledger_line_with_its_changes(plan: Plan) -> None:
    plan.add("never")
    plan.find()
    event = Event.objects.get(action="gaps.found")
    assert (event.object_id, event.row_count, event.kind) == (str(YEAR), 1, "job")


@contextmanager
def counting() -> Iterator[CaptureQueriesContext]:
    with CaptureQueriesContext(connection) as queries:
        yield queries


def test_the_number_of_queries_does_not_grow_with_members(plan: Plan) -> None:
    plan.add("first")
    with counting() as few:
        plan.find()
    plan.add(*(f"member {number}" for number in range(60)))
    with counting() as many:
        plan.find()
    assert len(many) == len(few)


def test_unknown_members_and_contracts_are_told_and_nothing_is_stored(plan: Plan) -> None:
    plan.add("never")
    with pytest.raises(finding.NotInWarehouse, match="no such member"):
        plan.find(member="ab" * 32)
    with pytest.raises(finding.NotInWarehouse, match="H9999"):
        plan.find(contract="H9999")
    with pytest.raises(ValueError, match="before the period"):
        plan.find(date(2025, 12, 31))
    assert not Gap.objects.exists()


def test_the_command_says_what_to_do_before_the_first_import(db: None, own_data_dir: Path) -> None:
    with pytest.raises(Refused, match="import_claims"):
        call_command("find_gaps", year=YEAR)

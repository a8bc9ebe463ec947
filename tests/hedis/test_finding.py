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
        self.fills: list[dict[str, Any]] = []
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

    def filled(self, name: str, rxnorm: str, day: date, days_supply: int) -> None:
        """One fill of a member."""
        self.fills.append(
            {
                "member": self.members[name].pseudonym, "dispensing_date": day, "rxnorm": rxnorm,
                "days_supply": days_supply, "record": f"{len(self.fills):032d}", "line": 1, "source": "claim",
                "data_source": "test", "received_date": day,
            }
        )  # fmt: skip

    def connect(self, **_: Any) -> warehouse.Warehouse:
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
            table("dispensing", self.fills),
        )

    def gap(self, name: str, code: str = "COL") -> Gap:
        """The member's gap as stored."""
        return Gap.objects.get(member=self.members[name], measure__code=code, year=YEAR)

    def find(self, as_of: date = AS_OF, **scope: str) -> finding.Counts:
        """One run for COL."""
        return finding.find(YEAR, as_of=as_of, scope=finding.Scope(**scope), definitions=COL, by="test")["COL"]

    def find_statins(self, as_of: date = AS_OF) -> finding.Counts:
        """One run for statin adherence."""
        return finding.find(YEAR, as_of=as_of, definitions=[DEFINITIONS["PDC-STA"]], by="test")["PDC-STA"]


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


# --- the status rule (Da Vinci DEQM), and the last useful contact date beside it


def test_who_is_not_in_the_initial_population_has_no_gap_and_later_one_that_is_not_applicable(plan: Plan) -> None:
    plan.add("stays", "never in")
    del plan.enrolled_in["never in"]
    plan.find()
    assert not Gap.objects.filter(member=plan.members["never in"]).exists()
    assert plan.gap("stays").contact_by == date(2026, 11, 30)
    del plan.enrolled_in["stays"]
    plan.find()
    gap = plan.gap("stays")
    assert (gap.status, gap.contact_by) == (Status.NOT_APPLICABLE, None)


def test_excluded_and_closed_gaps_have_no_day_to_contact_by(plan: Plan) -> None:
    plan.add("survivor", "screened")
    plan.happened("survivor", "C189", date(2020, 2, 2), "icd-10-cm", kind="diagnosis")
    plan.happened("screened", "G0121", date(2019, 6, 1))
    plan.find()
    assert (plan.gap("survivor").status, plan.gap("survivor").contact_by) == (Status.NOT_APPLICABLE, None)
    assert (plan.gap("screened").status, plan.gap("screened").contact_by) == (Status.CLOSED, None)


@pytest.mark.parametrize(
    ("as_of", "status"),
    [
        (date(2026, 11, 30), Status.PROSPECTIVE),  # the last useful day
        (date(2026, 12, 1), Status.PROSPECTIVE),  # past it: too late to count, and still unmet
        (date(2026, 12, 30), Status.PROSPECTIVE),
        (date(2026, 12, 31), Status.OPEN),
    ],
)
def test_a_gap_past_its_last_useful_day_stays_unmet_to_the_end_of_the_period(
    plan: Plan, as_of: date, status: Status
) -> None:
    plan.add("never")
    plan.find(as_of)
    gap = plan.gap("never")
    assert (gap.status, gap.is_unmet, gap.contact_by) == (status, True, date(2026, 11, 30))
    assert gap.can_be_reached(as_of) == (as_of <= date(2026, 11, 30))


def test_a_gap_that_closes_loses_its_date_and_has_it_again_when_reopened(plan: Plan) -> None:
    plan.add("member")
    plan.find()
    plan.happened("member", "G0121", date(2026, 9, 1))
    plan.find()
    assert plan.gap("member").contact_by is None
    plan.events.clear()
    plan.find()
    assert (plan.gap("member").work_status, plan.gap("member").contact_by) == (Work.REOPENED, date(2026, 11, 30))


def test_an_open_gap_keeps_the_last_known_date_of_what_came_too_early(plan: Plan) -> None:
    plan.add("member")
    plan.happened("member", "G0328", date(2025, 11, 3))
    plan.find()
    gap = plan.gap("member")
    assert (gap.reason_code, gap.evidence_date) == ("DateOutOfRange", date(2025, 11, 3))
    assert gap.evidence_route.startswith("FOBT")
    assert "FOBT on 2025-11-03 is before 2026-01-01" in gap.reason


def test_adherence_comes_with_its_days_from_fills_to_the_stored_row(plan: Plan) -> None:
    # The worked check of docs/pdc.md: first fill 10 January, 40 days missed by 1 September, supply to 20 September.
    plan.add("statin")
    for day, supply in ((date(2026, 1, 10), 90), (date(2026, 5, 20), 90), (date(2026, 8, 18), 34)):
        plan.filled("statin", "36567", day, supply)
    plan.find_statins(as_of=date(2026, 9, 1))
    gap = plan.gap("statin", "PDC-STA")
    assert (gap.adherence.treatment_days, gap.adherence.covered_days) == (235, 195)
    assert (gap.adherence.missable_days, gap.adherence.last_chance_date) == (31, date(2026, 10, 22))
    assert gap.adherence.refill_due == date(2026, 9, 21)
    assert (gap.status, gap.contact_by, gap.adherence.adherence_class) == (Status.CLOSED, None, "safe")
    plan.find_statins(as_of=date(2026, 10, 20))
    gap = plan.gap("statin", "PDC-STA")
    assert (gap.status, gap.contact_by, gap.adherence.adherence_class) == (
        Status.PROSPECTIVE, date(2026, 10, 22), "last_chance",
    )  # fmt: skip
    plan.find_statins(as_of=date(2026, 10, 23))
    gap = plan.gap("statin", "PDC-STA")
    assert (gap.status, gap.contact_by, gap.adherence.adherence_class) == (Status.PROSPECTIVE, None, "unsalvageable")


def test_a_run_of_several_measures_tells_after_each_how_far_it_is(plan: Plan) -> None:
    plan.add("never")
    told: list[tuple[str, int, int, int]] = []
    finding.find(
        YEAR,
        as_of=AS_OF,
        definitions=[*COL, replace(COL[0], code="BCS")],
        watch=lambda code, counts, done, total: told.append((code, counts.open, done, total)),
        by="test",
    )
    assert told == [("COL", 1, 1, 2), ("BCS", 1, 2, 2)]


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

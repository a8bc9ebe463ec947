"""`manage.py load_demo`: the whole plan in one command, through the doors anyone uses."""

import json
import stat
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from procrastinate.contrib.django.models import ProcrastinateJob

from audit.models import Event
from hedis.accounts.models import User
from hedis.accounts.roles import ROLES
from hedis.demo import loading
from hedis.gaps.models import Gap, MeasureReading, Work
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract, Member
from hedis.stars.models import Rating
from interventions import counties
from interventions.models import CountyFigures
from tests.factories import make_measure


def load_demo(**options: Any) -> Any:
    """The command's JSON answer."""
    out = StringIO()
    call_command("load_demo", **options, json=True, stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


@pytest.mark.django_db
def test_one_command_gives_a_plan_people_can_work_in(own_data_dir: Path) -> None:
    answer = load_demo(members=300, seed=1, models_later=True)
    assert set(answer["gaps"]) == {"2024", "2025", "2026"}
    for measures in answer["gaps"].values():
        for counts in measures.values():
            assert counts["eligible"] == counts["denominator"] + counts["excluded"]
            assert 0 < counts["numerator"] < counts["denominator"]

    assert Member.objects.count() == 300
    assert set(Contract.objects.values_list("number", "name")) >= {("H1001", "Harbor Complete")}
    assert {User.objects.get(username=name).role for name, *_ in loading.PEOPLE} == {role.key for role in ROLES}
    ana = User.objects.get(username="ana")
    assert 0 < Member.objects.visible_to(ana).count() < 300
    under_way = Gap.objects.assigned_to(ana).exclude(work_status__in=[Work.OPEN, Work.CLOSED_CLAIM, Work.EXCLUDED])
    assert under_way.exists()
    assert Rating.objects.filter(overall__isnull=False).count() == 6

    # Each contract has counties, called invented, that stand in for the year the running one pays in.
    for contract in Contract.objects.filter(number__in=loading.CONTRACTS):
        assert counties.stored(contract, 2026)
    assert set(CountyFigures.objects.values_list("source", flat=True)) == {"invented for the demo plan"}

    # The password opens the door, and only its owner can read the file it lies in.
    sign_ins = loading.stored_sign_ins()
    assert ana.check_password(next(one.password for one in sign_ins if one.username == "ana"))
    assert stat.S_IMODE(loading.sign_ins_file().stat().st_mode) == 0o600
    assert Event.objects.filter(action="claims.imported").count() == 1

    assert ProcrastinateJob.objects.filter(task_name=loading.MODELS_TASK).count() == 1
    assert answer["models"] == {}

    # Members already there: never a demo plan on top of real ones.
    with pytest.raises(Refused, match="members already"):
        load_demo(members=10)
    assert load_demo(members=10, if_empty=True)["loaded"] is False
    assert Member.objects.count() == 300


def test_out_alone_writes_files_and_loads_nothing(db: None, tmp_path: Path) -> None:
    load_demo(members=20, seed=3, out=tmp_path / "plan")
    assert (tmp_path / "plan" / "eligibility.parquet").stat().st_size > 0
    assert not Member.objects.exists()


def test_no_members_is_no_plan(db: None) -> None:
    with pytest.raises(WrongUse):
        load_demo(members=0)


def test_past_years_are_read_on_this_day_of_theirs_and_after_their_claims_came_in(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, date]] = []
    monkeypatch.setattr(loading.reading, "read", lambda year, as_of, by: read.append((year, as_of)))
    MeasureReading.objects.create(
        year=2024, data_as_of=date(2024, 9, 30), measure=make_measure("COL"), eligible=1, excluded=0, denominator=1,
        numerator=0, definition_version="1", generation="g", read_by="test",
    )  # fmt: skip
    loading.read_past_years(as_of=date(2026, 9, 30), say=lambda words: None)
    # The first was read before the job was cut off.
    assert read == [(2024, date(2025, 3, 31)), (2025, date(2025, 9, 30)), (2025, date(2026, 3, 31))]
    read.clear()
    loading.read_past_years(as_of=date(2028, 2, 29), say=lambda words: None)
    assert read == [(2026, date(2026, 2, 28)), (2026, date(2027, 3, 31)), (2027, date(2027, 2, 28)),
                    (2027, date(2028, 2, 29))]  # fmt: skip

"""Reference data and published tables into rows: versioned, idempotent, all or nothing, and only to read."""

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from audit.models import Event
from hedis.accounts.models import User
from hedis.engine.rating_year import RatedAs
from hedis.stars import loading, years
from hedis.stars.models import (
    CaiValue,
    CutPoint,
    MeasureChange,
    PublishedContract,
    PublishedStar,
    ReferenceYear,
    Release,
    StarMeasure,
)
from tests.hedis import star_tables as made

pytestmark = pytest.mark.django_db


def answer(*command: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command(*command, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.fixture
def own_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the reference files to spoil."""
    copy = tmp_path / "reference"
    copy.mkdir()
    for path in years.REFERENCE.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(years, "REFERENCE", copy)
    forget()
    yield copy
    forget()


def forget() -> None:
    for cached in (years.rules, years.star_year, years.organisation_types, years.adjustments):
        cached.cache_clear()


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_reference_rows_say_what_the_files_say_and_a_second_load_changes_nothing() -> None:
    assert answer("load_star_reference") == {
        "star_years": [2024, 2025, 2026, 2027, 2028, 2029],
        "changed": [2024, 2025, 2026, 2027, 2028, 2029],
    }
    assert answer("load_star_reference")["changed"] == []
    assert [one.status for one in ReferenceYear.objects.order_by("star_year")] == [
        "final", "final", "final", "provisional", "announced", "announced",
    ]  # fmt: skip
    measures = StarMeasure.objects.filter(reference__star_year=2026)
    assert measures.count() == 45
    assert measures.get(measure_id="D02").duplicate_of == "C28"
    assert CutPoint.objects.get(reference__star_year=2026, measure_id="D01", contract_type="PDP").four == 98
    assert CaiValue.objects.get(reference__star_year=2025, rating="overall", category=8).value == Decimal("0.134761")
    removed = MeasureChange.objects.filter(reference__star_year=2028, change="removed")
    assert {one.key for one in removed} == {"CALL-C", "CALL-D", "SPC"}
    assert Event.objects.filter(action="load star reference").count() == 1


def test_a_changed_file_makes_a_new_version_of_its_year_beside_the_old_one(own_reference: Path) -> None:
    loading.load_reference(by="test")
    replace_in(own_reference / "cut_points.csv", "2026,C01,MA,58,", "2026,C01,MA,59,")
    forget()
    assert loading.load_reference(by="test").changed == (2026,)
    versions = ReferenceYear.objects.filter(star_year=2026).order_by("version")
    assert [(one.version, one.is_current) for one in versions] == [(1, False), (2, True)]
    cuts = CutPoint.objects.filter(measure_id="C01", reference__in=versions).order_by("reference__version")
    assert [one.two for one in cuts] == [58, 59]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        pytest.param("cut_points.csv", "2024,C01,MA,48,", "2024,C01,MA,4B,",
                     "cut_points.csv, row 2, two: '4B' is not a number", id="no number"),
        pytest.param("measures.csv", ",1,higher,", ",1.5,higher,",
                     "measures.csv, row 2, weight: 1.5 is not a whole number", id="half a weight"),
        pytest.param("thresholds.csv", "2024,overall,Y,", "2024,overall,maybe,",
                     "thresholds.csv, row 2, improvement: 'maybe' is neither Y nor N", id="neither Y nor N"),
        pytest.param("cai_values.csv", "2024,overall,1,-0.024917,", "2024,overall,1,-0.024917",
                     "cai_values.csv, row 2: not as many cells as columns", id="a cell short"),
        pytest.param("changes.csv", '"CMS Medicare 2026 Part C & D Star Ratings Technical Notes, 09/25/2025"', '""',
                     "changes.csv, row 2, source: empty", id="no source"),
    ],
)  # fmt: skip
def test_a_spoilt_file_is_named_and_stores_nothing(
    own_reference: Path, name: str, old: str, new: str, message: str
) -> None:
    replace_in(own_reference / name, old, new)
    with pytest.raises(CommandError, match=message.replace("(", r"\(")) as error:
        answer("load_star_reference")
    assert error.value.returncode == 1
    assert not ReferenceYear.objects.exists()


def test_every_reference_row_has_a_source_and_every_year_hangs_together() -> None:
    for number in years.years():
        year = years.star_year(number)
        types = {RatedAs.MA_PD} if year.status == "provisional" else {RatedAs.MA_PD, RatedAs.PDP}
        for measure_id, measure in year.measures.items():
            assert measure.weight > 0
            assert not measure.duplicate_of or measure.duplicate_of in year.measures
            for rated_as in types:
                cuts = list(year.cuts(measure_id, rated_as))
                assert cuts == sorted(cuts, reverse=measure.lower_is_better), (number, measure_id)
        assert len({one.key for one in year.measures.values()}) == len(year.measures)
        assert year.guardrails.free <= set(year.measures)
        assert len(year.thresholds) == (8 if number == 2025 else 16)


def test_published_tables_become_rating_history(tmp_path: Path) -> None:
    folder = made.folder(tmp_path / "now")
    assert answer("load_star_tables", str(folder), "--year", "2025", "--release", "October 2024") == {
        "year": 2025, "release": "October 2024", "created": True, "contracts": 3, "measure_stars": 84,
    }  # fmt: skip
    assert answer("load_star_tables", str(folder), "--year", "2025")["created"] is False
    found = PublishedContract.objects.for_year(2025).get(number="H2222")
    assert (found.rated_as, found.part_c, found.part_d, found.snp) == ("MA-only", Decimal("3.5"), None, True)
    assert found.messages == {"part_d": "Not Applicable", "overall": "Not Applicable"}
    assert (found.disaster_current, found.cai_categories) == (40, {"part_c": 2})
    assert found.parent == "Beta Group"
    star = PublishedStar.objects.get(contract=found, measure_id="C01")
    assert (star.star, star.score, star.message) == (4, 73, "")
    assert PublishedStar.objects.get(contract=found, measure_id="D01").message == made.NOT_REQUIRED.strip()
    assert Event.objects.filter(action="load star tables").count() == 1


def test_a_later_release_of_the_year_becomes_the_current_one_and_the_first_stays(tmp_path: Path) -> None:
    loading.load_release(made.folder(tmp_path / "october"), 2025, name="October", by="test")
    loading.load_release(made.folder(tmp_path / "december", domains=None), 2025, name="December", by="test")
    assert [(one.name, one.is_current) for one in Release.objects.order_by("pk")] == [
        ("October", False), ("December", True),
    ]  # fmt: skip
    assert PublishedContract.objects.for_year(2025).count() == 3
    loading.load_release(tmp_path / "october", 2025, name="October", by="test")
    assert Release.objects.current().get().name == "October"
    assert Release.objects.count() == 2


def test_bad_tables_store_nothing(tmp_path: Path) -> None:
    bad = made.folder(tmp_path / "now", scores=None)
    with pytest.raises(CommandError, match="'Data View' is missing") as error:
        answer("load_star_tables", str(bad), "--year", "2025")
    assert error.value.returncode == 1
    assert not Release.objects.exists()
    with pytest.raises(CommandError) as wrong:
        answer("load_star_tables", str(tmp_path / "nowhere"), "--year", "2025")
    assert wrong.value.returncode == 2


def test_the_database_keeps_one_current_version_a_year() -> None:
    loading.load_reference(by="test")
    current = ReferenceYear.objects.get(star_year=2026)
    current.pk, current.version = None, 2
    with pytest.raises(IntegrityError), transaction.atomic():
        current.save()


@pytest.mark.parametrize("model", ["referenceyear", "starmeasure", "cutpoint", "release", "publishedcontract"])
def test_a_director_reads_the_rows_and_changes_none(client: Client, quinn: User, tmp_path: Path, model: str) -> None:
    loading.load_reference(by="test")
    loading.load_release(made.folder(tmp_path / "now"), 2025, name="October", by="test")
    client.force_login(quinn)
    assert client.get(f"/admin/stars/{model}/").status_code == 200
    assert client.get(f"/admin/stars/{model}/add/").status_code == 403


def test_a_contracts_page_shows_its_measures(client: Client, quinn: User, tmp_path: Path) -> None:
    loading.load_release(made.folder(tmp_path / "now"), 2025, name="October", by="test")
    client.force_login(quinn)
    contract = PublishedContract.objects.get(number="H1111")
    page = client.get(f"/admin/stars/publishedcontract/{contract.pk}/change/")
    assert page.status_code == 200
    assert b"C01" in page.content

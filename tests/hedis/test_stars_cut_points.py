"""`derive_cut_points`: how close public data come to CMS's own cut points, and what is left out."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hedis.stars import clustering, verification
from tests.hedis import star_tables as made


def answer(folder: Path, year: int, *options: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("derive_cut_points", str(folder), "--year", str(year), "--json", *options, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.mark.published
def test_cut_points_of_2026_come_as_close_as_public_data_allow(shared: Path, tmp_path: Path) -> None:
    where = tmp_path / "cuts.csv"
    found = answer(
        shared / "cms/2026/published", 2026, "--prior", str(shared / "cms/2025/published"), "--csv", str(where)
    )
    tolerance = found["tolerance"]
    assert tolerance["cut_points"] == 172
    assert tolerance["equal"] >= 110
    assert tolerance["within_one_step"] >= 155
    assert len(list(csv.DictReader(where.read_text(encoding="utf-8").splitlines()))) == 172
    by_key = {(one["measure_id"], one["contract_type"]): one for one in found["measures"]}
    assert by_key["D07", "MA-PD"]["guarded"] == ["92", "93", "94", "99"]
    assert by_key["D12", "PDP"]["resampled"] == ["82", "83", "84", "86"]
    assert {key[0] for key in by_key}.isdisjoint({"C30", "D04", "C03", "C22"})


@pytest.mark.published
def test_another_seed_gives_another_answer_within_the_same_tolerance(shared: Path) -> None:
    folder = shared / "cms/2026/published"
    first, second = answer(folder, 2026, "--seed", "1"), answer(folder, 2026, "--seed", "2")
    assert first["measures"] != second["measures"]
    assert second["tolerance"]["within_one_step"] >= 150


@pytest.mark.published
def test_a_forecast_keeps_to_this_years_cut_points(shared: Path) -> None:
    found = answer(shared / "cms/2026/published", 2026, "--forecast")
    assert found["tolerance"]["cut_points"] == 0
    for one in found["measures"]:
        if one["cap"] is not None:
            moved = zip(map(float, one["guarded"]), map(float, one["published"]), strict=True)
            assert all(abs(now - before) <= float(one["cap"]) + 1e-9 for now, before in moved)


def test_scores_kept_after_a_disaster_and_contracts_mostly_in_one_are_left_out(tmp_path: Path) -> None:
    release = verification.read_release(made.folder(tmp_path / "now"), made.YEAR)
    screening, outcome = release.year.measure("C01"), release.year.measure("C02")
    assert [str(score) for score in clustering.eligible_scores(release, None, screening, "MA")] == ["73"]
    assert len(list(clustering.eligible_scores(release, None, outcome, "MA"))) == 2
    shares = {one: ("3.5", "3.5", "3.5") for one in ("H1111", "H2222", "S3333")}
    flooded = made.folder(tmp_path / "flooded", summary=made.summary_table(shares, ("3", "60")))
    hit = verification.read_release(flooded, made.YEAR)
    assert list(clustering.eligible_scores(hit, None, outcome, "MA")) == []
    assert len(list(clustering.eligible_scores(hit, None, hit.year.measure("C30"), "MA"))) == 2


def test_too_few_contracts_are_a_problem_said_per_measure(tmp_path: Path) -> None:
    found = answer(made.folder(tmp_path / "now"), made.YEAR)
    problems = {one["measure_id"]: one["problem"] for one in found["measures"]}
    assert "distinct scores" in problems["C25"]
    out = io.StringIO()
    call_command("derive_cut_points", str(tmp_path / "now"), "--year", str(made.YEAR), stdout=out)
    assert "C25 MA: " in out.getvalue()


def test_a_missing_folder_is_wrong_use_and_a_bad_table_says_no(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as wrong:
        answer(tmp_path / "nowhere", made.YEAR)
    assert wrong.value.returncode == 2
    with pytest.raises(CommandError) as bad:
        answer(made.folder(tmp_path / "now", stars=None), made.YEAR)
    assert bad.value.returncode == 1

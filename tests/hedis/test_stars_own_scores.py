"""Entered and imported scores: checked, superseded, never overwritten; anything wrong stores nothing."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.test import Client
from django.urls import reverse

from audit.models import Event
from hedis.accounts.models import User
from hedis.stars import scores
from hedis.stars.models import EnteredScore
from tests.factories import make_contract
from tests.hedis.star_plan import scores_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    make_contract("H1234")
    return tmp_path / "scores.csv"


def imported(file: Path, text: str, year: str = "2028") -> dict[str, Any]:
    file.write_text(text, encoding="utf-8-sig")
    out = io.StringIO()
    call_command("import_scores", str(file), "--year", year, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_scores_of_a_file_stand_with_source_and_name(file: Path) -> None:
    assert imported(file, scores_file({"C21": "82", "D08": "87.5%"})) == {
        "year": 2028, "read": 2, "added": 2, "superseded": 0, "unchanged": 0,
    }  # fmt: skip
    one = EnteredScore.objects.get(measure_id="D08")
    assert (str(one.score), one.key, one.source, one.entered_by) == (
        "87.500000",
        "MAD",
        "vendor report",
        "import_scores",
    )
    assert Event.objects.get(action="scores.entered").row_count == 2


def test_the_same_file_again_changes_nothing_and_a_correction_supersedes(file: Path) -> None:
    imported(file, scores_file({"C21": "82"}))
    assert imported(file, scores_file({"C21": "82"}))["unchanged"] == 1
    assert imported(file, scores_file({"C21": "84"}))["superseded"] == 1
    old, new = EnteredScore.objects.order_by("entered_at")
    assert (old.score, new.score) == (82, 84)
    assert old.superseded_at == new.entered_at and new.superseded_at is None
    assert Event.objects.filter(action="scores.entered").count() == 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("H1234,C99,80,x", "scores.csv, row 3, measure: Star year 2027 has no measure 'C99'"),
        ("H1234,D08,101,x", "scores.csv, row 3, score: D08"),
        ("H1234,D08,much,x", "scores.csv, row 3, score: not a number below"),
        ("H1234,D08,NaN,x", "row 3, score"),
        ("H1234,D08,1e99,x", "row 3, score"),
        ("H1234,D08,-1,x", "row 3, score"),
        ("H1234,D08,,x", "row 3, score"),
        ("H1234,D08,80,", "row 3, source: say in 1 to 200 characters"),
        ("H0000,D08,80,x", "row 3, contract: H0000 is no contract of this plan"),
        ("H1234,C21,80,x", "row 3, measure: H1234 C21 stands in row 2 already"),
        ("H1234,C32,80,x", "row 3, measure: C32 leaves the Star Ratings in 2028"),
        ("H1234", "row 3, measure: not a measure id"),
        ("1EG4-TE5-MK73,D08,80,x", "row 3, contract: this is no contract of this plan"),
        ("H1234,1EG4-TE5-MK73,80,x", "row 3, measure: not a measure id"),
        ("H1234,D08,1EG4-TE5-MK73,x", "row 3, score: not a number"),
    ],
)
def test_one_wrong_row_is_named_and_nothing_of_the_file_is_kept(file: Path, row: str, said: str) -> None:
    with pytest.raises(CommandError) as refusal:
        imported(file, scores_file({"C21": "82"}) + row + "\n")
    assert refusal.value.returncode == 1 and said in str(refusal.value)
    assert "1EG4" not in str(refusal.value), "a member's id is never quoted"
    assert not EnteredScore.objects.exists() and not Event.objects.filter(action="scores.entered").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("contract,measure,score\nH1234,C21,82\n", "row 1: the column source is missing"),
        ("contract,measure,score,source\n", "no scores in it"),
        ("", "the column contract is missing"),
    ],
)
def test_a_file_of_another_shape_is_refused(file: Path, text: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        imported(file, text)


def test_a_year_nobody_can_rate_and_a_missing_file_are_refused(file: Path) -> None:
    with pytest.raises(CommandError, match="star_year: no reference data for Star year 2019"):
        imported(file, scores_file({"C21": "82"}), year="2019")
    with pytest.raises(CommandError) as refusal:
        call_command("import_scores", str(file.parent / "none.csv"), "--year", "2028")
    assert refusal.value.returncode == 2


def test_a_file_that_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"contract,measure,score,source\nH1234,C21,82,caf\xe9\n")
    with pytest.raises(CommandError, match="not UTF-8"):
        call_command("import_scores", str(file), "--year", "2028")


def test_a_cell_no_reader_takes_is_refused(file: Path) -> None:
    with pytest.raises(CommandError, match="field larger than field limit"):
        imported(file, scores_file({"C21": "82"}) + f"H1234,D08,80,{'x' * 140_000}\n")


def test_a_measure_of_the_other_part_is_refused() -> None:
    with pytest.raises(scores.UnusableScore, match="C01 is no measure of PDP contracts"):
        scores.enter(make_contract("S1234", plan_type="pdp"), 2026, "C01", "80", source="x", by="ben")


@pytest.mark.parametrize(
    "statement", ["UPDATE stars_enteredscore SET score = 5", "DELETE FROM stars_enteredscore",
                  "UPDATE stars_enteredscore SET superseded_at = NULL"],
)  # fmt: skip
def test_the_database_keeps_scores_as_they_were_entered(statement: str) -> None:
    contract = make_contract("H1234")
    for score in ("80", "81"):
        scores.enter(contract, 2028, "C21", score, source="x", by="ben")
    with pytest.raises(Error, match="stay as they are"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_an_analyst_enters_and_corrects_a_score_in_the_admin(ben: User, client: Client) -> None:
    contract = make_contract("H1234")
    client.force_login(ben)
    address = reverse("admin:stars_enteredscore_add")
    given = {"contract": contract.pk, "star_year": 2028, "measure_id": "C21", "score": "82", "source": "CAHPS report"}
    assert client.post(address, given).status_code == 302
    assert client.post(address, given | {"score": "84"}).status_code == 302
    assert [(one.score, one.entered_by) for one in EnteredScore.objects.standing()] == [(84, "ben")]
    assert EnteredScore.objects.count() == 2
    wrong = client.post(address, given | {"score": "101"})
    assert wrong.status_code == 200 and "score 101 is outside 0 to 100" in wrong.content.decode()
    page = client.get(reverse("admin:stars_enteredscore_change", args=[EnteredScore.objects.first().pk]))  # type: ignore[union-attr]
    assert page.status_code == 200 and 'name="_save"' not in page.content.decode()


def test_a_director_reads_scores_and_enters_none(quinn: User, client: Client) -> None:
    client.force_login(quinn)
    assert client.get(reverse("admin:stars_enteredscore_changelist")).status_code == 200
    assert client.get(reverse("admin:stars_enteredscore_add")).status_code == 403

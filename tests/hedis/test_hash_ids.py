"""The crosswalk command: for the plan's own side, for its owner's eyes, and on the record."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from audit import ledger
from audit.models import Event
from hedis.lib.commands import Refused, WrongUse
from hedis.members.pseudonyms import pseudonym


def ids_file(folder: Path, *ids: str, column: str = "person_id") -> Path:
    path = folder / "ids.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([[column, "note"], *([each, "x"] for each in ids)])
    return path


def test_the_crosswalk_holds_each_id_once_with_its_pseudonym_for_its_owner_only(db: None, tmp_path: Path) -> None:
    path, out, err = ids_file(tmp_path, "A-1", "B2", "A-1", "", "C" * 65), StringIO(), StringIO()
    call_command("hash_ids", str(path), "--json", "--by", "ines", stdout=out, stderr=err)
    answer = json.loads(out.getvalue())
    assert answer == {"file": str(tmp_path / "ids.crosswalk.csv"), "ids": 2, "unusable": 2}
    target = Path(answer["file"])
    with target.open(encoding="utf-8", newline="") as handle:
        assert list(csv.reader(handle)) == [
            ["person_id", "pseudonym"],
            ["A-1", pseudonym("A-1")],
            ["B2", pseudonym("B2")],
        ]
    assert target.stat().st_mode & 0o777 == 0o600
    said = err.getvalue()
    assert "row 5, person_id: is empty" in said and "row 6, person_id: is longer than 64 characters" in said
    assert "CCC" not in said and "names every member" in said


def test_the_export_is_on_the_ledger_without_any_id(db: None, tmp_path: Path) -> None:
    call_command(
        "hash_ids", str(ids_file(tmp_path, "A-1")), "--json", "--by", "ines", stdout=StringIO(), stderr=StringIO()
    )
    event = Event.objects.get()
    assert (event.kind, event.action, event.actor, event.row_count) == ("export", "members.crosswalk", "ines", 1)
    assert "A-1" not in json.dumps(ledger.contents(event))


def test_an_existing_file_is_never_written_over(db: None, tmp_path: Path) -> None:
    target = tmp_path / "there.csv"
    target.write_text("keep me", encoding="utf-8")
    with pytest.raises(Refused, match="exists already"):
        call_command("hash_ids", str(ids_file(tmp_path, "A-1")), "--out", str(target))
    assert target.read_text(encoding="utf-8") == "keep me"
    assert not Event.objects.exists()


def test_without_a_ledger_line_there_is_no_file(db: None, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"actor"):
        call_command("hash_ids", str(ids_file(tmp_path, "A-1")), "--by", "", stdout=StringIO(), stderr=StringIO())
    assert not (tmp_path / "ids.crosswalk.csv").exists()


def test_a_file_without_the_column_is_refused_and_a_missing_file_is_wrong_use(db: None, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"ids\.csv, row 1, person_id: the column is missing"):
        call_command("hash_ids", str(ids_file(tmp_path, "A-1", column="who")))
    with pytest.raises(WrongUse):
        call_command("hash_ids", str(tmp_path / "nowhere.csv"))
    (tmp_path / "ids.csv").write_bytes("person_id\nZoë\n".encode("latin-1"))
    with pytest.raises(Refused, match="is not UTF-8"):
        call_command("hash_ids", str(tmp_path / "ids.csv"))

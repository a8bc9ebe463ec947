"""From published claims to gaps: the numbers a person gets who tries the product on files nobody here wrote.

ci10 and demo100 are the Tuva project's synthetic claims. The members below were read by hand; the rows that decide each
stand beside the expectation.
"""

import json
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from hedis.evidence import importing
from hedis.gaps.models import Gap
from hedis.measures.definitions import DEFINITIONS
from hedis.members.pseudonyms import pseudonym

pytestmark = [pytest.mark.published, pytest.mark.django_db]


def answer(name: str, *arguments: str) -> Any:
    """What a command prints to stdout under --json."""
    out = StringIO()
    call_command(name, *arguments, "--json", stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


def test_ci10_is_read_whole_and_twice_changes_nothing(shared: Path) -> None:
    folder = str(shared / "data" / "tuva" / "ci10")
    first = answer("import_claims", folder)
    read = {name: counts["read"] for name, counts in first["tables"].items() if counts["read"]}
    assert read == {
        "eligibility": 31, "medical_claim": 2075, "pharmacy_claim": 291, "lab_result": 1162, "observation": 2917,
    }  # fmt: skip
    for counts in first["tables"].values():
        assert counts["read"] == counts["loaded"] + counts["duplicates"] + counts["quarantined"]
    assert (first["quarantine"], first["tables"]["medical_claim"]["loaded"]) == (None, 2075)
    second = answer("import_claims", folder)
    assert {name: counts["duplicates"] for name, counts in second["tables"].items() if counts["read"]} == read


def test_demo100_with_its_older_column_names_is_read_whole(shared: Path) -> None:
    imported = answer("import_claims", str(shared / "data" / "tuva" / "demo100"))
    loaded = {name: counts["loaded"] for name, counts in imported["tables"].items() if counts["read"]}
    assert loaded == {
        "eligibility": 219, "medical_claim": 6075, "pharmacy_claim": 648,
    }  # fmt: skip


def gap(person: str, measure: str) -> Gap:
    """The gap of a person of the published file."""
    return Gap.objects.get(member__pseudonym=pseudonym(person), measure__code=measure)


def test_three_members_of_ci10_read_by_hand(shared: Path) -> None:
    importing.import_tuva(shared / "data" / "tuva" / "ci10", by="test")
    counts = answer("find_gaps", "--year", "2018", "--as-of", "2018-08-31")["measures"]
    # Kidney health evaluation is a measure from 2020 on.
    assert set(counts) == set(DEFINITIONS) - {"KED"}
    for measure in counts.values():
        assert measure["eligible"] == measure["denominator"] + measure["excluded"]
        assert measure["denominator"] == measure["numerator"] + measure["open"]

    # 10007, born 1956-01-04: enrolled but for one break of 31 days in 2017 (2017-03) and one of 30 in 2018 (2018-04).
    # FOBT G0328 on 2017-02-22 is of the year before; nothing else that free code lists can see.
    col = gap("10007", "COL")
    assert (col.status, col.reason_code, col.evidence_date) == ("prospective-gap", "DateOutOfRange", date(2017, 2, 22))
    # The same member: E1165 on 2017-02-09 and 2017-02-12 at the office make diabetes; no HbA1c is in the file.
    gsd = gap("10007", "GSD")
    assert (gsd.status, gsd.reason_code) == ("prospective-gap", "NotFound")
    # 10111, born 1949-05-26: I10 at the office on 2017-12-15 and 2018-04-03; 120/78 on 2018-07-20 is the last reading.
    cbp = gap("10111", "CBP")
    assert (cbp.status, cbp.evidence_value, cbp.evidence_date) == ("closed-gap", "120/78 mmHg", date(2018, 7, 20))
    # 10: colorectal cancer in the history (Z85038 on 2017-05-15): excluded, never open.
    cancer = gap("10", "COL")
    assert (cancer.status, cancer.exclusion) == ("not-applicable", "colorectal cancer")


def test_at_the_end_of_2018_nobody_of_ci10_with_a_long_break_is_counted(shared: Path) -> None:
    importing.import_tuva(shared / "data" / "tuva" / "ci10", by="test")
    counts = answer("find_gaps", "--year", "2018")["measures"]
    # Nine of the ten left before 31 December; the one who stayed, 10113, is long-term institutional and 74.
    assert counts["COL"] == {"eligible": 1, "denominator": 0, "excluded": 1, "numerator": 0, "open": 0}

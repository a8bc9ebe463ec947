"""The page and the endpoint of code lists, and the routes on a measure's page."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from hedis.accounts.models import User
from hedis.measures import importing, loading
from hedis.measures.models import Measure, ValueSetList
from tests.factories import make_measure

pytestmark = pytest.mark.django_db
OWN = "value_set,code_system,code,valid_to_year\ncolonoscopy,cpt,99998,2024\nnobody-asks,loinc,1-1,\n"


@pytest.fixture
def own_list(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(OWN, encoding="utf-8")
    importing.import_value_sets(path, by="ben")


def page(client: Client, **parameters: str) -> str:
    answer = client.get(reverse("admin:code_lists"), parameters)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_house_is_told_how_to_load_a_list(client: Client, ben: User) -> None:
    client.force_login(ben)
    assert "manage.py import_value_sets FILE" in page(client)


def test_the_page_shows_lists_sets_and_what_is_missing(client: Client, ben: User, own_list: None) -> None:
    client.force_login(ben)
    text = page(client, year="2024")
    assert "import_value_sets" not in text
    assert "own.csv" in text and "by ben" in text
    assert "1 cpt" in text and "none asks for it" in text
    assert "1 cpt</span>, <span" in text  # colonoscopy: beside its packaged codes
    later = page(client, year="2025")
    assert "1 cpt</span>, <span" not in later.split("Value sets</h2>")[1]


def test_one_measure_narrows_the_sets(client: Client, ben: User, own_list: None) -> None:
    client.force_login(ben)
    text = page(client, measure="COL").split("Value sets</h2>")[1]
    assert "colonoscopy" in text and "hba1c" not in text and "nobody-asks" not in text


def test_a_lost_file_and_one_put_there_by_hand_are_named(client: Client, ben: User, own_list: None) -> None:
    (loading.own_lists() / "own.csv").rename(loading.own_lists() / "byhand.csv")
    client.force_login(ben)
    text = page(client)
    assert "file is gone" in text and "Put into the folder by hand: byhand.csv" in text


def test_the_measure_page_knows_a_list_the_moment_it_is_there(client: Client, ben: User, tmp_path: Path) -> None:
    measure = make_measure("COL")
    client.force_login(ben)
    address = reverse("admin:measures_measure_change", args=[measure.pk])
    assert "colonoscopy (numerator): 2 hcpcs-ii – needs cpt, snomed-ct" in client.get(address).content.decode()
    path = tmp_path / "own.csv"
    path.write_text(OWN.replace(",2024", ","), encoding="utf-8")
    importing.import_value_sets(path, by="ben")
    assert "colonoscopy (numerator): 1 cpt, 2 hcpcs-ii – needs snomed-ct" in client.get(address).content.decode()
    assert Measure.objects.filter(code="COL").exists()


def test_the_endpoint_gives_counts_and_never_codes(client: Client, ben: User, own_list: None) -> None:
    client.force_login(ben)
    answer = client.get("/api/v1/code-lists/")
    assert answer.status_code == 200
    row = answer.json()["results"][0]
    assert (row["name"], row["codes"], row["imported_by"]) == ("own", {"cpt": 1, "loinc": 1}, "ben")
    assert "99998" not in answer.content.decode()
    assert client.get("/api/v1/code-lists/", {"measurement_year": "2030"}).json()["results"] == []


def test_an_analyst_loads_a_file_and_a_bad_one_is_refused_in_words(client: Client, ben: User) -> None:
    client.force_login(ben)
    address = reverse("admin:code_lists")
    answer = client.post(address, {"file": SimpleUploadedFile("mine.csv", OWN.encode())}, follow=True)
    assert "List mine loaded: 2 value sets, 1 cpt, 1 loinc." in answer.content.decode()
    assert ValueSetList.objects.get().imported_by == "ben"
    bad = SimpleUploadedFile("bad.csv", b"value_set,code_system,code\nx,loinc,\n")
    answer = client.post(address, {"file": bad, "measurement_year": "2026"}, follow=True)
    assert "Nothing was loaded. bad.csv, row 2, code: is empty" in answer.content.decode()
    answer = client.post(address, {"measurement_year": "26"}, follow=True)
    assert "File: This field is required." in answer.content.decode()
    assert ValueSetList.objects.count() == 1


def test_who_may_not_load_sees_no_form_and_is_refused(client: Client, cy: User) -> None:
    client.force_login(cy)
    assert "multipart" not in page(client)
    sent = {"file": SimpleUploadedFile("mine.csv", OWN.encode())}
    assert client.post(reverse("admin:code_lists"), sent).status_code == 403
    assert not ValueSetList.objects.exists()

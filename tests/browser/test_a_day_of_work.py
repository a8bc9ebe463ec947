"""What a care manager does in a browser: signs in, opens the queue, a member, logs a step. Readable to everybody."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from hedis.accounts.models import User
from hedis.gaps.models import AdherenceClass, Gap, Work
from hedis.members.models import ContactPreference
from predictions.models import Prediction
from tests.browser.conftest import PHONE
from tests.factories import (
    make_adherence,
    make_contract,
    make_count,
    make_gap,
    make_measure,
    make_member,
    make_provider,
)
from tests.predictions.scored import make_model_row, make_prediction

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
PAGES = [
    "/admin/",
    "/admin/queue/",
    "MEMBER",
    "GAP",
    "ADHERENCE",
    "/admin/gaps/gap/",
    "/admin/members/member/",
    "/admin/rates/",
    "/admin/predictions/prediction/",
    "PREDICTION",
]


def story(owner: User) -> Gap:
    """A member with two gaps, an enrolment, a provider, a wish not to be called, and counts."""
    contract, measure = make_contract(), make_measure("COL", name="Colorectal Cancer Screening")
    member = make_member(contract=contract, provider=make_provider(), care_manager=owner, low_income_subsidy=True)
    ContactPreference.objects.create(member=member, do_not_call=True)
    make_gap(member, make_measure("GSD", reversible=True), contract=contract)
    make_count(measure, contract)
    return make_gap(member, measure, contract=contract)


def with_refills(gap: Gap) -> None:
    """Beside the story's gaps two of adherence, one a refill can save, one that is lost; and what a model foresees."""
    make_adherence(make_gap(gap.member, make_measure("PDC-STA"), contact_by=timezone.localdate() + timedelta(days=9)))
    make_prediction(gap, make_model_row(gap.measure), expires_on=timezone.localdate(), quality=["no_history"])
    lost = {"missable_days": -4, "last_chance_date": None, "adherence_class": AdherenceClass.UNSALVAGEABLE}
    make_adherence(make_gap(gap.member, make_measure("PDC-DR"), contact_by=None), **lost)


def addresses(gap: Gap) -> list[str]:
    places = {"MEMBER": f"/admin/members/member/{gap.member_id}/change/", "GAP": f"/admin/gaps/gap/{gap.pk}/change/"}
    adherence = Gap.objects.filter(member=gap.member_id, measure__code="PDC-STA").first()
    foreseen = Prediction.objects.filter(gap=gap).first()
    places["PREDICTION"] = f"/admin/predictions/prediction/{foreseen.pk if foreseen else 0}/change/"
    places["ADHERENCE"] = f"/admin/gaps/gap/{(adherence or gap).pk}/change/"
    return [places.get(page, page) for page in PAGES]


def test_from_sign_in_to_a_logged_step(open_page: Callable[..., Any], ana: User) -> None:
    gap = story(ana)
    page = open_page(ana)
    page.get_by_role("link", name="Open the queue").click()
    page.get_by_role("link", name=gap.member.label).click()
    assert page.get_by_text("DO NOT CALL", exact=True).is_visible()
    card = page.locator(f"#gap-{gap.pk}")
    card.get_by_label("Next step").select_option(Work.APPOINTMENT)
    card.get_by_label("Why").fill("Tuesday at ten")
    card.get_by_role("button", name="Log step").click()
    assert page.get_by_text("COL is now “Appointment made”").is_visible()
    gap.refresh_from_db()
    assert gap.work_status == Work.APPOINTMENT
    assert page.complaints == []


def test_the_queue_works_by_keyboard_alone(open_page: Callable[..., Any], ana: User) -> None:
    gap = story(ana)
    page = open_page(ana)
    page.goto("/admin/queue/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.get_by_label(f"Tick member {gap.member.label}").focus()
    page.keyboard.press("Space")
    page.get_by_label("Work status").last.focus()
    page.keyboard.type("Outreach")
    page.get_by_label("Why").focus()
    page.keyboard.type("letter sent")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=2 gaps now")
    assert set(Gap.objects.values_list("work_status", flat=True)) == {Work.OUTREACH}


def test_a_refill_that_can_still_save_the_year_is_found_by_its_class(open_page: Callable[..., Any], ana: User) -> None:
    gap = story(ana)
    with_refills(gap)
    page = open_page(ana)
    page.goto("/admin/queue/")
    page.get_by_label("Adherence").select_option("at_risk")
    page.get_by_role("button", name="Apply").click()
    row = page.locator("tr", has_text=gap.member.label)
    assert row.get_by_text("9 days left").is_visible()
    assert row.get_by_text("may miss 12 more days").is_visible()
    page.get_by_label("Contact by").select_option("late")
    page.get_by_label("Adherence").select_option("")
    page.get_by_role("button", name="Apply").click()
    assert page.locator("tr", has_text=gap.member.label).get_by_text("PDC-DR · too late to count").is_visible()
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_barrier_or_breaks_the_policy(
    scheme: str, open_page: Callable[..., Any], lea: User
) -> None:
    gap = story(lea)
    with_refills(gap)
    page = open_page(scheme=scheme)
    page.goto("/admin/login/")
    found = barriers(page, "sign-in")
    signed_in = open_page(lea, scheme=scheme)
    for address in addresses(gap):
        signed_in.goto(address)
        found += barriers(signed_in, address)
    assert found == []
    assert signed_in.complaints == [] and page.complaints == []


def barriers(page: Any, name: str) -> list[tuple[str, str, str]]:
    """Serious and critical findings of axe, with the element they are at."""
    return [
        (name, rule["id"], node["html"][:120])
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_no_page_is_wider_than_a_phone(open_page: Callable[..., Any], lea: User) -> None:
    gap = story(lea)
    with_refills(gap)
    page = open_page(lea, viewport=PHONE)
    wide = {}
    for address in addresses(gap):
        page.goto(address)
        wide[address] = page.evaluate("document.documentElement.scrollWidth")
    assert {address: width for address, width in wide.items() if width > PHONE["width"]} == {}


def test_the_theme_button_goes_round_and_is_kept(open_page: Callable[..., Any], ana: User) -> None:
    page = open_page(ana)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator(".theme-toggle").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.goto("/admin/queue/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark

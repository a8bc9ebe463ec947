"""Hold-outs and treatment as stored rows, and the plan's own effects from them."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audit.models import Event
from hedis.accounts.models import User
from hedis.gaps import workflow
from hedis.gaps.models import Status, Work
from hedis.members.models import Member
from predictions import effects, exposures, uplift
from predictions.exposures import ExposureError, Offer
from predictions.models import ActionEffect, Arm, Exposure, Origin
from tests.factories import make_gap, make_measure, make_member

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)


def offer(member: Member, **overrides: Any) -> Offer:
    facts = {"measure": "COL", "year": 2026, "action": "call", "arm": Arm.TREATED, "from_day": DAY,
             "campaign": "spring", "randomised": True, **overrides}  # fmt: skip
    return Offer(member.pseudonym, **facts)


def campaign(arm: Arm, people: int, closed: int) -> list[Offer]:
    """Offers to new members, of whose gaps so many have closed."""
    measure = make_measure("COL")
    made = []
    for number in range(people):
        member = make_member()
        met = number < closed
        make_gap(member, measure, status=Status.CLOSED if met else Status.OPEN, contact_by=None)
        made.append(offer(member, arm=arm))
    return made


def test_an_offer_is_stored_once_with_one_ledger_line() -> None:
    make_measure("COL")
    offers = [offer(make_member()) for _ in range(3)]
    assert exposures.record(offers, by="test") == 3
    assert exposures.record(offers, by="test") == 0
    assert Exposure.objects.count() == 3
    event = Event.objects.get(action="exposure.recorded")
    assert event.row_count == 3


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"measure": "XYZ"}, "row 2, measure: there is no measure 'XYZ'"),
        ({"arm": Arm.HELD_OUT, "randomised": False}, "row 2, arm: who is held out was drawn by lot"),
        ({"action": " "}, "row 2, action: it is empty"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_stored(wrong: dict[str, Any], words: str) -> None:
    make_measure("COL")
    with pytest.raises(ExposureError, match=words):
        exposures.record([offer(make_member()), offer(make_member(), **wrong)], by="test")
    assert not Exposure.objects.exists()


def test_recording_costs_the_same_queries_for_one_and_for_fifty(django_assert_max_num_queries: Any) -> None:
    make_measure("COL")
    offers = [offer(make_member()) for _ in range(50)]
    with django_assert_max_num_queries(12):
        exposures.record(offers[:1], by="test")
    with django_assert_max_num_queries(12):
        exposures.record(offers, by="test")


def test_outreach_logged_on_a_gap_is_treatment_and_no_lot(ana: User) -> None:
    gap = make_gap(make_member(care_manager=ana), make_measure("COL"))
    workflow.move(gap, to=Work.OUTREACH, why="Left a voicemail.", by=ana)
    assert exposures.from_outreach(2026, by="test") == 1
    assert exposures.from_outreach(2026, by="test") == 0
    row = Exposure.objects.get()
    assert (row.action, row.arm, row.randomised) == ("outreach", Arm.TREATED, False)
    assert row.from_day == datetime.now(UTC).date()
    assert set(exposures.treated("COL", 2026)) == {gap.member.pseudonym}


def test_who_was_only_held_out_counts_as_untouched() -> None:
    make_measure("COL")
    called, kept = make_member(), make_member()
    exposures.record([offer(called), offer(kept, arm=Arm.HELD_OUT)], by="test")
    assert exposures.treated("COL", 2026) == {called.pseudonym: DAY}


def test_the_published_effects_load_once_and_name_their_source() -> None:
    for code in ("COL", "BCS", "PDC-STA", "PDC-DR", "PDC-RASA"):
        make_measure(code)
    assert effects.load(by="test") == effects.load(by="test") == ActionEffect.objects.count()
    assert Event.objects.filter(action="effects.loaded").count() == 1
    assert all(row.source for row in ActionEffect.objects.all())


def test_a_wrong_effect_names_its_row(tmp_path: Path) -> None:
    file = tmp_path / "effects.csv"
    file.write_text("action,measure,origin,uplift,standard_error,source\ncall,,trial,1.5,0.1,A trial\n")
    with pytest.raises(effects.EffectsError, match=r"row 2: 1\.5 ± 0\.1"):
        effects.load(file, by="test")


def test_own_hold_outs_tell_an_effect_and_are_drawn_to_the_published_one() -> None:
    make_measure("COL")
    exposures.record(campaign(Arm.TREATED, 100, 60) + campaign(Arm.HELD_OUT, 40, 16), by="test")
    ActionEffect.objects.create(action="call", origin=Origin.TRIAL, uplift=0.1, standard_error=0.05, source="A trial")
    found = effects.estimate(2026, by="test").stored["call", "COL"]
    assert 0.1 < found.uplift < 0.2
    stored = list(ActionEffect.objects.select_related("measure"))
    best = effects.best(stored, "call", "COL")
    assert best is not None
    assert (best.origin, best.treated, best.held_out) == (Origin.OWN, 100, 40)
    assert "before shrinkage" in best.source
    other = effects.best(stored, "call", "BCS")
    assert other is not None
    assert other.origin == Origin.TRIAL


def test_too_few_held_out_are_told_and_store_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    exposures.record(campaign(Arm.TREATED, 40, 20) + campaign(Arm.HELD_OUT, 3, 1), by="test")
    call_command("measure_uplift", year=2026, json=True)
    assert f"at least {uplift.FEWEST} of each are needed" in capsys.readouterr().out
    assert not ActionEffect.objects.exists()

"""A contract whose members can be planned for: scored gaps, and effects of a call and a kit."""

from hedis.gaps.models import Gap, Status
from hedis.members.models import Contract, Member
from predictions.models import ActionEffect, ModelVersion, Origin, Prediction, State
from tests.factories import make_measure
from tests.hedis.star_plan import make_gaps
from tests.predictions.scored import a_prediction

COUNTS = {"COL": (60, 100), "GSD": (70, 100)}


def make_model(code: str) -> ModelVersion:
    """A model in force as a row alone; made once."""
    facts = {"sha256": "0" * 64, "measure": make_measure(code), "state": State.DEPLOYED, "trained_by": "ben",
             "approved_by": "mara"}  # fmt: skip
    return ModelVersion.objects.get_or_create(name=f"open-gap-{code}", version="1", defaults=facts)[0]


def make_plannable(contract: Contract | None = None, counts: dict[str, tuple[int, int]] | None = None) -> Contract:
    """COL at 60 of 100 with scored gaps, GSD at 70 of 100 without; a call adds 15 of 100, a kit 10."""
    made = make_gaps(counts or COUNTS, contract=contract)
    model = make_model("COL")
    gaps = Gap.objects.filter(contract=made, measure__code="COL", status=Status.OPEN)
    Prediction.objects.bulk_create(
        a_prediction(gap, model, probability=0.9, low=0.8, high=0.95)
        for gap in gaps.select_related("member", "measure")
    )
    if not ActionEffect.objects.exists():
        effect = {"origin": Origin.TRIAL, "standard_error": 0.02, "source": "made for a test"}
        ActionEffect.objects.create(action="call", uplift=0.15, **effect)
        ActionEffect.objects.create(action="mailed_kit", measure=make_measure("COL"), uplift=0.1, **effect)
    return made


def give_subsidy(contract: Contract, code: str, members: int) -> None:
    """So many of those with an open gap of a measure get the low-income subsidy."""
    gaps = Gap.objects.filter(contract=contract, measure__code=code, status=Status.OPEN).order_by("pk")[:members]
    Member.objects.filter(pk__in=[gap.member_id for gap in gaps]).update(low_income_subsidy=True)

"""What snapshots keep of the predictions."""

from datetime import date
from pathlib import Path

import pytest

from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.models import Gap, Status
from hedis.stars import snapshots
from predictions.models import State, Tier
from tests.conftest import person
from tests.factories import make_measure
from tests.hedis.star_plan import DAY, close_one, make_gaps
from tests.predictions.registered import brought_to, make_model
from tests.predictions.scored import make_prediction

pytestmark = pytest.mark.django_db


def test_a_snapshot_holds_unmet_gaps_by_tier_of_the_model_in_force(ben: User, tmp_path: Path) -> None:
    make_gaps({"COL": (1, 4)})
    steward = person("mara", roles.MODEL_STEWARD)
    draft = make_model(tmp_path, by=ben, version="2", measure=make_measure("COL"))
    in_force = brought_to(State.DEPLOYED, make_model(tmp_path, by=ben, measure=make_measure("COL")), by=steward)
    met, *unmet = Gap.objects.order_by("status", "pk")
    assert met.status == Status.CLOSED
    for gap, tier in zip([met, *unmet], [Tier.HIGH, Tier.HIGH, Tier.HIGH, Tier.LOW], strict=True):
        make_prediction(gap, in_force, tier=tier)
        make_prediction(gap, draft, tier=Tier.MEDIUM)
    taken = snapshots.take(as_of=DAY, by="ben")
    assert taken.totals["gaps_by_tier"] == [
        {"key": ["H1234", "COL", "high"], "value": 2},
        {"key": ["H1234", "COL", "low"], "value": 1},
    ]
    close_one("COL")
    later = snapshots.take(as_of=date(2026, 10, 30), by="ben")
    assert {"key": ["H1234", "COL", "high"], "earlier": 2, "later": 1} in snapshots.compare(taken, later)[
        "gaps_by_tier"
    ]

"""Predictions for the tests, as rows: what a model said of a gap."""

from datetime import UTC, date, datetime
from typing import Any

from hedis.gaps.models import Gap
from hedis.measures.models import Measure
from predictions.models import ModelVersion, Prediction, Recommendation, State, Tier


def make_prediction(gap: Gap, model: ModelVersion, **overrides: Any) -> Prediction:
    """A high prediction of a gap by a model, with two reasons."""
    prediction = a_prediction(gap, model, **overrides)
    prediction.save(force_insert=True)
    return prediction


def a_prediction(gap: Gap, model: ModelVersion, **overrides: Any) -> Prediction:
    """That prediction, not yet stored."""
    facts = {
        "member": gap.member,
        "measure": gap.measure,
        "year": gap.year,
        "probability": 0.82,
        "low": 0.76,
        "high": 0.87,
        "tier": Tier.HIGH,
        "recommendation": Recommendation.CONTACT_FIRST,
        "reasons": [
            {"feature": "met_last_year", "value": 0, "words": "not met last year", "contribution": 0.61},
            {"feature": "days_since_visit", "value": 310, "words": "last visit 310 days ago", "contribution": 0.27},
        ],
        "feature_version": "2",
        "feature_sha256": "0" * 64,
        "as_of": gap.data_as_of,
        "generation": "g1",
        "scored_at": datetime(2026, 10, 1, 8, tzinfo=UTC),
        "expires_on": date(2026, 10, 31),
        **overrides,
    }
    return Prediction(gap=gap, model=model, **facts)


def make_model_row(measure: Measure, **overrides: Any) -> ModelVersion:
    """A model in force as a row: nobody scores by it, so it needs no file."""
    facts = {
        "name": "open-gap",
        "version": measure.code,
        "state": State.DEPLOYED,
        "folder": "models/none",
        "sha256": "0" * 64,
        "kind": "trees",
        "thresholds": {"high": 0.6, "medium": 0.3},
        "trained_by": "ben",
        "approved_by": "mo",
        **overrides,
    }
    return ModelVersion.objects.create(measure=measure, **facts)

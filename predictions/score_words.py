"""How a prediction reads on every page: the same chip, the same figures, the same words."""

from dataclasses import dataclass
from datetime import date

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hedis.gaps.labels import Chip
from hedis.lib.templatetags import portfolio
from predictions import scoring
from predictions.models import Prediction, PredictionReview, ScoringRun, State, Tier

# Red is for deadlines: nobody loses a day by a high probability.
TIER_TONE = {Tier.HIGH: "warn", Tier.MEDIUM: "plain", Tier.LOW: "good"}
# Why an open gap has no score, by the codes of a run.
SKIPPED = {
    "not_deployed": "No model is deployed for the measure",
    "feature_version": "The model reads features of another version",
    "file_changed": "The model's files are not the registered ones",
    "no_tiers": "The model has no thresholds",
    "no_open_gap": "Closed in the data of the score date",
    "out_of_reach": "Nothing can close it any more",
    "unlisted": "Open in the data only: find the gaps again",
}
# Whether a score moved by a reason leans to an open gap or to a closed one.
OPENS, CLOSES = "more likely to stay open", "more likely to close"


@dataclass(frozen=True)
class Reason:
    """One feature that moved a score: in words, by how much (log-odds), which way."""

    words: str
    contribution: float

    @property
    def way(self) -> str:
        """Which way it moved the score, in words."""
        return OPENS if self.contribution > 0 else CLOSES

    @property
    def figure(self) -> str:
        """The contribution with its sign."""
        return f"{self.contribution:+.2f}"


def percent(share: float) -> str:
    """A probability as people read it; never a certainty, which no model has."""
    if share < 0.01:
        return "under 1 %"
    return "over 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def interval(prediction: Prediction) -> str:
    """The 95 % interval in words; "" for a model that gives none."""
    if prediction.low is None or prediction.high is None:
        return ""
    return f"{100 * prediction.low:.0f} to {100 * prediction.high:.0f} %"


def reasons(prediction: Prediction) -> list[Reason]:
    """What moved the score most, the strongest first."""
    return [Reason(one["words"], float(one["contribution"])) for one in prediction.reasons]


def why(prediction: Prediction) -> str:
    """The reasons in one line."""
    return "; ".join(reason.words for reason in reasons(prediction))


def why_title(prediction: Prediction) -> str:
    """What the reasons speak for: a score's reasons all push the same way."""
    closing = [reason.way == CLOSES for reason in reasons(prediction)]
    return "Likely to close, because" if closing and all(closing) else "What speaks for staying open"


def tier_chip(prediction: Prediction, today: date) -> Chip:
    """Tier and probability; the reasons when pointed at. A score too old to act on loses its colour and says so."""
    text = f"{prediction.get_tier_display()} {percent(prediction.probability)}"
    title = f"Stays open without outreach: {percent(prediction.probability)}. {why(prediction)}"
    if prediction.is_expired(today):
        return Chip(f"{text} · old", "plain", f"{title}. Too old to act on since {prediction.expires_on.isoformat()}.")
    return Chip(text, TIER_TONE[Tier(prediction.tier)], title)


def in_a_list(prediction: Prediction, today: date) -> SafeString:
    """The chip, and the reasons to unfold."""
    chip = tier_chip(prediction, today)
    lines = [*(reason.words for reason in reasons(prediction)), prediction.get_recommendation_display()]
    if prediction.is_expired(today):
        lines.append(f"Too old to act on since {prediction.expires_on.isoformat()}")
    return format_html(
        '<details class="stays"><summary>{}</summary><ul>{}</ul></details>',
        portfolio.chip(chip.text, chip.tone),
        format_html_join("", "<li>{}</li>", ((line,) for line in lines)),
    )


def quality(prediction: Prediction) -> list[str]:
    """What to know of the input, in words."""
    return [scoring.FLAGS[code] for code in prediction.quality]


def standing(prediction: Prediction) -> str:
    """Why a prediction is not to be acted on, where its model is not the one in force."""
    if prediction.model.state == State.DEPLOYED:
        return ""
    return f"Of a model that is {prediction.model.get_state_display().lower()}: kept to look back at, not to act on."


def reviewed(review: PredictionReview, prediction: Prediction) -> str:
    """A person's word in words; of an earlier score, that one."""
    said = f"{review.get_verdict_display()} ({review.by}, {review.at:%Y-%m-%d})"
    if review.scored_at == prediction.scored_at:
        return said
    return f"{said}, of the earlier score {percent(review.probability)}"


def skipped(run: ScoringRun) -> list[tuple[str, int]]:
    """Reasons for open gaps without a prediction, and how many."""
    told = ((SKIPPED.get(code, portfolio.in_words(code)), number) for code, number in run.skipped.items() if number)
    return sorted(told, key=lambda line: -line[1])

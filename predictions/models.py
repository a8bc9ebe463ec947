"""The tables of this room, each beside its questions: registry, scores, watching, uplift."""

from predictions.registry_models import ModelTransition as ModelTransition
from predictions.registry_models import ModelVersion as ModelVersion
from predictions.registry_models import State as State
from predictions.registry_models import ValidationRun as ValidationRun
from predictions.score_models import Prediction as Prediction
from predictions.score_models import PredictionReview as PredictionReview
from predictions.score_models import Recommendation as Recommendation
from predictions.score_models import ScoringRun as ScoringRun
from predictions.score_models import Tier as Tier
from predictions.score_models import Verdict as Verdict
from predictions.uplift_models import ActionEffect as ActionEffect
from predictions.uplift_models import Arm as Arm
from predictions.uplift_models import Exposure as Exposure
from predictions.uplift_models import Origin as Origin
from predictions.watch_models import DriftCheck as DriftCheck
from predictions.watch_models import Level as Level
from predictions.watch_models import Waiver as Waiver

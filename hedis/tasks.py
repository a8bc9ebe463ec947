"""The jobs of the demo."""

from datetime import date

from hedis.demo import loading
from hedis.lib import jobs


def quietly(words: str) -> None:
    """A worker tells nobody of its progress."""


@jobs.task(loading.MODELS_TASK)
def demo_models(as_of: str) -> None:
    """Train and deploy the demo's models and score the running year; what is there already is passed over."""
    loading.foresee(as_of=date.fromisoformat(as_of), say=quietly)

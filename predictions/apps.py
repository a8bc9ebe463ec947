"""What will likely happen: models and their scores."""

from django.apps import AppConfig


class PredictionsConfig(AppConfig):
    """What will likely happen: models and their scores."""

    name = "predictions"
    verbose_name = "Predictions"

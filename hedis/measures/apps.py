"""What is promised: measures by measurement year and Star year."""

from django.apps import AppConfig


class MeasuresConfig(AppConfig):
    """What is promised: measures by measurement year and Star year."""

    name = "hedis.measures"
    verbose_name = "Measures"

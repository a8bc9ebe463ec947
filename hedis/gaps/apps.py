"""What is missing: gaps in care and their workflow."""

from django.apps import AppConfig


class GapsConfig(AppConfig):
    """What is missing: gaps in care and their workflow."""

    name = "hedis.gaps"
    verbose_name = "Gaps in care"

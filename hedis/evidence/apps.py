"""What is known: the claims warehouse and what feeds it."""

from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    """What is known: the claims warehouse and what feeds it."""

    name = "hedis.evidence"
    verbose_name = "Evidence"

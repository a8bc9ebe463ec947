"""What we do about it: campaigns, outreach, plans."""

from django.apps import AppConfig


class InterventionsConfig(AppConfig):
    """What we do about it: campaigns, outreach, plans."""

    name = "interventions"
    verbose_name = "Interventions"

"""What it is worth: rates against cut points, ratings, snapshots."""

from django.apps import AppConfig


class StarsConfig(AppConfig):
    """What it is worth: rates against cut points, ratings, snapshots."""

    name = "hedis.stars"
    verbose_name = "Star ratings"

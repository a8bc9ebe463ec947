"""Who: users, roles, permissions, API keys."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def sync_roles_of_app(sender: AppConfig, **kwargs: Any) -> None:
    """After an app's permissions were made, give them to the roles."""
    from hedis.accounts import people

    people.sync_roles(sender.label)


class AccountsConfig(AppConfig):
    """Who: users, roles, permissions, API keys."""

    name = "hedis.accounts"
    verbose_name = "People"

    def ready(self) -> None:
        # auth's own receiver, which makes the permissions, was connected earlier and so runs first.
        post_migrate.connect(sync_roles_of_app)

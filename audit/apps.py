"""What was done: the ledger of changes and looks."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def make_partitions(**kwargs: Any) -> None:
    """After every migrate the coming months have their partitions; a migrate down to nothing has no ledger to part."""
    from django.db import connection
    from django.utils import timezone

    from audit import partitions

    if partitions.PARTITIONED[0] in connection.introspection.table_names():
        partitions.ensure_ahead(timezone.now().date())


class AuditConfig(AppConfig):
    """What was done: the ledger of changes and looks."""

    name = "audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        post_migrate.connect(make_partitions, sender=self)

"""What was done: one row an event, one row a member shown, never changed and never removed except by retention.

The tables are partitioned by month and guarded by triggers, so SQL owns them (migration 0001) and Django only maps
them; `managed = False` also keeps the test runner's TRUNCATE away. Nothing here points at another table: subjects and
actors are text, so the ledger outlives every other row.
"""

from datetime import datetime
from typing import ClassVar

from django.db import models


class EventQuerySet(models.QuerySet["Event"]):
    """Questions an auditor asks."""

    def about_member(self, pseudonym: str) -> "EventQuerySet":
        """Events that changed or showed this member."""
        return self.filter(id__in=Subject.objects.filter(member_pseudonym=pseudonym).values("event_id"))

    def between(self, start: datetime, end: datetime) -> "EventQuerySet":
        """Events in a half-open span of time; lets PostgreSQL skip the other months."""
        return self.filter(occurred_at__gte=start, occurred_at__lt=end)


class Event(models.Model):
    """One thing somebody did or saw. `header` and `payload` are the exact bytes that were hashed."""

    class Kind(models.TextChoices):
        CHANGE = "change"
        READ = "read"
        API = "api"
        AUTH = "auth"
        ADMIN = "admin"
        EXPORT = "export"
        JOB = "job"
        SYSTEM = "system"

    id = models.UUIDField(primary_key=True)
    occurred_at = models.DateTimeField()
    kind = models.TextField(choices=Kind.choices)
    action = models.TextField()
    actor = models.TextField()
    actor_type = models.TextField()
    role = models.TextField(blank=True)
    on_behalf_of = models.TextField(blank=True)
    request_id = models.TextField(blank=True)
    txid = models.BigIntegerField()
    route = models.TextField(blank=True)
    method = models.TextField(blank=True)
    status = models.IntegerField(null=True)
    outcome = models.TextField()
    purpose = models.TextField(blank=True)
    ip = models.GenericIPAddressField(null=True)
    object_type = models.TextField(blank=True)
    object_id = models.TextField(blank=True)
    row_count = models.IntegerField()
    header = models.BinaryField()
    payload = models.BinaryField()
    salt = models.BinaryField()
    leaf_hash = models.BinaryField()

    objects = EventQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "audit_event"
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.occurred_at:%Y-%m-%d %H:%M} {self.actor} {self.action}"


class Subject(models.Model):
    """A member an event changed or showed: answers "who saw this member" by index (45 CFR 164.528)."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField()
    occurred_at = models.DateTimeField()
    member_pseudonym = models.CharField(max_length=64)

    class Meta:
        managed = False
        db_table = "audit_subject"

    def __str__(self) -> str:
        return str(self.event_id)


class Pending(models.Model):
    """A leaf not yet sequenced into the log."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(unique=True)
    leaf_hash = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_pending"

    def __str__(self) -> str:
        return str(self.event_id)

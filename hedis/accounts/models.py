"""Who: people and programs that sign in, and the keys of programs."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils.functional import cached_property

from hedis.accounts import roles


class User(AbstractUser):
    """A person or a service account. Nobody shares one (45 CFR 164.312(a)(2)(i))."""

    team = models.CharField(max_length=60, blank=True, help_text="A team lead sees the panels of the same team.")

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("username"), name="user_username_unique_in_any_case"),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @cached_property
    def role(self) -> str:
        """The key of this person's role; "" without one. With several, the first on the roles page."""
        names = set(self.groups.values_list("name", flat=True)) if self.pk else set()
        return next((role.key for role in roles.ROLES if role.name in names), "")

    @property
    def role_name(self) -> str:
        """The role in words, for pages."""
        return roles.BY_KEY[self.role].name if self.role else "No role"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Questions about keys."""

    def usable(self, now: datetime) -> "ApiKeyQuerySet":
        """Keys neither revoked nor expired, whose owner may still sign in."""
        return self.filter(revoked_at=None, expires_at__gt=now, user__is_active=True)


class ApiKey(models.Model):
    """A program's key, bound to one account. Only its SHA-256 is kept: 256 random bits need no slow hash."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=80, help_text="What uses this key.")
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    read_only = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class IdempotentAnswerQuerySet(models.QuerySet["IdempotentAnswer"]):
    """Questions about stored answers."""

    def expired(self, now: datetime) -> "IdempotentAnswerQuerySet":
        """Those too old to be given again."""
        return self.filter(created_at__lte=now - IdempotentAnswer.LIFE)


class IdempotentAnswer(models.Model):
    """What a POST was answered, so that its repetition has no second effect. It may show members: kept for a day only.

    There is a row once the first request is committed; while that runs, its transaction holds a lock instead.
    """

    LIFE: ClassVar[timedelta] = timedelta(hours=24)

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=128)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, address and body.")
    request_id = models.CharField(max_length=64, help_text="Of the first request: its events name whom it showed.")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(help_text="JSON as it was sent.")
    created_at = models.DateTimeField()

    objects = IdempotentAnswerQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "key"], name="idempotent_answer_once_a_user_and_key"),
            models.CheckConstraint(
                condition=models.Q(status__gte=200, status__lt=500), name="idempotent_answer_is_no_failure_of_ours"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="idempotent_answer_age")]

    def __str__(self) -> str:
        return f"{self.status} of {self.created_at:%Y-%m-%d %H:%M}"

    def is_expired(self, now: datetime) -> bool:
        """Whether it is too old to be given again."""
        return self.created_at <= now - self.LIFE

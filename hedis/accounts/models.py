"""Who: people and programs that sign in, and the keys of programs."""

from datetime import datetime
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

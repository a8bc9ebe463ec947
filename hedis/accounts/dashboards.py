"""What accounts say on the home page: who can sign in, which keys run out."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone

from hedis.accounts import roles
from hedis.accounts.models import ApiKey, User

SOON = timedelta(days=30)


def people_panel(request: HttpRequest) -> dict[str, Any] | None:
    """Accounts per role, accounts without one, keys that expire within a month. For those who keep accounts."""
    if not request.user.has_perm("accounts.change_user"):
        return None
    now = timezone.now()
    counted = dict(
        User.objects.filter(is_active=True).values_list("groups__name").annotate(number=Count("pk", distinct=True))
    )
    keys = ApiKey.objects.usable(now)
    return {
        "template": "admin/panels/people.html",
        "roles": [(role, counted.get(role.name, 0)) for role in roles.ROLES],
        "without_role": counted.get(None, 0),
        "keys": keys.aggregate(usable=Count("pk"), expiring=Count("pk", filter=Q(expires_at__lt=now + SOON))),
        "expiring": list(keys.filter(expires_at__lt=now + SOON).select_related("user").order_by("expires_at")[:5]),
    }

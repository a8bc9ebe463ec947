"""Who may, at the API's door: Django's model permissions, with `view` asked for GET too."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.permissions import SAFE_METHODS, DjangoModelPermissions
from rest_framework.request import Request

from hedis.accounts.models import ApiKey


class ModelPermissions(DjangoModelPermissions):
    """DRF's own lets any signed-in user read; PHI needs the `view` permission. A read-only key never writes.

    A view that says `stores_nothing` only computes: its POST is a read.
    """

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "OPTIONS": ["%(app_label)s.view_%(model_name)s"],
    }
    message: str | None = None

    def has_permission(self, request: Request, view: Any) -> bool:
        computes = request.method == "POST" and getattr(view, "stores_nothing", False)
        if computes and request.user.is_authenticated:
            return bool(request.user.has_perms(self.get_required_permissions("GET", self._queryset(view).model)))
        if isinstance(request.auth, ApiKey) and request.auth.read_only and request.method not in SAFE_METHODS:
            self.message = "This API key may only read."
            return False
        if request.user.is_authenticated and not hasattr(view, (request.method or "").lower()):
            # Nobody may use a method that does not exist: the view says 405, which is more use than 403.
            return True
        return super().has_permission(request, view)

    def _queryset(self, view: Any) -> QuerySet[Any]:
        """The view's model, without narrowing to the caller's rows before the caller is known to be allowed."""
        queryset: QuerySet[Any] = view.queryset
        return queryset

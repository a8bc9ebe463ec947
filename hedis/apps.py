"""The project itself as an app (commands, static files) and its admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class HedisConfig(AppConfig):
    """Carries the project's commands."""

    name = "hedis"
    verbose_name = "HEDIS Star Rating Portfolio Optimizer"


class PlanAdminConfig(AdminConfig):
    """Django's admin with our site in place of the default one."""

    default_site = "hedis.accounts.site.PlanAdminSite"

"""The project itself as an app (commands, static files) and its admin site."""

from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class HedisConfig(AppConfig):
    """Carries the project's commands."""

    name = "hedis"
    verbose_name = "HEDIS Star Rating Portfolio Optimizer"


class PlanAdminConfig(AdminConfig):
    """Django's admin with our site in place of the default one."""

    default_site = "hedis.accounts.site.PlanAdminSite"

    def ready(self) -> None:
        """Register every room's pages; not the queue's own, which break our style policy and can start a job anew."""
        super().ready()
        for model in apps.get_app_config("procrastinate").get_models():
            if admin.site.is_registered(model):
                admin.site.unregister(model)

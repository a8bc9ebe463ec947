"""Whom: contracts, providers, members, enrolment, attribution."""

from django.apps import AppConfig


class MembersConfig(AppConfig):
    """Whom: contracts, providers, members, enrolment, attribution."""

    name = "hedis.members"
    verbose_name = "Members"

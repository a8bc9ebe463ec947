"""Verbs about accounts: roles onto groups, a role to a person."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from audit import ledger
from audit.models import Event
from hedis.accounts.models import User
from hedis.accounts.roles import BY_KEY, ROLES


class UnknownRole(Exception):
    """No role of that key stands on the roles page."""


def sync_roles(app_label: str) -> None:
    """Make the groups' permissions of one app equal to the roles page: what was added by hand goes.

    Called per app after migrate, when that app's permissions exist.
    """
    wanted = {role.name: {p for p in role.permissions if p.startswith(f"{app_label}.")} for role in ROLES}
    existing = {
        f"{app_label}.{permission.codename}": permission
        for permission in Permission.objects.filter(content_type__app_label=app_label)
    }
    for name, permissions in wanted.items():
        group, _ = Group.objects.get_or_create(name=name)
        held = set(group.permissions.filter(content_type__app_label=app_label))
        ours = {existing[permission] for permission in permissions}
        group.permissions.remove(*(held - ours))
        group.permissions.add(*(ours - held))


@transaction.atomic
def create(username: str, *, role: str, password: str, full_name: str = "", team: str = "", by: object) -> User:
    """Make an account that holds one role. Raises UnknownRole."""
    first, _, last = full_name.partition(" ")
    user = User.objects.create_user(username, password=password, first_name=first, last_name=last, team=team)
    ledger.record(
        Event.Kind.ADMIN,
        "account.created",
        object_type="user",
        object_id=username,
        after={"role": role, "team": team},
        by=by,
    )
    grant_role(user, role=role, by=by)
    return user


@transaction.atomic
def grant_role(user: User, *, role: str, by: object) -> None:
    """Give a person exactly this role. Raises UnknownRole."""
    if role not in BY_KEY:
        raise UnknownRole(role)
    before = user.role
    user.groups.set([Group.objects.get(name=BY_KEY[role].name)])
    user.is_staff = role != "service"
    user.save(update_fields=["is_staff"])
    user.__dict__.pop("role", None)
    ledger.record(
        Event.Kind.ADMIN,
        "account.role_granted",
        object_type="user",
        object_id=user.username,
        before={"role": before},
        after={"role": role},
        by=by,
    )

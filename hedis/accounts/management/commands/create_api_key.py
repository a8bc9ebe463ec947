"""Make an API key for an account. The key is printed once and stored nowhere."""

from typing import Any

from django.core.management.base import CommandParser

from hedis.accounts import keys
from hedis.accounts.models import User
from hedis.lib import commands


class Command(commands.Command):
    """`create_api_key etl --name "nightly sync" --days 90`: read-only unless `--write` is given."""

    help = "Make an API key for an account; it is shown once. Read-only unless --write."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username", help="the account the key acts as; must be active and have a role")
        parser.add_argument("--name", required=True, help="what will use the key")
        parser.add_argument("--days", type=int, default=90, help=f"days until it expires, 1 to {keys.LONGEST_DAYS}")
        parser.add_argument("--write", action="store_true", help="let it change what the account may change")

    def run(self, **options: Any) -> dict[str, Any]:
        """Make the key; answers with it, its prefix and its end."""
        name = options["name"].strip()
        if not 1 <= len(name) <= 80:
            raise commands.WrongUse("--name: say in 1 to 80 characters what will use the key")
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise commands.Refused(f"there is no account {options['username']}", field="username")
        try:
            key, secret = keys.create(
                user, name=name, days=options["days"], read_only=not options["write"], by="system"
            )
        except keys.UnfitOwner as refusal:
            raise commands.Refused(str(refusal), field="username") from refusal
        except keys.UnusableTerm as refusal:
            raise commands.WrongUse(f"--days: {refusal}") from refusal
        return {
            "user": user.username,
            "name": key.name,
            "prefix": key.prefix,
            "read_only": key.read_only,
            "expires_at": key.expires_at.isoformat(),
            "key": secret,
        }

    def show(self, answer: dict[str, Any]) -> None:
        """Print the key, and say that this was the only time."""
        super().show(answer)
        self.say("Keep the key now: only its digest is stored, it cannot be shown again.")

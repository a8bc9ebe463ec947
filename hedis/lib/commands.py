"""One manner for every command: `--json` gives one object on stdout and nothing else; words go to stderr.

Exit 0 done, 1 the data or the check says no, 2 wrong use.
"""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Refused(CommandError):
    """The data or the check says no (exit 1). `facts` joins the JSON answer, naming what and where."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message, returncode=1)
        self.facts = facts


class WrongUse(CommandError):
    """The command was called in a way it does not understand (exit 2)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=2)


class Command(BaseCommand):
    """Base of our commands: implement `run`, return the answer as a mapping, and `show` it for people."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object to stdout and nothing else")

    def run(self, **options: Any) -> dict[str, Any]:
        """Do the work; returns the answer. Raises Refused or WrongUse."""
        raise AssertionError("a command says what it does in run()")

    def show(self, answer: dict[str, Any]) -> None:
        """Print the answer for people."""
        for name, value in answer.items():
            self.stdout.write(f"{name}: {value}")

    def say(self, words: str) -> None:
        """A message beside the answer."""
        self.stderr.write(words)

    @property
    def on_terminal(self) -> bool:
        """Whether a person is watching, who wants a progress bar."""
        return sys.stderr.isatty()

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options.pop("json")
        try:
            answer = self.run(**options)
        except Refused as refusal:
            if as_json:
                self.stdout.write(json.dumps({"error": str(refusal), **refusal.facts}, default=str))
            raise
        if as_json:
            self.stdout.write(json.dumps(answer, default=str))
        else:
            self.show(answer)

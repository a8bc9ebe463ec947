"""Write .env from .env.example with random secrets; an existing .env is left as it is."""

import os
import secrets
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SECRETS = ("SECRET_KEY", "PSEUDONYM_KEY")


def filled(line: str) -> str:
    """The line, with a random value where it is an empty secret."""
    name, _, value = line.partition("=")
    return f"{name}={secrets.token_urlsafe(48)}" if name in SECRETS and not value else line


def main() -> None:
    """Create the file for its owner's eyes only; a second run changes nothing."""
    lines = (PROJECT / ".env.example").read_text(encoding="utf-8").splitlines()
    try:
        descriptor = os.open(PROJECT / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(map(filled, lines)) + "\n")


if __name__ == "__main__":
    main()

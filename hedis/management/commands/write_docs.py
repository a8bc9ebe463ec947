"""`manage.py write_docs [--check]`: the pages of docs/generated, drawn from the code they describe."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from hedis.accounts.roles import ROLES
from hedis.gaps import workflow
from hedis.gaps.models import Work
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused
from hedis.measures import portfolio

NOTE = "<!-- Written by `manage.py write_docs`; change the code, not this page. -->"


def gap_workflow() -> Iterator[str]:
    """The workflow dictionary as a picture and a table."""
    words = dict(Work.choices)
    yield "# The work on a gap\n"
    yield "People take the solid steps; only a finding run takes the dotted ones, so there is one path to “closed”.\n"
    yield "```mermaid\nstateDiagram-v2"
    for value, name in Work.choices:
        yield f'    state "{name}" as {value}'
    for start, ends in workflow.BY_HAND.items():
        for end in sorted(ends):
            yield f"    {start} --> {end}"
    yield "```\n"
    yield "| from | by hand to | by a finding run to |"
    yield "|---|---|---|"
    for value, name in Work.choices:
        by_hand = ", ".join(words[end] for end in Work.values if end in workflow.BY_HAND[value]) or "–"
        by_finding = ", ".join(words[end] for end in Work.values if end in workflow.BY_FINDING[value])
        yield f"| {name} | {by_hand} | {by_finding} |"
    yield (
        "\nA reason in words is needed for: "
        + ", ".join(words[s] for s in Work.values if s in workflow.NEEDS_WHY)
        + "."
    )


def roles() -> Iterator[str]:
    """The roles page in words."""
    yield "# Roles\n"
    yield "Defined in `hedis/accounts/roles.py`, synced to Django's groups after every migrate.\n"
    for role in ROLES:
        yield f"## {role.name}\n\n{role.sentence}\n"
        yield "\n".join(f"- `{permission}`" for permission in sorted(role.permissions)) + "\n"


def measures() -> Iterator[str]:
    """The portfolio's measures with their weights and routes."""
    yield "# Measures of the portfolio\n"
    yield "Results are HEDIS-aligned, not NCQA-certified. Star year = measurement year + 2.\n"
    for entry in portfolio.read():
        facts = entry.facts
        yield f"## {entry.code} {facts['name']}\n\n{facts['purpose']}\n"
        state = (
            f"computed, definition {entry.definition.version}" if entry.definition else "in the portfolio, not computed"
        )
        yield f"- {facts['direction'].capitalize()} is better; steward {facts['steward']}; {state}."
        yield f"- Source: {facts['source']}"
        if facts["stars"]:
            stars = ", ".join(f"{star['year']}: {star['id']}, weight {star['weight']}" for star in facts["stars"])
            yield f"- Star Ratings: {stars}"
        for route in portfolio.routes(entry, 2026):
            absent = f"; no codes loaded of {', '.join(route['absent'])}" if route["absent"] else ""
            yield f"- {route['part']}: {route['name']} — {route['state']}{absent}"
        yield ""


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "gap-workflow.md": gap_workflow,
    "roles.md": roles,
    "measures.md": measures,
}


class Command(BaseCommand):
    """Write the generated pages, or with --check say which are stale."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is stale")

    def run(self, **options: Any) -> dict[str, Any]:
        folder: Path = settings.BASE_DIR / "docs" / "generated"
        stale = []
        for name, page in PAGES.items():
            text = NOTE + "\n\n" + "\n".join(page()).rstrip() + "\n"
            file = folder / name
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                stale.append(name)
                if not options["check"]:
                    folder.mkdir(parents=True, exist_ok=True)
                    file.write_text(text, encoding="utf-8")
        if options["check"] and stale:
            raise Refused(f"stale pages, run make docs: {', '.join(stale)}")
        return {"written" if not options["check"] else "stale": stale}

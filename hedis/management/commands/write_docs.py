"""`manage.py write_docs [--check]`: docs/generated and docs/measures, drawn from the code they describe."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from hedis.accounts.roles import ROLES
from hedis.engine.measure import Definition
from hedis.gaps import workflow
from hedis.gaps.models import Work
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused
from hedis.measures import decision_tables, measure_page, portfolio
from hedis.measures.value_sets import packaged

NOTE = "<!-- Written by `manage.py write_docs`; change the code, not this page. -->"
MEASUREMENT_YEAR = 2026
"""The year whose code lists the measures' pages count."""


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
    """The portfolio's measures in a line each, with a way to the page of each."""
    yield "# Measures of the portfolio\n"
    yield "Results are HEDIS-aligned, not NCQA-certified. Star year = measurement year + 2.\n"
    for entry in portfolio.read():
        facts = entry.facts
        yield f"## {entry.code} {facts['name']}\n\n{facts['purpose']}\n"
        state = "in the portfolio, not computed"
        if entry.definition:
            state = f"computed, [definition {entry.definition.version}](../measures/{entry.code.lower()}.md)"
        yield f"- {facts['direction'].capitalize()} is better; steward {facts['steward']}; {state}."
        yield f"- Source: {facts['source']}"
        if facts["stars"]:
            stars = ", ".join(f"{star['year']}: {star['id']}, weight {star['weight']}" for star in facts["stars"])
            yield f"- Star Ratings: {stars}"
        yield ""


def measure(entry: portfolio.Entry, definition: Definition) -> Iterator[str]:
    """The page of one measure, with its decision table where the tests are at hand."""
    file = settings.BASE_DIR / "tests" / "engine" / "tables" / f"{entry.code.lower()}.txt"
    table = decision_tables.read(file) if file.exists() else None
    return measure_page.page(entry, definition, packaged(), MEASUREMENT_YEAR, table)


def pages() -> Iterator[tuple[str, Callable[[], Iterator[str]]]]:
    """Every generated page: its path below docs, and what writes it."""
    yield "generated/gap-workflow.md", gap_workflow
    yield "generated/roles.md", roles
    yield "generated/measures.md", measures
    for entry in portfolio.read():
        if entry.definition:
            yield f"measures/{entry.code.lower()}.md", partial(measure, entry, entry.definition)


class Command(BaseCommand):
    """Write the generated pages, or with --check say which are stale."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is stale")

    def run(self, **options: Any) -> dict[str, Any]:
        docs: Path = settings.BASE_DIR / "docs"
        stale = []
        for name, page in pages():
            text = NOTE + "\n\n" + "\n".join(page()).rstrip() + "\n"
            file = docs / name
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                stale.append(name)
                if not options["check"]:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(text, encoding="utf-8")
        if options["check"] and stale:
            raise Refused(f"stale pages, run make docs: {', '.join(stale)}")
        return {"written" if not options["check"] else "stale": stale}

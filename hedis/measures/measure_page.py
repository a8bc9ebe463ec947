"""The page of one measure, drawn from its definition, the packaged code lists and its decision table. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hedis.engine.codes import ValueSetCode, counted, evidence_routes
from hedis.engine.measure import (
    AgeOn,
    Condition,
    Definition,
    Exclusion,
    result_value_sets_used,
    value_sets_used,
)
from hedis.engine.period import measurement_year
from hedis.measures import value_set_names
from hedis.measures.decision_tables import DecisionTable
from hedis.measures.describing import ages_words, describe, enrolment_words
from hedis.measures.portfolio import Entry

EVENT_NOTATION = (
    "What is known of a member reads `date code-system:code`, and after it `=result`, `#claim` (lines of one claim "
    "share it), `~source` of supplemental data, `^received`, `>end date`, `%kind`, `*days' supply`. `bp:139/89` is a "
    "blood pressure. Codes beginning 9999 or ending 9F stand for codes of a plan's own licensed lists."
)


def page(
    entry: Entry, definition: Definition, codes: Sequence[ValueSetCode], year: int, table: DecisionTable | None
) -> Iterator[str]:
    """The page as lines of Markdown. `codes`: the packaged lists; `year`: the measurement year whose codes are counted;
    `table` None: the page has no decision table."""
    yield f"# {definition.code}: {definition.name}\n"
    yield f"{entry.facts['purpose']} HEDIS-aligned, not NCQA-certified.\n"
    yield from _facts(entry, definition)
    yield from _population(definition)
    yield "\n## Who is excluded\n"
    yield "In the order they are reported; the first that applies is named.\n"
    for number, exclusion in enumerate(definition.exclusions, start=1):
        yield from _exclusion(number, exclusion)
    yield "\n## What closes the gap\n"
    yield from _nested(definition.numerator)
    if definition.notes:
        yield "\n## Notes\n"
        yield from (f"- {note}" for note in definition.notes)
    yield from _routes(definition, codes, year)
    yield from _value_sets(definition, codes, year)
    yield "\n## Sources\n"
    yield from (f"- {source.document}: {source.section}." for source in definition.sources)
    if table is not None:
        yield from _decisions(table)


def _facts(entry: Entry, definition: Definition) -> Iterator[str]:
    stars = "; ".join(f"{star['year']}: {star['id']}, weight {star['weight']}" for star in entry.facts["stars"])
    better = f"{definition.direction.value} is better"
    if definition.inverse:
        better += "; the steward publishes the complement, this counts the good outcome"
    stays = "a closed gap can open again" if definition.reversible else "once closed it stays closed"
    yield "| | |\n|---|---|"
    yield f"| Steward, domain | {definition.steward}, {definition.domain} |"
    yield f"| Direction | {better} |"
    yield f"| Star Ratings (Star year = measurement year + 2) | {stars or 'not a Star measure'} |"
    yield f"| Gap | closable until {definition.closable_until}; {stays} |"
    yield f"| Definition | version {definition.version}, by {definition.author}, reviewed {definition.review_date} |"
    yield f"| Checked by | {definition.checker or 'nobody but the author yet'} |"


def _population(definition: Definition) -> Iterator[str]:
    day = "last" if definition.age_on is AgeOn.END else "first"
    yield "\n## Who is in the eligible population\n"
    yield f"Age is told on the {day} day of the measurement year.\n"
    yield "| from measurement year | ages | of these counted in the Star measure |\n|---|---|---|"
    for year in sorted({band.from_year for band in (*definition.ages, *definition.star_ages)}):
        period = measurement_year(year)
        yield f"| {year} | {ages_words(definition.band(period))} | {ages_words(definition.star_band(period))} |"
    yield ""
    if definition.sexes:
        yield f"- Sex: {', '.join(definition.sexes)}"
    yield f"- {enrolment_words(definition.enrolment)}"
    if definition.denominator_event is not None:
        yield "- In the denominator from the day this is met (supplemental data never counts here):"
        yield from _nested(definition.denominator_event, depth=1)


def _exclusion(number: int, exclusion: Exclusion) -> Iterator[str]:
    yield f"{number}. **{exclusion.name}**"
    low, high = exclusion.ages
    if low is not None or high is not None:
        bounds = f"from {low}" if high is None else f"up to {high}" if low is None else f"{low} to {high}"
        yield f"    - only members aged {bounds} on the last day of the measurement year"
    yield from _nested(exclusion.condition, depth=2)


def _nested(condition: Condition, depth: int = 0) -> Iterator[str]:
    yield from (f"{'  ' * (depth + line.depth)}- {line.text}" for line in describe(condition))


def _routes(definition: Definition, codes: Sequence[ValueSetCode], year: int) -> Iterator[str]:
    yield "\n## Evidence routes\n"
    yield f"With the packaged free lists alone, measurement year {year}.\n"
    yield "| part | evidence | state | packaged codes | needs the plan's own list of |\n|---|---|---|---|---|"
    for route in evidence_routes(definition, codes, year):
        loaded, absent = _counts(dict(route.loaded)), ", ".join(route.absent) or "–"
        yield f"| {route.part} | {route.name} | {route.state.value} | {loaded} | {absent} |"


def _counts(by_vocabulary: dict[str, int]) -> str:
    return ", ".join(f"{key} {number:,}" for key, number in sorted(by_vocabulary.items())) or "none"


def _value_sets(definition: Definition, codes: Sequence[ValueSetCode], year: int) -> Iterator[str]:
    packaged, sources = counted(codes, year), value_set_names.sources()
    yield "\n## Value sets\n"
    yield "| value set | packaged codes | left out (licensed) | from |\n|---|---|---|---|"
    for name in sorted(value_sets_used(definition) | result_value_sets_used(definition)):
        source = sources[name]
        documents = "; ".join(source["documents"])
        yield f"| `{name}` | {_counts(packaged.get(name, {}))} | {_counts(source['left_out'])} | {documents} |"


def _decisions(table: DecisionTable) -> Iterator[str]:
    yield "\n## Decision table\n"
    yield from table.remarks
    yield f"\n{EVENT_NOTATION}\n"
    yield from (f"- **{each.name}**: {each.words}" for each in table.shorthands)
    group = None
    for each in table.cases:
        if each.group != group:
            group = each.group
            yield f"\n### {group}\n\n| case | born | enrolled | known | decided |\n|---|---|---|---|---|"
        known = "; ".join(_event(text) for text in each.known.split(";") if text.strip())
        yield f"| {each.case} | {each.born} | {each.enrolled} | {known} | {each.expected} |"


def _event(text: str) -> str:
    """An event as a table cell shows it: a shorthand bold, anything else as code."""
    shorthand = re.fullmatch(r"\{(\w+)\}", text.strip())
    return f"**{shorthand[1]}**" if shorthand else f"`{text.strip().replace('|', chr(92) + '|')}`"

"""What a director should hear first: a star at risk or in reach, contacts running out, data unusual or old. Pure.

The limits are rows of `reference/early_warnings.toml`.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any

from interventions import anomalies
from interventions.anomalies import FILE
from interventions.outlook import MeasureOutlook, Outlook


class Kind(StrEnum):
    """What a warning is about, most urgent first."""

    AT_RISK = "star at risk"
    DEADLINE = "deadline"
    ANOMALY = "anomaly"
    OLD_DATA = "old data"
    OPPORTUNITY = "opportunity"


TONES = {
    Kind.AT_RISK: "bad", Kind.DEADLINE: "warn", Kind.ANOMALY: "warn", Kind.OLD_DATA: "warn", Kind.OPPORTUNITY: "good",
}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """When to warn; what each means stands in the file."""

    keep_below: float
    opportunity_share_of_denominator: float
    opportunity_share_of_closable: float
    contact_days: int
    data_days: int
    lines_of_a_kind: int


@dataclass(frozen=True)
class EarlyWarning:
    """One line about a contract, or about all of them where it names none; `code`: the measure it is about, if one."""

    contract: str
    kind: Kind
    words: str
    code: str = ""

    @property
    def tone(self) -> str:
        """The colour that goes with the kind; the words always stand beside it."""
        return TONES[self.kind]


@cache
def limits() -> Limits:
    """The limits as data. Raises TypeError for one that is missing or not known."""
    told = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return Limits(**{name: limit for name, limit in told.items() if name != anomalies.TABLE})


def of_outlook(outlook: Outlook) -> list[EarlyWarning]:
    """Stars at risk, the least safe first, anomalies, and opportunities, the fewest closures first."""
    risky = sorted((one for one in outlook.measures if at_risk(one)), key=lambda one: (one.keeps, one.id))
    near = sorted((one for one in outlook.measures if is_near(one)), key=lambda one: (one.closures or 0, one.id))
    return [
        *(
            EarlyWarning(
                outlook.contract, Kind.AT_RISK,
                f"{one.id} {one.code}: {one.keeps:.0%} chance to keep its {stars(one.star_today)}", one.code,
            )
            for one in risky
        ),
        *(EarlyWarning(outlook.contract, Kind.ANOMALY, one.words, one.code) for one in outlook.anomalies),
        *(
            EarlyWarning(
                outlook.contract, Kind.OPPORTUNITY,
                f"{one.id} {one.code}: {one.closures} more {closures(one.closures)} for {one.next_star} stars, "
                f"{one.closable:,} can still close", one.code,
            )
            for one in near
        ),
    ]  # fmt: skip


def at_risk(one: MeasureOutlook) -> bool:
    """Whether the star held today is more likely lost than kept. One star cannot be lost."""
    return one.star_today > 1 and one.keeps < limits().keep_below


def is_near(one: MeasureOutlook) -> bool:
    """Whether few closures make the next star and there are enough people for them."""
    few = limits()
    return (
        one.in_reach
        and (one.closures or 0) <= few.opportunity_share_of_denominator * one.denominator
        and (one.closures or 0) <= few.opportunity_share_of_closable * one.closable
    )


def of_dates(due: Mapping[str, int], data_as_of: date, today: date) -> Iterator[EarlyWarning]:
    """Contacts running out, by contract, and data grown old, which is said once.

    `due`: gaps of each contract whose last useful contact is within the limit's days.
    """
    for contract, gaps in sorted(due.items()):
        words = f"{gaps:,} gap{'' if gaps == 1 else 's'} to be contacted within {limits().contact_days} days"
        yield EarlyWarning(contract, Kind.DEADLINE, words)
    if (days := (today - data_as_of).days) > limits().data_days:
        yield EarlyWarning("", Kind.OLD_DATA, f"the data are {days} days old, as of {data_as_of.isoformat()}")


def of_deliveries(deliveries: Sequence[Mapping[str, Any]]) -> Iterator[EarlyWarning]:
    """Sources of which a file seems to be missing, said once for the plan."""
    for one in anomalies.of_deliveries(deliveries, anomalies.limits()):
        yield EarlyWarning("", Kind.ANOMALY, one.words)


def first_lines(warnings: Sequence[EarlyWarning]) -> tuple[list[EarlyWarning], int]:
    """The first lines of each contract and kind, most urgent kinds first, and how many more there are."""
    order, seen = list(Kind), dict[tuple[str, Kind], int]()
    shown = []
    for one in sorted(warnings, key=lambda one: order.index(one.kind)):
        place = (one.contract, one.kind)
        seen[place] = seen.get(place, 0) + 1
        if seen[place] <= limits().lines_of_a_kind:
            shown.append(one)
    return shown, len(warnings) - len(shown)


def stars(count: int) -> str:
    """Stars in words."""
    return f"{count} star{'' if count == 1 else 's'}"


def closures(count: int | None) -> str:
    """Closure or closures."""
    return "closure" if count == 1 else "closures"

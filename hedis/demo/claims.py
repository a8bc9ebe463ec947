"""From simulated care to the lines a plan's claims system would send: lag, reversals, duplicates."""

import numpy as np

from hedis.demo.chance import Columns, chosen, stacked
from hedis.demo.parameters import Calendar
from hedis.demo.people import DAY, People

REVERSED_CLAIMS, REBILLED = 0.010, 0.7  # chosen for the demo
DUPLICATE_LINES = 0.003
LAG_DAYS = {"professional": (2.0, 11.0), "institutional": (3.0, 13.0), "pharmacy": (1.5, 2.0)}
"""Gamma shape and scale of the days from the end of service to payment; chosen for the demo."""


def happened(people: People, table: Columns, start: str, end: str, calendar: Calendar) -> Columns:
    """The rows of care that took place: while enrolled and alive, and not after the as-of day."""
    took_place = people.enrolled(table["person"], table[start], table[end]) & (table[end] <= calendar.drawn)
    return chosen(table, took_place)


def medical_lines(people: People, claims: Columns, calendar: Calendar, rng: np.random.Generator) -> Columns:
    """One row a claim line, with claim (number from 0), line, units, paid, paid_on and contract.

    A reversed claim is repeated under its own number with the next line numbers, units and amounts negative, on
    a later paid date; most are billed again under a new number. Some lines stand in the file twice, exactly.
    What is not paid by the as-of day is not in the file.
    """
    claims = happened(people, claims, "start", "end", calendar)
    claims["contract"] = people.contract_on(claims["start"], claims["person"])
    institutional = claims["bill"] != ""
    claims["paid_on"] = claims["end"] + np.where(
        institutional, _lag("institutional", len(institutional), rng), _lag("professional", len(institutional), rng)
    )
    again = rng.random(len(institutional)) < REVERSED_CLAIMS
    rebilled = chosen(claims, again & (rng.random(len(again)) < REBILLED))
    rebilled["paid_on"] = rebilled["paid_on"] + rng.integers(25, 60, len(rebilled["person"])) * DAY
    reversed_claim = np.concatenate([again, np.zeros(len(rebilled["person"]), dtype=bool)])
    claims = stacked([claims, rebilled])
    claims["claim"] = np.arange(len(reversed_claim))
    lines = _lines(claims)
    back = chosen(lines, reversed_claim[lines["claim"]])
    back["line"] = back["line"] + np.where(back["two"], 2, 1)
    back["units"], back["paid"] = -back["units"], -back["paid"]
    back["paid_on"] = back["paid_on"] + (7 + back["claim"] % 14) * DAY
    lines = stacked([lines, back])
    lines = chosen(lines, lines["paid_on"] <= calendar.drawn)
    return duplicated(chosen(lines, np.lexsort((lines["line"], lines["claim"]))), rng)


def _lines(claims: Columns) -> Columns:
    first = dict(claims)
    two = claims["added"] != ""
    first["two"], first["line"] = two, np.ones(len(two), dtype=int)
    first["units"] = np.ones(len(two), dtype=int)
    second = chosen(first, two)
    second["hcpcs"], second["line"] = second["added"], np.full(int(two.sum()), 2)
    second["paid"] = np.round(second["paid"] * 0.3, 2)
    return stacked([first, second])


def _lag(kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    shape, scale = LAG_DAYS[kind]
    return np.floor(rng.gamma(shape, scale, count)).astype("timedelta64[D]")


def duplicated(lines: Columns, rng: np.random.Generator) -> Columns:
    """The same lines, a few of them twice: the same key, every column equal."""
    count = len(lines["person"])
    repeat = np.repeat(np.arange(count), 1 + (rng.random(count) < DUPLICATE_LINES))
    return chosen(lines, repeat)


def pharmacy_lines(people: People, fills: Columns, calendar: Calendar, rng: np.random.Generator) -> Columns:
    """One row a fill; a reversed fill has a second line with quantity and amount negative, days' supply 0."""
    fills = happened(people, fills, "day", "day", calendar)
    count = len(fills["person"])
    fills["contract"] = people.contract_on(fills["day"], fills["person"])
    fills["paid_on"] = fills["day"] + _lag("pharmacy", count, rng)
    fills["claim"], fills["line"] = np.arange(count), np.ones(count, dtype=int)
    fills["quantity"] = fills["supply"] * np.where(fills["claim"] % 5 == 0, 2, 1)
    fills["paid"] = np.round(fills["supply"] * rng.lognormal(-0.8, 0.7, count), 2)
    back = chosen(fills, fills["reversed"])
    back["line"] = np.full(len(back["person"]), 2)
    back["quantity"], back["paid"] = -back["quantity"], -back["paid"]
    back["supply"] = np.zeros(len(back["person"]), dtype=int)
    back["paid_on"] = back["paid_on"] + 2 * DAY
    lines = stacked([fills, back])
    lines = chosen(lines, lines["paid_on"] <= calendar.drawn)
    return duplicated(chosen(lines, np.lexsort((lines["line"], lines["claim"]))), rng)

"""Pictures of a simulation: expected stars by budget, and what an answer hangs on. The tables stand beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT, LEFT, FOOT, TOP = 560, 200, 44, 26, 12
SWING_WIDTH, SWING_HEIGHT = 220, 14


def frontier_chart(points: Sequence[Mapping[str, Any]]) -> SafeString:
    """Expected stars of the best plan at each budget; nothing for fewer than two points or without a rating."""
    told = [(point["budget"], point["expected"]) for point in points if point["expected"] is not None]
    if len(told) < 2:
        return SafeString("")
    lowest, highest = min(stars for _, stars in told), max(stars for _, stars in told)
    span, widest = max(highest - lowest, 0.05), max(max(budget for budget, _ in told), 1.0)
    places = [
        (round(LEFT + (WIDTH - LEFT - 20) * budget / widest, 1),
         round(TOP + (HEIGHT - TOP - FOOT) * (1 - (stars - lowest) / span), 1), budget, stars)
        for budget, stars in told
    ]  # fmt: skip
    base = HEIGHT - FOOT
    return format_html(
        '<svg class="chart" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}" fill="currentColor">'
        "<title>Expected stars by budget</title><desc>{words}</desc>"
        '<path d="M{left} {top}V{base}H{w}" fill="none" stroke="currentColor" opacity=".4"/>'
        '<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="2"/>{dots}{budgets}{ends}</svg>',
        w=WIDTH, h=HEIGHT, left=LEFT, top=TOP, base=base,
        words="; ".join(f"${budget:,.0f}: {stars:.2f} stars" for budget, stars in told),
        line=" ".join(f"{x},{y}" for x, y, _, _ in places),
        dots=format_html_join("", '<circle class="bar-value" cx="{}" cy="{}" r="4" fill="#1f6280"/>',
                              [(x, y) for x, y, _, _ in places]),
        budgets=format_html_join(
            "", '<text x="{}" y="{}" text-anchor="middle" font-size="10">{}</text>',
            [(x, base + 14, thousands(budget)) for x, _, budget, _ in spaced(places)],
        ),
        ends=format_html_join(
            "", '<text x="{}" y="{}" text-anchor="end" font-size="10">{}</text>',
            {(LEFT - 4, y + 4, f"{stars:.2f}") for _, y, _, stars in (places[0], places[-1])},
        ),
    )  # fmt: skip


def spaced(places: Sequence[tuple[float, float, float, float]]) -> list[tuple[float, float, float, float]]:
    """The points whose budget has room to be written."""
    kept: list[tuple[float, float, float, float]] = []
    for place in places:
        if not kept or place[0] - kept[-1][0] >= 40:
            kept.append(place)
    return kept


def thousands(dollars: float) -> str:
    """A budget in few letters."""
    return f"${dollars / 1000:,.4g}k" if dollars >= 1000 else f"${dollars:,.0f}"


def swing_bar(one: Mapping[str, Any], low: float, high: float) -> SafeString:
    """Where the answer lies with an input at either end, on a scale common to all inputs, with a line at nought."""
    span = max(high - low, 1e-9)

    def across(value: float) -> float:
        return round(SWING_WIDTH * (value - low) / span, 1)

    ends = sorted((one["at_low"], one["at_high"]))
    return format_html(
        '<svg class="bar" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}"><title>{name}: {a} to {b}</title>'
        "<desc>Bar from the answer at one end of the input’s range to that at the other</desc>"
        '<rect class="bar-track" y="6" width="{w}" height="2" fill="#d5dbe3"/>'
        '<rect class="bar-value" x="{x}" y="3" width="{reach}" height="8" rx="2" fill="#1f6280"/>{nought}</svg>',
        w=SWING_WIDTH, h=SWING_HEIGHT, name=one["of"], a=f"{one['at_low']:,.2f}", b=f"{one['at_high']:,.2f}",
        x=across(ends[0]), reach=max(across(ends[1]) - across(ends[0]), 2),
        nought=format_html('<path d="M{0} 0V14" stroke="currentColor" stroke-width="2"/>', across(0.0))
        if low <= 0 <= high else "",
    )  # fmt: skip

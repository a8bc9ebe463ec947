"""The money page's picture: what each rating pays above three stars. Inline SVG; the table stands beside it."""

from collections.abc import Sequence
from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hedis.lib.templatetags.portfolio import dollars
from interventions.money import Move

COLUMN, BAR, HEIGHT, TOP, FOOT = 84, 44, 130, 18, 20
MILLION = Decimal(1_000_000)


def gains_chart(gains: Sequence[Move], today: Decimal | None, expected: Decimal | None) -> SafeString:
    """A column a rating: what it pays a year above the first one, by the bonus (filled) and by the rebate share.

    `expected`: the expected payment above the first rating, a broken line. Nothing where no rating pays more.
    """
    highest = max((one.change for one in gains), default=Decimal(0))
    if highest <= 0:
        return SafeString("")
    base, width = TOP + HEIGHT, COLUMN * len(gains)
    columns = [column(COLUMN * place, one, highest) for place, one in enumerate(gains)]
    names = [(COLUMN * place + COLUMN // 2, base + 15, f"{one.after:.1f}") for place, one in enumerate(gains)]
    frames = [COLUMN * place + COLUMN // 2 - 20 for place, one in enumerate(gains) if one.after == today]
    lines = [] if expected is None else [up(expected, highest)]
    return format_html(
        '<svg class="bar reasons-chart" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}" fill="currentColor">'
        "<title>Payment a year above {first} stars</title><desc>{words}</desc>{columns}"
        '<path d="M0 {base}H{w}" stroke="currentColor" opacity=".4"/>{frames}{names}{line}</svg>',
        w=width, h=base + FOOT, base=base, first=f"{gains[0].before:.1f}", words=in_words(gains, expected),
        columns=SafeString("".join(columns)),
        frames=format_html_join(
            "", '<rect x="{}" y="{}" width="40" height="18" rx="4" fill="none" stroke="currentColor"/>',
            [(left, base + 1) for left in frames],
        ),
        names=format_html_join("", '<text x="{}" y="{}" text-anchor="middle" font-size="12">{}</text>', names),
        line=format_html_join(
            "", '<path d="M0 {0}H{1}" stroke="currentColor" stroke-width="2" stroke-dasharray="5 3"/>'
            '<text x="2" y="{2}" font-size="10">expected</text>',
            [(at, width, at - 4) for at in lines],
        ),
    )  # fmt: skip


def column(left: int, gain: Move, highest: Decimal) -> SafeString:
    """One rating's column: the bonus from the ground, the rebate share upon it, the sum above."""
    bonus, whole = up(gain.by_bonus, highest), up(gain.change, highest)
    x = left + (COLUMN - BAR) // 2
    return format_html(
        '<rect x="{x}" y="{bonus}" width="{bar}" height="{filled}" class="bar-value" fill="#1f6280"/>'
        '<rect x="{x}" y="{whole}" width="{bar}" height="{outlined}" fill="none" stroke="currentColor"/>'
        '<text x="{middle}" y="{label}" text-anchor="middle" font-size="10">{words}</text>',
        x=x, bar=BAR, bonus=bonus, filled=round(TOP + HEIGHT - bonus, 1), whole=whole,
        outlined=round(bonus - whole, 1), middle=left + COLUMN // 2, label=whole - 4, words=short(gain.change),
    )  # fmt: skip


def up(amount: Decimal, highest: Decimal) -> float:
    """Pixels from the top of an amount."""
    return round(TOP + HEIGHT - HEIGHT * float(min(max(amount / highest, Decimal(0)), Decimal(1))), 1)


def short(amount: Decimal) -> str:
    """Dollars as a column's label."""
    return f"${amount / MILLION:,.1f}m" if amount >= MILLION else dollars(amount)


def in_words(gains: Sequence[Move], expected: Decimal | None) -> str:
    """What the columns say."""
    each = "; ".join(
        f"{one.after:.1f} stars {dollars(one.change)}, of it {dollars(one.by_bonus)} by the bonus" for one in gains
    )
    return each if expected is None else f"{each}. Expected: {dollars(expected)}"

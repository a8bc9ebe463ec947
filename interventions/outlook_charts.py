"""Pictures of the outlook, each with its words: inline SVG, because the pages allow neither script nor style.

The figures stand in the table beside each picture. Star bands carry the design system's classes, so that dark mode,
print and contrast mode draw them as everywhere else.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hedis.lib.templatetags.stars import BAND, BAND_FILLS, BAND_HEIGHT, SIDE, position, shown
from interventions.intervals import Interval
from interventions.outlook import MeasureOutlook

TOP, LABEL, BAND_TOTAL = 8, 32, 46
ODDS_WIDTH, ODDS_HEIGHT = 200, 14
COLUMN, COLUMN_WIDTH, CHART_HEIGHT, CHART_TOP, CHART_FOOT = 80, 30, 110, 16, 20
RATE_WIDTH, RATE_HEIGHT = 140, 14
# Chances below this are a hair's breadth and are not said.
WORTH_SAYING = 0.005


def percent(share: float) -> str:
    """A chance in percent: certain and impossible only where they are."""
    if 0 < share < WORTH_SAYING:
        return "<1 %"
    return ">99 %" if 1 - WORTH_SAYING < share < 1 else f"{share:.0%}".replace("%", " %")


def rate_band(one: MeasureOutlook) -> SafeString:
    """The cut points as five bands of equal width; above them today's rate, below the year's end with its interval.

    Right is better, also where a lower rate is.
    """
    told = {"direction": "lower" if one.lower_is_better else "higher",
            "scale": dict(zip(("low", "high"), one.scale, strict=True))}  # fmt: skip
    points = list(one.cuts)

    def across(rate: float) -> float:
        return SIDE + round(BAND * position(Decimal(str(rate)), told, points), 1)

    bands = [(SIDE + BAND * place, TOP, BAND, BAND_HEIGHT, place + 1, fill) for place, fill in enumerate(BAND_FILLS)]
    labels = [(SIDE + BAND * place, BAND_TOTAL - 2, shown(cut)) for place, cut in enumerate(points, start=1)]
    ends = sorted(across(rate) for rate in (one.low, one.high))
    return format_html(
        '<svg class="band" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}"><title>{title}</title>'
        "<desc>{words}</desc>{bands}{labels}"
        '<path class="band-mark" d="M{left} 0h10l-5 6z" fill="#18212c"/>'
        '<rect class="band-mark" x="{now}" y="{top}" width="2" height="{height}" fill="#18212c"/>'
        '<rect class="band-mark" x="{low}" y="24" width="{reach}" height="2" fill="#18212c"/>'
        '<circle class="band-mark" cx="{end}" cy="25" r="4" fill="#18212c"/></svg>',
        w=2 * SIDE + 5 * BAND, h=BAND_TOTAL, title=band_title(one),
        words=", ".join(f"{star} stars from {shown(cut)}" for star, cut in enumerate(points, start=2)),
        bands=format_html_join("", '<rect x="{}" y="{}" width="{}" height="{}" class="band-{}" fill="{}"/>', bands),
        labels=format_html_join("", '<text x="{}" y="{}" text-anchor="middle" font-size="10">{}</text>', labels),
        left=across(one.rate_today) - 5, now=across(one.rate_today) - 1, top=TOP, height=BAND_HEIGHT,
        low=ends[0], reach=max(round(ends[1] - ends[0], 1), 1), end=across(one.rate),
    )  # fmt: skip


def band_title(one: MeasureOutlook) -> str:
    """What the band says, in a sentence."""
    return (
        f"{one.id}: {one.rate_today:.1f} percent today, {one.star_today} of 5 stars; at year's end {one.rate:.1f}, "
        f"four times in five between {one.low:.1f} and {one.high:.1f}"
    )


def odds_bar(one: MeasureOutlook) -> SafeString:
    """The chance of each number of stars as one bar, worst to the left."""
    edges = [sum(one.odds[:place]) for place in range(6)]
    parts = [
        (round(ODDS_WIDTH * edges[place], 1), max(round(ODDS_WIDTH * chance, 1), 0), place + 1, BAND_FILLS[place])
        for place, chance in enumerate(one.odds)
        if chance >= WORTH_SAYING
    ]
    said = [(chance, star) for star, chance in enumerate(one.odds, start=1) if chance >= WORTH_SAYING]
    return format_html(
        '<svg class="band" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}"><title>{id}: {words}</title>'
        "<desc>Chance of one to five stars at year's end, from left to right</desc>{parts}</svg>",
        w=ODDS_WIDTH, h=ODDS_HEIGHT, id=one.id,
        words=", ".join(f"{percent(chance)} {star} star{'' if star == 1 else 's'}" for chance, star in said),
        parts=format_html_join(
            "", '<rect x="{}" y="0" width="{}" height="14" class="band-{}" fill="{}"/>', parts
        ),
    )  # fmt: skip


def rating_bars(
    independent: Mapping[Decimal, float], shared: Mapping[Decimal, float], today: Decimal | None
) -> SafeString:
    """The chance of each rating: the left column where measures err apart, the right where they err together.

    Nothing where there are no chances. The rating of today has a frame.
    """
    ratings = worth_showing(independent, shared)
    if not ratings:
        return SafeString("")
    highest = max(*independent.values(), *shared.values())
    columns = [
        column(COLUMN * place + 8 + side * (COLUMN_WIDTH + 2), odds.get(star, 0.0), highest, side)
        for place, star in enumerate(ratings)
        for side, odds in enumerate((independent, shared))
    ]
    base = CHART_TOP + CHART_HEIGHT
    names = [(COLUMN * place + COLUMN // 2, base + 15, f"{star:.1f}") for place, star in enumerate(ratings)]
    frames = [(COLUMN * ratings.index(today) + 2, base + 1, COLUMN - 4)] if today in ratings else []
    return format_html(
        '<svg class="bar" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}" fill="currentColor">'
        "<title>Chance of each rating at year's end</title><desc>{words}</desc>{columns}"
        '<path d="M0 {base}H{w}" stroke="currentColor" opacity=".4"/>{frames}{names}</svg>',
        w=COLUMN * len(ratings), h=base + CHART_FOOT, base=base, words=odds_words(independent),
        columns=SafeString("".join(columns)),
        frames=format_html_join(
            "", '<rect x="{}" y="{}" width="{}" height="18" rx="4" fill="none" stroke="currentColor"/>', frames
        ),
        names=format_html_join("", '<text x="{}" y="{}" text-anchor="middle" font-size="12">{}</text>', names),
    )  # fmt: skip


def column(left: float, chance: float, highest: float, side: int) -> SafeString:
    """One column with its figure, as high as its share of the highest; the second of a pair is drawn in outline."""
    height = round(CHART_HEIGHT * chance / highest, 1)
    top = round(CHART_TOP + CHART_HEIGHT - height, 1)
    look = SafeString('class="bar-value" fill="#1f6280"' if side == 0 else 'fill="none" stroke="currentColor"')
    return format_html(
        '<rect x="{}" y="{}" width="{}" height="{}" {}/>'
        '<text x="{}" y="{}" text-anchor="middle" font-size="10">{}</text>',
        left, top, COLUMN_WIDTH, height, look, left + COLUMN_WIDTH / 2, top - 3, percent(chance),
    )  # fmt: skip


def worth_showing(*odds: Mapping[Decimal, float]) -> list[Decimal]:
    """The ratings that are more than a hair's breadth likely in any of the odds, worst first."""
    return sorted({star for each in odds for star, chance in each.items() if chance >= WORTH_SAYING})


def odds_words(odds: Mapping[Decimal, float]) -> str:
    """The chances in a sentence, the likeliest first."""
    likely = sorted(((odds[star], star) for star in worth_showing(odds)), reverse=True)
    return ", ".join(f"{percent(chance)} for {star:.1f} stars" for chance, star in likely)


def interval_bar(about: str, rate: Interval, reference: float | None) -> SafeString:
    """A stratum's rate as a bar from 0 to 100 % with its interval, and a line at the reference's rate."""
    marks: Sequence[float] = [] if reference is None else [reference]
    return format_html(
        '<svg class="bar" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}"><title>{about}: {value} percent, '
        "interval {low} to {high}{beside}</title><desc>Bar from 0 to 100 percent</desc>"
        '<rect class="bar-track" y="3" width="{w}" height="8" rx="2" fill="#d5dbe3"/>'
        '<rect class="bar-value" y="3" width="{width}" height="8" rx="2" fill="#1f6280"/>'
        '<path d="M{from_} 7H{to}M{from_} 4V10M{to} 4V10" stroke="currentColor"/>{marks}</svg>',
        w=RATE_WIDTH, h=RATE_HEIGHT, about=about, value=f"{100 * rate.value:.1f}", low=f"{100 * rate.low:.1f}",
        high=f"{100 * rate.high:.1f}",
        beside="" if reference is None else f"; the reference has {100 * reference:.1f}",
        width=along(rate.value), from_=along(rate.low), to=along(rate.high),
        marks=format_html_join(
            "", '<path d="M{0} 0V14" stroke="currentColor" stroke-width="2" stroke-dasharray="3 2"/>',
            [(along(mark),) for mark in marks],
        ),
    )  # fmt: skip


def along(share: float) -> float:
    """Pixels from the left of a rate's bar."""
    return round(RATE_WIDTH * share, 1)

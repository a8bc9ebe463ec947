"""Stars and cut points as pictures, each with its words: inline SVG, coloured by the design system's classes."""

from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

STEP = 24  # each star is drawn in a square of 24
WHOLE = "12,2 15.1,8.6 22,9.6 17,14.6 18.2,21.8 12,18.3 5.8,21.8 7,14.6 2,9.6 8.9,8.6"
LEFT_HALF = "12,2 12,18.3 5.8,21.8 7,14.6 2,9.6 8.9,8.6"
BAND, BAND_TOP, BAND_HEIGHT, BAND_WHOLE_HEIGHT, SIDE = 40, 6, 10, 30, 8
BAND_FILLS = ("#e9a29d", "#f1c98d", "#d5dbe3", "#a9cfe0", "#8fcaa3")
CUTS = ("two", "three", "four", "five")


@register.simple_tag
def star_row(value: object, size: int = 16) -> SafeString:
    """Five stars, filled to the half, `size` pixels high; nothing for no rating."""
    if value is None or value == "":
        return SafeString("")
    stars = Decimal(str(value))
    shapes = [(STEP * place, shape(stars - place)) for place in range(5)]
    return format_html(
        '<svg class="stars" role="img" width="{}" height="{}" viewBox="0 0 {} {}"><title>{} of 5 stars</title>{}</svg>',
        size * 5, size, STEP * 5, STEP, f"{stars.normalize():f}",
        format_html_join("", '<g transform="translate({} 0)">{}</g>', shapes),
    )  # fmt: skip


def shape(rest: Decimal) -> SafeString:
    """One star: full, half or empty."""
    outline = format_html('<polygon class="star-outline" points="{}" fill="#d5dbe3"/>', WHOLE)
    if rest < Decimal("0.5"):
        return outline
    points = WHOLE if rest >= 1 else LEFT_HALF
    return outline + format_html('<polygon class="star-fill" points="{}" fill="#b06f00"/>', points)


@register.simple_tag
def cut_band(measure: dict[str, Any]) -> SafeString:
    """The cut points of a measure as five bands, one to five stars from left to right, and where its score stands.

    The bands are drawn equally wide, so that close cut points stay readable; within its band the score keeps its
    place. Right is better, also where a lower score is.
    """
    cuts = measure["cut_points"]
    if not cuts:
        return SafeString("")
    points = [Decimal(cuts[name]) for name in CUTS]
    bands = [(SIDE + BAND * place, BAND_TOP, BAND, BAND_HEIGHT, place + 1, fill)
             for place, fill in enumerate(BAND_FILLS)]  # fmt: skip
    labels = [(SIDE + BAND * place, BAND_WHOLE_HEIGHT - 3, shown(cut)) for place, cut in enumerate(points, start=1)]
    return format_html(
        '<svg class="band" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}"><title>{title}</title>'
        "<desc>{words}</desc>{bands}{labels}{marker}</svg>",
        w=2 * SIDE + 5 * BAND, h=BAND_WHOLE_HEIGHT, title=band_title(measure), words=band_words(measure, points),
        bands=format_html_join(
            "", '<rect x="{}" y="{}" width="{}" height="{}" class="band-{}" fill="{}"/>', bands
        ),
        labels=format_html_join("", '<text x="{}" y="{}" text-anchor="middle" font-size="10">{}</text>', labels),
        marker=marker(measure, points),
    )  # fmt: skip


def band_title(measure: dict[str, Any]) -> str:
    """What the picture says, in a sentence."""
    if measure["shown_score"] is None:
        return f"{measure['id']}: cut points, no score"
    return (
        f"{measure['id']}: score {shown(Decimal(measure['shown_score']))} earns {measure['by_cut_points']} of 5 stars"
    )


def band_words(measure: dict[str, Any], points: list[Decimal]) -> str:
    """The cut points in words."""
    side = "or less" if measure["direction"] == "lower" else "or more"
    return ", ".join(f"{star} stars: {shown(cut)} {side}" for star, cut in zip(range(2, 6), points, strict=True))


def shown(value: Decimal) -> str:
    """A figure without trailing zeros."""
    return f"{value.normalize():f}"


def marker(measure: dict[str, Any], points: list[Decimal]) -> SafeString:
    """The score's place on the band."""
    if measure["shown_score"] is None:
        return SafeString("")
    x = SIDE + round(BAND * position(Decimal(measure["shown_score"]), measure, points), 1)
    return format_html(
        '<path class="band-mark" d="M{} 0h10l-5 6z" fill="#18212c"/><rect class="band-mark" x="{}" y="{}" width="2" '
        'height="{}" fill="#18212c"/>',
        x - 5, x - 1, BAND_TOP, BAND_HEIGHT,
    )  # fmt: skip


def position(score: Decimal, measure: dict[str, Any], points: list[Decimal]) -> float:
    """Where a score stands, 0 to 5 bands from the left: which band, and how far through it.

    The outer bands end where the scale does; a scale without an end is taken to go as far as the four cut points span.
    """
    sign = -1 if measure["direction"] == "lower" else 1
    low, high = (None if end is None else Decimal(end) for end in (measure["scale"]["low"], measure["scale"]["high"]))
    worst, best = (high, low) if sign < 0 else (low, high)
    span = points[-1] - points[0]
    edges = [points[0] - span if worst is None else worst, *points, points[-1] + span if best is None else best]
    band = sum(sign * score >= sign * cut for cut in points)
    width = edges[band + 1] - edges[band]
    within = (score - edges[band]) / width if width else Decimal(0)
    return band + float(min(max(within, Decimal(0)), Decimal(1)))


@register.filter
def signed(value: Decimal | int | str | None) -> str:
    """A difference with its sign; a dash where there is none to tell."""
    if value is None:
        return "–"
    number = Decimal(value)
    return f"{number.normalize():+f}" if number else "0"


@register.filter
def figure(value: str | None) -> str:
    """A decimal of an explanation without trailing zeros; a dash for none."""
    return "–" if value is None else shown(Decimal(value))

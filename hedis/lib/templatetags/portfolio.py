"""How figures, states and deadlines look on every page: the same chip, the same bar, the same words.

Also called from admin columns, so that a list and a page never disagree.
"""

from datetime import date
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

DASH = "–"
URGENT_DAYS, SOON_DAYS = 14, 30
BAR_WIDTH, BAR_HEIGHT = 120, 8


@register.simple_tag
def chip(text: object, tone: str = "", title: str = "") -> SafeString:
    """A small label. Tones: good, bad, warn, info, or none; the words always say it too."""
    return format_html('<span class="chip chip-{}" title="{}">{}</span>', tone or "plain", title, text)


@register.filter
def or_dash(value: Any) -> Any:
    """A dash instead of nothing: an empty cell looks like an error, "None" is one."""
    return DASH if value is None or value == "" else value


@register.filter
def shown_figure(value: Any) -> str:
    """A stored figure: whole numbers with thousands, others as they are, words as they are, a dash for none."""
    if value is None or value == "":
        return DASH
    return f"{value:,}" if isinstance(value, int) else str(value)


@register.filter
def percent(value: float | None) -> str:
    """A rate with one decimal, as CMS prints it to contracts before rounding."""
    return DASH if value is None else f"{value:.1f} %"


@register.filter
def dollars(amount: Any) -> str:
    """Whole dollars, the sign before the currency."""
    if amount is None:
        return DASH
    whole = round(amount)
    return f"-${-whole:,}" if whole < 0 else f"${whole:,}"


def urgency(days: int) -> str:
    """The tone of a deadline so many days ahead."""
    if days <= URGENT_DAYS:
        return "bad"
    return "warn" if days <= SOON_DAYS else "plain"


def days_in_words(days: int) -> str:
    """Days left as people say it."""
    if days < 0:
        return f"{-days} day{'' if days == -1 else 's'} too late"
    return {0: "last day today", 1: "1 day left"}.get(days, f"{days} days left")


@register.simple_tag
def deadline(day: date, today: date) -> SafeString:
    """The last day and how far away it is, in colour and in words."""
    days = (day - today).days
    return format_html(
        '<span class="deadline"><span class="chip chip-{}">{}</span> <time datetime="{}">{}</time></span>',
        urgency(days),
        days_in_words(days),
        day.isoformat(),
        day.isoformat(),
    )


@register.simple_tag
def rate_bar(rate: float | None, label: str) -> SafeString:
    """A bar of one rate (percent). The figure stands beside it in the table, so the picture carries only its name."""
    width = 0.0 if rate is None else round(BAR_WIDTH * min(max(rate, 0), 100) / 100, 1)
    return format_html(
        '<svg class="bar" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}"><title>{label}: {rate}</title>'
        "<desc>Bar from 0 to 100 percent</desc>"
        '<rect class="bar-track" width="{w}" height="{h}" rx="2" fill="#d5dbe3"/>'
        '<rect class="bar-value" width="{value}" height="{h}" rx="2" fill="#1f6280"/></svg>',
        w=BAR_WIDTH,
        h=BAR_HEIGHT,
        label=label,
        rate=percent(rate),
        value=width,
    )


@register.filter
def in_words(code: str) -> str:
    """A machine's name as a person reads it: `gap.moved` → gap moved."""
    return str(code).replace(".", " ").replace("_", " ")

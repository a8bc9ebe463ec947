"""What moved a score, as a picture: inline SVG with its words, because the pages allow no script."""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from predictions.score_words import Reason

WIDTH, ROW, BAR, MIDDLE = 420, 26, 14, 210
REACH = 150
"""Pixels from the middle to the end of the longest bar; the figure stands beyond it."""
OPENS, CLOSES = "#7a4b00", "#1c6438"


def contributions(reasons: Sequence[Reason]) -> SafeString:
    """One bar a reason: to the right it made an open gap more likely, to the left less. Nothing for no reasons."""
    if not reasons:
        return SafeString("")
    longest = max(abs(reason.contribution) for reason in reasons) or 1.0
    height = ROW * (len(reasons) + 1)
    return format_html(
        '<svg class="reasons-chart" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}" fill="currentColor" '
        'font-size="11"><title>What moved this score</title><desc>{words}</desc>'
        '<path d="M{middle} {top}V{h}" stroke="currentColor" opacity=".4"/>'
        '<text x="{left}" y="14" text-anchor="end">‹ closes</text><text x="{right}" y="14">stays open ›</text>'
        "{bars}</svg>",
        w=WIDTH, h=height, middle=MIDDLE, top=ROW - 6, left=MIDDLE - 8, right=MIDDLE + 8, words=in_words(reasons),
        bars=format_html_join(
            "",
            '<rect x="{}" y="{}" width="{}" height="{}" fill="{}" class="{}"/><text x="{}" y="{}" '
            'text-anchor="{}">{} {}</text>',
            (bar(index, reason, longest) for index, reason in enumerate(reasons)),
        ),
    )  # fmt: skip


def bar(index: int, reason: Reason, longest: float) -> tuple[object, ...]:
    """Place, colour and figure of one bar; its number is that of its row in the table."""
    length = round(REACH * abs(reason.contribution) / longest, 1)
    opens = reason.contribution > 0
    y = ROW * (index + 1)
    start = MIDDLE if opens else MIDDLE - length
    edge, anchor = (MIDDLE + length + 4, "start") if opens else (MIDDLE - length - 4, "end")
    colour, kind = (OPENS, "reason-opens") if opens else (CLOSES, "reason-closes")
    return (start, y, length, BAR, colour, kind, edge, y + BAR - 3, anchor, f"{index + 1}:", reason.figure)


def in_words(reasons: Sequence[Reason]) -> str:
    """What the picture shows, for those who do not see it."""
    lines = (f"{index}: {one.words}, {one.way} ({one.figure})" for index, one in enumerate(reasons, 1))
    return "; ".join(lines)

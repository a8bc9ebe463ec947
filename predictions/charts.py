"""Pictures of how a model does, each with its words: inline SVG, because the pages allow no script."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

SIZE, LEFT, TOP, ROOM = 220, 44, 10, 44
TICKS = (0, 0.25, 0.5, 0.75, 1)
BAR_WIDTH, BAR_HEIGHT = 160, 14
FULL_BAR = 0.5  # an index beyond it fills the bar: what lies there is acted on either way


def calibration_plot(rows: Sequence[Mapping[str, Any]]) -> SafeString:
    """Observed share against mean predicted probability, tenth by tenth; on the diagonal the model is right.

    `rows` as `evaluating.calibration_table` gives them; a tenth whose observed share is withheld has no point.
    Nothing for no rows.
    """
    points = [(float(row["predicted"]), float(row["observed"])) for row in rows if row["observed"] is not None]
    if not points:
        return SafeString("")
    return format_html(
        '<svg class="bar" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}" fill="currentColor">'
        "<title>Calibration: observed share against predicted probability</title><desc>{words}</desc>"
        '{ticks}<path d="M{x0} {y0}L{x1} {y1}" stroke="currentColor" stroke-dasharray="4 4" opacity=".6"/>'
        '<path d="{line}" fill="none" stroke="currentColor" opacity=".4"/>{dots}'
        '<text x="{middle}" y="{bottom}" text-anchor="middle" font-size="11">predicted</text>'
        '<text x="12" y="{center}" text-anchor="middle" font-size="11" transform="rotate(-90 12 {center})">observed'
        "</text></svg>",
        w=LEFT + SIZE + TOP, h=TOP + SIZE + ROOM, words=in_words(points), ticks=ticks(),
        x0=across(0), y0=up(0), x1=across(1), y1=up(1), middle=across(0.5), bottom=TOP + SIZE + 36, center=up(0.5),
        line="M" + "L".join(f"{across(x)} {up(y)}" for x, y in points),
        dots=format_html_join(
            "", '<circle class="bar-value" cx="{}" cy="{}" r="4" fill="#1f6280"/>',
            [(across(x), up(y)) for x, y in points],
        ),
    )  # fmt: skip


def ticks() -> SafeString:
    """The frame with its scale, 0 to 100 percent both ways."""
    marks = [
        (across(at), up(0), up(1), across(0), across(1), up(at), up(0) + 15, LEFT - 5, up(at) + 4, f"{at:.0%}")
        for at in TICKS
    ]
    return format_html_join(
        "",
        '<path d="M{0} {1}V{2}M{3} {5}H{4}" stroke="currentColor" opacity=".15"/>'
        '<text x="{0}" y="{6}" text-anchor="middle" font-size="10">{9}</text>'
        '<text x="{7}" y="{8}" text-anchor="end" font-size="10">{9}</text>',
        marks,
    )


def across(share: float) -> float:
    """Pixels from the left."""
    return round(LEFT + SIZE * share, 1)


def up(share: float) -> float:
    """Pixels from the top; 0 lies at the bottom."""
    return round(TOP + SIZE * (1 - share), 1)


def in_words(points: Sequence[tuple[float, float]]) -> str:
    """What the picture shows, for those who do not see it."""
    predicted, observed = max(points, key=lambda point: abs(point[1] - point[0]))
    return (
        f"{len(points)} groups of rows by rising probability. Farthest from the diagonal: predicted "
        f"{predicted:.1%}, observed {observed:.1%}."
    )


def index_bar(value: float, about: str, look: float | None, act: float | None) -> SafeString:
    """A stability index as a bar from 0, with a line at each limit. The figure stands beside it in the table."""

    def place(index: float) -> float:
        return round(BAR_WIDTH * min(max(index, 0.0), FULL_BAR) / FULL_BAR, 1)

    limits = [limit for limit in (look, act) if limit is not None]
    return format_html(
        '<svg class="bar" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
        "<title>Stability index of {about}: {value}</title><desc>Bar from 0 to {full}, lines at {named}</desc>"
        '<rect class="bar-track" y="3" width="{w}" height="8" rx="2" fill="#d5dbe3"/>'
        '<rect class="bar-value" y="3" width="{here}" height="8" rx="2" fill="#1f6280"/>{lines}</svg>',
        w=BAR_WIDTH, h=BAR_HEIGHT, about=about, value=f"{value:.3f}", full=f"{FULL_BAR:g}",
        named=" and ".join(f"{limit:g}" for limit in limits), here=place(value),
        lines=format_html_join(
            "", '<path d="M{} 0V{}" stroke="currentColor" opacity=".7"/>',
            [(place(limit), BAR_HEIGHT) for limit in limits],
        ),
    )  # fmt: skip

"""Small cells are withheld, and others with them where a subtraction would give them away. Pure."""

from collections.abc import Sequence

from predictions.subgroups import SMALLEST

WITHHELD = f"fewer than {SMALLEST} members in one of its counts"
COMPLEMENT = "withheld so that a small count elsewhere cannot be found by subtraction"


def is_small(count: int) -> bool:
    """From 1 to 10 people (CMS cell size suppression policy); nobody at all may be said."""
    return 0 < count < SMALLEST


def withheld(rows: Sequence[Sequence[int]]) -> list[str]:
    """For each row why it is withheld, or an empty text. Rows are parts of one known total.

    A row's cells are counts that exclude each other, such as met and unmet. A row with a small cell is withheld; then
    the smallest others, until no withheld count or sum of withheld counts that is small follows from the total.
    """
    reasons = [WITHHELD if any(is_small(cell) for cell in row) else "" for row in rows]
    while gives_away(rows, reasons):
        shown = [place for place, reason in enumerate(reasons) if not reason]
        if not shown:
            break
        reasons[min(shown, key=lambda place: (sum(rows[place]) == 0, sum(rows[place])))] = COMPLEMENT
    return reasons


def gives_away(rows: Sequence[Sequence[int]], reasons: Sequence[str]) -> bool:
    """Whether total less what is shown is one withheld row, or a small number."""
    hidden = [row for row, reason in zip(rows, reasons, strict=True) if reason and sum(row)]
    if not hidden:
        return False
    return len(hidden) == 1 or any(is_small(sum(cells)) for cells in zip(*hidden, strict=True))

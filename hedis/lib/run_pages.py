"""How a run of hedis.lib.runs reads on a page: where it stands, how far it is, how long it took."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hedis.lib import jobs
from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.lib.runs import Run, RunState
from hedis.lib.templatetags import portfolio

TONES = {RunState.QUEUED: "plain", RunState.RUNNING: "info", RunState.DONE: "good", RunState.FAILED: "bad"}


@dataclass(frozen=True)
class Standing:
    """Where a run stands: words, their tone, what to know; and whether looking again soon will show more."""

    text: str
    tone: str
    title: str
    moves: bool

    @property
    def chip(self) -> SafeString:
        """The words as a chip."""
        return portfolio.chip(self.text, self.tone, self.title)


def standing_of(run: Run, *, worker: bool) -> Standing:
    """A run that waits with nobody to work on it, or is silent for long, is no quiet wait: it says what to do.

    `worker`: whether one lives (`jobs.worker_alive`).
    """
    if run.state == RunState.QUEUED and not worker:
        return Standing("Waiting for a worker", "warn", "No worker is running. Start one: manage.py work", True)
    if run.is_stalled(timezone.now()):
        return Standing("No sign of life", "warn", "Its worker seems lost. Another goes on where it stopped.", False)
    return Standing(run.get_state_display(), TONES[RunState(run.state)], run.error, not run.is_over)


def progress(run: Run) -> SafeString:
    """How far a run is, as a bar and in words."""
    share = round(100 * run.share_done)
    words = f"{run.done} of {run.total}" if run.total else "not begun"
    return format_html(
        '<span class="progress"><progress max="100" value="{}" aria-label="{}">{} %</progress> <span>{}</span></span>',
        share, f"Done: {words}", share, words,
    )  # fmt: skip


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if not seconds:
        return portfolio.DASH
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def about(run: Run) -> dict[str, Any]:
    """What the page of one run shows of any run."""
    standing = standing_of(run, worker=jobs.worker_alive())
    return {"standing": standing, "watching": standing.moves, "progress": progress(run)}


class RunAdmin(ReadOnlyAdmin):
    """A list of runs: asked for elsewhere, done by a worker, never edited."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, each run with where it stands, and whether to look again soon."""
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            rows = shown["cl"].result_list = list(shown["cl"].result_list)
            worker = jobs.worker_alive()
            for run in rows:
                run.standing = standing_of(run, worker=worker)
            shown["watching"] = any(run.standing.moves for run in rows)
        return response

    @admin.display(description="state")
    def state_cell(self, run: Any) -> SafeString:
        return run.standing.chip

    @admin.display(description="progress")
    def progress_cell(self, run: Run) -> SafeString:
        return progress(run)

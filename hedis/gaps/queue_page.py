"""The queue as a page: filters, rows, and one step for all that are ticked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone

from hedis.accounts.models import User
from hedis.gaps import handing, queueing
from hedis.gaps.models import AdherenceClass, Gap, GapQuerySet, Work
from hedis.lib.paging import CappedPaginator
from hedis.measures.models import Measure

PAGE_SIZE = 50
TOO_LATE = "late"
CONTACT_WITHIN = [("", "Any day"), ("7", "Next 7 days"), ("14", "Next 14 days"), ("30", "Next 30 days"),
                  ("60", "Next 60 days"), ("90", "Next 90 days"), (TOO_LATE, "Too late to count")]  # fmt: skip
OPEN_WORK = [(value, words) for value, words in Work.choices if value in handing.BY_HAND or value == Work.REOPENED]

NARROWING = ("measure", "work", "due", "adherence", "language", "member")


class QueueFilter(forms.Form):
    """What narrows the queue. All of it stands in the address, so a view can be kept as a bookmark."""

    owner = forms.ChoiceField(label="Owner", required=False)
    year = forms.IntegerField(label="Year", required=False, widget=forms.HiddenInput)
    measure = forms.ChoiceField(label="Measure", required=False)
    work = forms.ChoiceField(label="Work status", choices=[("", "Any work status"), *OPEN_WORK], required=False)
    due = forms.ChoiceField(label="Contact by", choices=CONTACT_WITHIN, required=False)
    adherence = forms.ChoiceField(
        label="Adherence", choices=[("", "Any class"), *AdherenceClass.choices], required=False
    )
    language = forms.ChoiceField(label="Language", required=False)
    member = forms.RegexField(
        label="Member label",
        regex=r"^[0-9a-fA-F ]{4,80}$",
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "a1b2 c3d4 e5f6", "autocomplete": "off"}),
        error_messages={"invalid": "A label has the digits 0–9 and a–f. For a plan's member id use Members."},
    )

    def __init__(self, data: Any, *, user: User, gaps: GapQuerySet) -> None:
        super().__init__(data, auto_id="filter_%s")
        measures = Measure.objects.filter(kind=Measure.Kind.MEASURE).values_list("code", "name")
        self.fields["measure"].choices = [("", "Any measure"), *((c, f"{c} {n}") for c, n in measures)]  # type: ignore[attr-defined]
        self.fields["language"].choices = [("", "Any language"), *((x, x) for x in queueing.languages(gaps))]  # type: ignore[attr-defined]
        if queueing.may_see_others(user):
            people = [(str(person.pk), str(person)) for person in handing.people_for(user)]
            self.fields["owner"].choices = [  # type: ignore[attr-defined]
                (queueing.TEAM, "Whole team"), (queueing.ME, "Me"), (queueing.NOBODY, "Nobody yet"), *people
            ]  # fmt: skip
        else:
            del self.fields["owner"]

    def narrow(self, gaps: GapQuerySet) -> GapQuerySet:
        """The gaps that fit; an unreadable filter narrows nothing and its field says so."""
        self.is_valid()
        told = self.cleaned_data
        year = told.get("year") or queueing.newest_year(gaps)
        gaps = gaps.for_year(year) if year else gaps
        if told.get("measure"):
            gaps = gaps.filter(measure__code=told["measure"])
        if told.get("work"):
            gaps = gaps.filter(work_status=told["work"])
        if told.get("due") == TOO_LATE:
            gaps = gaps.too_late(timezone.localdate())
        elif told.get("due"):
            gaps = gaps.contact_within(timezone.localdate(), int(told["due"]))
        if told.get("adherence"):
            gaps = gaps.filter(adherence__adherence_class=told["adherence"])
        if told.get("language"):
            gaps = gaps.filter(member__language=told["language"])
        if told.get("member"):
            gaps = gaps.filter(member__pseudonym__startswith=told["member"].replace(" ", "").lower())
        return gaps


def my_queue(request: HttpRequest) -> HttpResponse:
    """GET shows the queue; POST takes one step, or hands over, for the members that are ticked."""
    user = request.user
    if not isinstance(user, User) or not user.has_perm("gaps.change_gap"):
        raise PermissionDenied
    held = queueing.in_hands_of(request.GET.get("owner", queueing.TEAM), seen_by=user)
    chosen = QueueFilter(request.GET, user=user, gaps=held)
    gaps = chosen.narrow(held)
    if request.method == "POST":
        return take_step(request, gaps)
    today = timezone.localdate()
    page = CappedPaginator(queueing.by_member(gaps, today), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = queueing.filled(page.object_list, gaps, today)
    queueing.record_look("queue.viewed", (row.member for row in rows), by=user)
    context = {
        **admin.site.each_context(request),
        "title": "My queue" if not queueing.may_see_others(user) else "Queue",
        "filters": chosen,
        "narrowed": any(chosen.cleaned_data.get(name) for name in NARROWING),
        "page": page,
        "rows": rows,
        "today": today,
        "step_form": handing.StepForm(auto_id="step_%s"),
        "hand_form": handing.HandForm(user=user, auto_id="hand_%s") if user.has_perm("gaps.assign_gap") else None,
        "owners_shown": queueing.may_see_others(user),
    }
    return TemplateResponse(request, "admin/queue.html", context)


def take_step(request: HttpRequest, gaps: GapQuerySet) -> HttpResponse:
    """One step for every shown gap of the ticked members; above fifty gaps it is asked about once more."""
    again = HttpResponseRedirect(request.get_full_path())
    ticked = [int(pk) for pk in request.POST.getlist("members") if pk.isdecimal()]
    chosen = list(gaps.filter(member__in=ticked).for_list())
    if not chosen:
        messages.warning(request, "Nothing was changed: tick at least one member first.")
        return again
    handing_over = request.POST.get("do") == "hand"
    form = hand_form(request) if handing_over else handing.StepForm(request.POST)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, f"Nothing was changed: {' '.join(map(str, errors))}")
        return again
    if len(chosen) > handing.ASK_ABOVE and "confirmed" not in request.POST:
        return ask_first(request, chosen, form)
    if handing_over:
        handing.hand_and_tell(request, chosen, to=form.cleaned_data["person"])
    else:
        handing.move_and_tell(request, chosen, **form.cleaned_data)
    return again


def hand_form(request: HttpRequest) -> forms.Form:
    """Handing over is the lead's."""
    if not isinstance(request.user, User) or not request.user.has_perm("gaps.assign_gap"):
        raise PermissionDenied
    return handing.HandForm(request.POST, user=request.user)


def ask_first(request: HttpRequest, gaps: list[Gap], form: forms.Form) -> HttpResponse:
    """The same form once more, hidden, with how much it will change."""
    context = {
        **admin.site.each_context(request),
        "title": f"Change {handing.count_in_words(len(gaps))}?",
        "kept": [(name, value) for name, values in request.POST.lists() for value in values if name[:3] != "csr"],
        "members": len({gap.member_id for gap in gaps}),
        "form": form,
        "step_words": dict(Work.choices).get(form.cleaned_data.get("to", ""), ""),
        "back": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/confirm.html", context)

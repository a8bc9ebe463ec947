"""The page of code lists: what is loaded, from where, since when, and what is still missing."""

import tempfile
from pathlib import Path

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.utils import timezone

from hedis.engine.codes import CodeError
from hedis.measures import coverage, importing, loading
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import ValueSetList
from hedis.measures.portfolio import FIRST_YEAR


class UploadForm(forms.Form):
    """A file of code lists; the layout is told by its ending and columns."""

    file = forms.FileField(label="File", widget=forms.FileInput(attrs={"accept": ".csv,.json,.xlsx"}))
    measurement_year = forms.IntegerField(label="Measurement year, where it does not say", required=False,
                                          min_value=2000, max_value=2100)  # fmt: skip


def code_lists(request: HttpRequest) -> HttpResponse:
    """Own lists and value sets of one measurement year; `?measure=COL` narrows to what one measure asks for. POST
    loads a file."""
    if not request.user.has_perm("measures.view_valuesetlist"):
        raise PermissionDenied
    if request.method == "POST":
        return upload(request)
    years = range(timezone.localdate().year + 1, FIRST_YEAR - 1, -1)
    asked = request.GET.get("year", "")
    year = int(asked) if asked.isascii() and asked.isdecimal() and int(asked) in years else years[1]
    measure = request.GET.get("measure", "")
    measure = measure if measure in DEFINITIONS else ""
    folder = loading.own_lists()
    own, there = list(ValueSetList.objects.all()), {file.name for file in folder.glob("*.csv")}
    context = {
        **admin.site.each_context(request),
        "title": "Code lists",
        "year": year,
        "years": years,
        "measure": measure,
        "measures": sorted(DEFINITIONS),
        "own": own,
        "form": UploadForm() if request.user.has_perm("measures.add_valuesetlist") else None,
        "lost": [row.name for row in own if row.file not in there],
        "by_hand": sorted(there - {row.file for row in own}),
        "sets": [each for each in coverage.sets(year, folder) if not measure or measure in each.measures],
    }
    return TemplateResponse(request, "admin/measures/code_lists.html", context)


def upload(request: HttpRequest) -> HttpResponse:
    """Loads the file that was sent and says what it held, or why it was refused."""
    if not request.user.has_perm("measures.add_valuesetlist"):
        raise PermissionDenied
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        for name, errors in form.errors.items():
            messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, errors))}")
        return redirect("admin:code_lists")
    try:
        done = take(form.cleaned_data["file"], form.cleaned_data["measurement_year"], by=request.user)
    except CodeError as error:
        messages.error(request, f"Nothing was loaded. {error}")
        return redirect("admin:code_lists")
    sets = len(done.value_sets)
    counts = ", ".join(f"{number:,} {name}" for name, number in done.codes.items())
    words = "loaded" if done.changed else "was already loaded"
    messages.success(request, f"List {done.name} {words}: {sets} value set{pluralize(sets)}, {counts}.")
    return redirect("admin:code_lists")


def take(file: UploadedFile, year: int | None, *, by: object) -> importing.Imported:
    """Hands the upload on under its own name, which tells its layout and names the list. Raises CodeError."""
    with tempfile.TemporaryDirectory(prefix="code-list-") as folder:
        path = Path(folder) / Path(file.name or "list.csv").name[-100:]
        with path.open("wb") as target:
            for chunk in file.chunks():
                target.write(chunk)
        return importing.import_value_sets(path, measurement_year=year, by=by)

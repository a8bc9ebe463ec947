"""What was imported, to read."""

from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hedis.evidence.models import ImportBatch
from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.lib.templatetags import portfolio

COUNTED = ("read", "loaded", "duplicates", "quarantined")


@admin.register(ImportBatch)
class ImportBatchAdmin(ReadOnlyAdmin):
    """Each import with its counts per table: rows read = loaded + duplicates + quarantined."""

    list_title = "Imports"
    list_display = ("imported_at", "source", "folder", "loaded", "quarantined", "latest_service_date", "imported_by")
    list_filter = ("source",)
    fieldsets = (
        (None, {"fields": ("source", "folder", "imported_at", "imported_by", "latest_service_date")}),
        ("Rows", {"fields": ("tables", "quarantine_file")}),
        ("Identity", {"fields": ("generation", "content_hash")}),
    )
    readonly_fields = ("tables", "quarantine_file")

    @admin.display(description="rows loaded")
    def loaded(self, batch: ImportBatch) -> str:
        return f"{batch.total('loaded'):,}"

    @admin.display(description="quarantined")
    def quarantined(self, batch: ImportBatch) -> SafeString | str:
        rows = batch.total("quarantined")
        return portfolio.chip(f"{rows:,}", "warn") if rows else "0"

    @admin.display(description="tables")
    def tables(self, batch: ImportBatch) -> SafeString:
        """One line a table."""
        head = format_html_join("", '<th scope="col" class="number">{}</th>', ((name,) for name in COUNTED))
        return format_html(
            '<table class="data"><thead><tr><th scope="col">table</th>{}</tr></thead><tbody>{}</tbody></table>',
            head,
            format_html_join("", '<tr><th scope="row">{}</th>{}</tr>', table_lines(batch.counts)),
        )

    @admin.display(description="quarantine file")
    def quarantine_file(self, batch: ImportBatch) -> str:
        return batch.quarantine or "None: no row was refused"


def table_lines(counts: dict[str, dict[str, Any]]) -> list[tuple[str, SafeString]]:
    """Table name and its cells."""
    return [
        (name, format_html_join("", '<td class="number">{}</td>', ((f"{int(row[what]):,}",) for what in COUNTED)))
        for name, row in sorted(counts.items())
    ]

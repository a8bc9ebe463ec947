"""`manage.py check_measures DIR [--measure CMS122]`: do our definitions judge published test patients rightly?

DIR holds a deck in the layout of the eCQM repositories: cases/*.json and valuesets/*.json (docs/conformance.md).
Exit 1 where a case disagrees that is not known to be written for another version of its measure.
"""

import time
from pathlib import Path
from typing import Any

import duckdb
import ibis
from django.conf import settings
from django.core.management.base import CommandParser

from hedis.engine.backends import NAMES, Backend, NoEngine, SparkOptions, opened
from hedis.evidence.sources.fhir import load_resources
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.measures.conformance import POPULATIONS, Agreement, check, codes_for
from hedis.measures.deck import Case, Deck, DeckError, read_deck
from hedis.measures.ecqm import ECQM_FORMS

TABLES = ("member", "enrolment", "event", "dispensing")


class Command(BaseCommand):
    """Run the eCQM forms of our measures on a deck of test patients and compare."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, metavar="DIR", help="folder with cases/ and valuesets/")
        parser.add_argument("--measure", default="", help=f"only this one: {', '.join(ECQM_FORMS)}")
        parser.add_argument("--engine", choices=NAMES, default="duckdb", help="what evaluates (default: duckdb)")

    def run(self, **options: Any) -> dict[str, Any]:
        folder, only = options["folder"], options["measure"].upper()
        if not folder.is_dir():
            raise WrongUse(f"{folder} is not a folder")
        if only and only not in ECQM_FORMS:
            raise WrongUse(f"no measure is called {only}; there are: {', '.join(ECQM_FORMS)}")
        try:
            deck = read_deck(folder, ECQM_FORMS)
            with opened(options["engine"], SparkOptions(**settings.SPARK)) as backend:
                answer = self.checked(deck, only, backend)
        except (DeckError, NoEngine) as error:
            raise Refused(str(error)) from error
        if wrong := sum(not each["known_drift"] for of in answer["measures"].values() for each in of["disagree"]):
            raise Refused("\n".join((*words(answer), f"{wrong} cases disagree")), **answer)
        return answer

    def checked(self, deck: Deck, only: str, backend: Backend) -> dict[str, Any]:
        """The answer the command promises: how each measure fared."""
        wanted = [only] if only else [code for code in ECQM_FORMS if code in deck.cases]
        if only and only not in deck.cases:
            raise DeckError(f"cases: no file holds cases of {only}")
        answers = {code: self.measured(code, deck, backend) for code in wanted}
        if not answers:
            raise DeckError(f"cases: only of measures without a definition here ({', '.join(deck.others)})")
        return {"measures": answers, "without_definition": {} if only else dict(deck.others)}

    def measured(self, code: str, deck: Deck, backend: Backend) -> dict[str, Any]:
        """One measure: its cases become a warehouse of their own, judged in one run."""
        began, definition, cases = time.monotonic(), ECQM_FORMS[code], deck.cases[code]
        codes = codes_for(definition, deck.value_sets)
        warehouse, refused = self.loaded(code, cases)
        agreement = check(definition, cases, codes, warehouse, backend)
        return {**answer_of(agreement), "refused_resources": refused, "seconds": round(time.monotonic() - began, 2)}

    def loaded(self, code: str, cases: tuple[Case, ...]) -> tuple[dict[str, ibis.Table], int]:
        """The four tables of the warehouse in memory, and how many resources could not be read."""
        entries = (entry for case in cases for entry in case.entries)
        with duckdb.connect() as database:
            loaded = load_resources(database, entries, time_zone="UTC")
            tables = {name: ibis.memtable(database.table(name).to_arrow_table()) for name in TABLES}
        for each in loaded.refused:
            self.say(f"{code}: entry {each.place} ({each.resource_type}), {each.field}: {each.reason}")
        return tables, len(loaded.refused)

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write("\n".join(words(answer)))


def answer_of(agreement: Agreement) -> dict[str, Any]:
    """One measure's part of the answer."""
    return {
        "cases": agreement.cases,
        "agree": agreement.agree,
        "populations": dict(agreement.populations),
        "disagree": [
            {
                "id": each.id, "title": each.title, "expected": dict(each.expected), "ours": dict(each.ours),
                "why": each.why, "known_drift": each.known_drift,
            }
            for each in agreement.disagree
        ],
    }  # fmt: skip


def words(answer: dict[str, Any]) -> list[str]:
    """The answer for people: a table, then every case that disagrees."""
    lines = [f"{'measure':10}{'cases':>7}{'agree':>7}" + "".join(f"{name:>22}" for name in POPULATIONS) + "  seconds"]
    for code, found in answer["measures"].items():
        counts = "".join(f"{found['populations'][name]:22}" for name in POPULATIONS)
        lines.append(f"{code:10}{found['cases']:7}{found['agree']:7}{counts}{found['seconds']:9.1f}")
    for code, found in answer["measures"].items():
        for each in found["disagree"]:
            apart = [name for name in each["ours"] if each["ours"][name] != each["expected"].get(name, 0)]
            told = ", ".join(f"{name} {each['expected'].get(name, 0)}, ours {each['ours'][name]}" for name in apart)
            lines += [f"{code} {each['title']} ({each['id']}): expected {told}", f"  ours: {each['why']}"]
            lines += [f"  known: {each['known_drift']}"] if each["known_drift"] else []
    lines += [f"{code}: {number} cases, no definition here" for code, number in answer["without_definition"].items()]
    return lines

"""The whole plan: simulate cohort by cohort and year by year, and write the files."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from hedis.demo import filing, pharmacy, pressure, results, screening, visits
from hedis.demo.chance import Columns, stacked
from hedis.demo.claims import happened, medical_lines, pharmacy_lines
from hedis.demo.conditions import draw_health
from hedis.demo.parameters import (
    COHORT_SIZE,
    Calendar,
    conditions,
    contracts,
    formulary,
    target_rates,
)
from hedis.demo.people import draw_people
from hedis.demo.providers import Providers, draw_providers, write_providers
from hedis.demo.tuva import SCHEMAS, FileFormat, TableWriter

AS_OF = date(2026, 9, 30)


@dataclass(frozen=True)
class PlanSummary:
    """What was written: rows per table, as counted while writing."""

    directory: Path
    members: int
    seed: int
    as_of: date
    years: tuple[int, int, int]
    contracts: tuple[str, ...]
    rows: dict[str, int]


def write_plan(
    directory: Path, members: int, seed: int, as_of: date = AS_OF, file_format: FileFormat = "parquet"
) -> PlanSummary:
    """Write a demo plan as Tuva input-layer files into `directory` (created where missing).

    The same members, seed and as-of day give the same bytes. Raises ValueError for fewer than one member,
    FileExistsError where the directory holds a table in the other format.
    """
    if members < 1:
        raise ValueError(f"A plan needs at least one member, not {members}.")
    directory.mkdir(parents=True, exist_ok=True)
    calendar = Calendar(as_of)
    providers = draw_providers(members, np.random.default_rng([seed, members]))
    rows = {"provider": write_providers(directory / "provider.csv", providers)}
    with ExitStack() as stack:
        files = {
            table: stack.enter_context(TableWriter(directory, table, filing.constants(table, as_of), file_format))
            for table in SCHEMAS
        }
        for number, first in enumerate(range(0, members, COHORT_SIZE)):
            rng = np.random.default_rng([seed, members, as_of.toordinal(), number])
            serial = np.arange(first, min(first + COHORT_SIZE, members)) + 1
            _write_cohort(files, _draw_cohort(number, serial, providers, calendar, rng), calendar, rng)
        rows |= {table: file.rows for table, file in files.items()}
    return PlanSummary(
        directory, members, seed, as_of, calendar.years, tuple(each.number for each in contracts()), rows
    )


@dataclass
class Cohort:
    """One cohort and what is carried from year to year: screenings done, visits made last year."""

    desk: filing.Desk
    levels: results.Levels
    therapies: list[pharmacy.Therapy]
    done: screening.Screened
    visited: np.ndarray


def _draw_cohort(
    number: int, serial: np.ndarray, providers: Providers, calendar: Calendar, rng: np.random.Generator
) -> Cohort:
    plan, drugs = contracts(), formulary()
    people = draw_people(serial, plan, providers.quality, calendar, rng)
    special_needs = np.array([contract.snp_type != "" for contract in plan])[people.contract]
    health = draw_health(people, conditions(), special_needs, calendar, rng)
    return Cohort(
        desk=filing.Desk(people, health, plan, providers, drugs, number),
        levels=results.draw_levels(people, health, rng),
        therapies=pharmacy.draw_therapies(people, health, drugs, target_rates()["SUPD"], calendar, rng),
        done=screening.draw_history(people, health, calendar, target_rates(), rng),
        visited=np.zeros(len(people), dtype=int),
    )


def _write_cohort(files: dict[str, TableWriter], cohort: Cohort, calendar: Calendar, rng: np.random.Generator) -> None:
    filing.file_eligibility(files["eligibility"], cohort.desk, calendar)
    filing.file_attribution(files["provider_attribution"], cohort.desk, calendar, rng)
    targets, people = target_rates(), cohort.desk.people
    for year in (calendar.look_back, *calendar.years):
        office, laboratory, measured = _write_claims(files["medical_claim"], cohort, year, calendar, rng)
        visited = np.bincount(office["person"], minlength=len(people))
        seen, cohort.visited = cohort.visited + visited, visited
        if year in calendar.years:
            laboratory += _laboratory(cohort, seen, year, targets, rng)
            measured += _vital_signs(cohort, office, seen, year, targets, rng)
            fills = pharmacy.year_of_fills(people, cohort.therapies, year, targets, rng)
            filing.file_pharmacy(
                files["pharmacy_claim"], cohort.desk, pharmacy_lines(people, fills, calendar, rng), year
            )
        for table, facts in (("lab_result", laboratory), ("observation", measured)):
            shown = happened(people, stacked(facts), "day", "day", calendar)
            filing.FILE_FACTS[table](files[table], cohort.desk, shown, year)


def _write_claims(
    file: TableWriter, cohort: Cohort, year: int, calendar: Calendar, rng: np.random.Generator
) -> tuple[Columns, list[Columns], list[Columns]]:
    """File the year's medical claims; returns the office visits, the stool tests and the mammograms of the year."""
    people, health, done = cohort.desk.people, cohort.desk.health, cohort.done
    office = stacked(
        [visits.office_visits(people, health, year, rng), visits.wellness_visits(people, health, year, rng)]
    )
    colon, result = screening.colon_screening(people, health, done, year, rng)
    stool, imaging = [result], [screening.breast_screening(people, done, year, rng)]
    claims = [office, colon, screening.eye_exams(people, health, done, year, rng)]
    if year == calendar.look_back:
        claims, stool, imaging = claims + done.claims, stool + done.results, imaging + done.imaging
    else:
        claims += [
            visits.stays(people, health, year, rng),
            visits.emergencies(people, health, year, rng),
            visits.hospice_care(people, year, rng),
            visits.dialysis(people, health, year, rng),
        ]
    filing.file_medical(file, cohort.desk, medical_lines(people, stacked(claims), calendar, rng), year)
    return office, stool, imaging


def _laboratory(
    cohort: Cohort, seen: np.ndarray, year: int, targets: dict[str, np.ndarray], rng: np.random.Generator
) -> list[Columns]:
    people, health, levels = cohort.desk.people, cohort.desk.health, cohort.levels
    return [
        results.a1c_results(people, health, levels, seen, year, targets["GSD"], rng),
        results.kidney_results(people, health, levels, year, targets["KED"], rng),
    ]


def _vital_signs(
    cohort: Cohort,
    office: Columns,
    seen: np.ndarray,
    year: int,
    targets: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> list[Columns]:
    people, health, levels = cohort.desk.people, cohort.desk.health, cohort.levels
    return [
        pressure.blood_pressures(people, health, levels, office, seen, year, targets["CBP"], rng),
        results.weights(people, levels, office, rng),
    ]

"""`manage.py verify_stars --year Y DIR [--prior DIR] [--json]`: recompute what CMS published.

Reads a folder of CMS's CSV tables as they were published, recomputes every rating, measure star and domain star, and
writes every difference with the rule that explains it. Exit 1 where nothing explains one, or the tables are not
what they must be.
"""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from hedis.engine.rating_year import NotInThisYear
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.lib.csvfile import lines
from hedis.stars import verification, years
from hedis.stars.published import PublishedError

HEADER = ("figure", "contract", "item", "score", "published", "computed", "explanation")


class Command(BaseCommand):
    """Recompute CMS's published Star Ratings and compare."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, metavar="DIR", help="folder of CMS's published CSV tables")
        parser.add_argument("--year", type=int, required=True, help="Star year of the tables")
        parser.add_argument("--prior", type=Path, metavar="DIR", help="tables of the year before: disaster reversions")
        parser.add_argument("--differences", type=Path, metavar="FILE", help="where to write the CSV of differences")

    def run(self, **options: Any) -> dict[str, Any]:
        year, folder, prior = options["year"], options["folder"], options["prior"]
        for given in (folder, prior):
            if given and not given.is_dir():
                raise WrongUse(f"{given} is not a folder")
        try:
            release = verification.read_release(folder, year)
            before = verification.read_prior(prior, year) if prior else None
            findings = verification.verify(release, before)
        except years.UnknownStarYear as error:
            raise WrongUse(str(error)) from error
        except (PublishedError, NotInThisYear) as error:
            raise Refused(str(error)) from error
        if not release.adjustments:
            self.say(f"No CAI table in {folder} and none of our own for {year}: ratings are without the adjustment.")
        path = options["differences"] or settings.DATA_DIR / "stars" / f"differences_{year}.csv"
        answer = answer_of(findings, write(findings, path))
        if not findings.all_explained:
            unexplained = sum(not difference.explanation for difference in findings.differences)
            raise Refused("\n".join((*words(answer), f"{unexplained} differences nothing explains")), **answer)
        return answer

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write("\n".join(words(answer)))


def write(findings: verification.Findings, path: Path) -> Path | None:
    """The differences as CSV; no file where there are none."""
    if not findings.differences:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ([getattr(difference, name) for name in HEADER] for difference in findings.differences)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines(HEADER, rows))
    return path


def answer_of(findings: verification.Findings, path: Path | None) -> dict[str, Any]:
    """The answer as the command promises it."""
    domains = findings.domains
    return {
        "year": findings.year,
        "ratings": {
            part.value: {"published": matches.published, "matched": matches.matched}
            for part, matches in findings.ratings.items()
        },
        "measure_stars": {
            "total": findings.measure_stars,
            "direct": findings.direct,
            "explained": {"disaster": findings.explained["disaster"]},
            "unexplained": findings.unexplained,
        },
        "cahps": {"total": findings.cahps.published, "allowed": findings.cahps.matched},
        "domain_stars": {"total": domains.published, "matched": domains.matched} if domains else None,
        "differences": str(path) if path else None,
    }


def words(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    names = {"part_c": "Part C", "part_d": "Part D", "overall": "Overall"}
    said = [
        f"{names[part]}: {counts['matched']:,} of {counts['published']:,} ratings matched"
        for part, counts in answer["ratings"].items()
    ]
    stars, domains = answer["measure_stars"], answer["domain_stars"]
    explained = ", ".join(f"{count:,} by {rule}" for rule, count in stars["explained"].items())
    said.append(
        f"Measure stars: {stars['direct']:,} of {stars['total']:,} by cut points, {explained}, "
        f"{stars['unexplained']:,} unexplained"
    )
    said.append(f"CAHPS stars: {answer['cahps']['allowed']:,} of {answer['cahps']['total']:,} within CMS's moves")
    if domains:
        said.append(f"Domain stars: {domains['matched']:,} of {domains['total']:,} matched")
    else:
        said.append("Domain stars: no table in the folder")
    said.append(f"Differences: {answer['differences'] or 'none'}")
    return said

"""The demo plan, loaded the way anyone's data is: files, importer, finding run, people at work."""

import json
import os
import random
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from hedis.accounts import people, roles
from hedis.accounts.models import User
from hedis.demo import acting, modelling, paying, starring
from hedis.demo.plan import write_plan
from hedis.evidence import importing
from hedis.gaps import finding, reading, workflow
from hedis.gaps.models import Gap, MeasureReading, Work
from hedis.lib import jobs
from hedis.measures import importing as code_lists
from hedis.measures import loading as measure_loading
from hedis.members import panels
from hedis.members.models import ContactPreference, Contract, Member, Provider
from predictions import effects, monitoring
from predictions.models import ModelVersion

AS_OF = date(2026, 9, 30)
BY = "load_demo"
MODELS_TASK = "hedis.demo_models"
TEAM = "North"
FORMULARY = Path(__file__).parent / "formulary.csv"
# One person a role, and three care managers so that panels mean something.
PEOPLE = (
    ("ana", "Ana Alvarez", roles.CARE_MANAGER, TEAM),
    ("noor", "Noor Haddad", roles.CARE_MANAGER, TEAM),
    ("tom", "Tom Becker", roles.CARE_MANAGER, "South"),
    ("lea", "Lea Novak", roles.TEAM_LEAD, TEAM),
    ("quinn", "Quinn Osei", roles.QUALITY_DIRECTOR, ""),
    ("ben", "Ben Fischer", roles.ANALYST, ""),
    ("mara", "Mara Lindqvist", roles.MODEL_STEWARD, ""),
    ("cy", "Cy Okafor", roles.AUDITOR, ""),
    ("ida", "Ida Brandt", roles.ADMINISTRATOR, ""),
    ("service", "Data service", roles.SERVICE, ""),
)
CONTRACTS = {
    "H1001": ("Harbor Complete", Contract.PlanType.HMO, Contract.SnpKind.NONE),
    "H2002": ("Harbor Choice", Contract.PlanType.LOCAL_PPO, Contract.SnpKind.NONE),
    "H3003": ("Harbor Dual Care", Contract.PlanType.HMO, Contract.SnpKind.DUAL),
}
# Steps a care team would have taken by the day the demo stands at: every nth unmet gap, what, and what was said.
WORK_DONE = (
    (7, Work.OUTREACH, "Left a voicemail, second attempt on Thursday."),
    (11, Work.APPOINTMENT, "Visit booked through the practice."),
    (17, Work.REPORTED, "Says it was done in spring at another practice; record requested."),
    (29, Work.REFUSED, "Does not want the test this year; ask again in January."),
    (37, Work.UNREACHABLE, "Number disconnected; letter sent."),
)
BEST_TIMES = ("", "weekday mornings", "after 4 pm", "not on Fridays", "through her daughter, afternoons")


class Models(StrEnum):
    """When the demo's models are made: with the plan, by a worker afterwards, or not at all."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


class AlreadyLoaded(Exception):
    """There are members already: a demo plan among real ones would be a danger."""


@dataclass(frozen=True)
class SignIn:
    """A demo account, as printed for the person who tries the product."""

    username: str
    name: str
    role: str
    password: str


def load(
    *, members: int, seed: int, as_of: date = AS_OF, models: Models = Models.NOW, say: Callable[[str], None]
) -> dict[str, Any]:
    """Write the plan's files, import them, find the gaps of three years, let people work on some, and learn which of
    the running year's will stay open.

    Raises AlreadyLoaded where the database holds members.
    """
    if Member.objects.exists():
        raise AlreadyLoaded("there are members already; the demo plan is only for an empty database")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hedis-demo-") as folder:
        directory = Path(folder) / f"demo-{members}-{seed}"
        directory.mkdir()
        say(f"Writing a plan of {members:,} members as Tuva-layer files …")
        written = write_plan(directory, members, seed, as_of)
        say("Importing them …")
        imported = importing.import_tuva(directory, by=BY)
    measure_loading.load(today=as_of, by=BY)
    effects.load(by=BY)
    load_formulary()
    name_contracts()
    sign_ins = make_people()
    share_out_panels()
    ask_for_preferences(seed)
    found = {}
    for year in range(as_of.year - 2, as_of.year + 1):
        say(f"Finding the gaps of {year} …")
        found[year] = finding.find(year, as_of=min(as_of, date(year, 12, 31)), by=BY)
    do_some_work(as_of.year)
    say("Rating the contracts …")
    starring.rate_plan(as_of=as_of, seed=seed, by=BY)
    paying.enter_counties(payment_year=as_of.year + 1, by=BY)
    learnt = foresee(as_of=as_of, say=say) if models is Models.NOW else {}
    if models is Models.LATER:
        jobs.defer(MODELS_TASK, once=MODELS_TASK, as_of=as_of.isoformat())
    return {
        "members": members,
        "seed": seed,
        "as_of": as_of,
        "files": asdict(written),
        "batch": imported.batch,
        "gaps": {year: {code: asdict(counts) for code, counts in codes.items()} for year, codes in found.items()},
        "people": [asdict(sign_in) for sign_in in sign_ins],
        "models": learnt,
        "seconds": round(time.monotonic() - started, 1),
    }


def foresee(*, as_of: date, say: Callable[[str], None]) -> dict[str, str]:
    """Read how past years went, train and deploy the demo's models, score the running year by them, plan and begin the
    outreach they call for, and freeze the day; by measure what became of its model."""
    read_past_years(as_of=as_of, say=say)
    say("Learning which gaps stay open …")
    made = modelling.train_models(as_of=as_of, say=say)
    run = modelling.score_year(year=as_of.year, by=BY)
    say(f"Scored {run.scored:,} gaps of {run.year}." if run else "No model is in use: nothing was scored.")
    for model in ModelVersion.objects.watched():
        monitoring.check(model, by=BY)
    say("Planning outreach …")
    acting.act(as_of=as_of, say=say, by=BY)
    return {one.measure: one.said for one in made}


def read_past_years(*, as_of: date, say: Callable[[str], None]) -> None:
    """Count both past years as they stood on this day of theirs, and on 31 March after, when claims had come in.

    What was read already is passed over, so that a job that was cut off goes on.
    """
    for year in (as_of.year - 2, as_of.year - 1):
        same_day = date(year, as_of.month, 28 if (as_of.month, as_of.day) == (2, 29) else as_of.day)
        for day in (same_day, min(date(year + 1, 3, 31), as_of)):
            if not MeasureReading.objects.filter(year=year, data_as_of=day).exists():
                say(f"Reading {year} as it stood on {day} …")
                reading.read(year, as_of=day, by=BY)


def load_formulary() -> None:
    """The plan's own drug list, as any plan loads one: the demo's invented packages sorted into the drug classes."""
    code_lists.import_value_sets(FORMULARY, name="demo-formulary", by=BY)


def name_contracts() -> None:
    """Give the three contracts names and kinds, which claims files do not carry."""
    for number, (name, plan_type, snp_kind) in CONTRACTS.items():
        Contract.objects.filter(number=number).update(
            name=name,
            plan_type=plan_type,
            snp_kind=snp_kind,
            organisation="Harbor Health Plan (demo)",
            parent_organisation="Harbor Health (demo)",
        )


def sign_ins_file() -> Path:
    """Where the demo's passwords are kept for `make run` to print, readable by the owner only."""
    return Path(settings.DATA_DIR) / "demo-sign-ins.json"


def make_people() -> list[SignIn]:
    """One account a role; the password is random, the same for all, and written to `sign_ins_file`."""
    password = "-".join(secrets.token_hex(3) for _ in range(3))
    made = []
    for username, name, role, team in PEOPLE:
        people.create(username, role=role.key, password=password, full_name=name, team=team, by=BY)
        made.append(SignIn(username, name, role.name, password))
    path = sign_ins_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump([asdict(sign_in) for sign_in in made], file)
    return made


def stored_sign_ins() -> list[SignIn]:
    """The demo accounts of this installation; none where no demo was loaded."""
    path = sign_ins_file()
    return [SignIn(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def share_out_panels() -> None:
    """Practices go to the three care managers in turn; members without a provider stay with nobody."""
    managers = [User.objects.get(username=name) for name, _, role, _ in PEOPLE if role is roles.CARE_MANAGER]
    practices = sorted(set(Provider.objects.exclude(attributions=None).values_list("practice", flat=True)))
    for turn, manager in enumerate(managers):
        own = practices[turn :: len(managers)]
        members = Member.objects.filter(attributions__provider__practice__in=own, attributions__end_date=None)
        panels.hand_over(Member.objects.filter(pk__in=members.values("pk")), to=manager, by=BY)


def ask_for_preferences(seed: int) -> None:
    """How members want to be reached: half were asked so far, one in thirty does not want calls."""
    chance = random.Random(seed)  # noqa: S311 - a demo needs the same answers every time, not secrecy
    answers = [
        ContactPreference(
            member_id=member,
            channel=chance.choices(ContactPreference.Channel.values, weights=(70, 12, 12, 6))[0],
            best_times=chance.choice(BEST_TIMES),
            do_not_call=chance.random() < 1 / 30,
        )
        for member in Member.objects.active().order_by("pseudonym").values_list("pk", flat=True)
        if chance.random() < 0.5
    ]
    ContactPreference.objects.bulk_create(answers, batch_size=5000)


@transaction.atomic
def do_some_work(year: int) -> None:
    """A team has been at work: some gaps of the running year are under way, by the people who answer for them."""
    unmet = list(Gap.objects.for_year(year).open().exclude(assigned_to=None).for_list().order_by("id")[:2000])
    for position, gap in enumerate(unmet, start=1):
        for every, status, why in WORK_DONE:
            if position % every == 0 and gap.work_status == Work.OPEN:
                workflow.move(gap, to=status, why=why, by=gap.assigned_to)

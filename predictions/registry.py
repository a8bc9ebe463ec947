"""The registry: which model may follow which state, who may decide it, and the verbs that do it.

Source of the rules: docs/predictions.md, "The registry". A model's files lie below the data directory under the hash
of their content; whoever scores asks `load`, which refuses files that are not the registered ones.
"""

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.measures.models import Measure
from predictions import model_file
from predictions.fairness import Finding
from predictions.model_file import CARD, GRAPH, Model, ModelFileError
from predictions.models import ModelTransition, ModelVersion, State, ValidationRun, Waiver
from predictions.registry_models import digest_of
from predictions.source_attributes import KEYS

# The one table of steps. Rollback is a step too: a suspended version is deployed again.
STEPS: dict[str, frozenset[str]] = {
    State.DRAFT: frozenset({State.IN_VALIDATION, State.RETIRED}),
    State.IN_VALIDATION: frozenset({State.DRAFT, State.VALIDATED, State.RETIRED}),
    State.VALIDATED: frozenset({State.IN_VALIDATION, State.SHADOW, State.RETIRED}),
    State.SHADOW: frozenset({State.VALIDATED, State.DEPLOYED, State.RETIRED}),
    State.DEPLOYED: frozenset({State.SUSPENDED, State.RETIRED}),
    State.SUSPENDED: frozenset({State.SHADOW, State.DEPLOYED, State.RETIRED}),
    State.RETIRED: frozenset(),
}
# The way to being deployed, and back there.
NEXT: dict[str, str] = {
    State.DRAFT: State.IN_VALIDATION,
    State.IN_VALIDATION: State.VALIDATED,
    State.VALIDATED: State.SHADOW,
    State.SHADOW: State.DEPLOYED,
    State.SUSPENDED: State.DEPLOYED,
}
APPROVALS = frozenset({State.VALIDATED, State.DEPLOYED})
NEEDS_FILE = frozenset({State.VALIDATED, State.SHADOW, State.DEPLOYED})
# Attributes and card are what the approval rests on, so they stand still afterwards.
DESCRIBABLE = frozenset({State.DRAFT, State.IN_VALIDATION})
FOLDER = "models"


class RegistryError(Exception):
    """The registry refuses. The message says which model and why."""


class NotRegistrable(RegistryError):
    """Name, version, thresholds or attributes cannot be registered as given."""


class IllegalStep(RegistryError):
    """The model's state does not allow this."""


class WhyMissing(RegistryError):
    """Every step needs a reason in words."""


class ChangedMeanwhile(RegistryError):
    """Somebody else changed the model since it was read: look again before deciding."""


class TrainerCannotApprove(RegistryError):
    """Who trained a model does not approve it: somebody else validates and deploys."""


class NotReady(RegistryError):
    """Something that must be there before this step is missing."""


class GatesMissed(RegistryError):
    """A large group fares worse by this model than the fairness gates allow, and nobody has waived it."""

    def __init__(self, message: str, findings: Sequence[Finding]) -> None:
        super().__init__(message)
        self.findings = list(findings)


class FileChanged(RegistryError):
    """The files in the data directory are not the registered ones: they are not used."""


@transaction.atomic
def register(
    folder: Path,
    *,
    name: str,
    version: str,
    measure: Measure | None = None,
    line_of_business: str = "",
    window: tuple[date | None, date | None] = (None, None),
    thresholds: Mapping[str, float] | None = None,
    attributes: Mapping[str, str] | None = None,
    card: str = "",
    by: Any,
) -> ModelVersion:
    """Take the model of a folder in as a draft trained by `by`; its two files are copied below the data directory.

    `window`: first and last day of training. Figures, features, framework come from the model file. Raises
    ModelFileError for a folder without a sound model, NotRegistrable for a name and version already taken and for
    unknown attributes or thresholds outside 0 to 1.
    """
    if not name.strip() or not version.strip():
        raise NotRegistrable("A model needs a name and a version.")
    if ModelVersion.objects.filter(name=name, version=version).exists():
        raise NotRegistrable(f"{name} {version} is registered already: other files are another version.")
    model, sha256 = keep(folder)
    given = dict(thresholds if thresholds is not None else model.card.get("thresholds", {}))
    check_thresholds(given)
    check_attributes(attributes or {})
    row = ModelVersion.objects.create(
        name=name, version=version, measure=measure, line_of_business=line_of_business,
        folder=f"{FOLDER}/{sha256}", sha256=sha256, kind=model.kind.value, framework=model.card.get("versions", {}),
        features=[{"name": each.name, "kind": each.kind.value} for each in model.encoding.features],
        training=model.card.get("training", {}), training_start=window[0], training_end=window[1],
        metrics=model.card.get("metrics", {}), thresholds=given, attributes=dict(attributes or {}), card=card,
        trained_by=name_of(by),
    )  # fmt: skip
    note(row, "", State.DRAFT, "Registered.", by=by)
    return row


def check_thresholds(given: Mapping[str, float]) -> None:
    """Raise NotRegistrable for a threshold that is no probability."""
    for tier, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise NotRegistrable(f"thresholds.{tier}: {value!r} is no probability from 0 to 1.")


def check_attributes(given: Mapping[str, str]) -> None:
    """Raise NotRegistrable for attributes the rule does not have, or that are no text."""
    for key, text in given.items():
        if key not in KEYS:
            raise NotRegistrable(f"attributes.{key}: there is no such source attribute.")
        if not isinstance(text, str):
            raise NotRegistrable(f"attributes.{key}: {text!r} is no text.")


def keep(folder: Path) -> tuple[Model, str]:
    """Copy a sound model to its place below the data directory; returns the copy as read, and its hash."""
    model_file.load(folder)
    sha256 = str(orjson.loads((folder / CARD).read_bytes())["sha256"])
    target = Path(settings.DATA_DIR) / FOLDER / sha256
    target.mkdir(parents=True, exist_ok=True)
    for file in (GRAPH, CARD):
        if (folder / file).resolve() != (target / file).resolve():
            shutil.copyfile(folder / file, target / file)
    return model_file.load(target, sha256), sha256


def name_of(by: Any) -> str:
    """The account's name; a program's as it calls itself."""
    return by if isinstance(by, str) else str(by.get_username())


@transaction.atomic
def describe(
    model: ModelVersion, *, attributes: Mapping[str, str] | None = None, card: str | None = None, by: Any
) -> ModelVersion:
    """Fill in source attributes (those given; the others stay) and the model card, until the model is approved.

    Raises IllegalStep afterwards, NotRegistrable for an unknown attribute, ChangedMeanwhile.
    """
    check_attributes(attributes or {})
    row = locked(model)
    if row.state not in DESCRIBABLE:
        raise IllegalStep(f"{row} is {row.get_state_display().lower()}: its attributes and card stand still.")
    before = {"attributes": row.attributes, "card": row.card}
    row.attributes = {**row.attributes, **(attributes or {})}
    row.card = row.card if card is None else card
    save(row)
    after = {"attributes": row.attributes, "card": row.card}
    ledger.record(
        Event.Kind.CHANGE, "model.described", object_type="model", object_id=row.pk, before=before, after=after, by=by
    )
    return row


def validate(model: ModelVersion, found: Mapping[str, Any], *, data: str, by: Any) -> ValidationRun:
    """Store a measurement: `found` as `evaluating.evaluate` gives it, `data` the rows it was made on in words.

    It makes a new revision: who was about to approve looks at the new figures first. Raises IllegalStep for a retired
    model, NotReady without figures or words, FileChanged (with a ledger line).
    """
    verified(model, "model.validated", by=by)
    with transaction.atomic():
        row = ModelVersion.objects.select_for_update(of=("self",)).get(pk=model.pk)
        if row.state == State.RETIRED:
            raise IllegalStep(f"{row} is retired: it is not measured any more.")
        if not data.strip() or "auc" not in found:
            raise NotReady(f"{row}: a validation needs its figures and which rows they were measured on.")
        metrics = {name: value for name, value in found.items() if name != "subgroups"}
        run = ValidationRun.objects.create(
            model=row, data=data, sha256=row.sha256, metrics=metrics, subgroups=list(found.get("subgroups", [])),
            run_by=name_of(by), run_at=timezone.now(),
        )  # fmt: skip
        save(row)
        ledger.record(
            Event.Kind.CHANGE, "model.validated", object_type="model", object_id=row.pk,
            after={"validation": run.pk, "data": data, "evidence_sha256": digest_of(run.found())}, by=by,
        )  # fmt: skip
    return run


def transition(model: ModelVersion, to: str, *, why: str, by: Any) -> ModelVersion:
    """Take one step, decided on the revision of `model`; returns the model as it stands now.

    Deploying suspends the version in force of the same measure and line in the same transaction. Raises IllegalStep,
    WhyMissing, ChangedMeanwhile, NotReady, TrainerCannotApprove, GatesMissed, FileChanged; the last three leave a
    ledger line.
    """
    try:
        return stepped(model, to, why=why, by=by)
    except (TrainerCannotApprove, GatesMissed, FileChanged) as refusal:
        record_refusal(model, "model.moved", {"state": to, "reason": str(refusal)}, by=by)
        raise


@transaction.atomic
def stepped(model: ModelVersion, to: str, *, why: str, by: Any) -> ModelVersion:
    """The step itself: all of it or nothing."""
    rivals = locked_rivals(model) if to == State.DEPLOYED else []
    row = locked(model)
    check(row, to, why=why, by=by)
    for rival in rivals:
        move(rival, State.SUSPENDED, f"Replaced by {row}: {why}", by=by)
    if to == State.VALIDATED:
        row.approved_by = name_of(by)
    elif to in DESCRIBABLE:
        row.approved_by = ""
    move(row, to, why, by=by)
    return row


def locked_rivals(model: ModelVersion) -> list[ModelVersion]:
    """The versions in force this one would replace. Locks the whole family, so that two deployments queue up."""
    family = ModelVersion.objects.competing_with(model).select_for_update(of=("self",)).order_by("pk")
    return [row for row in family if row.state == State.DEPLOYED and row.pk != model.pk]


def locked(model: ModelVersion) -> ModelVersion:
    """The row, held until the transaction ends. Raises ChangedMeanwhile where it is not the revision that was read."""
    row = ModelVersion.objects.select_related("measure").select_for_update(of=("self",)).get(pk=model.pk)
    if row.revision != model.revision:
        raise ChangedMeanwhile(
            f"{row} was changed by somebody else meanwhile: it is now “{row.get_state_display()}”, revision "
            f"{row.revision}. Read it again before deciding."
        )
    return row


def check(row: ModelVersion, to: str, *, why: str, by: Any) -> None:
    """Raise what stands against this step."""
    if to not in STEPS[row.state]:
        words = dict(State.choices)
        raise IllegalStep(f"{row} is “{row.get_state_display()}” and cannot become “{words.get(to, to)}”.")
    if not why.strip():
        raise WhyMissing("A step needs a reason in words.")
    if to in APPROVALS and name_of(by) == row.trained_by:
        raise TrainerCannotApprove(f"{row} was trained by {row.trained_by}: somebody else has to approve it.")
    if to == State.VALIDATED:
        check_ready(row)
    if to in APPROVALS:
        check_gates(row)
    if to in NEEDS_FILE:
        read(row)


def check_ready(row: ModelVersion) -> None:
    """Raise NotReady where attributes or a validation of these files are missing."""
    missing = row.missing_attributes()
    if missing:
        raise NotReady(f"{row} lacks {len(missing)} of the 31 source attributes: {'; '.join(missing)}.")
    if not row.validations.filter(sha256=row.sha256).exists():
        raise NotReady(f"{row} has no validation run: measure it on rows it was not trained on.")


def lacking(model: ModelVersion, to: str, *, by: Any) -> list[str]:
    """Everything that stands against an approval at once, in words: what to do before it is asked for again."""
    if to not in APPROVALS:
        return []
    said = [f"source attribute: {label}" for label in model.missing_attributes()]
    latest = model.latest_validation()
    if latest is None:
        said.append("validation: measure it on rows it was not trained on")
    elif not latest.is_waived():
        said += [f"fairness: {one.by} = {one.level}: {one.words}" for one in latest.missed_gates()]
    if name_of(by) == model.trained_by:
        said.append(f"approval: by somebody else than {model.trained_by}, who trained it")
    return said


def check_gates(row: ModelVersion) -> None:
    """Raise GatesMissed where the newest validation misses a fairness gate that nobody has waived as it was found."""
    run = row.latest_validation()
    missed = run.missed_gates() if run else []
    if run is None or not missed or run.is_waived():
        return
    groups = "; ".join(f"{one.by} = {one.level}: {one.words}" for one in missed)
    raise GatesMissed(f"{row} misses {len(missed)} fairness gate{'s' * (len(missed) > 1)}. {groups}", missed)


def steps_for(model: ModelVersion, user: Any) -> list[tuple[str, str]]:
    """The steps this person may ask for, as (value, words), in the order of the states."""
    if not user.has_perm("predictions.add_modeltransition"):
        return []
    own = name_of(user) == model.trained_by
    open_to = STEPS[model.state] - (APPROVALS if own else frozenset())
    return [(value, words) for value, words in State.choices if value in open_to]


def move(row: ModelVersion, to: str, why: str, *, by: Any) -> None:
    """Write the new state, its history row and its ledger line."""
    before, row.state = row.state, to
    save(row)
    note(row, before, to, why, by=by)


def save(row: ModelVersion) -> None:
    """Store a changed row under the next revision."""
    row.revision += 1
    row.save()


def note(row: ModelVersion, before: str, to: str, why: str, *, by: Any) -> None:
    """History row and ledger line of one step."""
    evidence = evidence_hash(row)
    ModelTransition.objects.create(
        model=row, from_state=before, to_state=to, by=name_of(by), at=timezone.now(), why=why, evidence_sha256=evidence
    )
    ledger.record(
        Event.Kind.CHANGE, "model.moved" if before else "model.registered", object_type="model", object_id=row.pk,
        before={"state": before} if before else None,
        after={"name": row.name, "version": row.version, "state": to, "why": why, "evidence_sha256": evidence,
               "sha256": row.sha256},
        by=by,
    )  # fmt: skip


def evidence_hash(row: ModelVersion) -> str:
    """SHA-256 of what a decision rests on, so that nobody can say later it was something else."""
    runs = row.validations.order_by("id")
    waivers = Waiver.objects.filter(validation__model=row).order_by("id")
    return digest_of(
        {
            "sha256": row.sha256, "metrics": row.metrics, "thresholds": row.thresholds, "attributes": row.attributes,
            "card": row.card,
            "validations": [{"id": run.pk, "data": run.data, "found": digest_of(run.found())} for run in runs],
            "waivers": [{"id": one.pk, "findings": one.findings_sha256, "why": one.why} for one in waivers],
        }
    )  # fmt: skip


def load(model: ModelVersion, *, by: Any) -> Model:
    """The model that scores. Raises FileChanged, with a ledger line, where the files are not the registered ones."""
    return verified(model, "model.loaded", by=by)


def verified(model: ModelVersion, action: str, *, by: Any) -> Model:
    """The files of a model; a refusal is written down."""
    try:
        return read(model)
    except FileChanged as refusal:
        record_refusal(model, action, {"reason": str(refusal)}, by=by)
        raise


def read(model: ModelVersion) -> Model:
    """The files of a model, if they are the registered ones. Raises FileChanged, which names no path of the machine."""
    folder = Path(settings.DATA_DIR) / model.folder
    try:
        return model_file.load(folder, model.sha256)
    except ModelFileError as error:
        reason = str(error).replace(f"{folder}/", "").replace(str(folder), model.folder)
        raise FileChanged(f"{model}: the files are not the registered ones. {reason}") from error


def record_refusal(model: ModelVersion, action: str, facts: Mapping[str, Any], *, by: Any) -> None:
    """A refused attempt, in a transaction of its own: what it tried was rolled back."""
    ledger.record_alone(
        Event.Kind.CHANGE, action, object_type="model", object_id=model.pk, after=facts, outcome="denied",
        row_count=0, by=by,
    )  # fmt: skip

"""Taking responsibility for a fairness gate that a model misses: in writing, by somebody else than the trainer."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from predictions import registry
from predictions.models import State, ValidationRun, Waiver
from predictions.registry_models import digest_of_findings


class NothingToWaive(registry.RegistryError):
    """The validation misses no gate, or is not the newest one of its model."""


def waive(validation: ValidationRun, *, why: str, by: Any) -> Waiver:
    """Waive the gates this validation misses, decided on the revision of `validation.model`; a new revision.

    It holds for these findings alone: a new validation, or other gates, need another waiver. Raises WhyMissing,
    ChangedMeanwhile, IllegalStep for a retired model, NothingToWaive, TrainerCannotApprove (with a ledger line).
    """
    try:
        return waived(validation, why=why, by=by)
    except registry.TrainerCannotApprove as refusal:
        facts = {"validation": validation.pk, "reason": str(refusal)}
        registry.record_refusal(validation.model, "model.waived", facts, by=by)
        raise


@transaction.atomic
def waived(validation: ValidationRun, *, why: str, by: Any) -> Waiver:
    """The waiver itself, with its ledger line."""
    row = registry.locked(validation.model)
    missed = validation.missed_gates()
    if not why.strip():
        raise registry.WhyMissing("A waiver needs a reason in words.")
    if row.state == State.RETIRED:
        raise registry.IllegalStep(f"{row} is retired: there is nothing to approve any more.")
    if validation != row.latest_validation():
        raise NothingToWaive(f"{row}: there is a newer validation, and only that one decides.")
    if not missed:
        raise NothingToWaive(f"{row} misses no fairness gate.")
    if registry.name_of(by) == row.trained_by:
        raise registry.TrainerCannotApprove(
            f"{row} was trained by {row.trained_by}: somebody else has to answer for the gates it misses."
        )
    findings = [one.as_json() for one in missed]
    waiver = Waiver.objects.create(
        validation=validation, findings=findings, findings_sha256=digest_of_findings(missed), why=why,
        by=registry.name_of(by), at=timezone.now(),
    )  # fmt: skip
    registry.save(row)
    after = {"validation": validation.pk, "findings": findings, "findings_sha256": waiver.findings_sha256, "why": why}
    ledger.record(Event.Kind.CHANGE, "model.waived", object_type="model", object_id=row.pk, after=after, by=by)
    return waiver

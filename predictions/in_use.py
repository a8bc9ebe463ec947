"""The models that score: deployed and shadow versions whose files are the registered ones and fit today's features."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from hedis.measures.definitions import DEFINITIONS
from predictions import applying, plan_training, registry
from predictions.features import FEATURE_VERSION, features_of
from predictions.model_file import CARD, GRAPH, Model
from predictions.models import DriftCheck, Level, ModelVersion, State
from predictions.reasons import About

MOST_KEPT = 64
"""Loaded models a process keeps: deployed and shadow versions of every measure, and their predecessors."""
_kept: dict[tuple[str, str], Model] = {}


class NotUsable(Exception):
    """The model is deployed but must not score. `code` says why: file_changed, feature_version, no_tiers."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class InUse:
    """A model that may score, with what its row in the registry and its last check say."""

    version: ModelVersion
    model: Model
    drifted: bool

    @property
    def about(self) -> About:
        """What the wording of reasons needs."""
        return about(self.version)


def about(version: ModelVersion) -> About:
    """The measure of a version and the features that are made for it, in words."""
    definition = DEFINITIONS[str(version.measure.code)]  # type: ignore[union-attr]
    described = features_of(definition, plan_training.others_of(definition))
    return About(definition.code, {each.name: each.words for each in described})


def deployed(measures: Iterable[int]) -> dict[str, ModelVersion]:
    """The version that scores each of these measures (ids), by code; a measure without one is left out.

    Of several lines of business the version for every line goes first: members have no line here.
    """
    rows = ModelVersion.objects.deployed().filter(measure__in=measures).select_related("measure")
    found: dict[str, ModelVersion] = {}
    for row in rows.order_by("line_of_business", "-id"):
        found.setdefault(row.measure.code, row)  # type: ignore[union-attr]
    return found


def in_shadow(measures: Iterable[int]) -> list[ModelVersion]:
    """The versions of these measures that score without anybody acting on it."""
    rows = ModelVersion.objects.filter(state=State.SHADOW, measure__in=measures)
    return list(rows.select_related("measure").order_by("id"))


def usable(versions: Iterable[ModelVersion], *, by: Any) -> tuple[dict[int, InUse], dict[int, NotUsable]]:
    """Load these versions: those that may score, and why the others may not, by id.

    A file that is not the registered one leaves a ledger line (registry.load).
    """
    asked = list(versions)
    checks = DriftCheck.objects.newest().filter(model__in=[version.pk for version in asked])
    drifted = {check.model_id for check in checks if check.level == Level.ACT}
    found, refused = {}, {}
    for version in asked:
        try:
            found[version.pk] = InUse(version, loaded(version, by=by), version.pk in drifted)
        except NotUsable as refusal:
            refused[version.pk] = refusal
    return found, refused


def loaded(version: ModelVersion, *, by: Any) -> Model:
    """The model of a version, its files checked at every call. Raises NotUsable."""
    try:
        model = verified(version, by=by)
    except registry.FileChanged as refusal:
        raise NotUsable("file_changed", f"{refusal} Restore the files, or deploy another version.") from refusal
    fed = str(model.card.get("training", {}).get("feature_version", ""))
    if fed != FEATURE_VERSION:
        reason = f"{version} was learnt from features of version {fed or 'unknown'}, they are now {FEATURE_VERSION}"
        raise NotUsable("feature_version", f"{reason}: train and deploy a new version.")
    if strange := sorted(set(model.features) - about(version).words.keys()):
        raise NotUsable("feature_version", f"{version} asks for features that are not made: {', '.join(strange)}.")
    if not {applying.HIGH, applying.MEDIUM} <= set(version.thresholds):
        raise NotUsable("no_tiers", f"{version} has no thresholds for its tiers: register it with them.")
    return model


def verified(version: ModelVersion, *, by: Any) -> Model:
    """The files of a version. Those whose every byte is as when the registry last checked them are not parsed again."""
    key = (version.sha256, digest(version))
    if key not in _kept:
        model = registry.load(version, by=by)
        while len(_kept) >= MOST_KEPT:
            _kept.pop(next(iter(_kept)), None)
        _kept[key] = model
    return _kept[key]


def digest(version: ModelVersion) -> str:
    """SHA-256 of both files as they lie there now; of a missing file nothing, which no kept model has."""
    folder = Path(settings.DATA_DIR) / version.folder
    found = hashlib.sha256()
    for name in (GRAPH, CARD):
        file = folder / name
        content = file.read_bytes() if file.is_file() else b""
        found.update(len(content).to_bytes(8) + content)
    return found.hexdigest()

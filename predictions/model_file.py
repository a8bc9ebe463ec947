"""A model as two files without code in them: `model.onnx` (margins) and `model.json` (everything else).

The JSON holds the graph's SHA-256 and its own; the registry keeps that second hash apart, so that neither file can be
exchanged unnoticed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import orjson
import rfc8785

from predictions import explaining
from predictions.calibrating import probability
from predictions.encoding import Encoding, Feature, Scaling
from predictions.fitting import ModelKind
from predictions.tables import Column, Floats, Kind

FORMAT = 1
GRAPH, CARD = "model.onnx", "model.json"
SURE = 1.959964  # standard errors to each side of a 95 % interval


class ModelFileError(Exception):
    """The files are not the model they should be. The message names file, field and reason."""


@dataclass(frozen=True)
class Model:
    """What scores: the graph, the encoding of its input and the calibration (a, b). `card` is what is known about it:
    training window, metrics, thresholds, versions."""

    kind: ModelKind
    encoding: Encoding
    scaling: Scaling | None
    calibration: tuple[float, float]
    graph: bytes
    card: Mapping[str, Any]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns it asks for."""
        return tuple(feature.name for feature in self.encoding.features)

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """The loaded graph; one thread, as jobs and requests share the cores."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])

    @cached_property
    def paths(self) -> explaining.Paths:
        """The ways to the leaves, of a tree model."""
        return explaining.paths(self.graph, self.encoding.owners)

    def raw_margins(self, matrix: Floats) -> Floats:
        """Log-odds before calibration, of encoded rows."""
        inputs = self.scaling(matrix) if self.scaling else matrix.astype(np.float32)
        (margins,) = self.session.run(None, {"inputs": inputs})
        return np.asarray(margins[:, 0], dtype=np.float64)

    def margins(self, columns: Mapping[str, Column]) -> Floats:
        """Calibrated log-odds of each row."""
        slope, intercept = self.calibration
        return slope * self.raw_margins(self.encoding.matrix(columns)) + intercept

    def probabilities(self, columns: Mapping[str, Column]) -> Floats:
        """Calibrated probability of the event for each row."""
        return probability(self.margins(columns))

    def intervals(self, of: Mapping[str, Column] | Floats) -> tuple[Floats, Floats] | None:
        """95 % interval of each row's probability, as far as the calibration leaves it uncertain; None where the card
        does not say how uncertain it is.

        `of`: columns, or the calibrated log-odds that `margins` gave. It says how surely the rate among rows scored
        alike is known, not what one row will do, which is 0 or 1.
        """
        held = self.card.get("calibration_covariance")
        if held is None:
            return None
        margins = self.margins(of) if isinstance(of, Mapping) else np.asarray(of, dtype=np.float64)
        slope, intercept = self.calibration
        raw = np.column_stack([(margins - intercept) / slope, np.ones(len(margins))])
        # Product by product: a sum taken by einsum may differ in the last bit between one row and many.
        spread = sum(raw[:, one] * held[one][two] * raw[:, two] for one in range(len(held)) for two in range(len(held)))
        error = np.sqrt(np.maximum(spread, 0.0))
        return probability(margins - SURE * error), probability(margins + SURE * error)

    def contributions(self, columns: Mapping[str, Column]) -> tuple[Floats, float]:
        """Rows × features of calibrated log-odds, and the base: base + a row's sum is its margin, exactly."""
        matrix, count = self.encoding.matrix(columns), len(self.encoding.features)
        if self.scaling:
            owners = self.scaling.owners(self.encoding.owners)
            parts, base = explaining.linear_contributions(self.graph, self.scaling(matrix), owners, count)
        else:
            parts, base = explaining.tree_contributions(self.paths, matrix, count)
        slope, intercept = self.calibration
        return slope * parts, slope * base + intercept

    def with_card(self, **more: Any) -> "Model":
        """The same model with more known about it."""
        return replace(self, card={**self.card, **more})


def description(model: Model) -> dict[str, Any]:
    """The JSON of a model, without its own hash."""
    scaling = model.scaling
    slope, intercept = model.calibration
    return {
        "format": FORMAT,
        "kind": model.kind.value,
        "graph_sha256": hashlib.sha256(model.graph).hexdigest(),
        "features": [
            {"name": each.name, "kind": each.kind.value, "levels": list(each.levels), "missing": each.missing}
            for each in model.encoding.features
        ],
        "scaling": scaling
        and {
            "fill": scaling.fill.tolist(), "marks": scaling.marks.tolist(),
            "center": scaling.center.tolist(), "spread": scaling.spread.tolist(),
        },
        "calibration": {"a": slope, "b": intercept},
        "card": dict(model.card),
    }  # fmt: skip


def save(model: Model, folder: Path) -> str:
    """Write both files; returns the SHA-256 to register."""
    folder.mkdir(parents=True, exist_ok=True)
    content = description(model)
    digest = hashlib.sha256(rfc8785.dumps(content)).hexdigest()
    (folder / GRAPH).write_bytes(model.graph)
    (folder / CARD).write_bytes(orjson.dumps({**content, "sha256": digest}, option=orjson.OPT_INDENT_2) + b"\n")
    return digest


def load(folder: Path, sha256: str = "") -> Model:
    """Read both files. `sha256` is the registered hash; without it only the files' own agreement is checked.

    Raises ModelFileError where a file is missing, unreadable, of another format, or its hash differs.
    """
    try:
        graph, text = (folder / GRAPH).read_bytes(), (folder / CARD).read_bytes()
        content = orjson.loads(text)
        stated = content.pop("sha256")
        digest = hashlib.sha256(rfc8785.dumps(content)).hexdigest()
    except (OSError, orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ModelFileError(f"{folder / CARD} is no model file: {error}") from error
    if digest != (sha256 or stated):
        raise ModelFileError(f"{folder / CARD}, sha256: the content's hash is {digest}, not {sha256 or stated}")
    if hashlib.sha256(graph).hexdigest() != content["graph_sha256"]:
        raise ModelFileError(f"{folder / GRAPH}: the hash is not the graph_sha256 of {CARD}")
    if content["format"] != FORMAT:
        raise ModelFileError(f"{folder / CARD}, format: {content['format']}, this version reads {FORMAT}")
    return of(content, graph)


def of(content: Mapping[str, Any], graph: bytes) -> Model:
    """The model a checked JSON describes."""
    features = tuple(
        Feature(each["name"], Kind(each["kind"]), tuple(each["levels"]), each["missing"])
        for each in content["features"]
    )
    held = content["scaling"]
    scaling = held and Scaling(
        np.array(held["fill"], dtype=np.float64),
        np.array(held["marks"], dtype=np.int64),
        np.array(held["center"], dtype=np.float64),
        np.array(held["spread"], dtype=np.float64),
    )
    calibration = (content["calibration"]["a"], content["calibration"]["b"])
    return Model(ModelKind(content["kind"]), Encoding(features), scaling, calibration, graph, content["card"])

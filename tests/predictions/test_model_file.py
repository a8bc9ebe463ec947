"""The files score as the fitted model does, and nobody exchanges them unnoticed."""

from pathlib import Path

import numpy as np
import orjson
import pytest

from predictions import fitting, learning, model_file
from predictions.calibrating import probability
from predictions.fitting import ModelKind
from predictions.learning import Learned
from predictions.model_file import ModelFileError
from predictions.tables import Table
from tests.predictions import people


def learned(table: Table, monkeypatch: pytest.MonkeyPatch, kind: ModelKind) -> Learned:
    """A model of this kind, whatever the validation would choose."""
    rows = np.arange(table.rows)

    def chosen(trials: list[fitting.Trial], groups: np.ndarray) -> fitting.Choice:
        (trial,) = (trial for trial in trials if trial.kind is kind)
        return fitting.Choice(trial, tuple(trials), "for the test")

    monkeypatch.setattr(fitting, "choose", chosen)
    return learning.learn(table, rows, people.FEATURES)


@pytest.mark.parametrize("kind", list(ModelKind))
def test_a_saved_model_scores_as_scikit_learn_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ModelKind
) -> None:
    table = people.table(tmp_path)
    model = learned(table, monkeypatch, kind).model
    digest = model_file.save(model, tmp_path / "model")
    loaded = model_file.load(tmp_path / "model", digest)
    matrix = loaded.encoding.matrix(table.columns)
    setting = {trial.kind: trial.setting for trial in learned(table, monkeypatch, kind).choice.trials}[kind]
    fitted = fitting.fit(kind, setting, model.encoding, matrix, table.labels, 0)
    slope, intercept = loaded.calibration
    theirs = probability(slope * fitted.margins(matrix) + intercept)
    assert np.abs(loaded.probabilities(table.columns) - theirs).max() < 1e-5
    parts, base = loaded.contributions(table.columns)
    assert base + parts.sum(axis=1) == pytest.approx(loaded.margins(table.columns), abs=1e-5)


def test_thresholds_between_neighbouring_single_precision_numbers_part_the_same_rows() -> None:
    near = np.float32(20_230_101)
    values = np.array([near, np.nextafter(near, np.float32(np.inf))] * 200, dtype=np.float64)[:, None]
    labels = np.array([0, 1] * 200)
    fitted = fitting.fit(ModelKind.TREES, 5, fitting.Encoding(()), values, labels, 0)
    model = model_file.Model(ModelKind.TREES, fitting.Encoding(()), None, (1.0, 0.0), graph_of(fitted), {})
    assert np.abs(model.raw_margins(values) - fitted.margins(values)).max() < 1e-5
    assert len(np.unique(model.raw_margins(values))) == 2


def graph_of(fitted: fitting.Fitted) -> bytes:
    """The graph of a model with one column."""
    return learning.exporting.to_onnx(fitted, 1)


def test_a_value_or_a_word_never_seen_gets_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = people.table(tmp_path)
    model = learned(table, monkeypatch, ModelKind.TREES).model
    held = people.columns(50, seed=1)
    held["region"] = ["east"] * 50
    held["income"] = [1e6] * 50
    people.write(tmp_path / "new.csv", held)
    new = learning_table(tmp_path / "new.csv")
    assert np.isfinite(model.probabilities(new.columns)).all()


def learning_table(path: Path) -> Table:
    """The people of a file."""
    return people.read(path, label="outcome", group="area", features=people.FEATURES)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A saved model and its hash."""
    model = learned(people.table(tmp_path, rows=600), monkeypatch, ModelKind.LOGISTIC).model
    return tmp_path / "model", model_file.save(model, tmp_path / "model")


def test_a_changed_graph_is_refused(saved: tuple[Path, str]) -> None:
    graph = saved[0] / model_file.GRAPH
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x07")
    with pytest.raises(ModelFileError, match=r"model\.onnx: the hash is not"):
        model_file.load(*saved)


def test_a_changed_number_is_refused(saved: tuple[Path, str]) -> None:
    card = saved[0] / model_file.CARD
    content = orjson.loads(card.read_bytes())
    content["calibration"]["b"] += 0.01
    card.write_bytes(orjson.dumps(content))
    with pytest.raises(ModelFileError, match=r"model\.json, sha256: the content's hash is"):
        model_file.load(saved[0])


def test_another_model_that_agrees_with_itself_is_refused_by_the_registered_hash(saved: tuple[Path, str]) -> None:
    assert model_file.load(saved[0]).features
    with pytest.raises(ModelFileError, match="sha256"):
        model_file.load(saved[0], "0" * 64)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"no json"])
def test_a_file_that_is_no_model_is_refused(saved: tuple[Path, str], text: bytes) -> None:
    (saved[0] / model_file.CARD).write_bytes(text)
    with pytest.raises(ModelFileError, match="is no model file"):
        model_file.load(saved[0])


def test_a_folder_without_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is no model file"):
        model_file.load(tmp_path / "nowhere")

"""Tables of invented people whose true probabilities are known."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from predictions.calibrating import probability
from predictions.tables import Table, read

FEATURES = ["age", "income", "doctor", "region", "noise"]


def columns(rows: int, *, seed: int = 7, groups: int = 40) -> dict[str, list[object]]:
    """People in areas; the outcome depends on age, income, doctor and region, gaps included, not on the noise."""
    random = np.random.default_rng(seed)
    age = random.integers(50, 75, rows)
    income = random.normal(0, 1, rows)
    doctor = random.random(rows) < 0.7
    region = random.choice(["north", "south", "west"], rows, p=[0.5, 0.3, 0.2])
    unknown = random.random(rows) < 0.1
    margins = 0.06 * (age - 62) + np.where(unknown, 0.5, 0.7 * income) - 0.9 * doctor + 0.6 * (region == "south")
    outcome = random.random(rows) < probability(margins)
    return {
        "outcome": outcome.astype(int).tolist(),
        "area": [f"area-{number:02d}" for number in random.integers(0, groups, rows)],
        "age": age.tolist(),
        "income": [None if gap else float(value) for gap, value in zip(unknown, income, strict=True)],
        "doctor": ["yes" if has else "no" for has in doctor],
        "region": region.tolist(),
        "noise": random.normal(0, 1, rows).tolist(),
        "year": random.integers(2018, 2023, rows).tolist(),
    }


def write(path: Path, held: dict[str, list[object]]) -> Path:
    """The columns as a CSV file."""
    pyarrow.csv.write_csv(pa.table(held), path)
    return path


def table(path: Path, rows: int = 3000, features: list[str] | None = None, seed: int = 7) -> Table:
    """The people, read from a file."""
    file = write(path / "people.csv", columns(rows, seed=seed))
    return read(file, label="outcome", group="area", features=features or FEATURES)

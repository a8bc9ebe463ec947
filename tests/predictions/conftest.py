"""What tests of this room share: a small plan on disk, made once for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hedis.gaps.models import FindingRun
from predictions import plan_training
from tests.predictions import portfolio


@pytest.fixture(scope="session")
def plan_on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Warehouse and feature rows of the plan in tests/predictions/portfolio.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_training, "WIDE", portfolio.CODES)
        yield portfolio.make_features(portfolio.write_warehouse(tmp_path_factory.mktemp("plan")))


@pytest.fixture
def found_plan(plan_on_disk: Path, own_data_dir: Path, db: None, monkeypatch: pytest.MonkeyPatch) -> FindingRun:
    """That plan with its gaps found."""
    monkeypatch.setattr(plan_training, "WIDE", portfolio.CODES)
    portfolio.put(plan_on_disk, own_data_dir)
    return portfolio.found_gaps()

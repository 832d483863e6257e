"""Bundles: the same model after a round trip, and nothing but a refusal for damaged ones."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signals.errors import BundleDamaged, BundleError, BundleUnknown, FeatureError, GoldenRowsDiffer
from signals.ml import artifact, estimators
from signals.ml.artifact import ModelBundle, load_bundle, manifest_sha256, save_bundle
from signals.ml.calibration import ConfidenceCalibrator
from signals.ml.dataset import Dataset
from signals.ml.manifest import Manifest

FILES = ("model.ubj", "calibration.json", "manifest.json", "manifest.sha256")


@pytest.fixture
def folder(planted_bundle: ModelBundle, tmp_path: Path) -> Path:
    return save_bundle(planted_bundle, tmp_path / "direction" / planted_bundle.version_id)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest and make its hash right again, as a newer or a wrong writer would."""
    document = json.loads((folder / "manifest.json").read_bytes())
    change(document)
    content = json.dumps(document).encode()
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.sha256").write_bytes(f"{manifest_sha256(folder)}  manifest.json\n".encode())


def test_round_trip_is_the_same_model(planted_bundle: ModelBundle, planted_data: Dataset, folder: Path) -> None:
    again = load_bundle(folder, recipe="direction")
    assert again.manifest == planted_bundle.manifest
    assert (again.predict(planted_data.x) == planted_bundle.predict(planted_data.x)).all()
    assert (again.predict_raw(planted_data.x) == planted_bundle.predict_raw(planted_data.x)).all()
    assert again.content_hash == planted_bundle.content_hash


def test_files_are_those_of_the_contract(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_properties_come_from_the_manifest(planted_bundle: ModelBundle, planted_data: Dataset) -> None:
    assert planted_bundle.version_id == "20160315_120000"
    assert planted_bundle.recipe == "direction"
    assert planted_bundle.features == tuple(planted_data.X.columns)
    assert planted_bundle.outputs == ("DOWN", "FLAT", "UP")
    assert planted_bundle.horizon == 5
    last = planted_data.labels.end.max().to_pydatetime()
    assert planted_bundle.last_label_end == planted_bundle.trained_until == last
    assert planted_bundle.manifest.train.end < last


def test_saving_again_changes_nothing(planted_bundle: ModelBundle, folder: Path) -> None:
    before = {name: (folder / name).stat().st_mtime_ns for name in FILES}
    assert save_bundle(planted_bundle, folder) == folder
    assert {name: (folder / name).stat().st_mtime_ns for name in FILES} == before


def test_other_bytes_are_never_overwritten(planted_bundle: ModelBundle, folder: Path) -> None:
    other = replace(planted_bundle, manifest=planted_bundle.manifest.model_copy(update={"seed": 1}))
    with pytest.raises(BundleError, match="never overwritten"):
        save_bundle(other, folder)
    assert load_bundle(folder).manifest == planted_bundle.manifest


def test_lost_race_leaves_the_winner(
    planted_bundle: ModelBundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(planted_bundle, manifest=planted_bundle.manifest.model_copy(update={"seed": 1}))
    monkeypatch.setattr(Path, "exists", lambda self: False)  # the folder appears between the look and the rename
    assert save_bundle(planted_bundle, folder) == folder
    with pytest.raises(BundleError, match="never overwritten"):
        save_bundle(other, folder)
    monkeypatch.undo()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert load_bundle(folder).manifest == planted_bundle.manifest


def test_unwritable_place_is_said(planted_bundle: ModelBundle, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="could not be written"):
        save_bundle(planted_bundle, tmp_path / "file" / "version")


def test_content_hash_ignores_name_and_time(planted_bundle: ModelBundle) -> None:
    renamed = planted_bundle.manifest.model_copy(
        update={"version_id": "20200101_000000", "created_at": datetime(2020, 1, 1, tzinfo=UTC)}
    )
    assert renamed.content_hash == planted_bundle.content_hash


@pytest.mark.parametrize("what", ["calibrator", "order", "target"])
def test_content_hash_sees_what_decides(planted_bundle: ModelBundle, what: str) -> None:
    manifest = planted_bundle.manifest
    entry = manifest.files["calibration.json"]
    changes: dict[str, dict[str, Any]] = {
        "calibrator": {"files": {**manifest.files, "calibration.json": entry.model_copy(update={"sha256": "0" * 64})}},
        "order": {"features": manifest.features[::-1]},
        "target": {"target": manifest.target.model_copy(update={"horizon": 6})},
    }
    assert manifest.model_copy(update=changes[what]).content_hash != manifest.content_hash


def _damage(kind: str, content: bytes, random: np.random.Generator) -> bytes | None:
    place = int(random.integers(len(content)))
    if kind == "flip":
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        return bytes(flipped)
    return {"cut": content[:place], "empty": b"", "grow": content + b"\0", "missing": None}[kind]


def refused(folder: Path, name: str, content: bytes | None) -> None:
    path = folder / name
    before = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(BundleDamaged):
        load_bundle(folder)
    path.write_bytes(before)


@pytest.mark.parametrize("name", FILES)
def test_every_damage_is_refused(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []
    monkeypatch.setattr(estimators, "load", lambda files, spec: reached.append("native loader"))
    random = np.random.default_rng(len(name))
    content = (folder / name).read_bytes()
    for kind in ("cut", "empty", "grow", "missing", *["flip"] * 40):
        refused(folder, name, _damage(kind, content, random))
    assert reached == []


@pytest.mark.soak
@pytest.mark.parametrize("name", FILES)
def test_every_damage_is_refused_for_long(folder: Path, name: str) -> None:
    random = np.random.default_rng(99)
    content = (folder / name).read_bytes()
    for _ in range(3000):
        refused(folder, name, _damage("flip", content, random))


def test_swapped_files_are_refused(planted_bundle: ModelBundle, folder: Path) -> None:
    (folder / "calibration.json").write_bytes((folder / "model.ubj").read_bytes())
    with pytest.raises(BundleDamaged):
        load_bundle(folder)


def test_damage_is_told_with_short_hashes_and_a_way_out(planted_bundle: ModelBundle, folder: Path) -> None:
    path = folder / "calibration.json"
    path.write_bytes(path.read_bytes().swapcase())
    expected = planted_bundle.manifest.files["calibration.json"].sha256[:12]
    with pytest.raises(BundleDamaged, match="restore the bundle from a copy, or train again") as caught:
        load_bundle(folder)
    assert re.search(rf"expected SHA-256 {expected}, was [0-9a-f]{{12}};", str(caught.value))


def test_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleDamaged, match="No such file"):
        load_bundle(tmp_path / "nothing")
    with pytest.raises(BundleDamaged, match="No such file"):
        manifest_sha256(tmp_path / "nothing")


def test_other_recipe_is_refused(folder: Path) -> None:
    with pytest.raises(BundleUnknown, match="expected a bundle of recipe 'regime', was 'direction'"):
        load_bundle(folder, recipe="regime")


def test_newer_schema_is_refused(folder: Path) -> None:
    rewritten(folder, lambda document: document.update(schema=2, new="field"))
    with pytest.raises(BundleUnknown, match="was 2; upgrade"):
        load_bundle(folder)


def broken(document: dict[str, Any], key: str, value: Any) -> None:
    document[key] = value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("features", []),
        ("features", [{"name": "x", "dtype": "f8"}]),
        ("files", {"../../etc/passwd": {"size": 1, "sha256": "0" * 64}}),
        ("created_at", "2020-01-01T00:00:00"),
        ("params", {"kind": "pickle"}),
        ("surprise", 1),
        ("schema", "one"),
    ],
)
def test_broken_schema_is_refused(folder: Path, key: str, value: Any) -> None:
    rewritten(folder, lambda document: broken(document, key, value))
    with pytest.raises(BundleDamaged, match=key if key != "schema" else "valid integer"):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]"])
def test_manifest_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(BundleDamaged):
        Manifest.from_bytes(content, "manifest.json")


def test_golden_rows_of_other_width_are_refused(folder: Path) -> None:
    rewritten(folder, lambda document: document["golden"].update(rows=[[1.0]], outputs=[[0.2, 0.3, 0.5]]))
    with pytest.raises(BundleDamaged, match="golden rows of 5 features"):
        load_bundle(folder)


def test_reference_of_other_features_is_refused(folder: Path) -> None:
    rewritten(folder, lambda document: document["features"].reverse())
    with pytest.raises(BundleDamaged, match="a reference of the same ones in the same order"):
        load_bundle(folder)


def test_model_without_calibration_is_refused(folder: Path) -> None:
    rewritten(folder, lambda document: document["files"].pop("calibration.json"))
    with pytest.raises(BundleDamaged, match=r"expected calibration\.json"):
        load_bundle(folder)


def test_golden_probabilities_must_come_out(folder: Path) -> None:
    def shift(document: dict[str, Any]) -> None:
        document["golden"]["outputs"][3][0] += 1e-5

    rewritten(folder, shift)
    with pytest.raises(GoldenRowsDiffer, match="off by 1e-05"):
        load_bundle(folder)


def test_golden_outputs_of_other_shape_are_refused(folder: Path) -> None:
    rewritten(folder, lambda document: document["golden"]["outputs"].pop())
    with pytest.raises(GoldenRowsDiffer, match="shape"):
        load_bundle(folder)


def test_model_of_other_width_is_refused(planted_bundle: ModelBundle, tmp_path: Path) -> None:
    from signals.ml.artifact import bundle_files, file_entries

    narrow = estimators.make(planted_bundle.manifest.params, threads=1)
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    narrow.fit(x, (np.arange(30) % 3).astype(np.float64), np.ones(30), groups=np.arange(30), valid=None, seed=0)
    files = file_entries(bundle_files(narrow, planted_bundle.calibrator), narrow.formats)
    manifest = planted_bundle.manifest.model_copy(update={"files": files})
    save_bundle(ModelBundle(manifest, narrow, planted_bundle.calibrator), tmp_path / "v")
    with pytest.raises(GoldenRowsDiffer, match="does not take its golden rows"):
        load_bundle(tmp_path / "v")


def test_golden_rows_hold_missing_values(planted_bundle: ModelBundle) -> None:
    rows = planted_bundle.manifest.golden.rows
    assert 2 <= len(rows) <= 32
    assert rows[-1] == [None] * 5


def test_wrong_width_is_refused(planted_bundle: ModelBundle) -> None:
    with pytest.raises(FeatureError, match="expected rows of 5 features"):
        planted_bundle.predict(np.zeros((2, 4), np.float32))


def test_manifest_bytes_are_stable(planted_bundle: ModelBundle, folder: Path) -> None:
    content = (folder / "manifest.json").read_bytes()
    assert Manifest.from_bytes(content, "").to_bytes() == content


def test_manifest_hash_covers_the_manifest(folder: Path, tmp_path: Path) -> None:
    before = manifest_sha256(folder)
    assert (folder / "manifest.sha256").read_text() == f"{before}  manifest.json\n"
    copied = shutil.copytree(folder, tmp_path / "copy")
    rewritten(copied, lambda document: document.update(seed=3))
    assert manifest_sha256(copied) != before


def test_oversized_manifest_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "_MANIFEST_LIMIT", 100)
    with pytest.raises(BundleDamaged, match="at most 100 bytes"):
        load_bundle(folder)


def test_calibrator_is_part_of_the_files(planted_bundle: ModelBundle) -> None:
    other = replace(planted_bundle, calibrator=ConfidenceCalibrator("none"))
    assert other.files()["calibration.json"] != planted_bundle.files()["calibration.json"]
    assert other.files()["model.ubj"] == planted_bundle.files()["model.ubj"]

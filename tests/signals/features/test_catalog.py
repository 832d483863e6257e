from __future__ import annotations

import pytest

from signals.features import batch, kernels
from signals.features.catalog import CATALOGUE, WARMUP, catalogue_hash, model_features, names
from signals.features.feature import Feature


def test_names_are_unique() -> None:
    assert len(set(names())) == len(names()) >= 70


def test_all_five_calculators_are_in() -> None:
    assert {f.calculator for f in CATALOGUE} == {"technical", "cross_asset", "fundamental", "alternative", "temporal"}


def test_kernel_writes_as_many_columns_as_are_declared() -> None:
    assert batch.KERNEL.stop == kernels.N_FEATURES


def test_blocks_cover_the_catalogue() -> None:
    assert batch.TEMPORAL.stop == len(CATALOGUE)
    assert {f.calculator for f in CATALOGUE[batch.KERNEL]} == {"technical", "cross_asset"}
    assert {f.calculator for f in CATALOGUE[batch.TEMPORAL]} == {"temporal"}


def test_warmup_is_the_longest_lookback() -> None:
    assert WARMUP == 512


@pytest.mark.parametrize("feature", CATALOGUE, ids=names())
def test_feature_is_declared_soundly(feature: Feature) -> None:
    assert 0 <= feature.first_value <= feature.lookback
    assert feature.name.islower()
    assert feature.meaning
    assert "\n" not in feature.meaning


def test_model_sees_scale_free_features_only() -> None:
    assert set(model_features()) == {f.name for f in CATALOGUE if f.scale_free}
    assert "hist_vol_20" in model_features()


def test_market_wide_features_can_be_left_out() -> None:
    left = set(model_features()) - set(model_features(market_wide=False))
    assert left == {f.name for f in CATALOGUE if f.scale_free and f.market_wide}
    assert {"volatility_level", "month", "market_return_20"} <= left


def test_hash_is_a_sha256_of_the_content() -> None:
    before = catalogue_hash()
    assert len(before) == 64
    assert catalogue_hash() == before
    assert catalogue_hash(CATALOGUE[:-1]) != before

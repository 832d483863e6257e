from __future__ import annotations

import pytest
from benchmarks.skill import VARIANTS, main

from signals.features.catalog import names
from signals.recipes.direction import recipe


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_a_recipe_of_known_features(name: str) -> None:
    made = recipe().model_copy(update=VARIANTS[name])
    assert made.sha256() != recipe().sha256() or name == "as shipped"
    assert set(made.features.names) <= set(names())


def test_a_variant_that_is_not_there_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["deep magic"])
    assert ended.value.code == 2
    assert "no variant 'deep magic'; there are: as shipped;" in capsys.readouterr().err

"""The active version as a rival: what it would have said on rows that it was not trained on.

Its predictions for its own training rows are no rival: on real stocks they had a log loss of 1.02 to 1.06 where every
honest candidate has 1.09 to 1.12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from pydantic import ValidationError

from signals.data.records import to_micros
from signals.ml.artifact import ModelBundle
from signals.ml.dataset import Dataset
from signals.ml.evidence import Evidence
from signals.ml.metrics import by_date, log_loss_rows
from signals.ml.recipe import Recipe

__all__ = ["rival_record"]

_FITTED = ("target", "weights", "estimator", "search", "calibration", "min_rows")
"""What of a recipe decides a fit, beside its features and its windows."""


def rival_record(
    active: ModelBundle, recipe: Recipe, data: Dataset, refit: Callable[[Recipe, Dataset], Evidence]
) -> Evidence:
    """Return the active version's record to judge a candidate against, with no dates where there is none.

    If its manifest holds its recipe, and that is another one than the candidate's, the recipe is fitted anew at the
    start of each of the candidate's windows. Otherwise the version itself speaks, on the rows after its last training
    label and a horizon of sessions more: the same recipe fitted anew would only repeat the candidate.

    Parameters
    ----------
    recipe, data
        The candidate's.
    refit
        Gives the pooled record of a recipe on the walk-forward windows of some rows.

    Returns
    -------
    Evidence
        Its ``source`` says in words which of the two it is, or why nothing can be compared.
    """
    theirs = _recipe(active)
    told = active.manifest.target.model_dump()
    if any(getattr(recipe.target, name) != value for name, value in told.items()) or (
        theirs is not None and theirs.target != recipe.target
    ):
        return _nothing("it predicts another target")
    missing = [name for name in active.features if name not in data.X.columns]
    if missing:
        return _nothing(f"it needs features that the candidate's rows lack: {', '.join(missing[:3])}")
    rows = replace(data, X=data.X[list(active.features)])
    if theirs is None or (list(data.X.columns) == list(active.features) and _same(theirs, recipe)):
        return _later(active, rows)
    record = refit(theirs.model_copy(update={"split": recipe.split}), rows)
    return replace(record, source="its recipe fitted anew at the start of each window")


def _recipe(active: ModelBundle) -> Recipe | None:
    held = active.manifest.recipe_spec
    try:
        return Recipe.model_validate(held) if held else None
    except ValidationError:  # of a version of Vane with other recipes
        return None


def _same(one: Recipe, other: Recipe) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _FITTED)


def _later(active: ModelBundle, rows: Dataset) -> Evidence:
    dates = np.unique(rows.timestamps[rows.timestamps > to_micros(active.last_label_end)])[active.horizon :]
    kept = rows.take(np.flatnonzero(np.isin(rows.timestamps, dates)))
    losses = log_loss_rows(active.predict(kept.x), kept.y) if len(kept) else np.empty(0)
    when, daily = by_date(losses, kept.timestamps)
    source = f"itself, on the sessions after its training ended on {active.last_label_end:%Y-%m-%d}, and a horizon more"
    return Evidence({}, tuple(map(int, when)), {"model": tuple(map(float, daily))}, {}, source=source)


def _nothing(why: str) -> Evidence:
    return Evidence({}, (), {"model": ()}, {}, source=why)

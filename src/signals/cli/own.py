"""A feature of the user's own that looks ahead is not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.errors import FeatureError

if TYPE_CHECKING:
    from signals.audit.run import Progress
    from signals.cli.inputs import Inputs

__all__ = ["require_honest"]

_SYMBOLS, _CUTS = 2, 3


def require_honest(inputs: Inputs, progress: Progress | None = None) -> tuple[str, ...]:
    """Audit the features that installed packages add, briefly; return their names.

    Raises
    ------
    FeatureError
        If one changes with what comes after it, or breaks another promise.
    """
    from signals.audit import audit
    from signals.feature_store import FeatureStore

    own = tuple(feature.name for each in FeatureStore(inputs.settings).calculators for feature in each.features)
    if not own:
        return ()
    longest = sorted(inputs.universe, key=lambda symbol: (-len(inputs.provider.columns(symbol)), symbol))[:_SYMBOLS]
    report = audit(inputs.provider, inputs.settings, symbols=longest, cuts=_CUTS, progress=progress)
    found = sorted({(each.feature, each.kind) for each in report.violations if each.feature in own})
    if found:
        names = ", ".join(dict.fromkeys(feature for feature, _ in found))
        kinds = ", ".join(dict.fromkeys(kind for _, kind in found))
        source = "vane audit" if inputs.source is None else inputs.source.command("audit")
        raise FeatureError(
            f"features of your own: expected none that knows what comes after it, was {names} (it broke: {kinds}); "
            f"mend or uninstall it; see {source} --symbols {_SYMBOLS} --cuts {_CUTS}"
        )
    return own

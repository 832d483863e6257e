"""The gate's verdict in sentences that a trader can read: each rule, and what is reported without being judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from signals.ml.baselines import VOLATILITY
from signals.ml.evidence import BASELINES
from signals.ml.recipe import GateRule
from signals.ml.returns import MIN_TRADE_DATES

__all__ = ["reported", "rule_sentence", "summary"]

WORDS = {
    "dates": "Out-of-sample dates",
    "ece": "Calibration error",
    "ece_windows": "Calibration error beyond that of the class frequencies, in the worst window",
    "log_loss": "Log loss",
    "accuracy": "Accuracy",
    "rank_ic": "Daily rank correlation",
    "pbo": "Probability of backtest overfitting",
    "deflated_sharpe": "Deflated Sharpe ratio",
}
DIRECTION = "Directional skill (UP against DOWN among rows that moved)"
SHARES = ("ece", "ece_windows", "accuracy", "coverage", "pbo", "deflated_sharpe")
COUNTS = ("dates", "rows", "windows", "windows_skipped", "dates_active")
NEEDED = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}
FINEST = 15
"""Decimals beyond which a figure is not told from its bound."""


def summary(holds: Sequence[bool], figures: Mapping[str, float]) -> str:
    """Return the first sentence: what became of the rules that could be judged."""
    what = f"{figures.get('dates', 0):,.0f} out-of-sample dates ({figures.get('rows', 0):,.0f} rows)"
    if not holds:
        return f"Refused: there is no condition to judge on {what}."
    if all(holds):
        return f"Passed: all {len(holds)} conditions hold on {what}."
    failing = len(holds) - sum(holds)
    return f"Refused: {failing} of {len(holds)} conditions {'fails' if failing == 1 else 'fail'} on {what}."


def rule_sentence(rule: GateRule, figures: Mapping[str, float], held: bool) -> str:
    """Return what a rule looked at, what it asks for, and whether it is met."""
    name = rule.metric
    value = figures.get(name, math.nan)
    if name.startswith("skill_"):
        plain = name.removesuffix("_lower")
        base = plain.removeprefix("skill_")
        what = DIRECTION if base == "direction" else f"Skill over {rule.versus or BASELINES.get(base, base)}"
        text = f"{what}: {_show(plain, figures, rule.bound)} of log loss"
        if name != plain:
            text = f"{what}: {_show(plain, figures)} of log loss, lower 5% bound {_show(name, figures, rule.bound)}"
    else:
        text = f"{WORDS.get(name, name)}: {_show(name, figures, rule.bound)}"
    if math.isnan(value):
        return f"{text}; refused, because {_unknown(name, figures)}."
    return f"{text}; {NEEDED[rule.op]} {_format(name, rule.bound)} needed, {'met' if held else 'refused'}."


def reported(figures: Mapping[str, float]) -> list[str]:
    """Return what a reader should know and no rule asks: positive windows, what signals earned, what choosing costs."""
    found = []
    if "windows_positive_frequencies" in figures:
        over = {name: figures[f"windows_positive_{name}"] for name in (*BASELINES, "direction")}
        found.append(
            f"Reported, not judged: skill is above 0 over the class frequencies in {over['frequencies']:.0f} of "
            f"{figures['windows']:.0f} windows, over the volatility table in {over['volatility']:.0f}, in direction in "
            f"{over['direction']:.0f}; windows overlap."
        )
    if "sharpe" in figures:
        found.append(_earned(figures))
    if "pbo" in figures:
        found += [_overfitting(figures), _deflated(figures)]
    return found


def _earned(figures: Mapping[str, float]) -> str:
    trades = f"{figures['trade_dates']:,.0f} dates with a signal"
    undefined = math.isnan(figures["sharpe"])
    value = f"undefined, {trades}, {MIN_TRADE_DATES} needed" if undefined else f"{figures['sharpe']:.2f}, {trades}"
    return (
        "Reported, not judged: Sharpe ratio a year of the signals, entered at the close they were decided on, after "
        f"costs: {value}."
    )


def _overfitting(figures: Mapping[str, float]) -> str:
    tried = f"{figures['configurations']:.0f} configurations refitted in every window"
    if math.isnan(figures["pbo"]):
        return f"Selection: {tried}; too few dates to say how often the best of them is luck."
    return (
        f"Selection: of {tried}, the one that is best on one half of the dates does no better than the median on the "
        f"other half in {_show('pbo', figures)} of all splits (PBO; choosing among equals gives about 50%)."
    )


def _deflated(figures: Mapping[str, float]) -> str:
    if math.isnan(figures["deflated_sharpe"]):
        return (
            "Deflated Sharpe ratio: undefined, because the model or the configurations gave signals on too few dates "
            f"({figures['trade_dates']:.0f})."
        )
    tries = (
        f"{figures['trials_effective']:.0f} different configurations and {figures['attempts']:.0f} earlier attempts "
        "at this gate"
    )
    return (
        f"Deflated Sharpe ratio: {_show('deflated_sharpe', figures)} that the signals' Sharpe ratio after costs, "
        f"{figures['sharpe_daily']:.3f} a date, is above the {figures['sharpe_by_luck']:.3f} that the best of {tries} "
        "would have by luck."
    )


def _unknown(name: str, figures: Mapping[str, float]) -> str:
    if figures.get("windows") == 0:
        return "no window was judged"
    if name.endswith("_lower") and not math.isnan(figures.get(name.removesuffix("_lower"), math.nan)):
        return "there are too few dates for a bound"
    if name.startswith("skill_volatility"):
        return f"the table could not be made; it needs the feature {VOLATILITY}"
    return "the figure could not be computed"


def _show(name: str, figures: Mapping[str, float], near: float = 0.0) -> str:
    return _format(name, figures.get(name, math.nan), near)


def _format(name: str, value: float, near: float = math.nan) -> str:
    """Return a figure with two decimals, or as many as tell it from the bound that it is read against, `near`."""
    if math.isnan(value):
        return "not known"
    if name in COUNTS:
        return f"{value:,.0f}"
    if not (name.startswith("skill_") or name in SHARES):
        return f"{value:.4g}"
    if value == 0:
        return "0"
    digits = 2
    while value != near and digits < FINEST and round(100 * value, digits) == round(100 * near, digits):
        digits += 1
    return f"{100 * value:{'+' if name.startswith('skill_') else ''}.{digits}f}%"

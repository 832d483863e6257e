from __future__ import annotations

import json
import math

import numpy as np
import pytest

from signals.data.records import F8
from signals.errors import TrainingError
from signals.ml.gate import Evidence, Gate, Verdict
from signals.ml.metrics import EVEN, stationary_bootstrap
from signals.ml.recipe import GateRule

RULES = (
    GateRule(metric="skill_frequencies_lower", op=">", bound=0.0),
    GateRule(metric="skill_volatility_lower", op=">", bound=0.0),
    GateRule(metric="skill_direction_lower", op=">", bound=0.0),
    GateRule(metric="ece", op="<=", bound=0.03),
)
DATES = range(300)


def evidence(
    saved: float = 0.02, over_table: float = 0.02, way: float = 0.02, ece: float = 0.01, dates: range = DATES
) -> Evidence:
    """Return a record that saves so much log loss over the baselines, the last 100 dates without a move."""
    rng = np.random.default_rng(0)
    model = 1.0 + 0.02 * rng.normal(size=len(dates))
    losses: dict[str, F8] = {"model": model, "frequencies": np.full(len(dates), 1.0 + saved)}
    losses["volatility"] = np.full(len(dates), 1.0 + over_table)
    moved = max(len(dates) - 100, 0)
    direction: dict[str, F8] = {"model": EVEN - way + 0.02 * rng.normal(size=moved)}
    direction["frequencies"] = direction["volatility"] = np.full(moved, EVEN + 0.01)
    return Evidence.of({"ece": ece, "rows": 3.0 * len(dates), "dates": float(len(dates))}, dates, losses, direction)


NO_MOVES = {name: np.empty(0) for name in ("model", "frequencies", "volatility")}


def test_a_good_record_passes() -> None:
    verdict = Gate(RULES).judge(evidence())
    assert verdict.passed
    assert verdict.sentences[0] == "Passed: all 4 conditions hold on 300 out-of-sample dates (900 rows)."
    assert len(verdict.sentences) == 5


def test_skill_and_bound_are_shares_of_the_baseline() -> None:
    made = evidence()
    model = np.array(made.losses["model"])
    assert made.figures["skill_frequencies"] == pytest.approx(1 - model.mean() / 1.02)
    assert made.figures["skill_frequencies_lower"] == pytest.approx(stationary_bootstrap(1.02 - model) / 1.02)
    assert made.figures["skill_frequencies_lower"] < made.figures["skill_frequencies"]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (evidence(saved=0.0), "Skill over class frequencies: +0.0"),
        (evidence(over_table=0.0), "Skill over the volatility table"),
        (evidence(way=0.0), "Directional skill (UP against DOWN among rows that moved): "),
        (evidence(ece=0.031), "Calibration error: 3.10%; at most 3.00% needed, refused."),
    ],
)
def test_each_rule_refuses_alone(record: Evidence, words: str) -> None:
    verdict = Gate(RULES).judge(record)
    assert not verdict.passed
    assert verdict.sentences[0].startswith("Refused: 1 of 4 conditions fails")
    refused = [sentence for sentence in verdict.sentences[1:] if "refused" in sentence]
    assert len(refused) == 1
    assert words.split(":")[0] in refused[0]


def test_sentence_says_figure_bound_and_reason() -> None:
    sentence = Gate(RULES).judge(evidence(saved=-0.01)).sentences[1]
    figures = evidence(saved=-0.01).figures
    skill, lower = figures["skill_frequencies"], figures["skill_frequencies_lower"]
    assert sentence == (
        f"Skill over class frequencies: {100 * skill:+.2f}% of log loss, lower 5% bound {100 * lower:+.2f}%; "
        "above 0 needed, refused."
    )


@pytest.mark.parametrize(
    ("metric", "op", "bound", "value", "said"),
    [
        ("dates", ">=", 250, 1499.0, "Out-of-sample dates: 1,499; at least 250 needed, met."),
        ("dates", ">=", 1250, 104.0, "Out-of-sample dates: 104; at least 1,250 needed, refused."),
        ("ece", "<=", 0.03, 0.03, "Calibration error: 3.00%; at most 3.00% needed, met."),
        ("ece", "<=", 0.03, 0.03001, "Calibration error: 3.001%; at most 3.00% needed, refused."),
        ("rank_ic", ">", 0.01, 0.0512, "Daily rank correlation: 0.0512; above 0.01 needed, met."),
    ],
)
def test_sentences_read_well(metric: str, op: str, bound: float, value: float, said: str) -> None:
    rule = GateRule.model_validate({"metric": metric, "op": op, "bound": bound})
    record = Evidence({metric: value}, (), {}, {})
    assert Gate((rule,)).judge(record).sentences[1] == said


@pytest.mark.parametrize(
    ("lower", "said"),
    [
        (0.00004, "lower 5% bound +0.004%; above 0 needed, met."),
        (-0.000001, "lower 5% bound -0.0001%; above 0 needed, refused."),
        (0.0, "lower 5% bound 0; above 0 needed, refused."),
        (0.01234, "lower 5% bound +1.23%; above 0 needed, met."),
    ],
)
def test_a_figure_never_rounds_to_its_bound(lower: float, said: str) -> None:
    record = Evidence({"skill_direction": 0.02, "skill_direction_lower": lower}, (), {}, {})
    sentence = Gate(RULES[2:3]).judge(record).sentences[1]
    assert sentence == f"Directional skill (UP against DOWN among rows that moved): +2.00% of log loss, {said}"


def test_counts_in_the_summary_have_separators() -> None:
    record = Evidence({"dates": 1234.0, "rows": 56789.0}, (), {}, {})
    assert Gate(RULES).judge(record).sentences[0].endswith("on 1,234 out-of-sample dates (56,789 rows).")


def test_directional_skill_is_over_even_odds_where_they_are_the_harder() -> None:
    made = evidence()
    model = np.array(made.direction["model"])
    assert len(model) == 200
    assert made.figures["skill_direction"] == pytest.approx(1 - model.mean() / EVEN)
    assert made.figures["skill_direction_lower"] == pytest.approx(stationary_bootstrap(EVEN - model) / EVEN)


@pytest.mark.parametrize("strongest", ["frequencies", "volatility"])
def test_directional_skill_is_over_the_strongest_baseline(strongest: str) -> None:
    model = EVEN - 0.05 + 0.02 * np.random.default_rng(0).normal(size=300)
    direction: dict[str, F8] = {"model": model, "frequencies": np.full(300, 0.7), "volatility": np.full(300, 0.7)}
    direction[strongest] = np.full(300, 0.66)
    losses = {name: np.ones(300) for name in direction}
    figures = Evidence.of({}, DATES, losses, direction).figures
    assert figures["skill_direction"] == pytest.approx(1 - model.mean() / 0.66)
    assert figures["skill_direction_lower"] == pytest.approx(stationary_bootstrap(0.66 - model) / 0.66)


def test_errors_of_rounding_are_no_skill() -> None:
    direction = {"model": np.full(300, EVEN - 2e-16), "frequencies": np.ones(300), "volatility": np.ones(300)}
    figures = Evidence.of({}, DATES, direction, direction).figures
    assert figures["skill_direction_lower"] == 0.0
    assert direction["model"][0] < EVEN


def test_too_few_dates_with_a_move_are_refused_and_said() -> None:
    verdict = Gate(RULES).judge(evidence(dates=range(200)))
    assert verdict.sentences[3].endswith("not known; refused, because there are too few dates for a bound.")
    assert not any("refused" in sentence for sentence in (*verdict.sentences[1:3], verdict.sentences[4]))


def test_no_move_at_all_is_refused() -> None:
    verdict = Gate(RULES[2:3]).judge(evidence(dates=range(100)))
    assert not verdict.passed
    assert verdict.sentences[1].endswith("refused, because the figure could not be computed.")


def test_rule_may_name_its_own_baseline() -> None:
    rule = GateRule(metric="skill_frequencies", op=">", bound=0.0, versus="what everybody knows")
    assert "Skill over what everybody knows" in Gate((rule,)).judge(evidence()).sentences[1]


def test_no_judged_window_is_the_reason_for_every_figure_that_is_missing() -> None:
    verdict = Gate(RULES).judge(Evidence.of({"windows": 0.0}, range(0), NO_MOVES, NO_MOVES))
    assert not verdict.passed
    assert all("no window was judged" in sentence for sentence in verdict.sentences if "refused" in sentence)


def test_missing_volatility_is_refused_and_named() -> None:
    losses = {"model": np.ones(300), "frequencies": np.full(300, 1.1), "volatility": np.full(300, math.nan)}
    verdict = Gate(RULES).judge(Evidence.of({"ece": 0.0}, DATES, losses, losses))
    assert not verdict.passed
    assert "hist_vol_20" in verdict.sentences[2]


def test_too_few_dates_are_refused_and_said() -> None:
    verdict = Gate(RULES).judge(evidence(dates=range(104)))
    assert not verdict.passed
    assert "too few dates" in verdict.sentences[1]


def test_no_record_is_refused() -> None:
    verdict = Gate(RULES).judge(Evidence.of({"ece": math.nan}, (), NO_MOVES, NO_MOVES))
    assert not verdict.passed
    assert "refused, because the figure could not be computed" in verdict.sentences[4]


def test_unknown_figure_is_refused() -> None:
    verdict = Gate((GateRule(metric="sharpe", op=">", bound=0.0),)).judge(evidence())
    assert verdict.sentences[1] == "sharpe: not known; refused, because the figure could not be computed."


@pytest.mark.parametrize(("op", "passed"), [(">", False), (">=", True), ("<", False), ("<=", True)])
def test_bounds_are_strict_where_the_rule_is(op: str, passed: bool) -> None:
    rule = GateRule.model_validate({"metric": "ece", "op": op, "bound": 0.03})
    assert Gate((rule,)).judge(evidence(ece=0.03)).passed is passed


def test_gate_without_rules_is_refused() -> None:
    with pytest.raises(TrainingError, match="at least one rule"):
        Gate(())


def test_active_is_compared_on_shared_dates() -> None:
    active = evidence(dates=range(100, 400))
    verdict = Gate(RULES).judge(evidence(), active)
    mine, theirs = np.array(evidence().losses["model"])[100:], np.array(active.losses["model"])[:200]
    assert verdict.figures["skill_active"] == pytest.approx(1 - mine.mean() / theirs.mean())
    assert verdict.figures["skill_active_lower"] == pytest.approx(stationary_bootstrap(theirs - mine) / theirs.mean())
    skill, lower = verdict.figures["skill_active"], verdict.figures["skill_active_lower"]
    assert verdict.sentences[-1] == (
        f"Against the active version: skill {100 * skill:+.2f}% of log loss on 200 dates that neither was trained on; "
        f"lower 5% bound {100 * lower:+.2f}%."
    )
    assert verdict.passed


NOT_WORSE = GateRule(metric="skill_active", op=">=", bound=0.0, versus="the active version")


def against(loss: float, dates: range) -> Evidence:
    """Return an active version's record of one constant loss."""
    return Evidence({}, tuple(dates), {"model": (loss,) * len(dates)}, {}, source="as it would have been")


@pytest.mark.parametrize(("loss", "passed"), [(1.01, True), (0.99, False)])
def test_a_candidate_must_not_be_worse_than_the_active_version(loss: float, passed: bool) -> None:
    verdict = Gate((*RULES, NOT_WORSE)).judge(evidence(), against(loss, DATES))
    assert verdict.passed is passed
    assert verdict.sentences[0].endswith("conditions hold on 300 out-of-sample dates (900 rows).") is passed
    assert verdict.sentences[5].startswith("Skill over the active version: ")
    assert verdict.sentences[5].endswith("at least 0 needed, met." if passed else "at least 0 needed, refused.")
    assert "(as it would have been)" in verdict.sentences[6]


@pytest.mark.parametrize(("dates", "passed"), [(range(241, 400), True), (range(240, 400), False)])
def test_under_sixty_shared_sessions_nothing_is_said_and_nothing_blocked(dates: range, passed: bool) -> None:
    verdict = Gate((*RULES, NOT_WORSE)).judge(evidence(), against(0.5, dates))
    assert verdict.passed is passed
    assert math.isnan(verdict.figures["skill_active"]) is passed
    assert verdict.sentences[0].startswith("Passed: all 4" if passed else "Refused: 1 of 5")
    said = "not enough evidence, 59 dates that neither was trained on, 60 needed; this does not block."
    assert verdict.sentences[-1].endswith(said) is passed


def test_without_an_active_version_nothing_is_compared() -> None:
    verdict = Gate((*RULES, NOT_WORSE)).judge(evidence())
    assert verdict.passed
    assert not any("active version" in sentence for sentence in verdict.sentences)


def test_a_gate_with_nothing_to_judge_lets_nothing_through() -> None:
    rule = GateRule(metric="skill_active_lower", op=">", bound=0.0, versus="the active version")
    assert not Gate((rule,)).judge(evidence(), evidence()).passed
    verdict = Gate((rule,)).judge(evidence())
    assert not verdict.passed
    assert verdict.sentences == ("Refused: there is no condition to judge on 300 out-of-sample dates (900 rows).",)


def test_a_bound_needs_more_dates_than_a_comparison() -> None:
    verdict = Gate((*RULES, NOT_WORSE)).judge(evidence(), against(1.01, range(210, 400)))
    assert verdict.passed
    assert verdict.sentences[-1].endswith("on 90 dates that neither was trained on; too few for a bound.")


SELECTED = {
    "pbo": 0.43,
    "configurations": 24.0,
    "deflated_sharpe": 0.31,
    "sharpe_daily": 0.0512,
    "sharpe_by_luck": 0.0743,
}
COUNTED = {"trials_effective": 3.0, "attempts": 2.0, "trade_dates": 180.0}


def test_selection_is_reported_in_sentences() -> None:
    record = Evidence({"ece": 0.01, **SELECTED, **COUNTED}, (), {}, {})
    verdict = Gate(RULES[3:]).judge(record)
    assert verdict.passed
    assert verdict.sentences[2:] == (
        "Selection: of 24 configurations refitted in every window, the one that is best on one half of the dates does "
        "no better than the median on the other half in 43.00% of all splits (PBO; choosing among equals gives about "
        "50%).",
        "Deflated Sharpe ratio: 31.00% that the signals' Sharpe ratio after costs, 0.051 a date, is above the 0.074 "
        "that the best of 3 different configurations and 2 earlier attempts at this gate would have by luck.",
    )


def test_selection_can_be_a_rule() -> None:
    rule = GateRule(metric="pbo", op="<=", bound=0.4)
    assert not Gate((rule,)).judge(evidence()).passed
    verdict = Gate((rule,)).judge(Evidence({**SELECTED, **COUNTED}, (), {}, {}))
    assert verdict.sentences[1] == ("Probability of backtest overfitting: 43.00%; at most 40.00% needed, refused.")


def test_what_selection_could_not_find_is_said() -> None:
    nothing = {"pbo": math.nan, "deflated_sharpe": math.nan, "trade_dates": 12.0}
    said = Gate(RULES[3:]).judge(Evidence({"ece": 0.0, **SELECTED, **COUNTED, **nothing}, (), {}, {})).sentences
    assert said[2].endswith("too few dates to say how often the best of them is luck.")
    assert said[3].endswith("gave signals on too few dates (12).")


def test_windows_that_were_positive_are_reported() -> None:
    positive = {"frequencies": 9.0, "volatility": 7.0, "direction": 6.0}
    counted = {f"windows_positive_{name}": count for name, count in positive.items()}
    said = Gate(RULES[3:]).judge(Evidence({"ece": 0.0, "windows": 11.0, **counted}, (), {}, {})).sentences
    assert said[-1] == (
        "Reported, not judged: skill is above 0 over the class frequencies in 9 of 11 windows, over the volatility "
        "table in 7, in direction in 6; windows overlap."
    )


@pytest.mark.parametrize(
    ("sharpe", "says"),
    [(0.523, "0.52, 80 dates with a signal"), (math.nan, "undefined, 80 dates with a signal, 30 needed")],
)
def test_what_signals_earned_is_reported(sharpe: float, says: str) -> None:
    figures = {"ece": 0.0, "sharpe": sharpe, "trade_dates": 80.0}
    said = Gate(RULES[3:]).judge(Evidence(figures, (), {}, {})).sentences
    told = "Reported, not judged: Sharpe ratio a year of the signals, entered at the close they were decided on"
    assert said[-1] == f"{told}, after costs: {says}."


def test_evidence_and_verdict_go_through_json() -> None:
    losses = {"model": np.ones(2), "frequencies": np.ones(2), "volatility": np.full(2, math.nan)}
    made = Evidence.of({"ece": math.nan, "accuracy": 0.4}, (1, 2), losses, losses, 30)
    text = json.dumps(made.to_json(), allow_nan=False)
    assert json.dumps(Evidence.from_json(json.loads(text)).to_json(), allow_nan=False) == text
    assert math.isnan(Evidence.from_json(json.loads(text)).losses["volatility"][0])
    assert Evidence.from_json(json.loads(text)).direction["model"] == (1.0, 1.0)
    verdict = Gate(RULES).judge(made)
    body = json.dumps(verdict.to_json(), allow_nan=False)
    again = Verdict.from_json(json.loads(body))
    assert (again.passed, again.sentences) == (verdict.passed, verdict.sentences)
    assert math.isnan(again.figures["ece"])

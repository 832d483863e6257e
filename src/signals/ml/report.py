"""The training report: one HTML page that says what was trained, how it was judged, and what it is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from signals.ml.artifact import ModelBundle
from signals.ml.calibration.reliability import Bucket, reliability
from signals.ml.gate import Verdict
from signals.ml.windows import OutOfSample, WindowResult, newest
from strategy import html, svg
from strategy.html import Markup

__all__ = ["training_report"]

_SHOWN = 25
"""Features in the chart of importance."""

_SPLIT_KEYS = (("a", "training rows"), ("bad", "purged and embargoed"), ("c", "tested"), ("grey", "skipped"))


def training_report(bundle: ModelBundle, windows: Sequence[WindowResult], verdict: Verdict) -> str:
    """Return the page of a trained, judged model.

    Parameters
    ----------
    windows
        Of this run, with their out-of-sample rows: without them there is no reliability diagram.
    verdict
        The gate's, shown first.
    """
    manifest = bundle.manifest
    judged = [window for window in windows if not window["skipped"]]
    first, *rest = verdict.sentences
    parts = [
        html.cards(_headline(verdict)),
        html.section("The gate's verdict", html.paragraph(first), html.bullets([_marked(said) for said in rest])),
        html.section("What to keep in mind", html.bullets([(said, None) for said in _caveats(bundle)])),
    ]
    if windows:
        parts.append(_splits(windows))
    if judged:
        parts += [_skill(judged), _coverage(judged)]
        parts += _reliability(newest(windows), manifest.target.horizon)
    parts += [_importance(bundle), _table(windows), _origin(bundle)]
    until = f"{manifest.train.end:%Y-%m-%d}"
    subtitle = f"Recipe {manifest.recipe}, trained on bars until {until}, made {manifest.created_at:%Y-%m-%d %H:%M} UTC"
    return html.page(f"Model {manifest.version_id}", subtitle, *parts)


def _headline(verdict: Verdict) -> list[tuple[str, str]]:
    figures = verdict.figures
    shown = [
        ("Verdict", "passed" if verdict.passed else "refused"),
        ("Skill over class frequencies", _percent(figures.get("skill_frequencies"), sign=True)),
        ("Skill over volatility table", _percent(figures.get("skill_volatility"), sign=True)),
        ("Directional skill", _percent(figures.get("skill_direction"), sign=True)),
        ("Calibration error", _percent(figures.get("ece"))),
        ("Rows above threshold", _percent(figures.get("coverage"))),
    ]
    return [(name, value) for name, value in shown if value]


def _marked(sentence: str) -> tuple[str, bool | None]:
    refused = sentence.endswith(("refused.",)) or "; refused, because" in sentence
    return sentence, False if refused else True if sentence.endswith("met.") else None


def _caveats(bundle: ModelBundle) -> list[str]:
    data, figures = bundle.manifest.data, []
    figures.append(
        "The universe is the symbols whose bars were given. If they were chosen because they exist today, results are "
        "survivorship-biased: those that failed are missing."
    )
    if data.sectors == "current-only":
        figures.append(
            "Sectors come from a map of one day, used for all of the past: unless it was made before, what was known "
            "then may have been another sector."
        )
    if data.sectors == "none":
        figures.append("No sectors were given: features relative to a sector are empty.")
    if not data.references:
        figures.append("No market or volatility series was given: features that need one are empty.")
    figures.append(
        "Skill is the share of log loss saved. Daily returns hold very little of it; a large figure is a reason to "
        "look for a leak first."
    )
    return [*figures, *bundle.manifest.notes]


def _splits(windows: Sequence[WindowResult]) -> Markup:
    rows = [(f"window {number}", _spans(window)) for number, window in enumerate(windows, start=1)]
    rows = [(name, spans) for name, spans in rows if spans]
    if not rows:
        return html.section("Windows", html.paragraph("No window holds rows."))
    every = [span for _, spans in rows for span in spans]
    low, high = min(span.start for span in every), max(span.end for span in every)
    years = range(datetime.fromtimestamp(low, UTC).year, datetime.fromtimestamp(high, UTC).year + 2)
    ticks = [(datetime(year, 1, 1, tzinfo=UTC).timestamp(), str(year)) for year in years]
    note = "Each model is fitted on the blue rows and judged on the green ones, which it never saw; rows whose label "
    note += "reaches into the test, and the sessions just before it, are left out."
    return html.section(
        "How the windows are cut",
        svg.timeline(rows, ticks, label="training, gap and test of each walk-forward window", keys=_SPLIT_KEYS),
        note=note,
    )


def _spans(window: WindowResult) -> list[svg.Span]:
    start, end, begun, ended = (window[name] for name in ("start", "end", "train_start", "train_end"))
    spans = []
    if begun and ended:
        title = f"trained on {window['train_rows']:,} rows, {begun:%Y-%m-%d} to {ended:%Y-%m-%d}"
        spans.append(svg.Span(begun.timestamp(), ended.timestamp(), "a", title))
    if ended and start:
        title = f"{window['purged']:,} rows purged, {window['embargoed']:,} embargoed, {window['overlaps']} overlap"
        spans.append(svg.Span(ended.timestamp(), start.timestamp(), "bad", title))
    if start and end:
        title = f"tested on {window['rows']:,.0f} rows, {start:%Y-%m-%d} to {end:%Y-%m-%d}"
        spans.append(svg.Span(start.timestamp(), end.timestamp(), "grey" if window["skipped"] else "c", title))
    return spans


def _skill(windows: Sequence[WindowResult]) -> Markup:
    series = {
        "over class frequencies": [window["skill_frequencies"] for window in windows],
        "over the volatility table": [window["skill_volatility"] for window in windows],
        "UP against DOWN": [window["skill_direction"] for window in windows],
    }
    chart = svg.bars(_names(windows), series, label="skill by window", form="{:+.1%}".format)
    note = (
        "Share of log loss saved on the window's test rows. Volatility alone says how far prices move, not where to: "
    )
    note += "only the third bar is about direction."
    return html.section("Skill by window", chart, note=note)


def _coverage(windows: Sequence[WindowResult]) -> Markup:
    series = {"rows above the threshold": [window["coverage"] for window in windows]}
    chart = svg.bars(_names(windows), series, label="coverage by window", form="{:.2%}".format, height=180.0)
    threshold = windows[0]["confidence_threshold"]
    note = f"Share of test rows on which UP or DOWN is said with more than {threshold:g}: how often it would speak."
    return html.section("Coverage by window", chart, note=note)


def _reliability(record: OutOfSample, horizon: int) -> list[Markup]:
    found = reliability(record.raw, record.calibrated, record.y, record.timestamps, horizon=horizon)
    series = {
        "before calibration": [_point(bucket) for bucket in found.before.buckets],
        "after": [_point(bucket) for bucket in found.after.buckets],
    }
    rows = [
        [name, f"{b.low:.0%} to {b.high:.0%}", f"{b.stated:.1%}", f"{b.happened:.1%}", _interval(b), f"{b.dates:,}"]
        for name, curve in (("before", found.before), ("after", found.after))
        for b in curve.buckets
    ]
    note = (
        f"The most probable class on {found.rows:,} out-of-sample rows of {found.dates:,} dates. On the dashed line, "
    )
    note += "what is stated with 60% comes true in 60 of 100. Whiskers are 90% intervals over blocks of "
    note += f"{found.mean_block} dates. Calibration error {found.before.ece:.1%} before, {found.after.ece:.1%} after."
    heads = ["", "stated", "mean stated", "came true", "90% interval", "dates"]
    return [
        html.section(
            "Does confidence mean a probability?",
            svg.reliability(series, label="stated confidence against what came true"),
            html.table(heads, rows),
            note=note,
        )
    ]


def _point(bucket: Bucket) -> svg.Point:
    title = (
        f"stated {bucket.stated:.1%}, came true {bucket.happened:.1%}, {bucket.rows:,} rows of {bucket.dates:,} dates"
    )
    return svg.Point(bucket.stated, bucket.happened, bucket.lower, bucket.upper, title)


def _interval(bucket: Bucket) -> str:
    if bucket.lower is None or bucket.upper is None:
        return "too few dates"
    return f"{bucket.lower:.1%} to {bucket.upper:.1%}"


def _importance(bundle: ModelBundle) -> Markup:
    shares = bundle.estimator.importance()
    order = np.argsort(-shares, kind="stable")[:_SHOWN]
    order = order[shares[order] > 0]
    note = f"Share of the total gain of all splits, the first {len(order)} of {len(shares)} features. It says what the "
    note += "trees used, not what moves the market; features that resemble each other share what they are worth."
    names = [bundle.features[place] for place in order]
    chart = svg.ranked(names, shares[order].tolist(), label="importance of features", form="{:.1%}".format)
    return html.section("What the model looks at", chart, note=note)


def _table(windows: Sequence[WindowResult]) -> Markup:
    heads = [
        "tested from",
        "to",
        "rows",
        "log loss",
        "frequencies",
        "volatility",
        "accuracy",
        "rank IC",
        "ECE",
    ]
    rows = []
    for window in windows:
        span = [f"{window[name]:%Y-%m-%d}" if window[name] else "none" for name in ("start", "end")]
        if window["skipped"]:
            rows.append([*span, f"{window['rows']:,.0f}", f"skipped: {window['skipped']}", *[""] * 5])
            continue
        losses = [f"{window[name]:.4f}" for name in ("log_loss", "log_loss_frequencies", "log_loss_volatility")]
        rest = [f"{window['accuracy']:.1%}", f"{window['rank_ic']:+.3f}", f"{window['ece']:.1%}"]
        rows.append([*span, f"{window['rows']:,.0f}", *losses, *rest])
    return html.section(
        "Every window", html.table(heads, rows), note="Log loss in nats, lower is better; ECE is the calibration error."
    )


def _origin(bundle: ModelBundle) -> Markup:
    manifest = bundle.manifest
    target, data = manifest.target, manifest.data
    facts: list[tuple[str, Any]] = [
        ("version", manifest.version_id),
        ("recipe", f"{manifest.recipe} ({manifest.recipe_sha256[:12]})"),
        ("training rows", f"{manifest.train.start:%Y-%m-%d} to {manifest.train.end:%Y-%m-%d}"),
        ("last label known", f"{manifest.train.last_label_end:%Y-%m-%d}"),
        ("label", target.in_words()),
        *_chosen(bundle),
        ("symbols", f"{len(data.symbols)}: {', '.join(data.symbols[:8])}{' ...' if len(data.symbols) > 8 else ''}"),
        ("reference series", ", ".join(data.references) or "none"),
        ("prices adjusted for", data.adjusted),
        ("features", f"{len(manifest.features)}"),
        ("parameters", ", ".join(f"{name} {value}" for name, value in sorted(manifest.params.params.items()))),
        ("data fingerprint", data.fingerprint[:16]),
        ("model bytes", manifest.files["model.ubj"].sha256[:16] if "model.ubj" in manifest.files else "none"),
        ("libraries", ", ".join(f"{name} {value}" for name, value in sorted(manifest.libraries.items()))),
    ]
    return html.section("Where it comes from", html.table(["", ""], [[n, str(v)] for n, v in facts], long=1))


def _chosen(bundle: ModelBundle) -> list[tuple[str, str]]:
    """Return what the recipe says of weights, search and calibration, and what came of it."""
    recipe = bundle.manifest.recipe_spec
    weights, search = recipe.get("weights", {}), recipe.get("search")
    classes = "by class, all classes alike in sum" if weights.get("kind") == "balanced" else "all classes as they came"
    more = [" by uniqueness"] if weights.get("uniqueness") else []
    more += [f" half after {weights['half_life']:g} dates"] if weights.get("half_life") else []
    tried = "none: the parameters are the recipe's" if not search else f"{search['trials']} trials a window and fit"
    calibrator = bundle.calibrator
    chosen = calibrator.chosen if calibrator.method == calibrator.chosen else f"{calibrator.chosen}, chosen by log loss"
    return [
        ("weights", ",".join([classes, *more])),
        ("search", tried),
        ("calibration", chosen.replace("_", " ")),
    ]


def _names(windows: Sequence[WindowResult]) -> list[str]:
    return [f"{window['start']:%Y-%m}" for window in windows]


def _percent(value: float | None, *, sign: bool = False) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value:+.2%}" if sign else f"{value:.2%}"

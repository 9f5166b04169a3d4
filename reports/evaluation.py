"""The page that says how good the model is: one self-contained HTML file that loads nothing and runs nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from reports import numbers, pages

TITLES = {
    "wafa": "Wafa",
    "mbg_nbd": "MBG/NBD",
    "logistic_rfm": "Logistic RFM",
    "recency": "Recency rule",
    "wafa_orders_only": "Wafa, orders only",
    "wafa_undrifted": "Wafa, drift not answered",
}
"""Every model that may be told of, in the order to tell."""
IN_WORDS = TITLES | {"logistic_rfm": "logistic RFM", "recency": "the recency rule"}
"""The same within a sentence."""
RUNGS = {
    "lightgbm": "boosted trees",
    "blend": "boosted trees and buy-till-you-die",
    "buy_till_you_die": "buy-till-you-die",
    "logistic_rfm": "logistic RFM",
    "rule": "recency rule",
}
COMPARED = (
    ("auroc", "AUROC"),
    ("ap_returners", "AP, returners"),
    ("brier", "Brier"),
    ("log_loss", "Log-loss"),
    ("ece", "ECE"),
    ("capture_at_10", "Leavers in the top tenth"),
    ("expected_profit", "Profit"),
)
SUSPICIOUS = 0.95
"""An AUROC above it is rarely true of people who may come and go as they like."""
TOO_FAR_OFF = 0.05
"""Calibration error from which a probability is no longer to be believed."""
OFF_LEVEL = 0.03
"""Points by which the level of a slice may differ from that of everybody before it is told."""


@dataclass(frozen=True)
class EvaluationPage:
    """Everything the page is made of; the same values give the same bytes.

    ``metrics`` are those of the evaluation, ``horizon`` what the advice on the horizon says (None: not asked),
    ``misses`` one entry per customer the model was surest of and wrong. ``pictures`` are SVG texts and PNG bytes by
    file name. Amounts are minor units of ``currency``, which has ``minor_digits`` decimals. ``leading`` says what the
    columns are called that move the scores, the most important first.
    """

    shop_name: str
    currency: str
    minor_digits: int
    draws: int
    metrics: Mapping[str, Any]
    horizon: Mapping[str, Any] | None
    misses: Sequence[Mapping[str, Any]]
    pictures: Mapping[str, str | bytes]
    leading: Sequence[str] = ()


def baselines(metrics: Mapping[str, Any]) -> list[str]:
    """The models in ``metrics`` that are not ours."""
    return [name for name in TITLES if name in metrics["mean"] and not name.startswith("wafa")]


def plain(value: float | None, shape: str) -> str:
    """``value`` in the format ``shape``; a figure that one class alone does not define is said to be so."""
    return "not defined" if value is None else format(value, shape).replace("-", "−")


def with_interval(told: Mapping[str, Any], shape: str = ".3f", factor: float = 1.0) -> str:
    """The value with its interval in brackets."""
    value, low, high = (None if told.get(k) is None else factor * told[k] for k in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return plain(value, shape)
    return f"{plain(value, shape)} [{plain(low, shape)}, {plain(high, shape)}]"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _by_verdict(metrics: Mapping[str, Any], metric: str) -> dict[str, list[str]]:
    """Titles of the baselines by what the paired interval of ``metric`` says of Wafa against them."""
    found: dict[str, list[str]] = {}
    for name in baselines(metrics):
        pair = metrics["paired"].get(f"wafa - {name}")
        said = pair[metric]["verdict"] if pair else None
        found.setdefault(said or "not defined", []).append(IN_WORDS[name])
    return found


def _against(found: Mapping[str, Sequence[str]]) -> str:
    """``better than A and B; level with C``."""
    words = {"better": "better than", "level": "level with", "worse": "worse than"}
    parts = [f"{words[said]} {_listed(found[said])}" for said in words if found.get(said)]
    if found.get("not defined"):
        parts.append(f"not to be told against {_listed(found['not defined'])}")
    return "; ".join(parts)


def headline(metrics: Mapping[str, Any]) -> str:
    """The verdict in a sentence or two: never better than what the paired intervals carry."""
    said = _comparison(metrics)
    error = metrics["mean"]["wafa"]["ece"]
    if error is not None and error > TOO_FAR_OFF:
        said += f" Its probabilities cannot be taken at their word (ECE {error:.3f})."
    return said


def _comparison(metrics: Mapping[str, Any]) -> str:
    ranking, probability = _by_verdict(metrics, "auroc"), _by_verdict(metrics, "brier")
    if not baselines(metrics):
        return "There is no baseline to compare with, so these figures say little."
    if set(ranking) == {"not defined"}:
        return "On these tests the models cannot be judged: where all customers did the same there is nothing to rank."
    worse = [
        f"worse than {_listed(found['worse'])} at {what}"
        for found, what in ((ranking, "ranking customers"), (probability, "giving probabilities"))
        if found.get("worse")
    ]
    if worse:
        return f"Wafa is {' and '.join(worse)}. Use what is better, or find out why."
    if set(ranking) == set(probability) == {"better"}:
        return "Wafa is better than every baseline, at ranking customers and at giving probabilities."
    level = [name for name in ranking.get("level", []) if name in probability.get("level", [])]
    if level:
        return f"Wafa and {_listed(level)} cannot be told apart on these tests: the simpler one would do."
    return "Wafa is nowhere worse than a baseline, but not better at everything."


def findings(metrics: Mapping[str, Any]) -> list[str]:
    """What a reader should know first, each in a sentence or two."""
    origins, mean = metrics["origins"], metrics["mean_interval"]["wafa"]
    tests = f"mean over {len(origins)} test origins" if len(origins) > 1 else "one test origin"
    told = [
        f"Ranking: {_against(_by_verdict(metrics, 'auroc'))}. AUROC {with_interval(mean['auroc'])}, {tests}.",
        f"Probabilities: {_against(_by_verdict(metrics, 'brier'))}. Brier score {with_interval(mean['brier'])}.",
        _level(origins, mean),
    ]
    told += _drift(metrics)
    told += [
        f"At {origin['origin']} it ranked worse than {IN_WORDS[name]} ({with_interval(pair['auroc'], '+.3f')})."
        for origin in origins
        for name in baselines(metrics)
        if (pair := origin["paired"].get(f"wafa - {name}")) and pair["auroc"]["verdict"] == "worse"
    ]
    told += _slices(metrics.get("slices", []), mean["bias"]["value"] or 0.0)
    told += _rungs(origins)
    if mean["auroc"]["value"] is not None and mean["auroc"]["value"] > SUSPICIOUS:
        told.append("An AUROC this high is suspicious: look for a column that knows the future (wafa check --leaks).")
    return told


def _level(origins: Sequence[Mapping[str, Any]], mean: Mapping[str, Any]) -> str:
    """How far the mean prediction was from what happened."""
    off = max(origins, key=lambda origin: abs(origin["models"]["wafa"]["bias"]["value"] or 0))
    bias = off["models"]["wafa"]["bias"]["value"] or 0.0
    return (
        f"Calibration: ECE {with_interval(mean['ece'])}. Its level was furthest off at {off['origin']}: "
        f"{100 * off['models']['wafa']['mean_prediction']:.1f} % predicted, {100 * off['base_rate']:.1f} % left "
        f"({plain(100 * bias, '+.1f')} points)."
    )


def _drift(metrics: Mapping[str, Any]) -> list[str]:
    pair = metrics["paired"].get("wafa - wafa_undrifted")
    if not pair or pair["ece"]["value"] is None:
        return []
    said = {
        "better": "helped",
        "worse": "did harm",
        "level": "made no difference that can be told from chance",
    }[pair["ece"]["verdict"] or "level"]
    without = metrics["mean_interval"]["wafa_undrifted"]["ece"]
    return [f"The answer to the drift of the base rate {said}: without it ECE is {with_interval(without)}."]


def _slices(slices: Sequence[Mapping[str, Any]], level: float) -> list[str]:
    """Where a baseline ranks better, and where the level is off more than it is for everybody."""
    told = []
    worse = [entry for entry in slices if entry.get("auroc_gap", {}).get("verdict") == "worse"]
    if worse:
        names = _listed([f"“{entry['kind']}: {entry['slice']}”" for entry in worse])
        told.append(f"Among {names} the best baseline ranks better.")
    odd = [
        entry
        for entry in slices
        if (bias := entry.get("bias"))
        and bias["low"] is not None
        and not bias["low"] <= level <= bias["high"]
        and abs(bias["value"] - level) > OFF_LEVEL
    ]
    if odd:
        worst = sorted(odd, key=lambda entry: -abs(entry["bias"]["value"] - level))[:3]
        parts = [f"“{e['kind']}: {e['slice']}” {plain(100 * e['bias']['value'], '+.1f')} points" for e in worst]
        told.append(
            f"Predicted minus real differs by group: {', '.join(parts)}; everybody {plain(100 * level, '+.1f')}."
        )
    return told


def _rungs(origins: Sequence[Mapping[str, Any]]) -> list[str]:
    used = {origin["rung"] for origin in origins if origin.get("rung")}
    if not used - {"lightgbm", "blend"}:
        return []
    by_rung = {rung: [o["origin"] for o in origins if o.get("rung") == rung] for rung in sorted(used)}
    parts = [f"{RUNGS.get(rung, rung)} at {_listed(where)}" for rung, where in by_rung.items()]
    return [f"What the data could carry differed: {'; '.join(parts)}."]


def picture(pictures: Mapping[str, str | bytes], name: str, alt: str, css: str = "") -> Markup:
    """The picture ``name`` within the page, or nothing where it was not drawn."""
    if name not in pictures:
        return Markup()
    held = pictures[name]
    kind, content = ("image/png", held) if isinstance(held, bytes) else ("image/svg+xml", held.encode("utf-8"))
    data = base64.b64encode(content).decode("ascii")
    return Markup(f'<img class="{css}" alt="{escape(alt)}" src="data:{kind};base64,{data}">')


SHOWN_BEFORE = 365
_TALL = ("orders", "returned")


def timelines(miss: Mapping[str, Any], gap: int, end: int, after: int) -> list[tuple[str, Markup]]:
    """A line per kind of event: its name, and a drawing that is as wide as the place it gets.

    One unit is one day, from a year before the cutoff to ``after`` days after it; the label window is shaded.
    """
    width = SHOWN_BEFORE + after
    lines = []
    for lane, days in miss["lanes"].items():
        if not days:
            continue
        height, y = (14, 1) if lane in _TALL else (8, 4)
        marks = "".join(
            f'<rect x="{SHOWN_BEFORE + day}" y="{y}" width="{2.4 if lane in _TALL else 1.4}" height="{height}"/>'
            for day in days
        )
        css = "lane-" + lane.replace(" ", "-").replace("'", "")
        known = {"lane-orders", "lane-returned", "lane-visits", "lane-e-mails", "lane-clicks", "lane-tickets"}
        drawing = (
            f'<svg class="lane" viewBox="0 0 {width} 16" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect class="window" x="{SHOWN_BEFORE + gap}" y="0" width="{end - gap}" height="16"/>'
            f'<rect class="cut" x="{SHOWN_BEFORE - 0.5}" y="0" width="1.4" height="16"/>'
            f'<g class="{css if css in known else "lane-own"}">{marks}</g></svg>'
        )
        lines.append((lane, Markup(drawing)))
    return lines


def _capture(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Per length of the list what it holds of the leavers, beside the most it could hold and the baselines."""
    mean, origins = metrics["mean_interval"], metrics["origins"]
    rows = []
    for percent in (5, 10, 20, 30):
        best = [origin["max_capture"][str(percent)] for origin in origins]
        known = [value for value in best if value is not None]
        rows.append(
            {
                "percent": percent,
                "wafa": {what: mean["wafa"][f"{what}_at_{percent}"] for what in ("capture", "lift", "reached")},
                "best": sum(known) / len(known) if known else None,
                "others": {name: mean[name][f"capture_at_{percent}"] for name in baselines(metrics)},
            }
        )
    return rows


def render_evaluation(page: EvaluationPage) -> str:
    """The whole page as HTML text."""
    m = page.metrics
    style, style_hash = pages.style("marketing.css", "evaluation.css")
    gap, horizon = m["population"]["gap_days"], m["population"]["horizon_days"]
    after = gap + horizon + 45

    def money(minor: float | None) -> str:
        return "not defined" if minor is None else numbers.money(minor, page.currency, page.minor_digits)

    return (
        pages.environment()
        .get_template("evaluation.html.j2")
        .render(
            page=page,
            m=m,
            models=[name for name in TITLES if name in m["mean"]],
            baselines=baselines(m),
            titles=TITLES,
            rungs=RUNGS,
            compared=[(name, title) for name, title in COMPARED if name in m["mean"]["wafa"]],
            headline=headline(m),
            findings=findings(m),
            capture=_capture(m),
            plain=plain,
            with_interval=with_interval,
            money=money,
            count=numbers.count,
            date=numbers.date,
            picture=lambda name, alt, css="": picture(page.pictures, name, alt, css),
            timelines=lambda miss: timelines(miss, gap, gap + horizon, after),
            after=after,
            style=style,
            style_hash=style_hash,
        )
    )

"""Pictures of an evaluation: SVG where lines are drawn, PNG where thousands of dots are. Equal figures, equal bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

INK, SOFT, GRID, DEEP = "#1c2733", "#52606d", "#e3dccf", "#0d3b40"
COLOURS = {
    "wafa": "#0f5e66",
    "mbg_nbd": "#d9932b",
    "logistic_rfm": "#a61e3f",
    "recency": "#8a7a5c",
    "wafa_orders_only": "#57a7b3",
    "wafa_undrifted": "#7d8f9b",
}
ORIGIN_COLOURS = ("#c9d8d8", "#93b9bb", "#4f9096", "#0f5e66", "#082f33")
WIDE, HIGH, BROAD = 4.6, 3.5, 9.0
"""Inches: of a picture that stands beside another, and of one that has the page for itself."""
RANKING = ("wafa", "mbg_nbd", "logistic_rfm", "recency", "wafa_orders_only")
"""The models that rank differently; whether drift is answered moves all customers alike."""
TOP_COLUMNS = 12
DEPENDENCE = 6
DOTS = 1_500
"""Customers of a picture of SHAP values."""

_STYLE = {
    "svg.hashsalt": "wafa",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
}


@contextmanager
def _figure(drawn: dict[str, str | bytes], name: str, wide: float = WIDE, high: float = HIGH) -> Iterator[Any]:
    """Axes of a new picture, which is in ``drawn`` under ``name`` when the block ends."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with matplotlib.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(wide, high))
        try:
            yield axes
            figure.tight_layout()
            drawn[name] = _bytes(figure, name)
        finally:
            pyplot.close(figure)


def _bytes(figure: Any, name: str) -> str | bytes:
    buffer = io.BytesIO()
    if name.endswith(".png"):
        figure.savefig(buffer, format="png", dpi=115, metadata={"Software": None}, pil_kwargs={"optimize": True})
        return buffer.getvalue()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue().decode("utf-8")


def _percent(axis: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _whisker(axes: Any, at: float, told: Mapping[str, float | None], colour: str, upright: bool = True) -> None:
    """A dot at the value of ``told`` with its interval as a line."""
    if told["value"] is None or told["low"] is None or told["high"] is None:
        return
    span, place = [told["low"], told["high"]], [at, at]
    axes.plot(*((place, span) if upright else (span, place)), color=colour, linewidth=2.4, alpha=0.55)
    axes.plot(*((at, told["value"]) if upright else (told["value"], at)), "o", color=colour, markersize=5)


def rankings(curves: Mapping[str, Mapping[str, Sequence[float]]], titles: Mapping[str, str]) -> dict[str, str | bytes]:
    """ROC, precision and recall of returners, and gain, one line per model.

    Args:
        curves: Model name to shares of the rows, leavers and returners down its ranking.
        titles: Model name to what it is called.
    """
    drawn: dict[str, str | bytes] = {}
    lines = {name: {k: np.array(v) for k, v in line.items()} for name, line in curves.items() if name in RANKING}

    def line(axes: Any, name: str, x: Any, y: Any) -> None:
        weight = 2.4 if name == "wafa" else 1.5
        axes.plot(x, y, color=COLOURS.get(name, SOFT), label=titles[name], linewidth=weight)

    base = _base_rate(next(iter(lines.values()))) if lines else None
    if base is None:
        return drawn
    with _figure(drawn, "roc.svg") as axes:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
        for name, found in lines.items():
            line(axes, name, found["returners"], found["leavers"])
        axes.set(xlabel="share of those who stayed, listed by mistake", ylabel="share of leavers found")
        _percent(axes.xaxis)
        _percent(axes.yaxis)
        axes.legend(loc="lower right")
    with _figure(drawn, "precision_recall.svg") as axes:
        axes.axhline(1 - base, color=SOFT, linewidth=1, linestyle="--")
        for name, found in lines.items():
            left = 1 - found["rows"][:-1]
            kept = 1 - found["returners"][:-1]
            line(axes, name, kept, kept * (1 - base) / left)
        axes.set(xlabel="share of returners found, surest first", ylabel="of those, returned", ylim=(0, 1.02))
        _percent(axes.xaxis)
        _percent(axes.yaxis)
        axes.legend(loc="lower left")
    with _figure(drawn, "gain.svg") as axes:
        axes.plot([0, base, 1], [0, 1, 1], color=INK, linewidth=1, linestyle=":", label="perfect ranking")
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--", label="drawn blindly")
        for name, found in lines.items():
            line(axes, name, found["rows"], found["leavers"])
        axes.set(xlabel="share of the customers on the list, riskiest first", ylabel="share of leavers on it")
        _percent(axes.xaxis)
        _percent(axes.yaxis)
        axes.legend(loc="lower right")
    return drawn


def _base_rate(line: Mapping[str, Any]) -> float | None:
    """Share of leavers, from how the three shares go together; None where only one class was seen."""
    rows, leavers, returners = line["rows"], line["leavers"], line["returners"]
    apart = int(np.argmax(np.abs(leavers - returners)))
    if leavers[-1] == 0 or returners[-1] == 0 or leavers[apart] == returners[apart]:
        return None
    return float((rows[apart] - returners[apart]) / (leavers[apart] - returners[apart]))


def by_origin(origins: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> dict[str, str | bytes]:
    """AUROC by origin and model, mean prediction beside the base rate, and the reliability of our model."""
    drawn: dict[str, str | bytes] = {}
    names = [origin["origin"] for origin in origins]
    models = [name for name in titles if name in RANKING and any(name in origin["models"] for origin in origins)]
    with _figure(drawn, "auroc_by_origin.svg") as axes:
        for place, name in enumerate(models):
            shift = (place - (len(models) - 1) / 2) * 0.12
            for x, origin in enumerate(origins):
                if name in origin["models"]:
                    _whisker(axes, x + shift, origin["models"][name]["auroc"], COLOURS.get(name, SOFT))
            axes.plot([], [], "o", color=COLOURS.get(name, SOFT), label=titles[name])
        axes.set(ylabel="AUROC", xticks=range(len(names)), xticklabels=names, xlim=(-0.6, len(names) - 0.4))
        axes.tick_params(axis="x", labelsize=8.5)
        axes.grid(visible=False, axis="x")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    with _figure(drawn, "level_by_origin.svg") as axes:
        for x, origin in enumerate(origins):
            if origin["base_rate_interval"] is not None:
                _whisker(axes, x - 0.08, origin["base_rate_interval"], INK)
            for name, shift in (("wafa", 0.08), ("wafa_undrifted", 0.2)):
                if name in origin["models"]:
                    axes.plot(x + shift, origin["models"][name]["mean_prediction"], "D", color=COLOURS[name])
        axes.plot([], [], "o", color=INK, label="really left")
        axes.plot([], [], "D", color=COLOURS["wafa"], label="predicted on average")
        if any("wafa_undrifted" in origin["models"] for origin in origins):
            axes.plot([], [], "D", color=COLOURS["wafa_undrifted"], label="… without the answer to drift")
        axes.set(ylabel="share that left", xticks=range(len(names)), xticklabels=names, xlim=(-0.6, len(names) - 0.4))
        axes.tick_params(axis="x", labelsize=8.5)
        axes.grid(visible=False, axis="x")
        _percent(axes.yaxis)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    with _figure(drawn, "calibration.svg") as axes:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
        shades = ORIGIN_COLOURS[-len(origins) :] if len(origins) <= len(ORIGIN_COLOURS) else ORIGIN_COLOURS[-1:]
        for place, origin in enumerate(origins):
            colour = shades[place % len(shades)]
            bins = origin["models"].get("wafa", {}).get("reliability", [])
            for bin_ in bins:
                _whisker(axes, bin_["predicted"], bin_ | {"value": bin_["observed"]}, colour)
            axes.plot([b["predicted"] for b in bins], [b["observed"] for b in bins], color=colour, linewidth=1)
            axes.plot([], [], "o-", color=colour, label=origin["origin"])
        axes.set(xlabel="predicted churn probability", ylabel="share that left", xlim=(0, 1), ylim=(0, 1))
        _percent(axes.xaxis)
        _percent(axes.yaxis)
        axes.legend(loc="upper left", title="test origin")
    return drawn


def base_rates(cutoffs: Sequence[Mapping[str, Any]]) -> dict[str, str | bytes]:
    """The share that left at each cutoff: those that only trained, and those that tested."""
    drawn: dict[str, str | bytes] = {}
    rates = [cutoff["base_rate"] for cutoff in cutoffs]
    with _figure(drawn, "base_rate.svg", BROAD, 2.7) as axes:
        axes.plot(range(len(rates)), rates, color=COLOURS["wafa_orders_only"], linewidth=1.4)
        for role, colour, label in (("train", COLOURS["wafa_orders_only"], "trains only"), ("test", DEEP, "tests too")):
            here = [n for n, cutoff in enumerate(cutoffs) if cutoff["role"] == role]
            axes.plot(here, [rates[n] for n in here], "o", color=colour, markersize=6, label=label)
        step = max(1, len(rates) // 8)
        axes.set(ylabel="share that left", xticks=range(0, len(rates), step))
        axes.set_xticklabels([cutoff["cutoff"] for cutoff in cutoffs][::step])
        middle, half = (max(rates) + min(rates)) / 2, max(max(rates) - min(rates), 0.1)
        axes.set_ylim(max(0, middle - half), min(1, middle + half))
        _percent(axes.yaxis)
        axes.legend(loc="lower right", ncols=2)
    return drawn


def by_slice(slices: Sequence[Mapping[str, Any]]) -> dict[str, str | bytes]:
    """AUROC of each slice, and its mean prediction beside what happened."""
    drawn: dict[str, str | bytes] = {}
    told = [entry for entry in slices if "auroc" in entry]
    if not told:
        return drawn
    names = [f"{entry['kind']}: {entry['slice']}" for entry in told]
    high = 0.9 + 0.26 * len(told)
    for name in ("auroc_by_slice.svg", "level_by_slice.svg"):
        with _figure(drawn, name, WIDE, high) as axes:
            for place, entry in enumerate(told):
                if name == "auroc_by_slice.svg":
                    _whisker(axes, place, entry["auroc"], COLOURS["wafa"], upright=False)
                else:
                    _whisker(axes, place, entry["base_rate"], INK, upright=False)
                    axes.plot(entry["mean_prediction"]["value"], place, "D", color=COLOURS["wafa"], markersize=5)
            axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))
            axes.grid(visible=False, axis="y")
            for place in range(1, len(told)):
                if told[place]["kind"] != told[place - 1]["kind"]:
                    axes.axhline(place - 0.5, color=GRID, linewidth=1)
            if name == "auroc_by_slice.svg":
                axes.set(xlabel="AUROC")
            else:
                axes.plot([], [], "o", color=INK, label="really left")
                axes.plot([], [], "D", color=COLOURS["wafa"], label="predicted")
                axes.legend(loc="upper center", bbox_to_anchor=(0.3, 1.0 + 0.5 / high), ncols=2)
                _percent(axes.xaxis)
    return drawn


def leading(contributions: pd.DataFrame) -> list[str]:
    """The columns that move any score, the one that moves them most first."""
    weight = contributions.drop(columns="base").abs().mean().sort_values(ascending=False, kind="stable")
    return [str(name) for name in weight.index if weight[name] > 0]


def drivers(
    contributions: pd.DataFrame, matrix: pd.DataFrame, labels: Mapping[str, str], seed: int
) -> dict[str, str | bytes]:
    """What moves the scores: mean |SHAP| per column, and the SHAP values of single customers.

    Args:
        contributions: SHAP values in log-odds, one column per feature and ``base``, one row per customer.
        matrix: The features of the same customers.
        labels: Column name to what it is called.
        seed: Of the jitter of the dots.
    """
    drawn: dict[str, str | bytes] = {}
    values = contributions.drop(columns="base")
    weight = values.abs().mean().sort_values(ascending=False, kind="stable")
    top = weight.head(20)[::-1]
    with _figure(drawn, "drivers.svg", BROAD, 0.9 + 0.27 * len(top)) as axes:
        axes.barh([labels.get(str(name), str(name)) for name in top.index], top.to_numpy(), color=COLOURS["wafa"])
        axes.set(xlabel="mean |SHAP| in log-odds, final model")
        axes.grid(visible=False, axis="y")
        for place, (name, width) in enumerate(top.items()):
            beside = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(str(name), (float(width), place), **beside, color=SOFT, fontsize=7.5)
        axes.margins(x=0.25)
    chosen = leading(contributions)
    if len(chosen) > 1:
        drawn |= _swarm(values, matrix, labels, chosen[:TOP_COLUMNS], seed)
    for place, name in enumerate(chosen[:DEPENDENCE], start=1):  # leading() names them to the page in this order
        drawn |= _dependence(values[name], matrix[name], labels.get(name, name), f"dependence_{place}.png", seed)
    return drawn


@contextmanager
def _random(seed: int) -> Iterator[None]:
    """SHAP shuffles and jitters its dots with NumPy's global generator, which is put back afterwards."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def _swarm(
    values: pd.DataFrame, matrix: pd.DataFrame, labels: Mapping[str, str], names: list[str], seed: int
) -> dict[str, str | bytes]:
    import shap

    drawn: dict[str, str | bytes] = {}
    told = shap.Explanation(
        values[names].to_numpy(dtype="float64"),
        data=matrix[names].to_numpy(dtype="float64"),
        feature_names=[labels.get(name, name) for name in names],
    )
    with _figure(drawn, "beeswarm.png", BROAD, 0.9 + 0.42 * len(names)) as axes:
        with _random(seed):
            shap.plots.beeswarm(told, max_display=len(names), ax=axes, plot_size=None, show=False)
        axes.set_xlabel("SHAP value: what it adds to the log-odds of leaving", fontsize=10)
        axes.tick_params(labelsize=10)
    return drawn


def _dependence(values: Any, feature: Any, label: str, file: str, seed: int) -> dict[str, str | bytes]:
    import shap

    drawn: dict[str, str | bytes] = {}
    known = feature.notna()
    told = shap.Explanation(
        values[known].to_numpy(dtype="float64"), data=feature[known].to_numpy(dtype="float64"), feature_names=label
    )
    with _figure(drawn, file) as axes, _random(seed):
        shap.plots.scatter(told, ax=axes, show=False, color=COLOURS["wafa"], alpha=0.35, dot_size=9, hist=True)
        axes.set(xlabel="value of the column", ylabel="SHAP value, log-odds")
    return drawn

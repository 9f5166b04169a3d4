"""The page and the card that a data scientist reads: every metric with population, base rate and interval."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment

from pipeline.explain_scores import catalogue, families
from pipeline.settings import Settings

TITLES = {
    "wafa": "Wafa",
    "wafa_orders_only": "Wafa, orders only",
    "wafa_undrifted": "Wafa, drift not answered",
    "wafa_reseeded": "Wafa, another seed",
    "mbg_nbd": "MBG/NBD",
    "logistic_rfm": "Logistic RFM",
    "recency": "Recency rule",
}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Evaluation · {{ shop }}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:16px/1.5 system-ui,sans-serif;color:#1c2430;max-width:1240px;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:.2rem}h2{margin-top:2.2rem}table{border-collapse:collapse;width:100%;margin:.6rem 0 1.4rem}
th,td{padding:.35rem .6rem;border-bottom:1px solid #d8dee6;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}.note{color:#4a5666}.wide{overflow-x:auto}
svg{max-width:100%;height:auto}td.best{font-weight:700}
</style></head><body>
<h1>Evaluation · {{ shop }}</h1>
<p class="note">Population: {{ m.population.eligibility }}. Churned: {{ m.population.label }}.
Every model was fitted only on labels complete before its test origin. Brackets: 95 % intervals from
{{ draws }} draws of customers.{% if m.is_simulated %} <strong>Figures from a simulated shop.</strong>{% endif %}</p>
{% for o in m.origins %}
<h2>Origin {{ o.origin }}</h2>
<p class="note">{{ "{:,}".format(o.rows) }} customers · base rate {{ "%.1f"|format(100*o.base_rate) }} % churned ·
largest possible lift {{ plain(o.max_lift, ".2f") }}</p>
<div class="wide"><table><tr><th>Model</th><th>AUROC</th><th>Brier</th><th>Log-loss</th><th>ECE</th>
<th>Mean prediction</th><th>Lift, top tenth</th></tr>
{% for name, v in o.models.items() %}<tr><td>{{ titles[name] }}</td>
{% for metric in ("auroc","brier","log_loss","ece") %}<td>{{ number(v[metric]) }}</td>{% endfor %}
<td>{{ "%.1f"|format(100*v.mean_prediction) }} %</td><td>{{ plain(v.lift_top_decile, ".2f") }}</td></tr>
{% endfor %}</table></div>{% endfor %}
<h2>Differences, same customers</h2>
<p class="note">Mean over origins; above zero is better for AUROC, below zero for the others.</p>
<div class="wide"><table><tr><th>Pair</th><th>AUROC</th><th>Brier</th><th>Log-loss</th>
<th>ECE</th></tr>
{% for pair, v in m.paired.items() %}<tr><td>{{ pair_title(pair) }}</td>
{% for metric in ("auroc","brier","log_loss","ece") %}<td>{{ number(v[metric], True) }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
<h2>Calibration and drivers</h2>
{% for svg in pictures %}{{ svg }}{% endfor %}
</body></html>
"""


def plain(value: float | None, shape: str) -> str:
    """``value`` in the format ``shape``; a figure that one class alone does not define is said to be so."""
    return "not defined" if value is None else format(value, shape)


def _number(value: Mapping[str, float | None], signed: bool = False) -> str:
    if value["value"] is None:
        return "not defined"
    shape = "+.3f" if signed else ".3f"
    if value["low"] is None or value["high"] is None:
        return format(value["value"], shape)
    return f"{value['value']:{shape}} [{value['low']:{shape}}, {value['high']:{shape}}]"


def _pair_title(pair: str) -> str:
    left, right = pair.split(" - ")
    return f"{TITLES[left]} − {TITLES[right]}"


def page(s: Settings, metrics: dict[str, Any], pictures: Mapping[str, str]) -> str:
    """One self-contained HTML page."""
    from markupsafe import Markup

    template = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    return template.render(
        shop=s.shop.name,
        m=metrics,
        titles=TITLES,
        number=_number,
        plain=plain,
        pair_title=_pair_title,
        draws=s.model.bootstrap_draws,
        # Our own drawings, free of any text a shop could have written.
        pictures=[Markup(svg[svg.index("<svg") :]) for svg in pictures.values()],
    )


def plots(metrics: dict[str, Any], importance: Mapping[str, float]) -> dict[str, str]:
    """SVG drawings by file name; equal figures give equal bytes."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.hashsalt": "wafa", "svg.fonttype": "none", "font.size": 10})

    figure, axes = pyplot.subplots(figsize=(5.2, 4.2))
    axes.plot([0, 1], [0, 1], color="#9aa5b1", linewidth=1, linestyle="--")
    for origin in metrics["origins"]:
        bins = origin["models"]["wafa"]["reliability"]
        axes.plot([b["predicted"] for b in bins], [b["observed"] for b in bins], marker="o", label=origin["origin"])
    axes.set(xlabel="predicted churn probability", ylabel="share that churned", xlim=(0, 1), ylim=(0, 1))
    axes.legend(title="test origin", frameon=False)
    drawn = {"calibration.svg": _svg(figure)}

    top = list(importance.items())[:20][::-1]
    figure, axes = pyplot.subplots(figsize=(7.5, 5.6))
    axes.barh([name for name, _ in top], [weight for _, weight in top], color="#2a6f97")
    axes.set(xlabel="mean |SHAP| in log-odds, final model")
    drawn["drivers.svg"] = _svg(figure)
    return drawn


def _svg(figure: Any) -> str:
    from matplotlib import pyplot

    figure.tight_layout()
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return buffer.getvalue()


def model_card(s: Settings, metrics: dict[str, Any], final: dict[str, Any], columns: Sequence[str]) -> str:
    """What the model is for, what it was fitted on, and how good it was: Markdown."""
    mean, paired = metrics["mean"], metrics["paired"]["wafa - logistic_rfm"]["auroc"]
    known = catalogue(s)
    titles = families(s)
    read = sorted({known[name].feature.family for name in columns})
    lines = [
        f"# Model card: churn at {s.shop.name}",
        "",
        f"* **Question**: {metrics['population']['label']}? One calibrated probability per customer.",
        f"* **Population**: {metrics['population']['eligibility']}. A statement about anybody else is not made.",
        f"* **Model**: LightGBM, {s.model.trees} trees of at most {s.model.leaves} leaves, learning rate "
        f"{s.model.learning_rate}; calibration: {final['calibration']['method']}.",
        f"* **Fitted on**: {final['rows']:,} rows of {len(final['cutoffs'])} month starts, "
        f"{final['cutoffs'][0]} to {final['cutoffs'][-1]}.",
        f"* **Reads**: {', '.join(titles[name].title.lower() for name in read)}.",
        f"* **Model hash**: `{final['model_hash']}`",
        "",
        "| test origin | customers | base rate | AUROC | Brier | ECE | recency AUROC | logistic RFM AUROC |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for o in metrics["origins"]:
        models = o["models"]
        lines.append(
            f"| {o['origin']} | {o['rows']:,} | {o['base_rate']:.1%} | {_number(models['wafa']['auroc'])} | "
            f"{_number(models['wafa']['brier'])} | {_number(models['wafa']['ece'])} | "
            f"{_number(models['recency']['auroc'])} | {_number(models['logistic_rfm']['auroc'])} |"
        )
    lines += [
        "",
        f"Mean AUROC {plain(mean['wafa']['auroc'], '.3f')}; against logistic RFM on the same customers "
        f"{_number(paired, True)}.",
        "",
        "Not for: decisions about credit, prices or access. High risk does not mean that a message helps; the holdout "
        "in every list exists to find that out.",
    ]
    if metrics["is_simulated"]:
        lines.append("\nFigures from a simulated shop: they show that the pipeline works, not how good it is on yours.")
    return "\n".join(lines) + "\n"

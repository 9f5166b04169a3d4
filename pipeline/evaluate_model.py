"""Stage: how good the backtest models were at origins they had never seen, beside the baselines."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from models.evaluation import curves, evaluate, evaluate_slices, stability
from models.scorer import read_baselines
from pipeline.evaluation import advise_horizon
from pipeline.evaluation.evaluate_outlook import evaluate_outlook
from pipeline.evaluation.find_misses import misses
from pipeline.evaluation.slice_customers import slices
from pipeline.project import datasets, model_store, settings, stage
from pipeline.project.errors import DataError
from pipeline.project.progress import say
from pipeline.project.settings import Settings
from pipeline.project.shop_features import catalogue, families
from reports import EvaluationPage, ModelCard, drawings, render_evaluation, render_model_card
from reports.evaluation import RUNGS, TITLES, baselines, headline, plain
from sources import decimals
from timeline import format_date

ORDERS_ONLY = "wafa_orders_only"
RESEEDED = "wafa_reseeded"
TWINS = {ORDERS_ONLY: "orders_only"}
"""Column of the predictions, and the folder of a backtest that may hold the model behind it: ours on the logs of
orders alone."""


def predict(s: Settings) -> pd.DataFrame:
    """One row per customer and test origin: label, and the probability of each model fitted before that origin.

    Raises:
        DataError: No test origin has a purged training cutoff.
    """
    cohort = datasets.read_parquet(datasets.COHORT)
    frames = []
    tested = cohort[cohort["role"] == "test"]
    for cutoff in sorted(tested["cutoff"].unique()):
        part = tested[tested["cutoff"] == cutoff]
        origin = format_date(int(cutoff), s.shop.timezone)
        folder = datasets.MODEL / "backtest" / origin
        matrix = datasets.read_parquet(datasets.FEATURES / f"{origin}.parquet")
        rows = part.merge(matrix, on="customer_id", validate="one_to_one")
        model, baselines = model_store.read(folder), read_baselines(datasets.read_json(folder / "baselines.json"))
        margin, calibrator = model.margin(rows), model.calibrator
        found: dict[str, Any] = {"wafa": calibrator.probability(margin)}
        found |= {name: baseline.probability(rows) for name, baseline in baselines.items()}
        found["wafa_undrifted"] = calibrator.without_drift().probability(margin)
        for reseeded in model.twins[:1]:
            found[RESEEDED] = replace(model, ranker=reseeded, twins=()).probability(rows)
        for name, twin in TWINS.items():
            if (folder / twin).is_dir():
                found[name] = model_store.read(folder / twin).probability(rows)
        frames.append(pd.DataFrame(rows[["customer_id", "churned"]].assign(origin=origin, **found)))
    if not frames:
        raise DataError(
            "evaluation: no test origin has a training cutoff whose label was complete before it. Bring a longer "
            "history, or lower cohort.horizon_days."
        )
    return pd.concat(frames, ignore_index=True).sort_values(["customer_id", "origin"], ignore_index=True)


def origin_facts(origin: str) -> dict[str, Any]:
    """What the model of a test origin is and was fitted on, as far as its manifest says."""
    facts = model_store.manifest(datasets.MODEL / "backtest" / origin)
    cutoffs = facts["cutoffs"]
    trained_on = {"rows": facts["rows"], "cutoffs": len(cutoffs), "first": None, "last": None}
    if cutoffs:
        trained_on |= {"first": cutoffs[0], "last": cutoffs[-1]}
    return {
        "rung": facts.get("rung"),
        "why": facts.get("ladder", {}).get("why"),
        "drift": facts.get("drift"),
        "trained_on": trained_on,
    }


def base_rates(s: Settings) -> list[dict[str, Any]]:
    """One entry per cutoff: how many customers, the share that left, and whether it tested or only trained."""
    cohort = datasets.read_parquet(datasets.COHORT, ["cutoff", "churned", "role"])
    return [
        {
            "cutoff": format_date(int(str(cutoff)), s.shop.timezone),
            "rows": len(part),
            "base_rate": round(float(part["churned"].mean()), 6),
            "role": str(part["role"].iloc[0]),
        }
        for cutoff, part in cohort.groupby("cutoff", sort=True)
    ]


def final_reseeded(s: Settings) -> dict[str, Any] | None:
    """How alike the final model and its twin of another seed rank the customers of the newest cutoff.

    Both were fitted on these customers. None where the model has no twin.
    """
    model = model_store.read(datasets.MODEL)
    if not model.twins:
        return None
    newest = sorted(datasets.FEATURES.glob("*.parquet"))[-1]
    matrix = datasets.read_parquet(newest)
    twin = replace(model, ranker=model.twins[0])
    margins = {"ours": model.margin(matrix), "twin": twin.margin(matrix)}
    rows = pd.DataFrame({"customer_id": matrix["customer_id"], "origin": newest.stem, **margins})
    (agreed,) = stability(rows, s.model.bootstrap_draws, s.model.seed, model="ours", twin="twin")["reseeded"]
    return agreed


def measure(s: Settings, rows: pd.DataFrame) -> dict[str, Any]:
    """Every figure of the evaluation; ``rows`` are those of :func:`predict`."""
    draws, seed = s.model.bootstrap_draws, s.model.seed
    compared = {name: name for name in TITLES if name in rows}
    twin = RESEEDED if RESEEDED in rows else None
    found = evaluate(rows, compared, draws, seed, costs=s.evaluation)
    found["origins"] = [origin | origin_facts(origin["origin"]) for origin in found["origins"]]
    best = max(baselines(found), key=lambda name: found["mean"][name]["auroc"] or 0, default=None)
    return {
        "population": s.cohort.population,
        "is_simulated": bool(s.demo),
        "costs": s.evaluation.model_dump(),
        **found,
        "slice_baseline": best,
        "slices": evaluate_slices(rows, slices(s, rows), draws, seed, baseline=best),
        "stability": stability(rows, draws, seed, twin=twin) | {"final_reseeded": final_reseeded(s)},
        "cutoffs": base_rates(s),
        **evaluate_outlook(s, rows),
    }


SHOWN = 1_500
"""Customers whose SHAP values are drawn."""


def draw(s: Settings, rows: pd.DataFrame, metrics: dict[str, Any]) -> tuple[dict[str, str | bytes], list[str]]:
    """The pictures of the evaluation by file name, and what the columns are called that move the scores most."""
    told = {name: title for name, title in TITLES.items() if name in metrics["mean"]}
    whole = {name: rows[rows[name].notna()] for name in told}
    lines = {
        name: curves(part[name].to_numpy(dtype="float64"), part["churned"].to_numpy(dtype="float64"))
        for name, part in whole.items()
    }
    model = model_store.read(datasets.MODEL)
    newest = datasets.read_parquet(sorted(datasets.FEATURES.glob("*.parquet"))[-1])
    shown = newest.iloc[:: max(1, len(newest) // SHOWN)].head(SHOWN)
    moved = model.contributions(shown)
    labels = {name: column.label() for name, column in catalogue(s).items()}
    pictures = {
        **drawings.rankings(lines, told),
        **drawings.by_origin(metrics["origins"], told),
        **drawings.base_rates(metrics["cutoffs"]),
        **drawings.by_slice(metrics["slices"]),
        **drawings.drivers(moved, model.select(shown), labels, s.model.seed),
    }
    return pictures, [labels[name] for name in drawings.leading(moved)]


def described(s: Settings, final: dict[str, Any]) -> str:
    """What the final model is, in words."""
    rung = final.get("rung", "lightgbm")
    if rung != "lightgbm":
        return f"{RUNGS.get(rung, rung)} ({final['ladder']['why']})"
    said = f"LightGBM, {s.model.trees} trees of at most {s.model.leaves} leaves, learning rate {s.model.learning_rate}"
    share = final.get("buy_till_you_die_share", 0)
    return said + (f", with {share:.0%} of the log-odds from a buy-till-you-die model" if share else "")


def main() -> None:
    """Write data/evaluation/: predictions, metrics, the horizon's table, the page, the model card and its pictures."""
    s = settings.load()
    rows = predict(s)
    datasets.write_parquet(rows, datasets.PREDICTIONS, key=("customer_id", "origin"))
    horizon = advise_horizon.advise(s, datasets.EVENTS)
    datasets.write_json(horizon, datasets.HORIZON)
    final = model_store.manifest(datasets.MODEL)
    made_of = {"model_hash": final["model_hash"], "predictions_sha256": datasets.sha256(datasets.PREDICTIONS)}
    metrics = made_of | measure(s, rows)
    datasets.write_json(metrics, datasets.METRICS)
    pictures, leading = draw(s, rows, metrics)
    with datasets.replace_folder(datasets.PLOTS) as draft:
        for name, picture in pictures.items():
            (draft / name).write_bytes(picture if isinstance(picture, bytes) else picture.encode("utf-8"))
    families_read = {catalogue(s)[name].feature.family for name in model_store.read(datasets.MODEL).columns}
    reads = [families(s)[name].title.lower() for name in sorted(families_read)]
    card = render_model_card(ModelCard(s.shop.name, described(s, final), final, reads, metrics))
    datasets.write_text(card, datasets.MODEL_CARD)
    page = EvaluationPage(
        shop_name=s.shop.name,
        currency=s.shop.currency,
        minor_digits=decimals(s.shop.currency),
        draws=s.model.bootstrap_draws,
        metrics=metrics,
        horizon=horizon,
        misses=misses(s, rows),
        pictures=pictures,
        leading=leading,
    )
    datasets.write_text(render_evaluation(page), datasets.EVALUATION_PAGE)
    mean = metrics["mean"]
    beside = ", ".join(f"{TITLES[name]} {plain(mean[name]['auroc'], '.3f')}" for name in baselines(metrics))
    say(
        f"evaluation: {len(metrics['origins'])} origins, mean AUROC {plain(mean['wafa']['auroc'], '.3f')} ({beside}), "
        f"ECE {plain(mean['wafa']['ece'], '.3f')}. Of {s.cohort.rule}"
    )
    say(f"evaluation: {headline(metrics)}")
    _track(metrics, page)


def _track(metrics: dict[str, Any], page: EvaluationPage) -> None:
    """Record the evaluation in MLflow; nothing about a person goes there, because `wafa erase` would not reach it."""
    from pipeline.project import tracking

    with TemporaryDirectory() as folder:
        for path in (datasets.METRICS, datasets.MODEL_CARD):
            shutil.copy(path, folder)
        shutil.copytree(datasets.PLOTS, Path(folder) / datasets.PLOTS.name)
        nobody = render_evaluation(replace(page, misses=()))
        datasets.write_text(nobody, Path(folder) / datasets.EVALUATION_PAGE.name)
        tracking.log_evaluation(metrics, Path(folder))


if __name__ == "__main__":
    stage.run(main)

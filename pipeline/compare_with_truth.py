"""Stage (simulated shop only): how close the models came to what could be known at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models.explanation import top_reasons
from models.metrics import auroc, brier
from pipeline.people import keys
from pipeline.project import datasets, model_store, settings, stage
from pipeline.project.progress import say
from pipeline.project.settings import Settings
from pipeline.project.shop_features import catalogue, families
from sources import pseudonym
from timeline import Window

ORDERS_ONLY = "wafa_orders_only"
HORIZONS = (30, 60, 90, 180)


def truth(s: Settings) -> pd.DataFrame:
    """One row per customer and month start, with the pseudonyms that the pipeline knows."""
    table = datasets.read_parquet(datasets.TRUTH)
    key = keys.in_force(s, datasets.EVENTS).key
    return table.assign(customer_id=pd.array(pseudonym(table["customer_id"].tolist(), key).to_pylist(), dtype="str"))


def _scores(predictions: pd.DataFrame, known: pd.DataFrame, horizon: int) -> list[dict[str, Any]]:
    rows = predictions.merge(known, on=["customer_id", "origin"], validate="one_to_one")
    result = []
    for origin, part in rows.groupby("origin"):
        churned = part["churned"].to_numpy(dtype="float64")
        ones = np.ones(len(part))
        entry: dict[str, Any] = {
            "origin": origin,
            "rows": len(part),
            "base_rate": round(float(churned.mean()), 6),
        }
        named = {"wafa": "wafa", "observer": f"observer_{horizon}", "oracle": f"oracle_{horizon}"}
        # A young shop's origin has no trees, so none of the orders alone either.
        named |= {ORDERS_ONLY: ORDERS_ONLY} if ORDERS_ONLY in part and part[ORDERS_ONLY].notna().all() else {}
        for name, column in named.items():
            p = part[column].to_numpy(dtype="float64")
            entry[name] = {
                "auroc": round(auroc(p, churned, ones), 6),
                "brier": round(brier(p, churned, ones), 6),
            }
        reached = (entry["wafa"]["auroc"] - 0.5) / (entry["observer"]["auroc"] - 0.5)
        result.append(entry | {"share_of_observer": round(reached, 6)})
    return result


def _drivers(s: Settings, known: pd.DataFrame) -> dict[str, Any]:
    """Of customers who left within one horizon before a test origin for one cause: how often we name it first."""
    columns = catalogue(s)
    actionable = {name: family.kind == "actionable" for name, family in families(s).items()}
    found = []
    for origin, part in known.groupby("origin"):
        model = model_store.read(datasets.MODEL / "backtest" / str(origin))
        matrix = datasets.read_parquet(datasets.FEATURES / f"{origin}.parquet")
        cutoff = int(part["cutoff"].iloc[0])
        recent = Window.last(s.cohort.horizon_days, cutoff).contains(part["left_at"])
        leaving = part[part["left"] & recent.fillna(False).astype(bool) & part["driver"].notna()]
        rows = matrix.merge(leaving[["customer_id", "driver"]], on="customer_id")
        family_of = {name: columns[name].feature.family for name in model.columns}
        reasons = top_reasons(model.contributions(rows), family_of, actionable, model.select(rows))
        first = reasons[reasons["rank"] == 1]
        found.append(pd.DataFrame({"driver": rows["driver"].to_numpy()[first["row"]], "family": first["family"]}))
    table = pd.concat(found, ignore_index=True)
    hit = table["driver"] == table["family"]
    return {
        "customers": len(table),
        "top_reason_is_driver": round(float(hit.mean()), 6) if len(hit) else None,
        "by_driver": {str(d): round(float(v), 6) for d, v in hit.groupby(table["driver"]).mean().items()},
        "named_instead": {
            str(d): {str(k): int(v) for k, v in part.value_counts().head(4).items()}
            for d, part in table["family"].groupby(table["driver"])
        },
    }


def main() -> None:
    """Write data/evaluation/truth.json."""
    s = settings.load()
    horizon = s.cohort.horizon_days
    known = truth(s)
    if f"observer_{horizon}" not in known:
        datasets.write_json({"horizon_days": horizon, "compared": False}, datasets.TRUTH_REPORT)
        say(f"truth: says nothing of {horizon} days; cohort.horizon_days must be one of {HORIZONS} to compare")
        return
    predictions = datasets.read_parquet(datasets.PREDICTIONS)
    instants = {origin: s.instant(origin) for origin in predictions["origin"].unique()}
    named = {instant: origin for origin, instant in instants.items()}
    known = known[known["cutoff"].isin(named)]
    known = known.assign(origin=known["cutoff"].map(named))
    scores = _scores(predictions, known, horizon)
    mean = float(np.mean([entry["share_of_observer"] for entry in scores]))
    drivers = _drivers(s, known)
    report = {
        "population": s.cohort.population,
        "horizon_days": horizon,
        "compared": True,
        "origins": scores,
        "mean_share_of_observer": round(mean, 6),
        "drivers": drivers,
    }
    datasets.write_json(report, datasets.TRUTH_REPORT)
    gains = [e["wafa"]["auroc"] - e[ORDERS_ONLY]["auroc"] for e in scores if ORDERS_ONLY in e]
    told = [f"(AUROC − .5) is {mean:.3f} of the best observer's"]
    told += [f"all logs against orders only {np.mean(gains):+.3f} AUROC"] if gains else []
    if drivers["customers"]:
        told.append(
            f"the planted driver is the top reason for {drivers['top_reason_is_driver']:.0%} of "
            f"{drivers['customers']:,} leaving customers with one"
        )
    say(f"truth: {'; '.join(told)}. Of {s.cohort.rule}")


if __name__ == "__main__":
    stage.run(main)

"""CDNOW 1/10: who orders in weeks 40–65, asked of every rung of the ladder and of plain BG/NBD, on the same customers.

    python -m benchmarks.cdnow

The 2,357 customers first bought in January to March 1997. Weeks 1–39 are known; the question is an order in the 26
weeks after them (no gap). The orders go through the pipeline's own stages in a folder that is thrown away. The file
lies in `../shared/data/cdnow` unless `--data` names another folder.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from models import ladder
from models.buy_till_you_die import BuyTillYouDie
from models.evaluation import evaluate
from pipeline import build_cohorts, build_features, ingest_logs
from pipeline.project import settings
from pipeline.project.training_inputs import open_trainer
from timeline import parse_date

PROJECT = Path(__file__).parents[1]
CUTOFF, COMPLETE_UNTIL, WEEKS = "1997-10-01", "1998-04-01", 26
DRAWS = 1_000

SETTINGS = {
    "demo": [],
    "shop": {"name": "CDNOW", "timezone": "UTC", "currency": "USD"},
    "cohort": {
        "horizon_days": WEEKS * 7,
        "gap_days": 0,
        "active_days": 365,
        "min_history_days": 31,
        "max_cutoffs": 24,
        "test_origins": 1,
        "test_spacing_months": 1,
    },
    "sources": {
        "path": "exports/cdnow",
        "complete_until": COMPLETE_UNTIL,
        "key_id": "demo",
        "currency": "USD",
        "logs": {"orders": {"file": "orders.csv", "constants": {"event": "Order Completed"}, "timezone": "UTC"}},
        "own_logs": {},
    },
}


def write_project(sample: Path, folder: Path) -> None:
    """The orders before :data:`COMPLETE_UNTIL`, at noon of their days, and params that describe them."""
    columns = {"customer_id": (0, 6), "day": (12, 20), "revenue": (23, 40)}
    lines = pd.read_fwf(sample, header=None, names=list(columns), colspecs=list(columns.values()), dtype=str)
    days = pd.to_datetime(lines["day"])
    orders = lines.assign(order_id=np.arange(len(lines)), ordered_at=days.dt.strftime("%Y-%m-%d 12:00:00"))
    target = folder / "exports" / "cdnow" / "orders.csv"
    target.parent.mkdir(parents=True)
    orders.loc[days < COMPLETE_UNTIL, ["order_id", "customer_id", "ordered_at", "revenue"]].to_csv(target, index=False)
    yaml = YAML()
    with (PROJECT / "params.yaml").open(encoding="utf-8") as shipped:
        params = yaml.load(shipped)
    params |= SETTINGS
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    (folder / "erased.txt").touch()


def predicted(origin: int) -> tuple[pd.DataFrame, str]:
    """One row per customer with the probability of no order by every model, and what the ladder says of its choice."""
    trainer = open_trainer(settings.load())
    test = trainer.rows[trainer.rows["cutoff"] == origin]
    history = trainer.book.history(origin).set_index("customer_id").loc[test["customer_id"]]
    known = [history[name].to_numpy() / unit for name, unit in (("repeats", 1), ("last_days", 7), ("age_days", 7))]
    plain = BuyTillYouDie.fit("bg_nbd", *known)
    found = {"plain_bg_nbd": plain.probability_of_none(*known, WEEKS)}
    print(f"BG/NBD: r {plain.r:.3f}, alpha {plain.alpha:.3f}, a {plain.a:.3f}, b {plain.b:.3f}, "
          f"log-likelihood {plain.log_likelihood(*known):.1f}")  # fmt: skip
    lacking = trainer.lacking(origin)
    for name in ladder.RUNGS:
        if name not in lacking:
            found[name] = trainer.rung(name, origin).probability(test)
    model, facts = trainer.calibrated(origin)
    found["ladder"] = model.probability(test)
    table = test[["customer_id", "churned"]].assign(origin=CUTOFF, **found)
    return table, f"{facts['rung']}: {facts['ladder']['why']}"


def compared(sample: Path) -> tuple[pd.DataFrame, str]:
    """What :func:`predicted` finds in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_project(sample, Path(folder))
        with contextlib.redirect_stdout(io.StringIO()):
            for stage in (ingest_logs, build_cohorts, build_features):
                stage.main()
        return predicted(parse_date(CUTOFF, "UTC"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PROJECT.parent / "shared" / "data" / "cdnow")
    sample = parser.parse_args().data.resolve() / "CDNOW_sample.txt"
    if not sample.is_file():
        raise SystemExit(f"{sample} is absent: bring the 1/10 sample of CDNOW (Fader & Hardie 2001), or name --data")
    table, why = compared(sample)
    models = [name for name in table.columns if name not in ("customer_id", "churned", "origin")]
    found = evaluate(table, {name: name for name in models}, DRAWS, 7, reference="ladder")
    print(f"{len(table):,} customers, {1 - table['churned'].mean():.3f} ordered in weeks 40–65; ladder: {why}")
    for name in models:
        entry = found["origins"][0]["models"][name]
        brier, auroc, ece = entry["brier"], entry["auroc"], entry["ece"]
        gap = found["paired"].get(f"ladder - {name}", {}).get("brier")
        against = f"  ladder − this {gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]" if gap else ""
        print(f"{name:<17} Brier {brier['value']:.4f} [{brier['low']:.4f}, {brier['high']:.4f}]  "
              f"AUROC {auroc['value']:.4f}  ECE {ece['value']:.3f}{against}")  # fmt: skip


if __name__ == "__main__":
    main()

"""The shape of the simulated shop, and what it teaches: repeats the figures of docs/simulated-shop.md.

    python -m benchmarks.simulation_shape [--customers N] [--retail online_retail_ii.parquet]

The features here are made by hand from the export files and have nothing to do with the product's own: they
only answer whether the logs hold what the truth says.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from simulation import SimulatedShop, SimulationSettings, file_bytes, simulate
from timeline import DAY_US, Window, is_before, month_starts, parse_date

ZONE = "Europe/London"
GAP, HORIZON, ACTIVE = 7, 90, 365
ORIGINS = ("2024-12-01", "2025-03-01", "2025-06-01", "2025-09-01")
FAMILIES = ("service", "delivery", "email", "discount")


def instants(column: pd.Series) -> pd.Series:
    parsed = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    return parsed.dt.tz_localize(None).astype("datetime64[us]").astype("int64").where(parsed.notna(), -1)


def read_logs(shop: SimulatedShop) -> dict[str, pd.DataFrame]:
    files = {name.split(".")[0]: numbered(table.to_pandas()) for name, table in shop.files.items()}
    orders = files["orders"].dropna(subset=["customer_id"]).drop_duplicates("order_id", keep="first")
    orders = orders[orders.event == "Order Completed"].assign(at=instants(orders.ordered_at))
    orders = orders[orders["at"] >= 0].assign(
        value=lambda f: f.revenue.astype(float), sale=lambda f: f.discount.astype(float) > 0
    )
    web = files["web_events"].drop_duplicates("message_id").dropna(subset=["customer_id"])
    web = web.assign(at=instants(web.occurred_at), seen=instants(web.loaded_at))
    mail = files["email_events"].drop_duplicates("message_id")
    mail = mail.assign(at=instants(mail.occurred_at), seen=instants(mail.loaded_at))
    tickets = files["support_tickets"].dropna(subset=["closed_at"])
    tickets = tickets.assign(at=instants(tickets.closed_at), open=instants(tickets.opened_at))
    parcels = files["deliveries"].assign(at=lambda f: instants(f.delivered_at), due=lambda f: instants(f.promised_at))
    return {
        "orders": orders.sort_values(["customer_id", "at"]), "web": web, "mail": mail,
        "bad": tickets[(tickets["at"] - tickets.open > 2.5 * DAY_US) | (tickets.satisfaction <= 2)],
        "late": parcels[parcels["at"] - parcels.due > 1.5 * DAY_US], "customers": files["customers"],
    }  # fmt: skip


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Customers by number: grouping millions of rows by text takes minutes."""
    if "customer_id" not in frame:
        return frame
    return frame.assign(customer_id=pd.to_numeric(frame.customer_id.str[1:]).astype("float64"))


def seen_before(frame: pd.DataFrame, cutoff: int) -> pd.DataFrame:
    known = is_before(frame["at"], cutoff)
    if "seen" in frame:
        known &= is_before(frame["seen"], cutoff)
    return frame[known]


def features(logs: dict[str, pd.DataFrame], cutoff: int) -> tuple[pd.DataFrame, list[str], pd.Series]:
    """All features, the names of those of purchases only, and the label."""
    orders = seen_before(logs["orders"], cutoff)
    orders = orders.assign(age=(cutoff - orders["at"]) / DAY_US)
    by = orders.groupby("customer_id")
    x = pd.DataFrame({"recency": by.age.min(), "orders": by.size(), "spend": by.value.sum(), "tenure": by.age.max()})
    x = x[x.recency <= ACTIVE]
    orders = orders[orders.customer_id.isin(x.index)]
    gaps = (-orders.groupby("customer_id").age.diff()).groupby(orders.customer_id)
    x = x.assign(gap_mean=gaps.mean(), gap_median=gaps.median(), gap_max=gaps.max(), gap_sd=gaps.std())
    x = x.assign(overdue=x.recency / x.gap_median, aov=x.spend / x.orders, rate=(x.orders - 1) / x.tenure)
    for days in (30, 90, 180, 365):
        x[f"orders_{days}"] = counts(orders, days, x.index)
    bought_only = list(x.columns)
    x["sale_share"] = orders.groupby("customer_id").sale.mean()
    x["last_two_on_sale"] = orders.groupby("customer_id").tail(2).groupby("customer_id").sale.sum()
    profile = logs["customers"].set_index("customer_id").reindex(x.index)
    x["channel"] = profile.acquisition_channel.astype("category").cat.codes
    for name, chosen, windows in (
        ("visit", "Page Viewed", (7, 14, 30, 60, 90, 180)), ("cart", "Product Added", (14, 30, 90)),
    ):  # fmt: skip
        events = seen_before(logs["web"][logs["web"].event == chosen], cutoff)
        events = events.assign(age=(cutoff - events["at"]) / DAY_US)
        x[f"{name}_recency"] = events.groupby("customer_id").age.min()
        for days in windows:
            x[f"{name}_{days}"] = counts(events, days, x.index)
    x["visit_rate"] = x.visit_180 / np.minimum(x.tenure, 180)
    mail = seen_before(logs["mail"], cutoff)
    mail = mail.assign(age=(cutoff - mail["at"]) / DAY_US)
    clicks = mail[(mail.event == "Email Link Clicked") & ~mail.bot_click]
    delivered = mail[mail.event == "Email Delivered"]
    x["click_recency"] = clicks.groupby("customer_id").age.min()
    x["open_recency"] = mail[(mail.event == "Email Opened") & ~mail.machine_open].groupby("customer_id").age.min()
    for days in (30, 60, 90, 180):
        x[f"delivered_{days}"] = counts(delivered, days, x.index)
        x[f"clicks_{days}"] = counts(clicks, days, x.index)
    last_click = delivered.customer_id.map(clicks.groupby("customer_id").age.min()).fillna(np.inf)
    x["unclicked_90"] = counts(delivered[delivered.age < last_click], 90, x.index)
    for name in ("bad", "late"):
        events = seen_before(logs[name], cutoff)
        x[f"{name}_recency"] = ((cutoff - events["at"]) / DAY_US).groupby(events.customer_id).min()
    window = Window.label(cutoff, GAP, HORIZON)
    back = logs["orders"].customer_id[window.contains(logs["orders"]["at"])]
    return x, bought_only, pd.Series(~x.index.isin(back), x.index).astype(int)


def counts(events: pd.DataFrame, days: int, index: pd.Index) -> pd.Series:
    return events[events.age <= days].groupby("customer_id").size().reindex(index, fill_value=0)


def judge(shop: SimulatedShop) -> list[dict[str, Any]]:
    logs = read_logs(shop)
    truth = numbered(shop.truth.to_pandas())
    first, last = parse_date("2023-12-01", ZONE), parse_date(ORIGINS[-1], ZONE)
    built = {cutoff: features(logs, cutoff) for cutoff in month_starts(first, last, ZONE)}
    rows = []
    for origin in ORIGINS:
        cutoff = parse_date(origin, ZONE)
        x, bought_only, y = built[cutoff]
        past = [c for c in built if not Window.label(c, GAP, HORIZON).end > cutoff]
        train = pd.concat([built[c][0] for c in past])
        label = np.concatenate([built[c][2] for c in past])
        known = truth[truth.cutoff == cutoff].set_index("customer_id").reindex(x.index)

        def rfm(frame: pd.DataFrame) -> pd.DataFrame:
            return np.log1p(frame[["recency", "orders", "spend"]])

        scores = {
            "recency": x.recency,
            "rfm": LogisticRegression().fit(rfm(train), label).predict_proba(rfm(x))[:, 1],
            "lgbm_purchases": fit(train[bought_only], label).predict_proba(x[bought_only])[:, 1],
            "lgbm_all": fit(train, label).predict_proba(x)[:, 1],
            "observer": known.observer_90,
            "oracle": known.oracle_90,
        }
        row = {"origin": origin, "rows": len(x), "base": y.mean(), "left": known.left.mean()}
        row |= {f"auc_{name}": roc_auc_score(y, score) for name, score in scores.items()}
        row["of_observer"] = (row["auc_lgbm_all"] - 0.5) / (row["auc_observer"] - 0.5)
        row["observer_mean"], row["oracle_mean"] = known.observer_90.mean(), known.oracle_90.mean()
        row["harmed"], row["helped"] = (known.effect < 0).mean(), (known.effect > 0).mean()
        rows.append(row | drivers(x, known, cutoff))
    return rows


def fit(x: pd.DataFrame, y: np.ndarray) -> lgb.LGBMClassifier:
    return lgb.LGBMClassifier(
        n_estimators=250, learning_rate=0.04, num_leaves=15, min_child_samples=80, subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.6, reg_lambda=5, verbose=-1, num_threads=1, random_state=1,
    ).fit(x, y)  # fmt: skip


def drivers(x: pd.DataFrame, known: pd.DataFrame, cutoff: int) -> dict[str, float]:
    """How often the logs show the driver of those who left, and how seldom one that is not there."""
    # Trouble works for two months: look back as far as that from the day of leaving.
    since = (cutoff - known.left_at.where(known.left)).fillna(0) / DAY_US
    shown = pd.DataFrame(
        {
            "service": x.bad_recency - since <= 65,
            "delivery": x.late_recency - since <= 65,
            "email": (x.delivered_180 >= 15)
            & (x.unclicked_90 + x.delivered_180 - x.delivered_90 >= 14)
            & (x.clicks_90 == 0),
            "discount": x.last_two_on_sale == 2,
        }
    )
    recent = known.left & (since <= 90)
    driven = known[recent & known.driver.notna()]
    flags = shown.loc[driven.index]
    own = flags.to_numpy()[np.arange(len(driven)), [FAMILIES.index(d) for d in driven.driver]]
    result = {"left_with_driver": known.driver[known.left].notna().mean(), "own_shown": own.mean()}
    result["only_own_shown"] = (own & (flags.sum(axis=1) == 1)).mean()
    for family in FAMILIES:
        result[f"{family}_share"] = (known.driver[known.left] == family).mean()
        result[f"{family}_false"] = flags.loc[driven.driver != family, family].mean()
    return result


def shape(orders: pd.DataFrame, origins: list[int]) -> dict[str, Any]:
    """``orders``: customer_id, at, value; sorted."""
    per = orders.groupby("customer_id").size()
    days = orders.assign(day=orders["at"] // DAY_US).drop_duplicates(["customer_id", "day"])
    gaps = days.groupby("customer_id").day.diff().dropna()
    month = pd.to_datetime(orders["at"], unit="us", utc=True).dt.month
    churn = []
    for cutoff in origins:
        past = orders[Window.last(ACTIVE, cutoff).contains(orders["at"])].customer_id.unique()
        back = orders[Window.label(cutoff, GAP, HORIZON).contains(orders["at"])].customer_id
        churn.append(round(1 - float(np.isin(past, back).mean()), 3))
    return {
        "customers": len(per), "orders per customer, mean": float(round(per.mean(), 2)),
        "one order": float(round((per == 1).mean(), 3)),
        "orders q50/75/90/99": per.quantile([0.5, 0.75, 0.9, 0.99]).tolist(),
        "gap days q10/50/80/90": gaps.quantile([0.1, 0.5, 0.8, 0.9]).tolist(),
        "value q10/50/90/99": orders.value.quantile([0.1, 0.5, 0.9, 0.99]).round(1).tolist(),
        "90-day churn per quarter": churn, "Oct-Nov share of orders": float(round(month.isin([10, 11]).mean(), 3)),
        "Nov-Dec share of orders": float(round(month.isin([11, 12]).mean(), 3)),
    }  # fmt: skip


def retail_orders(path: Path) -> pd.DataFrame:
    lines = pd.read_parquet(path)
    lines = lines[~lines.overlap_dup.astype(bool) & lines.CustomerID.notna() & (lines.Quantity > 0)]
    local = pd.to_datetime(lines.InvoiceDate).dt.tz_localize(ZONE, ambiguous=True, nonexistent="shift_forward")
    lines = lines.assign(
        at=instants(local), value=lines.Quantity * lines.UnitPrice, customer_id=lines.CustomerID.astype(str)
    )
    orders = lines.groupby(["customer_id", "InvoiceNo"], as_index=False).agg(at=("at", "min"), value=("value", "sum"))
    return orders.sort_values(["customer_id", "at"])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=20_000)
    arguments.add_argument("--retail", type=Path, default=None)
    chosen = arguments.parse_args()
    start, busy = time.perf_counter(), time.process_time()
    shop = simulate(SimulationSettings(customers=chosen.customers))
    simulated = time.perf_counter() - start
    sizes = {name: len(file_bytes(name, table)) for name, table in shop.files.items()}
    print(
        f"simulate {simulated:.1f} s, with bytes {time.perf_counter() - start:.1f} s "
        f"({time.process_time() - busy:.1f} s of processor time)"
    )
    for name, table in shop.files.items():
        print(f"  {name:26} {len(table):>9,} rows {sizes[name] / 1e6:7.1f} MB")
    print(f"  all {sum(len(t) for t in shop.files.values()):,} rows, truth {len(shop.truth):,} rows")
    logs = read_logs(shop)
    mail = logs["mail"]
    clicks = ((mail.event == "Email Link Clicked") & ~mail.bot_click).sum()
    print(f"human clicks per delivered mail: {clicks / (mail.event == 'Email Delivered').sum():.4f}")
    origins = [parse_date(day, ZONE) for day in ORIGINS]
    print({"simulated shop": shape(logs["orders"], origins)})
    if chosen.retail is not None:
        days = ("2010-12-01", "2011-03-01", "2011-06-01", "2011-09-01")
        print({"Online Retail II": shape(retail_orders(chosen.retail), [parse_date(day, ZONE) for day in days])})
    print(pd.DataFrame(judge(shop)).set_index("origin").T.round(3).to_string())


if __name__ == "__main__":
    main()

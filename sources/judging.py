"""What the accepted rows say of themselves: months, gaps, machines, strangers, and refunds that do not fit."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sources.errors import ContractError
from sources.ledger import Ledger
from sources.runs import mask
from sources.settings import SourceSettings
from timeline import DAY_US, is_before

QUARTER_US = DAY_US // 96
"""No time zone is off by less."""
_MANY_FREE = 0.05
_MOST_DAYS = 0.5
_ENOUGH_DAYS = 14


def facts(tables: Mapping[str, pa.Table], web: Mapping[str, Mapping[str, Any]] | None, zone: str) -> dict[str, Any]:
    """Of every table its rows, first and last instant, rows by month and days without a row; machines and strangers.

    ``web`` has the same by month for page events, whose table is never held as a whole.
    """
    logs = {name: _of_table(table, zone) for name, table in tables.items()}
    machines: dict[str, int] = {}
    if "email_events" in tables:
        events = tables["email_events"]
        for kind, event, flag in (
            ("opens", "Email Opened", "machine_open"),
            ("clicks", "Email Link Clicked", "bot_click"),
        ):
            of_kind = pc.equal(events["event"], event)
            machines[kind] = int(mask(of_kind).sum())
            machines["machine_opens" if kind == "opens" else "bot_clicks"] = int(
                mask(pc.and_(of_kind, events[flag])).sum()
            )
    if web is not None:
        used = {month: record for month, record in web.items() if record["rows"]}
        quarters = np.array(
            sorted(quarter for record in used.values() for quarter in record["quarters"]), dtype=np.int64
        )
        logs["web_events"] = {
            "rows": sum(record["rows"] for record in used.values()),
            "first": min((record["first"] for record in used.values()), default=None),
            "last": max((record["last"] for record in used.values()), default=None),
            "months": {month: record["rows"] for month, record in sorted(used.items())},
            "days": local_days(quarters, zone),
        }
        machines["web_events"] = logs["web_events"]["rows"]
        machines["bot_web_events"] = sum(record["bots"] for record in used.values())
    orphans = {}
    if "customers" in tables:
        known = tables["customers"]["customer_id"].combine_chunks()
        for name, table in tables.items():
            named = table["customer_id"].drop_null()
            if count := len(named) - int(mask(pc.is_in(named, known)).sum()):
                orphans[name] = count
        if web and (count := sum(record["orphans"] for record in web.values())):
            orphans["web_events"] = count
    return {"logs": dict(sorted(logs.items())), "machines": machines, "orphans": orphans}


def local_days(quarters: np.ndarray, zone: str) -> np.ndarray:
    """The shop's days (counted from 1970) of instants given in quarters of an hour."""
    if not len(quarters):
        return quarters
    local = (
        pd.DatetimeIndex(pd.to_datetime(quarters * QUARTER_US, unit="us", utc=True)).tz_convert(zone).tz_localize(None)
    )
    return np.unique(local.values.astype("datetime64[D]").astype(np.int64))


def _of_table(table: pa.Table, zone: str) -> dict[str, Any]:
    moments = table["occurred_at"].to_numpy()
    days, counts = np.unique(moments // DAY_US, return_counts=True)
    months: dict[str, int] = {}
    for day, count in zip(days.tolist(), counts.tolist(), strict=True):
        month = _day(day).isoformat()[:7]
        months[month] = months.get(month, 0) + count
    return {
        "rows": table.num_rows,
        "first": pc.min(table["occurred_at"]).as_py(),
        "last": pc.max(table["occurred_at"]).as_py(),
        "months": months,
        "days": local_days(np.unique(moments // QUARTER_US), zone),
    }


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


def gaps(days: np.ndarray, closed: Sequence[date] = ()) -> list[list[str]]:
    """Runs of days without a row, in a log that has rows on most days: first and last day of each."""
    if len(days) and closed:
        shut = np.array([(day - date(1970, 1, 1)).days for day in closed])
        days = np.union1d(days, shut[(shut > days[0]) & (shut < days[-1])])
    if len(days) < _ENOUGH_DAYS or len(days) < _MOST_DAYS * (days[-1] - days[0] + 1):
        return []
    jumps = np.flatnonzero(np.diff(days) > 1)
    return [[_day(int(days[at]) + 1).isoformat(), _day(int(days[at + 1]) - 1).isoformat()] for at in jumps]


def stop_on_missing_days(manifest: Mapping[str, Any], settings: SourceSettings) -> None:
    """Refuse logs that must have rows on every day and have none on one.

    Raises:
        ContractError: naming the log and the first such day.
    """
    for log in settings.expect_daily:
        table = {"order_lines": "orders"}.get(log, log)
        if table not in manifest["logs"]:
            raise ContractError(f"sources.expect_daily: there is no log {log!r}. Name one that is declared.")
        days = np.array(manifest["logs"][table].pop("_days", []), dtype=np.int64)
        closed = {day.isoformat() for day in settings.closed_days}
        every = range(int(days[0]), int(days[-1]) + 1) if len(days) else range(0)
        missing = [
            day
            for number in every
            if number not in set(days.tolist()) and (day := _day(number).isoformat()) not in closed
        ]
        if missing:
            more = f" and {len(missing) - 1} more" if missing[1:] else ""
            raise ContractError(
                f"{log}: missing_day, no row on {missing[0]}{more}. Export that day again, or name it in "
                "sources.closed_days."
            )


def warn_of_orders(orders: pa.Table, ledger: Ledger) -> None:
    """Say when refunds do not fit their orders, or when much is given away."""
    frame = orders.select(["order_id", "event", "occurred_at", "revenue"]).to_pandas()
    bought = frame[frame["event"] == "Order Completed"]
    back = frame[frame["event"] == "Order Refunded"]
    if len(back):
        first = bought.groupby("order_id").agg(at=("occurred_at", "min"), paid=("revenue", "sum"))
        joined = back.join(first, on="order_id")
        without = joined["at"].isna()
        early = is_before(joined["occurred_at"].to_numpy(), joined["at"].to_numpy())
        returned = joined.groupby("order_id")["revenue"].sum()
        paid = first["paid"].reindex(returned.index)
        for count, what in (
            (int(without.sum()), "refunds name an order that is not there"),
            (int(early.sum()), "refunds are older than their order"),
            (int((returned > paid).sum()), "orders were refunded by more than they brought"),
        ):
            if count:
                ledger.warn(f"orders: {count} {what}; kept.")
    free = int((bought["revenue"] == 0).sum())
    if free > _MANY_FREE * max(len(bought), 1):
        ledger.warn(f"orders: {free} of {len(bought)} orders brought nothing (price zero or a discount of 100 %).")


def warn_of_items(items: pa.Table, orders: pa.Table, ledger: Ledger) -> None:
    """Say when returns do not fit what was bought, or when nothing has a price."""
    frame = items.select(["order_id", "product_id", "event", "occurred_at", "quantity", "price"]).to_pandas()
    bought = frame[frame["event"] == "Order Completed"]
    back = frame[frame["event"] == "Order Refunded"]
    free = int((bought["price"] == 0).sum())
    if free > _MANY_FREE * max(len(bought), 1):
        ledger.warn(f"order_items: {free} of {len(bought)} items have the price zero.")
    if not len(back):
        return
    sold = orders.filter(pc.equal(orders["event"], "Order Completed")).select(["order_id", "occurred_at"]).to_pandas()
    first = sold.groupby("order_id")["occurred_at"].min()
    early = int(is_before(back["occurred_at"].to_numpy(), back["order_id"].map(first).to_numpy()).sum())
    if early:
        ledger.warn(f"returns: {early} came back before they were bought; kept.")
    if not len(bought):
        return
    line = ["order_id", "product_id"]
    returned = back.groupby(line)["quantity"].sum()
    more = int((returned > bought.groupby(line)["quantity"].sum().reindex(returned.index)).sum())
    if more:
        ledger.warn(f"returns: of {more} products more came back than were bought; kept.")


JUMP = 10
_FEW = 10


def stop_on_currency_jump(orders: pd.DataFrame) -> None:
    """Refuse amounts that differ tenfold between channels or files where nothing says in which currency they are.

    ``orders``: one row per completed order with ``revenue``, ``channel`` and ``file``.

    Raises:
        ContractError: naming the channels or files.
    """
    for segment in ("channel", "file"):
        groups = orders.groupby(segment)["revenue"].agg(["median", "size"])
        medians = groups[(groups["size"] >= _FEW) & (groups["median"] > 0)]["median"].sort_values()
        if len(medians) > 1 and medians.iloc[-1] > JUMP * medians.iloc[0]:
            raise ContractError(
                f"orders: mixed_currencies, amounts of {segment} {medians.index[-1]!r} are more than {JUMP} times "
                f"those of {medians.index[0]!r}, and no column says the currency. Map one, or give "
                "constants: {currency: …}."
            )

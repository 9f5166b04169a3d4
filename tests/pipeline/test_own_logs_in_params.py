"""Logs of the shop's own in params.yaml: what they become, and each mistake in one sentence."""

import pytest

from features import OwnLog
from pipeline.project import settings
from pipeline.project.errors import ParamsError
from pipeline.project.shop_features import catalogue, families, feature_logs


def declare(shipped: str, *logs: str) -> str:
    text = "".join(f"\n    {log}" for log in logs)
    assert shipped.count("own_logs: {}") == 1
    return shipped.replace("own_logs: {}", f"own_logs:{text}")


def complaint(text: str) -> str:
    with pytest.raises(ParamsError) as refused:
        settings.parse(text)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_declared_log_is_a_family_with_seven_columns(shipped, shop):
    s = settings.parse(
        declare(
            shipped,
            "store_visits: {file: v.csv, title: ' Visits to the store ', title_urdu: دکان پر آمد}",
            "calls: {file: c.csv, title: Calls, actionable: true}",
        )
    )
    assert s.own_logs == [
        OwnLog("calls", "Calls", "Calls", "actionable"),
        OwnLog("store_visits", "Visits to the store", "دکان پر آمد", "context"),
    ]
    assert set(feature_logs(s)) - set(feature_logs(shop)) == {"calls", "store_visits"}
    added = {name: column for name, column in catalogue(s).items() if name not in catalogue(shop)}
    assert list(added)[:7] == [
        "calls_count_30d", "calls_count_90d", "calls_count_365d", "days_since_calls",
        "calls_trend_30d", "calls_trend_90d", "calls_trend_365d",
    ]  # fmt: skip
    assert len(added) == 14
    assert added["calls_count_30d"].label() == "Calls in the last 30 days"
    assert added["store_visits_count_30d"].label("ur").startswith("دکان پر آمد")
    assert {column.feature.family for column in added.values()} == set(families(s)) - set(families(shop))
    assert families(s)["calls"].kind == "actionable"
    assert families(s)["store_visits"].title == "Visits to the store"


def test_nothing_declared_is_nothing_added(shop):
    assert shop.own_logs == []
    assert "calls" not in feature_logs(shop)


GOOD = "title: Calls, file: c.csv"


@pytest.mark.parametrize(
    ("log", "said"),
    [
        pytest.param(
            f"orders: {{{GOOD}}}",
            "params.yaml: sources.own_logs.orders must not be a log that Wafa knows (declare that one under "
            "sources.logs), got 'orders'. Correct the value.",
            id="a known log",
        ),
        pytest.param(
            f"Calls: {{{GOOD}}}",
            "params.yaml: sources.own_logs.Calls must be a name of at most 40 of a-z, 0-9 and _ that begins with a "
            "letter, got 'Calls'. Correct the value.",
            id="capital",
        ),
        pytest.param(
            f"../x: {{{GOOD}}}",
            "params.yaml: sources.own_logs.../x must be a name of at most 40 of a-z, 0-9 and _ that begins with a "
            "letter, got '../x'. Correct the value.",
            id="path",
        ),
        pytest.param(
            f"cart: {{{GOOD}}}",
            "params.yaml: sources.own_logs.cart is the name of a family of features. Choose another name.",
            id="family",
        ),
        pytest.param(
            f"order_days: {{{GOOD}}}",
            "params.yaml: sources.own_logs.order_days is the name of a view of features. Choose another name.",
            id="view",
        ),
        pytest.param(
            f"seen_orders: {{{GOOD}}}",
            "params.yaml: sources.own_logs.seen_orders is a name that the engine gives its own tables. "
            "Choose another name.",
            id="table of the engine",
        ),
        pytest.param(
            f"last_order: {{{GOOD}}}",
            "params.yaml: sources.own_logs.last_order would make the column days_since_last_order, which the "
            "catalogue has already. Choose another name.",
            id="column of the catalogue",
        ),
        pytest.param(
            "calls: {file: c.csv}",
            "params.yaml: the key sources.own_logs.calls.title is missing. Add it; the shipped params.yaml explains "
            "it.",
            id="no title",
        ),
        pytest.param(
            "calls: {file: c.csv, title: 'in {days}'}",
            "params.yaml: sources.own_logs.calls.title must be one line of 1 to 60 characters without braces, got "
            "'in {days}'. Correct the value.",
            id="braces",
        ),
        pytest.param(
            "calls: {file: c.csv, title: ' '}",
            "params.yaml: sources.own_logs.calls.title must be one line of 1 to 60 characters without braces, got "
            "' '. Correct the value.",
            id="empty title",
        ),
        pytest.param(
            "calls: {file: c.csv, title: Calls, titel_urdu: x}",
            "params.yaml: unknown key sources.own_logs.calls.titel_urdu. Did you mean 'title_urdu'? Known keys here: "
            "actionable, arrival_delay_days, bad_file, columns, constants, decimal_comma, delimiter, drop_where, "
            "duplicates, encoding, events, file, format, min_rows, round_money, table, time_format, timezone, title, "
            "title_urdu, values.",
            id="misspelt key",
        ),
    ],
)
def test_a_mistake_is_one_sentence(shipped, log, said):
    assert complaint(declare(shipped, log)) == said


def test_two_own_logs_may_not_make_the_same_column(shipped):
    said = complaint(declare(shipped, f"days_since_a: {{{GOOD}}}", f"a_count_30d: {{{GOOD}}}"))
    assert said == (
        "params.yaml: sources.own_logs.days_since_a would make the column days_since_a_count_30d, which "
        "sources.own_logs.a_count_30d has already. Choose another name."
    )


def test_the_key_itself_must_be_there_because_dvc_wants_it(shipped):
    said = complaint("\n".join(line for line in shipped.splitlines() if "own_logs" not in line))
    assert said == ("params.yaml: the key sources.own_logs is missing. Add it; the shipped params.yaml explains it.")

"""Files that cannot be trusted as a whole are refused; single bad rows are set aside with their place."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources import ContractError
from sources.rules import meaning
from tests.sources.source_files import ORDERS, read, read_orders, rules

HEADER = "order_id,customer_id,ordered_at,revenue\n"
GOOD = "1,anna,2025-01-05T10:00:00Z,10.00\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty_file"),
        (HEADER.encode(), "no usable order"),
        (ORDERS.replace(",", ";").encode(), "wrong_delimiter.*';'"),
        (ORDERS.replace(",", "\t").encode(), "wrong_delimiter"),
        (ORDERS.replace("customer_id", "custId").encode(), "missing column 'customer_id'.*perhaps 'custId'"),
        (ORDERS.replace("revenue", "order_id").encode(), "'order_id' stands twice"),
        (ORDERS.encode("utf-16"), "UTF-16"),
        (b"PAR1" + ORDERS.encode() + b"PAR1", "a Parquet file"),
        (b"\x1f\x8b\x08" + ORDERS.encode(), "cannot be unpacked"),
        (b"<!DOCTYPE html><html><body>502</body></html>", "a web page"),
        (
            (HEADER + GOOD + '2,"ben,2025-01-06T10:00:00Z,1.00\n' + GOOD * 3).encode(),
            "unclosed_quote.*line 3 swallows 3",
        ),
        ((HEADER + GOOD + '2,"b,x\n3,y,z\n4","5"x,2\n').encode(), "unclosed_quote.*line 3"),
        ((HEADER + GOOD + '2,"b,x\n3,y,z\n4",5\n').encode(), "unclosed_quote.*line 3 swallows 2"),
        ((HEADER + GOOD + "2,ben,2025-01").encode(), "truncated.*line 3"),
        (
            (HEADER + "1,anna,05/01/2025,10.00\n2,ben,06/01/2025,1\n").encode(),
            "no value of 'ordered_at'.*time_format",
        ),
    ],
)
def test_a_file_is_refused_with_its_name_and_the_cure(tmp_path, content, message):
    with pytest.raises(ContractError, match=message) as refused:
        read_orders(tmp_path, content)
    assert "orders.csv" in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_an_empty_file_of_any_format_is_called_empty(tmp_path, kind):
    (tmp_path / "orders").write_bytes(b"")
    with pytest.raises(ContractError, match="empty_file"):
        read(tmp_path, {"orders": {"file": "orders", "format": kind}})


def test_json_that_was_cut_off_is_refused(tmp_path):
    (tmp_path / "o.jsonl").write_text(
        '{"order_id": "1", "customer_id": "a", "ordered_at": "2025-01-05", "revenue": 1}\n{"or'
    )
    with pytest.raises(ContractError, match="truncated, its last line 2"):
        read(tmp_path, {"orders": {"file": "o.jsonl", "format": "jsonl"}})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ContractError, match=r"no file 'orders\.csv'"):
        read(tmp_path, {"orders": {"file": "orders.csv"}})


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ContractError, match="'exports' does not exist"):
        read(tmp_path / "nowhere", {"orders": {"file": "orders.csv"}})


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.csv").write_text(ORDERS)
    (inside / "orders.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(ContractError, match="leads out"):
        read(inside, {"orders": {"file": "orders.csv"}})


@pytest.mark.parametrize("content", [ORDERS.encode(), b"PAR1 and no footer PAR1", b"PAR1"])
def test_a_broken_parquet_file_is_refused(tmp_path, content):
    (tmp_path / "orders.parquet").write_bytes(content)
    with pytest.raises(ContractError, match=r"orders\.parquet"):
        read(tmp_path, {"orders": {"file": "orders.parquet", "format": "parquet"}})


def test_a_truncated_parquet_file_is_refused(tmp_path):
    path = tmp_path / "orders.parquet"
    pq.write_table(pa.table({"order_id": ["1"] * 100}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ContractError, match="unreadable Parquet"):
        read(tmp_path, {"orders": {"file": path.name, "format": "parquet"}})


@pytest.mark.parametrize(
    ("row", "rule", "column"),
    [
        ("2,ben,2025-01-06T10:00:00Z", "ragged_row", ""),
        ("2,ben,2025-01-06T10:00:00Z,1.00,extra", "ragged_row", ""),
        ("order_id,customer_id,ordered_at,revenue", "repeated_header", ""),
        ("2,,2025-01-06T10:00:00Z,1.00", "missing_id", "customer_id"),
        ("2,ben,,1.00", "missing_time", "ordered_at"),
        ("2,ben,1970-01-01T00:00:00Z,1.00", "implausible_timestamp", "ordered_at"),
        ("2,ben,2025-02-30,1.00", "unparsable_time", "ordered_at"),
        ("2,ben,2025-01-06T10:00:00Z,NaN", "not_finite", "revenue"),
        ("2,ben,2025-01-06T10:00:00Z,1.234", "too_many_decimals", "revenue"),
        ("2,ben,2025-01-06T10:00:00Z,", "missing_value", "revenue"),
        ("2,ben,2025-01-06T10:00:00Z,-5.00", "negative_purchase", "revenue"),
        ('2,"ben"x,2025-01-06T10:00:00Z,1.00', "bad_quoting", ""),
        ("2,be\x00n,2025-01-06T10:00:00Z,1.00", "control_character", "customer_id"),
        ("2,be\u200bn,2025-01-06T10:00:00Z,1.00", "control_character", "customer_id"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_line_and_text(tmp_path, row, rule, column):
    found = read_orders(tmp_path, HEADER + GOOD + row + "\n3,cleo,2025-01-07T10:00:00Z,3.00\n")
    assert found.tables["orders"].num_rows == 2
    assert rules(found) == {rule: 1}
    (bad,) = found.quarantine.to_dict("records")
    assert bad == {
        "log": "orders",
        "file": "orders.csv",
        "line": 3,
        "rule": rule,
        "column": column,
        "message": meaning(rule),
        "raw": row,
    }


def test_bytes_outside_the_encoding_are_set_aside_only_where_they_matter(tmp_path):
    text = "order_id,customer_id,ordered_at,revenue,name\n1,anna,2025-01-05,1.00,Jos\xe9\n2,Jos\xe9,2025-01-06,1.00,x\n"
    found = read_orders(tmp_path, text.encode("latin-1"))
    assert rules(found) == {"bad_encoding": 1}
    assert found.quarantine["line"].tolist() == [3]
    assert read_orders(tmp_path, text.encode("latin-1"), encoding="cp1252").tables["orders"].num_rows == 2


def test_lines_are_physical_ones_after_quoted_line_breaks_blank_lines_and_a_bom(tmp_path):
    text = "\ufeff" + HEADER.strip() + ',note\r\n1,anna,2025-01-05,1.00,"two\r\nlines"\r\n\r\n2,ben,x,1.00,\r\n'
    found = read_orders(tmp_path, text)
    assert found.tables["orders"].num_rows == 1
    assert found.quarantine[["line", "rule"]].values.tolist() == [[5, "unparsable_time"]]
    assert found.quarantine["raw"].tolist() == ["2,ben,x,1.00,"]


def test_a_last_line_without_line_break_is_whole(tmp_path):
    assert read_orders(tmp_path, ORDERS.rstrip("\n")).tables["orders"].num_rows == 3


def test_faults_in_later_chunks_of_a_long_file_keep_their_lines(tmp_path):
    lines = [f"{n},c{n % 7},2025-01-05,1.00" for n in range(70_000)]
    lines[69_000] = "x"
    plain = read_orders(tmp_path, HEADER + "\n".join(lines) + "\n")
    lines[68_000] = '68000,"c1",2025-01-05,1.00'
    quoted = read_orders(tmp_path, HEADER + "\n".join(lines) + "\n")
    for found in (plain, quoted):
        assert found.tables["orders"].num_rows == 69_999
        assert found.quarantine[["line", "raw"]].values.tolist() == [[69_002, "x"]]


def test_json_lines_are_read_without_rounding_and_bad_lines_set_aside(tmp_path):
    (tmp_path / "orders.jsonl").write_text(
        '{"order_id": 9007199254740993, "customer_id": 1.10, "ordered_at": "2025-01-05", "revenue": 0.29}\n'
        '{"order_id": 2, "customer_id": {"id": 7}, "ordered_at": "2025-01-05", "revenue": 1}\n'
        '{"order_id": 3, "customer_id":\n'
        '{"order_id": 4, "customer_id": "4", "ordered_at": "2025-01-05", "revenue": NaN}\n'
    )
    found = read(tmp_path, {"orders": {"file": "orders.jsonl", "format": "jsonl"}})
    assert found.tables["orders"]["order_id"].to_pylist() == ["9007199254740993"]
    assert found.tables["orders"]["revenue"].to_pylist() == [29]
    assert found.vault["shop_id"].tolist() == ["1.10"]
    assert found.quarantine[["line", "rule"]].values.tolist() == [
        [2, "nested_value"],
        [3, "bad_json"],
        [4, "not_finite"],
    ]


def test_parquet_rows_are_set_aside_by_number_with_their_cells(tmp_path):
    rows = pa.table(
        {
            "Id": [1.0, None, 3.0],
            "order_id": ["a", "b", "c"],
            "ordered_at": ["2025-01-05"] * 3,
            "revenue": [1.0, 2.0, 0.001],
        }
    )
    pq.write_table(rows, tmp_path / "o.parquet")
    found = read(tmp_path, {"orders": {"file": "o.parquet", "format": "parquet", "columns": {"customer_id": "Id"}}})
    assert found.vault["shop_id"].tolist() == ["1"]
    assert found.quarantine[["line", "rule"]].values.tolist() == [[2, "missing_id"], [3, "too_many_decimals"]]
    assert '"order_id":"b"' in found.quarantine["raw"][0]


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ({"columns": {"custmer_id": "x"}}, "unknown column 'custmer_id'.*customer_id"),
        ({"columns": {"coupon": "voucher"}}, "missing column 'voucher'"),
        ({"events": {"paid": "Order Complete"}}, "unknown event 'Order Complete'.*Order Completed"),
        ({"drop_where": {"stage": ["test"]}}, "missing column 'stage'.*drop_where"),
        ({"timezone": "Europe/Londn"}, "unknown time zone"),
        ({"encoding": "utf8-ish"}, "unknown encoding"),
    ],
)
def test_params_that_do_not_fit_the_file_are_named(tmp_path, log, message):
    with pytest.raises(ContractError, match=message):
        read_orders(tmp_path, ORDERS, **log)


@pytest.mark.parametrize("path", ["/etc/passwd", "../orders.csv", "a/../../b.csv", "~/x.csv", "C:/x.csv", "a\0b"])
def test_params_may_not_lead_out_of_the_folder(tmp_path, path):
    with pytest.raises(ValueError, match="relative path"):
        read(tmp_path, {"orders": {"file": path}})


@pytest.mark.parametrize(
    "logs",
    [{}, {"customers": {}}, {"orders": {}, "order_lines": {}}, {"orders": {"fle": "x"}}, {"ordrs": {}}],
)
def test_settings_need_orders_and_know_their_keys(tmp_path, logs):
    with pytest.raises(ValueError, match=r"orders|fle"):
        read(tmp_path, logs)


def test_undeclared_files_and_absent_logs_are_listed(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "orders.csv").write_text("x")
    found = read_orders(tmp_path, ORDERS)
    assert found.manifest["undeclared_files"] == ["old/orders.csv"]
    assert "web_events" in found.manifest["absent_logs"]
    assert "orders" not in found.manifest["absent_logs"]


def test_amounts_with_commas_say_what_to_declare(tmp_path):
    with pytest.raises(ContractError, match=r"2 not_an_amount\. .*declare decimal_comma"):
        read_orders(tmp_path, HEADER.replace(",", ";") + "1;a;2025-01-05;10,00\n2;b;2025-01-05;1,00\n", delimiter=";")


def test_times_of_another_form_than_declared_name_the_form(tmp_path):
    with pytest.raises(
        ContractError, match=r"no value of 'ordered_at' is a time of the form '%d/%m/%Y'\. Correct sources"
    ):
        read_orders(tmp_path, HEADER + GOOD, time_format="%d/%m/%Y")


def test_the_only_file_set_aside_says_why_there_is_no_order(tmp_path):
    with pytest.raises(ContractError, match=r"orders\.csv: no usable order\. orders\.csv: empty_file"):
        read_orders(tmp_path, "", bad_file="set_aside")

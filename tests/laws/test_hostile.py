"""Whatever stands in a file, in params or on the command line is data: kept as it is or refused, never obeyed."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from pipeline import cli
from pipeline.intake import reading
from pipeline.project import settings
from pipeline.project.errors import ParamsError
from sources import ContractError
from tests.sources.source_files import Found, read

ROOT = Path(__file__).parents[2]
HOW_MANY = 5_000


def payloads(outside: Path) -> list[str]:
    """Texts that some reader, engine, page or shell might run."""
    mark = outside / "pwned"
    return [
        "'; DROP TABLE records; --", '"); DROP TABLE records; --', "' OR '1'='1", '"', "'", "''", '""', "`id`", "\\",
        "\\'", "%s", "{0}", "{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{% import os %}", "$(touch pwned)",
        f"$(touch {mark})", f"; touch {mark};", "| id", f"'; COPY (SELECT 1) TO '{mark}'; --",
        f"'); ATTACH '{mark}'; --", f"' || (SELECT content FROM read_text('{ROOT}/params.yaml')) || '",
        "'); INSTALL httpfs; LOAD httpfs; --", "'; SET enable_external_access = true; --",
        "x'); PRAGMA database_list; --", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
        "</script><svg/onload=alert(1)>", "<!--", "]]>", "&lt;b&gt;", "=cmd|'/c calc'!A1", "+1+1", "-1+1",
        "@SUM(A1)", "\t=1+1", "＝1+1", '=HYPERLINK("http://x.example")', 'DDE("cmd")', "../../x", "..\\..\\x",
        "/etc/passwd", "C:\\x", "file:///etc/passwd", "\\\\host\\share", "~/.ssh/id", "con", "nul", ".", "..",
        "a\nb", "a\r\nb", "a\rb", "a\tb", "a,b;c|d", "a\x00b", "\x01", "a\x1b[2J", "a\x07", "\x7f", "a\u200bb",
        "\u202egnp.exe", "\u2066x\u2069", "ا\u200fب", "عميل", "顧客", "é", "e\u0301", "👩‍👩‍👧", "🏴‍☠️", "\ufeffx",
        "\ufffd", "İ", "ß", "ﬁ", "NA", "null", "None", "nan", "undefined", "0", "-1", "true", "1E5", "00123",
        "9007199254740993", "1e400", "inf", " x ", "x" * 5_000, "!!python/object/apply:os.system ['id']", "&a [*a]",
        "yes", "~", "- x", "? x", "{", "[", "#", "c_" + "0" * 24, "__proto__", "constructor",
    ]  # fmt: skip


def hostile(outside: Path, how_many: int = HOW_MANY) -> list[str]:
    """So many different texts, each with a payload in it."""
    base = payloads(outside)
    found = dict.fromkeys(base)
    for n in range(how_many * 3):
        one, two = base[n % len(base)], base[(n * 7 + n // len(base)) % len(base)]
        found[(f"{one}{n}", f"{n}{one}", f"{one}{two}", f"{two} {n} {one}")[n % 4]] = None
        if len(found) >= how_many:
            return list(found)
    raise AssertionError("too few")


def tree(top: Path) -> dict[str, str]:
    """Every file, folder and link below ``top``, with what it holds."""
    return {
        path.relative_to(top).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file() and not path.is_symlink()
        else str(path.readlink()) if path.is_symlink() else ""
        for path in sorted(top.rglob("*"))
    }  # fmt: skip


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project folder that the code runs in; nothing beside it may change."""
    (tmp_path / "project" / "exports").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "orders.csv").write_text(
        "order_id,customer_id,ordered_at,revenue\n1,SECRET,2025-01-05T10:00:00Z,10.00\n"
    )
    (tmp_path / "outside" / "calls.csv").write_text("customer_id,occurred_at\nSECRET,2025-01-05T10:00:00Z\n")
    (tmp_path / "outside" / "mails.json").write_text(
        '{"email": "x@example.com", "event": "open", "timestamp": 1736071200}\n'
    )
    monkeypatch.chdir(tmp_path / "project")
    before = tree(tmp_path / "outside"), sorted(path.name for path in tmp_path.iterdir())
    yield tmp_path
    assert (tree(tmp_path / "outside"), sorted(path.name for path in tmp_path.iterdir())) == before


def outcome(act: Callable[[], Any]) -> tuple[str, Any]:
    """What a refusal said, or what came of it."""
    try:
        return "", act()
    except (ParamsError, ContractError) as error:
        return str(error), None


# In files


def write(path: Path, rows: list[dict[str, str]]) -> None:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)


def amount(n: int) -> str:
    """Which row it was, as an amount that is in no other row."""
    return f"{n // 100}.{n % 100:02d}"


def ingested(folder: Path, kind: str, texts: list[str]) -> Found:
    """One row of every log for each text, which is every id and every word in it."""
    exports = folder / "project" / "exports"
    rows = list(enumerate(texts, start=1))
    time = "2025-01-05T10:00:00Z"
    logs = {
        "orders": [
            {"order_id": t, "customer_id": t, "ordered_at": time, "revenue": amount(n), "coupon": t, "channel": t}
            for n, t in rows
        ],
        "web_events": [
            {
                "message_id": f"m{n}",
                "customer_id": t,
                "anonymous_id": t,
                "session_id": t,
                "product_id": t,
                "category": t,
                "cart_id": t,
                "event": "Product Viewed",
                "occurred_at": time,
                "price": amount(n),
            }
            for n, t in rows
        ],
        "order_items": [
            {"order_id": "good", "product_id": t, "category": t, "quantity": "1", "price": amount(n)} for n, t in rows
        ],
        "campaign_contacts": [
            {"customer_id": t, "campaign_id": t, "contacted_at": time, "arm": t, "cost": amount(n)} for n, t in rows
        ],
    }
    logs["orders"].append(logs["orders"][0] | {"order_id": "good", "customer_id": "good", "coupon": "", "channel": ""})
    for name, lines in logs.items():
        write(exports / f"{name}.{kind}", lines)
    return read(exports, {name: {"file": f"{name}.{kind}", "format": kind} for name in logs})


WORDS = {
    "orders": ("revenue", ("order_id", "coupon", "channel")),
    "web_events": ("price", ("product_id", "category", "cart_id")),
    "order_items": ("price", ("product_id", "category")),
    "campaign_contacts": ("cost", ("campaign_id", "arm")),
}
REFUSALS = {"control_character", "placeholder_id", "missing_id", "bad_encoding", "unknown_order"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_hostile_text_is_kept_letter_by_letter_or_refused(apart: Path, kind: str) -> None:
    texts = hostile(apart / "outside")
    found = ingested(apart, kind, texts)
    ids = found.vault.set_index("customer_id")["shop_id"].to_dict()
    for log, (number, words) in WORDS.items():
        rows = [row for row in found.tables[log].to_pylist() if row.get("order_id") != "good" or log == "order_items"]
        assert len(rows) > HOW_MANY / 2
        for row in rows:
            text = texts[row[number] - 1]
            assert {row[word] for word in words} == {text}
            if log != "order_items":
                assert ids[row["customer_id"]] == text
        refused = found.quarantine[found.quarantine["log"] == log]
        assert set(refused["rule"]) <= REFUSALS
        (file,) = found.manifest["logs"][log]["files"]
        assert file["rows_read"] == file["accepted"] + file["quarantined"] + file["duplicates"]
        assert Counter(file["rules"]) == Counter(refused["rule"])
        # What was not kept is in the quarantine.
        assert len(rows) + len(refused) == len(texts)


HEADERS = [text for text in dict.fromkeys(payloads(Path("/outside"))) if text.strip() and "\x00" not in text][:96]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_hostile_name_of_a_column_is_only_a_name(apart: Path, kind: str) -> None:
    ours = ("order_id", "customer_id", "ordered_at", "revenue", "coupon", "channel", "event", "discount")
    exports = apart / "project" / "exports"
    for at in range(0, len(HEADERS), len(ours)):
        theirs = dict(zip(ours, HEADERS[at : at + len(ours)], strict=True))
        row = dict(zip(ours, ("1", "anna", "2025-01-05T10:00:00Z", "1.50", "c", "h", "'; DROP", "0.25"), strict=True))
        others = {f"{name} other": "x" for name in HEADERS[:50] if f"{name} other" not in theirs.values()}
        write(exports / f"orders.{kind}", [{theirs[name]: cell for name, cell in row.items()} | others])
        declared: dict[str, Any] = {"file": f"orders.{kind}", "format": kind, "columns": theirs}
        declared |= {"events": {"'; DROP": "Order Completed"}, "drop_where": {theirs["coupon"]: HEADERS[:20]}}
        said, found = outcome(lambda declared=declared: read(exports, {"orders": declared}))
        assert found is not None, said
        (order,) = found.tables["orders"].to_pylist()
        assert (order["order_id"], order["revenue"], order["discount"], order["coupon"]) == ("1", 150, 25, "c")
        assert found.vault["shop_id"].tolist() == ["anna"]


# In params and on the command line

PATHS = [
    "../outside", "../outside/orders.csv", "exports/../../outside/orders.csv", "exports/../..", "..", "../",
    "./../outside", "a/../../outside", "/etc/passwd", "/", "//etc/passwd", "~", "~/x", "~root/x",
    "\\\\host\\share\\orders.csv", "\\etc\\passwd", "..\\outside\\orders.csv", "C:\\orders.csv", "C:orders.csv",
    "file:///etc/passwd", "http://127.0.0.1/orders.csv", "s3://bucket/orders.csv", "exports/orders.csv\x00.txt",
    "\x00", "link/orders.csv", "link.csv", "link/*.csv", "l*/*.csv", "**/../../outside/*.csv",
    "*/../../outside/orders.csv", "$(touch ../outside/pwned)", "`touch pwned`", "${HOME}/orders.csv",
    "%2e%2e/outside/orders.csv", "..%2foutside", "…/outside", "．．/outside",
    "orders.csv'; COPY (SELECT 1) TO '../outside/pwned'; --", "{orders,x}.csv", "[", "**", "\n../outside",
    " ../outside", "con", "-rf", "dev/stdin",
]  # fmt: skip
KEYS = ("sources.path", "sources.logs.orders.file", "sources.own_logs.calls.file", "sources.exports.mails.file")


def params_with(key: str, value: str) -> str:
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["demo"] = []
    params["sources"] |= {
        "path": "exports",
        "logs": {"orders": {"file": "orders.csv"}},
        "own_logs": {"calls": {"title": "Calls", "file": "calls.csv"}},
        "exports": {"mails": {"adapter": "sendgrid", "file": "mails.json"}},
    }
    *sections, last = key.split(".")
    place = params
    for section in sections:
        place = place[section]
    place[last] = value
    return json.dumps(params)  # which is YAML too, and writes what YAML cannot


@pytest.mark.parametrize("key", KEYS)
def test_a_hostile_path_in_params_is_refused_in_one_line(apart: Path, key: str) -> None:
    exports = apart / "project" / "exports"
    (exports / "link").symlink_to(apart / "outside")
    (exports / "link.csv").symlink_to(apart / "outside" / "orders.csv")
    (exports / "orders.csv").write_text("order_id,customer_id,ordered_at,revenue\n1,anna,2025-01-05T10:00:00Z,10.00\n")
    (exports / "calls.csv").write_text("customer_id,occurred_at\nanna,2025-01-05T10:00:00Z\n")
    (exports / "mails.json").write_text('{"email": "anna@example.com", "event": "open", "timestamp": 1736071200}\n')
    for path in PATHS:
        said, found = outcome(
            lambda path=path: reading.read_into(settings.parse(params_with(key, path)), Path("events"))
        )
        assert found is None, repr(path)
        assert "\n" not in said.replace(path, ""), repr(path)
        assert "SECRET" not in said
    assert not Path("events").exists()


@pytest.mark.parametrize("key", ["sources.path", "sources.logs.orders.file"])
@pytest.mark.parametrize("path", ["x" * 300, "x/" * 3_000], ids=["long", "deep"])
def test_a_path_that_is_too_long_is_refused_in_one_line(apart: Path, key: str, path: str) -> None:
    said, found = outcome(lambda: reading.read_into(settings.parse(params_with(key, path)), Path("events")))
    assert found is None
    assert "\n" not in said


ARGUMENTS = [path for path in PATHS if "\x00" not in path and not path.startswith("-")]


@pytest.fixture
def wafa(apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    (apart / "project" / "params.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"))

    def call(*arguments: str) -> tuple[Any, str]:
        monkeypatch.setattr(sys, "argv", ["wafa", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    "command",
    [
        ("score", "--as-of"), ("export", "win_back", "--as-of"), ("export",), ("explain",), ("subject",),
        ("erase", "--yes"), ("compare",),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_hostile_argument_is_refused_in_one_line(wafa: Any, apart: Path, command: tuple[str, ...]) -> None:
    before = tree(apart / "project")
    for argument in ARGUMENTS:
        code, err = wafa(*command, argument)
        assert code in ({2} if "--as-of" in command else {2, 3, 4}), (argument, err)
        assert "Traceback" not in err
        assert err.count("\n") - argument.count("\n") <= 1, err
    left = {name: held for name, held in tree(apart / "project").items() if not name.startswith("state")}
    assert left == {name: held for name, held in before.items() if not name.startswith("state")}


def test_an_answer_is_written_inside_the_project_alone(wafa: Any, apart: Path) -> None:
    exports = apart / "project" / "exports"
    (exports / "orders.csv").write_text("order_id,customer_id,ordered_at,revenue\n1,anna,2025-01-05T10:00:00Z,10.00\n")
    (apart / "project" / "params.yaml").write_text(params_with("sources.path", "exports"))
    (apart / "project" / "link").symlink_to(apart / "outside")
    before = tree(apart / "project")
    for path in [
        *ARGUMENTS,
        "link/answer.json",
        str(apart / "outside" / "answer.json"),
        "data/a.json",
        ".dvc/a",
        ".git/config",
    ]:
        code, err = wafa("subject", "anna", "--output", path)
        if code in {0, None}:
            assert Path(path).resolve().is_relative_to(apart / "project"), path
            Path(path).unlink()
        else:
            assert code == 2, (path, err)
            assert err.count("\n") - path.count("\n") <= 1
    assert {name for name in tree(apart / "project") if not name.startswith("state")} == {*before}
    assert wafa("subject", "anna", "--output", "params.yaml")[0] == 2  # nothing is overwritten
    assert wafa("subject", "anna", "--output", "state/answer.json")[0] in {0, None}


def test_the_search_for_changes_sees_one(tmp_path: Path) -> None:
    before = tree(tmp_path)
    (tmp_path / "pwned").touch()
    assert tree(tmp_path) != before

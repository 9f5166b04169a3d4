"""Faults 26 to 37: ids that software likes to change, people that are unknown, double, merged, or not customers."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pyarrow as pa

from sources import Ingested
from tests.faults.case import Case, as_csv, by_id, customer, good_row, ids, in_log, lines, parquet, with_row
from tests.faults.contact import exported

CONTROL, PLACEHOLDER = "control_character", "placeholder_id"
LARGE, LARGER = "9007199254740992", "9007199254740993"
HUGE = "123456789012345678901234567890"


def _people(*shop_ids: str) -> Callable[[Ingested], bool]:
    """A check: these, beside anna, are the customers."""
    return lambda found: ids(found) == sorted({"anna", *shop_ids})


def _kept(number: int, name: str, shop_id: str, *formats: str) -> list[Case]:
    """An id that stays the text it is."""
    chosen = formats or ("csv", "jsonl", "parquet")
    return with_row(number, name, {"customer_id": shop_id}, formats=chosen, check=_people(shop_id))


def _refused(number: int, name: str, shop_id: str, rule: str, *formats: str) -> list[Case]:
    return with_row(
        number, name, {"customer_id": shop_id}, "customer_id", rule, formats=formats or ("csv", "jsonl", "parquet")
    )


def _both(number: int, name: str, one: str, other: str) -> Case:
    rows = [good_row("orders", n) | {"customer_id": shop_id} for n, shop_id in enumerate((one, other, "anna"), 1)]
    return in_log(number, name, "orders", as_csv(rows), kind="accepted", check=_people(one, other))


_NOBODY = {"customer_id": "", "anonymous_id": ""}
_NUMBERED = ["a1", "a2", "a3"]
_TIMES = ["2025-01-11T10:00:00Z"] * 3


def _numbers(numbers: list[int | None]) -> bytes:
    columns = {"order_id": _NUMBERED, "ordered_at": _TIMES, "revenue": ["1.00"] * 3}
    return parquet(pa.table(columns | {"customer_id": pa.array(numbers, pa.int64())}))


IDS = [
    *_refused(26, "no customer", "", "missing_id"),
    *_refused(26, "blanks for a customer", "   ", "missing_id", "csv", "jsonl"),
    *with_row(26, "no order", {"order_id": ""}, "order_id", "missing_id", formats=("csv", "parquet")),
    *with_row(26, "visit of nobody", _NOBODY, "customer_id", "missing_id", log="web_events"),
    *with_row(26, "visit of a stranger", {"customer_id": "", "anonymous_id": "cookie"}, log="web_events"),
    *(case for word in ("NA", "null", "None", "nan") for case in _kept(27, f"a customer called {word}", word)),
    *(
        case
        for word in ("undefined", "0", "-1")
        for case in _refused(27, f"a customer called {word}", word, PLACEHOLDER)
    ),
    _both(28, "00123 and 123", "00123", "123"),
    *_kept(28, "00123", "00123"),
    _both(29, "two ids beyond 2^53", LARGE, LARGER),
    in_log(
        29,
        "two ids beyond 2^53 beside a null, Parquet",
        "orders",
        _numbers([int(LARGE), int(LARGER), None]),
        declared={"format": "parquet"},
        kind="quarantined",
        quarantined=(("orders.parquet", 3, "customer_id", "missing_id"),),
        check=lambda found: ids(found) == [LARGE, LARGER],
    ),
    in_log(
        29,
        "two ids beyond 2^53 beside an empty one",
        "orders",
        as_csv([good_row("orders", n) | {"customer_id": shop_id} for n, shop_id in enumerate((LARGE, "", LARGER), 1)]),
        kind="quarantined",
        quarantined=(("orders.csv", 3, "customer_id", "missing_id"),),
        check=lambda found: ids(found) == [LARGE, LARGER],
    ),
    *_kept(30, "thirty digits", HUGE),
    in_log(
        30,
        "thirty digits, a number in JSON",
        "orders",
        lines(f'{{"order_id": 1, "customer_id": {HUGE}, "ordered_at": "2025-01-11T10:00:00Z", "revenue": 1}}'),
        declared={"format": "jsonl"},
        kind="accepted",
        check=lambda found: ids(found) == [HUGE],
    ),
    _both(31, "1E5 and 100000", "1E5", "100000"),
    *_kept(31, "1E5", "1E5"),
    # No setting declares that ids are trimmed or that case means nothing, so both stay.
    _both(32, "an id with a blank behind it", "ben ", "ben"),
    _both(32, "an id in capitals", "BEN", "ben"),
    _both(32, "an id composed and decomposed", "jos\u00e9", unicodedata.normalize("NFD", "jos\u00e9")),
    *_refused(32, "zero-width space", "be\u200bn", CONTROL),
    *_refused(32, "text turned around", "be\u202en", CONTROL),
    *_refused(32, "byte order mark inside", "be\ufeffn", CONTROL, "jsonl"),
    *_refused(32, "bell", "be\x07n", CONTROL, "csv", "jsonl"),
]


def _customers(*rows: tuple[str, str]) -> bytes:
    return lines(
        "customer_id,email,created_at", *(f"{shop_id},{email},2024-12-01T10:00:00Z" for shop_id, email in rows)
    )


_ANNA_ONLY = _customers(("anna", "anna@example.com"), ("ben", "ben@example.com"))
_WITH_CUSTOMERS = {
    "logs_beside": {"customers": {"file": "people.csv"}},
    "beside": {
        "shop.csv": lines("order_id,customer_id,ordered_at,revenue", "o1,anna,2025-01-05T10:00:00Z,10.00"),
        "people.csv": _ANNA_ONLY,
    },
}
_MERGES = "from_id,to_id,merged_at"


def _merged(name: str, *pairs: str, bad_file: str = "stop", **expected: object) -> Case:
    rows = lines(_MERGES, *(f"{pair},2025-01-20T10:00:00Z" for pair in pairs))
    return in_log(34, name, "customer_merges", rows, declared={"bad_file": bad_file}, **expected)


# A message may name no id: the lines of the cycle are its name. Without the map an opt-out would hold for one of
# two accounts only, so a cycle stops the run even where bad files are set aside.
_CYCLE = {"kind": "stopped", "rule": "merge_cycle", "bad_file": "set_aside"}

KNOWN_AND_MERGED = [
    *(
        case
        for log in ("web_events", "email_events")
        for case in with_row(
            33,
            f"{log} of a customer whom the customers lack",
            {"customer_id": "zoe"},
            log=log,
            formats=("csv", "parquet"),
            kind="warned",
            words=(log, "orphan", "1"),
            check=_people("zoe", "ben"),
            **_WITH_CUSTOMERS,
        )
    ),
    *with_row(33, "item of an unknown order", {"order_id": "o77"}, "order_id", "unknown_order", log="order_items"),
    _merged("two merged into each other", "anna,ben", "ben,anna", words=("customer_merges.csv", "2", "3"), **_CYCLE),
    _merged(
        "three in a circle",
        "anna,ben",
        "zoe,yan",
        "ben,cleo",
        "cleo,anna",
        words=("customer_merges.csv", "2", "4", "5"),
        **_CYCLE,
    ),
    _merged("one merged into himself", "ben,ben", kind="accepted"),
    _merged(
        "merged twice, one after the other",
        "anna,ben",
        "ben,cleo",
        kind="accepted",
        check=lambda found: set(found.tables["orders"]["customer_id"].to_pylist()) == {customer(found, "cleo")},
    ),
]


def _one_address(found: Ingested) -> bool:
    """Two customers with one key of the address, of whom the list has one."""
    keys = by_id(found, "customers", "address_key", "customer_id")
    rows, left_out = exported(found)
    return len(keys) == 2 and len(set(keys.values())) == 1 and len(rows) == 1 and left_out == {"same_inbox": 1}


def _shared(name: str, one: str, other: str) -> Case:
    return in_log(
        35,
        name,
        "customers",
        _customers(("anna", one), ("ben", other)),
        kind="warned",
        words=("1", "address", "more than one customer"),
        check=_one_address,
    )


def _address(name: str, cell: str, *, in_list: str = "", **expected: object) -> Case:
    def check(found: Ingested) -> bool:
        return set(exported(found)[0]) == ({"anna@example.com", in_list} - {""})

    content = as_csv(
        [
            {"customer_id": "anna", "email": "anna@example.com", "created_at": "2024-12-01T10:00:00Z"},
            {"customer_id": "ben", "email": cell, "created_at": "2024-12-01T10:00:00Z"},
        ]
    )
    return in_log(36, name, "customers", content, **({"kind": "accepted", "check": check} | expected))


_MALFORMED = {"kind": "warned", "words": ("customers.csv", "malformed", "1 row")}
_INJECTED = {"kind": "quarantined", "quarantined": (("customers.csv", 3, "email", "line_break_in_address"),)}

ADDRESSES = [
    _shared("one address of two customers", "a@example.com", "a@example.com"),
    _shared("one address in two spellings", "Ann@Example.com ", "ann@example.com"),
    _address("no at sign", "ben(at)example.com", **_MALFORMED),
    _address("two at signs", "ben@@example.com", **_MALFORMED),
    _address("no domain", "ben@", **_MALFORMED),
    _address("with a name", "Ben <ben@example.com>", **_MALFORMED),
    _address("two addresses", "ben@example.com;b@example.com", **_MALFORMED),
    _address("a domain in Unicode", "ben@ex\u00e4mple.org", in_list="ben@ex\u00e4mple.org"),
    _address("with a plus tag", "ben+shop@example.com", in_list="ben+shop@example.com"),
    _address("a header behind a line break", "ben@example.com\r\nBcc: eve@example.org", **_INJECTED),
    _address("a line feed in it", "ben@example.com\neve@example.org", **_INJECTED),
    _address("begins like a formula", "=ben@example.com"),
]

TEST_ACCOUNT = "test_account"


def _tests(name: str, log: str, content: bytes, accounts: list[str], people: list[str], **expected: object) -> Case:
    return in_log(
        37,
        name,
        log,
        content,
        kind="normalised",
        settings={"test_accounts": accounts},
        check=lambda found: ids(found) == people,
        **expected,
    )


_STAFF = _customers(("anna", "anna@example.com"), ("ben", "Ben@Staff.Example.org"), ("qa", "qa@example.net"))

TESTS_AND_STAFF = [
    _tests(
        "by customer id",
        "orders",
        as_csv([good_row("orders", 1), good_row("orders", 2) | {"customer_id": "robot"}]),
        ["robot"],
        ["anna"],
        left_out={("orders.csv", TEST_ACCOUNT): 1},
    ),
    # The orders of a test account go with the account: ben's are in the file beside.
    _tests(
        "by the end of the address",
        "customers",
        _STAFF,
        ["@staff.example.org"],
        ["anna", "qa"],
        left_out={("customers.csv", TEST_ACCOUNT): 1, ("shop.csv", TEST_ACCOUNT): 1},
    ),
    _tests(
        "by address",
        "customers",
        _STAFF,
        ["QA@example.net", "ben"],
        ["anna"],
        left_out={("customers.csv", TEST_ACCOUNT): 2, ("shop.csv", TEST_ACCOUNT): 1},
    ),
    *with_row(
        37,
        "by a column",
        {"customer_id": "ben", "role": "staff"},
        formats=("csv", "jsonl"),
        kind="normalised",
        declared={"drop_where": {"role": ["staff"]}},
        check=_people(),
    ),
]

CASES = [*IDS, *KNOWN_AND_MERGED, *ADDRESSES, *TESTS_AND_STAFF]

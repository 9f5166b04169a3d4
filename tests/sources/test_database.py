"""Tables of a real PostgreSQL as a source: exact, together, read only, and silent about the connection string."""

import hashlib
import os
import stat
import time
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from pipeline.intake import reading, snapshot_tables
from pipeline.project import datasets
from pipeline.project.errors import DataError, ParamsError
from sources import ContractError, SourceSettings, database
from sources.checking import Log
from sources.settings import LogSettings
from tests.postgres import free_port, running
from tests.sources.source_files import KEY

psycopg = pytest.importorskip("psycopg", reason="psycopg is missing: pip install 'wafa[postgres]'")

SECRET = "hush-hush"
ORDERS = {"order_id": "nr", "customer_id": "who", "ordered_at": "at", "revenue": "net"}


@pytest.fixture(scope="module")
def server():
    with running("owner") as place:
        yield place


@pytest.fixture
def url(server):
    """Connection string of an empty database; its owner may change it, Wafa's user may read what it is granted."""
    with psycopg.connect(f"postgresql://owner@{server}", autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("DROP SCHEMA IF EXISTS crm CASCADE")
    return f"postgresql://owner:{SECRET}@{server}"


@pytest.fixture
def sql(url):
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection.execute


@pytest.fixture
def some_orders(sql):
    sql("CREATE TABLE orders (nr bigint, who text, at timestamptz, net numeric(12,2), note text)")
    sql(
        "INSERT INTO orders VALUES (1, 'anna', '2025-01-05 11:00+01', 10.10, 'private'), "
        "(2, 'ben', '2025-01-06 10:00+00', 20, null), (3, 'anna', '2025-02-05 10:00+00', 30.00, null)"
    )


def log(table="public.orders", name="orders", **settings):
    return Log(name, LogSettings(table=table, **({"columns": ORDERS} | settings)), "UTC", "GBP")


def snapshot(url, folder, *logs, **options):
    database.snapshot(url, logs or [log()], folder, **options)
    return pq.read_table(folder / "orders.parquet")


def told(url, folder, *logs, **options):
    """The one line in which the reading of ``logs`` is refused."""
    with pytest.raises(ContractError) as refused:
        snapshot(url, folder, *logs, **options)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_only_mapped_columns_leave_the_database_exact_and_ordered(url, some_orders, tmp_path):
    table = snapshot(url, tmp_path)
    rows = [(row["who"], row["nr"], row["at"], row["net"]) for row in table.to_pylist()]
    assert rows == [
        ("anna", 1, "2025-01-05 10:00:00+00:00", "10.10"),
        ("anna", 3, "2025-02-05 10:00:00+00:00", "30.00"),
        ("ben", 2, "2025-01-06 10:00:00+00:00", "20.00"),
    ]
    assert set(table.column_names) == {"nr", "who", "at", "net"}


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("numeric", "12345678901234567.10", "12345678901234567.10"),
        ("numeric", "NaN", "NaN"),
        ("bigint", "9007199254740993", 9007199254740993),
        ("uuid", "0a000000-0000-0000-0000-000000000001", "0a000000-0000-0000-0000-000000000001"),
        ("text", "100 % 'é'", "100 % 'é'"),
        ("char(4)", "ab", "ab"),
        ("boolean", "yes", True),
        ("double precision", "0.1", 0.1),
        ("date", "2025-01-31", "2025-01-31"),
        ("timestamp", "2025-01-31 10:00:00.123456", "2025-01-31 10:00:00.123456"),
        ("timestamptz", "2025-01-31 10:00:00.5+05:30", "2025-01-31 04:30:00.5+00:00"),
        ("timestamptz", "infinity", "infinity:00"),
        ("text", None, None),
    ],
)
def test_every_type_that_a_log_holds(url, sql, tmp_path, kind, value, read):
    sql(f"ALTER DATABASE postgres SET DateStyle = 'SQL, DMY'; CREATE TABLE orders (x {kind})")
    sql("INSERT INTO orders VALUES (%s)", [value])
    fixed = {"order_id": "1", "customer_id": "anna", "ordered_at": "2025-01-01"}
    table = snapshot(url, tmp_path, log(columns={"category": "x"}, constants=fixed))
    assert table["x"].to_pylist() == [read]


@pytest.mark.parametrize(
    ("kind", "told_of"),
    [
        ("jsonb", "is a nested_value (jsonb). Make a view with the one value that is meant."),
        ("text[]", "is a nested_value (array<string>). Make a view with the one value that is meant."),
        ("bytea", "has the type binary that no log holds. Make a view that casts it to text."),
        ("tsvector", "has a type that no log holds. Make a view that casts it to text."),
    ],
)
def test_types_that_no_log_holds_are_refused_where_they_are_mapped(url, sql, tmp_path, some_orders, kind, told_of):
    sql(f"ALTER TABLE orders ADD x {kind}")
    assert snapshot(url, tmp_path).num_rows == 3
    assert told(url, tmp_path, log(columns=ORDERS | {"category": "x"})) == f"public.orders: column 'x' {told_of}"


def test_a_type_that_ibis_stumbles_over_is_one_line(url, sql, some_orders, tmp_path):
    sql("ALTER TABLE orders ADD x regclass")
    assert told(url, tmp_path) == (
        "sources.logs.orders.table: public.orders has a column of a type that Ibis does not know. "
        "Make a view without it."
    )


def test_names_of_columns_are_names_whatever_stands_in_them(url, sql, tmp_path):
    sql("""CREATE TABLE orders (nr int, "self" text, "a""; DROP TABLE orders; --%s" text)""")
    sql("INSERT INTO orders VALUES (1, 'anna', '2025-01-01')")
    odd = {"order_id": "nr", "customer_id": "self", "ordered_at": 'a"; DROP TABLE orders; --%s'}
    table = snapshot(url, tmp_path, log(columns=odd))
    assert table.to_pylist() == [{"self": "anna", "nr": 1, 'a"; DROP TABLE orders; --%s': "2025-01-01"}]


def test_equal_rows_give_equal_bytes_in_whatever_order_they_lie(url, sql, some_orders, tmp_path):
    snapshot(url, tmp_path)
    first = hashlib.sha256((tmp_path / "orders.parquet").read_bytes()).hexdigest()
    sql("CREATE TABLE twin AS SELECT * FROM orders ORDER BY nr DESC")
    sql("DROP TABLE orders; ALTER TABLE twin RENAME TO orders")
    snapshot(url, tmp_path)
    assert hashlib.sha256((tmp_path / "orders.parquet").read_bytes()).hexdigest() == first
    sql("UPDATE orders SET net = 11 WHERE nr = 1")
    snapshot(url, tmp_path)
    assert hashlib.sha256((tmp_path / "orders.parquet").read_bytes()).hexdigest() != first


def test_more_rows_than_come_at_once(url, sql, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "ROWS_AT_ONCE", 100)
    numbers = "generate_series(1, 250) AS number"
    sql(
        f"CREATE TABLE orders AS SELECT number AS nr, 'anna' AS who, now() AS at, number::numeric AS net FROM {numbers}"
    )
    table = snapshot(url, tmp_path)
    assert sorted(table["nr"].to_pylist()) == list(range(1, 251))
    assert pq.ParquetFile(tmp_path / "orders.parquet").num_row_groups == 3


def test_an_empty_table_and_views_are_files_too(url, sql, some_orders, tmp_path):
    sql("CREATE SCHEMA crm; CREATE VIEW crm.seen AS SELECT * FROM orders WHERE nr < 3")
    assert snapshot(url, tmp_path, log("crm.seen")).num_rows == 2
    assert snapshot(url, tmp_path, log("orders")).num_rows == 3
    sql("CREATE MATERIALIZED VIEW crm.kept AS SELECT * FROM orders WHERE nr < 0")
    assert snapshot(url, tmp_path, log("crm.kept")).schema.names == snapshot(url, tmp_path).schema.names


def test_all_tables_are_of_one_moment(url, sql, some_orders, tmp_path):
    sql("CREATE TABLE people (customer_id text); INSERT INTO people VALUES ('anna')")

    def meanwhile(table):
        if table == "people":
            sql("INSERT INTO people VALUES ('ben')")

    people = log("people", "customers", columns={})
    assert database.snapshot(url, [log(), people], tmp_path, progress=meanwhile) == {"orders": 3, "customers": 1}


def test_nothing_can_be_changed(url, sql, some_orders, tmp_path):
    sql("CREATE FUNCTION spoil() RETURNS text LANGUAGE plpgsql AS $$ BEGIN DELETE FROM orders; RETURN 'x'; END $$")
    sql("CREATE VIEW trap AS SELECT *, spoil() AS category FROM orders")
    said = told(url, tmp_path, log("trap"))
    assert said == "sources.logs.orders.table: trap: the server refused to read it (ReadOnlySqlTransaction)."
    assert sql("SELECT count(*) FROM orders").fetchone() == (3,)


def test_a_missing_table_or_column_is_named_with_the_nearest(url, some_orders, tmp_path):
    place = "sources.logs.orders"
    missing = f"{place}.table: no table or view 'order' in the schema 'public' (perhaps 'orders')."
    assert told(url, tmp_path, log("public.order")) == missing
    assert told(url, tmp_path, log("crm.x")) == f"{place}.table: no table or view 'x' in the schema 'crm'."
    assert told(url, tmp_path, log(columns=ORDERS | {"revenue": "nett"})) == (
        f"public.orders: missing column 'nett' (our orders.revenue) (perhaps 'net'). Map it under {place}.columns."
    )


def test_permission_denied_is_one_line(url, server, sql, some_orders, tmp_path):
    sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; CREATE TABLE mine (LIKE orders)")
    sql("GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON mine TO reader")
    reader = f"postgresql://reader:{SECRET}@{server}"
    assert snapshot(reader, tmp_path, log("public.mine")).num_rows == 0
    assert told(reader, tmp_path) == (
        "sources.logs.orders.table: public.orders: permission denied. "
        "Grant the user USAGE on the schema and SELECT on the table."
    )
    sql("DROP OWNED BY reader; DROP ROLE reader")


def test_a_statement_that_does_not_end_is_ended(url, sql, some_orders, tmp_path):
    sql("CREATE VIEW slow AS SELECT *, pg_sleep(60)::text AS category FROM orders")
    begun = time.monotonic()
    assert "it took longer than sources.database.timeout_seconds" in told(url, tmp_path, log("slow"), timeout_seconds=1)
    assert time.monotonic() - begun < 20


def test_a_server_that_goes_away_is_one_line(url, sql, some_orders, tmp_path):
    def end(_):
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wafa'")

    said = told(url, tmp_path, progress=end)
    assert said.startswith("sources.logs.orders.table: public.orders: ")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (f"postgresql://owner:{SECRET}@127.0.0.1:{{port}}/postgres", "does not answer"),
        (f"postgresql://owner:{SECRET}@{{server}}_gone", "knows no such database or user"),
        (f"postgresql://stranger:{SECRET}@{{server}}", "knows no such database or user"),
        (f"host=127.0.0.1 password={SECRET} {SECRET}", "the connection string is none"),
        (f"postgresql+psycopg://owner:{SECRET}@{{server}}", "the connection string is none"),
        (f"postgresql://owner:{SECRET}@{SECRET}@127.0.0.1/x", "does not answer"),
    ],
)
def test_no_connection_is_one_line_without_the_connection_string(server, tmp_path, wrong, why):
    assert why in told(wrong.format(port=free_port(), server=server), tmp_path)


def test_a_refused_password_is_one_line(server, sql, tmp_path):
    sql("DROP ROLE IF EXISTS locked; CREATE ROLE locked LOGIN PASSWORD 'another'")
    (file,) = sql("SHOW hba_file").fetchone()
    rules = ("host all locked 127.0.0.1/32 scram-sha-256", "host all all 127.0.0.1/32 trust")
    sql(f"COPY (SELECT unnest(ARRAY{list(rules)})) TO '{file}'")
    sql("SELECT pg_reload_conf()")
    end = time.monotonic() + 20
    while "refuses" not in (said := told(f"postgresql://locked:{SECRET}@{server}", tmp_path)):
        assert time.monotonic() < end
    assert said.startswith("sources.database: the server refuses this user. Look at user and password")


# The whole way


@pytest.fixture
def project(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAFA_KEY_TEST", KEY.hex())
    monkeypatch.setenv("SHOP_DATABASE", url)
    return tmp_path


def params(**changes):
    given = {
        "path": "exports",
        "currency": "GBP",
        "key_id": "test",
        "database": {"url_from": "SHOP_DATABASE"},
        "logs": {"orders": {"table": "public.orders", "columns": ORDERS}},
        "own_logs": {"calls": {"title": "Calls", "file": "calls.csv"}},
    }
    return SimpleNamespace(
        demo=[],
        sources=SourceSettings.model_validate(given | changes),
        shop=SimpleNamespace(timezone="UTC", currency="GBP"),
        engine=SimpleNamespace(memory_limit="1GB", threads=2),
    )


def files_below(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_tables_and_files_are_ingested_together_and_bad_rows_have_their_row(project, sql, some_orders, capfd):
    sql("INSERT INTO orders VALUES (4, null, '2025-02-06', 1, null), (5, 'anna', 'infinity', 1, null)")
    (project / "exports").mkdir()
    (project / "exports" / "calls.csv").write_text("customer_id,occurred_at\nanna,2025-01-07T10:00:00Z\n")
    snapshot_tables.run(params())
    manifest = reading.run(params(), datasets.EVENTS)
    assert {name: entry["rows"] for name, entry in manifest["logs"].items()} == {"calls": 1, "orders": 3}
    (book,) = manifest["logs"]["orders"]["files"]
    assert (book["name"], book["rows_read"], book["rules"]) == (
        "tables/orders.parquet",
        5,
        {"missing_id": 1, "unparsable_time": 1},
    )
    revenue = datasets.read_events(datasets.EVENTS, "orders")["revenue"]
    assert sorted(revenue) == [1010, 2000, 3000]
    assert SECRET not in "".join(capfd.readouterr())
    assert not [name for name, data in files_below(project).items() if SECRET.encode() in data]
    if os.name == "posix":
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (project / "exports" / "tables").iterdir()}
        assert modes == {0o600}
        assert stat.S_IMODE((project / "exports" / "tables").stat().st_mode) == 0o700


def test_an_unchanged_table_is_not_read_again_by_the_ingest(project, some_orders, monkeypatch):
    only = {"own_logs": {}}
    snapshot_tables.run(params(**only))
    reading.run(params(**only), datasets.EVENTS)
    before = files_below(project / "data")
    monkeypatch.setattr("sources.worker.Worker.land", lambda *_, **__: pytest.fail("it was read again"))
    snapshot_tables.run(params(**only))
    reading.run(params(**only), datasets.EVENTS)
    assert files_below(project / "data") == before


def test_a_snapshot_that_fails_leaves_the_one_of_before(project, sql, some_orders):
    snapshot_tables.run(params())
    before = files_below(project)
    (project / "exports" / ".tables.tmp-1").mkdir()
    sql("DROP TABLE orders")
    with pytest.raises(ContractError, match="no table or view 'orders'"):
        snapshot_tables.run(params())
    assert files_below(project) == before
    assert [path.name for path in (project / "exports").iterdir()] == ["tables"]


def test_what_must_be_there_is_said(project, monkeypatch):
    with pytest.raises(DataError, match=r"the table of orders was never read\. `wafa snapshot`"):
        reading.run(params(), datasets.EVENTS)
    monkeypatch.delenv("SHOP_DATABASE")
    with pytest.raises(ParamsError, match=r"^SHOP_DATABASE is not set \(sources.database.url_from\)"):
        snapshot_tables.run(params())
    with pytest.raises(ParamsError, match="demo simulates the shop"):
        snapshot_tables.run(SimpleNamespace(**vars(params()) | {"demo": ["shop"]}))
    (project / "exports").write_text("one file")
    with pytest.raises(ParamsError, match=r"sources\.path is a file"):
        snapshot_tables.run(params())


def test_without_a_table_nothing_is_asked_of_anybody(project, monkeypatch):
    monkeypatch.delenv("SHOP_DATABASE")
    snapshot_tables.run(params(logs={"orders": {"file": "orders.csv"}}))
    assert not (project / "exports").exists()


def test_a_log_is_a_file_or_a_table():
    with pytest.raises(ValueError, match="orders must name either a file or a table, and not both"):
        params(logs={"orders": {"table": "orders", "file": "orders.csv"}})
    with pytest.raises(ValueError, match="shop must name a file: only logs and own_logs can be tables"):
        params(exports={"shop": {"adapter": "shopify_orders", "table": "orders"}})

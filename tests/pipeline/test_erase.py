"""`wafa erase` and `wafa subject` on a shop of a few people, place by place."""

import gzip
import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from campaigns.ledger import Ledger
from pipeline import cli
from pipeline.champion import champion
from pipeline.champion.champions import CHAMPIONS, Pointer
from pipeline.people.find_person import find
from pipeline.people.raw_records import People, RawFile, declared
from pipeline.privacy import clear_cache, erase, erase_outbox, scrub, subject
from pipeline.privacy.rewrite_raw import write_without
from pipeline.project import datasets, settings
from pipeline.project.errors import ParamsError, StaleError
from sources import address_key, fingerprint, load_key, pseudonym

KEY = load_key("demo", {}, None)


def of(name):
    return pseudonym([name], KEY).to_pylist()[0]


CUSTOMERS = (
    "customer_id,email,note\r\n"
    '17,Anna@Example.com,"says ""hi"",\nin two lines"\r\n'
    "18,ben@example.com,\r\n"
    "19,shared@example.com,knows anna@example.com well\r\n"
    "20,shared@example.com,\r\n"
    "21,\r\n"
    "170,ann@example.com,anna@example.com.au\r\n"
)
ORDERS = (
    "order_id,customer_id,ordered_at,revenue\n"
    "o1,17,2025-01-05T10:00:00Z,17.00\no2,18,2025-01-06T10:00:00Z,17\no3,171,2025-02-05T10:00:00Z,30.00\n17,18,x\n"
)
ITEMS = "order_id,product_id,quantity,price\no1,p1,1,17\no2,17,1,5.00\no3,p1,17,1.00\n"
IDENTITY = "anonymous_id,customer_id,identified_at\ndev-a,17,2025-01-01T00:00:00Z\ndev-b,18,2025-01-01T00:00:00Z\n"
MERGES = "from_id,to_id\n171,17\n200,201\n"
MAILS = [
    json.dumps(
        [{"email": "anna@example.com", "event": "open", "weight": 1.10}, {"email": "ben@example.com", "n": 2.50}]
    ),
    json.dumps({"email": "anna@example.com", "event": "open"}),
    json.dumps({"email": "ben@example.com", "event": "click", "url": "/?for=anna@example.com"}),
    '{"email": "anna@example.com", "event": ',
]


@pytest.fixture
def shop(project, shipped, monkeypatch):
    """Anna (17, once 171) with rows in every raw log, among others; nothing was run yet."""
    yaml = YAML()
    params = yaml.load(shipped)
    params["demo"] = []
    params["sources"] |= {
        "path": "exports",
        "logs": {
            "customers": {"file": "customers.csv"},
            "orders": {"file": "orders.csv"},
            "order_items": {"file": "items.csv"},
            "identity_map": {"file": "identity.csv"},
            "customer_merges": {"file": "merges.csv"},
            "web_events": {"file": "web.parquet", "format": "parquet", "columns": {"customer_id": "uid"}},
        },
        "exports": {"mails": {"adapter": "sendgrid", "file": "mails.json"}},
    }
    with (project / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    raw = project / "exports"
    raw.mkdir()
    (raw / "customers.csv").write_bytes(CUSTOMERS.encode())
    (raw / "orders.csv").write_bytes(gzip.compress(ORDERS.encode()))
    (raw / "items.csv").write_text(ITEMS)
    (raw / "identity.csv").write_text(IDENTITY)
    (raw / "merges.csv").write_text(MERGES)
    (raw / "mails.json").write_text("\n".join(MAILS))
    web = {"uid": [17, None, 18, None], "anonymous_id": ["dev-a", "dev-a", "dev-b", "dev-c"], "price": [1, 2, 3, 17]}
    pq.write_table(pa.table(web), raw / "web.parquet", compression="snappy", row_group_size=2)
    (raw / "forgotten.txt").write_text("call anna@example.com\n")
    (project / "erased.txt").write_text(f"# key demo {fingerprint(KEY)}\nc_" + "0" * 24)
    return project


def run(*names, **options):
    s = settings.load()
    return erase.erase(s, erase.whom(s, names), **options)


def raw(shop):
    return {path.name: path.read_bytes() for path in (shop / "exports").iterdir()}


# Whom a name means


@pytest.mark.parametrize("name", ["17", "171", " 17", "anna@example.com", "ANNA@example.com", of("17"), of("171")])
def test_every_name_of_a_person_means_the_same_person(shop, name):
    found = find(settings.load(), [name])
    assert found.people == People({"17", "171"}, {"anna@example.com"}, {"dev-a"}, {"o1", "o3"})
    assert found.pseudonyms == {of("17"), of("171"), of("anna@example.com")}
    assert found.marks == {
        *address_key(["anna@example.com"], KEY).to_pylist(),
        *pseudonym(["dev-a"], KEY, "v_").to_pylist(),
    }
    assert not found.unknown


def test_an_address_of_two_accounts_goes_only_when_it_is_named(shop):
    one = find(settings.load(), ["19"])
    assert (one.people.ids, one.people.addresses, set(one.shared)) == ({"19"}, set(), {"shared@example.com"})
    assert not find(settings.load(), ["17"]).shared
    both = find(settings.load(), ["shared@example.com"])
    assert (both.people.ids, both.people.addresses, both.shared) == ({"19", "20"}, {"shared@example.com"}, {})
    assert any("1 addresses of theirs, which an account of somebody else has" in line for line in run("19"))


def test_the_vault_knows_who_left_the_files(shop):
    write_vault([("17", "anna@example.com"), ("99", "zoe@example.com")])
    assert find(settings.load(), [of("99")]).people == People({"99"}, {"zoe@example.com"})


@pytest.mark.parametrize("name", ["1", "x@example.com", of("nobody")])
def test_somebody_unknown_is_refused_and_nothing_is_touched(shop, name):
    before = raw(shop), (shop / "erased.txt").read_text()
    with pytest.raises(ParamsError, match="nobody is known under name 2 of 2"):
        run("17", name)
    assert before == (raw(shop), (shop / "erased.txt").read_text())


def test_with_force_somebody_unknown_is_kept_out_of_later_imports(shop):
    s = settings.load()
    erase.erase(s, erase.whom(s, ["Later@example.com", "404"], force=True))
    words = set((shop / "erased.txt").read_text().split())
    assert {of("404"), of("later@example.com"), "c_" + "0" * 24} <= words


# The shop's own files


def test_only_their_records_leave_the_files_and_all_other_bytes_stay(shop):
    before = raw(shop)
    run("17")
    after = raw(shop)
    assert after["customers.csv"].decode() == (
        "customer_id,email,note\r\n"
        "18,ben@example.com,\r\n"
        "19,shared@example.com,knows erased well\r\n"
        "20,shared@example.com,\r\n"
        "21,\r\n"
        "170,ann@example.com,anna@example.com.au\r\n"
    )
    # The last line is broken; what it says cannot be told, and it names 17.
    assert gzip.decompress(after["orders.csv"]).decode() == (
        "order_id,customer_id,ordered_at,revenue\no2,18,2025-01-06T10:00:00Z,17\n"
    )
    assert after["items.csv"].decode() == "order_id,product_id,quantity,price\no2,17,1,5.00\n"
    assert after["identity.csv"].decode() == IDENTITY.replace("dev-a,17,2025-01-01T00:00:00Z\n", "")
    assert after["merges.csv"].decode() == "from_id,to_id\n200,201\n"
    assert after["mails.json"].decode() == (
        '[{"email": "ben@example.com", "n": 2.5}]\n'
        '{"email": "ben@example.com", "event": "click", "url": "/?for=erased"}\n'
    )
    web = pq.read_table(shop / "exports" / "web.parquet")
    assert web.to_pydict() == {"uid": [18, None], "anonymous_id": ["dev-b", "dev-c"], "price": [3, 17]}
    assert after["forgotten.txt"] == before["forgotten.txt"]


def test_a_file_that_says_nothing_of_them_is_not_written(shop):
    place = shop / "exports" / "merges.csv"
    place.write_text("from_id,to_id\n200,201\n")
    before = place.stat().st_mtime_ns, place.stat().st_ino
    run("17")
    assert (place.stat().st_mtime_ns, place.stat().st_ino) == before


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True), bytes])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_packing_and_encoding_of_a_file_stay(tmp_path, pack, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes(pack("customer_id,name\r1,Zoë\r2,José\r".encode(encoding)))
    file = RawFile(path, "a.csv", "csv", encoding, ",", {"customer_id": "person"}, "", False)
    assert write_without(file, People({"1"})) == 1
    found = path.read_bytes()
    plain = gzip.decompress(found) if found[:2] == b"\x1f\x8b" else found
    if found[:4] == b"\x28\xb5\x2f\xfd":
        plain = pa.CompressedInputStream(pa.BufferReader(found), "zstd").read()
    assert plain == "customer_id,name\r2,José\r".encode(encoding)
    assert (plain == found) == (pack is bytes)


def test_a_mail_to_several_people_stays_for_the_others(tmp_path):
    path = tmp_path / "ses.jsonl"
    to = ["a@example.com", "b@example.com"]
    bounce = {"bouncedRecipients": [{"emailAddress": address} for address in to], "n": 12345678901234567890.5}
    mail = {"mail": {"destination": to, "size": 1.10}, "bounce": bounce}
    path.write_text(
        json.dumps(mail).replace("1.1", "1.10") + "\n" + json.dumps({"mail": {"destination": to[:1]}}) + "\n"
    )
    file = RawFile(path, "ses.jsonl", "jsonl", "utf-8", ",", {}, "amazon_ses", False)
    assert write_without(file, People(addresses={"a@example.com"})) == 1
    (line,) = path.read_text().splitlines()
    assert '"size": 1.10}' in line
    assert json.loads(line) == {
        "mail": {"destination": to[1:], "size": 1.1},
        "bounce": {"bouncedRecipients": [{"emailAddress": "b@example.com"}], "n": bounce["n"]},
    }


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_of_nobody_else_keeps_a_line_so_that_it_is_read_as_empty(tmp_path, pack):
    path = tmp_path / "mails.json"
    path.write_bytes(pack(b'[{"email": "anna@example.com"}]\n{"email": "anna@example.com"}\n'))
    file = RawFile(path, "mails.json", "jsonl", "utf-8", ",", {}, "sendgrid", False)
    assert write_without(file, People(addresses={"anna@example.com"})) == 2
    assert (path.read_bytes() if pack is bytes else gzip.decompress(path.read_bytes())) == b"\n"


def test_an_order_of_a_vendor_goes_with_all_its_lines(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("Name,Email,Lineitem name\n#1,anna@example.com,a\n#1,,b\n#2,ben@example.com,c\n#2,,#1\n")
    file = RawFile(path, "orders.csv", "csv", "utf-8", ",", {"name": "order"}, "shopify_orders", False)
    assert write_without(file, People(addresses={"anna@example.com"}, orders={"#1"})) == 2
    assert path.read_text() == "Name,Email,Lineitem name\n#2,ben@example.com,c\n#2,,#1\n"


def test_a_file_that_cannot_be_read_is_named(shop):
    (shop / "exports" / "identity.csv").write_bytes("anna@example.com".encode("utf-16"))
    before = raw(shop)["identity.csv"]
    assert "  exports/identity.csv: cannot be read; look into it yourself" in run("17")
    assert raw(shop)["identity.csv"] == before


def test_undeclared_files_that_name_them_are_named(shop):
    told = run("17")
    assert "  exports/forgotten.txt: not declared in params, and may name them" in told


def test_keep_raw_leaves_the_files_alone_and_says_so(shop):
    before = raw(shop)
    told = run("17", keep_raw=True)
    assert raw(shop) == before
    assert any(line.startswith("  exports: left alone as you asked") for line in told)
    assert of("17") in (shop / "erased.txt").read_text()


def test_simulated_files_are_never_written(shop):
    text = (shop / "params.yaml").read_text().replace("path: exports", "path: data/raw/simulated")
    (shop / "params.yaml").write_text(text)
    (shop / "data" / "raw").mkdir(parents=True)
    (shop / "exports").rename(shop / "data" / "raw" / "simulated")
    before = {path.name: path.read_bytes() for path in (shop / "data/raw/simulated").iterdir()}
    told = run("17")
    assert {path.name: path.read_bytes() for path in (shop / "data/raw/simulated").iterdir()} == before
    assert any("simulated people" in line for line in told)


def test_a_link_out_of_the_folder_is_not_followed(shop, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "merges.csv"
    (shop / "exports" / "merges.csv").replace(outside)
    (shop / "exports" / "merges.csv").symlink_to(outside)
    run("17")
    assert outside.read_text() == MERGES
    assert "merges.csv" not in [file.name for file in declared(settings.load())[0]]


# state/ and data/


def write_vault(people):
    datasets.private_folder(datasets.STATE)
    rows = [{"customer_id": of(shop_id), "shop_id": shop_id, "email": email} for shop_id, email in people]
    pd.DataFrame(rows).to_parquet(datasets.VAULT, index=False)


def people_table(path, *ids, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"customer_id": [of(one) for one in ids], "occurred_at": 1_736_071_200_000_000} | columns)
    frame.to_parquet(path, index=False)
    return path


@pytest.fixture
def ran(shop):
    """The same shop with what a run leaves behind."""
    write_vault([("17", "anna@example.com"), ("18", "ben@example.com")])
    for folder in (datasets.QUARANTINE, datasets.LANDED / "k", datasets.OUTBOX / "win_back" / "2026-01-01"):
        datasets.private_folder(folder)
    lines = [
        {"log": "orders", "file": "orders.csv", "line": 5, "rule": "ragged_row", "raw": raw_line}
        for raw_line in ("o9,17", '{"email": "anna@example.com"', "o8,18,17.00", "user=171:x", "dev-a;x")
    ]
    (datasets.QUARANTINE / "orders.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (datasets.LANDED / "k" / "orders.parquet").write_bytes(b"17")
    folder = datasets.OUTBOX / "win_back" / "2026-01-01"
    sent = b"customer_id,email,churn_list\n17,anna@example.com,win_back\n18,ben@example.com,win_back\n"
    kept_from = b"email\nAnna@Example.com\n"
    (folder / "win_back.csv").write_bytes(sent)
    (folder / "win_back.suppress.csv").write_bytes(kept_from)
    (folder / "README.txt").write_text("2 people")
    manifest = {
        "list": "win_back",
        "as_of": "2026-01-01",
        "exported": 2,
        "holdout": 1,
        "suppressed_addresses": 1,
        "files": {
            "win_back.csv": hashlib.sha256(sent).hexdigest(),
            "win_back.suppress.csv": hashlib.sha256(kept_from).hexdigest(),
        },
    }
    (folder / "win_back.manifest.json").write_text(json.dumps(manifest))
    people_table(datasets.EVENTS / "orders" / "2025-01.parquet", "17", "18", revenue=1250)
    people_table(datasets.SCORES, "17", "18", churn_probability=0.5)
    people_table(datasets.LISTS / "win_back" / "candidates.parquet", "17")
    people_table(datasets.RAW_SIMULATED / "left.parquet", "18")
    datasets.write_json({"passed": True}, datasets.LEAK_CERTIFICATE)
    people_table(datasets.batch("2026-01-01") / "events" / "orders" / "2025-01.parquet", "17")
    people_table(datasets.batch("2026-02-01") / "events" / "orders" / "2025-01.parquet", "18")
    return shop


def test_vault_quarantine_landed_and_drafts_forget_them(ran):
    (datasets.STATE / ".vault.parquet.tmp-123").write_text("17")
    run("17")
    assert pd.read_parquet(datasets.VAULT)["shop_id"].tolist() == ["18"]
    assert [json.loads(line)["raw"] for line in (datasets.QUARANTINE / "orders.jsonl").read_text().splitlines()] == [
        "o8,18,17.00"
    ]
    assert not datasets.LANDED.exists()
    assert not (datasets.STATE / ".vault.parquet.tmp-123").exists()
    for path in (datasets.VAULT, datasets.QUARANTINE / "orders.jsonl"):
        assert path.stat().st_mode & 0o077 == 0


def test_what_a_killed_call_left_half_written_is_neither_read_nor_left(ran):
    drafts = [
        ran / "exports" / ".customers.csv.tmp-123",
        datasets.batch("2026-02-01") / ".events.tmp-9" / "orders" / "2025-01.parquet",
        ran / ".erased.txt.tmp-123",
    ]
    for draft in drafts:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(b"customer_id,email\n17,anna@example.com\n" + of("17").encode())
    text = (ran / "params.yaml").read_text().replace("file: customers.csv", "file: '*customers.csv*'")
    (ran / "params.yaml").write_text(text)
    assert subject.held(settings.load(), "17")["the shop's own files"]["exports/customers.csv"] == 1
    told = run("17")
    assert not [draft for draft in drafts if draft.exists()]
    assert not [line for line in told if "customers.csv" in line and "not declared" in line]


def test_files_to_upload_lose_their_rows_and_their_manifest_stays_true(ran):
    run("17")
    folder = datasets.OUTBOX / "win_back" / "2026-01-01"
    assert (folder / "win_back.csv").read_text() == "customer_id,email,churn_list\n18,ben@example.com,win_back\n"
    assert (folder / "win_back.suppress.csv").read_text() == "email\n"
    told = datasets.read_json(folder / "win_back.manifest.json")
    assert (told["exported"], told["suppressed_addresses"], told["erased"]) == (1, 0, 1)
    for name, sha256 in told["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    assert "1 people" in (folder / "README.txt").read_text()
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir() if path.suffix in {".json", ".txt"})


def test_what_a_run_makes_again_is_deleted_and_nothing_else(ran):
    run("17")
    left = sorted(path.as_posix() for path in datasets.DATA.rglob("*") if path.is_file())
    assert left == ["data/evaluation/leak_certificate.json", "data/raw/simulated/left.parquet"]
    assert [path.name for path in datasets.BATCH.iterdir()] == ["2026-02-01"]


def test_databases_and_notes_elsewhere(ran):
    with closing(sqlite3.connect("mlflow.db")) as database:
        database.execute("CREATE TABLE tags (key TEXT, value TEXT)")
        database.executemany("INSERT INTO tags VALUES (?, ?)", [("a", f"seen {of('17')}"), ("b", "17")])
        database.commit()
    artifact = ran / "mlruns" / "1" / "sample.json"
    artifact.parent.mkdir(parents=True)
    artifact.write_text(json.dumps([of("17")]))
    (ran / "notes.md").write_text("Anna@Example.com called")
    told = run("17")
    assert not artifact.exists()
    with closing(sqlite3.connect("mlflow.db")) as database:
        assert database.execute("SELECT key FROM tags").fetchall() == [("b",)]
    assert of("17").encode() not in (ran / "mlflow.db").read_bytes()
    assert "  notes.md: names them and is not ours to change" in told
    assert (ran / "notes.md").exists()


@pytest.mark.parametrize("where", ["plain", "gzip", "zstd", "parquet", "dictionary", "seam"])
def test_a_name_is_found_however_it_is_packed(tmp_path, where):
    path, text = tmp_path / "x", f"..{of('17')}.."
    if where in {"parquet", "dictionary"}:
        column = pa.array([None, *(of(f"other {n}") for n in range(500)), of("17")])
        pq.write_table(
            pa.table({"a": column if where == "parquet" else column.dictionary_encode()}),
            path,
            compression="zstd",
            write_statistics=False,
        )
    else:
        pack = {"gzip": gzip.compress, "zstd": lambda data: pa.compress(data, "zstd", asbytes=True)}.get(where, bytes)
        path.write_bytes(pack(b"x" * ((1 << 20) - 9 if where == "seam" else 0) + text.encode()))
    assert scrub.mentions(path, {of("17")})
    assert not scrub.mentions(path, {of("18")})


# Champions


def test_champions_stay_whole_under_new_names(ran, monkeypatch):
    monkeypatch.setattr(champion.model_store, "read_files", lambda _: {})
    names = []
    for n, ids in enumerate([("18",), ("17", "18"), ("17", "170")]):
        model = ran / f"model{n}"
        model.mkdir()
        (model / "manifest.json").write_text(f'{{"n": {n}}}')
        monkeypatch.setattr(
            champion.model_store,
            "copy",
            lambda a, b: b.mkdir() or (b / "manifest.json").write_bytes((a / "manifest.json").read_bytes()),
        )
        names.append(CHAMPIONS.keep(model, people_table(ran / "p" / "predictions.parquet", *ids), {"gates": [n]}))
    CHAMPIONS.point_to(Pointer(names[2], (names[1], names[0])))
    run("17")
    pointer = CHAMPIONS.pointer()
    assert {path.name for path in datasets.CHAMPIONS.iterdir()} == {pointer.current, *pointer.previous}
    assert pointer.previous[1] == names[0]  # who says nothing of them stays as it is
    assert not {pointer.current, pointer.previous[0]} & set(names)
    for name, left in zip((pointer.current, *pointer.previous), ("170", "18", "18"), strict=True):
        place = datasets.CHAMPIONS / name
        assert pd.read_parquet(place / "predictions.parquet")["customer_id"].tolist() == [of(left)]
        assert CHAMPIONS.is_whole(place.name)
        # The name is still a hash of what is in the folder.
        assert (
            CHAMPIONS.keep(
                place / "model", place / "predictions.parquet", {"gates": CHAMPIONS.facts(place.name)["gates"]}
            )
            == name
        )


# DVC


def write_object(root, content, listed=None):
    text = json.dumps(listed).encode() if listed is not None else content
    digest = hashlib.md5(text, usedforsecurity=False).hexdigest() + (".dir" if listed is not None else "")
    path = root / "files" / "md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return digest


def stage(name, out, digest, dep="x"):
    return {
        "cmd": f"python -m pipeline.{name}",
        "deps": [{"path": dep, "hash": "md5", "md5": "0" * 32}],
        "outs": [{"path": out, "hash": "md5", "md5": digest}],
    }


def write_lock(**stages):
    with clear_cache.LOCK.open("w") as file:
        YAML(typ="safe", pure=True).dump({"schema": "2.0", "stages": stages}, file)


@pytest.fixture
def cached(ran, tmp_path_factory):
    """The same shop with a cache, a run-cache, an older dvc.lock in git and two remotes, one of them a folder."""
    remote = tmp_path_factory.mktemp("remote")
    (ran / ".dvc").mkdir()
    (ran / ".dvc" / "config").write_text(
        f"[core]\n    remote = near\n['remote \"near\"']\n    url = {remote}\n['remote \"far\"']\n    url = s3://bucket/x\n"
    )
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-q"], check=True)
    made = {}
    for root in (ran / ".dvc" / "cache", remote):
        made["simulated"] = write_object(root, b"simulated")
        made["member"] = write_object(root, b"events")
        made["events"] = write_object(root, b"", [{"md5": made["member"], "relpath": "orders/2025-01.parquet"}])
        made["older"] = write_object(root, b"older scores")
        made["entry"] = write_object(root, b"scores of a run nobody committed")
        made["mine"] = write_object(root, b"a stage of mine reads scores")
        made["stray"] = write_object(root, f"unknown {of('17')}".encode())
        made["other"] = write_object(root, b"another thing")
        runs = root / "runs" / "ab" / ("ab" + "0" * 62)
        runs.mkdir(parents=True)
        YAML(typ="safe", pure=True).dump(stage("score_customers", "data/scores/s", made["entry"]), runs / "1")
        kept = root / "runs" / "cd" / ("cd" + "0" * 62)
        kept.mkdir(parents=True)
        YAML(typ="safe", pure=True).dump(stage("simulate_logs", "data/raw/simulated", made["simulated"]), kept / "1")
    write_lock(score_customers=stage("score_customers", "data/scores/scores.parquet", made["older"]))
    subprocess.run(["git", "add", "dvc.lock"], check=True)
    subprocess.run([*git, "commit", "-qm", "older"], check=True)
    write_lock(
        **{"simulate_logs@shop": stage("simulate_logs", "data/raw/simulated", made["simulated"])},
        ingest_logs=stage("ingest_logs", "data/events", made["events"]),
        mine=stage("mine", "mine/out", made["mine"], "data/events/manifest.json"),
        apart=stage("apart", "apart/out", made["other"]),
    )
    datasets.LAST_GOOD_LOCK.write_bytes(clear_cache.LOCK.read_bytes())
    return made, [ran / ".dvc" / "cache", remote]


def test_caches_and_local_remotes_keep_only_what_is_before_ingest(cached):
    made, roots = cached
    told = run("17")
    for root in roots:
        objects = {path.parent.name + path.name for path in (root / "files").rglob("*") if path.is_file()}
        assert objects == {made["simulated"], made["other"]}
        assert [path.name for path in (root / "runs").glob("*/*") if path.is_dir()] == ["cd" + "0" * 62]
    assert any(line.startswith("  DVC remote far: no folder of this machine") for line in told)


def test_dvc_lock_drops_ingest_and_what_follows(cached):
    run("17")
    lock = YAML(typ="safe", pure=True).load(clear_cache.LOCK.read_text())
    assert sorted(lock["stages"]) == ["apart", "simulate_logs@shop"]
    assert lock["schema"] == "2.0"
    assert not datasets.LAST_GOOD_LOCK.exists()


# Again, and interrupted


def snapshot(shop):
    return {path.relative_to(shop): path.read_bytes() for path in scrub.walk(shop, [shop / ".git"])}


def test_erasing_twice_changes_nothing_more(cached, project):
    run("17")
    before = snapshot(project)
    run("17")
    assert snapshot(project) == before


@pytest.mark.parametrize(
    "step",
    ["_write_tombstones", "_raw", "_state", "_vault", "_ledger", "_champions", "delete_outputs", "_sweep", "_beyond"],
)
def test_what_was_interrupted_is_finished_by_the_next_call(cached, project, monkeypatch, step):
    with monkeypatch.context() as broken:

        def killed(*_):
            raise KeyboardInterrupt

        broken.setattr(erase, step, killed)
        with pytest.raises(KeyboardInterrupt):
            run("17")
    assert erase.JOURNAL.stat().st_mode & 0o077 == 0
    run("18")  # whoever is erased next
    assert not erase.JOURNAL.exists()
    left = (
        b"".join(snapshot(project).values()).replace(b"call anna@example.com", b"").replace(b"anna@example.com.au", b"")
    )
    assert b"anna@" not in left.lower()
    assert {of("17"), of("171")} <= set((project / "erased.txt").read_text().split())
    assert all(
        of("17").encode() not in content for path, content in snapshot(project).items() if path.name != "erased.txt"
    )


def test_a_manifest_counts_each_file_of_a_list_for_itself(tmp_path):
    told = {"list": "list_hygiene", "suppressed_addresses": 9, "sunset_addresses": 5, "exported": 4, "selected": 6}
    rows = {"list_hygiene.suppress.csv": 7, "list_hygiene.sunset.csv": 4, "list_hygiene.csv": 1}
    for name, count in rows.items():
        (tmp_path / name).write_text("email\n" + "x@example.com\n" * count)
    path = tmp_path / "list_hygiene.manifest.json"
    path.write_text(json.dumps(told | {"files": dict.fromkeys(rows, "as it was")}))
    erase_outbox._mend_manifest(path)
    after = json.loads(path.read_text())
    hashes = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in rows}
    assert after == {
        **told,
        "suppressed_addresses": 7,
        "sunset_addresses": 4,
        "exported": 1,
        "selected": 3,
        "erased": 3,
        "files": hashes,
    }
    erase_outbox._mend_manifest(path)
    assert json.loads(path.read_text()) == after


def test_a_name_that_nobody_has_is_refused_after_what_was_begun_has_ended(ran, monkeypatch, capsys):
    erase._note(erase.whom(settings.load(), ["17"]))
    monkeypatch.setattr(sys, "argv", ["wafa", "erase", "nobody-such", "--yes"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "nobody is known under name 1 of 1" in capsys.readouterr().err
    assert not erase.JOURNAL.exists()
    assert pd.read_parquet(datasets.VAULT)["shop_id"].tolist() == ["18"]


def test_an_address_of_two_is_theirs_alone_when_the_other_was_erased_before(shop):
    run("19", keep_raw=True)
    assert of("shared@example.com") not in (shop / "erased.txt").read_text()
    run("20", keep_raw=True)
    assert of("shared@example.com") in (shop / "erased.txt").read_text()


def test_an_address_of_two_goes_when_both_were_begun(shop):
    erase._note(erase.whom(settings.load(), ["19"]))
    run("20")
    assert of("shared@example.com") in (shop / "erased.txt").read_text()
    assert b"shared@" not in raw(shop)["customers.csv"]


def test_a_damaged_note_of_an_interruption_stops_the_next_call(shop):
    datasets.private_folder(datasets.STATE)
    erase.JOURNAL.write_text('{"ids": ')
    before = raw(shop)
    with pytest.raises(StaleError, match="was damaged"):
        run("17")
    assert raw(shop) == before


# The command line


@pytest.fixture
def wafa(ran, monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["wafa", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return call


def test_erase_asks_first_and_says_nothing_of_who_it_was(wafa, ran):
    before = raw(ran)
    assert wafa("erase", "17") == (2, "", "wafa erase: nobody is there to confirm it. Add --yes.\n")
    assert raw(ran) == before
    code, out, err = wafa("erase", "17", "--yes")
    assert (code, err) == (0, "")
    assert "anna" not in out
    assert "171" not in out
    assert "not reached:" in out
    assert "`wafa run`" in out
    assert wafa("erase", "nobody-such", "--yes")[0] == 2
    assert "nobody-such" not in wafa("erase", "nobody-such", "--yes")[2]


def test_subject_tells_everything_and_only_of_them(wafa, ran):
    with Ledger(datasets.LEDGER) as ledger:
        ledger.suppress([of("17")], "asked by phone", 0)
        ledger.suppress([of("18")], "wrote a letter", 0)
    code, out, err = wafa("subject", "anna@example.com")
    assert (code, err) == (0, "")
    assert "asked by phone" in out
    assert "letter" not in out
    for said in (
        "ids: 17, 171", "addresses: anna@example.com", "orders: 1 row", "occurred_at 2025-01-05T10:00:00+00:00",
        "revenue GBP 12.50", "churn_probability 0.5", "data/lists/win_back/candidates.parquet",
        "state/outbox/win_back/2026-01-01/win_back.csv", "state/outbox/win_back/2026-01-01/win_back.suppress.csv",
        "lines set aside: 4", "exports/customers.csv: 1", "exports/orders.csv: 2",
        "state/batch/2026-01-01/events/orders/2025-01.parquet: 1",
    ):  # fmt: skip
        assert said in out, said
    assert "ben@" not in out


def test_subject_writes_json_for_its_owner_alone(wafa, ran):
    code, out, err = wafa("subject", "17", "--output", "answer.json")
    assert (code, err) == (0, "")
    assert "anna" not in out
    answer = ran / "answer.json"
    assert answer.stat().st_mode & 0o777 == 0o600
    told = json.loads(answer.read_text())
    assert told["who"]["ids"] == ["17", "171"]
    assert told == subject.held(settings.load(), of("17"))


def test_subject_of_nobody_is_one_line(wafa):
    code, out, err = wafa("subject", "nobody-such")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "nobody-such" not in err

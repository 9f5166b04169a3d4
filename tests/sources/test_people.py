"""Who a row is about: pseudonyms, addresses, visitors, keys, and people who were erased."""

import os

import pyarrow as pa
import pytest

from sources import ContractError, OldKey, address_key, carried, fingerprint, load_key, pseudonym
from sources.identity import Identities
from tests.sources.source_files import KEY, ORDERS, read, rules, table, with_log


def test_pseudonyms_are_stable_distinct_and_keyed():
    (anna, again, ben, none) = pseudonym(["anna", "anna", "ben", None], KEY).to_pylist()
    assert anna == again == "c_" + anna[2:]
    assert len(anna) == 26
    assert none is None
    assert ben != anna
    assert pseudonym(["anna"], bytes(32)).to_pylist() != [anna]


def test_a_pseudonym_does_not_change_between_releases():
    # The vault, the ledger and erased.txt of every shop rest on it.
    assert pseudonym(["anna"], KEY).to_pylist() == ["c_f34953d7a6ee1f42365aa1c1"]


def test_addresses_are_compared_trimmed_and_in_lower_case():
    one, other = address_key([" Anna@Mail.example", "anna@mail.EXAMPLE "], KEY).to_pylist()
    assert one == other
    assert one.startswith("a_")
    # An id that equals an address must not show that it does.
    assert pseudonym(["anna@mail.example"], KEY).to_pylist()[0][2:] != one[2:]


CUSTOMERS = """customer_id,email,created_at
anna,Anna@Mail.example,2025-01-01
ben,not an address,2025-01-01
dora,dora@mail.example,2025-01-01
"""


def with_customers(folder, extra: dict[str, str], **settings):
    (folder / "orders.csv").write_text(ORDERS)
    (folder / "customers.csv").write_text(CUSTOMERS)
    logs = {"orders": {"file": "orders.csv"}, "customers": {"file": "customers.csv"}}
    for name, text in extra.items():
        (folder / f"{name}.csv").write_text(text)
        logs[name] = {"file": f"{name}.csv"}
    return read(folder, logs, **settings)


def test_the_vault_leads_back_to_ids_and_addresses(tmp_path):
    found = with_customers(tmp_path, {})
    vault = found.vault.astype(object).where(found.vault.notna(), None)
    assert sorted(vault[["shop_id", "email"]].to_numpy().tolist(), key=str) == [
        ["anna", "anna@mail.example"],
        ["ben", None],
        ["dora", "dora@mail.example"],
    ]
    assert found.vault["customer_id"].tolist() == sorted(pseudonym(["anna", "ben", "dora"], KEY).to_pylist())
    assert "customers.csv: email: malformed e-mail addresses count as absent (1 rows)." in found.manifest["warnings"]


def test_events_with_an_address_only_find_their_customer(tmp_path):
    text = (
        "email,occurred_at,status\nANNA@mail.example,2025-02-01,unsubscribed\nwho@mail.example,2025-02-01,subscribed\n"
    )
    found = with_customers(tmp_path, {"consent_events": text})
    assert sorted(table(found, "consent_events")[["customer_id", "status"]].to_numpy().tolist()) == [
        ["anna", "unsubscribed"],
        ["who@mail.example", "subscribed"],
    ]
    assert rules(found, "consent_events") == {}
    assert (
        "consent_events: 1 rows are of orphans, people whom the customers log does not know."
        in found.manifest["warnings"]
    )


def test_a_shared_address_belongs_to_the_oldest_account(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "customers.csv").write_text(
        "customer_id,email,created_at\nben,x@y.example,2025-01-02\nanna,X@Y.example,2025-01-01\n"
    )
    (tmp_path / "consent_events.csv").write_text("email,occurred_at,status\nx@y.example,2025-02-01,unsubscribed\n")
    logs = {name: {"file": f"{name}.csv"} for name in ("orders", "customers", "consent_events")}
    found = read(tmp_path, logs)
    assert table(found, "consent_events")["customer_id"].tolist() == ["anna"]
    keys = found.tables["customers"]["address_key"].to_pylist()
    assert keys[0] == keys[1]
    assert "customers: 1 e-mail addresses belong to more than one customer." in found.manifest["warnings"]


WEB = """message_id,customer_id,anonymous_id,event,occurred_at,loaded_at
w1,,cookie-1,Page Viewed,2025-01-02T00:00:00Z,2025-01-02T01:00:00Z
w2,,cookie-1,Page Viewed,2025-01-20T00:00:00Z,2025-01-20T01:00:00Z
w3,,cookie-2,Page Viewed,2025-01-02T00:00:00Z,2025-01-02T01:00:00Z
w4,ben,cookie-1,Page Viewed,2025-01-02T00:00:00Z,2025-01-02T01:00:00Z
w5,,,Page Viewed,2025-01-02T00:00:00Z,2025-01-02T01:00:00Z
"""
IDENTITY = "anonymous_id,customer_id,identified_at\ncookie-1,anna,2025-01-10T00:00:00Z\ncookie-1,ben,2025-01-11\n"


def test_a_visit_identified_later_was_not_known_before(tmp_path):
    found = with_customers(tmp_path, {"web_events": WEB, "identity_map": IDENTITY})
    web = table(found, "web_events").sort_values("event_id")
    assert web["event_id"].tolist() == ["w1", "w2", "w3", "w4"]
    assert web["customer_id"].fillna("nobody").tolist() == ["anna", "anna", "nobody", "ben"]
    loaded = pa.array(web["loaded_at"]).cast(pa.timestamp("us")).to_pylist()
    assert [f"{moment:%m-%d %H}" for moment in loaded] == ["01-10 00", "01-20 01", "01-02 01", "01-02 01"]
    assert rules(found, "web_events") == {"missing_id": 1}
    assert all(visitor.startswith("v_") for visitor in web["anonymous_id"])


def everything(found) -> str:
    """All text an ingest lets out, but for the vault."""
    tables = [frame.to_pandas().to_csv() for frame in found.tables.values()]
    return "".join([*tables, str(found.manifest)])


def test_no_id_and_no_address_is_in_events_or_manifest(tmp_path):
    extra = {
        "web_events": WEB,
        "identity_map": IDENTITY,
        "consent_events": "email,occurred_at,status\nanna@mail.example,2025-02-01,unsubscribed\n",
    }
    told = everything(with_customers(tmp_path, extra))
    for secret in ("anna", "ben", "dora", "mail.example", "cookie"):
        assert secret not in told.lower()


ANNA = pseudonym(["anna"], KEY).to_pylist()


def test_of_an_erased_customer_nothing_stays_but_a_count(tmp_path):
    extra = {
        "web_events": WEB,
        "identity_map": IDENTITY,
        "consent_events": "email,occurred_at,status\nanna@mail.example,2025-02-01,unsubscribed\n"
        "anna@mail.example,never,unsubscribed\nben@mail.example,2025-02-30,subscribed\n",
        "loyalty_events": "customer_id,occurred_at,points\nanna,2025-01-01,many\nben,2025-01-01,5\n",
        "order_items": "order_id,product_id,quantity,price\n1,P,1,1.00\n2,P,1,1.00\n3,P,x,1.00\n",
        "deliveries": "order_id,promised_at,delivered_at\n1,2025-01-08,2025-01-09\n2,2025-01-08,2025-01-09\n",
        "shop_labels": "customer_id,churned\nanna,1\nben,0\n",
    }
    found = with_customers(tmp_path, extra, erased=ANNA)
    assert ANNA[0] not in everything(found)
    assert "anna" not in found.quarantine.to_csv().lower()
    assert "anna" not in found.vault.to_csv().lower()
    assert rules(found, "orders") == {"erased": 2}
    assert rules(found, "customers") == {"erased": 1}
    assert rules(found, "web_events") == {"erased": 2 + 1, "missing_id": 1}
    assert rules(found, "consent_events") == {"erased": 2, "unparsable_time": 1}
    assert rules(found, "loyalty_events") == {"erased": 1}
    assert rules(found, "order_items") == {"erased": 2}
    assert rules(found, "deliveries") == {"erased": 1}
    assert table(found, "web_events")["event_id"].tolist() == ["w4", "w3"]


def later(folder, merges="", consent="email,occurred_at,status\n"):
    """Anna (1) was erased with her address; 2 came to it in customers, 3 in orders; 4 to 6 are others."""
    files = {
        "orders": "order_id,customer_id,email,ordered_at,revenue\n"
        + "".join(
            f"{n},{n},{email},2025-01-05T10:00:00Z,10.00\n"
            for n, email in enumerate(["", "anna@mail.example", "ANNA@mail.example", "anna@mail.example", "", ""], 1)
        ),
        "customers": "customer_id,email,created_at\n2,Anna@mail.example,2025-01-02\n4,ben@mail.example,2025-01-02\n"
        "5,dora@mail.example,2025-01-02\n6,,2025-01-02\n",
        "consent_events": consent,
    } | ({"customer_merges": f"from_id,to_id\n{merges}"} if merges else {})
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    erased = pseudonym(["1", "anna@mail.example"], KEY).to_pylist()
    return read(folder, {name: {"file": f"{name}.csv"} for name in files}, erased=erased)


def people(found):
    return sorted(found.vault["shop_id"]), sorted(set(table(found, "orders")["customer_id"]))


def test_who_comes_later_to_the_address_of_an_erased_person_counts_as_erased(tmp_path):
    found = later(tmp_path, consent="email,occurred_at,status\nanna@mail.example,2025-02-01,subscribed\n")
    # 4 has an account at another address: the one in their order says nothing.
    assert people(found) == (["4", "5", "6"], ["4", "5", "6"])
    assert rules(found, "consent_events") == {"erased": 1}
    assert "anna" not in found.vault.to_csv().lower()


@pytest.mark.parametrize(
    ("merges", "gone"),
    [("1,5\n", "5"), ("2,5\n", "5"), ("5,1\n", "5"), ("5,2\n", "5"), ("5,6\n2,6\n", "56"), ("4,5\n", "4")],
)
def test_who_is_made_one_with_an_erased_person_is_erased_with_them(tmp_path, merges, gone):
    found = later(tmp_path, merges)
    left = sorted({"4", "5", "6"} - {*gone})
    assert people(found) == (left, left)
    assert found.became.num_rows == (1 if merges == "4,5\n" else 0)


@pytest.mark.parametrize(
    "line", ['"anna",2025-01-01', "anna;2025", "x,anna", '"customer_id":"anna"', "ANNA@mail.example"]
)
def test_raw_lines_that_name_an_erased_customer_are_not_kept(tmp_path, line):
    text = f"customer_id,occurred_at,points\n{line}\nben,2025\n"
    found = with_customers(tmp_path, {"loyalty_events": text}, erased=ANNA)
    assert found.quarantine["raw"].tolist() == ["ben,2025"]
    assert rules(found, "loyalty_events") == {"erased": 1, "ragged_row": 1}


@pytest.mark.parametrize("cell", ["anna lee", '"anna lee"', '{"customer_id": "anna lee"}'])
def test_an_erased_id_with_a_space_is_found_in_a_raw_line(tmp_path, cell):
    erased = pseudonym(["anna lee"], KEY).to_pylist()
    found = with_customers(
        tmp_path, {"loyalty_events": f"customer_id,occurred_at,points\n{cell},2025\n"}, erased=erased
    )
    assert rules(found, "loyalty_events") == {"erased": 1}


def test_the_demo_key_is_published_and_others_come_from_outside(tmp_path):
    assert load_key("demo", {}, tmp_path / "none") == load_key("demo", {"WAFA_KEY_DEMO": "ab" * 32}, tmp_path / "none")
    assert load_key("my_shop", {"WAFA_KEY_MY_SHOP": "ab" * 32}, tmp_path / "none") == b"\xab" * 32
    file = tmp_path / "my_shop.key"
    file.write_text("cd" * 32 + "\n")
    file.chmod(0o600)
    assert load_key("my_shop", {}, file) == b"\xcd" * 32
    assert load_key("my_shop", {"WAFA_KEY_MY_SHOP": "ab" * 32}, file) == b"\xab" * 32


def test_a_missing_key_says_how_to_make_one(tmp_path):
    with pytest.raises(ContractError, match=r"umask 077; mkdir -p .*openssl rand -hex 32 > .*my_shop\.key"):
        load_key("my_shop", {}, tmp_path / "my_shop.key")


@pytest.mark.parametrize("text", ["", "secret", "zz" * 32, "ab" * 31])
def test_a_weak_key_is_refused_without_showing_it(tmp_path, text):
    with pytest.raises(ContractError, match="64 hex digits") as refused:
        load_key("my_shop", {"WAFA_KEY_MY_SHOP": text}, tmp_path / "none")
    assert not text or text not in str(refused.value)


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_a_key_file_that_others_may_read_is_refused(tmp_path):
    file = tmp_path / "my_shop.key"
    file.write_text("cd" * 32)
    file.chmod(0o644)
    with pytest.raises(ContractError, match="chmod 600"):
        load_key("my_shop", {}, file)


def test_a_line_break_in_an_address_stays_in_quarantine(tmp_path):
    found = with_log(
        tmp_path, "customers", 'customer_id,email,created_at\nanna,"a@b.example\r\nBcc: c@d.example",2025-01-01\n'
    )
    assert rules(found, "customers") == {"line_break_in_address": 1}
    assert found.vault["email"].isna().all()


def test_of_an_erased_customers_order_named_by_an_address_no_line_stays(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS.replace("\n1,", "\nAnna@mail.example-1,"))
    (tmp_path / "items.csv").write_text(
        "order_id,product_id,quantity,price\nAnna@mail.example-1,p,many,1.00\nAnna@mail.example-1,p,1,1.00\n2,p,1,1.00\n"
    )
    found = read(tmp_path, {"orders": {"file": "orders.csv"}, "order_items": {"file": "items.csv"}}, erased=ANNA)
    assert rules(found, "order_items") == {"erased": 2}
    assert found.tables["order_items"]["order_id"].to_pylist() == ["2"]
    assert not found.quarantine["raw"].str.contains("Anna").any()


def test_an_address_in_the_id_of_a_message_does_not_leave_state(tmp_path):
    (tmp_path / "web.csv").write_text(
        "message_id,customer_id,event,occurred_at\nanna@mail.example-1,anna,Page Viewed,2025-01-05T10:00:00Z\n"
        "plain,anna,Page Viewed,2025-01-06T10:00:00Z\n"
    )
    (tmp_path / "mail.csv").write_text(
        "message_id,email_id,customer_id,event,occurred_at\n"
        "anna@mail.example-2,x@y.example,anna,Email Sent,2025-01-05T10:00:00Z\n"
    )
    (tmp_path / "orders.csv").write_text(ORDERS)
    logs = {"orders": {"file": "orders.csv"}, "web_events": {"file": "web.csv"}, "email_events": {"file": "mail.csv"}}
    found = read(tmp_path, logs)
    ids = found.tables["web_events"]["event_id"].to_pylist() + found.tables["email_events"]["event_id"].to_pylist()
    assert [event.startswith("m_") for event in ids] == [True, False, True]
    assert "plain" in ids
    assert "@" not in "".join(ids + found.tables["email_events"]["email_id"].to_pylist())


def test_items_of_a_test_account_go_with_its_orders(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "items.csv").write_text("order_id,product_id,quantity,price\n1,mug,1,10.00\n2,mug,1,20.00\n")
    logs = {"orders": {"file": "orders.csv"}, "order_items": {"file": "items.csv"}}
    found = read(tmp_path, logs, test_accounts=["ben"])
    assert rules(found, "orders") == rules(found, "order_items") == {"test_account": 1}
    assert found.tables["order_items"].num_rows == 1


def test_a_broken_line_of_somebody_erased_under_an_old_key_is_known():
    old, new = b"o" * 32, b"n" * 32
    (token,) = pseudonym(["17"], old).to_pylist()
    people = Identities(new, (), [OldKey(old, erased=frozenset({token}))])
    assert people.has_erased
    assert not people.mentions_erased("o1,18,x")
    assert people.mentions_erased("o1,17,x")
    assert people.carried == {token: pseudonym(["17"], new)[0].as_py()}


def test_ids_and_addresses_explain_pseudonyms_of_old_keys():
    old, new = b"o" * 32, b"n" * 32
    waiting = [*pseudonym(["17", "anna@x.example"], old).to_pylist(), *address_key(["anna@x.example"], old).to_pylist()]
    now = [*pseudonym(["17", "anna@x.example"], new).to_pylist(), *address_key(["anna@x.example"], new).to_pylist()]
    key = OldKey(old, noted=frozenset(waiting))
    assert carried([" 17", " Anna@X.example", "18"], new, [key]) == dict(zip(waiting, now, strict=True))
    assert fingerprint(old) != fingerprint(new)
    assert len(fingerprint(old)) == 16

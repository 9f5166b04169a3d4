"""Who is left alone: fair, balanced, and the same people in every run."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from campaigns.errors import ListError
from campaigns.holdout import GLOBAL, assign, balance, draw, draw_sql

SHARES = {"salt": "wafa-1", "global_share": 0.05, "list_share": 0.10}
CAMPAIGN = "win_back-2026-01-01"
Customer = tuple[str, int, str | None]
"""Id, when they were first known, address."""


def shop(count: int, seed: int = 1) -> list[Customer]:
    """Customers in the order of their sign-up; one in ten shares an address, one in twenty has none."""
    chance = random.Random(seed)
    made: list[Customer] = []
    for n in range(count):
        kind = chance.random()
        shared = made and kind < 0.1
        home = chance.choice(made)[2] if shared else None if kind < 0.15 else f"a_{seed}_{n}"
        made.append((f"c_{chance.getrandbits(96):024x}", n, home))
    return made


def connect(customers: Collection[Customer], listed: Collection[str] | None = None) -> duckdb.DuckDBPyConnection:
    """A connection with the customers log, and the table people of those on a list."""
    db = duckdb.connect(config={"threads": 1, "autoload_known_extensions": False})
    ids, since, addresses = zip(*customers, strict=True)
    rows = {"customer_id": ids, "occurred_at": since, "event_id": ids, "address_key": pa.array(addresses, pa.string())}
    db.register("given", pa.table(rows))
    db.execute("CREATE TABLE customers AS FROM given")
    db.execute(
        "CREATE TABLE people AS SELECT unnest($1::VARCHAR[]) AS customer_id", [list(ids if listed is None else listed)]
    )
    return db


def groups(
    customers: Collection[Customer], listed: Collection[str] | None = None, campaign: str = CAMPAIGN, **options: Any
) -> dict[str, tuple[Any, ...]]:
    """Everybody's group, holdout, arm, propensity and arm_propensity."""
    with connect(customers, listed) as db:
        assign(db, "people", campaign, **{**SHARES, **options})
        rows = db.execute('SELECT customer_id, "group", holdout, arm, propensity, arm_propensity FROM assignment')
        return {who: rest for who, *rest in rows.fetchall()}


def is_likely(hits: int, of: int, share: float, level: float = 0.99) -> bool:
    """Whether ``hits`` lie in the binomial interval."""
    least, most = stats.binom.interval(level, of, share)
    return bool(least <= hits <= most)


def test_database_draws_the_same_number_to_the_last_bit() -> None:
    chance = random.Random(5)
    alphabet = "aZ09_-'\"\\/ü€😀漢字\t\n\r\x00\x01\x0b\x1b\x1f\x7f\u2028{}[],\ufffd"
    ids = ["", "\\u000b", *alphabet, *(f"c_{chance.getrandbits(96):024x}" for _ in range(5_000))]
    ids += ["".join(chance.choices(alphabet, k=chance.randrange(1, 12))) for _ in range(10_000 - len(ids))]
    assert len(ids) == 10_000
    with duckdb.connect() as db:
        db.register("given", pa.table({"id": ids}))
        for salt, campaign in (("wafa-1", CAMPAIGN), ("O'Neil\\ü\x1b", GLOBAL)):
            found = db.execute(f"SELECT id, {draw_sql(salt, campaign, 'id')} FROM given").fetchall()
            assert len(found) == 10_000
            assert [one for one in found if one[1] != draw(salt, campaign, one[0])] == []


def test_draw_keeps_its_numbers() -> None:
    """A change would draw new holdouts for every running campaign."""
    assert draw("wafa-1", "win_back", "c_1") == 0.9183134751911624
    assert all(0 <= draw("s", "l", str(n)) < 1 for n in range(100))


def test_shares_are_within_the_binomial_interval() -> None:
    alone = [(who, since, f"a_{since}") for who, since, _ in shop(20_000)]
    found = groups(alone)
    of_all = sum(holdout == "global" for _, holdout, *_ in found.values())
    others = [holdout for _, holdout, *_ in found.values() if holdout != "global"]
    assert is_likely(of_all, 20_000, 0.05)
    assert is_likely(others.count("list"), len(others), 0.10)
    treated = sum(group == "treat" for group, *_ in found.values())
    assert {propensity for *_, propensity, _ in found.values()} == {0.95 * 0.9}
    assert is_likely(treated, 20_000, 0.95 * 0.9)
    assert {(group, holdout) for group, holdout, *_ in found.values()} == {
        ("treat", None),
        ("holdout", "global"),
        ("holdout", "list"),
    }


def test_global_holdout_is_the_same_people_in_every_list_and_the_others_are_drawn_anew() -> None:
    everybody = shop(20_000)
    lists = [
        groups(everybody, campaign=campaign) for campaign in (CAMPAIGN, "win_back-2026-02-01", "birthday-2026-01-01")
    ]
    held = [{who for who, (_, holdout, *_) in found.items() if holdout == "global"} for found in lists]
    assert held[0] == held[1] == held[2] != set()
    here, there = ({who for who, (_, holdout, *_) in found.items() if holdout == "list"} for found in lists[:2])
    assert is_likely(len(here & there), len(everybody) - len(held[0]), 0.01, 0.999)


def test_no_holdout_writes_to_everybody() -> None:
    found = groups(shop(500), global_share=0, list_share=0)
    assert set(map(tuple, found.values())) == {("treat", None, None, 1.0, 1.0)}


def test_versions_of_the_message_take_their_shares_whatever_the_holdout() -> None:
    versions = {"plain": 0.5, "question": 0.3, "it's yours": 0.2}
    alone = [(who, since, f"a_{since}") for who, since, _ in shop(20_000)]
    found = groups(alone, versions=versions)
    written = [(arm, chance) for group, _, arm, _, chance in found.values() if group == "treat"]
    for name, share in versions.items():
        assert is_likely(sum(arm == name for arm, _ in written), len(written), share)
        assert {chance for arm, chance in written if arm == name} == {0.95 * 0.9 * share}
    held = {(arm, chance) for group, _, arm, _, chance in found.values() if group == "holdout"}
    assert held == {(None, 1 - 0.95 * 0.9)}
    # The same people are held out, and the version of nobody depends on the size of the holdout.
    plain = groups(alone)
    assert {who: one[:2] for who, one in plain.items()} == {who: one[:2] for who, one in found.items()}
    whole = groups(alone, versions=versions, global_share=0, list_share=0)
    assert all(whole[who][2] == arm for who, (_, _, arm, *_) in found.items() if arm is not None)


def test_people_at_one_address_fall_together() -> None:
    everybody = shop(5_000)
    found = groups(everybody, versions={"a": 0.5, "b": 0.5})
    homes: dict[str, set[tuple[Any, ...]]] = {}
    for who, _, home in everybody:
        if home is not None:
            homes.setdefault(home, set()).add(tuple(found[who]))
    assert len(homes) < 4_500
    assert all(len(got) == 1 for got in homes.values())
    nowhere = {tuple(found[who]) for who, _, home in everybody if home is None}
    assert len(nowhere) > 2


def test_same_person_same_group_whatever_happens_around_them() -> None:
    everybody = shop(5_000)
    before = groups(everybody)
    assert groups(everybody) == before

    def kept(after: dict[str, tuple[Any, ...]]) -> float:
        return float(np.mean([before[who] == one for who, one in after.items() if who in before]))

    shuffled = random.Random(3).sample(everybody, len(everybody))
    assert kept(groups(shuffled)) == 1
    # Others come: sign-ups at addresses of their own and at those of others.
    later = [(f"b_new_{n}", 5_000 + n, home) for n, (_, _, home) in enumerate(everybody[::3])]
    assert kept(groups([*everybody, *later])) == 1
    # Others go: half of the list, whoever they share an address with.
    assert kept(groups(everybody, listed=[who for who, *_ in everybody[::2]])) == 1
    # An address appears, or is changed for a new one.
    found = [(who, since, home or f"a_found_{since}") for who, since, home in everybody]
    assert kept(groups(found)) == 1
    at_home = Counter(home for *_, home in everybody)
    moved = [(who, since, home if at_home[home] > 1 else f"a_moved_{since}") for who, since, home in everybody]
    assert kept(groups(moved)) == 1


def test_account_known_longest_decides_for_the_inbox() -> None:
    """The one case in which somebody's group may change, as the module says."""
    even = {"global_share": 0.0, "list_share": 0.5}
    homes = range(40)
    oldest = groups([(f"z_{n}", 1, None) for n in homes], **even)
    shared = groups([*((f"z_{n}", 1, f"h{n}") for n in homes), *((f"a_{n}", 2, f"h{n}") for n in homes)], **even)
    assert all(shared[f"a_{n}"] == shared[f"z_{n}"] == oldest[f"z_{n}"] for n in homes)
    # Known equally long: the smaller id.
    smaller = groups([(f"a_{n}", 1, None) for n in homes], **even)
    twins = groups([(f"{first}_{n}", 1, f"h{n}") for n in homes for first in "za"], **even)
    assert all(twins[f"z_{n}"] == smaller[f"a_{n}"] for n in homes)
    assert smaller != {who.replace("z", "a"): one for who, one in oldest.items()}


def _worth(count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(11)
    return generator.beta(2, 2, count), np.round(generator.lognormal(8, 1, count))


def _p_values(campaigns: int, count: int) -> tuple[list[float], list[float], list[float]]:
    """Welch's p-value of the score and of the logarithm of the value, and the largest difference, by campaign."""
    everybody = [(who, since, f"a_{since}") for who, since, _ in shop(count)]
    score, value = _worth(count)
    p_score, p_value, differences = [], [], []
    with connect(everybody) as db:
        db.register("worth", pa.table({"customer_id": [who for who, *_ in everybody], "score": score, "value": value}))
        for n in range(campaigns):
            # A salt of its own, because one global holdout in all of them would tie the campaigns together.
            assign(db, "people", CAMPAIGN, **{**SHARES, "salt": f"salt-{n}"})
            db.execute("CREATE OR REPLACE TABLE rows AS SELECT * FROM worth JOIN assignment USING (customer_id)")
            rows = db.execute("SELECT \"group\" = 'treat' AS treated, score, ln(value) AS value FROM rows").fetchnumpy()
            sides = (rows["treated"], ~rows["treated"])
            p_score.append(float(stats.ttest_ind(*(rows["score"][side] for side in sides), equal_var=False).pvalue))
            p_value.append(float(stats.ttest_ind(*(rows["value"][side] for side in sides), equal_var=False).pvalue))
            found = balance(db, "rows", ("score", "value"))
            differences += [abs(number) for number in found.values() if number is not None]
    return p_score, p_value, differences


def _is_balanced(campaigns: int, count: int) -> None:
    p_score, p_value, differences = _p_values(campaigns, count)
    for drawn in (p_score, p_value):
        assert stats.kstest(drawn, "uniform").pvalue > 0.001
    treated = count * 0.95 * 0.9
    deviation = math.sqrt(1 / treated + 1 / (count - treated))
    assert np.mean(np.array(differences) <= 1.96 * deviation) >= 0.9
    assert max(differences) < 5 * deviation


def test_groups_are_balanced_on_score_and_value() -> None:
    _is_balanced(campaigns=60, count=2_000)


@pytest.mark.stress
def test_groups_are_balanced_on_score_and_value_in_a_thousand_campaigns() -> None:
    _is_balanced(campaigns=1_000, count=5_000)


def test_balance_is_the_difference_in_pooled_deviations() -> None:
    with duckdb.connect() as db:
        db.execute("""
            CREATE TABLE rows AS SELECT * FROM (VALUES
                ('a', 'treat', 1.0, 5, 1), ('b', 'treat', 3.0, 5, NULL), ('c', 'holdout', 2.0, 5, 2),
                ('d', 'holdout', 6.0, 5, 3), ('e', 'holdout', NULL, 5, 3)
            ) AS v (customer_id, "group", score, same, few)
        """)
        # Means 2 and 4, variances 2 and 8.
        assert balance(db, "rows", ["score", "same", "few"]) == {"score": -0.8944, "same": 0.0, "few": None}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"global_share": 1.0}, "global"),
        ({"list_share": -0.1}, "list"),
        ({"versions": {"a": 0.5, "b": 0.4}}, "add up"),
        ({"versions": {"a": 1.0, "b": 0.0}}, "above 0"),
    ],
)
def test_shares_outside_their_limits_are_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ListError, match=word):
        groups(shop(10), **options)

"""The outlook as one value: what it tells, and what a folder must hold."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from models.outlook import Outlook
from models.settings import ModelSettings
from models.timing import NextOrder
from models.value import simple_formula
from tests.models.outlook_world import at, cutoff, shop, trainer


def test_it_tells_what_its_parts_tell_whatever_else_the_matrix_holds(small: ModelSettings) -> None:
    rows = shop(months=29, customers=400)
    outlook = trainer(rows, small).final(cutoff(28))
    assert (outlook.next_order.kind, outlook.next_year.kind) == ("trees", "trees")
    here = at(rows, 28)
    days, stays, leaves = outlook.of(here[here.columns[::-1]])
    assert days.tobytes() == outlook.next_order.days(here).tobytes()
    assert np.stack([stays, leaves]).tobytes() == np.stack(outlook.next_year.amounts(here)).tobytes()
    again = Outlook.from_files(outlook.to_files())
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert [told.tobytes() for told in again.of(here)] == [told.tobytes() for told in (days, stays, leaves)]


def test_without_trees_it_needs_no_column_of_theirs() -> None:
    plain = Outlook(NextOrder((), (), (5.0, 30.0, 80.0), (0.0, 0.0), 97.0, ""), simple_formula(""))
    here = shop(months=1, customers=3)[["spend_per_year", "days_since_first_order"]]
    days, stays, leaves = plain.of(here)
    assert days.tolist() == [[5.0, 30.0, 80.0]] * 3
    assert stays.tolist() == here["spend_per_year"].tolist()
    assert leaves.tolist() == [0.0] * 3


@pytest.mark.parametrize("gone", ["next_order.json", "next_year.json"])
def test_a_folder_without_an_outlook_is_refused(gone: str) -> None:
    plain = Outlook(NextOrder((), (), (5.0, 30.0, 80.0), (0.0, 0.0), 97.0, ""), simple_formula(""))
    files = plain.to_files()
    del files[gone]
    with pytest.raises(ValueError, match=rf"holds no {gone}: .* Train and promote again"):
        Outlook.from_files(files)

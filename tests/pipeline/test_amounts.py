"""Minor units are written as people write amounts of the currency."""

import pytest

from pipeline.project.money import writer


@pytest.mark.parametrize(
    ("currency", "minor", "written"),
    [
        ("GBP", 123_450, "GBP 1,234.50"),
        ("GBP", 5, "GBP 0.05"),
        ("JPY", 1_234, "JPY 1,234"),
        ("KWD", 1_234_567, "KWD 1,234.567"),
        ("EUR", -50, "EUR -0.50"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(currency, minor, written):
    assert writer(currency)(minor) == written

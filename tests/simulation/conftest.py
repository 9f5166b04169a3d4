"""One small shop for the tests of its files, one larger without flaws for the tests of its truth."""

import pytest

from simulation import SimulatedShop, SimulationSettings, simulate

SMALL = SimulationSettings(seed=7, customers=500, months=24)


@pytest.fixture(scope="session")
def small_shop() -> SimulatedShop:
    return simulate(SMALL)


@pytest.fixture(scope="session")
def known_shop() -> SimulatedShop:
    return simulate(SimulationSettings(seed=11, customers=2_500, planted_flaws=False))

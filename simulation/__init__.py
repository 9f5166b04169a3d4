"""A shop with known truth: the demo's data and the tests' oracle."""

from simulation.files import file_bytes
from simulation.settings import SimulationSettings
from simulation.shop import SimulatedShop, simulate
from simulation.truth import HORIZONS

__all__ = ["HORIZONS", "SimulatedShop", "SimulationSettings", "file_bytes", "simulate"]

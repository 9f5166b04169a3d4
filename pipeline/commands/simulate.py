"""`wafa simulate`."""

from __future__ import annotations


def command() -> None:
    """Write the simulated shop's logs and its truth, as the stage simulate_logs does.

    Example: wafa simulate
    """
    from pipeline import simulate_logs

    simulate_logs.main()

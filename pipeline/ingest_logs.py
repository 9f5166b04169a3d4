"""Stage: a shop's files become canonical event tables; bad rows are set aside, every row is accounted for."""

from pipeline.intake import reading
from pipeline.project import datasets, settings, stage


def main() -> None:
    """Write data/events, and beside it the vault and the quarantine in state/."""
    reading.run(settings.load(), datasets.EVENTS)


if __name__ == "__main__":
    stage.run(main)

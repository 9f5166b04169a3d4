"""An ingest in a process with a limit of memory: what breaks the limits of the reader must not take the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.case import Case

ADDRESS_SPACE = 12 * 2**30
"""Beyond it an allocation fails; the virtual memory of the libraries is part of it."""

MOST_RESIDENT = 2_500 * 2**20
"""Neither the run nor its reader may ever hold more."""


def read_limited(folder: Path, case: Case, logs: dict[str, Any]) -> dict[str, Any]:
    """What came of the files of ``case``: the message (``refused``), or rejected files, quarantine and warnings."""
    pytest.importorskip("resource")  # absent on Windows
    asked = {"folder": str(folder), "logs": logs, "zone": case.zone, "settings": dict(case.settings)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.faults.limited"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-400:]}"
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert answer["resident"] < MOST_RESIDENT, f"{answer['resident'] / 2**20:.0f} MB"
    return answer


def _main() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    from sources import ContractError
    from tests.sources.source_files import read

    asked = json.loads(sys.stdin.read())
    answer: dict[str, Any]
    try:
        found = read(Path(asked["folder"]), asked["logs"], zone=asked["zone"], **asked["settings"])
    except ContractError as error:
        answer = {"refused": str(error)}
    else:
        kept = found.quarantine[["file", "rule", "message"]] if len(found.quarantine) else found.quarantine
        answer = {
            "rejected": found.manifest["rejected_files"],
            "quarantine": kept.to_dict("records"),
            "warnings": found.manifest["warnings"],
        }
    # The largest of the process itself and of those it waited for, in bytes; Linux counts in KiB.
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    answer["resident"] = most * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps(answer))


if __name__ == "__main__":
    _main()

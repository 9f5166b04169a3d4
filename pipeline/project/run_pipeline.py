"""`wafa run`: a `dvc repro` that survives being killed, one at a time, and names what to open."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.project import datasets
from pipeline.project.errors import LockedError, WafaError
from pipeline.project.progress import say

DVC_LOCK = Path("dvc.lock")
RWLOCK = Path(".dvc") / "tmp" / "rwlock"


def hold_lock() -> FileLock:
    """The lock that one run holds; release it by leaving its ``with``.

    Raises:
        LockedError: Another run holds it.
    """
    datasets.private_folder(datasets.STATE)
    lock = FileLock(datasets.LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LockedError(f"{datasets.LOCK}: another run holds the lock. Wait for it to end.") from None
    return lock


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def heal() -> None:
    """Mend what a killed `dvc repro` leaves behind: DVC writes its lock files in place and then refuses them."""
    if RWLOCK.is_file():
        try:
            held = json.loads(RWLOCK.read_text(encoding="utf-8"))
            owners = [entry for value in held.values() for entry in _entries(value)]
            is_dead = all(not _alive(int(entry["pid"])) for entry in owners)
        except (ValueError, KeyError, TypeError, AttributeError):
            is_dead = True
        if is_dead:
            RWLOCK.unlink(missing_ok=True)
    if DVC_LOCK.is_file() and datasets.LAST_GOOD_LOCK.is_file() and not _is_lock(DVC_LOCK):
        shutil.copyfile(datasets.LAST_GOOD_LOCK, DVC_LOCK)
        say(f"{DVC_LOCK}: was cut short by an interrupted run; restored from the last good copy")
    elif DVC_LOCK.is_file() and not _is_lock(DVC_LOCK):
        DVC_LOCK.unlink()
        say(f"{DVC_LOCK}: was cut short by an interrupted run; removed, every stage is checked again")


def _entries(value: dict[str, object]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for kind in ("read", "write"):
        entry = value.get(kind, [])
        found += entry if isinstance(entry, list) else [entry]  # type: ignore[list-item]  # DVC writes dicts
    return found


def _is_lock(path: Path) -> bool:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return isinstance(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")), dict)
    except (YAMLError, UnicodeDecodeError):
        return False


def repro() -> None:
    """Run every stage whose inputs changed.

    Raises:
        WafaError: A stage ended with an error; its own line was printed already, its exit code is kept.
    """
    heal()
    environment = os.environ | {
        "DVC_NO_ANALYTICS": "1",
        # Stages are called as `python`; that must be the one that runs this, activated or not.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        # DVC's index is a pickle; its default home is a folder that anybody may write to.
        "DVC_SITE_CACHE_DIR": str(Path(".dvc/tmp/site").resolve()),
    }
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], env=environment, check=False)
    if _is_lock(DVC_LOCK) if DVC_LOCK.is_file() else False:
        datasets.private_folder(datasets.STATE)
        shutil.copyfile(DVC_LOCK, datasets.LAST_GOOD_LOCK)
    if done.returncode != 0:
        failed = WafaError("wafa run: a stage failed; its message stands above.")
        failed.exit_code = _code_of_failed_stage(done.returncode)
        raise failed


def _code_of_failed_stage(code: int) -> int:
    """The exit code the failed stage left in state/, because DVC itself ends with 1 whatever happened."""
    try:
        return int(datasets.EXIT_CODE.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return code


def what_to_open() -> list[str]:
    """The pages and lists of the last run."""
    lines = [
        f"report for the marketer    {datasets.REPORT}",
        f"quality of the logs        {datasets.QUALITY_PAGE}",
        f"how mail arrives           {datasets.DELIVERABILITY_PAGE}",
        f"evaluation                 {datasets.EVALUATION_PAGE}",
        f"model card                 {datasets.MODEL_CARD}",
        f"scores, reasons            {datasets.SCORES}  {datasets.REASONS}",
    ]
    lines += [f"list {path.name:<22} {path}" for path in sorted(datasets.LISTS.glob("*")) if path.is_dir()]
    lines += [
        "the lists at a glance      wafa lists",
        "send a list                wafa approve win_back, then wafa export win_back",
        "why on a list, or not      wafa lists --why CUSTOMER",
        "why this customer          wafa explain CUSTOMER",
        "experiments                make ui",
    ]
    return lines

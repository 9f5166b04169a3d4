"""What DVC keeps of ingest and every later stage: dropped from dvc.lock, its cache, its run-cache and local remotes."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.project import datasets
from pipeline.project.run_pipeline import DVC_LOCK

DVC = Path(".dvc")
LOCK = DVC_LOCK
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


def _yaml(text: str) -> dict[str, Any]:
    try:
        found = YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _touches_people(stage: dict[str, Any], outputs: Iterable[str] = ()) -> bool:
    """Whether a stage writes below data/, but for the simulated logs, or reads one of ``outputs``."""
    raw = datasets.RAW_SIMULATED.parent.as_posix()
    written = [str(out.get("path", "")) for out in stage.get("outs", [])]
    if any(_is_below(path, datasets.DATA.as_posix()) and not _is_below(path, raw) for path in written):
        return True
    read = [str(dep.get("path", "")) for dep in stage.get("deps", [])]
    return any(_is_below(path, out) or _is_below(out, path) for path in read for out in outputs)


def _later(stages: dict[str, Any]) -> dict[str, Any]:
    """The stages of a lock file that hold rows about people or follow from such rows."""
    found: dict[str, Any] = {}
    while True:
        outputs = [str(out["path"]) for stage in found.values() for out in stage.get("outs", [])]
        more = {
            name: stage
            for name, stage in stages.items()
            if name not in found and isinstance(stage, dict) and _touches_people(stage, outputs)
        }
        if not more:
            return found
        found |= more


def _objects(stages: Iterable[dict[str, Any]]) -> set[str]:
    return {str(out["md5"]) for stage in stages for out in stage.get("outs", []) if out.get("md5")}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def _locks_of_the_past() -> Iterator[dict[str, Any]]:
    """Every dvc.lock that git knows, those of experiments included."""
    commits = _git("log", "--all", "--format=%H", "--", LOCK.name).split()
    for commit in commits:
        yield _yaml(_git("show", f"{commit}:./{LOCK.name}"))


def experiments() -> int:
    """How many experiments git keeps."""
    return len(_git("for-each-ref", "--format=%(refname)", "refs/exps").split())


def stores() -> tuple[dict[str, Path], list[str]]:
    """The folders with DVC's objects (the cache, and remotes that are folders), and names of remotes that are none."""
    config = configparser.ConfigParser()
    config.read([DVC / "config", DVC / "config.local"], encoding="utf-8")
    cache = config.get("cache", "dir", fallback="").strip("\"'")
    found, unreached = {"cache": (DVC / cache) if cache else DVC / "cache"}, []
    for section in config.sections():
        name = re.fullmatch(r"'?remote \"(.+?)\"'?", section)
        if name is None:
            continue
        url = config.get(section, "url", fallback="").strip("\"'")
        if re.match(r"[a-z0-9+]{2,}:", url) and not url.startswith("file://"):
            unreached.append(name[1])
        elif (DVC / url.removeprefix("file://")).is_dir():
            found[f"remote {name[1]}"] = DVC / url.removeprefix("file://")
        else:
            unreached.append(name[1])
    return found, unreached


def _place(root: Path, digest: str) -> list[Path]:
    # DVC 3, and the layout of DVC 2 that it still reads.
    return [root / "files" / "md5" / digest[:2] / digest[2:], root / digest[:2] / digest[2:]]


def _with_members(root: Path, digests: set[str]) -> set[str]:
    """The objects, and those that the folders among them list."""
    found = set(digests)
    for digest in digests:
        for place in _place(root, digest) if digest.endswith(".dir") else []:
            if place.is_file():
                try:
                    found |= {str(entry["md5"]) for entry in json.loads(place.read_text(encoding="utf-8"))}
                except (ValueError, KeyError, TypeError):
                    continue
    return found


def _clear(root: Path, digests: set[str]) -> int:
    """Delete run-cache entries of stages about people, their objects, and ``digests``; how many files went."""
    entries = {
        path: _yaml(path.read_text(encoding="utf-8", errors="replace"))
        for path in (root / "runs").glob("*/*/*")
        if path.is_file()
    }
    later = {path: entry for path, entry in entries.items() if not entry or _touches_people(entry)}
    kept = {path: entry for path, entry in entries.items() if path not in later}
    spared = _with_members(root, _objects(kept.values()) | _objects(_untouched().values()))
    wanted = _with_members(root, digests | _objects(later.values())) - spared
    gone = 0
    # Members first: a folder's list must outlive them, so that a second attempt still finds them.
    for digest in sorted(wanted, key=lambda digest: digest.endswith(".dir")):
        for place in _place(root, digest) if _MD5.fullmatch(digest) else []:
            if place.is_file():
                place.unlink()
                gone += 1
    for path in later:
        shutil.rmtree(path.parent, ignore_errors=True)
        gone += 1
    return gone


def _lock() -> dict[str, Any]:
    return _yaml(LOCK.read_text(encoding="utf-8")) if LOCK.is_file() else {}


def _untouched() -> dict[str, Any]:
    stages = _lock().get("stages") or {}
    later = _later(stages)
    return {name: stage for name, stage in stages.items() if name not in later}


def clear() -> dict[str, int]:
    """Delete every object and run-cache entry of ingest and all that follows, of the past too; counts by store."""
    digests: set[str] = set()
    for lock in [_lock(), _good(), *_locks_of_the_past()]:
        digests |= _objects(_later(lock.get("stages") or {}).values())
    return {name: _clear(root, digests) for name, root in stores()[0].items()}


def _good() -> dict[str, Any]:
    path = datasets.LAST_GOOD_LOCK
    return _yaml(path.read_text(encoding="utf-8")) if path.is_file() else {}


def forget_stages() -> int:
    """Drop ingest and every later stage from dvc.lock, so that `dvc pull` looks for none of them; how many."""
    lock = _lock()
    stages = lock.get("stages") or {}
    later = _later(stages)
    if later:
        left = lock | {"stages": {name: stage for name, stage in stages.items() if name not in later}}
        with datasets.replace_file(LOCK) as draft, draft.open("w", encoding="utf-8") as file:
            yaml = YAML()
            yaml.default_flow_style = False
            yaml.dump(left, file)
    datasets.LAST_GOOD_LOCK.unlink(missing_ok=True)
    return len(later)


def tracked_copies(source: Path) -> list[str]:
    """What keeps older versions of the shop's own files: git, and files by which DVC tracks them."""
    kept = [".git"] if _git("ls-files", "--", source.as_posix()).strip() else []
    above = [source, *source.parents]
    return kept + sorted(
        path.as_posix()
        for path in (place.with_name(f"{place.name}.dvc") for place in above if place.name)
        if path.is_file()
    )

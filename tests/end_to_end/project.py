"""A fresh copy of the project in an empty folder, and the command line run in it as a user would."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
REAL_DATA = ROOT.parent / "shared" / "data"


class Project:
    """The tracked files of this checkout, as a new git repository in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        # What this checkout ran must not spare a stage of the copy.
        (folder / "dvc.lock").unlink(missing_ok=True)
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", "copy")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True)

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "MLFLOW_TRACKING_URI", "DVC_ROOT"}}
        return kept | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.folder / ".dvc" / "tmp" / "site"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def call(self, *arguments: str, timeout: int = 800) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def wafa(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.call("pipeline.cli", *arguments)

    def stage(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.call(f"pipeline.{name}")

    def repro(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.call("dvc", "repro", *arguments)

    def params(self, **changes: Any) -> None:
        """Change params by dotted key with ``__`` for the dot; the comments go, the values stay."""
        yaml = YAML()
        path = self.folder / "params.yaml"
        values = yaml.load(path.read_text(encoding="utf-8"))
        for dotted, value in changes.items():
            *sections, last = dotted.split("__")
            place = values
            for section in sections:
                place = place[section]
            place[last] = value
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(values, file)

    def use_example(self, shop: str) -> None:
        """Copy a shop's params over params.yaml and put its export where they look for it."""
        shutil.copy(self.folder / "examples" / shop / "params.yaml", self.folder / "params.yaml")
        (self.folder / "exports").mkdir(exist_ok=True)
        shutil.copytree(REAL_DATA / shop, self.folder / "exports" / shop, copy_function=shutil.copyfile)
        keys = self.folder / "state" / "keys"
        keys.mkdir(parents=True, mode=0o700)
        (keys / f"{shop}.key").write_text("ab" * 32, encoding="ascii")
        (keys / f"{shop}.key").chmod(0o600)

    def path(self, name: str) -> Path:
        return self.folder / name

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / name)

    def json(self, name: str) -> Any:
        import json

        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def hashes(self, *folders: str) -> dict[str, str]:
        """Content hash of every file below the folders."""
        return {
            file.relative_to(self.folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for folder in folders
            for file in sorted((self.folder / folder).rglob("*"))
            if file.is_file()
        }


def stages_run(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Names of the stages that a `dvc repro` really ran."""
    return re.findall(r"Running stage '([\w@]+)'", done.stdout)


SMALL: dict[str, Any] = {
    "simulation__customers": 1500,
    "simulation__months": 18,
    "sources__complete_until": "2025-01-01",
    "scoring__as_of": "2025-01-01",
    "cohort__test_origins": 2,
    "model__trees": 60,
    "model__min_rows_per_leaf": 40,
    "model__bootstrap_draws": 50,
    "campaigns__lists__win_back__budget": 60,
}
"""The demo with small numbers."""

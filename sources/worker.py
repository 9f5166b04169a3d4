"""The child process in which files that nobody vouches for are read: limited in memory and time, and expendable.

A crafted file may crash a reader or make it ask for all memory there is; then this process ends and the run goes on.
"""

import atexit
import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from sources import disk
from sources.checking import Log
from sources.errors import ContractError

HEADROOM = 2 << 30
"""Bytes beyond DuckDB's own limit for Python, Arrow and what a reader maps."""
SECONDS_AT_LEAST = 25.0
BYTES_A_SECOND = 1_000_000
"""Slower than this no file is read, however busy the machine."""


class Worker:
    """Starts the child when it is needed, again after it died, and ends it with the program."""

    def __init__(self, memory_limit: str, threads: int, scratch: Path) -> None:
        self.memory_limit, self.threads, self.scratch = memory_limit, threads, scratch
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        atexit.register(self.close)

    def land(
        self, path: Path, name: str, logs: Sequence[Log], adapter: str, target: Path, numbered: bool = False
    ) -> None:
        """See :meth:`sources.landing.Landing.land`.

        Raises:
            ContractError: the file cannot be trusted as a whole, or its reader died of it.
        """
        sent = {
            "logs": [_sent(log) for log in logs],
            "adapter": adapter,
            "target": str(target.resolve()),
            "numbered": numbered,
        }
        self._call(path, name, {"do": "land"} | sent)

    def texts(self, path: Path, name: str, log: Log, adapter: str, rows: Sequence[int]) -> dict[int, tuple[int, str]]:
        """See :meth:`sources.landing.Landing.texts`."""
        found = self._call(path, name, {"do": "texts", "logs": [_sent(log)], "adapter": adapter, "rows": list(rows)})
        return {int(row): (int(line), str(text)) for row, line, text in found["texts"]}

    def _call(self, path: Path, name: str, job: dict[str, Any]) -> dict[str, Any]:
        process = self._running()
        # The child stays where it was started, wherever the caller goes.
        path, scratch = path.resolve(), Path(tempfile.mkdtemp(dir=self.scratch)).resolve()
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(job | {"path": str(path), "name": name, "scratch": str(scratch)}) + "\n")
            process.stdin.flush()
            answer = self._answers.get(timeout=SECONDS_AT_LEAST + path.stat().st_size / BYTES_A_SECOND)
        except (queue.Empty, BrokenPipeError):
            answer = ""
            late = process.poll() is None
            self.close()
            if late:
                raise ContractError(f"{name}: too_slow, reading it did not end in time. Export it again.") from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if not answer:
            self.close()
            raise ContractError(f"{name}: unreadable, it crashed its reader. Export it again.")
        found: dict[str, Any] = json.loads(answer)
        if "refused" in found:
            raise ContractError(found["refused"])
        if "disk" in found:
            raise OSError(found["disk"], os.strerror(found["disk"]), str(self.scratch))
        if "failed" in found:
            raise RuntimeError(found["failed"])
        return found

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            root = str(Path(__file__).resolve().parent.parent)
            self._answers = queue.Queue()
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "sources.worker", self.memory_limit, str(self.threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env=_environment(root),
            )
            threading.Thread(target=_listen, args=(self._process.stdout, self._answers), daemon=True).start()
        return self._process

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process = None


def _listen(pipe: IO[str] | None, answers: "queue.Queue[str]") -> None:
    with contextlib.suppress(ValueError):  # closed under its reader
        for line in pipe or ():
            answers.put(line)
    answers.put("")


def _environment(root: str) -> dict[str, str]:
    """What the child needs to start; keys and connection strings are none of it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("WAFA_")}
    return own | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def _sent(log: Log) -> dict[str, Any]:
    return {
        "name": log.name,
        "declared": log.declared.model_dump(mode="json", include=set(type(log.declared).model_fields)),
        "zone": log.zone,
        "currency": log.currency,
        "place": log.declared_at,
    }


def _limit(memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_DATA, (memory + HEADROOM, memory + HEADROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _bytes(memory_limit: str) -> int:
    number = float("".join(letter for letter in memory_limit if letter.isdigit() or letter == "."))
    unit = memory_limit.strip("0123456789. ").upper()
    return int(number * {"MB": 1e6, "GB": 1e9, "TB": 1e12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}[unit])


def main() -> None:
    """Answer jobs, one JSON document a line, until the parent is gone."""
    memory_limit, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    _limit(_bytes(memory_limit))
    for line in sys.stdin:
        answers.write(json.dumps(_done(json.loads(line), memory_limit, threads)) + "\n")
        answers.flush()


def _done(job: dict[str, Any], memory_limit: str, threads: int) -> dict[str, Any]:
    from sources.landing import Landing
    from sources.settings import LogSettings

    logs = [
        Log(
            sent["name"],
            LogSettings.model_validate(sent["declared"], extra="ignore"),
            sent["zone"],
            sent["currency"],
            sent["place"],
        )
        for sent in job["logs"]
    ]
    path, name = Path(job["path"]), job["name"]
    try:
        landing = Landing(memory_limit, threads, Path(job["scratch"]))
        if job["do"] == "texts":
            found = landing.texts(path, name, logs[0], job["adapter"], job["rows"])
            return {"texts": [[row, line, text] for row, (line, text) in found.items()]}
        landing.land(path, name, logs, job["adapter"], Path(job["target"]), job["numbered"])
    except ContractError as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"refused": f"{name}: too_large for engine.memory_limit. Raise it, or export in parts."}
    except Exception as error:
        if number := disk.number_of(error):
            return {"disk": number}
        # Its text may quote what it read, and that may name people; where it broke is ours.
        where = traceback.extract_tb(error.__traceback__)[-1]
        return {"failed": f"{name}: {type(error).__name__} in {Path(where.filename).name} line {where.lineno}"}
    return {}


if __name__ == "__main__":
    main()

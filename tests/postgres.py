"""A PostgreSQL of our own, from the system's packages; tests that need one are skipped where it is missing."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ANY_PATH = os.pathsep.join([os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
PROGRAMS = {name: shutil.which(name, path=ANY_PATH) for name in ("initdb", "postgres", "pg_isready")}


def free_port() -> int:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return there.getsockname()[1]


def wait_for(ready, process, seconds=120):
    end = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, f"{process.args[0]} ended with {process.returncode}"
        assert time.monotonic() < end, f"{process.args[0]} did not start in {seconds} s"
        time.sleep(0.1)


def stop(process):
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def running(user: str) -> Iterator[str]:
    """Host, port and database of an empty server that trusts ``user``, its owner: ``127.0.0.1:5432/postgres``."""
    pytest.importorskip("psycopg", reason="psycopg is missing: pip install 'wafa[postgres]'")
    missing = [name for name, found in PROGRAMS.items() if found is None]
    if missing:
        pytest.skip(f"PostgreSQL is missing ({', '.join(missing)}): apt-get install postgresql")
    # A socket's path may not be long, and PostgreSQL refuses to run as root.
    home = Path(tempfile.mkdtemp(prefix="wafa-pg-"))
    other = {}
    if os.geteuid() == 0:
        import pwd

        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        other = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    quiet = {"cwd": home, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    port = free_port()
    begin = [PROGRAMS["initdb"], "-D", "db", "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(begin, check=True, **quiet, **other)
    serve = [PROGRAMS["postgres"], "-D", "db", "-p", str(port), "-k", str(home), "-h", "127.0.0.1", "-c", "fsync=off"]
    server = subprocess.Popen(serve, start_new_session=True, **quiet, **other)
    try:
        ask = [PROGRAMS["pg_isready"], "-h", "127.0.0.1", "-p", str(port)]
        wait_for(lambda: subprocess.run(ask, **quiet).returncode == 0, server)
        yield f"127.0.0.1:{port}/postgres"
    finally:
        stop(server)
        shutil.rmtree(home, ignore_errors=True)

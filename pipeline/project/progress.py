"""A progress bar on a terminal, plain silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, track

Item = TypeVar("Item")

_ERR = Console(stderr=True)


def steps(items: Sequence[Item], title: str) -> Iterator[Item]:
    """``items`` one by one, with a bar on standard error while a person watches."""
    watched: Iterable[Item] = items
    if sys.stderr.isatty():
        watched = track(items, description=title, console=_ERR, transient=True)
    yield from watched


def say(line: str) -> None:
    """One line for the person or the log of the batch job."""
    Console(soft_wrap=True, highlight=False, markup=False).print(line)


@contextmanager
def counted(total: int, title: str) -> Iterator[Callable[[], None]]:
    """A bar of ``total`` steps while a person watches, and what to call after each."""
    with Progress(console=_ERR, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def doing(title: str) -> Iterator[Callable[[str], None]]:
    """A spinner while a person watches, and what to call with the step that is being done."""
    with _ERR.status(title) if sys.stderr.isatty() else nullcontext() as status:
        yield lambda step: status.update(f"{title}: {step}") if status else None

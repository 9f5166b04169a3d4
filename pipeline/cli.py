"""The command line `wafa`: its commands, and how their errors end."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

COMMANDS = (
    "run",
    "tune",
    "score",
    "promote",
    "rollback",
    "explain",
    "check",
    "quarantine",
    "horizon",
    "compare",
    "lists",
    "approve",
    "export",
    "suppress",
    "erase",
    "subject",
    "rekey",
    "snapshot",
    "simulate",
)
"""In the order in which the help lists them."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Who is about to leave the shop, why, what each is worth, and whom to write to.\n\n"
        "Exit codes: 0 done, 2 wrong usage or params, 3 refused as stale or unsafe, 4 data contract broken, "
        "75 another run holds the lock."
    ),
)

for _name in COMMANDS:
    app.command(_name)(import_module(f"pipeline.commands.{_name}").command)


def main() -> None:
    """Entry point; a user's mistake is one line and an exit code."""
    try:
        # Typer hands an exit code back, such as 130 after an interrupt, instead of ending with it.
        sys.exit(app(standalone_mode=False))
    except typer.Abort:
        sys.exit(130)
    except Exception as error:
        code, line = _ending(error)
        if line is None:
            raise
        sys.stderr.write(f"{line}\n")
        sys.exit(code)


def _ending(error: Exception) -> tuple[int, str | None]:
    # Typer carries a Click of its own: its usage errors are known by what they can do, not by their class.
    if hasattr(error, "format_message"):
        message = error.format_message() or "Name a command."
        return 2, f"wafa: {message}{'' if message.endswith(('.', '?')) else '.'} See wafa --help."
    from pipeline.project.stage import as_wafa_error

    known = as_wafa_error(error)
    return (known.exit_code, str(known)) if known else (1, None)


if __name__ == "__main__":
    main()

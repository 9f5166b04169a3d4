"""The command line `wafa`: thin calls into the functions that the stages use."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.project.errors import ParamsError
from pipeline.project.progress import say

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

Day = Annotated[str, typer.Option("--as-of", help="Score as known just before this day, YYYY-MM-DD.")]
ListsOf = Annotated[
    str | None, typer.Option("--as-of", help="The list of this nightly run instead of the last `wafa run`.")
]


def _settings() -> Any:
    from pipeline.project import settings

    return settings.load()


def _now() -> int:
    """The instant that the clock shows; the command line is the one place that reads it."""
    return int(datetime.now(UTC).timestamp() * 1_000_000)  # noqa: TID251  # the one place that may


def _day(s: Any, text: str) -> int:
    try:
        return int(s.instant(text))
    except ValueError as error:
        raise ParamsError(f"--as-of: {error}.") from None


@app.command()
def run() -> None:
    """Run every stage whose inputs changed, and promote the first model.

    A `dvc repro` that mends what a killed run left behind, and that no second run can disturb.

    Example: wafa run
    """
    from pipeline.champion import champion
    from pipeline.intake import snapshot_tables
    from pipeline.people import keys
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        # Also here, because a run in which nothing changed ingests nothing.
        keys.in_force(_settings(), adopt=True)
        snapshot_tables.run(_settings())
        run_pipeline.repro()
        if not champion.is_there():
            champion.promote_first(_settings())
    say("")
    for line in run_pipeline.what_to_open():
        say(line)


@app.command()
def tune(
    trials: Annotated[int, typer.Option(min=1, help="Settings to have tried in all, earlier calls included.")] = 30,
    minutes: Annotated[float, typer.Option(min=0, help="Stop after so many minutes; 0 sets no limit.")] = 30,
    write: Annotated[bool, typer.Option("--write", help="Put the best settings into params.yaml.")] = False,
) -> None:
    """Look for better settings of the model, on origins older than every test origin.

    Each trial is fitted on purged cutoffs and judged at the origin after them, never on a random split of rows. It
    can be stopped at any time: the next call goes on, as long as data, features and question are the same.

    Examples: wafa tune --trials 50 --minutes 60    wafa tune --trials 50 --write
    """
    from pipeline.evaluation import tune_model
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        for line in tune_model.tune(_settings(), trials, minutes, write):
            say(line)


@app.command()
def score(as_of: Day) -> None:
    """Score every eligible customer with the champion and build candidate lists, below state/batch/DATE/.

    Example: wafa score --as-of 2026-01-01
    """
    from pipeline.champion import champion
    from pipeline.intake import snapshot_tables
    from pipeline.project import run_pipeline

    s = _settings()
    _day(s, as_of)
    with run_pipeline.hold_lock():
        snapshot_tables.run(s)
        champion.score(s, as_of)


@app.command()
def promote(
    only_check: Annotated[bool, typer.Option("--check", help="Only say which gates the model passes.")] = False,
) -> None:
    """Make the model of the last training the champion that scores every night, if it passes every gate.

    It must be not worse than the champion, calibrated, of the present logs, and free of leaks; otherwise this ends
    with 3 and the champion stays. Limits: `promotion` in params.yaml.

    Examples: wafa promote    wafa promote --check
    """
    from pipeline.champion import champion
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        champion.check_keys(_settings())
        if only_check:
            champion.check(_settings())
            say("promote: every gate passed; the champion stays as it is until `wafa promote`")
        else:
            say(f"champion: {champion.promote(_settings())[:12]}")


@app.command()
def rollback() -> None:
    """Make the previous champion the champion again, at once; the next scores are its scores, byte for byte.

    Example: wafa rollback
    """
    from pipeline.champion import champion
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        champion.check_keys(_settings())
        model_hash = champion.rollback()
    say(f"champion: back to {model_hash[:12]}")


@app.command()
def explain(
    customer: Annotated[str, typer.Argument(help="The shop's own id, an address or a pseudonym.")],
    language: Annotated[Literal["en", "ur"], typer.Option(help="Language of the reasons.")] = "en",
) -> None:
    """Say how likely a customer is to leave, and why.

    Examples: wafa explain c_0a1b2c3d4e5f60718293a4b5    wafa explain 1017 --language ur
    """
    from pipeline.people import lookup

    for line in lookup.explain(_settings(), customer, language):
        say(line)


@app.command()
def check(
    leaks: Annotated[
        bool, typer.Option("--leaks", help="Prove that no feature knows what a cutoff cannot know.")
    ] = False,
    customers: Annotated[
        int | None, typer.Option(min=0, help="With --leaks: so many customers per cutoff (2,000); 0 takes all.")
    ] = None,
    all_cutoffs: Annotated[
        bool, typer.Option("--all-cutoffs", help="With --leaks: every training cutoff, not three of them.")
    ] = False,
) -> None:
    """Say what is wrong with the logs, the worst first, and whether they are enough for a model.

    Each line of damage has the log, the rows, the rule, the first place as file:line:column, and what to do. Nothing
    below data/ changes, and neither do the vault and the quarantine.

    With --leaks: rows from the future and rows that arrive late are added to every log of data/events; no cell of
    any feature may change. Writes data/evaluation/leak_certificate.json and ends with 3 when a feature leaks.

    Examples: wafa check    wafa check --leaks    wafa check --leaks --customers 0 --all-cutoffs
    """
    if not leaks and (customers is not None or all_cutoffs):
        raise ParamsError("wafa check: --customers and --all-cutoffs belong to --leaks. Add it, or leave them out.")
    from pipeline.evaluation import check_leaks
    from pipeline.intake import check_data, snapshot_tables
    from pipeline.project import run_pipeline

    s = _settings()
    with run_pipeline.hold_lock():
        if not leaks:
            snapshot_tables.run(s)
        told: Iterable[str] = check_data.check(s)
        if leaks:
            told = check_leaks.certify(s, check_leaks.CUSTOMERS if customers is None else customers, all_cutoffs)
        for line in told:
            say(line)


@app.command()
def quarantine(
    log: Annotated[str, typer.Option("--log", help="Only rows of this log, such as orders.")] = "",
    rule: Annotated[str, typer.Option("--rule", help="Only rows refused under this rule.")] = "",
    show: Annotated[int, typer.Option(min=0, help="Print so many raw lines; they hold ids and addresses.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the rows with their raw lines to this CSV file.")
    ] = None,
) -> None:
    """List the rows that were set aside: log, rule, file, first place, and what to do.

    After the source file is mended, `wafa run` reads it again; nothing else is needed. Lines that no ingest has
    confirmed for sources.quarantine_days are deleted first.

    Examples: wafa quarantine    wafa quarantine --rule missing_id --show 5

    wafa quarantine --output state/refused.csv
    """
    from pipeline.intake import quarantine as refused
    from pipeline.project import run_pipeline

    s = _settings()
    with run_pipeline.hold_lock():
        gone = refused.expire(s.sources.quarantine_days, _now())
        if gone:
            say(f"quarantine: nothing was read for {s.sources.quarantine_days} days; lines deleted of {gone:,} log(s)")
        if output is not None:
            written = refused.write_csv(output, log, rule)
            say(f"quarantine: {written:,} row(s) in {output}. It holds raw lines: keep it private, and delete it")
            return
        for line in refused.told(log, rule, show):
            say(line)


@app.command()
def horizon(
    accept: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.99, help="Share of those called churned who may come back; else as in params."),
    ] = None,
    follow_up: Annotated[
        int | None, typer.Option(min=1, max=1460, help="Days after the horizon in which they may; else as in params.")
    ] = None,
) -> None:
    """Say whom each horizon would have called churned, how many of them came back, and recommend one.

    Reads data/events; nothing is trained and nothing is written.

    Examples: wafa horizon    wafa horizon --accept 0.25    wafa horizon --follow-up 90
    """
    from pipeline.evaluation import advise_horizon

    for line in advise_horizon.told(_settings(), accept, follow_up):
        say(line)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="EXP", help="An experiment, branch, tag or commit.")],
    second: Annotated[
        str, typer.Argument(metavar="EXP", help="Beside which; `workspace` is the working tree.")
    ] = "workspace",
) -> None:
    """Say what changed between two experiments, and whether the difference in quality is real.

    Both are judged on the customers and origins that both predicted; nothing is trained.

    Examples: wafa compare more-trees    wafa compare more-trees main
    """
    from pipeline.evaluation import compare_experiments

    for line in compare_experiments.told(_settings(), first, second):
        say(line)


@app.command()
def lists(
    name: Annotated[str | None, typer.Argument(metavar="[LIST]", help="Only this list, in detail.")] = None,
    why: Annotated[
        str | None,
        typer.Option(
            "--why",
            metavar="PERSON",
            help="Why this person (own id, e-mail address or pseudonym) is or is not on each.",
        ),
    ] = None,
    as_of: ListsOf = None,
) -> None:
    """Show how many people are on each list, what it is worth, and whom each guard stops.

    Examples: wafa lists    wafa lists win_back    wafa lists --why anna@example.com

    wafa lists win_back --why 1017 --as-of 2026-01-01
    """
    from pipeline.sending import show_lists

    s = _settings()
    if as_of:
        _day(s, as_of)
    if why is not None:
        told = show_lists.why(s, why, name, as_of)
    else:
        told = show_lists.overview(s, as_of) if name is None else show_lists.detail(s, name, as_of)
    for line in told:
        say(line)


@app.command()
def approve(
    name: Annotated[str, typer.Argument(metavar="LIST", help="One of the lists that `wafa lists` names.")],
    as_of: ListsOf = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before approving.")] = False,
) -> None:
    """Show a list before it leaves, and reserve its people in the contact ledger.

    Shows how many would be written to and held out, what each guard left of them, who is new since the last time, and a
    sample. Export refuses a list that was not approved, or that was built again since. Approving it again changes
    nothing.

    Examples: wafa approve win_back    wafa approve win_back --as-of 2026-01-01 --yes
    """
    from pipeline.project import run_pipeline
    from pipeline.sending import approve_lists, live_facts

    s = _settings()
    if as_of:
        _day(s, as_of)
    with run_pipeline.hold_lock():
        places = live_facts.checked(s, as_of)
        for line in approve_lists.shown(s, name, places) + approve_lists.refusal(s, name, _now(), places):
            say(line)
        if not yes and not approve_lists.is_approved(name, places):
            if not sys.stdin.isatty():
                raise ParamsError("wafa approve: nobody is there to confirm it. Add --yes.")
            if not typer.confirm(f"Approve {name}?"):
                say("approve: nothing was approved")
                return
        for line in approve_lists.told(name, approve_lists.approve(s, name, _now(), places)):
            say(line)


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="LIST", help="A list that was approved.")],
    platform: Annotated[
        str, typer.Option("--platform", help="Whose files: klaviyo, mailchimp, brevo, listmonk, ... or parquet.")
    ] = "neutral",
    as_of: ListsOf = None,
) -> None:
    """Write the files to upload, after reading consent and suppression again, into state/outbox/LIST/DATE/PLATFORM/.

    Only who was approved leaves, and who was held out never does. Exporting again gives the same files, for another
    platform the same people; whoever opted out since is taken out of all of them.

    Examples: wafa export win_back    wafa export win_back --platform klaviyo --as-of 2026-01-01
    """
    from pipeline.intake import reading
    from pipeline.project import run_pipeline
    from pipeline.sending import export_list, live_facts

    s = _settings()
    if as_of:
        _day(s, as_of)
    with run_pipeline.hold_lock():
        # DVC may have restored data/events without running the stage that fills the vault.
        reading.ensure_vault(s)
        # params campaigns.check_clock decides whether it counts.
        exported = export_list.export(s, name, platform, _now(), live_facts.checked(s, as_of))
    for line in export_list.told(exported):
        say(line)


@app.command()
def suppress(
    customers: Annotated[
        list[str],
        typer.Argument(metavar="EMAIL_OR_ID...", help="Addresses, own ids or pseudonyms, as they are pasted."),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record; no names or addresses.")] = "opt_out",
) -> None:
    """Record an opt-out received outside the logs; it counts at once, for every list, before the next ingest.

    Files that were exported before are named; export them again before they are uploaded. Of several, all are noted
    or none.

    Examples: wafa suppress anna@example.com    wafa suppress "Anna <anna@example.com>, ben@example.com"

    wafa suppress 1017 --reason "asked by phone"
    """
    from pipeline.sending import suppress as suppression

    # Takes no lock of the run: an opt-out waits for nothing but an export that is being written down.
    for line in suppression.suppress(_settings(), customers, reason, _now()):
        say(line)


@app.command()
def erase(
    customers: Annotated[
        list[str], typer.Argument(metavar="CUSTOMER...", help="Own ids, addresses or pseudonyms of who asked for it.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
    keep_raw: Annotated[
        bool, typer.Option("--keep-raw", help="Leave the shop's own files alone; every ingest skips their records.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Keep people out of whom nothing is here yet.")] = False,
) -> None:
    """Remove people from the shop's files, the vault, every output, cache and list, and keep them from coming back.

    Everything below data/ is deleted and made again by the next `wafa run`. Ends with what it could not reach.

    Examples: wafa erase 1017    wafa erase anna@example.com c_0a1b2c3d4e5f60718293a4b5 --yes
    """
    from pipeline.privacy import erase as erasure
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        s = _settings()
        found = erasure.whom(s, customers, force)
        if not yes:
            if not sys.stdin.isatty():
                raise ParamsError("wafa erase: nobody is there to confirm it. Add --yes.")
            if not typer.confirm(f"Erase {found.asked} people? It cannot be undone"):
                say("erase: nothing was erased")
                return
        for line in erasure.erase(s, found, keep_raw):
            say(line)
        if found.unknown:
            raise erasure.unknown(found)


@app.command()
def subject(
    customer: Annotated[str, typer.Argument(help="Own id, address or pseudonym.")],
    output: Annotated[
        Path | None, typer.Option("--output", help="Write it as JSON into this file, for its owner alone, instead.")
    ] = None,
) -> None:
    """Show everything held about a person, in every log, score, list, file to upload and line set aside.

    Examples: wafa subject 1017    wafa subject anna@example.com --output state/answer.json
    """
    from pipeline.privacy import subject as person

    told = person.held(_settings(), customer)
    if output is None:
        for line in person.lines(told):
            say(line)
    else:
        person.write(told, output)
        say(f"subject: written to {output}, which only you may read; delete it when it has served")


@app.command()
def rekey(
    old: Annotated[
        Path | None, typer.Option("--old", help="File of the old key, unless it is below state/keys/.")
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option("--drop", metavar="FINGERPRINT", help="Delete an old key that no pseudonym needs any longer."),
    ] = None,
) -> None:
    """Change the key of the pseudonyms: carry opt-outs, contacts and erasures over to the key of sources.key_id.

    People whom neither vault nor files hold keep their old pseudonyms, and the old key is kept below state/keys/old/
    to recognise them later. Everything below data/ and state/batch/ is deleted; `wafa run` makes data/ again. After a
    kill the next call finishes the change; until then every other command ends with 3.

    Examples: wafa rekey    wafa rekey --old backup/my_shop.key    wafa rekey --drop 0123456789abcdef
    """
    if old is not None and drop is not None:
        raise ParamsError("wafa rekey: --old and --drop do not go together. Leave one of them out.")
    from pipeline.privacy import rekey as change
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        for line in change.rekey(_settings(), old) if drop is None else change.drop(_settings(), drop):
            say(line)


@app.command()
def snapshot() -> None:
    """Read the tables that params name from the database into files below sources.path, all as of one moment.

    `wafa run`, `wafa score` and `wafa check` do so themselves; `dvc repro` and experiments take what was read last.

    Example: wafa snapshot
    """
    from pipeline.intake import snapshot_tables
    from pipeline.project import run_pipeline

    s = _settings()
    if not s.sources.tables:
        raise ParamsError("wafa snapshot: no log in params.yaml names a table. See sources.logs.")
    with run_pipeline.hold_lock():
        snapshot_tables.run(s)


@app.command()
def simulate() -> None:
    """Write the simulated shop's logs and its truth, as the stage simulate_logs does.

    Example: wafa simulate
    """
    from pipeline import simulate_logs

    simulate_logs.main()


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

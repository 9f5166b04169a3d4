"""The files of one list for one e-mail platform, and what their manifest and README say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from campaigns import platforms
from campaigns.errors import ListError
from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from pipeline.project.settings import Settings
from pipeline.sending.live_facts import Built
from sources import decimals

README = "README.txt"


def profile(name: str) -> platforms.Profile:
    """The profile of the platform called ``name``.

    Raises:
        ParamsError: There is no such platform.
    """
    try:
        return platforms.load(name)
    except ListError as error:
        raise ParamsError(str(error)) from None


def manifest_name(name: str) -> str:
    """The file that lies beside the files of a list and says what is in them."""
    return f"{name}.manifest.json"


def not_repeated(people: int) -> str:
    """What is said of people who left under an earlier approval of the same list and date."""
    return (
        f"{people:,} people were in the file of an earlier approval already and are not repeated here; nobody is to be "
        "written to twice."
    )


def write_files(
    s: Settings,
    one: Built,
    platform: str,
    people: Iterator[pa.Table],
    suppressed: Iterator[pa.Table],
    sunset: Iterator[pa.Table],
    counts: dict[str, Any],
    folder: Path,
) -> dict[str, str]:
    """Write a list, the addresses to suppress, a manifest and a README into ``folder``; the hash of each file.

    Args:
        s: The settings.
        one: The list.
        platform: Whose files they are.
        people: Batches of candidates with shop_id and email, in the order of the file.
        suppressed: Batches with the column email.
        sunset: The same for addresses whose regular mail should stop; only of a list that writes to nobody.
        counts: What became of the candidates, for the manifest.
        folder: Empty.

    Raises:
        ListError: Other people were written than counted.
    """
    target = profile(platform)
    context = platforms.Context(
        score_date=one.as_of,
        horizon_days=s.cohort.horizon_days,
        minor_digits=decimals(s.shop.currency),
        model_version=str(one.manifest.get("model_hash") or "")[:12],
    )
    files: dict[str, str] = {}
    cut = 0
    if one.is_message:
        written = target.write(people, folder, one.name, context)
        files |= written.sha256
        cut = written.cut_cells
        if written.rows != counts["exported"]:
            raise ListError(f"{one.name}: {written.rows} rows in the file are not the {counts['exported']} exported.")
    addresses = target.write_suppressed(_texts(suppressed), folder, one.name)
    files |= addresses.sha256
    silent = None if one.is_message else _write_sunset(target, _texts(sunset), folder, one.name)
    files |= silent.sha256 if silent else {}
    manifest = {
        "list": one.name,
        "as_of": one.as_of,
        "platform": platform,
        "list_id": one.list_id,
        "holdout_share": one.manifest.get("holdout_share"),
        "model_hash": one.manifest.get("model_hash"),
        "suppressed_addresses": addresses.rows,
        "cut_cells": cut,
        "files": files,
        **counts,
    }
    if silent:
        manifest["sunset_addresses"] = silent.rows
    if sentence := one.manifest.get("power", {}).get("sentence"):
        manifest["power"] = sentence
    (folder / manifest_name(one.name)).write_bytes(datasets.as_json(manifest).encode("utf-8"))
    (folder / README).write_bytes(readme(manifest).encode("utf-8"))
    for path in folder.iterdir():
        path.chmod(0o600)
    return {path.name: datasets.sha256(path) for path in sorted(folder.glob("*.json"))} | files


def _write_sunset(target: platforms.Profile, addresses: Iterator[str], folder: Path, stem: str) -> platforms.Written:
    """Write ``<stem>.sunset.csv``: addresses as the platform reads them, and nothing that opts anybody out."""
    bare = target.model_copy(update={"suppression": target.suppression.model_copy(update={"constants": {}})})
    draft = folder / ".sunset"
    draft.mkdir(mode=0o700)
    written = bare.write_suppressed(addresses, draft, stem)
    names = {name: name.replace(f"{stem}.suppress", f"{stem}.sunset", 1) for name in written.files}
    for name, final in names.items():
        (draft / name).replace(folder / final)
    draft.rmdir()
    return replace(
        written, files=tuple(names.values()), sha256={names[name]: found for name, found in written.sha256.items()}
    )


def _texts(batches: Iterable[pa.Table]) -> Iterator[str]:
    for batch in batches:
        yield from batch["email"].to_pylist()


def readme(manifest: dict[str, Any]) -> str:
    """What to click, from what the manifest says."""
    name = manifest["list"]
    companion = tuple(file for file in manifest["files"] if file.startswith(f"{name}.suppress."))
    silent = tuple(file for file in manifest["files"] if file.startswith(f"{name}.sunset."))
    files = tuple(file for file in manifest["files"] if file not in {*companion, *silent})
    target = profile(manifest["platform"])
    addresses = platforms.Written(companion, {}, manifest["suppressed_addresses"])
    if not files:
        quiet = manifest.get("sunset_addresses", 0)
        lines = [
            f"List {name} for {target.title}, as of {manifest['as_of']}: {addresses.rows} addresses to suppress"
            + (f", {quiet} whose regular mail should stop." if silent else "."),
            f"1. {target.suppression.step} File: {', '.join(companion)}."
            + (" They bounced, complained, opted out or were suppressed: nothing may go to them." if silent else ""),
        ]
        if silent:
            lines.append(
                f"2. Make a list of {', '.join(silent)} (addresses: {quiet}) and leave it out of newsletters and "
                "campaigns. They were silent for long and opted out of nothing: do not suppress or unsubscribe them; "
                "receipts and messages about their orders go on, and who clicks or orders again comes back."
            )
        return "\n".join(lines) + "\n"
    people = platforms.Written(files, {}, manifest["exported"], cut_cells=manifest["cut_cells"])
    context = platforms.Context(manifest["as_of"], 0)
    lines = target.readme(name, people, addresses, context, held_out=manifest["holdout"])
    if before := manifest.get("exported_before"):
        lines.insert(1, not_repeated(before))
    return "\n".join(lines) + "\n"

"""LibreOffice opens our files, and no cell is a formula."""

from __future__ import annotations

import csv
import shutil
import subprocess
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from campaigns.platforms import load
from tests.campaigns.platforms.people import ANNA, CONTEXT, frame
from tests.campaigns.test_cells import INVISIBLE, STARTS

SOFFICE = shutil.which("soffice")
pytestmark = pytest.mark.skipif(
    SOFFICE is None, reason="needs LibreOffice: apt-get install --no-install-recommends libreoffice-calc-nogui"
)
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"

HOSTILE = [
    *(f"{start}1+1" for start in STARTS),
    *(f"{before}=1+1" for before in ("  ", "\t ", "\r\n", *INVISIBLE)),
    '=HYPERLINK("https://example.net";"tea")',
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1:A9)",
    "=1+1\n=2+2",
    '"=1+1"',
    "';=1+1",
    "tea;=1+1",
    "tea,=1+1",
    "tea\t=1+1",
    "چائے",
]
# How a user may open a file: with its own separator, or with all that LibreOffice's dialog ticks by itself and blanks
# trimmed. Both look for special numbers and for formulas, which is the worst a user can choose.
OWN = "{delimiter},34,76,1,,0,false,true,false,false,false,-1,true"
EVERY = "44/59/9,34,76,1,,0,false,true,false,false,true,-1,true"
Sheet = list[list[tuple[str | None, str]]]


def convert(files: list[Path], folder: Path, filter_options: str) -> dict[str, Sheet]:
    """Each file by its stem as LibreOffice has it: formula (or None) and text of each cell."""
    command = [str(SOFFICE), f"-env:UserInstallation=file://{folder.parent}/office", "--headless"]
    command += [f"--infilter=CSV:{filter_options}", "--convert-to", "fods", "--outdir", str(folder), *map(str, files)]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=environment)
    return {file.stem: rows_of(folder / f"{file.stem}.fods") for file in files}


def rows_of(sheet_file: Path) -> Sheet:
    sheet = ET.parse(sheet_file).getroot().find(f".//{TABLE}table")
    assert sheet is not None
    rows: Sheet = []
    for row in sheet.iter(f"{TABLE}table-row"):
        rows.append([])
        for cell in row.findall(f"{TABLE}table-cell"):
            text = "\n".join(_words(line) for line in cell.findall(f"{TEXT}p"))
            repeated = int(cell.get(f"{TABLE}number-columns-repeated", "1"))
            rows[-1] += [(cell.get(f"{TABLE}formula"), text)] * min(repeated, 100)
    return rows


def _words(line: ET.Element) -> str:
    words = line.text or ""
    for part in line:
        count = int(part.get(f"{TEXT}c", "1"))
        words += {f"{TEXT}s": " " * count, f"{TEXT}tab": "\t"}.get(part.tag, "".join(part.itertext()))
        words += part.tail or ""
    return words


def seen(text: str) -> str:
    """``text`` without what a sheet keeps no trace of: controls, and how a line ends."""
    return "".join(letter for letter in text if unicodedata.category(letter) not in ("Cc", "Cf", "Zl", "Zp")).strip()


PLATFORMS = {"neutral": ",", "listmonk": ",", "brevo": ";"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    spots = ("why_now", "product_1", "reason_3", "tier")
    people = frame([ANNA | dict.fromkeys(spots, text) for text in HOSTILE])
    raw = load("neutral").model_copy(update={"spreadsheet_safe": False})
    for name, profile in {"raw": raw, **{name: load(name) for name in PLATFORMS}}.items():
        profile.write([people], folder, name, CONTEXT)
    written = load("neutral").write_suppressed([f"{text}@example.org" for text in HOSTILE], folder, "neutral")
    assert written.rows == 1
    return folder


@pytest.fixture(scope="module")
def sheets(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Sheet]:
    """By opening and file; LibreOffice starts slowly, so it starts three times only."""
    every = [folder / f"{name}.csv" for name in ("raw", "neutral.suppress", *PLATFORMS)]
    commas = [folder / "raw.csv", *(folder / f"{name}.csv" for name, mark in PLATFORMS.items() if mark == ",")]
    runs = [("every", EVERY, every), ("own", OWN.format(delimiter=44), commas)]
    runs.append(("own", OWN.format(delimiter=ord(";")), [folder / "brevo.csv"]))
    return {
        (opening, stem): rows
        for opening, options, files in runs
        for stem, rows in convert(files, tmp_path_factory.mktemp("sheets"), options).items()
    }


def formulas(sheet: Sheet) -> set[str]:
    return {formula for row in sheet for formula, _ in row if formula is not None}


@pytest.mark.parametrize("opening", ["own", "every"])
def test_libreoffice_runs_what_is_not_made_harmless(opening: str, sheets: dict[tuple[str, str], Sheet]) -> None:
    assert "of:=1+1" in formulas(sheets[opening, "raw"])


@pytest.mark.parametrize("opening", ["own", "every"])
@pytest.mark.parametrize("name", PLATFORMS)
def test_no_cell_is_a_formula_and_every_text_is_intact(
    name: str, opening: str, sheets: dict[tuple[str, str], Sheet], folder: Path
) -> None:
    sheet = sheets[opening, name]
    assert formulas(sheet) == set()
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        wanted = list(csv.reader(file, delimiter=PLATFORMS[name]))
    assert len(wanted) == len(HOSTILE) + 1
    texts = [n for n, head in enumerate(wanted[0]) if head.lower() in ("email", "churn_why_now", "churn_product_1")]
    for ours, theirs in zip(wanted, sheet, strict=False):
        assert [seen(theirs[n][1]) for n in texts] == [seen(ours[n]) for n in texts]
    assert len([row for row in sheet if any(text for _, text in row)]) == len(wanted)


def test_a_companion_file_holds_no_formula(sheets: dict[tuple[str, str], Sheet]) -> None:
    sheet = sheets["every", "neutral.suppress"]
    assert formulas(sheet) == set()
    assert [row[0][1] for row in sheet][:2] == ["email", "چائے@example.org"]

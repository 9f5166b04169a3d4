"""The notebooks run on the small demo, one after the other in one kernel, and answer their questions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.end_to_end.project import ROOT, Project

ANSWERS = {
    "01-explore-my-logs": "orders worth GBP",
    "02-what-is-churn-here": "a horizon of",
    "03-why-the-model-says-so": "of the weight lies in families that a shop can act on",
    "04-how-good-is-it-really": "on the same customers the difference is",
}
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def code(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def executed(cells: list[str], folder: Path, may_fail: bool = False) -> list[Any]:
    client = NotebookClient(
        new_notebook(cells=[new_code_cell(source) for source in cells]),
        timeout=120,
        allow_errors=may_fail,
        resources={"metadata": {"path": str(folder)}},
    )
    return [cell["outputs"] for cell in client.execute().cells]


def test_the_notebooks_are_these_and_kept_without_outputs() -> None:
    assert list(NOTEBOOKS) == list(ANSWERS)
    for name, notebook in NOTEBOOKS.items():
        assert not any(cell.get("outputs") for cell in notebook.cells), f"{name}: outputs are to be stripped"
        assert notebook.cells[0].cell_type == "markdown", name
        assert notebook.cells[0].source.startswith("# "), name
        assert notebook.cells[0].source.splitlines()[0].endswith("?"), f"{name}: begins with its question"
        assert notebook.cells[-2].source == "## The answer", name
        assert name in (ROOT / "notebooks/README.md").read_text(encoding="utf-8")


def test_each_notebook_names_what_it_uses() -> None:
    # They share a kernel in the next test, so what one forgets to import is found here.
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "F", "notebooks"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_notebooks_answer_their_questions_on_the_demo(demo: Project, tmp_path: Path) -> None:
    # A notebook starts in the folder it lies in. `%reset` empties the kernel between two of them.
    cells, last = [], {}
    for name, notebook in NOTEBOOKS.items():
        cells += ["%reset -f", f"%cd -q {demo.path('notebooks')}", *code(notebook)]
        last[name] = len(cells) - 1
    cells += ["%reset -f", f"%cd -q {tmp_path}"]
    nowhere = len(cells)
    cells += [code(notebook)[0] for notebook in NOTEBOOKS.values()]
    (tmp_path / "no_data").mkdir()
    (tmp_path / "no_data" / "params.yaml").write_bytes(demo.path("params.yaml").read_bytes())
    cells += [f"%cd -q {tmp_path / 'no_data'}", *[code(notebook)[0] for notebook in NOTEBOOKS.values()]]

    outputs = executed(cells, demo.folder, may_fail=True)
    for place, shown in enumerate(outputs[:nowhere]):
        wrong = [output for output in shown if output.output_type == "error" or output.get("name") == "stderr"]
        assert not wrong, (cells[place], wrong)
    for name, answer in ANSWERS.items():
        assert answer in outputs[last[name]][0]["text"], name
    drawn = sum("image/png" in output.get("data", {}) for shown in outputs for output in shown)
    assert drawn >= 12

    # Without a project or without data there is one sentence instead of a traceback.
    for shown in outputs[nowhere : nowhere + len(NOTEBOOKS)]:
        assert shown[-1]["traceback"] == [shown[-1]["evalue"]]
        assert shown[-1]["evalue"].startswith(f"There is no params.yaml in {tmp_path.name}/ or above.")
    for shown in outputs[nowhere + len(NOTEBOOKS) + 1 :]:
        assert len(shown[-1]["traceback"]) == 1
        assert "is not there yet. Run `make run` in no_data/ first" in shown[-1]["evalue"]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_notebook_begins_by_asking_for_the_files_it_reads(name: str) -> None:
    assert "open_project(datasets." in code(NOTEBOOKS[name])[0]

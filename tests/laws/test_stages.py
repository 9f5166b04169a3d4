"""dvc.yaml tells the truth: a stage names every module whose text decides its output, and every section is read."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
ROOMS = {"sources", "features", "models", "campaigns", "reports", "simulation", "events", "timeline"}
# They carry messages, progress, experiment records and params, which reach a stage through `params:`; keys refuse or
# hand the key on, whose id is a param.
NO_INFLUENCE = {"settings", "errors", "progress", "stage", "tracking", "datasets", "keys"}


def load(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((ROOT / name).read_text(encoding="utf-8"))


STAGES: dict[str, Any] = {name: body.get("do", body) for name, body in load("dvc.yaml")["stages"].items()}


def imports(path: Path) -> set[str]:
    """Dotted names of what a file imports of the project's own packages, modules and what is in them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.partition(".")[0] in {"pipeline", *ROOMS}}


def file_of(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


def needed(stage: str) -> set[str]:
    """Modules of pipeline/ and rooms that the stage's module reaches."""
    modules: set[str] = set()
    rooms: set[str] = set()
    todo = [f"pipeline.{stage}"]
    while todo:
        module = todo.pop()
        if module in modules:
            continue
        modules.add(module)
        for name in imports(file_of(module)):
            if not name.startswith("pipeline."):
                rooms.add(name.partition(".")[0])
            elif file_of(name).is_file() and name.rpartition(".")[2] not in NO_INFLUENCE:
                todo.append(name)
    for room in list(rooms):
        files = (ROOT / room).rglob("*.py")
        rooms |= {name.partition(".")[0] for file in files for name in imports(file)} & ROOMS
    return {f"{module.replace('.', '/')}.py" for module in modules} | rooms | {"pipeline/project/datasets.py"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_the_code_it_imports(stage: str) -> None:
    deps = {dep for dep in STAGES[stage]["deps"] if isinstance(dep, str)}
    code = {dep for dep in deps if dep.startswith("pipeline/") or dep in ROOMS}
    assert code == needed(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_its_module_and_its_command(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"python -m pipeline.{stage}"
    assert (ROOT / "pipeline" / f"{stage}.py").is_file()
    assert STAGES[stage]["desc"]


def declared(stage: str) -> set[str]:
    return {str(entry).split(".")[0] for entry in STAGES[stage].get("params", [])}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_params_its_own_module_reads(stage: str) -> None:
    own = sections_read_by_module(stage)
    assert own <= declared(stage)


def sections_read_by_module(stage: str) -> set[str]:
    sections = set(load("params.yaml"))
    tree = ast.parse((ROOT / "pipeline" / f"{stage}.py").read_text(encoding="utf-8"))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in sections
        and ast.unparse(node.value) in {"s", "self.s", "settings.load()", "trainer.s"}
    }


def test_every_section_of_params_is_read_by_a_stage() -> None:
    used = {section for stage in STAGES for section in declared(stage)}
    # `wafa promote` is no stage: a limit of its gates must not train a model anew.
    assert set(load("params.yaml")) - used == {"promotion"}


def test_a_new_scoring_date_reaches_only_the_scoring_branch() -> None:
    dated = {s for s in STAGES if any(str(p) in {"scoring", "scoring.as_of"} for p in STAGES[s].get("params", []))}
    assert dated == {"prepare_scoring", "score_customers", "build_lists", "render_report"}


def test_a_stage_that_speaks_of_own_logs_runs_again_when_they_change() -> None:
    def reads(module: str) -> bool:
        return ".own_logs" in (ROOT / module).read_text(encoding="utf-8")

    speaking = {stage for stage in STAGES if any(reads(code) for code in needed(stage) if code.startswith("pipeline/"))}
    assert speaking >= {"build_features", "prepare_scoring", "explain_scores", "render_report"}
    for stage in speaking:
        assert {"sources", "sources.own_logs"} & set(STAGES[stage]["params"]), stage

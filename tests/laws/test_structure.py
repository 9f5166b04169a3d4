"""What ARCHITECTURE promises about where code lives, held over every module of the project."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
MIDDLE = {"sources", "features", "models", "campaigns", "reports", "simulation"}
PACKAGES = {"pipeline", "timeline", "events", *MIDDLE}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def forbidden_imports(package: str, source: str) -> set[str]:
    """The project's packages that ``package`` may not import, but does."""
    allowed = {"pipeline": PACKAGES, "timeline": {"timeline"}, "events": {"events", "timeline"}}.get(
        package, {package, "events", "timeline"}
    )
    return {name.split(".")[0] for name in imported(ast.parse(source))} & PACKAGES - allowed


def test_there_are_modules_in_every_room() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == PACKAGES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_follow_the_arrows(path: Path) -> None:
    assert not forbidden_imports(path.relative_to(ROOT).parts[0], path.read_text(encoding="utf-8"))


def test_the_import_law_bites() -> None:
    assert forbidden_imports("features", "from pipeline import datasets") == {"pipeline"}
    assert forbidden_imports("models", "import features.orders") == {"features"}
    assert forbidden_imports("timeline", "from models import splits") == {"models"}


FOLDERS = sorted(path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py"))
STAGES_AND_CLI = {path.stem for path in (ROOT / "pipeline").glob("*.py")} - {"__init__"}


def folders_behind(folder: str) -> set[str]:
    """The folders of pipeline/ that the modules of one import; 'stage' stands for a module at the top."""
    names = {
        name.split(".")[1]
        for path in (ROOT / "pipeline" / folder).rglob("*.py")
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.startswith("pipeline.")
    }
    return {"stage" if name in STAGES_AND_CLI else name for name in names} - {folder}


def test_only_stages_and_the_command_line_stand_at_the_top_of_pipeline() -> None:
    stages = set(YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    assert {*stages, "cli"} == STAGES_AND_CLI


def test_folders_of_pipeline_import_each_other_in_no_circle() -> None:
    """Whoever stands further right may import those left of it; commands alone call stages."""
    order = ["project", "people", "intake", "evaluation", "champion", "sending", "privacy", "commands"]
    assert sorted(order) == FOLDERS
    for place, folder in enumerate(order):
        allowed = {*order[:place], *(["stage"] if folder == "commands" else [])}
        assert folders_behind(folder) <= allowed, folder


def test_a_stage_imports_no_other_stage_and_no_command() -> None:
    for stage in STAGES_AND_CLI - {"cli"}:
        names = imported(ast.parse((ROOT / "pipeline" / f"{stage}.py").read_text(encoding="utf-8")))
        found = {name.split(".")[1] for name in names if name.startswith("pipeline.")}
        assert not found & {*STAGES_AND_CLI, "commands"}, stage


def importers_of(library: str) -> set[str]:
    return {
        name_of(path)
        for path in MODULES
        if any(n.split(".")[0] == library for n in imported(ast.parse(path.read_text(encoding="utf-8"))))
    }


def test_only_tracking_imports_mlflow() -> None:
    assert importers_of("mlflow") == {"pipeline/project/tracking.py"}


def test_shap_is_loaded_only_for_evaluation() -> None:
    assert importers_of("shap") == {"reports/drawings.py"}


def strings(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


PATH_OF_OURS = re.compile(r"^(data|state)(/|$)|^params\.yaml$|^erased\.txt$")


def spells_a_path(path: Path) -> list[str]:
    return [text for text in strings(path) if PATH_OF_OURS.search(text)]


def test_paths_stand_only_in_datasets() -> None:
    spelled = {name_of(path): found for path in MODULES if (found := spells_a_path(path))}
    # settings names the file it reads in its messages.
    assert set(spelled) <= {"pipeline/project/datasets.py", "pipeline/project/settings.py"}, spelled


CLOCKS = {"now", "today", "utcnow", "time", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime"}


def reads_clock(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            owner = ast.unparse(node.func.value)
            if owner in {"datetime", "date", "time", "datetime.datetime", "datetime.date", "pd.Timestamp", "Timestamp"}:
                found.append(ast.unparse(node.func))
    return found


def test_only_the_command_line_reads_a_clock() -> None:
    readers = {name_of(path) for path in MODULES if reads_clock(path.read_text(encoding="utf-8"))}
    assert readers == {"pipeline/commands/options.py"}


INSTANTS = re.compile(
    r"^(occurred_at|loaded_at|ordered_at|opened_at|closed_at|delivered_at|promised_at|contacted_at|identified_at"
    r"|created_at|email_consent_at|left_at|cutoff|watermark|as_of_now)$"
)
ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def names_instant(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return bool(INSTANTS.match(node.id))
    if isinstance(node, ast.Attribute):
        return bool(INSTANTS.match(node.attr))
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return isinstance(node.slice.value, str) and bool(INSTANTS.match(node.slice.value))
    return False


def compares_time(source: str) -> list[str]:
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        and any(isinstance(op, ORDERINGS) for op in node.ops)
        and any(names_instant(side) for side in (node.left, *node.comparators))
    ]


def test_time_is_compared_only_in_timeline() -> None:
    found = {
        name_of(path): hits
        for path in MODULES
        if path.relative_to(ROOT).parts[0] != "timeline" and (hits := compares_time(path.read_text(encoding="utf-8")))
    }
    assert not found


def test_the_time_law_bites() -> None:
    assert compares_time("x = log.occurred_at <= cutoff")
    assert compares_time("x = events['loaded_at'] < t")
    assert not compares_time("x = orders.revenue > 0")


PICKLES = {"pickle", "_pickle", "joblib", "cloudpickle", "dill", "skops", "shelve", "marshal"}
LOADS_CODE = {"load_model", "read_pickle", "to_pickle", "load_context", "eval", "exec", "compile", "__import__"}


def unsafe(source: str) -> set[str]:
    """Imports and calls by which a file that somebody put in place could run code of its own."""
    tree = ast.parse(source)
    found = {name for name in imported(tree) if PICKLES & set(name.split("."))}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        owner, _, name = called.rpartition(".")
        options = {option.arg for option in node.keywords}
        # `re.compile` and DuckDB's `execute` are none of these.
        if name in LOADS_CODE and (owner != "re") and not (owner and name in {"eval", "exec", "compile"}):
            found.add(called)
        if "allow_pickle" in options or (name == "Booster" and "model_file" in options):
            found.add(called)
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_file_that_is_read_can_run_code(path: Path) -> None:
    assert unsafe(path.read_text(encoding="utf-8")) == set()


def test_the_law_of_safe_files_bites() -> None:
    assert unsafe("import joblib\njoblib.load('model')") == {"joblib"}
    assert unsafe("from sklearn.externals import joblib") == {"sklearn.externals.joblib"}
    assert unsafe("model = mlflow.pyfunc.load_model('models:/wafa-churn@champion')") == {"mlflow.pyfunc.load_model"}
    assert unsafe("from mlflow.lightgbm import load_model\nload_model('x')") == {"load_model"}
    assert unsafe("pd.read_pickle('model.pkl')") == {"pd.read_pickle"}
    assert unsafe("np.load('model.npy', allow_pickle=True)") == {"np.load"}
    assert unsafe("lgb.Booster(model_file='model.txt')") == {"lgb.Booster"}
    assert unsafe("eval(text)") == {"eval"}
    assert unsafe("re.compile('a')\nconnection.execute('select 1')\njson.load(file)") == set()


def callers_of(name: str) -> set[str]:
    """The modules that call something of this name."""
    return {
        name_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name
    }


def test_trees_are_read_in_one_place_from_text_whose_hash_was_checked() -> None:
    assert callers_of("Booster") == {"models/classifier.py"}
    assert {path.partition("/")[0] for path in callers_of("from_text")} == {"models"}
    in_pipeline = {path for path in callers_of("from_files") if path.startswith("pipeline/")}
    assert "pipeline/project/model_store.py" in in_pipeline <= callers_of("read_files")


def test_the_key_is_loaded_where_it_is_held_against_every_record() -> None:
    loaders = {path for path in callers_of("load_key") | callers_of("read_key") if path.startswith("pipeline/")}
    assert loaders == {"pipeline/people/keys.py", "pipeline/privacy/rekey.py"}


SCORING = ("score_customers", "explain_scores", "prepare_scoring", "build_lists", "ingest_logs")


def reached(modules: Iterable[str]) -> set[Path]:
    """The files of pipeline/ behind ``modules``, and the whole of every room that they import."""
    found: set[Path] = set()
    todo = [ROOT / "pipeline" / f"{module}.py" for module in modules]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            room, _, rest = name.partition(".")
            if room == "pipeline" and (file := ROOT / "pipeline" / f"{rest.replace('.', '/')}.py").is_file():
                todo.append(file)
            elif room in PACKAGES - {"pipeline"}:
                todo += (ROOT / room).rglob("*.py")
    return found


def test_scoring_reaches_no_mlflow() -> None:
    behind = {name_of(path) for path in reached(SCORING)}
    assert {"pipeline/project/model_store.py", "models/scorer.py", "models/classifier.py"} <= behind
    assert not behind & {"pipeline/project/tracking.py", "pipeline/champion/champion.py", "pipeline/cli.py"}
    assert not behind & importers_of("mlflow")


def test_data_holds_no_code() -> None:
    import subprocess

    tracked = subprocess.run(
        ["git", "ls-files", "data", "state"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert tracked.split() == ["data/README.md"]


# A feature can be proved free of leaks only if all it knows are the rows it is handed.
DEFINITIONS = [path for path in MODULES if re.search(r"^@(feature|view)\(", path.read_text(encoding="utf-8"), re.M)]
MAY_IMPORT = {"__future__", "collections", "typing", "ibis", "features", "timeline"}
READS = {"open", "eval", "exec", "__import__"}
READS_WITH_IBIS = re.compile(r"memtable|table|connect|duckdb|read_.*|options|set_backend|get_backend")


def outside_knowledge(source: str) -> set[str]:
    """What a module of definitions uses to learn of anything but the rows it is handed."""
    tree = ast.parse(source)
    found = {name.split(".")[0] for name in imported(tree)} - MAY_IMPORT
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in READS:
            found.add(node.id)
        is_ibis = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ibis"
        if is_ibis and READS_WITH_IBIS.fullmatch(node.attr):
            found.add(f"ibis.{node.attr}")
    return found


@pytest.mark.parametrize("path", DEFINITIONS, ids=name_of)
def test_definitions_know_nothing_but_their_rows(path: Path) -> None:
    assert outside_knowledge(path.read_text(encoding="utf-8")) == set()


def test_the_law_of_definitions_bites() -> None:
    assert len(DEFINITIONS) > 10
    assert outside_knowledge("import pandas as pd\nGONE = pd.read_csv('gone.csv')") == {"pandas"}
    assert outside_knowledge("GONE = open('gone.txt').read()") == {"open"}
    assert outside_knowledge("import ibis\nt = ibis.memtable({})") == {"ibis.memtable"}


def test_every_folder_of_tests_is_a_package() -> None:
    # Two files of one name in two folders that are no packages cannot both be imported by one process.
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").exists()) == []

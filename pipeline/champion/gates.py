"""Whether a model may become the champion: not worse, calibrated, of the present logs, free of leaks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from models.chance import calibration_error
from models.evaluation import evaluate
from pipeline.evaluation import check_leaks
from pipeline.project import datasets, model_store, shop_features
from pipeline.project.errors import StaleError
from pipeline.project.progress import say
from pipeline.project.question import asked_for
from pipeline.project.settings import PromotionSettings, Settings

KEY = ["customer_id", "origin"]
OURS, THEIRS = "wafa", "champion"
WORSE = f"Keep the champion, or mend what made the model worse: {datasets.EVALUATION_PAGE} shows where."


@dataclass(frozen=True)
class Gate:
    """One condition of a promotion; ``passed`` is None where it was not checked."""

    name: str
    passed: bool | None
    said: str
    cure: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)


@dataclass(frozen=True)
class Rival:
    """The champion as the challenger meets it: the facts of its model, and what it said when it was promoted."""

    facts: dict[str, Any]
    predictions: Path | None


def examine(s: Settings, rival: Rival | None) -> list[Gate]:
    """Every gate for the model in data/model; where the leak certificate is missing or old, the check is run first.

    Raises:
        StaleError: A file of the model is not the one that was written.
    """
    model = model_store.read(datasets.MODEL)
    facts = model_store.manifest(datasets.MODEL)
    gates = [_question(s, facts), _events(facts), _rows_conserved(), _evaluation(facts)]
    if gates[-1].passed:
        rows = datasets.read_parquet(datasets.PREDICTIONS)
        gates += [_not_worse(s, facts, rows, rival), _calibrated(s, rows)]
    return [*gates, _leaks(s, model.columns, check=True)]


def examine_first(s: Settings) -> list[Gate]:
    """The gates that ask for no comparison and no long check.

    Raises:
        StaleError: A file of the model is not the one that was written.
    """
    model = model_store.read(datasets.MODEL)
    facts = model_store.manifest(datasets.MODEL)
    gates = [
        _question(s, facts),
        _events(facts),
        _rows_conserved(),
        _evaluation(facts),
        Gate("not worse", None, "there is no champion yet"),
    ]
    if gates[3].passed:
        gates.append(_calibrated(s, datasets.read_parquet(datasets.PREDICTIONS)))
    return [*gates, _leaks(s, model.columns, check=False)]


def _question(s: Settings, facts: dict[str, Any]) -> Gate:
    other = differences(facts, asked_for(s))
    if other:
        return Gate(
            "question", False, f"the model was trained with {other}", "Run `wafa run`, or put params.yaml back."
        )
    return Gate("question", True, f"the model answers what params.yaml asks: {s.cohort.rule}")


def differences(facts: dict[str, Any], asked: dict[str, Any]) -> str:
    """What ``facts`` say otherwise than ``asked``, in words; empty where they agree."""
    return ", ".join(
        f"{name} {facts.get(name)!r}, not {wanted!r}" for name, wanted in asked.items() if facts.get(name) != wanted
    )


def _events(facts: dict[str, Any]) -> Gate:
    manifest = datasets.EVENTS / "manifest.json"
    cure = "Run `wafa run` to train on the present logs."
    if not manifest.is_file():
        return Gate("events", False, f"{manifest} is missing", cure)
    present, trained = datasets.sha256(manifest), str(facts.get("events_sha256", "unknown"))
    if present != trained:
        return Gate("events", False, f"{manifest} is {present[:12]}, the model was trained on {trained[:12]}", cure)
    return Gate("events", True, f"the model was trained on the present logs ({present[:12]})")


def _rows_conserved() -> Gate:
    cure = "Run `wafa run`; if it stays, `wafa check` shows what became of each row."
    try:
        logs: dict[str, Any] = datasets.read_json(datasets.EVENTS / "manifest.json")["logs"]
        for log, told in logs.items():
            for file in told["files"]:
                known = file["accepted"] + file["quarantined"] + file["duplicates"]
                if file["rows_read"] != known:
                    said = f"{file['name']}: {file['rows_read']:,} rows of {file['log']} read, {known:,} accounted for"
                    return Gate("rows conserved", False, said, cure)
            held = sum(pq.read_metadata(path).num_rows for path in datasets.event_files(datasets.EVENTS, log))
            if held != told["rows"]:
                said = f"{datasets.EVENTS / log} holds {held:,} rows, its manifest says {told['rows']:,}"
                return Gate("rows conserved", False, said, cure)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Gate("rows conserved", False, f"{datasets.EVENTS} cannot be read ({type(error).__name__})", cure)
    rows = sum(told["rows"] for told in logs.values())
    return Gate("rows conserved", True, f"every row read is accepted, set aside or a duplicate; {rows:,} events")


def _evaluation(facts: dict[str, Any]) -> Gate:
    cure = "Run `wafa run` to evaluate the present model."
    for path in (datasets.METRICS, datasets.PREDICTIONS):
        if not path.is_file():
            return Gate("evaluation", False, f"{path} is missing", cure)
    try:
        metrics: dict[str, Any] = datasets.read_json(datasets.METRICS)
    except ValueError:
        return Gate("evaluation", False, f"{datasets.METRICS} was cut short", cure)
    ours, theirs = str(facts["model_hash"]), str(metrics.get("model_hash", "unknown"))
    if ours != theirs:
        said = f"{datasets.METRICS} belongs to model {theirs[:12]}, not to {ours[:12]}"
        return Gate("evaluation", False, said, cure)
    if metrics.get("predictions_sha256") != datasets.sha256(datasets.PREDICTIONS):
        return Gate("evaluation", False, f"{datasets.PREDICTIONS} is not the file that {datasets.METRICS} names", cure)
    return Gate("evaluation", True, f"the evaluation belongs to model {ours[:12]}")


def _not_worse(s: Settings, facts: dict[str, Any], rows: pd.DataFrame, rival: Rival | None) -> Gate:
    common, why_not = _common(s, facts, rows, rival)
    if why_not:
        theirs = [str(name) for name in rows.columns if name not in (*KEY, "churned") and not name.startswith(OURS)]
        common, before = rows, f"{why_not}, so it is compared with its baselines: "
    else:
        theirs, before = [THEIRS], ""
    # One class alone says nothing about ranking.
    common = common[common.groupby("origin")["churned"].transform("nunique") == 2]
    if common.empty:
        return Gate("not worse", False, "no test origin has customers who left and customers who stayed", WORSE)
    asked = {name: name for name in (OURS, *theirs)}
    found = evaluate(common, asked, s.model.bootstrap_draws, s.model.seed, OURS)["paired"]
    gaps = {name: found[f"{OURS} - {name}"] for name in theirs if f"{OURS} - {name}" in found}
    told = [f"AUROC {_told(gap['auroc'])}, Brier {_told(gap['brier'])} against {_name(k)}" for k, gap in gaps.items()]
    said = f"{before}{'; '.join(told)}; {len(common):,} rows, {common['origin'].nunique()} origins"
    faults = [fault for name, gap in gaps.items() for fault in _faults(_name(name), gap, s.promotion)]
    if faults:
        return Gate("not worse", False, f"{said}. {'; '.join(faults)}", WORSE)
    return Gate("not worse", True, said)


def _common(s: Settings, facts: dict[str, Any], rows: pd.DataFrame, rival: Rival | None) -> tuple[pd.DataFrame, str]:
    """The rows that both judged, with the challenger's labels, or why there are none."""
    if rival is None:
        return rows, "there is no champion yet"
    if differences(rival.facts, {name: facts.get(name) for name in asked_for(s)}):
        return rows, "the champion answers another question"
    if rival.predictions is None:
        return rows, "the champion's predictions were not kept"
    theirs = datasets.read_parquet(rival.predictions, [*KEY, OURS]).rename(columns={OURS: THEIRS})
    common = rows.merge(theirs, on=KEY, validate="one_to_one")
    return (common, "") if len(common) else (rows, "the champion judged no customer at the same origins")


def _name(model: str) -> str:
    return model.replace("_", " ")


def _told(gap: dict[str, float]) -> str:
    return f"{gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"


def _faults(name: str, gaps: dict[str, dict[str, float]], limits: PromotionSettings) -> list[str]:
    """In what the model is worse: where the whole interval says so, or the difference is larger than the margin."""
    found = []
    auroc, brier = gaps["auroc"], gaps["brier"]
    if auroc["high"] < 0:
        found.append(f"AUROC is lower than that of {name} beyond chance")
    elif auroc["value"] < -limits.auroc_margin:
        found.append(f"AUROC is lower than that of {name} by more than promotion.auroc_margin {limits.auroc_margin}")
    if brier["low"] > 0:
        found.append(f"Brier is higher than that of {name} beyond chance")
    elif brier["value"] > limits.brier_margin:
        found.append(f"Brier is higher than that of {name} by more than promotion.brier_margin {limits.brier_margin}")
    return found


def _calibrated(s: Settings, rows: pd.DataFrame) -> Gate:
    error, by_chance = calibration_error(rows, OURS, s.model.seed)
    limit = s.promotion.max_ece
    said = f"expected calibration error {error:.4f}, limit promotion.max_ece {limit}"
    if error <= limit:
        return Gate("calibrated", True, said)
    if error <= by_chance:
        return Gate("calibrated", True, f"{said}; so few rows err by {by_chance:.4f} by chance alone")
    cure = (
        f"{datasets.EVALUATION_PAGE} shows by origin whether it says too much or too little; newer training cutoffs "
        "help, and a shop whose base rate jumps with the season may need a higher limit."
    )
    return Gate("calibrated", False, said, cure)


def _leaks(s: Settings, columns: tuple[str, ...], *, check: bool) -> Gate:
    old = _why_old(s, columns)
    if old and not check:
        return Gate("leaks", None, f"{old}; `wafa check --leaks` makes one")
    cure = "Mend the feature or take it out of the catalogue, then run `wafa check --leaks` and train again."
    if old:
        say(f"leaks: {old}; checking now")
        try:
            check_leaks.certify(s)
        except StaleError as error:
            if _why_old(s, columns):  # it ended before there was a certificate
                return Gate("leaks", False, str(error), "Run `wafa check --leaks` for more.")
        if old := _why_old(s, columns):
            return Gate("leaks", False, old, "Run `wafa run` to train with the present features.")
    found = datasets.read_json(datasets.LEAK_CERTIFICATE)
    if found["verdict"] != "no leak found":
        leaking = ", ".join(found["leaking_features"]) or "who counts as eligible"
        return Gate("leaks", False, f"{datasets.LEAK_CERTIFICATE} names {leaking}", cure)
    cells = sum(law["cells_compared"] for law in found["laws"].values())
    return Gate("leaks", True, f"no leak found in {len(found['columns'])} columns ({cells:,} cells)")


def _why_old(s: Settings, columns: tuple[str, ...]) -> str:
    """Why the leak certificate says nothing of these columns as they are built today; empty where it does."""
    place = datasets.LEAK_CERTIFICATE
    if not place.is_file():
        return f"{place} is missing"
    try:
        found = datasets.read_json(place)
        if found["code_sha256"] != shop_features.code_hash():
            return f"{place} was made with other feature code"
        if (found["windows_days"], found["history_days"]) != (list(s.features.windows_days), s.features.history_days):
            return f"{place} was made with other params features"
        unknown = [column for column in columns if column not in found["columns"]]
        return f"{place} does not know the column {unknown[0]}" if unknown else ""
    except (ValueError, KeyError, TypeError):
        return f"{place} was cut short"

"""The only reader of params.yaml: typed, frozen sections, and errors that name the key and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from campaigns.errors import RecipeError
from campaigns.recipes import cook
from campaigns.settings import CampaignSettings
from features import CATALOGUE, FAMILIES, VIEWS, OwnLog, columns, logs_behind
from features.settings import FeatureSettings
from models.costs import EvaluationSettings
from models.settings import ModelSettings
from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from simulation.settings import SimulationSettings
from sources.settings import SourceSettings
from timeline import parse_date


class Section(BaseModel):
    """A section of params.yaml: no unknown keys, nothing changed after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ShopSettings(Section):
    """The shop that the logs belong to."""

    name: str = Field(description="Stands on the report.")
    timezone: str = Field(description="IANA name; a date in this file means 00:00 there.")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO code; every amount on the pages is in it.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            parse_date("2000-01-01", value)
        except Exception:
            raise ValueError("must be an IANA time zone such as Europe/London") from None
        return value


class EngineSettings(Section):
    """Where the feature expressions run."""

    backend: Literal["duckdb", "spark"] = Field(
        default="duckdb", description="duckdb: embedded; spark: a cluster, or its local stand-in (make spark)."
    )
    memory_limit: str = Field(
        default="4GB", pattern=r"^\d+(MB|GB)$", description="Beyond it the engine spills to disk."
    )
    threads: int = Field(default=2, ge=1, description="Results do not depend on it.")
    spark_master: str = Field(default="", description="Address of the cluster; empty: this machine, on ``threads``.")
    spark_config: dict[str, str] = Field(default={}, description="Further settings of Spark, by their own names.")

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        """``engine: spark`` means the backend."""
        return {"backend": value} if isinstance(value, str) else value


def population(active_days: int, gap_days: int, horizon_days: int) -> dict[str, Any]:
    """Who is spoken of, and what of them is told: what stands beside every figure of quality."""
    return {
        "eligibility": (
            f"customers who ordered in the {active_days} days before the cutoff and do not object to profiling"
        ),
        "label": f"no order from day {gap_days} to day {gap_days + horizon_days} after the cutoff",
        "active_days": active_days,
        "gap_days": gap_days,
        "horizon_days": horizon_days,
    }


def rule(told: Mapping[str, Any]) -> str:
    """A :func:`population` in one line."""
    return (
        f"{told['eligibility']}; churned: {told['label']} "
        f"(gap {told['gap_days']} days, horizon {told['horizon_days']} days)"
    )


class CohortSettings(Section):
    """Who is scored, and what leaving means."""

    horizon_days: int = Field(ge=1, le=730, description="No order in so many days means churned.")
    gap_days: int = Field(ge=0, le=90, description="Days between cutoff and label: data latency and send lead.")
    active_days: int = Field(ge=1, le=1460, description="Eligible: ordered in so many days before the cutoff.")
    min_history_days: int = Field(ge=0, description="First cutoff: so many days after the first order.")
    max_cutoffs: int = Field(default=24, ge=1, description="Newest month starts used for training.")
    test_origins: int = Field(ge=1, description="Cutoffs that test models which never saw their time.")
    test_spacing_months: int = Field(ge=1, description="Months between two test origins.")

    @property
    def population(self) -> dict[str, Any]:
        """See :func:`population`."""
        return population(self.active_days, self.gap_days, self.horizon_days)

    @property
    def rule(self) -> str:
        """The population in one line."""
        return rule(self.population)


class HorizonAdviceSettings(Section):
    """By what `wafa horizon` and the evaluation recommend a horizon."""

    accepted: float = Field(default=0.35, gt=0, lt=1, description="Share of those called churned who may come back.")
    follow_up_days: int = Field(default=180, ge=1, le=1460, description="For how long they are watched.")


class PromotionSettings(Section):
    """When `wafa promote` lets a model take the champion's place; no stage reads it."""

    max_ece: float = Field(
        default=0.05, gt=0, lt=1, description="Largest expected calibration error, mean over test origins."
    )
    auroc_margin: float = Field(default=0.01, ge=0, lt=1, description="AUROC may be lower by so much, within chance.")
    brier_margin: float = Field(default=0.005, ge=0, lt=1, description="Brier may be higher by so much, within chance.")


class ScoringSettings(Section):
    """When to score, and how to speak of the scores."""

    as_of: str = Field(description="Score customers as known just before this day.")
    high_from: float = Field(gt=0, lt=1, description="Churn probability from which the band is 'high'.")
    medium_from: float = Field(gt=0, lt=1, description="Churn probability from which the band is 'medium'.")

    @field_validator("as_of")
    @classmethod
    def _is_date(cls, value: str) -> str:
        try:
            parse_date(value, "UTC")
        except ValueError:
            raise ValueError("must be a date such as 2026-01-31") from None
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.medium_from >= self.high_from:
            raise ValueError(f"medium_from must be below high_from ({self.high_from})")
        return self


class Settings(Section):
    """All of params.yaml."""

    demo: list[str] = Field(description="[shop] simulates a shop first; [] reads a shop's own files.")
    shop: ShopSettings
    simulation: SimulationSettings = SimulationSettings()
    sources: SourceSettings
    engine: EngineSettings = EngineSettings()
    cohort: CohortSettings
    horizon_advice: HorizonAdviceSettings = HorizonAdviceSettings()
    features: FeatureSettings
    model: ModelSettings
    evaluation: EvaluationSettings = EvaluationSettings()
    promotion: PromotionSettings = PromotionSettings()
    scoring: ScoringSettings
    campaigns: CampaignSettings

    @field_validator("demo")
    @classmethod
    def _one_shop(cls, value: list[str]) -> list[str]:
        if value not in ([], ["shop"]):
            raise ValueError("must be [shop] or []")
        return value

    @property
    def own_logs(self) -> list[OwnLog]:
        """The logs that the shop declared itself, as the catalogue speaks of them; by name."""
        return [
            OwnLog(name, log.title, log.title_urdu or log.title, "actionable" if log.actionable else "context")
            for name, log in sorted(self.sources.own_logs.items())
        ]

    def instant(self, date: str) -> int:
        """The instant at which ``date`` begins in the shop's time zone."""
        return parse_date(date, self.shop.timezone)


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = Settings
    for part in loc:
        field = getattr(model, "model_fields", {}).get(part)
        # A mapping of names to sections (sources.logs.<name>) has no such field: step into its value type.
        model = field.annotation if field is not None else getattr(model, "__args__", (None,))[-1]
    return sorted(getattr(model, "model_fields", {}))


def _sentence(file: str, error: Any) -> str:
    loc = tuple(part for part in error["loc"] if part != "[key]")  # pydantic's mark of a mapping's key
    key = ".".join(str(part) for part in loc)
    if error["type"] == "extra_forbidden":
        known = _known_keys(loc[:-1])
        close = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"{file}: unknown key {key}.{hint} Known keys here: {', '.join(known)}."
    if error["type"] == "missing":
        return f"{file}: the key {key} is missing. Add it; the shipped params.yaml explains it."
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    value, (first, _, rest) = error.get("input"), message.partition(" ")
    if isinstance(value, dict) and first in value:  # a rule between two keys of a section names one of them first
        key, message, value = f"{key}.{first}", rest, value[first]
    if isinstance(value, date):  # what YAML makes of 2026-01-31 where text is asked for
        return f'{file}: {key} {message}, got a bare date. Put it in quotes: "{value}".'
    got = "" if f"got {value!r}" in message or _may_be_secret(key, value) else f", got {value!r}"
    return f"{file}: {key} {message}{got}. Correct the value."


def _may_be_secret(key: str, value: object) -> bool:
    """Whether a value is not to be said again: somebody may have put a connection string there."""
    return key.startswith("sources.database") or key.endswith(".table") or "://" in repr(value)


def _refuse_clashes(s: Settings, file: str) -> None:
    """Refuse an own log whose name, or that of one of its columns, means something else already."""
    known_logs = sorted(set().union(*(logs_behind(entry.view) for entry in CATALOGUE.values())))
    taken = {column.name: "the catalogue" for column in columns(s.features.windows_days, known_logs)}
    for log in s.own_logs:
        place = f"{file}: sources.own_logs.{log.name}"
        for what, names in (("family", FAMILIES), ("view", VIEWS)):
            if log.name in names:
                raise ParamsError(f"{place} is the name of a {what} of features. Choose another name.")
        if log.name == "asked" or log.name.startswith(("seen_", "view_")):
            raise ParamsError(f"{place} is a name that the engine gives its own tables. Choose another name.")
        for column in columns(s.features.windows_days, [log.name], [log]):
            if column.name in taken:
                raise ParamsError(
                    f"{place} would make the column {column.name}, which {taken[column.name]} has already. "
                    "Choose another name."
                )
            taken[column.name] = f"sources.own_logs.{log.name}"


def _refuse_unknown_lists(s: Settings) -> None:
    try:
        cook(s.campaigns)
    except RecipeError as error:
        raise ParamsError(str(error)) from None


def parse(text: str, file: str = "params.yaml") -> Settings:
    """The settings written in ``text``.

    Raises:
        ParamsError: The text is no YAML, or a key is unknown, missing, of the wrong type or out of range.
    """
    try:
        # DVC reads params.yaml with the YAML 1.2 reader of ruamel; a second dialect here would make
        # DVC track one value and the stages use another.
        raw = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ParamsError(f"{file}{where}: not readable as YAML ({getattr(error, 'problem', error)}).") from None
    if not isinstance(raw, dict):
        raise ParamsError(f"{file}: must hold sections such as 'shop:' and 'cohort:', found none.")
    try:
        s = Settings.model_validate(raw)
    except ValidationError as error:
        # A misspelt key is missing as well; the spelling is what helps.
        first = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
        more = f" ({error.error_count() - 1} more after this one.)" if error.error_count() > 1 else ""
        raise ParamsError(_sentence(file, first) + more) from None
    _refuse_clashes(s, file)
    _refuse_unknown_lists(s)
    return s


def load(path: Path = datasets.PARAMS) -> Settings:
    """The settings of this project.

    Raises:
        ParamsError: There is no such file, it is not UTF-8, or :func:`parse` refuses it.
    """
    if not path.is_file():
        raise ParamsError(f"{path.name}: not found in {Path.cwd().name}/. Run from the project's top folder.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path.name}: not UTF-8 at byte {error.start}. Save the file as UTF-8.") from None
    return parse(text, path.name)

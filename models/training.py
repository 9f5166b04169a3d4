"""Training the churn model of any origin: what was known then, which rung it can carry, calibrated and purged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from models import baselines, calibration, classifier, drift, ladder
from models.baselines import Lifetime
from models.buy_till_you_die import BuyTillYouDie
from models.classifier import Floats
from models.errors import LearningError
from models.ladder import Rung
from models.scorer import Blend, Boosted, ChurnModel
from models.settings import ModelSettings
from models.splits import calibration_origins, complete_before
from timeline import DAY_US, Window, format_date, is_before, month_starts

BASELINES = ("mbg_nbd", "logistic_rfm", "recency")
"""What a model is compared with, each made of what was known at its origin."""

BASELINE_OF: dict[Rung, str] = {"rule": "recency", "logistic_rfm": "logistic_rfm", "buy_till_you_die": "mbg_nbd"}

YEAR_US = 365 * DAY_US

SAME_SEASON_US = 7 * DAY_US

SETTLED_DAYS = 180
"""A shop's first half-year is no season to compare with: nobody in it can have been away for long."""

SEEN_DAYS = 14
"""A cutoff with fewer days of its label window behind it says nothing yet."""

COMPARED_CUTOFFS = 6
"""Newest complete cutoffs that open ones are compared with."""


@dataclass(frozen=True)
class Question:
    """What is asked of a customer at a cutoff (days), how far apart test origins lie, and the shop's time zone."""

    gap_days: int
    horizon_days: int
    active_days: int
    spacing_months: int
    zone: str


class Orders(Protocol):
    """The orders of the whole shop, as known at an instant."""

    def history(self, cutoff: int) -> pd.DataFrame:
        """One row per buyer known at ``cutoff``, ordered by customer: customer_id, repeats, last_days, age_days."""

    def buyers(self, window: Window) -> pd.Series[str]:
        """The customers with an order in ``window``, as far as known when it ends."""


def _counted(history: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    return (
        history["repeats"].to_numpy(dtype="float64"),
        history["last_days"].to_numpy(dtype="float64"),
        history["age_days"].to_numpy(dtype="float64"),
    )


@dataclass
class ChurnTrainer:
    """Fits purged models; a model that two origins need is fitted once.

    rows: one per customer and cutoff, with the columns customer_id, cutoff, churned, role and the features ``columns``.
    first: the instant of the shop's first order.
    """

    rows: pd.DataFrame
    columns: list[str]
    question: Question
    settings: ModelSettings
    book: Orders
    first: int
    fitted: dict[tuple[int, ...], Boosted] = field(default_factory=dict)
    lifetimes: dict[int, Lifetime] = field(default_factory=dict)
    shares: dict[int, float] = field(default_factory=dict)

    @property
    def cutoffs(self) -> list[int]:
        """Every cutoff with rows, ascending."""
        return sorted(int(cutoff) for cutoff in self.rows["cutoff"].unique())

    @property
    def test_origins(self) -> list[int]:
        """The cutoffs that test models which never saw their time, ascending."""
        return sorted(int(t) for t in self.rows.loc[self.rows["role"] == "test", "cutoff"].unique())

    def known_at(self, origin: int) -> list[int]:
        """The cutoffs whose label was complete at ``origin``."""
        return complete_before(self.cutoffs, origin, self.question.gap_days, self.question.horizon_days)

    def rows_known_at(self, origin: int) -> pd.DataFrame:
        """The training rows whose label was complete at ``origin``."""
        return self.rows[self.rows["cutoff"].isin(self.known_at(origin))]

    def fit(self, origin: int, twin: int = 0) -> Boosted:
        """The trees of all that was known at ``origin``; a ``twin`` is the same with another seed.

        Raises:
            LearningError: Everybody left by then, or nobody did.
        """
        known = (twin, *self.known_at(origin))
        if known not in self.fitted:
            part = self.rows_known_at(origin)
            if part["churned"].nunique() < 2:
                raise LearningError(
                    f"model: all {len(part):,} training rows have the same label; nothing can be learned. "
                    "Lower cohort.horizon_days, or bring a longer history."
                )
            seeded = self.settings.model_copy(update={"seed": self.settings.seed + twin})
            booster = classifier.fit(part[self.columns], part["churned"], seeded)
            self.fitted[known] = Boosted(booster, tuple(self.columns))
        return self.fitted[known]

    def fold_origins(self, origin: int) -> list[int]:
        """Past cutoffs, complete at ``origin``, at which models that did not know them are judged."""
        c = self.question
        return calibration_origins(self.cutoffs, origin, c.gap_days, c.horizon_days, c.spacing_months)

    def lifetime(self, origin: int) -> ChurnModel:
        """The buy-till-you-die model fitted at ``origin``, put right on the newest cutoff complete by then.

        Raises:
            ValueError: It cannot be fitted.
        """
        known = self.known_at(origin)
        calibrator = calibration.Calibrator("none")
        if known:
            part = self.rows[self.rows["cutoff"] == known[-1]]
            if part["churned"].nunique() == 2:
                margins = self._plain_lifetime(known[-1]).margin(part)
                calibrator = calibration.fit("sigmoid", margins, part["churned"].to_numpy(dtype="float64"))
        return ChurnModel(self._plain_lifetime(origin), calibrator)

    def _plain_lifetime(self, origin: int) -> Lifetime:
        c = self.question
        if origin not in self.lifetimes:
            seen = self.book.history(origin)
            process = BuyTillYouDie.fit("mbg_nbd", *_counted(seen))
            here = self.rows[self.rows["cutoff"] == (origin if origin in self.cutoffs else self.cutoffs[-1])]
            typical = tuple(float(here[column].median()) for column in baselines.HISTORY)
            self.lifetimes[origin] = Lifetime(process, float(c.horizon_days), float(c.gap_days), typical)
        return self.lifetimes[origin]

    def baseline(self, name: str, origin: int) -> ChurnModel:
        """One of :data:`BASELINES` as it could have been made at ``origin``.

        Raises:
            ValueError: The buy-till-you-die model cannot be fitted.
        """
        if name == "mbg_nbd":
            return self.lifetime(origin)
        part = self.rows_known_at(origin)
        if part["churned"].nunique() < 2:
            ranker = baselines.unfitted_rule(self.question.horizon_days)
        else:
            columns = baselines.RFM if name == "logistic_rfm" else baselines.RECENCY
            ranker = baselines.fit_logistic(columns, part, part["churned"])
        return ChurnModel(ranker, calibration.Calibrator("none"))

    def blended(self, origin: int, twin: int = 0) -> Boosted | Blend:
        """The trees of ``origin``, beside a buy-till-you-die model where that did better on earlier origins."""
        if origin not in self.shares:
            self.shares[origin] = self._share(origin)
        share, trees = self.shares[origin], self.fit(origin, twin)
        if share == 0.0:
            return trees
        lifetime = self.lifetime(origin)
        line = (lifetime.calibrator.slope, lifetime.calibrator.intercept)
        return Blend(trees, self._plain_lifetime(origin), line, share)

    def _share(self, origin: int) -> float:
        if "buy_till_you_die" in self.lacking(origin):
            return 0.0
        folds = []
        for past in self.fold_origins(origin):
            if {"buy_till_you_die", "lightgbm"} & set(self.lacking(past)):
                continue
            part, lifetime = self.rows[self.rows["cutoff"] == past], self.lifetime(past)
            line = lifetime.calibrator
            beside = line.slope * lifetime.margin(part) + line.intercept
            trees = self.fit(past).margin(part[self.columns])
            folds.append((trees, beside, part["churned"].to_numpy(dtype="float64")))
        return ladder.choose_share(folds)

    def rung(self, name: Rung, origin: int) -> ChurnModel:
        """The model of one rung of the ladder as it could have been made at ``origin``."""
        if name == "lightgbm":
            return ChurnModel(self.blended(origin), calibration.Calibrator("none"))
        return self.baseline(BASELINE_OF[name], origin)

    def lacking(self, origin: int) -> dict[Rung, str]:
        """For each rung of the ladder that the data of ``origin`` cannot carry, what they lack."""
        part = self.rows_known_at(origin)
        churned = int(part["churned"].sum())
        repeat_buyers = int((self.book.history(origin)["repeats"] > 0).sum())
        known = ladder.Known(len(part), min(churned, len(part) - churned), part["cutoff"].nunique(), repeat_buyers)
        missing = ladder.lacking(known)
        if "buy_till_you_die" not in missing:
            try:
                self.lifetime(origin)
            except ValueError as error:
                missing["buy_till_you_die"] = str(error)
        return missing

    def choose(self, origin: int) -> ladder.Choice:
        """The rung that the data of ``origin`` can carry, judged on earlier origins."""
        missing = self.lacking(origin)
        able = [name for name in ladder.RUNGS if name not in missing]
        losses: dict[Rung, list[float]] = {name: [] for name in able}
        for past in self.fold_origins(origin):
            if set(able) & set(self.lacking(past)):
                continue  # Judging some of them there would be no comparison.
            part = self.rows[self.rows["cutoff"] == past]
            churned = part["churned"].to_numpy(dtype="float64")
            for name in able:
                losses[name].append(ladder.loss(self.rung(name, past).probability(part), churned))
        return ladder.choose(missing, losses)

    def expected_intensity(self, origin: int, model: ChurnModel) -> tuple[float, str]:
        """How much more or less than ``model`` expects the shop will be bought from after ``origin``, and why so."""
        if is_before(origin - YEAR_US, self.first):
            return 0.0, "nothing: less than a year of orders cannot tell a season from a trend"
        known = self.known_at(origin)
        last_year = None
        for past in known:
            is_season = abs(past - origin + YEAR_US) <= SAME_SEASON_US
            if is_season and Window.last(SETTLED_DAYS, past).start >= self.first:
                part = self.rows[self.rows["cutoff"] == past]
                # The trees were fitted on this very cutoff, so they know who its customers were.
                ranker = model.ranker.trees if isinstance(model.ranker, Blend) else model.ranker
                expected = model.calibrator.probability(ranker.margin(part[list(ranker.columns)]))
                last_year = drift.intensity(expected, float(part["churned"].mean()))
        recent = {} if last_year is not None else self.recent_intensities(origin)
        return drift.expected(last_year, recent)

    def recent_intensities(self, origin: int) -> dict[int, float]:
        """Intensity, so far, of each cutoff whose label is open at ``origin``, beside that of the complete ones.

        Orders alone tell it: the buy-till-you-die model of ``origin`` says how many of the customers of a cutoff
        should have ordered by now, so the features of a cutoff without a label are not needed.
        """
        if "buy_till_you_die" in self.lacking(origin):
            return {}
        c, process = self.question, self._plain_lifetime(origin).process
        complete = self.known_at(origin)[-COMPARED_CUTOFFS:]

        def level(cutoff: int, waited: int) -> float:
            seen = self.book.history(cutoff)
            seen = seen[seen["age_days"] - seen["last_days"] < c.active_days]
            window = Window(cutoff + c.gap_days * DAY_US, cutoff + waited)
            days = (window.end - window.start) / DAY_US
            none = process.probability_of_none(*_counted(seen), days, gap=c.gap_days)
            return drift.intensity(none, 1 - float(seen["customer_id"].isin(self.book.buyers(window)).mean()))

        oldest = Window.last(c.gap_days + c.horizon_days, origin).start
        newest = Window.last(c.gap_days + SEEN_DAYS, origin).start
        found = {}
        for cutoff in month_starts(oldest, newest, self.question.zone):
            usual = np.mean([level(past, origin - cutoff) for past in complete])
            found[cutoff] = level(cutoff, origin - cutoff) - float(usual)
        return found

    def calibrated(self, origin: int, twins: int = 0) -> tuple[ChurnModel, dict[str, Any]]:
        """The model of ``origin``, calibrated as did best on earlier purged origins, and its facts."""
        choice, zone = self.choose(origin), self.question.zone
        used = self.fold_origins(origin)
        model = self.rung(choice.rung, origin)
        losses: dict[str, float] = {}
        if choice.rung == "lightgbm":
            folds = []
            for past in used:
                part = self.rows[self.rows["cutoff"] == past]
                folds.append((self.blended(past).margin(part), part["churned"].to_numpy(dtype="float64")))
            calibrator, losses = calibration.choose(folds)
            model = ChurnModel(model.ranker, calibrator, tuple(self.blended(origin, 1 + n) for n in range(twins)))
        known = self.known_at(origin)
        intensity, taken_from = self.expected_intensity(origin, model)
        model = replace(model, calibrator=replace(model.calibrator, intensity=intensity))
        facts = {
            "rung": choice.rung,
            "buy_till_you_die_share": self.shares.get(origin, 0.0) if choice.rung == "lightgbm" else 0.0,
            "ladder": {
                "why": choice.why,
                "log_loss": {name: round(loss, 6) for name, loss in choice.log_loss.items()},
            },
            "calibration": {
                "method": model.calibrator.method,
                "origins": [format_date(t, zone) for t in used],
                "log_loss": {method: round(loss, 6) for method, loss in losses.items()},
            },
            "drift": {"intensity": round(intensity, 6), "taken_from": taken_from},
            "cutoffs": [format_date(t, zone) for t in known],
            "rows": int(self.rows["cutoff"].isin(known).sum()),
        }
        return model, facts

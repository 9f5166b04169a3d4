"""The model card: what the model is for, what it was fitted on, how good it was, which test rules out which leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.evaluation import RUNGS, TITLES, baselines, headline, plain, with_interval

LEAKS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "L1.1 No test set",
        "Every figure comes from origins whose labels the model could not have seen.",
        (
            "tests/models/test_splits.py::test_no_training_label_ends_after_the_origin",
            "tests/pipeline/test_training.py::test_no_row_whose_label_was_open_at_the_origin_is_learned_from",
            "tests/laws/test_evaluation_leaks.py::test_no_module_splits_rows_at_random",
            "tests/laws/test_evaluation_leaks.py::test_labels_dealt_out_by_lot_are_not_found",
        ),
    ),
    (
        "L1.2 Pre-processing on training and test set",
        "A feature is made from the customer's own past rows; calibrators and baselines are fitted before the origin.",
        (
            "tests/laws/test_features.py::test_who_else_is_asked_changes_nothing",
            "tests/laws/test_features.py::test_cutoffs_built_one_after_another_know_nothing_of_each_other",
            "tests/pipeline/test_training.py"
            "::test_a_calibration_origin_is_scored_by_a_model_that_did_not_know_its_labels",
        ),
    ),
    (
        "L1.3 Feature selection on training and test set",
        "Only columns that never vary are left out; no feature and no label after an origin changes its model.",
        ("tests/pipeline/test_leakage_checklist.py::test_nothing_after_an_origin_changes_what_its_model_says",),
    ),
    (
        "L1.4 Duplicates",
        "Equal events are counted once, and a customer has one row per cutoff.",
        (
            "tests/sources/test_duplicates.py::test_the_same_file_delivered_twice_counts_once",
            "tests/pipeline/test_writing_files.py::test_two_rows_with_one_key_are_refused_with_the_key",
        ),
    ),
    (
        "L2 Features that are not legitimate",
        "A feature sees its rows alone; planted leaks are caught; a column that tells the label is named.",
        (
            "tests/laws/test_structure.py::test_definitions_know_nothing_but_their_rows",
            "tests/laws/test_planted_leaks.py::test_a_planted_leak_is_caught",
            "tests/laws/test_evaluation_leaks.py::test_a_trap_is_noticed",
            "tests/pipeline/test_check_leaks.py::test_alarms_name_what_knows_the_label_and_what_drifts",
        ),
    ),
    (
        "L3.1 Temporal leakage",
        "An event counts only if it had both happened and arrived before the cutoff.",
        (
            "tests/laws/test_features_leaks.py::test_poison_changes_nothing",
            "tests/laws/test_features_mutations.py::test_rows_after_the_cutoff_change_no_byte",
            "tests/laws/test_outlook_purge.py::test_what_came_after_an_origin_changes_no_byte",
            "tests/laws/test_features_boundaries.py"
            "::test_the_last_microsecond_before_the_cutoff_is_seen_and_the_next_is_not",
        ),
    ),
    (
        "L3.2 Training and test samples that are not independent",
        "Customers recur, as they do in use; label windows do not overlap, and intervals draw whole customers.",
        (
            "tests/models/test_splits.py::test_a_label_that_ends_at_the_origin_was_known_there",
            "tests/models/test_evaluation.py::test_the_rows_of_a_customer_are_drawn_together",
        ),
    ),
    (
        "L3.3 Sampling bias in the test distribution",
        "Everybody eligible at an origin is tested, by the rule and with the features that scoring uses.",
        (
            "tests/laws/test_features.py::test_eligible_customers_equal_their_oracle",
            "tests/laws/test_features_leaks.py::test_poison_changes_nobodys_eligibility",
            "tests/laws/test_features_paths.py::test_a_row_that_trains_is_the_row_that_scores",
        ),
    ),
)
"""Kapoor and Narayanan (2023), Patterns 4 (9), DOI 10.1016/j.patter.2023.100804: each kind of leak, why it is not
here, and the tests that hold it."""


@dataclass(frozen=True)
class ModelCard:
    """What the card is made of: ``model`` says how the ranking was fitted, ``final`` is the manifest of the model."""

    shop_name: str
    model: str
    final: Mapping[str, Any]
    reads: Sequence[str]
    metrics: Mapping[str, Any]


def render_model_card(card: ModelCard) -> str:
    """The card as Markdown."""
    m, final = card.metrics, card.final
    population = m["population"]
    others = baselines(m)
    lines = [
        f"# Model card: churn at {card.shop_name}",
        "",
        f"* **Question**: {population['label']}? One calibrated probability per customer.",
        f"* **Population**: {population['eligibility']}. A statement about anybody else is not made.",
        f"* **Gap and horizon**: {population['gap_days']} and {population['horizon_days']} days.",
        f"* **Model**: {card.model}; calibration: {final['calibration']['method']}.",
        f"* **Fitted on**: {final['rows']:,} rows of {len(final['cutoffs'])} month starts, "
        f"{final['cutoffs'][0]} to {final['cutoffs'][-1]}.",
        f"* **Reads**: {', '.join(card.reads)}.",
        f"* **Model hash**: `{final['model_hash']}`",
        "",
        f"**{headline(m)}**",
        "",
        "| test origin | customers | base rate | AUROC | Brier | ECE | mean prediction |"
        + "".join(f" {TITLES[name]} AUROC |" for name in others),
        "|---|---|---|---|---|---|---|" + "---|" * len(others),
    ]
    for o in m["origins"]:
        wafa = o["models"]["wafa"]
        cells = [
            o["origin"],
            f"{o['rows']:,}",
            f"{o['base_rate']:.1%}",
            *(with_interval(wafa[name]) for name in ("auroc", "brier", "ece")),
            f"{wafa['mean_prediction']:.1%}",
            *(with_interval(o["models"][name]["auroc"]) if name in o["models"] else "–" for name in others),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"Mean AUROC {plain(m['mean']['wafa']['auroc'], '.3f')}. On the same customers, Wafa minus:", ""]
    for name in others:
        pair = m["paired"].get(f"wafa - {name}")
        if pair:
            auroc, brier = pair["auroc"], pair["brier"]
            lines.append(
                f"* {TITLES[name]}: AUROC {with_interval(auroc, '+.3f')} ({auroc['verdict'] or 'not defined'}), "
                f"Brier score {with_interval(brier, '+.4f')} ({brier['verdict'] or 'not defined'})."
            )
    used = sorted({RUNGS.get(o["rung"], o["rung"]) for o in m["origins"] if o.get("rung")})
    if used:
        lines += ["", f"Models of the test origins: {', '.join(used)}."]
    lines += ["", *_leaks()]
    lines += [
        "",
        "## Not for",
        "",
        "Decisions about credit, prices or access. High risk does not mean that a message helps; the holdout "
        "in every list exists to find that out.",
    ]
    if m["is_simulated"]:
        lines.append("\nFigures from a simulated shop: they show that the pipeline works, not how good it is on yours.")
    return "\n".join(lines) + "\n"


def _leaks() -> list[str]:
    rows = [f"| {kind} | {why} | {'<br>'.join(f'`{test}`' for test in tests)} |" for kind, why, tests in LEAKS]
    return [
        "## Leaks",
        "",
        "The checklist of Kapoor and Narayanan (2023), each line with the tests that fail if it stops being true. "
        "`wafa check --leaks` shows the same of these logs.",
        "",
        "| leak | why not here | held by |",
        "|---|---|---|",
        *rows,
    ]

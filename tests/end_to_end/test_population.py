"""No figure of quality without whom it is about: eligibility, gap and horizon, in every line, page and file."""

from __future__ import annotations

import re

from tests.end_to_end.project import Project

RULE = (
    "customers who ordered in the 365 days before the cutoff and do not object to profiling; churned: no order from "
    "day 7 to day 97 after the cutoff (gap 7 days, horizon 90 days)"
)
FIGURE = re.compile(r"AUROC|Brier|\bECE\b|churn rate|of them churned")


def lines_without_rule(printed: str) -> list[str]:
    """Lines with a figure of quality, where neither they nor the next line of the same stage say of whom."""
    lines = printed.splitlines()
    followed = zip(lines, [*lines[1:], ""], strict=True)
    return [line for line, after in followed if FIGURE.search(line) and RULE not in line + after]


def test_what_a_run_prints(demo: Project) -> None:
    assert lines_without_rule("evaluation: mean AUROC 0.8\nmodel: 3 rows") == ["evaluation: mean AUROC 0.8"]
    assert sum(bool(FIGURE.search(line)) for line in demo.first_run.stdout.splitlines()) >= 3
    assert lines_without_rule(demo.first_run.stdout) == []


def test_what_a_run_writes(demo: Project) -> None:
    for name in ("metrics", "horizon", "truth"):
        told = demo.json(f"data/evaluation/{name}.json")["population"]
        assert (told["active_days"], told["gap_days"], told["horizon_days"]) == (365, 7, 90), name
        assert RULE.startswith(told["eligibility"]), name
    for name in ("data/evaluation/evaluation.html", "data/evaluation/model_card.md"):
        text = demo.path(name).read_text(encoding="utf-8").lower()
        assert "customers who ordered in the 365 days before the cutoff" in text, name
        assert "no order from day 7 to day 97 after the cutoff" in text, name
    marketing = demo.path("data/reports/marketing.html").read_text(encoding="utf-8")
    assert "365 days before" in marketing
    assert re.search(r"day 7 (to|until|and) (day )?97", marketing)


def test_what_the_commands_print(demo: Project) -> None:
    for command in ("horizon", "check"):
        done = demo.wafa(command)
        assert done.returncode == 0, done.stderr
        assert "customers who ordered in the 365 days before the cutoff and do not object" in done.stdout, command
        assert lines_without_rule(done.stdout) == [], command

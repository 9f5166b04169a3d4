"""The whole loop on a small simulated shop, as a data scientist, a batch job and a marketer meet it."""

from __future__ import annotations

import json
import stat

import pandas as pd
import pytest

from tests.end_to_end.project import SMALL, Project, stages_run

EVERY_STAGE = {
    "simulate_logs@shop",
    "ingest_logs",
    "build_cohorts",
    "build_features",
    "train_model",
    "evaluate_model",
    "compare_with_truth@shop",
    "prepare_scoring",
    "score_customers",
    "explain_scores",
    "build_lists",
    "render_report",
}
SCORING_BRANCH = {"prepare_scoring", "score_customers", "explain_scores", "build_lists", "render_report"}


def test_one_command_ends_with_what_to_open(demo: Project) -> None:
    done = demo.first_run
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(stages_run(done)) == EVERY_STAGE
    for name in (
        "data/reports/marketing.html",
        "data/reports/data_quality.html",
        "data/evaluation/evaluation.html",
        "data/lists/win_back",
    ):
        assert name in done.stdout
        assert demo.path(name).exists()


def test_data_and_state_are_as_the_architecture_says(demo: Project) -> None:
    rooms = {"raw", "events", "cohorts", "features", "model", "evaluation", "scoring", "scores", "lists", "reports"}
    assert {path.name for path in demo.path("data").iterdir() if path.is_dir()} == rooms
    assert not list(demo.path("data").rglob("*.py"))
    assert not [path.name for path in demo.path("data").rglob("*") if ".tmp-" in path.name or ".old-" in path.name]
    state = {path.name for path in demo.path("state").iterdir()}
    assert state >= {"vault.parquet", "quarantine", "champion.json", "champions"}
    assert state <= {
        "vault.parquet", "quarantine", "champion.json", "champions", "batch", "outbox", "run.lock", "dvc.lock.good",
        "spill", "exit_code", "keys", "landed", "contacts.db", "contacts.db-shm", "contacts.db-wal",
    }  # fmt: skip
    assert stat.S_IMODE(demo.path("state").stat().st_mode) == 0o700
    assert stat.S_IMODE(demo.path("state/vault.parquet").stat().st_mode) == 0o600


def test_a_second_run_runs_no_stage(demo: Project) -> None:
    done = demo.repro()
    assert done.returncode == 0
    assert stages_run(done) == []


def test_a_new_scoring_date_runs_only_the_scoring_branch(copy_of_demo: Project) -> None:
    copy_of_demo.params(scoring__as_of="2024-12-01")
    done = copy_of_demo.repro()
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(stages_run(done)) == SCORING_BRANCH


def test_a_fresh_clone_gives_the_same_lock_and_threads_change_nothing(
    demo: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clone = Project(tmp_path_factory.mktemp("clone"))
    clone.params(**SMALL)
    assert clone.wafa("run").returncode == 0
    assert clone.path("dvc.lock").read_bytes() == demo.path("dvc.lock").read_bytes()
    # One thread in place of two in the engine, two in place of one in LightGBM.
    clone.params(engine__threads=1, model__threads=2)
    done = clone.repro()
    assert {"build_features", "train_model"} <= set(stages_run(done))
    read = ("data/events", "data/features", "data/scores", "data/lists")
    assert clone.hashes(*read)["data/scores/scores.parquet"] == demo.hashes(*read)["data/scores/scores.parquet"]
    same = {name: value for name, value in clone.hashes(*read).items() if not name.endswith("manifest.json")}
    assert same == {name: value for name, value in demo.hashes(*read).items() if not name.endswith("manifest.json")}


def test_the_champion_scores_what_dvc_repro_scored(copy_of_demo: Project) -> None:
    done = copy_of_demo.wafa("score", "--as-of", str(SMALL["scoring__as_of"]))
    assert done.returncode == 0, done.stderr[-2000:]
    batch, data = copy_of_demo.path(f"state/batch/{SMALL['scoring__as_of']}"), copy_of_demo.path("data")
    pairs = {
        "scores.parquet": "scores/scores.parquet",
        "reasons.parquet": "scores/reasons.parquet",
        "features.parquet": "scoring/features.parquet",
        "features_before.parquet": "scoring/before.parquet",
        "before.parquet": "scores/before.parquet",
    }
    listed = [path.relative_to(data).as_posix() for path in (data / "lists").rglob("*.*")]
    assert len(listed) == 2 * 11 + 1
    pairs |= dict(zip(listed, listed, strict=True))
    for mine, theirs in pairs.items():
        assert (batch / mine).read_bytes() == (data / theirs).read_bytes(), mine


def test_a_list_is_exported_without_the_holdout_and_in_private(copy_of_demo: Project) -> None:
    refused = copy_of_demo.wafa("export", "win_back")
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
    assert "wafa approve win_back" in refused.stderr
    alone = copy_of_demo.wafa("approve", "win_back")
    assert (alone.returncode, alone.stderr) == (2, "wafa approve: nobody is there to confirm it. Add --yes.\n")
    approved = copy_of_demo.wafa("approve", "win_back", "--yes")
    assert approved.returncode == 0, approved.stderr[-2000:]
    assert copy_of_demo.wafa("approve", "win_back").returncode == 0, "nothing is left to confirm"
    done = copy_of_demo.wafa("export", "win_back")
    assert done.returncode == 0, done.stderr[-2000:]
    folder = copy_of_demo.path(f"state/outbox/win_back/{SMALL['scoring__as_of']}/neutral")
    rows = pd.read_csv(folder / "win_back.csv", dtype=str)
    candidates = copy_of_demo.table("data/lists/win_back/candidates.parquet")
    vault = copy_of_demo.table("state/vault.parquet").set_index("customer_id")
    assert 0 < len(rows) <= 60
    held = set(vault.loc[candidates.loc[candidates["group"] == "holdout", "customer_id"], "shop_id"])
    assert held
    assert not held & set(rows["customer_id"])
    assert rows["email"].str.contains("@").all()
    assert not [column for column in rows if "consent" in column or "subscri" in column]
    assert stat.S_IMODE((folder / "win_back.csv").stat().st_mode) == 0o600
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert copy_of_demo.wafa("export", "win_back").returncode == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_for_everybody_it_is_written_down_why_they_are_on_a_list_or_not(demo: Project) -> None:
    people = demo.table("data/lists/people.parquet").set_index("customer_id")
    assert set(people.index) == set(demo.table("data/events/customers")["customer_id"])
    on_lists = 0
    for column in people.columns[people.columns.str.startswith("why_")]:
        name = column.removeprefix("why_")
        chosen = demo.table(f"data/lists/{name}/candidates.parquet").set_index("customer_id")["group"]
        assert people[column].notna().all()
        told = people.loc[people[column].isin(["selected", "held_out"]), column]
        assert told.map({"selected": "treat", "held_out": "holdout"}).to_dict() == chosen.to_dict()
        on_lists += len(chosen)
    assert on_lists == people["list"].notna().sum() > 0


def test_a_customer_is_explained_by_the_shop_s_own_id(demo: Project) -> None:
    reasons = demo.table("data/scores/reasons.parquet")
    customer = reasons["customer_id"].iloc[0]
    own_id = demo.table("state/vault.parquet").set_index("customer_id").loc[customer, "shop_id"]
    by_own, by_pseudonym = demo.wafa("explain", own_id), demo.wafa("explain", customer)
    assert by_own.returncode == 0, by_own.stderr
    assert by_own.stdout == by_pseudonym.stdout
    for sentence in reasons.loc[reasons["customer_id"] == customer, "sentence"]:
        assert sentence in by_own.stdout
    stranger = demo.wafa("explain", "nobody")
    assert (stranger.returncode, stranger.stderr.count("\n")) == (2, 1)


def test_no_id_or_address_of_the_shop_leaves_the_vault(demo: Project) -> None:
    vault = demo.table("state/vault.parquet").dropna()
    needles = [*vault["shop_id"].head(300), *vault["email"].head(300)]
    outside = [
        path
        for folder in ("data/events", "data/cohorts", "data/features", "data/model", "data/scores", "data/lists",
                       "data/reports", "data/evaluation", "mlruns")
        for path in demo.path(folder).rglob("*")
        if path.is_file()
    ]  # fmt: skip
    outside += [demo.path("mlflow.db"), demo.path("dvc.lock")]
    assert len(outside) > 50
    for path in outside:
        text = path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            columns = [frame[c].astype(str) for c in frame.columns if frame[c].dtype == "str"]
            text = "\n".join("\n".join(set(map(str, column))) for column in columns)
        found = [needle for needle in needles if needle in text]
        assert not found, (path, found[:1])


def test_the_model_is_tracked(demo: Project) -> None:
    import sqlite3

    with sqlite3.connect(demo.path("mlflow.db")) as base:
        tags = dict(base.execute("select key, value from tags").fetchall())
        metrics = {key for (key,) in base.execute("select distinct key from metrics")}
        aliases = base.execute("select alias, name from registered_model_aliases").fetchall()
    assert {"git_commit", "dvc_stage", "feature_schema_hash", "params_hash", "as_of", "data_md5"} <= set(tags)
    assert {"wafa.auroc", "recency.auroc", "logistic_rfm.auroc", "wafa.ece"} <= metrics
    assert sorted(aliases) == [("challenger", "wafa-churn"), ("champion", "wafa-churn")]


def test_every_metric_has_population_base_rate_interval_and_baseline(demo: Project) -> None:
    metrics = demo.json("data/evaluation/metrics.json")
    assert "365 days before" in metrics["population"]["eligibility"]
    assert metrics["is_simulated"] is True
    assert len(metrics["origins"]) == 2
    for origin in metrics["origins"]:
        assert 0 < origin["base_rate"] < 1
        assert set(origin["models"]) >= {"wafa", "recency", "logistic_rfm"}
        for model in origin["models"].values():
            for name in ("auroc", "brier", "log_loss", "ece"):
                if name == "ece":
                    assert model[name]["low"] <= model[name]["high"]
                else:
                    assert model[name]["low"] <= model[name]["value"] <= model[name]["high"]
            assert 0 < model["mean_prediction"] < 1


def test_the_outlook_is_told_tested_and_explained(demo: Project) -> None:
    metrics = demo.json("data/evaluation/metrics.json")
    timing, value = metrics["timing"], metrics["value"]
    for origin in timing["origins"]:
        assert origin["coverage"]["low"] <= origin["coverage"]["value"] <= origin["coverage"]["high"]
        assert origin["why"]
    # Eighteen months hold no year after a test origin.
    assert (value["kind"], value["origins"]) == ("formula", [])
    assert value["why"] in demo.path("data/reports/marketing.html").read_text(encoding="utf-8")
    scores = demo.table("data/scores/scores.parquet")
    days = scores[["next_order_from", "next_order_expected", "next_order_until"]].to_numpy()
    assert (days[:, 1:] >= days[:, :-1]).all()
    assert days.min() >= 0
    assert days.max() <= timing["follow_up_days"] == 97
    assert scores["act_by"].between("2025-01-01", "2025-04-08").all()
    one = scores.iloc[0]
    assert f"half of such customers by {one['act_by']}" in demo.wafa("explain", one["customer_id"]).stdout


def test_no_model_reads_what_came_after_the_cutoff(demo: Project) -> None:
    outcomes = {"days_to_next_order", "revenue_next_year", "churned", "role", "cutoff", "customer_id"}
    assert outcomes == set(demo.table("data/cohorts/training.parquet").columns)
    texts = [path.read_text(encoding="utf-8") for path in demo.path("data/model").rglob("*.txt")]
    texts += [path.read_text(encoding="utf-8") for path in demo.path("data/model").rglob("features.json")]
    assert len(texts) >= 6
    for text in texts:
        assert "days_since_last_order" in text
        assert not [name for name in outcomes if name in text]


def test_nothing_in_a_dvc_output_names_this_machine_or_this_run(demo: Project) -> None:
    import sqlite3

    with sqlite3.connect(demo.path("mlflow.db")) as base:
        ((run_id,),) = base.execute("select run_uuid from runs").fetchall()
    for path in demo.path("data").rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            content = path.read_bytes()
            assert str(demo.folder).encode() not in content, path
            assert run_id.encode() not in content, path


def test_reasons_add_up_to_the_margin(demo: Project) -> None:
    import numpy as np

    from pipeline.project import model_store

    matrix = demo.table("data/scoring/features.parquet")
    contributions = model_store.read(demo.path("data/model")).contributions(matrix)
    scores = demo.table("data/scores/scores.parquet")
    assert (scores["customer_id"] == matrix["customer_id"]).all()
    assert np.abs(contributions.sum(axis=1) - scores["margin"]).max() < 1e-9
    reasons = demo.table("data/scores/reasons.parquet")
    assert reasons.groupby("customer_id").size().max() <= 3
    assert set(reasons["customer_id"]) <= set(scores["customer_id"])
    # Nobody has a second reason told as the first; of most, one stands out.
    assert reasons["rank"].between(1, 3).all()
    assert (reasons["rank"] == 1).sum() > 0.6 * len(scores)


def test_a_killed_run_is_mended_by_the_next(copy_of_demo: Project) -> None:
    before = copy_of_demo.path("dvc.lock").read_bytes()
    copy_of_demo.path("dvc.lock").write_bytes(b"")
    copy_of_demo.path(".dvc/tmp/rwlock").write_text("{broken", encoding="utf-8")
    done = copy_of_demo.wafa("run")
    assert done.returncode == 0, done.stderr[-2000:]
    assert stages_run(done) == []
    assert copy_of_demo.path("dvc.lock").read_bytes() == before


def test_incremental_features_equal_a_fresh_build(copy_of_demo: Project) -> None:
    fresh = copy_of_demo.hashes("data/features")
    newest = sorted(name for name in fresh if name.endswith(".parquet"))[-1]
    copy_of_demo.path(newest).unlink()
    (copy_of_demo.path("data/features") / "2001-01-01.parquet").write_bytes(b"no longer asked for")
    done = copy_of_demo.stage("build_features")
    assert "1 of" in done.stdout
    assert copy_of_demo.hashes("data/features") == fresh


def test_manifest_accounts_for_every_row(demo: Project) -> None:
    manifest = demo.json("data/events/manifest.json")
    files = [file for log in manifest["logs"].values() for file in log["files"]]
    assert files
    for file in files:
        assert file["rows_read"] == file["accepted"] + file["quarantined"] + file["duplicates"], file["name"]
    assert sum(file["quarantined"] for file in files) > 0
    lines = [json.loads(line) for line in demo.path("state/quarantine/orders.jsonl").read_text().splitlines()]
    assert {"file", "line", "rule"} <= set(lines[0])


def test_fifty_sampled_sentences_agree_with_the_logs(demo: Project) -> None:
    from tests.end_to_end.sentences import false_sentences

    assert not false_sentences(demo, SMALL["scoring__as_of"], "GBP", count=50, seed=1)

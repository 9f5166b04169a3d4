"""A model takes the champion's place only through every gate, and the one before it can come back."""

import shutil

import numpy as np
import pandas as pd
import pytest

from models.calibration import Calibrator
from models.scorer import ChurnModel
from pipeline.champion import champion, gates
from pipeline.champion.champions import CHAMPIONS
from pipeline.evaluation import check_leaks
from pipeline.project import datasets, model_store, shop_features, tracking
from pipeline.project.errors import StaleError
from pipeline.project.question import asked_for

ORIGINS = ("2025-03-01", "2025-06-01")


@pytest.fixture(scope="session")
def shop(shop):
    """The shipped settings with few draws."""
    return shop.model_copy(update={"model": shop.model.model_copy(update={"bootstrap_draws": 60})})


@pytest.fixture(autouse=True)
def unflushed(monkeypatch):
    """Waiting for the disk is all that takes long here."""
    monkeypatch.setattr(datasets, "_sync_file", lambda path: None)
    monkeypatch.setattr(datasets, "_sync_folder", lambda path: None)


@pytest.fixture
def moved(monkeypatch):
    """Hashes of the models that the MLflow alias was moved to."""
    hashes = []
    monkeypatch.setattr(tracking, "move_champion_alias", hashes.append)
    return hashes


@pytest.fixture
def unchecked(monkeypatch):
    """Fails the test if the long check for leaks is run."""
    monkeypatch.setattr(check_leaks, "certify", lambda s: pytest.fail("the check for leaks was run"))


def predictions(noise=0.0, shift=0.0, customers=400, first=0, seed=1, origins=ORIGINS):
    """What a model says of customers whose chance to leave is known to us; ``noise`` spoils its ranking."""
    names = np.array([f"c_{first + n:05d}" for n in range(customers)])
    frames = []
    for place, origin in enumerate(origins):
        rng = np.random.default_rng([7, place, first])
        log_odds = rng.normal(0, 1.5, customers)
        churned = (rng.random(customers) < 1 / (1 + np.exp(-log_odds))).astype("int8")
        spoilt = np.random.default_rng([seed, place]).normal(0, 1, customers)
        said = 1 / (1 + np.exp(-(log_odds + noise * spoilt + shift)))
        blunt = 1 / (1 + np.exp(-(log_odds + 2 * np.roll(spoilt, 1)) / 2))
        frames.append(
            pd.DataFrame({"customer_id": names, "origin": origin, "churned": churned, "wafa": said, "recency": blunt})
        )
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def train(project, model, shop):
    """Leaves data/ as a run does that trained a model with this slope of its calibrator; gives its hash."""

    def run(slope, rows=None, s=shop, **facts):
        orders = datasets.EVENTS / "orders" / "2025-01.parquet"
        orders.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"event_id": ["a", "b", "c"]}).to_parquet(orders)
        book = {"name": "orders.csv", "log": "orders", "rows_read": 6, "accepted": 3, "quarantined": 2, "duplicates": 1}
        datasets.write_json({"logs": {"orders": {"rows": 3, "files": [book]}}}, datasets.EVENTS / "manifest.json")
        events = datasets.sha256(datasets.EVENTS / "manifest.json")
        shutil.rmtree(datasets.MODEL, ignore_errors=True)
        made = ChurnModel(model.ranker, Calibrator("sigmoid", slope, 0.0))
        model_store.write(made, datasets.MODEL, asked_for(s) | {"events_sha256": events} | facts)
        model_store.write(made, datasets.MODEL / "backtest" / ORIGINS[0], {})
        datasets.write_parquet(predictions() if rows is None else rows, datasets.PREDICTIONS, gates.KEY)
        model_hash = model_store.manifest(datasets.MODEL)["model_hash"]
        datasets.write_json(
            {"model_hash": model_hash, "predictions_sha256": datasets.sha256(datasets.PREDICTIONS)}, datasets.METRICS
        )
        return model_hash

    return run


def certify(s, **changes):
    datasets.write_json(
        {
            "verdict": "no leak found",
            "leaking_features": [],
            "columns": ["a", "b", "c", "d"],
            "laws": {"future": {"cells_compared": 1000}},
            "windows_days": list(s.features.windows_days),
            "history_days": s.features.history_days,
            "code_sha256": shop_features.code_hash(),
        }
        | changes,
        datasets.LEAK_CERTIFICATE,
    )


@pytest.fixture
def first(train, shop, moved, unchecked):
    """A project with a first champion and a leak certificate; its hash."""
    model_hash = train(1.0, predictions(noise=0.5))
    certify(shop)
    champion.promote_first(shop)
    return model_hash


def current():
    return model_store.manifest(CHAMPIONS.folder())["model_hash"]


def refused(s, *words):
    """The message of a refusal, which leaves the champion where it is."""
    before = current()
    with pytest.raises(StaleError) as error:
        champion.promote(s)
    assert error.value.exit_code == 3
    assert current() == before
    for word in words:
        assert word in str(error.value)
    return str(error.value)


def test_a_better_model_is_promoted_with_what_it_said(first, train, shop, moved, capsys):
    better = train(1.1, predictions(noise=0.2))
    said = datasets.PREDICTIONS.read_bytes()
    assert champion.promote(shop) == better == current()
    kept = CHAMPIONS.folder().parent
    assert (kept / "predictions.parquet").read_bytes() == said
    assert {place.name for place in kept.iterdir()} == {"model", "predictions.parquet", "promotion.json"}
    assert not (kept / "model" / "backtest").exists()
    assert moved == [first, better]
    out = capsys.readouterr().out
    for gate in ("question", "events", "rows conserved", "evaluation", "not worse", "calibrated", "leaks"):
        assert f"promote: {gate}: " in out
    assert "against champion; 800 rows, 2 origins" in out


def test_a_worse_model_is_refused_with_value_and_limit(first, train, shop, moved):
    train(1.1, predictions(noise=2.5))
    message = refused(
        shop, "not worse: AUROC -0.", "AUROC is lower than that of champion beyond chance", "Keep the champ"
    )
    assert "calibrated: expected calibration error" in message  # so much noise spoils the probabilities as well
    assert "limit promotion.max_ece 0.05" in message
    assert message.count("promote: refused: ") == len(message.splitlines()) == 2
    assert moved == [first]


def limits(shop, **changes):
    return shop.model_copy(update={"promotion": shop.promotion.model_copy(update=changes)})


def test_few_rows_do_not_excuse_a_model_that_is_much_worse(train, shop, moved, unchecked):
    few = {"customers": 50, "origins": ORIGINS[:1]}
    train(1.0, predictions(noise=0.1, **few))
    certify(shop)
    champion.promote_first(shop)
    train(1.1, predictions(noise=0.9, seed=2, **few))
    refused(
        shop,
        "AUROC is lower than that of champion by more than promotion.auroc_margin 0.01; "
        "Brier is higher than that of champion by more than promotion.brier_margin 0.005. ",
    )
    champion.promote(limits(shop, auroc_margin=0.2, brier_margin=0.2))


def test_a_model_as_good_as_the_champion_is_promoted(first, train, shop):
    again = train(1.1, predictions(noise=0.5))
    assert champion.promote(shop) == again


def test_probabilities_that_are_off_are_refused(first, train, shop):
    train(1.1, predictions(noise=0.2, shift=0.6))
    message = refused(shop, "calibrated: expected calibration error 0.", "limit promotion.max_ece 0.05", "season")
    assert "data/evaluation/evaluation.html" in message
    relaxed = limits(shop, max_ece=0.2, brier_margin=0.9)
    found = {gate.name: gate for gate in gates.examine(relaxed, None)}
    assert found["calibrated"].passed


def test_what_chance_alone_does_to_few_rows_is_no_fault_of_calibration(train, shop, moved, unchecked):
    train(1.0, predictions(customers=60, origins=ORIGINS[:1]))
    certify(shop)
    (gate,) = [gate for gate in gates.examine(shop, None) if gate.name == "calibrated"]
    assert gate.passed
    assert "by chance alone" in gate.said


def test_other_events_than_those_of_the_training_are_refused(first, train, shop):
    train(1.1)
    manifest = datasets.read_json(datasets.EVENTS / "manifest.json")
    datasets.write_json(manifest | {"watermark": 1}, datasets.EVENTS / "manifest.json")
    refused(shop, "events: data/events/manifest.json is ", "the model was trained on ", "Run `wafa run`")


@pytest.mark.parametrize("what", ["book", "file"])
def test_rows_that_went_astray_are_refused(first, train, shop, what):
    train(1.1)
    path = datasets.EVENTS / "manifest.json"
    manifest = datasets.read_json(path)
    if what == "book":
        manifest["logs"]["orders"]["files"][0]["accepted"] = 2
        said = "orders.csv: 6 rows of orders read, 5 accounted for"
    else:
        manifest["logs"]["orders"]["rows"] = 4
        said = "data/events/orders holds 3 rows, its manifest says 4"
    datasets.write_json(manifest, path)
    refused(shop, f"rows conserved: {said}", "`wafa check`")


def test_an_answer_to_another_question_is_refused(first, train, shop):
    other = shop.model_copy(update={"cohort": shop.cohort.model_copy(update={"horizon_days": 60})})
    train(1.1, s=other)
    refused(shop, "question: the model was trained with horizon_days 60, not 90", "put params.yaml back")


@pytest.mark.parametrize("damage", ["another model", "other rows", "missing", "cut short"])
def test_an_evaluation_that_is_not_of_this_model_is_refused(first, train, shop, damage):
    train(1.1)
    metrics = datasets.read_json(datasets.METRICS)
    if damage == "another model":
        datasets.write_json(metrics | {"model_hash": first}, datasets.METRICS)
        said = f"data/evaluation/metrics.json belongs to model {first[:12]}"
    elif damage == "other rows":
        datasets.write_parquet(predictions(noise=0.1), datasets.PREDICTIONS, gates.KEY)
        said = "data/evaluation/predictions.parquet is not the file that data/evaluation/metrics.json names"
    elif damage == "missing":
        datasets.PREDICTIONS.unlink()
        said = "data/evaluation/predictions.parquet is missing"
    else:
        datasets.METRICS.write_text("{")
        said = "data/evaluation/metrics.json was cut short"
    refused(shop, f"evaluation: {said}", "Run `wafa run` to evaluate")


def test_a_leak_is_refused(first, train, shop):
    train(1.1)
    certify(shop, verdict="leak found", leaking_features=["orders_so_far"])
    refused(shop, "leaks: data/evaluation/leak_certificate.json names orders_so_far", "take it out of the catalogue")


@pytest.mark.parametrize("change", [None, {"code_sha256": "0"}, {"windows_days": [1]}, {"columns": ["a"]}])
def test_an_old_certificate_is_made_anew_and_said_so(first, train, shop, monkeypatch, capsys, change):
    better = train(1.1)
    certify(shop, **(change or {}))
    if change is None:
        datasets.LEAK_CERTIFICATE.unlink()
    monkeypatch.setattr(check_leaks, "certify", certify)
    assert champion.promote(shop) == better
    assert "leaks: data/evaluation/leak_certificate.json " in capsys.readouterr().out.split("; checking now")[0]


def test_a_check_that_finds_a_leak_refuses(first, train, shop, monkeypatch):
    train(1.1)
    datasets.LEAK_CERTIFICATE.unlink()

    def finds(s):
        certify(s, verdict="leak found", leaking_features=["orders_so_far"])
        raise StaleError("check: feature orders_so_far changed.")

    monkeypatch.setattr(check_leaks, "certify", finds)
    refused(shop, "names orders_so_far")


def test_a_check_that_cannot_be_made_refuses(first, train, shop, monkeypatch):
    train(1.1)
    datasets.LEAK_CERTIFICATE.unlink()

    def fails(s):
        raise StaleError("check: nobody is eligible at any cutoff.")

    monkeypatch.setattr(check_leaks, "certify", fails)
    refused(shop, "leaks: check: nobody is eligible")


def test_without_common_rows_the_baselines_are_met(first, train, shop, capsys):
    better = train(1.1, predictions(noise=0.2, origins=("2025-09-01",)))
    assert champion.promote(shop) == better
    out = capsys.readouterr().out
    assert "the champion judged no customer at the same origins, so it is compared with its baselines: " in out
    assert "against recency" in out
    train(1.2, predictions(noise=3.5, origins=("2025-12-01",)))
    refused(shop, "AUROC is lower than that of recency beyond chance")


def test_a_champion_that_answers_another_question_is_not_compared(first, train, shop, capsys):
    other = shop.model_copy(update={"cohort": shop.cohort.model_copy(update={"horizon_days": 60})})
    asked = train(1.1, predictions(noise=0.5), other)
    assert champion.promote(other) == asked
    assert "the champion answers another question, so it is compared with its baselines" in capsys.readouterr().out


def test_a_check_changes_nothing(first, train, shop, moved):
    train(1.1, predictions(noise=0.2))
    before = {path: path.read_bytes() for path in datasets.STATE.rglob("*") if path.is_file()}
    assert all(gate.passed for gate in champion.check(shop))
    train(1.2, predictions(noise=2.5))
    with pytest.raises(StaleError, match="not worse"):
        champion.check(shop)
    assert {path: path.read_bytes() for path in datasets.STATE.rglob("*") if path.is_file()} == before
    assert moved == [first]


def test_the_champion_itself_is_not_promoted_again(first, train, shop, capsys):
    place = CHAMPIONS.folder()
    assert champion.promote(shop) == first
    assert CHAMPIONS.folder() == place
    assert "is the champion already" in capsys.readouterr().out


def test_the_first_model_is_promoted_and_what_was_not_checked_is_said(train, shop, moved, unchecked, capsys):
    model_hash = train(1.0, predictions(shift=1.5))
    assert not CHAMPIONS.is_there()
    assert champion.promote_first(shop) == model_hash == current()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"champion: first model promoted ({model_hash[:12]})"
    assert "champion: not checked: not worse (there is no champion yet)" in lines
    assert any(line.startswith("champion: not checked: leaks (data/evaluation/leak_certificate") for line in lines)
    assert any(line.startswith("champion: warning: calibrated: expected calibration error 0.") for line in lines)


def test_a_first_model_without_an_evaluation_scores_all_the_same(train, shop, moved, unchecked):
    model_hash = train(1.0)
    datasets.PREDICTIONS.unlink()
    assert champion.promote_first(shop) == model_hash == current()
    certify(shop)
    train(1.1)
    champion.promote(shop)  # against the baselines, since the first model's predictions are unknown


@pytest.fixture
def three(first, train, shop):
    """Three champions, one after the other."""
    hashes = [first]
    for slope in (1.1, 1.2):
        hashes.append(train(slope, predictions(noise=0.5 - slope / 10)))
        champion.promote(shop)
    return hashes


def test_a_rollback_goes_back_champion_by_champion(three, moved):
    first, second, third = three
    assert current() == third
    assert champion.rollback() == second == current()
    assert champion.rollback() == first == current()
    with pytest.raises(StaleError, match="no earlier champion"):
        champion.rollback()
    assert current() == first
    assert moved == [first, second, third, second, first]


def test_a_withdrawn_model_stays_until_the_next_promotion(three, train, shop):
    withdrawn = CHAMPIONS.folder().parent
    champion.rollback()
    assert (withdrawn / "model").is_dir()
    again = train(1.3, predictions(noise=0.1))
    champion.promote(shop)
    assert not withdrawn.exists()
    assert champion.rollback() == three[1]
    assert again not in three


def test_a_damaged_earlier_champion_is_not_gone_back_to(three):
    pointer = datasets.read_json(datasets.CHAMPION_POINTER)
    (datasets.CHAMPIONS / pointer["previous"][0] / "model" / "model.txt").write_text("")
    with pytest.raises(StaleError, match=r"model\.txt: not the file"):
        champion.rollback()
    assert current() == three[2]


def test_a_damaged_champion_does_not_stand_in_the_way(three, train, shop, capsys):
    (CHAMPIONS.folder() / model_store.MANIFEST).write_text("{")
    assert champion.rollback() == three[1]
    (CHAMPIONS.folder() / model_store.MANIFEST).write_text("{")
    again = train(1.2, predictions(noise=0.1))
    champion.promote(shop)
    assert current() == again
    assert "not the manifest that was written" in capsys.readouterr().out


def test_the_same_model_mends_a_damaged_copy_of_itself(first, shop):
    (CHAMPIONS.folder() / "model.txt").write_text("")
    champion._install(gates.examine_first(shop))
    model_store.read(CHAMPIONS.folder())
    assert current() == first


def test_only_so_many_champions_are_kept(first, train, shop, monkeypatch):
    monkeypatch.setattr(gates, "examine", lambda s, rival: [])
    for n in range(champion.KEPT + 3):
        train(1.1 + n / 10, predictions(noise=0.5 - n / 100))
        champion.promote(shop)
    assert len(list(datasets.CHAMPIONS.iterdir())) == 1 + champion.KEPT
    assert len(datasets.read_json(datasets.CHAMPION_POINTER)["previous"]) == champion.KEPT


def test_a_damaged_pointer_is_refused_and_mended_by_a_promotion(three, train, shop, capsys):
    for content in ("", "[]", '{"current": "../model", "previous": []}', '{"current": 1, "previous": []}'):
        datasets.CHAMPION_POINTER.write_text(content)
        with pytest.raises(StaleError, match=r"champion\.json: was damaged.*Run `wafa promote`"):
            CHAMPIONS.folder()
    again = train(1.3, predictions(noise=0.1))
    assert champion.promote(shop) == again == current()
    assert champion.rollback() == three[2]


def test_a_champion_from_before_the_pointer_is_refused_and_replaced(train, shop, moved, unchecked):
    train(1.0)
    shutil.copytree(datasets.MODEL, datasets.CHAMPION)
    manifest = datasets.read_json(datasets.CHAMPION / model_store.MANIFEST)
    del manifest["manifest_hash"]
    datasets.write_json(manifest, datasets.CHAMPION / model_store.MANIFEST)
    with pytest.raises(StaleError, match="lacks the key manifest_hash"):
        model_store.read(CHAMPIONS.folder())
    assert not CHAMPIONS.is_there()  # so that `wafa run` promotes the next model
    champion.promote_first(shop)
    model_store.read(CHAMPIONS.folder())
    assert not datasets.CHAMPION.exists()


def test_predictions_that_were_damaged_are_not_compared_with(first, train, shop, capsys):
    kept = CHAMPIONS.folder().parent / "predictions.parquet"
    kept.write_bytes(kept.read_bytes()[:100])
    train(1.1, predictions(noise=0.2))
    champion.promote(shop)
    assert "the champion's predictions were not kept" in capsys.readouterr().out


def test_state_of_a_champion_is_private(first):
    assert datasets.CHAMPIONS.stat().st_mode & 0o777 == 0o700

"""Each mistake in params.yaml is one sentence that names file, key, value and cure."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.project import settings
from pipeline.project.errors import ParamsError

ROOT = Path(__file__).parents[2]
SECTIONS = ", ".join(sorted(settings.Settings.model_fields))


def complaint(text: str) -> str:
    with pytest.raises(ParamsError) as refused:
        settings.parse(text)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        pytest.param(
            "demo: [shop]",
            "demo: [shop]\nreprots: 1",
            f"params.yaml: unknown key reprots. Known keys here: {SECTIONS}.",
            id="unknown section",
        ),
        pytest.param(
            "scoring:",
            "scorign:",
            f"params.yaml: unknown key scorign. Did you mean 'scoring'? Known keys here: {SECTIONS}. "
            "(1 more after this one.)",
            id="misspelt section",
        ),
        pytest.param(
            "  horizon_days: 90",
            "  horizont_days: 90",
            "params.yaml: unknown key cohort.horizont_days. Did you mean 'horizon_days'? Known keys here: active_days, "
            "gap_days, horizon_days, max_cutoffs, min_history_days, test_origins, test_spacing_months. "
            "(1 more after this one.)",
            id="misspelt key",
        ),
        *(
            pytest.param("own_logs: {}", f"{wrong}\n  own_logs: {{}}", f"params.yaml: sources.database{told}", id=wrong)
            for wrong, told in {
                "database: postgresql://u:hush@h/d": " should be a valid dictionary or instance of DatabaseSettings. "
                "Correct the value.",
                "database: {url_from: 'postgresql://u:hush@h/d'}": ".url_from must be the name of an environment "
                "variable, and not what it holds. Correct the value.",
                "database: {url_from: 'host=h password=hush'}": ".url_from must be the name of an environment "
                "variable, and not what it holds. Correct the value.",
            }.items()
        ),
        pytest.param(
            "{file: orders.csv}",
            "{table: postgresql://u:hush@h/d}",
            "params.yaml: sources.logs.orders.table must be the name of a table or view, as table or schema.table, "
            "and no SQL. Correct the value.",
            id="connection string for a table",
        ),
        pytest.param(
            "{file: orders.csv}",
            "{table: 'orders; drop table orders'}",
            "params.yaml: sources.logs.orders.table must be the name of a table or view, as table or schema.table, "
            "and no SQL. Correct the value.",
            id="SQL for a table",
        ),
        pytest.param(
            "win_back: {budget: 500",
            "win_back: {budgte: 500",
            "params.yaml: unknown key campaigns.lists.win_back.budgte. Did you mean 'budget'? Known keys here: arms, "
            "bands, budget, every_days, holdout_share, max_cost, min_probability, min_value, on.",
            id="misspelt key of a list",
        ),
        pytest.param(
            "{file: orders.csv}",
            "{file: orders.csv, delimeter: ;}",
            "params.yaml: unknown key sources.logs.orders.delimeter. Did you mean 'delimiter'? Known keys here: "
            "arrival_delay_days, bad_file, columns, constants, decimal_comma, delimiter, drop_where, duplicates, "
            "encoding, events, file, format, min_rows, round_money, table, time_format, timezone, values.",
            id="misspelt key of a log",
        ),
        pytest.param(
            "horizon_days: 90",
            "horizon_days: -3",
            "params.yaml: cohort.horizon_days should be greater than or equal to 1, got -3. Correct the value.",
            id="negative horizon",
        ),
        pytest.param(
            "horizon_days: 90",
            "horizon_days: 30d",
            "params.yaml: cohort.horizon_days should be a valid integer, unable to parse string as an integer, "
            "got '30d'. Correct the value.",
            id="wrong type",
        ),
        pytest.param(
            "windows_days: [30, 90, 365]",
            "windows_days: [30, 90d, 365]",
            "params.yaml: features.windows_days.1 should be a valid integer, unable to parse string as an integer, "
            "got '90d'. Correct the value.",
            id="wrong type in a list",
        ),
        pytest.param(
            "  gap_days: 7",
            "  # gap_days: 7",
            "params.yaml: the key cohort.gap_days is missing. Add it; the shipped params.yaml explains it.",
            id="missing key",
        ),
        pytest.param(
            'as_of: "2026-01-01"',
            'as_of: "2026-13-01"',
            "params.yaml: scoring.as_of must be a date such as 2026-01-31, got '2026-13-01'. Correct the value.",
            id="bad date",
        ),
        pytest.param(
            'as_of: "2026-01-01"',
            "as_of: 2026-01-01",
            'params.yaml: scoring.as_of should be a valid string, got a bare date. Put it in quotes: "2026-01-01".',
            id="date without quotes",
        ),
        pytest.param(
            "timezone: Europe/London",
            "timezone: Europe/Londn",
            "params.yaml: shop.timezone must be an IANA time zone such as Europe/London, got 'Europe/Londn'. "
            "Correct the value.",
            id="bad time zone",
        ),
        pytest.param(
            "medium_from: 0.40",
            "medium_from: 0.70",
            "params.yaml: scoring.medium_from must be below high_from (0.66), got 0.7. Correct the value.",
            id="thresholds the wrong way round",
        ),
        pytest.param(
            "medium_from: 0.40",
            "medium_from: 0.66",
            "params.yaml: scoring.medium_from must be below high_from (0.66), got 0.66. Correct the value.",
            id="equal thresholds",
        ),
        pytest.param(
            "demo: [shop]",
            "demo: [shop, other]",
            "params.yaml: demo must be [shop] or [], got ['shop', 'other']. Correct the value.",
            id="unknown demo",
        ),
        pytest.param(
            "shop:\n",
            "shop: Demo\n_:\n",
            f"params.yaml: unknown key _. Known keys here: {SECTIONS}. (1 more after this one.)",
            id="value where a section belongs",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_file_key_value_and_cure(shipped, written, instead, said):
    assert written in shipped
    assert complaint(shipped.replace(written, instead, 1)) == said


def test_broken_yaml_names_the_line(shipped):
    line = shipped[: shipped.index("  medium_from")].count("\n") + 1
    said = complaint(shipped.replace("medium_from: 0.40", "medium_from: 0.40\n  medium_from: 0.30"))
    assert said.startswith(f"params.yaml line {line + 1}: not readable as YAML (found duplicate key")
    assert complaint("shop: [1, 2").startswith("params.yaml line 1: not readable as YAML")


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "- a\n- b\n", "null\n"])
def test_a_file_without_sections_is_refused(text):
    assert complaint(text) == "params.yaml: must hold sections such as 'shop:' and 'cohort:', found none."


def test_a_missing_file_says_where_to_stand(project):
    with pytest.raises(ParamsError, match=r"^params\.yaml: not found in .*Run from the project's top folder\.$"):
        settings.load()


def test_a_file_that_is_not_utf_8_says_so(project, shipped):
    (project / "params.yaml").write_bytes(shipped.replace("Demo shop", "Café").encode("latin-1"))
    with pytest.raises(ParamsError, match=r"^params\.yaml: not UTF-8 at byte \d+\. Save the file as UTF-8\.$"):
        settings.load()


@pytest.mark.parametrize(("written", "value"), [("1e-2", 0.01), ("0.01", 0.01), ("1.0e-02", 0.01)])
def test_a_number_with_an_exponent_is_a_number_as_it_is_for_dvc(shipped, written, value):
    text = shipped.replace("learning_rate: 0.05", f"learning_rate: {written}")
    assert YAML(typ="safe", pure=True).load(text)["model"]["learning_rate"] == value
    assert settings.parse(text).model.learning_rate == value


@pytest.mark.parametrize("word", ["on", "off", "yes", "no"])
def test_a_word_that_older_yaml_took_for_a_truth_value_stays_a_word(shipped, word):
    text = shipped.replace("name: Demo shop", f"name: {word}")
    assert YAML(typ="safe", pure=True).load(text)["shop"]["name"] == word
    assert settings.parse(text).shop.name == word


FILES = [ROOT / "params.yaml", *sorted((ROOT / "examples").glob("*/params.yaml"))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_shipped_params_are_valid(file):
    s = settings.load(file)
    assert s.shop.currency == s.sources.currency
    assert s.instant(s.scoring.as_of) > 0


def test_there_are_examples_to_check():
    assert len(FILES) > 2


def test_settings_cannot_be_changed_after_reading(shop):
    with pytest.raises(ValueError, match="frozen"):
        shop.cohort.horizon_days = 30


def test_a_date_begins_at_midnight_of_the_shop(shipped):
    karachi = settings.parse(shipped.replace("timezone: Europe/London", "timezone: Asia/Karachi"))
    london = settings.parse(shipped)
    assert london.instant("2026-01-01") - karachi.instant("2026-01-01") == 5 * 3_600_000_000

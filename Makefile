# Needs git, make and Python >= 3.11; everything else comes from requirements.lock into .venv.
.DEFAULT_GOAL := help
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1
# DVC keeps a pickle-based index outside the project by default, in a folder anybody can write to.
export DVC_SITE_CACHE_DIR := $(CURDIR)/.dvc/tmp/site

.PHONY: help setup spark run test stress lint docs bench-features ui clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

setup: .venv/ready  ## Make the environment

.venv/spark: .venv/ready requirements-spark.lock
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-spark.lock
	@touch $@

spark: .venv/spark  ## Add Apache Spark to the environment (450 MB; needs Java 17)

run: setup  ## Simulate a shop (or read yours), train, score, list, report; then say what to open
	wafa run

test: setup lint  ## Everything once, small numbers (15 minutes at most)
	python -m pytest -m "not stress" -n 2 --dist loadfile --no-loadscope-reorder

stress: setup  ## The big counts: thousands of mutations and worlds
	python -m pytest -m stress

lint: setup  ## ruff and mypy --strict
	ruff format --check .
	ruff check .
	mypy

docs: setup  ## Write docs/features.md and docs/events.md from their declarations
	python -m pipeline.project.document_features
	python -m pipeline.project.document_logs

ifeq ($(SIZE),full)
BENCH := --customers 200000 --events 10000000
BENCH_SCALE := --customers 1000000 --events 100000000
else
BENCH := --customers 20000 --events 1000000
BENCH_SCALE := --customers 100000 --events 10000000
endif
bench-features: setup  ## Time and memory of the features, beside SQL, pandas and featuretools; SIZE=full needs 10 GB of disk
	python -m benchmarks.features.against_sql $(BENCH)
	python -m benchmarks.features.against_peers pandas $(BENCH)
	python -m benchmarks.features.against_peers featuretools $(BENCH) --repetitions 1
	python -m benchmarks.features.scale $(BENCH_SCALE)
	rm -rf build/bench/shop-*

ui: setup  ## Browse the experiments in MLflow on http://127.0.0.1:5000
	mlflow server --host 127.0.0.1 --port 5000 --backend-store-uri sqlite:///mlflow.db

clean:  ## Remove what a run made, but not state/ (vault, champion, outbox)
	find data -mindepth 1 ! -name README.md -delete
	rm -rf mlruns mlflow.db .pytest_cache .mypy_cache .ruff_cache

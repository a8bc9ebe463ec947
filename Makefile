# The menu. `make run` and `make test` set up everything they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
PORT ?= 8000
SPARK := .venv-spark

.PHONY: help setup run demo test test-spark lint format docs bench clean

help:
	@echo "make run    set up, load the demo plan, serve http://127.0.0.1:$(PORT)/   (PORT=8001 for another)"
	@echo "make demo   the same without serving"
	@echo "make test   set up and run every test"
	@echo "make test-spark  the measures on PySpark against DuckDB, in an environment of its own (Java 17, 500 MB)"
	@echo "make lint   ruff, mypy, import-linter"
	@echo "make docs   write the generated pages of docs/"

$(VENV)/made: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/made-dev: requirements-dev.txt $(VENV)/made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.env: $(VENV)/made
	@$(BIN)/python deploy/write_env.py

setup: $(VENV)/made .env

run: setup
	@exec $(MANAGE) serve --demo --port $(PORT)

demo: setup
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) load_star_reference
	@$(MANAGE) load_demo --if-empty

test: setup $(VENV)/made-dev
	@$(BIN)/python -m pytest

$(SPARK)/made: requirements.txt requirements-dev.txt requirements-spark.txt
	@test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -r requirements-spark.txt
	@touch $@

# One process: its tests share one Spark session.
test-spark: $(SPARK)/made
	@$(SPARK)/bin/python -m pytest tests/spark -n 0

lint: setup $(VENV)/made-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mypy

format: $(VENV)/made-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup
	@$(MANAGE) write_docs

bench: setup
	@$(MANAGE) bench

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ARGS ?=
.DEFAULT_GOAL := help

help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable '.[all]' --group dev
	@touch $@

venv: $(BIN)/.ready ## make .venv with Toril, all its extras and the tools for its tests

demo: venv ## run the main job: a worker, a local mailbox, 300 mails (DEMO_ARGS="--once --json")
	@$(BIN)/toril demo $(DEMO_ARGS)

test: export PYTHONDONTWRITEBYTECODE :=# the tests start hundreds of processes: the first compiles for all
test: venv ## run all tests, the fast ones first; print branch coverage, which must be 90 %
	$(BIN)/python -m pytest -q -m "not slow" -n 4 --dist worksteal --cov --cov-report=term:skip-covered --cov-fail-under=90
	$(BIN)/python -m pytest -q -m slow -n 2 --dist worksteal

lint: venv ## ruff, mypy strict, formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: venv ## measure jobs, a backlog of a million, mail and web requests, each beside a bare loop or client
	$(BIN)/python -m bench
	$(BIN)/python -m bench.backlog
	$(BIN)/python -m bench.mail
	$(BIN)/python -m bench.requests

.PHONY: help venv demo test lint bench

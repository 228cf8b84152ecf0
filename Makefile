# The door to the house. `make` lists what there is.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What is compiled once is kept: dozens of processes start, and would compile all of Django each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test lint fmt bench soak screenshots install pins clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install ## run everything on this machine (PORT=8001 for another port)
	@exec $(BIN)/python manage.py im run

test: install ## run the tests (T=path for some of them)
	@exec .ci/test $(T)

lint: install ## every static check of the gate
	@exec .ci/lint

fmt: install ## format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

bench: install ## ours, a bare loop and the ratio (benchmarks/)
	@exec $(BIN)/python -m benchmarks $(T)

soak: install ## the crash test for 15 minutes (SECONDS=900)
	@IM_SOAK_SECONDS=$${SECONDS:-900} exec .ci/test tests/test_crash.py

screenshots: install ## pictures of every page, light and dark (screenshots/)
	@IM_SCREENSHOTS=1 exec .ci/test -m screenshots tests/browser/test_screenshots.py

install: $(STAMP) ## the virtual environment, from the pins

$(STAMP): requirements-uv.txt requirements-dev.txt
	@echo "• Installing into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements-dev.txt
	@touch $(STAMP)

pins: install ## renew the pins from pyproject.toml
	@$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header --quiet \
		pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header --quiet \
		pyproject.toml --extra dev -c requirements.txt -o requirements-dev.txt

clean: ## remove the virtual environment and caches (not the data)
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis staticfiles

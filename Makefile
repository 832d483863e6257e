# `make` alone prints the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := .venv-peers

.DEFAULT_GOAL := help
.PHONY: help demo test check soak bench format clean

help:  ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "vane needs Python 3.11 or newer: $(PYTHON) was not found"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "vane needs Python 3.11 or newer; try: make PYTHON=python3.11"; exit 1; }
	@echo "making $(VENV) and installing (once, a minute or two; xgboost is large)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,dask,dev]'
	@touch $(STAMP)

demo: $(STAMP)  ## train on real bars, judge, register, replay the last year
	@$(BIN)/vane demo

test: $(STAMP)  ## run every test
	@$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report= -m 'not soak'
	@printf 'branch coverage, at least 90: '; $(BIN)/python -m coverage report --format=total --fail-under=90

check: $(STAMP)  ## lint (ruff) and types (mypy strict)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

soak: $(STAMP)  ## the long counts of the fault and honesty tests
	@$(BIN)/python -m pytest -m soak

# Peers that the main environment's versions exclude. Resolved together, or their common needs outgrow the oldest; one by
# one only where that fails, so that none keeps the others away.
$(PEERS)/.installed: benchmarks/peers.txt
	@echo "making $(PEERS) for the benchmarks' peers (once, a minute)"
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@install='$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check'; \
		if $$install -r $<; then touch $@; else for peer in $$(cat $<); do \
			$$install $$peer || echo "$$peer could not be installed: its rows will say absent"; \
		done; fi

bench: $(STAMP) $(PEERS)/.installed  ## measure against the peers, write docs/performance.md
	@$(BIN)/python -c 'import polars' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,dask,dev,bench]' || \
		echo "peers of the extra 'bench' could not be installed: their rows will say absent"
	@$(BIN)/python -m benchmarks --page docs/performance.md

format: $(STAMP)  ## mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:  ## remove the environment and caches
	@rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

# Set-up is part of every target: a bare machine needs Python 3.11 or newer and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint types unit wheel bench bench-finetune format clean

$(BIN)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e .
	touch $@

$(BIN)/.dev: $(BIN)/.base
	$(BIN)/pip install -q -e '.[dev]'
	touch $@

demo: $(BIN)/.base
	$(BIN)/avreplay demo --out demo-output

test: lint types unit wheel

lint: $(BIN)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.dev
	mkdir -p build/types
	ln -sfn ../.. build/types/avreplay
	cd build/types && $(BIN)/mypy --config-file ../../pyproject.toml \
	  -p avreplay.core -p avreplay.cache -p avreplay.extract -p avreplay.evaluate -m avreplay.cli -m avreplay

unit: $(BIN)/.dev
	$(BIN)/python -m pytest -q

wheel: $(BIN)/.dev
	sh tests/smoke_wheel.sh $(BIN)/python

bench: $(BIN)/.dev
	$(BIN)/python benchmarks/replay_vs_twin.py --out benchmarks/results/replay_vs_twin.json
	$(BIN)/python benchmarks/ovavel_vs_twin.py --out benchmarks/results/ovavel_vs_twin.json
	$(BIN)/python benchmarks/curves.py --out benchmarks/results

bench-finetune: $(BIN)/.dev
	$(BIN)/python benchmarks/finetune_made.py --out benchmarks/results/finetune_made.json

format: $(BIN)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist demo-output *.egg-info

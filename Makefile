# Set-up is part of every target: a bare machine needs Python 3.11 or newer and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test quick crash lint types unit pythons oldest docs wheel backbones backbones-v4 backbones-v5 full-size gpu-check weights-check fuzz bench bench-finetune format clean

$(BIN)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e .
	touch $@

$(BIN)/.dev: $(BIN)/.base
	$(BIN)/pip install -q -e '.[dev]'
	touch $@

demo: $(BIN)/.base
	$(BIN)/avreplay demo --out demo-output

test: lint types unit pythons docs wheel backbones

# Everything but real processes, media and what takes seconds: for the minutes between two edits.
quick: $(BIN)/.dev
	$(BIN)/python -m pytest -q -n auto -m "not (process or media or slow)"

# Every command that writes, killed at each of its file operations, and refused each of them.
crash: $(BIN)/.dev
	cd tests && $(BIN)/python -m crash

lint: $(BIN)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# percent of the public API that pyright must find typed
TYPE_COMPLETENESS ?= 98

types: $(BIN)/.dev
	mkdir -p build/types
	ln -sfn ../.. build/types/avreplay
	cd build/types && $(BIN)/mypy --config-file ../../pyproject.toml \
	  -p avreplay.core -p avreplay.cache -p avreplay.extract -p avreplay.evaluate -m avreplay.cli -m avreplay
	$(BIN)/python tests/type_completeness.py $(TYPE_COMPLETENESS)

unit: $(BIN)/.dev
	$(BIN)/python -m pytest -q -n auto --dist loadfile

# Mutants of everything that comes from outside, each in a process of its own: tracebacks, hangs, crashes, memory, what is
# accepted and is wrong. The mutants that went wrong are kept in build/fuzz.
N ?= 10000
SEED ?= 0
fuzz: $(BIN)/.dev
	PYTHONPATH=tests:benchmarks $(BIN)/python -m fuzz --count $(N) --seed $(SEED)

$(BIN)/.docs: $(BIN)/.base
	$(BIN)/pip install -q -e '.[docs]'
	touch $@

# Warnings are errors; the tutorials run. Nothing is downloaded.
docs: $(BIN)/.docs
	$(BIN)/python -m sphinx -q -W -n --keep-going -b html -d build/doctrees docs build/docs
	@echo "the site: build/docs/index.html"

# Environments are kept for the next run; KEEP=no removes each as soon as its tests have passed, so that one of 2 GB is on
# the disk at a time.
KEEP ?= yes
DONE_WITH = $(if $(filter no,$(KEEP)),rm -rf,@: kept:)

# Later Pythons have later releases of the dependencies (NumPy, Zarr, PyAV): the newest are tested there, the oldest that
# are allowed on the oldest Python. Where a Python is not installed a line says so.
VENVS ?= .venvs

pythons: python-3.12 python-3.13 oldest

# what lies between the oldest and the newest Python, with the packages of the newest: what depends on either
ON_3.12 := $(addprefix tests/test_,public_api.py store.py store_urls.py verify.py reading.py cli.py golden_replay.py \
  golden_ovavel.py ranking_golden.py predictions_parquet.py types.py reprs.py lazy.py threads.py)

python-%:
	sh tests/on_python.sh $* $(VENVS)/python-$* newest $(ON_$*)
	$(DONE_WITH) $(VENVS)/python-$*

oldest:
	sh tests/on_python.sh 3.11 $(VENVS)/oldest oldest
	$(DONE_WITH) $(VENVS)/oldest

wheel: $(BIN)/.dev
	sh tests/smoke_wheel.sh $(BIN)/python

# LanguageBind needs transformers 4 and PE-AV transformers 5: the backbones are tested in two environments. The versions
# of torch and torchvision are those of which plain pip takes CPU builds. torchaudio and pytorchvideo do not import beside
# them; their Python modules serve as reference from a folder of their own.
V4 := $(VENVS)/v4
V5 := $(VENVS)/v5
TORCH := torch==2.13.0 torchvision==0.28.0
TESTING := pytest pytest-timeout soundfile hypothesis

$(V4)/.ready: pyproject.toml
	$(PYTHON) -m venv $(V4)
	$(V4)/bin/pip install -q $(TORCH) $(TESTING) decord==0.6.0 transformers==4.57.6 -e '.[laion-clap,languagebind]'
	$(V4)/bin/pip install -q --no-deps --upgrade --target $(V4)/reference torchaudio==2.11.0 pytorchvideo==0.1.5 \
	  laion_clap==1.1.7
	touch $@

$(V5)/.ready: pyproject.toml
	$(PYTHON) -m venv $(V5)
	$(V5)/bin/pip install -q $(TORCH) $(TESTING) transformers==5.23.0 -e '.[clip-clap,pe-av]' torchcodec==0.13.0 'av<19'
	$(V5)/bin/avreplay install imagebind
	$(V5)/bin/pip install -q --no-deps --upgrade --target $(V5)/reference torchaudio==2.11.0 pytorchvideo==0.1.5
	touch $@

# torchcodec 0.13 is the last of which plain pip takes a CPU build. It needs shared libraries of FFmpeg 4 to 8, by their
# plain names; the wheel of PyAV 18 brings those of FFmpeg 8 with a hash in the name: libavcodec-1a2b.so.62.28.102 is
# linked as libavcodec.so.62, too.
$(V5)/ffmpeg/.ready: $(V5)/.ready
	mkdir -p $(@D)
	for lib in $(abspath $(V5))/lib/python*/site-packages/av.libs/*.so*; do \
	  ln -sf $$lib $(@D)/; \
	  ln -sf $$lib $(@D)/$$(basename $$lib | sed 's/-[0-9a-f]*\(\.so\.[0-9]*\).*/\1/'); \
	done
	touch $@

# What both environments would show alike is run in one. Every encoder's checkpoint form goes through weights-check in
# `make full-size`, and half precision of encoders that differ in their pictures alone.
BOTH_ALIKE := not throughput and not generated_films
IN_V4 := $(BOTH_ALIKE) and not ((invariance or weights_check) and not languagebind)
IN_V5 := not full_size and not ((mobileclip2 or siglip2) and compiling) and \
  not (weights_check and (pe_av or pe_core or siglip2 or mobileclip2 or imagebind)) and \
  not (invariance and float16 and (pe_core or siglip2 or mobileclip2 or pe_av))

backbones: backbones-v4 backbones-v5

backbones-v4: $(V4)/.ready
	$(V4)/bin/python -m pytest -q -k '$(IN_V4)' $(addprefix tests/backbones/test_, \
	  clip_clap.py laion_clap.py languagebind.py gpu_check.py invariance.py weights_check.py hub.py published_forms.py)
	$(DONE_WITH) $(V4)

backbones-v5: $(V5)/.ready $(V5)/ffmpeg/.ready
	$(V5)/bin/python -m pytest -q -k '$(IN_V5)' $(addprefix tests/backbones/test_, \
	  clip_clap.py imagebind.py pe_av.py pe_frames.py hub.py convert_weights.py published_forms.py versions.py \
	  image_and_clap.py invariance.py shared_weights.py weights_check.py)
	LD_LIBRARY_PATH=$(abspath $(V5))/ffmpeg $(V5)/bin/python -m pytest -q tests/backbones/test_torchcodec.py
	$(DONE_WITH) $(V5)

# The published sizes: up to 10 GB of memory and many minutes; one process a model, so that its memory is given back.
full-size: $(V4)/.ready $(V5)/.ready
	$(V4)/bin/python -m pytest -q --timeout 3600 tests/full_size/test_languagebind.py
	$(V5)/bin/python -m pytest -q --timeout 3600 tests/full_size/test_imagebind.py
	$(V5)/bin/python -m pytest -q --timeout 3600 tests/full_size/test_pe_av.py
	$(V4)/bin/python -m pytest -q $(addprefix tests/backbones/test_,invariance.py weights_check.py)
	$(V5)/bin/python -m pytest -q $(addprefix tests/backbones/test_,invariance.py weights_check.py)

# Everything that only a GPU can show, 45 minutes of one; goes on where it was stopped. GPU="--small --device cpu" shows
# on any machine that it works.
GPU ?= --device cuda
gpu-check: $(V4)/.ready $(V5)/.ready
	$(V5)/bin/python benchmarks/gpu_check.py --python languagebind=$(V4)/bin/python $(GPU)

# Published weights that are at hand, for whoever has them: loads each, compares its rows, writes JSON.
# WEIGHTS="--download" fetches them; WEIGHTS="--small" shows with small ones on any machine that it works.
WEIGHTS ?=
weights-check: $(V4)/.ready $(V5)/.ready
	$(V5)/bin/python benchmarks/weights_check.py --python languagebind=$(V4)/bin/python $(WEIGHTS)

bench: $(BIN)/.dev
	$(BIN)/python benchmarks/replay_vs_twin.py --out benchmarks/results/replay_vs_twin.json
	$(BIN)/python benchmarks/exact_plane.py --out benchmarks/results/exact_plane.json
	$(BIN)/python benchmarks/ovavel_vs_twin.py --out benchmarks/results/ovavel_vs_twin.json
	$(BIN)/python benchmarks/extract_vs_released.py --out benchmarks/results/extract_vs_released.json
	$(BIN)/python benchmarks/isolation.py --out benchmarks/results/isolation.json
	$(BIN)/python benchmarks/curves.py --out benchmarks/results

bench-finetune: $(BIN)/.dev
	$(BIN)/python benchmarks/finetune_made.py --out benchmarks/results/finetune_made.json

format: $(BIN)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist demo-output docs/tutorials_run *.egg-info

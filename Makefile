# `make demo` and `make test` work on a machine with nothing but Python 3.11 (or 3.12) and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
BIN := .venv/bin
STUDY ?= demo

.PHONY: setup demo test test-long test-cluster check bench bench-gpu clean

setup: .venv/.installed

# uv, because plain pip may pick a CPU-only torch that torchaudio cannot load.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 13) else "spoofsweep needs Python 3.11 or 3.12; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'
	touch $@

# A real sweep on the sample corpus, then ten evaluation files, drawn by seed, judged by its champion.
demo: setup
	$(BIN)/spoofsweep sweep $(STUDY)
	$(BIN)/spoofsweep spot-check $(STUDY) --num-files 10 --seed 1

test: check

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Whole detectors, exported and compressed, populations, folds, drivers and preparation killed:
# about half an hour on two cores.
test-long: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m long

# Real clusters on this machine, as root: apt-get install slurm-wlm munge openssh-server rsync iproute2. What is not there is
# skipped with its reason. About a quarter of an hour on two cores.
test-cluster: setup
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev,cluster]'
	$(BIN)/python -m pytest -m cluster

# What needs no corpus but the sample, best on an otherwise idle machine: about three quarters of an hour on two cores.
bench: setup
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/sweep_overhead.py
	$(BIN)/python benchmarks/simulator_speed.py
	$(BIN)/python benchmarks/stream_latency.py
	$(BIN)/python benchmarks/server_load.py
	$(BIN)/python benchmarks/prep_speed.py
	$(BIN)/python benchmarks/feature_speed.py
	$(BIN)/python benchmarks/augmentation_speed.py
	$(BIN)/python benchmarks/prep_scale.py
	$(BIN)/python benchmarks/prep_kill.py
	$(BIN)/python benchmarks/training_throughput.py
	$(BIN)/python benchmarks/packing.py --device cpu

# What a GPU is to show, into results/gpu: training beside other pipelines, trials that share the GPU, lower precision.
bench-gpu: setup
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/training_throughput.py --device cuda
	$(BIN)/python benchmarks/packing.py --device cuda
	$(BIN)/python benchmarks/precision.py --device cuda --seeds 5

clean:
	rm -rf .venv results/studies results/shards results/mlflow.db results/mlartifacts

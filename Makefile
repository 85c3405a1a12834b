# plainscan: `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo test check fix fuzz bench docs paper weights thresholds maps clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(READY)  ## a virtual environment with every version pinned

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)  ## synthetic DICOM + reports -> trained, judged classifier -> runs/demo/report.html
	$(BIN)/plainscan run configs/demo.toml

test: $(READY)  ## every check: lint, types, layers, docs, doctests, unit and end-to-end tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

check: $(READY)  ## all but the slow tests: trainings, servers, end to end
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow"

fix: $(READY)  ## format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fuzz: $(READY)  ## 100,000 mutated files against another reader (about ten minutes; needs DCMTK)
	$(BIN)/python -m tests.dicom.fuzz 100000

bench: $(READY)  ## speed and memory as ratios, each against a peer in one run
	$(BIN)/python benchmarks/run_all.py

docs: $(READY)  ## the generated pages: MODEL_CARD.md and config, command-line, modules and more in docs/reference
	$(BIN)/python docs/generate.py

paper: $(READY)  ## the 2020 study's cohort, split by image and by patient (long: see configs/zhang2020.toml)
	$(BIN)/plainscan run configs/zhang2020.toml

# A step asks for the same blocks of hundreds of megabytes again and again: glibc shall keep them, not give them back.
weights: export MALLOC_MMAP_THRESHOLD_ = 8589934592
weights: export MALLOC_TRIM_THRESHOLD_ = 17179869184
weights: $(READY)  ## train one more piece from the shipped weights and put it in their place (long: see configs/weights.toml); REAL=RUN checks int8 there too
	$(BIN)/plainscan run configs/weights.toml
	$(BIN)/python -m plainscan.stages.ship runs/weights configs/weights.toml docs/weights.toml
	$(BIN)/python -m plainscan.stages.quantize plainscan runs/weights $(REAL)
	$(BIN)/python docs/generate.py

thresholds: $(READY)  ## choose the shipped weights' probabilities and thresholds again, without training; REAL=RUN checks int8 there too
	$(BIN)/plainscan run configs/thresholds.toml
	$(BIN)/python -m plainscan.stages.thresholds runs/thresholds docs/weights.toml $(REAL)
	$(BIN)/python docs/generate.py

maps: $(READY)  ## the shipped weights' heat maps on synthetic patients never seen: against masks, and their checks
	$(BIN)/python benchmarks/heat_maps.py runs/maps

clean:  ## remove what was made, keep runs/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build dist

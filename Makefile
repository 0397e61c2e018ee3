# Everything a fresh clone needs: Python 3.11 or newer, make, and a package registry for pip.

# The first that runs and is new enough; to be found is not enough, since version managers leave names that do not run.
PYTHON ?= $(shell for one in python3 python3.13 python3.12 python3.11 python; do \
	$$one -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$one && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STORE ?= ./dicomlake-data
GALLERY ?= build/gallery
# Of `make soak`: how long, operations a second, where soak.json and soak.txt go
SOAK ?= 30
RATE ?= 20
OUT ?= /tmp/dicomlake-soak

# Of `make torture`: where the archive is (folder, bucket, both), kills and minutes of each, a seed to do it again
PLACE ?= both
KILLS ?= 200
MINUTES ?= 20
SEED ?=
# Of `make bench-scale`: synthetic instances, and a folder in which the archive stays (26 GB at 28000000)
SIZE ?= 2800000
FOLDER ?=

.PHONY: help setup run test lint unit tools gallery torture soak bench bench-scale clean

help:
	@echo "make setup   make .venv with dicomlake and what its tests need"
	@echo "make run     start the archive on $(STORE), with seven small sample studies if it is new"
	@echo "make test    lint and all tests"
	@echo "make lint    ruff and mypy"
	@echo "make gallery a page with the rendered picture of every sample file, in $(GALLERY)"
	@echo "make torture three nodes on one store, killed 200 times while clients write; PLACE, KILLS, MINUTES, SEED"
	@echo "make soak    mixed load on two nodes for half an hour, and whether memory or files grow; SOAK, RATE, OUT"
	@echo "make bench   how to measure"
	@echo "make bench-scale  an archive of 2.8 million synthetic instances, made and measured; SIZE, FOLDER"

setup: $(STAMP)

# Made again when the project file changes; otherwise at no cost.
$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make setup PYTHON=..."; exit 1; }
	@echo "making $(VENV) with dicomlake and what its tests need; this takes a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[test]'
	@touch $(STAMP)

# The viewers are fetched beside the server, which shows them once they are there; where they cannot be, it goes without.
run: setup
	@( $(BIN)/dicomlake viewers install --optional & ); $(BIN)/dicomlake serve --store $(STORE) --samples

test: lint unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: setup tools
	$(BIN)/python -m pytest -n 2 --dist worksteal

# A browser and DCMTK's programs, which some tests are made with: installed where that can be done without asking
# (root on Debian and its kin), else named; the tests that need what is missing are skipped and say so.
tools:
	@missing=""; \
	command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || missing="chromium"; \
	command -v storescu >/dev/null 2>&1 || missing="$$missing dcmtk"; \
	test -z "$$missing" && exit 0; \
	if test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1; then \
		echo "installing$${missing:+ }$$missing for the tests"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; } \
			>/dev/null 2>&1 && exit 0; \
	fi; \
	echo "not on this machine, so the tests that need it are skipped: $$missing"

gallery: setup
	$(BIN)/python -m tests.gallery $(GALLERY)

torture: setup
	$(BIN)/python -m tests.torture --store $(PLACE) --kills $(KILLS) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

soak: setup
	$(BIN)/python -m tests.torture.soak --minutes $(SOAK) --rate $(RATE) --out $(OUT)

bench:
	@echo "Figures are taken with dwbench, a black-box benchmark for DICOMweb servers. Start an empty archive:"
	@echo "  $(BIN)/dicomlake serve --store /tmp/bench-store --http-port 8080 --dicom-port 0 --no-log-access"
	@echo "and in dwbench's folder run:"
	@echo "  python -m dwbench run --dicomweb http://127.0.0.1:8080/dicom-web --pid SERVER_PID --out mine.json"
	@echo "Parts by themselves:"
	@echo "  $(BIN)/python -m tests.benchmarks.service_costs"
	@echo "  $(BIN)/python -m tests.benchmarks.catalog_scale --studies 10000"
	@echo "  $(BIN)/python -m tests.benchmarks.commit_contention --nodes 1 4 8"

bench-scale: setup
	$(BIN)/python -m tests.benchmarks.scale --instances $(SIZE) $(if $(FOLDER),--keep $(FOLDER))

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

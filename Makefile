# The comment before a target is its help.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# A Python that umbel supports; give another one with `make PYTHON=/path/to/python …`.
ifndef PYTHON
PYTHON := $(shell for python in python3.11 python3.12 python3.10 python3; do \
	$$python -c '' 2>/dev/null && { echo $$python; break; }; done)
endif
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINS := -c constraints.txt
DEMO := examples/digits_cascade/demo.py
PEERS := .venv-peers
# KServe's own client, which the conformance tests let talk to umbel.
KSERVE := .venv-kserve

# Those that start Ray run one after the other: two of them share HAProxy's ports.
FAST := -m "not ray and not slow" --numprocesses logical --maxprocesses 4 --dist worksteal
SLOW := -m "slow and not ray" --numprocesses 2 --dist loadfile
RAY := -m "ray and not soak"

# The stamps: what stands in .venv. Newer pins or extras make them old.
MADE := $(VENV)/.made
TO_RUN := $(VENV)/.installed-to-run
TO_TEST := $(VENV)/.installed-to-test
TO_BENCH := $(VENV)/.installed-to-bench

.PHONY: demo test soak check docs format bench kube node clean help

# Install, train the example's models, serve them on Ray, send a request, shut down
demo: $(TO_RUN)
	@$(BIN)/python $(DEMO)

# Install what is missing and run the tests: fast ones, slow ones, those that start Ray
test: export UMBEL_KSERVE_PYTHON = $(CURDIR)/$(KSERVE)/bin/python
test:
	@$(MAKE) --no-print-directory --jobs=2 $(TO_TEST) $(KSERVE)/.made
	@$(BIN)/python -m pytest $(FAST) $(ARGS); fast=$$?; \
	$(BIN)/python -m pytest $(SLOW) $(ARGS); slow=$$?; \
	$(BIN)/python -m pytest $(RAY) $(ARGS); ray=$$?; \
	test $$ray -lt 128 || sed '/^Extension modules/d' .pytest_cache/crash; \
	for one in $$fast $$slow $$ray; do \
		test $$one = 0 -o $$one = 5 || exit 1; done  # 5: ARGS names none of them

# The tests that keep a Ray under load for minutes
soak: $(TO_TEST)
	@$(BIN)/python -m pytest -m soak $(ARGS)

# What a change has to pass: lint, format, types and the fast tests
check: $(TO_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(FAST) $(ARGS)

# Write the pages that are made from the code
docs: $(TO_TEST)
	@UMBEL_WRITE_DOCS=1 $(BIN)/python -m pytest -q tests/docs

# Measure umbel beside its peers: about two hours, or minutes with ARGS=--quick
bench: $(TO_BENCH) $(PEERS)/.made
	@$(BIN)/python benchmarks/run.py $(ARGS)

# Install etcd, build Kubernetes' API servers (Debian's sources, half an hour), get Helm: for tests
kube: $(MADE)
	@tests/k8s/real_api_server/build.sh build/kube
	@tests/k8s/real_api_server/build_newer.sh build/kube
	@tests/k8s/real_api_server/get_helm.sh build/kube $(BIN)/python

# Build a kubelet and umbel's image for the tests with a real node, as root
# (half an hour; IMAGE_OPTIONS="--volume …" for pip's configuration)
node:
	@tests/k8s/real_node/build.sh build/kube
	@tests/k8s/real_node/image.sh build/node $(IMAGE_OPTIONS)

# Put the code into shape
format: $(TO_TEST)
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

# Remove everything that was made, .venv and trained models included
clean:
	rm -rf $(VENV) $(PEERS) $(KSERVE) .azurite build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf src/*.egg-info examples/*/models examples/*/feature_repo/data benchmarks/models
	find graph nodes transformers explainers serving k8s src tests examples \
		-name __pycache__ -type d -prune -exec rm -rf {} +

# This list
help:
	@awk '/^# / { words = substr($$0, 3); next } \
		/^[a-z]+:/ && words { split($$0, name, ":"); printf "  make %-7s %s\n", name[1], words } \
		{ words = "" }' Makefile

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "umbel needs Python 3.10 to 3.12: make PYTHON=/path/to/python …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		$(MAKE) --no-print-directory apt PACKAGES=python$$($(PYTHON) -c \
		'import sys; print("%d.%d" % sys.version_info[:2])')-venv
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(TO_RUN): pyproject.toml constraints.txt $(MADE)
	@echo "installing umbel with Ray, scikit-learn and PyTorch into $(VENV)"
	@$(PIP) $(PINS) -e '.[ray,sklearn,torch]'
	@touch $@

$(TO_TEST): pyproject.toml constraints.txt $(MADE)
	@echo "installing umbel and what its tests need into $(VENV)"
	@$(PIP) $(PINS) -e '.[test]'
	@$(BIN)/python -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || \
		$(MAKE) --no-print-directory apt PACKAGES=libgomp1
	@command -v redis-server >/dev/null || \
		$(MAKE) --no-print-directory apt PACKAGES=redis-server
	@command -v docker-registry >/dev/null || \
		$(MAKE) --no-print-directory apt PACKAGES=docker-registry
	@test -e .azurite/node_modules || ! command -v npm >/dev/null || \
		npm install --silent --no-audit --no-fund --prefix .azurite azurite@3.35.0
	@touch $@ $(TO_RUN)

$(TO_BENCH): pyproject.toml constraints.txt $(MADE)
	@echo "installing umbel and what its benchmarks need into $(VENV)"
	@$(PIP) $(PINS) -e '.[ray,sklearn,torch,image]'
	@touch $@

# KServe, BentoML and LitServe want other versions of what umbel uses: an environment of theirs.
$(PEERS)/.made: benchmarks/peers.txt $(MADE)
	@echo "installing the peers of the benchmarks into $(PEERS)"
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	@touch $@

$(KSERVE)/.made: $(MADE)
	@echo "installing KServe's client into $(KSERVE)"
	@test -x $(KSERVE)/bin/python || $(PYTHON) -m venv $(KSERVE)
	@$(KSERVE)/bin/python -m pip install --quiet --disable-pip-version-check kserve==0.21.0 'kubernetes<37'
	@touch $@

# System packages, only where one is missing: Debian keeps Python's venv module in a package of
# its own, LightGBM needs the OpenMP library, the shared cache's tests a Redis, and those of models
# in images a registry. Azurite, Microsoft's emulator of its blob storage, comes from npm where
# there is one: without it these tests are skipped.
.PHONY: apt
apt:
	@command -v apt-get >/dev/null || { echo "please install: $(PACKAGES)" >&2; exit 1; }
	@as_root=$$(test "$$(id -u)" = 0 || echo sudo); \
	$$as_root apt-get update -qq && $$as_root apt-get install -y -qq $(PACKAGES)

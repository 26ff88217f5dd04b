# `make` alone lists the targets: the words after ## are the list.
#
# Settings, on the command line:
#   PYTHON=python3.12   the Python that .venv is made from (3.10 or newer)
#   TORCH=cpu           the small torch build without CUDA. For a new .venv: one that
#                       has torch already keeps it (`make clean` first)

PYTHON ?= python3
TORCH ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/uv pip install --compile-bytecode --python $(BIN)/python \
    -c constraints.txt \
    $(if $(TORCH),--torch-backend=$(TORCH))

# Each install leaves a stamp, so the second time costs nothing until one of these
# changes. The name holds TORCH: another choice is another install.
SPEC := pyproject.toml constraints.txt
stamp = $(VENV)/.installed-$(1)$(if $(TORCH),-torch-$(TORCH))

.DEFAULT_GOAL := help
.PHONY: help setup workshop lab test test-all slow lint notebooks html slides bench figures clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' \
	    $(firstword $(MAKEFILE_LIST))
	@echo "  add TORCH=cpu for the small torch build, PYTHON=python3.12 for another Python"

setup: $(call stamp,base) ## make .venv and install the library in it

workshop: setup ## the main job: what are unlabelled images worth? (5 minutes)
	$(BIN)/workshop quickstart

lab: $(call stamp,dev) ## open JupyterLab (at notebook 01, where there is one)
	$(BIN)/jupyter lab $(firstword $(wildcard notebooks/01_*.ipynb))

lint: $(call stamp,test) ## style and types: ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# As many workers as a small machine has cores, with a thread each: two trainings at
# once, of a thread each, are done before one after the other with two. A file stays with
# a worker, which keeps what its tests share.
WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Exit code 5 means "no test has this mark", which is no failure of the slow ones.
test: lint ## style, types, tests, and all notebooks; 15 minutes on two cores
	$(PYTEST) -m "not slow"
	WORKSHOP_PRESET=ci $(PYTEST) --nbval-lax --nbval-cell-timeout 300 notebooks/solutions

test-all: test slow ## and the slow tests

slow: $(call stamp,test) ## slow tests alone: browser, decks, killed and several processes
	$(PYTEST) -m slow || test $$? -eq 5

notebooks: $(call stamp,test) ## make notebooks/*.ipynb from notebooks/src
	$(BIN)/workshop notebooks

# The notebooks are executed once, then written as one page each, light and dark. A page
# holds its pictures; formulas are typeset where there is a network.
PRESET ?= class
PAGES ?= notebooks/solutions/*.ipynb
NBCONVERT = $(BIN)/jupyter nbconvert
AS_PAGE = --to html --template pages --embed-images \
    --TemplateExporter.extra_template_basedirs=notebooks

html: $(call stamp,test) ## executed solutions to read, into runs/html (PRESET=ci: quick)
	CI=1 WORKSHOP_PRESET=$(PRESET) $(NBCONVERT) --to notebook --execute \
	    --ExecutePreprocessor.timeout=-1 --output-dir runs/html/notebooks $(PAGES)
	$(NBCONVERT) $(AS_PAGE) --output-dir runs/html runs/html/notebooks/*.ipynb
	$(NBCONVERT) $(AS_PAGE) --theme dark --output-dir runs/html/dark \
	    runs/html/notebooks/*.ipynb

slides: setup ## build the decks into slides/build (needs npm, Chromium); SHORT=1: the short path
	$(BIN)/python -m slides.decks

bench: setup ## five seeds of the main job's comparison, then speed, into runs/bench (long)
	$(BIN)/python -m benchmarks.mini_eo
	$(BIN)/python -m benchmarks.speed

figures: setup ## draw the pictures of docs/ from the benchmark's results
	$(BIN)/python -m benchmarks.mini_eo --draw

clean: ## remove .venv and the tools' caches; runs/ and data/ stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf slides/build slides/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv brings torch in under a minute; pip, which every Python has, brings uv.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	    echo "Python 3.10 or newer is needed, and '$(PYTHON)' is not that." >&2; \
	    echo "Install one, or name it: make workshop PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "'$(PYTHON)' cannot make virtual environments: it lacks ensurepip." >&2; \
	    echo "On Debian or Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt uv
	@touch $@

$(call stamp,base): $(VENV)/.made $(SPEC)
	$(INSTALL) -e .
	@touch $@

$(call stamp,test): $(VENV)/.made $(SPEC)
	$(INSTALL) -e '.[test]'
	@touch $@

$(call stamp,dev): $(VENV)/.made $(SPEC)
	$(INSTALL) -e '.[dev]'
	@touch $@

# Everything a developer or a user types. `make help` lists it.

PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.setup
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup run verify gradcheck mutants reproduce analysis test test-full test-browser test-engines lint format bench docs sync dashboard clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Nothing is compiled ahead, unless Python is told to write no bytecode itself: that takes as long as
# all else, and most of it is never imported.
$(SETUP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gradient-ninja needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile) --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(SETUP) ## Make .venv with the pinned dependencies, once

export DATA

# Another word list has a study, claims and a report of its own beside the default ones. What Hydra,
# a shell or make read as more than a letter is a "-" in their name.
run: setup ## The main job: the default sweep, its claims, the report, the answer; DATA=words.txt
	@words=$$(basename -- "$$DATA" | sed 's/\.[^.]*$$//; s/[^A-Za-z0-9._-]/-/g'); \
	study=gradient_health$${words:+-$$words}; \
	path=$$(printf %s "$$DATA" | sed 's/["\\]/\\&/g'); \
	$(BIN)/python run.py -m experiment=gradient_health study=$$study $${words:+"data.path=\"$$path\""}; test $$? -le 1 || exit 2; \
	code=0; $(BIN)/python -m experiments gradient_health --runs outputs/$$study --failed || code=$$?; \
	$(BIN)/python -m analysis report outputs/$$study $${words:+--out reports/$$words} && exit $$code

verify: setup ## The lecture's 26 rows against autograd, exercises 2 and 3, the gap
	$(BIN)/python -m ninja verify

gradcheck: setup ## Every rule against central differences and torch.autograd.gradcheck
	$(BIN)/python -m ninja gradcheck

mutants: setup ## Every known mistake, and which check catches it
	$(BIN)/python -m ninja mutants

reproduce: setup ## What is known of gradients, measured and held to it; STUDY=name, QUICK=1, DATA=words.txt
	$(BIN)/python -m experiments $(STUDY) $(if $(QUICK),--quick) $(if $(DATA),--data "$$DATA")

analysis: setup ## The report of what was run: reports/index.html, report.md, summary.csv, figures/
	$(BIN)/python -m analysis report

test: lint ## Style, types, layers and the fast tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not slow and not engines and not browser'

test-full: setup ## The slow proofs, and the report in a browser
	$(BIN)/python -m pytest -n $$(( $(JOBS) + 1 )) --dist load --maxschedchunk 1 -m 'slow or browser'

test-browser: setup ## The report in a real browser: Debian's chromium
	$(BIN)/python -m pytest -n 1 -m browser

test-engines: setup ## Ray's and Slurm's proofs, with real clusters; tests/slurm.sh starts a Slurm
	$(BIN)/python -m pytest -n 1 -m engines

lint: setup ## Ruff, basedpyright (strict on ninja/), import-linter
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/basedpyright --threads $(JOBS)
	$(BIN)/lint-imports

format: setup ## Let ruff fix and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## The performance claims: ratios within one run
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/probe.py
	$(BIN)/python benchmarks/watch.py
	$(BIN)/python benchmarks/tracker.py
	$(BIN)/python benchmarks/lecture.py
	$(BIN)/python benchmarks/sweep.py --share 6

docs: setup ## The handbook as a site, in site/; fails on a dead link
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

sync: setup ## Send W&B what it has missed of the runs in outputs
	$(BIN)/python -m ninja sync

dashboard: setup ## W&B's workspace and report of the runs in outputs; saved where there is a server
	$(BIN)/python -m analysis dashboard

clean: ## Remove what was made, the environment too
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist outputs reports site

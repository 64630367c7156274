# The daily commands. `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
PYTHON_IN_VENV := .venv/bin/python

# May be set on the command line: make lab LAB_ARGS="--no-browser --port 8890"
LAB_ARGS ?=
AGAIN ?=
STORED ?=
NOTEBOOKS ?=
LESSONS ?=
PINS_ARGS ?=
COVERAGE ?=

.PHONY: help lab test unit-tests lessons test-browser fuzz mutants lesson-faults exercises outputs figures runs lesson-times bench bench-quick pins cifar10 format clean

help: ## Show this list
	@awk -F ' ## ' '/^[a-z0-9-]+:.* ## / { sub(/:.*/, "", $$1); printf "  make %-14s%s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Settings (make TARGET NAME=value):'
	@echo '  AGAIN="03 05"                         lab: put these lessons back, or all; yours are kept'
	@echo '  STORED=yes                            lab: open notebooks/ itself, with the stored outputs'
	@echo '  LAB_ARGS="--no-browser --port 8890"   lab: passed on to JupyterLab'
	@echo '  PYTHON=/path/to/python3.12            the Python for .venv (3.11, 3.12 or 3.13)'
	@echo '  TORCH=no                              leave PyTorch out from now on; TORCH=yes adds it'
	@echo '  COURSE_DATASET=cifar10                run the lessons on the full-size dataset'
	@echo
	@echo "On Linux, pip's own PyTorch carries GPU code, several GB. pip's settings"
	@echo '(PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS) are honoured: point them at a CPU build.'

# The lessons that are run here are not the learner's: their log is another one.
test lessons lesson-faults outputs figures lesson-times: export COURSE_EXPERIMENTS = $(CURDIR)/build/experiments.sqlite

lab: ## Install what is missing and open your copies of the lessons (AGAIN= STORED= LAB_ARGS=)
	@bash tools/setup.sh lab
	@$(PYTHON_IN_VENV) tools/lab.py $(if $(AGAIN),--again $(AGAIN)) $(if $(filter yes,$(STORED)),--stored) $(LAB_ARGS)

test: ## Check everything: lint, unit tests, then every cell of every lesson
	@bash tools/setup.sh test
	@echo '== 1/4 lint'
	@$(PYTHON_IN_VENV) -m ruff check .
	@echo '== 2/4 format'
	@$(PYTHON_IN_VENV) -m ruff format --check .
	@echo '== 3/4 unit tests; beside them 4/4 lessons, which are shown when they are through'
	@$(MAKE) --no-print-directory -j2 unit-tests lessons
	@echo 'All checks passed.'

# What takes long and guards what rarely changes is left to continuous integration, and so is
# counting the lines, which takes a third more processor time.
unit-tests: ## Run the unit tests alone (SLOW=yes: the slow ones too; COVERAGE=yes: count lines)
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) -m pytest tests $(if $(filter yes,$(SLOW)),,-m "not slow") \
	    $(if $(filter yes,$(COVERAGE)),--cov=helpers --cov-fail-under=95)

# A cell takes less than 120 s, but not where it shares the processor and computes in a
# number format that it does not have (COURSE_BFLOAT16). Bars that show what takes long differ
# from run to run.
lessons: ## Run every cell of the lessons alone, and compare the outputs (NOTEBOOKS=)
	@bash tools/setup.sh test
	@mkdir -p build
	@TQDM_DELAY=600 $(PYTHON_IN_VENV) -m pytest --nbval --nbval-current-env --nbval-cell-timeout=600 \
	    --nbval-sanitize-with tests/nbval_sanitize.cfg -p no:cacheprovider \
	    $(or $(NOTEBOOKS),notebooks/0*.ipynb notebooks/solutions/*.ipynb) >build/lessons.txt 2>&1; \
	    outcome=$$?; cat build/lessons.txt; exit $$outcome

# Warnings are shown only: a browser that ends badly must not hide what the lessons did.
test-browser: ## Run the lessons in a real browser, keep screenshots in build/ (LESSONS="03 05")
	@bash tools/setup.sh test
	@LESSONS="$(LESSONS)" $(PYTHON_IN_VENV) -m pytest -v -W default tests/browser

fuzz: ## Damage thousands of files at random, kill 100 trainings (FUZZ=20 KILLS=100)
	@bash tools/setup.sh test
	@FUZZ=$(or $(FUZZ),20) KILLS=$(or $(KILLS),100) $(PYTHON_IN_VENV) -m pytest -q tests/test_fuzz.py \
	    tests/test_kills.py tests/model_files/test_load.py

mutants: ## Put faults into helpers/, count what the tests catch (SAMPLE=200 SEED= START= MODULES=); hours
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) tools/mutants.py --sample=$(or $(SAMPLE),0) --seed=$(or $(SEED),0) \
	    --start=$(or $(START),0) $(MODULES)

lesson-faults: ## Put faults into the course, see that the check of the lessons notices (FAULTS=); half an hour
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) tools/lesson_faults.py $(FAULTS)

exercises: ## Make the notebooks of exercises and solutions from helpers/exercises/
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) tools/exercise_notebooks.py
	@$(PYTHON_IN_VENV) tools/store_outputs.py notebooks/solutions/*.ipynb

outputs: ## Run the lessons anew and store their outputs (NOTEBOOKS="notebooks/03_...")
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) tools/store_outputs.py $(NOTEBOOKS)

figures: ## Measure what the lessons state, with ten seeds (NOTEBOOKS= JOBS=); an hour
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) tools/measure_figures.py $(NOTEBOOKS)

runs: ## Train with ten seeds what is stored: the baseline of the experiments, learning rates
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) tools/store_runs.py

lesson-times: ## Measure how long each lesson runs, for the README (NOTEBOOKS=)
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) benchmarks/lesson_times.py $(NOTEBOOKS)

cifar10: ## Fetch the full-size dataset, or lay out the archive that lies in data/
	@bash tools/setup.sh lab
	@$(PYTHON_IN_VENV) -m helpers.datasets cifar10

format: ## Format code and notebooks, and mend what the linter can
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) -m ruff check --fix .
	@$(PYTHON_IN_VENV) -m ruff format .

bench: ## Measure every claim about speed beside its peers, on CIFAR-10; an hour
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) benchmarks/bench.py

bench-quick: ## Most of it in five minutes; fails where a figure misses its limit
	@bash tools/setup.sh test
	@$(PYTHON_IN_VENV) benchmarks/bench.py --quick

pins: ## Pin the packages of requirements*.in (PINS_ARGS=--upgrade for newer versions)
	@bash tools/setup.sh lab
	@$(PYTHON_IN_VENV) -m pip install --quiet uv
	@$(PYTHON_IN_VENV) tools/pin.py $(PINS_ARGS)

clean: ## Remove .venv, build/ and caches; lessons and data stay
	@rm -rf .venv build helpers.egg-info .pytest_cache .ruff_cache .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -path ./.venv -prune -o -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +
	@! test -e data/cifar10 || echo 'Kept data/cifar10, which takes long to download again.'
	@! test -e data/prepared || echo 'Kept data/prepared, decoded images of folders; delete it as you like.'

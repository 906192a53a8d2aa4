# Every target sets up what it needs first: a virtual environment with the locked packages.
PYTHON ?= python3
STUDY ?= params/miniature.yaml
CORES ?=# how many to use; default: all of this machine, or what the profile says
PROFILE ?=# where jobs run: a directory of params/profiles, or a path; default: this machine
ARGS ?=# more options of Snakemake's: ARGS="--dry-run"
CONFIG ?=# values to replace in the study: CONFIG="sampling.samples=8 lora.epochs=5"
KILLS ?= 200# of `make faults`
TORCH_INDEX ?=# an index to take torch from, where its build for this machine is not the default one
CHOSEN := $(STUDY) $(if $(CORES),--cores $(CORES)) $(if $(PROFILE),--profile $(PROFILE)) \
	$(foreach change,$(CONFIG),--config '$(change)')
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: study plan figures test faults lab lint lock clean

study: $(READY)  ## run a study to its report: make study STUDY=params/x.yaml CORES=n PROFILE=slurm
	@$(BIN)/python -m longcot run $(CHOSEN) $(ARGS)

plan: $(READY)  ## what would run, and how much of it
	@$(BIN)/python -m longcot plan $(CHOSEN)

figures: $(READY)  ## draw a study's figures again from its stored traces
	@$(BIN)/python -m longcot.run.redraw $(STUDY) $(foreach change,$(CONFIG),--config '$(change)')

test: $(READY) lint  ## the tests
	$(BIN)/python -m pytest -n $(or $(CORES),$(shell nproc))

faults: $(READY)  ## kill stages and a small study at random moments, half an hour: make faults KILLS=200
	$(BIN)/python tests/faults/kill.py --kills $(KILLS)

lab: $(READY)  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

lint: $(READY)  ## ruff, on the notebooks too
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)) and "Python 3.11 or 3.12 is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(BIN)/python -m pip install -q -r requirements.lock
	$(BIN)/python -m pip install -q --no-build-isolation --no-deps -e .
	touch $@

lock:  ## resolve the direct dependencies of pyproject.toml anew
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install -q torch==2.13.0 setuptools wheel $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(VENV)-lock/bin/pip install -q '.[test]'
	$(VENV)-lock/bin/pip freeze --all --exclude longcot --exclude pip | grep -v -i -E '^(nvidia|cuda|triton)' \
		| sed 's/+cpu$$//' > requirements.lock
	rm -rf $(VENV)-lock build lib/*.egg-info

clean:  ## remove the virtual environment; runs/ stays
	rm -rf $(VENV)

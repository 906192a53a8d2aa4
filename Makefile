# Every target sets up what it needs first: a virtual environment with the locked packages.
PYTHON ?= python3# which makes the environment: 3.11 to 3.14
STUDY ?= params/miniature.yaml# a file of params, or a run directory
CORES ?=# how many to use; default: all of this machine, or what the profile says
PROFILE ?=# where jobs run: a directory of params/profiles, or a path; default: this machine
ARGS ?=# more options of Snakemake's: ARGS="--dry-run"
CONFIG ?=# values to replace in the study: CONFIG="sampling.samples=8 lora.epochs=5"
KILLS ?= 200# of `make faults`
GPUS ?=# which NVIDIA GPUs to use: GPUS=0,1; default: all that are visible
VLLM ?=# another vLLM than that of `make engine`, its path
TORCH_INDEX ?=# an index to take torch from, where its build for this machine is not the default one
CHANGED := '$(STUDY)' $(foreach change,$(CONFIG),--config '$(change)')
CHOSEN := $(CHANGED) $(if $(CORES),--cores $(CORES)) $(if $(PROFILE),--profile $(PROFILE))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# A lock into an environment: by uv, which takes seconds, or where that cannot be had by pip, which takes minutes. Its
# modules are compiled at once: where Python may not write (a shared environment, PYTHONDONTWRITEBYTECODE), each process
# would compile anew all that it imports.
install = { $(1)/bin/python -m pip install -q uv \
	&& $(1)/bin/uv pip install -q --compile-bytecode --python $(1)/bin/python -r $(2); } \
	|| $(1)/bin/python -m pip install -q -r $(2)

export GPUS VLLM

.PHONY: help study plan figures test faults lab engine lint lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@awk -F '[ ?=]+|# ' '/^[A-Z_]+ \?=.*# ?/ { printf "%-13s %s\n", $$1 "=", substr($$0, index($$0, "#") + 2) }' $(firstword $(MAKEFILE_LIST))

study: $(READY)  ## run a study to its report: make study STUDY=params/x.yaml CORES=n PROFILE=slurm
	@$(BIN)/longcot run $(CHOSEN) $(if $(ARGS),-- $(ARGS))

plan: $(READY)  ## what would run, and how much of it
	@$(BIN)/longcot plan $(CHOSEN)

figures: $(READY)  ## draw a study's figures again from its stored traces
	@$(BIN)/longcot figures $(CHANGED)

test: $(READY) lint  ## the tests
	$(BIN)/python -m pytest -n $(or $(CORES),$(shell nproc))

faults: $(READY)  ## kill stages and a small study at random moments, half an hour: make faults KILLS=200
	$(BIN)/python tests/faults/kill.py --kills $(KILLS)

lab: $(READY)  ## JupyterLab on the project; what it saves of notebooks/ is their source
	$(BIN)/python -m jupyter lab --ContentsManager.pre_save_hook=longcot.files.notebook_source.as_committed

engine: $(VENV)-vllm/.ready  ## vLLM in an environment of its own, for studies that start it (NVIDIA GPU; some GB)

$(VENV)-vllm/.ready: requirements-vllm.lock
	rm -rf $(VENV)-vllm && $(PYTHON) -m venv $(VENV)-vllm
	$(call install,$(VENV)-vllm,requirements-vllm.lock)
	touch $@

lint: $(READY)  ## ruff, on the notebooks too
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14) and "Python 3.11 to 3.14 is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -c 'import os, shutil, sys, sysconfig as c; sys.exit(sys.version_info >= (3, 14) and not (os.path.exists(c.get_path("include") + "/Python.h") and shutil.which("cc")) and "Python 3.14 needs its headers and a C compiler, as immutables (of snakemake) has no wheel for it: install python3.14-dev and gcc, or make PYTHON=python3.13 ...")'
	$(PYTHON) -c 'import os, re, sys; sys.exit(re.search(r"[:{$$\n]", os.getcwd()) and "no environment can be made under a path with a colon, brace, dollar sign or line end: move the project")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(call install,$(VENV),requirements.lock)
	$(BIN)/python -m pip install -q --no-build-isolation --no-deps -e .
	touch $@

lock:  ## resolve the direct dependencies of pyproject.toml anew
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install -q torch==2.13.0 setuptools wheel $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(VENV)-lock/bin/pip install -q '.[test]'
	$(VENV)-lock/bin/pip freeze --all --exclude longcot --exclude pip | grep -v -i -E '^(nvidia|cuda|triton)' \
		| sed 's/+cpu$$//' > requirements.lock
	rm -rf $(VENV)-lock build lib/*.egg-info
	$(BIN)/python -m pip install -q uv
	printf 'vllm==0.25.0\ntransformers==5.17.0\n' | $(BIN)/uv pip compile -q - --no-annotate --no-header \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 -o requirements-vllm.lock

clean:  ## remove the virtual environments; runs/ stays
	rm -rf $(VENV) $(VENV)-vllm

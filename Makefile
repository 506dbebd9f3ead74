# make demo      run the package on real data; figures go to ./demo_output
# make test      linters, type checks and the quick test suite
# make test-all  linters, type checks and all tests
# make lint      linters and type checks
# make docs      build the documentation in docs/_build/html
# make clean     remove build outputs
#
# make release-check  build the distributions, and try them in empty environments with
#                     the oldest and the newest dependencies
# make mutants        change the code at 30 random places, and count the changes that the
#                     tests notice (a tool in the environment .mutants-venv)
# make test-clients   run the snippets of tests/clients, with libraries of others, in the
#                     environment .clients-venv
#
# The other commands create the virtual environment .venv first, and update it if
# pyproject.toml or constraints.txt has changed. On Linux the default index installs
# torch with CUDA (several GB). To use the CPU build, run
#
#   make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
VENV ?= .venv
PIP ?= $(VENV)/bin/python -m pip
PIP_ARGS ?=
CLIENTS_VENV ?= .clients-venv
MUTANTS_VENV ?= .mutants-venv
DEMO_OUTPUT ?= demo_output
WORKERS ?= 2

TESTS ?= -m "not slow"

.PHONY: demo test test-all test-clients mutants lint docs release-check clean

demo: $(VENV)/.installed
	$(VENV)/bin/python examples/demo.py $(DEMO_OUTPUT)

# On two cores, two workers of one thread are faster than one worker of two threads.
test: lint
	SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 \
		$(VENV)/bin/python -m pytest -q -n $(WORKERS) --dist worksteal $(TESTS) $(PYTEST_ARGS)

test-all:
	$(MAKE) test TESTS=

test-clients: $(CLIENTS_VENV)/.installed
	OMP_NUM_THREADS=1 $(CLIENTS_VENV)/bin/python -m pytest -q --confcutdir=tests/clients \
		tests/clients/test_clients.py $(PYTEST_ARGS)

mutants: $(VENV)/.installed $(MUTANTS_VENV)/.installed
	$(MUTANTS_VENV)/bin/python .ci/mutants.py --python $(VENV)/bin/python $(MUTANTS_ARGS)

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/codespell
	$(VENV)/bin/mypy

docs: $(VENV)/.installed-docs
	$(VENV)/bin/python -m sphinx -W -b html docs docs/_build/html

# In environments of its own, without pytest on the newest versions: see .ci/release_check.py
release-check:
	$(PYTHON) .ci/release_check.py --pip-args="$(PIP_ARGS)" $(RELEASE_ARGS)

clean:
	rm -rf build dist docs/_build docs/gallery docs/api demo_output *.egg-info

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install $(PIP_ARGS) -c constraints.txt pip
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e . --group dev
	touch $@

$(CLIENTS_VENV)/.installed: pyproject.toml tests/clients/requirements.txt
	test -x $(CLIENTS_VENV)/bin/python || $(PYTHON) -m venv $(CLIENTS_VENV)
	$(CLIENTS_VENV)/bin/python -m pip install $(PIP_ARGS) \
		-r tests/clients/requirements.txt -e ".[persistence]"
	touch $@

$(MUTANTS_VENV)/.installed:
	test -x $(MUTANTS_VENV)/bin/python || $(PYTHON) -m venv $(MUTANTS_VENV)
	$(MUTANTS_VENV)/bin/python -m pip install cosmic-ray==8.7.0
	$(MUTANTS_VENV)/bin/python -m pip install --no-deps --target $(MUTANTS_VENV)/coverage \
		coverage==7.17.5 pytest-cov==7.1.0
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e . --group docs
	touch $@

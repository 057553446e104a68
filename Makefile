# Two commands do all of their own set-up: `make demo` and `make test`. Only Python 3.11+ and make are assumed.

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
NPM := $(shell command -v npm)
PAGE := "serving/ui/**/*.js"
SOURCES ?=
OUT ?= demo

# Threads that wait for each other give up their processor: on a machine that does other things too, spinning costs more.
export OMP_WAIT_POLICY ?= passive

.PHONY: setup demo test test-gpu fuzz trust lint format lock licences audit clean

setup: $(VENV)/.ready $(if $(NPM),node_modules/.ready)

demo: $(VENV)/.ready
	$(BIN)/lookalike demo $(SOURCES) --out $(OUT)

# One thread for each process: there are as many of them as CPUs, and threads that wait for each other take a multiple.
test: export OMP_NUM_THREADS ?= 1
test: $(VENV)/.ready
	$(BIN)/python -m pytest $(ARGS)

test-gpu: $(VENV)/.ready
	$(BIN)/python -m pytest -m gpu $(ARGS)

# Some seconds of each fuzz target. Longer, by hand: .venv/bin/python -m tests.fuzz TARGET --seconds 3600
fuzz: export OMP_NUM_THREADS ?= 1
fuzz: $(VENV)/.ready
	$(BIN)/python -m pytest -m long tests/fuzz $(ARGS)

# Tries to break each promise of docs/trust.md, and prints what was tried, what survived and what was lost.
trust: export OMP_NUM_THREADS ?= 1
trust: $(VENV)/.ready
	$(BIN)/python -m pytest -m trust -p tests.trust_table --numprocesses 2 $(ARGS)

lint: $(VENV)/.ready $(if $(NPM),node_modules/.ready)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
ifdef NPM
	node_modules/.bin/prettier --check --log-level warn $(PAGE)
	node_modules/.bin/tsc
else
	@echo "The types and the format of serving/ui are not checked: npm is not on PATH. Install Node 20 or newer." >&2
endif

format: $(VENV)/.ready $(if $(NPM),node_modules/.ready)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(if $(NPM),node_modules/.bin/prettier --write --log-level warn $(PAGE))

# The environment, made again whenever the pins or the project's own metadata change. Compiled here, once: torch takes seconds
# to compile, at every start where PYTHONDONTWRITEBYTECODE is set.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	PATH="$$PATH:$(BIN)" uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirement requirements.lock
	PATH="$$PATH:$(BIN)" uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q lookalike training exporters serving
	@touch $@

# Of `lint` only, where there is Node: the page itself needs no build, and neither do `demo` and `test`.
node_modules/.ready: package.json package-lock.json
	npm ci --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error
	@touch $@

# New pins, within what pyproject.toml allows.
lock:
	PATH="$$PATH:$(BIN)" uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes --upgrade \
	  --no-emit-index-url --no-header --quiet --output-file requirements.lock pyproject.toml

# docs/licences.md, from the metadata of what is installed; after `make lock`.
licences: $(VENV)/.ready
	$(BIN)/python -m benchmarks.licences > docs/licences.md.new && mv docs/licences.md.new docs/licences.md

# Known vulnerabilities of the pinned packages. It needs an index that has advisories, and says loudly where there is none.
audit: $(VENV)/.ready
	@PATH="$$PATH:$(BIN)" $(BIN)/python -m benchmarks.audit

clean:
	rm -rf $(VENV) node_modules demo .pytest_cache .ruff_cache *.egg-info

# The commands a person types. `make` alone lists them.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# An engine that the tests ask; its dependencies and ours do not go together.
MLSERVER := .venv-mlserver
# Clients that the tests let call; as well.
CLIENTS := .venv-clients
# What lints openapi.json, of another language.
SPECTRAL := .spectral
# A client that the tests run; the same.
SELDON := .venv-seldon
# A package index may be slow for a moment.
export PIP_RETRIES ?= 10

.DEFAULT_GOAL := help
.PHONY: help setup extras run stack test fuzz-api image image-test image-clean scan evidence compatibility check bench bench-peers engines profile overload scaling soak lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?/\1\t/' | expand -t 15

setup: $(VENV)/.runtime  ## Create the virtual environment with the pinned dependencies

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; name it: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Creating $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the pinned dependencies …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.extras: requirements/extras.txt $(VENV)/.runtime
	@echo "Installing the optional dependencies …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/extras.txt
	@touch $@

extras: $(VENV)/.extras  ## Add what data frames, boosting, skops and signing need

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing what the tests need …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# One that fails half-way leaves no stamp, and is begun anew.
$(MLSERVER)/.installed: requirements/mlserver.txt | $(VENV)/.dev
	@echo "Installing MLServer to test against (400 MB, half a minute) …"
	@$(BIN)/python -m venv --clear $(MLSERVER)
	@$(MLSERVER)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements/mlserver.txt
	@touch $@

$(SPECTRAL)/.installed: tests/spectral/package-lock.json
	@echo "Installing spectral to lint openapi.json with …"
	@mkdir -p $(SPECTRAL) && cp tests/spectral/package.json tests/spectral/package-lock.json $(SPECTRAL)
	@npm ci --prefix $(SPECTRAL) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(SELDON)/.installed: requirements/seldon.txt | $(VENV)/.dev
	@echo "Installing Seldon's client to test with (130 MB, half a minute) …"
	@$(BIN)/python -m venv --clear $(SELDON)
	@$(SELDON)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements/seldon.txt
	@touch $@

$(CLIENTS)/.installed: requirements/clients.txt | $(VENV)/.dev
	@echo "Installing the clients of MLflow, KServe and SageMaker to test with (500 MB, half a minute) …"
	@$(BIN)/python -m venv --clear $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements/clients.txt
	@touch $@

PORT ?=
run: $(VENV)/.runtime  ## Serve the example model on 127.0.0.1 (PORT, default 8000)
	@exec $(BIN)/gateway run --demo --port $(or $(PORT),8000)

WORKERS ?= 2
stack: $(VENV)/.runtime  ## Serve in the production shape: nginx, TLS, Redis (PORT, default 8443; WORKERS, default 2)
	@exec $(BIN)/gateway stack --port $(or $(PORT),8443) --workers $(WORKERS)

# What the tests ask beside the gateway. Networks fail by chance: what fails is tried once more.
try = $(1) || $(1) || echo "Tests that need $(2) fail where CI=true, and are skipped elsewhere."
install = $(call try,$(MAKE) --no-print-directory $(1)/.installed,$(2))
ASKED := asked-debian asked-mlserver asked-seldon asked-clients asked-spectral
.PHONY: $(ASKED)
asked-debian: $(VENV)/.dev
	@$(call try,$(BIN)/python -c "from gateway.cli.stack.servers import main; main()",these servers)
	@$(call try,$(BIN)/python tests/postgres_server.py,PostgreSQL)
	@$(call try,$(BIN)/python tests/system/browser.py,Chromium)
asked-mlserver: $(VENV)/.dev
	+@$(call install,$(MLSERVER),MLServer)
asked-seldon: $(VENV)/.dev
	+@$(call install,$(SELDON),Seldon's client)
asked-clients: $(VENV)/.dev
	+@$(call install,$(CLIENTS),those clients)
asked-spectral: $(VENV)/.dev
	+@$(call install,$(SPECTRAL),spectral)

test: $(VENV)/.dev  ## Run all tests, with real servers
	@$(MAKE) --no-print-directory -j 3 $(ASKED)
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --ignore tests/system --ignore tests/container
	@$(BIN)/python -m pytest tests/system

.venv-compose/.installed: requirements/compose.txt | $(VENV)/.dev
	@$(BIN)/python -m venv --clear .venv-compose
	@.venv-compose/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/compose.txt
	@touch $@

COMPOSE ?= docker compose
# Of which commit it is, where this folder is one's; and whether anything was changed since.
image:  ## Build the image that docker-compose.yml runs, labelled with its commit
	@if git ls-files --error-unmatch Makefile >/dev/null 2>&1; then \
		export REVISION="$${REVISION:-$$(git describe --always --abbrev=40 --exclude '*' --dirty)}"; \
		export CREATED="$${CREATED:-$$(git show --no-patch --format=%cI HEAD)}"; \
	fi; $(COMPOSE) build token-service

VARIANT ?=
image-test: $(VENV)/.dev .venv-compose/.installed  ## Build the image, look into it, run the composition and the system tests against it (VARIANT=extras: the other image)
	@$(BIN)/python -m pytest -s --durations=3 -p no:schemathesis -p no:hypothesispytest $(if $(VARIANT),tests/container/$(VARIANT).py,--numprocesses 2 --dist loadfile tests/container)

image-clean:  ## Remove the images that image-test keeps for a week, and its folder
	@PYTHONPATH=tests/container $(BIN)/python -c "import engines; engines.remove_cache(engines.cache_folder())"

# dclint comes from npm, without the scripts a package may run when it is installed.
.venv-scan/.installed: requirements/scan.txt | $(VENV)/.dev
	@$(BIN)/python -m venv --clear .venv-scan
	@.venv-scan/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements/scan.txt
	@npm install --silent --ignore-scripts --no-audit --no-fund --no-save --prefix .venv-scan dclint@3.1.0
	@touch $@

.venv-sbom/.installed: requirements/sbom.txt | $(VENV)/.dev
	@$(BIN)/python -m venv --clear .venv-sbom
	@.venv-sbom/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements/sbom.txt
	@touch $@

SCANNING := $(VENV)/.dev .venv-compose/.installed .venv-scan/.installed .venv-sbom/.installed
scan: $(SCANNING)  ## Look for faults with every scanner there is; SBOM and VEX (results in var/scan)
	@PYTHONPATH=tests/container:tests/system $(BIN)/python tests/container/scan.py

evidence: $(SCANNING)  ## Put scans, TLS and header results and the requirements' tests into one archive
	@PYTHONPATH=tests:tests/container:tests/system $(BIN)/python tests/container/evidence.py

EXAMPLES ?= 200
fuzz-api: $(VENV)/.dev  ## Try to break the API with schemathesis, every operation (EXAMPLES each, default 200)
	@SCHEMATHESIS_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -s tests/system/test_schemathesis.py

compatibility: $(VENV)/.dev $(SELDON)/.installed $(CLIENTS)/.installed  ## Write docs/compatibility.md anew from what the clients of the tests can do
	@REWRITE_COMPATIBILITY=1 $(BIN)/python -m pytest $$(grep -lE 'matrix: Matrix' tests/system/test_*.py)

SECONDS ?= 60
.PHONY: fuzz
fuzz: $(VENV)/.dev  ## Try every decoder of bodies with damaged ones (SECONDS for each, default 60)
	@$(BIN)/python tests/fuzzing.py --seconds $(SECONDS)

check: $(VENV)/.dev  ## Lint, types, import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# The servers that the benchmark compares with, each in an environment of its own.
PEERS := bare bentoml fastapi kserve litserve mlflow mlserver seldon chart profiler
PEER_STAMPS := $(PEERS:%=.venv-bench/%/.installed)
.venv-bench/%/.installed: bench/requirements/%.txt
	@echo "Installing $* to measure beside …"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

bench-peers: $(VENV)/.runtime  ## Install what the benchmark compares with (4 GB), and train its models
	@for stamp in $(PEER_STAMPS); do $(MAKE) --no-print-directory $$stamp || echo "$$stamp: not installed; the benchmark will say so."; done
	@$(BIN)/python -m bench.prepared

QUICK ?=
CHART ?= var/bench/chart.svg
CURVES ?=
bench: bench-peers  ## Measure beside other model servers (needs wrk; half an hour; QUICK=1: under 3 minutes; CHART=docs/bench.svg)
	@$(BIN)/python -m bench $(if $(QUICK),--quick) --chart $(CHART)

profile: $(VENV)/.runtime  ## Show where one request's time goes, on the running stack (needs wrk)
	@$(BIN)/python -m bench.cost

overload: $(VENV)/.runtime  ## Offer half to four times what the stack can do (needs wrk; two minutes)
	@$(BIN)/python -m bench.overload overload

scaling: $(VENV)/.runtime  ## Cost of a request with workers, rows, partners, revocations, models (needs wrk; five minutes)
	@$(BIN)/python -m bench.scaling $(if $(CURVES),--chart $(CURVES))

soak: $(VENV)/.runtime  ## Five minutes at half of what the stack can do (needs wrk)
	@$(BIN)/python -m bench.overload soak

engines: $(VENV)/.extras  ## Compile, prove and time two dozen kinds of models, as `gateway model add` does
	@ORT_DISABLE_TELEMETRY=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.engines

PIN := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --custom-compile-command 'make lock' -q
lock:  ## Pin the dependencies anew, with hashes (needs uv)
	$(PIN) --group build -o requirements/runtime.txt
	$(PIN) --group build --all-extras -c requirements/runtime.txt -o requirements/extras.txt
	$(PIN) --group build --group dev --all-extras -c requirements/extras.txt -o requirements/dev.txt
	$(subst pyproject.toml,--group mlserver,$(PIN)) -o requirements/mlserver.txt
	$(subst pyproject.toml,--group seldon,$(PIN)) -o requirements/seldon.txt
	$(subst pyproject.toml,--group clients,$(PIN)) -o requirements/clients.txt
	for peer in $(PEERS); do $(subst pyproject.toml,bench/requirements/$$peer.in,$(PIN)) -o bench/requirements/$$peer.txt; done
	$(subst pyproject.toml,--group compose,$(PIN)) -o requirements/compose.txt
	$(subst pyproject.toml,--group scan,$(PIN)) -o requirements/scan.txt
	$(subst pyproject.toml,--group sbom,$(PIN)) -o requirements/sbom.txt

clean:  ## Remove the virtual environments and all runtime data
	rm -rf $(VENV) $(MLSERVER) $(CLIENTS) $(SELDON) .venv-bench .venv-compose .venv-scan .venv-sbom var

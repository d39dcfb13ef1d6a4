# Everything is installed into .venv from requirements.lock; nothing else on the machine is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
E2E := .e2e
GO := $(E2E)/go/bin/go
TOOLS := $(E2E)/bin
SUITE := $(E2E)/conformance.test
NODE := $(E2E)/node
MCP := $(E2E)/mcp
INTEGRATIONS := $(E2E)/integrations
CRS := $(E2E)/crs
PROFILES ?= GATEWAY-HTTP,GATEWAY-GRPC,GATEWAY-TLS,GATEWAY-TCP,GATEWAY-UDP
CHANNEL ?= standard experimental
PYTEST_ARGS ?= -n auto --maxprocesses=4

# Tests start Headgate often: where nothing is kept, each of these processes compiles all modules, a second of CPU.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup proto quickstart test slow fuzz chaos disruption soak check full e2e conformance suite tools integrations kind manifests golden bench bench-plot lock node mcp-suite picker wheel clean

help: ## Show these targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  \1\t/' | expand -t 14

setup: $(READY) proto ## Install all that is needed into .venv (at once when nothing changed)

$(READY): requirements.lock pyproject.toml hatch_build.py
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11 or later, or name another one: make PYTHON=python3.12 setup" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Headgate needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 setup")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV); the first time takes a minute or two."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

proto: $(READY) ## Generate Envoy's API from the Envoy binary, if it is not up to date
	@$(BIN)/python build_proto.py

quickstart: setup ## Run Headgate and a real Envoy on examples/quickstart, and send some requests
	@$(BIN)/python examples/quickstart/run.py

test: setup ## Run the tests (PYTEST_ARGS="-k name" for some of them)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

slow: setup ## Count what edits cost among 10,000 routes, send floods, break every query and index (5 minutes)
	@$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

# The seed makes a run repeatable; what it finds is kept in .hypothesis and tried first the next time.
fuzz: setup ## Search on with the tests' properties, from a new seed (SEED=n for that of an earlier run, PYTEST_ARGS="-k name")
	@seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; args='$(PYTEST_ARGS)'; \
	echo "Seed $$seed; to repeat this run: make fuzz SEED=$$seed PYTEST_ARGS='$$args'"; \
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -m "hypothesis and not e2e" --hypothesis-seed=$$seed $(PYTEST_ARGS) || \
	{ echo "Found with seed $$seed; to repeat it: make fuzz SEED=$$seed PYTEST_ARGS='-k NAME'"; exit 1; }

chaos: setup ## Send 200,000 requests through real Envoys while everything changes at random (7 minutes)
	@HEADGATE_CHAOS_REQUESTS=$${HEADGATE_CHAOS_REQUESTS:-200000} $(BIN)/python -m pytest -s tests/chaos

# Some of its tests mount file systems: in a mount namespace of their own, where the machine has them.
disruption: setup ## Break disks, files and processes, and make 3,000 changes, under load; print what failed (4 minutes)
	@for private in "unshare --mount" "unshare --map-root-user --mount" ""; do $$private true 2>/dev/null && break; done; \
	$$private $(BIN)/python -m pytest -s -m disruption tests/disruption

soak: setup ## Have 2,000 xDS streams come and go for minutes, and watch the memory
	@HEADGATE_SOAK_STREAMS=$${HEADGATE_SOAK_STREAMS:-2000} $(BIN)/python -m pytest -s tests/xds/server/test_soak.py

check: setup ## Lint, types, direction of imports, then the tests: what CI runs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory test

full: check slow fuzz chaos disruption soak e2e conformance ## Everything that tests anything, before a release (an hour and a half)

# Where there is no cluster, the tests are skipped and say why.
e2e: setup $(GO) tools $(INTEGRATIONS)/ready ## Run the tests that need a Kubernetes cluster; KUBECONFIG names one (E2E_ARGS="-k name" for some of them)
	@tests/e2e/run $(E2E_ARGS)

conformance: setup $(SUITE) ## Run the official Gateway API suite on headgate translate, then on such a cluster (PROFILES=GATEWAY-HTTP CHANNEL=standard PARALLEL=8)
	@CHANNEL="$(CHANNEL)" PROFILES="$(PROFILES)" PARALLEL="$(PARALLEL)" tests/conformance/run $(SUITE_ARGS)

# The suite is written in a newer Go than most machines have, so it has one of its own.
$(GO): tests/conformance/requirements.txt | $(READY)
	@test -x $(E2E)/go/bin/python || $(PYTHON) -m venv $(E2E)/go
	@$(E2E)/go/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@touch $@

$(SUITE): $(wildcard tests/conformance/go.* tests/conformance/*.go) | $(GO)
	@echo "Building the conformance suite; the first time takes about five minutes."
	@cd tests/conformance && GOFLAGS=-buildvcs=false $(CURDIR)/$(GO) test -c -o $(CURDIR)/$@ .

suite: setup $(SUITE) ## Build the conformance suite, into .e2e

tools: $(TOOLS)/helm $(TOOLS)/ratelimit $(TOOLS)/epp $(CRS)/.ready ## Get the programs and rules that tests and generated manifests need, into .e2e

# helm says which version it is only if it is told.
$(TOOLS)/helm: tests/deploy/go.mod tests/deploy/go.sum | $(GO)
	@echo "Building helm and kustomize; the first time takes about two minutes."
	@cd tests/deploy && GOFLAGS=-buildvcs=false $(CURDIR)/$(GO) build -o $(CURDIR)/$(TOOLS)/ -ldflags \
		"-s -w -X helm.sh/helm/v4/internal/version.version=$$(awk '$$1 == "helm.sh/helm/v4" {print $$2}' go.mod)" tool
	@touch $@

# From the Go packages of cert-manager, Argo Rollouts, Flagger, the Prometheus Operator and the vertical autoscaler.
integrations: $(INTEGRATIONS)/ready ## Generate the definitions that the examples of integrations need, into .e2e/integrations

$(INTEGRATIONS)/ready: $(wildcard tests/deploy/integrations/*) | $(GO)
	@echo "Generating definitions of other projects; the first time takes about two minutes."
	@tests/deploy/integrations/generate $(GO) $(INTEGRATIONS)

# Of Node.js only tests of logins need something: the provider where users log in, and what drives a browser.
node: $(NODE)/.ready ## Install the OpenID provider with which logins are tested, into .e2e/node (needs npm)

$(NODE)/.ready: tests/live/oidc_provider/package.json tests/live/oidc_provider/package-lock.json
	@mkdir -p $(NODE)
	@cp $^ $(NODE)/
	@npm ci --prefix $(NODE) --no-audit --no-fund --ignore-scripts --loglevel error
	@touch $@

# It runs in a Node.js of 22 or later: with it comes one for machines whose own is older.
mcp-suite: $(MCP)/.ready ## Install the conformance suite of the Model Context Protocol, into .e2e/mcp (needs npm)

$(MCP)/.ready: tests/live/mcp_conformance/package.json tests/live/mcp_conformance/package-lock.json
	@mkdir -p $(MCP)
	@cp $^ $(MCP)/
	@cd $(MCP) && npm ci --no-audit --no-fund --ignore-scripts --loglevel error
	@touch $@

# The Inference Extension's own endpoint picker.
picker: $(TOOLS)/epp ## Build the reference picker of endpoints of InferencePools, into .e2e/bin

$(TOOLS)/epp: tests/live/picker/go.mod tests/live/picker/go.sum | $(GO)
	@echo "Building the reference endpoint picker; the first time takes about five minutes."
	@mkdir -p $(TOOLS)
	@cd tests/live/picker && GOFLAGS=-buildvcs=false $(CURDIR)/$(GO) build -ldflags "-s -w" -o $(CURDIR)/$@ \
		sigs.k8s.io/gateway-api-inference-extension/cmd/epp
	@touch $@

# Envoy's rate limit service, a Go module without a release.
$(TOOLS)/ratelimit: tests/live/ratelimit/go.mod tests/live/ratelimit/go.sum | $(GO)
	@echo "Building Envoy's rate limit service; the first time takes about two minutes."
	@mkdir -p $(TOOLS)
	@cd tests/live/ratelimit && GOFLAGS=-buildvcs=false $(CURDIR)/$(GO) build -ldflags "-s -w" -o $(CURDIR)/$@ \
		github.com/envoyproxy/ratelimit/src/service_cmd
	@touch $@

# The OWASP Core Rule Set with its tests, as a Go module that is pinned by hash.
$(CRS)/.ready: tests/waf/crs/go.mod tests/waf/crs/go.sum | $(GO)
	@rm -rf $(CRS) && mkdir -p $(CRS)
	@cd tests/waf/crs && cp -r "$$($(CURDIR)/$(GO) mod download -json github.com/corazawaf/coraza-coreruleset/v4 | \
		sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')"/. $(CURDIR)/$(CRS)
	@chmod -R u+w $(CRS)
	@touch $@

kind: ## Make a cluster in Docker, build and install Headgate there, send requests through it (needs docker, kind, kubectl, helm)
	@deploy/kind/up

manifests: setup $(TOOLS)/helm ## Write what in deploy/ follows from the code: definitions, RBAC and the kustomize base
	@$(BIN)/python -m deploy.generate

golden: setup ## Rewrite the expected outputs of the golden cases; review the diff
	@$(BIN)/python -m pytest $(PYTEST_ARGS) tests/translator/golden --rewrite-golden

# docs/performance.md says what the figures mean. With the options --json and --from, a run can be drawn again.
bench: setup ## Measure propagation beside an oracle, loads, memory, streams (BENCH_ARGS="--only propagation --sizes 100,1000", "--quick", "--help")
	@$(BIN)/python -m bench $(BENCH_ARGS)

bench-plot: setup ## Measure propagation, and draw it into docs/performance (BENCH_ARGS="--from run.json" to draw an earlier run)
	@$(BIN)/python -m bench --only propagation --json docs/performance/propagation.json --plot docs/performance $(BENCH_ARGS)

lock: ## Resolve pyproject.toml's dependencies again into requirements.lock (needs uv)
	@uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --output-file requirements.lock

wheel: setup ## Build the wheel and the source distribution into dist/
	@$(BIN)/python -m build --no-isolation --outdir dist .

clean: ## Remove all that was made: .venv, proto/, dist/, caches
	@rm -rf $(VENV) $(E2E) proto dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

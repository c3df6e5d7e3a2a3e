# function-argocd-cluster. Needs Go and make, and no Docker. `make help` lists the
# targets.

GO    ?= go
CACHE ?= $(CURDIR)/.cache
DIST  ?= $(CURDIR)/dist
BIN   := $(CACHE)/bin/$(shell $(GO) env GOVERSION)

PROJECT   := function-argocd-cluster
PLATFORMS := amd64 arm64
XPKGS     := $(PLATFORMS:%=$(DIST)/$(PROJECT)-%.xpkg)
EMPTY     :=
SPACE     := $(EMPTY) $(EMPTY)
COMMA     := ,
GENERATED := docs package input
EXAMPLES  := example/aks example/eks example/gke example/claim $(addprefix example/claim/,waiting registered registered/retained registered/draining) \
             $(addprefix example/service-account/,aks aks/waiting aks/registered aks/restricted aks/entra-id team gke) \
             example/ephemeral example/gitops-bridge example/cluster-api example/cluster-api/service-account \
             $(addprefix example/fleet/,set set/draining pool pool/assigned pool/hibernated) \
             example/flux $(addprefix example/flux/,draining eks aks credentials credentials/refused) \
             example/open-cluster-management $(addprefix example/open-cluster-management/,draining acm acm/refused)

# Modules that need a newer Go than this one name it in their go.mod, and go fetches it.
# With one set of flags, linters, tests and tools share what is compiled.
export GOTOOLCHAIN := auto
export GOFLAGS     += -trimpath

# The tools are Go modules, each pinned in a module below tools/ of its own where its
# dependencies do not agree with the others'.
CLI           := $(BIN)/crossplane
ENGINE        := $(BIN)/crossplane-core
ENGINE_V1     := $(BIN)/crossplane-core-v1
PATCH         := $(BIN)/function-patch-and-transform
AUTO_READY    := $(BIN)/function-auto-ready
GO_TEMPLATING := $(BIN)/function-go-templating
CRANE         := $(BIN)/crane
GOLANGCI_LINT := $(BIN)/golangci-lint
ACTIONLINT    := $(BIN)/actionlint
CYCLONEDX     := $(BIN)/cyclonedx-gomod
KUBERNETES    := $(addprefix $(BIN)/,etcd kube-apiserver kube-controller-manager kubectl)
PROVIDER      := $(BIN)/provider-kubernetes
PROVIDER_V1_3 := $(BIN)/provider-kubernetes-v1.3
ARGOCD        := $(BIN)/argocd
STATE_METRICS := $(BIN)/kube-state-metrics
PROMTOOL      := $(BIN)/promtool
HELM          := $(BIN)/helm
KYVERNO       := $(BIN)/kyverno
STATIC        := $(BIN)/function-static

# CHECKS is all that must pass. .ci/run and the CI workflow take the list from here. test is
# last, so that its result is what one reads at the end.
CHECKS := verify generated lint render validate xpkg docker fuzz test-argocd test-monitoring test-policies e2e test

SOURCES := $(shell find . -name '*.go' -not -path './tools/*' -not -path './test/*' -not -path './.cache/*' -not -name '*_test.go') go.mod go.sum

# The same sources and Go give the same binary, in a clone and in Docker. The Dockerfile has the
# same flags.
BUILD_FLAGS := -trimpath -buildvcs=false -ldflags '-s -w'

export CGO_ENABLED ?= 0

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -ec

.DEFAULT_GOAL := help
.PHONY: help
help: ## Show this.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Check everything

.PHONY: ci
ci: ## Run all checks of CI, as .ci/run does.
	.ci/run

.PHONY: checks checks-json
checks: ## List the checks of CI.
	@printf '%s\n' $(CHECKS)
checks-json:
	@printf '["%s"]\n' '$(subst $(SPACE),"$(COMMA)",$(CHECKS))'

.PHONY: verify
verify: ## Check the modules' sums, and that go.mod is tidy.
	$(GO) mod verify
	$(GO) mod tidy -diff
	cd test && $(GO) mod tidy -diff
	cd tools/schemas && $(GO) mod tidy -diff

.PHONY: generated
generated: ## Check that what make generate writes is up to date.
	@rm -rf $(CACHE)/generated && mkdir -p $(CACHE)/generated && cp -R $(GENERATED) $(CACHE)/generated
	$(GO) generate ./...
	@for f in $(GENERATED); do diff -ru $(CACHE)/generated/$$f $$f || { \
		echo "This was out of date. make generate writes it: commit the result."; exit 1; }; done

##@ Build and test

.PHONY: build
build: $(BIN)/function ## Build the function for this machine.

$(BIN)/function: $(SOURCES)
	$(GO) build $(BUILD_FLAGS) -o $@ .

.PHONY: test
test: ## Run all unit, example and golden tests, with the race detector.
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

.PHONY: test-argocd
test-argocd: $(BIN)/function ## Have Argo CD's own code read what the function writes, and connect with it.
	cd test/argocd && $(GO) test -count 1 ./... -args -function $< $(if $(UPDATE),-update)

.PHONY: test-monitoring
test-monitoring: $(BIN)/function $(PROMTOOL) ## Evaluate the alerts and the dashboard of the examples.
	cd test && $(GO) test -count 1 ./monitoring -args -function $< -promtool $(PROMTOOL)

.PHONY: test-policies
test-policies: $(KYVERNO) ## Have Kyverno judge what the policies for the platform's APIs refuse, and why.
	cd test && $(GO) test -count 1 ./policies -args -cli $(KYVERNO)

.PHONY: bench
bench: ## Measure processor time, latency, allocations and memory, next to a function that does nothing.
	$(GO) test -run '^$$' -bench . -benchtime 5s .

# FUZZTIME is a number of executions, because at the end of a duration Go sometimes reports
# "context deadline exceeded" as a failure. FUZZTIME=10m searches for longer.
.PHONY: fuzz
fuzz: FUZZTIME ?= 20000x
fuzz: ## Fuzz what parses kubeconfigs, and the whole function, each for FUZZTIME.
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./internal/kubeconfig
	$(GO) test -run '^$$' -fuzz FuzzRunFunction -fuzztime $(FUZZTIME) -fuzzminimizetime 100x .

.PHONY: render
render: $(BIN)/function $(CLI) $(ENGINE) $(PATCH) $(AUTO_READY) ## Render the examples through Crossplane's own reconciler.
	cd test && $(GO) run ./render $(RENDER_FLAGS) -cli $(CLI) -engine $(ENGINE) \
		-function $(PROJECT)=$(BIN)/function \
		-function function-patch-and-transform=$(PATCH) -function function-auto-ready=$(AUTO_READY) \
		-docs ../docs/operations.md -registered ../example/claim/registered \
		$(addprefix ../,$(EXAMPLES))

.PHONY: validate
validate: $(CLI) ## Validate every file of the examples against the schemas of what reads it.
	cd test && $(GO) test -count 1 ./validate -args -cli $(CLI) -rendered "$(EXAMPLES)"

E2E       := cd test/e2e && $(GO) test -count 1 -parallel 16 -timeout
E2E_FLAGS  = -bin $(BIN) -xpkg $(DIST)/$(PROJECT)-$(shell $(GO) env GOARCH).xpkg

.PHONY: e2e
e2e: e2e-programs ## Take clusters through their lives, on real control planes.
	$(E2E) 45m $(E2E_ARGS) -args $(E2E_FLAGS)
ifndef E2E_ARGS
	$(E2E) 10m -run '^TestTrust$$/edited_by_hand' -args $(E2E_FLAGS) -provider provider-kubernetes-v1.3
	$(E2E) 15m -run '^TestClusters$$/(life|delete)/legacy_claim' -args $(E2E_FLAGS) -crossplane core-v1
	$(E2E) 20m -run '^TestHub$$' -args $(E2E_FLAGS) -hub
endif

.PHONY: hub
hub: e2e-programs ## Make a hub from Git, and take two clusters through their lives by commits alone.
	$(E2E) 20m -run '^TestHub$$' -args $(E2E_FLAGS) -hub

.PHONY: fleet
fleet: N       ?= 300
fleet: TTL     ?= 1m
fleet: SECRETS ?= 0
fleet: e2e-programs $(STATIC) ## Register N clusters on one hub, and measure what they cost. TTL is the pipeline's.
	$(E2E) 2h -run '^TestFleet$$' -args $(E2E_FLAGS) -fleet $(N) -fleet-ttl $(TTL) -fleet-secrets $(SECRETS) $(FLEET_ARGS)

.PHONY: demo
demo: e2e-programs ## Make a hub from Git, commit a cluster, say what happens, and leave it up.
	$(E2E) 0 -run Demo -args -demo -hub $(E2E_FLAGS)

# The modules are for the CRDs and roles in them.
.PHONY: e2e-programs
e2e-programs: e2e-needs $(XPKGS) $(KUBERNETES) $(ENGINE) $(ENGINE_V1) $(PROVIDER) $(PROVIDER_V1_3) $(ARGOCD) $(PATCH) $(AUTO_READY) $(GO_TEMPLATING) $(STATE_METRICS) $(HELM)
	cd tools/core && $(GO) mod download github.com/crossplane/crossplane/v2
	cd tools/core-v1 && $(GO) mod download github.com/crossplane/crossplane
	cd tools/provider-kubernetes && $(GO) mod download github.com/crossplane-contrib/provider-kubernetes
	cd tools/provider-kubernetes-v1.3 && $(GO) mod download github.com/crossplane-contrib/provider-kubernetes
	cd test/argocd && $(GO) mod download github.com/argoproj/argo-cd/v3
	cd tools/schemas && $(GO) mod download sigs.k8s.io/cluster-api
	cd tools/crds && $(GO) mod download github.com/fluxcd/kustomize-controller open-cluster-management.io/api

.PHONY: e2e-needs
e2e-needs:
	@[ "$$(uname)" = Linux ] || { echo "This needs Linux: it runs in namespaces of its own."; exit 1; }
	@for p in redis-server git; do command -v $$p >/dev/null || { \
		echo "This needs $$p. On Debian and Ubuntu:"; \
		echo "  sudo apt-get install --no-install-recommends redis-server git"; exit 1; }; done

##@ Code and documentation

.PHONY: update
update: generate ## Write all generated and golden files again. Read the diff before you commit it.
	$(MAKE) render RENDER_FLAGS=-update
	$(MAKE) test-argocd UPDATE=1
	$(GO) test -count 1 . -args -update

.PHONY: generate
generate: ## Generate deep copies, the input's CRD and its reference.
	$(GO) generate ./...

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the code.
	$(GOLANGCI_LINT) fmt

.PHONY: lint
lint: $(GOLANGCI_LINT) $(ACTIONLINT) ## Check the code's format, and run the linters on the code and the workflows.
	$(GOLANGCI_LINT) fmt --diff
	$(ACTIONLINT) -shellcheck= -pyflakes=
	$(GO) vet ./...
	$(GOLANGCI_LINT) run
	cd tools && $(GO) vet ./... && $(GOLANGCI_LINT) run --config ../.golangci.yml
	cd test && $(GO) vet ./... && $(GOLANGCI_LINT) run --config ../.golangci.yml
	cd test/argocd && $(GO) vet ./... && $(GOLANGCI_LINT) run --config ../../.golangci.yml
	cd test/e2e && $(GO) vet ./... && $(GOLANGCI_LINT) run --config ../../.golangci.yml
	cd test/static && $(GO) vet ./... && $(GOLANGCI_LINT) run --config ../../.golangci.yml

##@ Package

IMAGES := $(PLATFORMS:%=$(DIST)/%/image.tar)

.PHONY: xpkg
xpkg: $(XPKGS) $(CLI) ## Build the package for every platform, and test it as Crossplane would get it.
	cd test && CROSSPLANE_CLI=$(CLI) XPKGS=$(subst $(SPACE),$(COMMA),$(XPKGS)) BUILD_FLAGS="$(BUILD_FLAGS)" $(GO) test -count 1 -v ./xpkg

.PHONY: docker
docker: $(IMAGES) ## Build the Dockerfile, and check that its image is the package's. Skipped without Docker.
	@if docker version >/dev/null 2>&1; then \
		for a in $(PLATFORMS); do \
			docker build --platform linux/$$a --provenance=false --tag $(PROJECT):$$a . && \
			docker save --output $(DIST)/$$a/docker.tar $(PROJECT):$$a || exit; \
		done; \
		cd test && IMAGES=$(subst $(SPACE),$(COMMA),$(IMAGES)) $(GO) test -count 1 -v -run TestDocker ./xpkg; \
	elif [ -n "$$GITHUB_ACTIONS" ]; then echo "There is no Docker engine."; exit 1; \
	else echo "Skipped: there is no Docker engine."; fi

.PHONY: sbom
sbom: $(CYCLONEDX) $(PLATFORMS:%=$(DIST)/%/function) ## List the modules in the binaries, in CycloneDX's format, as VERSION.
	for a in $(PLATFORMS); do \
		$(CYCLONEDX) bin -json -std $(VERSION:%=-version %) -output $(DIST)/$(PROJECT)-$$a.cdx.json $(DIST)/$$a/function; \
	done

# push uses what make xpkg built, and builds none of it again: a release tests and pushes the
# same files. It writes the digests of what it pushed, to sign them.
.PHONY: push
push: $(CLI) $(CRANE) ## Push what make xpkg built, as PACKAGE=registry/repository:tag.
	$(CLI) xpkg push --package-files $(subst $(SPACE),$(COMMA),$(XPKGS)) $(PACKAGE)
	$(CRANE) digest $(PACKAGE) | tee $(DIST)/$(PROJECT).digest
	for a in $(PLATFORMS); do $(CRANE) digest --platform linux/$$a $(PACKAGE) | tee $(DIST)/$(PROJECT)-$$a.digest; done

.SECONDARY:
$(DIST)/%/function: $(SOURCES)
	GOOS=linux GOARCH=$* $(GO) build $(BUILD_FLAGS) -o $@ .

$(DIST)/%/image.tar: $(DIST)/%/function tools/image/main.go
	cd tools && $(GO) run ./image -binary $< -arch $* -output $@

$(DIST)/$(PROJECT)-%.xpkg: $(DIST)/%/image.tar $(wildcard package/*.yaml package/input/*.yaml) $(CLI)
	$(CLI) xpkg build --package-root package --examples-root example/argocd --embed-runtime-image-tarball $< --package-file $@

##@ Tools

# tool builds $@ from the module in the folder $1, package $2, with flags $3, and says
# how far it is.
define tool
@mkdir -p $(BIN)
@echo "Building $(notdir $@) from its pinned module. The first time this takes $4."
@cd $1 && $(GO) build -v $3 -o $@ $2 2>&1 | \
	awk '/^[[:alnum:]._~\/-]+$$/ { if (++n % 100 == 0) print "  " n " packages"; fflush(); next } { print }'
endef

$(CLI): tools/go.mod tools/go.sum
	$(call tool,tools,github.com/crossplane/cli/v2/cmd/crossplane,,about two minutes)

# version is that of the module $2, which the folder $1 pins. Releases set theirs in the
# same way.
version = $(shell cd $1 && GOTOOLCHAIN=$(GOTOOLCHAIN) $(GO) list -m -f '{{.Version}}' $2)

$(ENGINE): tools/core/go.mod tools/core/go.sum
	$(call tool,tools/core,github.com/crossplane/crossplane/v2/cmd/crossplane,-ldflags '-X github.com/crossplane/crossplane-runtime/v2/pkg/version.version=$(call version,tools/core,github.com/crossplane/crossplane/v2)',about two minutes)

$(ENGINE_V1): tools/core-v1/go.mod tools/core-v1/go.sum
	$(call tool,tools/core-v1,github.com/crossplane/crossplane/cmd/crossplane,-ldflags '-X github.com/crossplane/crossplane/internal/version.version=$(call version,tools/core-v1,github.com/crossplane/crossplane)',about two minutes)

$(PATCH): tools/patch-and-transform/go.mod tools/patch-and-transform/go.sum
	$(call tool,tools/patch-and-transform,github.com/crossplane-contrib/function-patch-and-transform,,a minute)

$(AUTO_READY): tools/auto-ready/go.mod tools/auto-ready/go.sum
	$(call tool,tools/auto-ready,github.com/crossplane/function-auto-ready,,a minute)

$(GO_TEMPLATING): tools/go-templating/go.mod tools/go-templating/go.sum
	$(call tool,tools/go-templating,github.com/crossplane-contrib/function-go-templating,,a minute)

$(BIN)/etcd: tools/kubernetes/go.mod tools/kubernetes/go.sum
	$(call tool,tools/kubernetes,go.etcd.io/etcd/server/v3,,a minute)

$(BIN)/kube%: V = $(call version,tools/kubernetes,k8s.io/kubernetes)
$(BIN)/kube%: tools/kubernetes/go.mod tools/kubernetes/go.sum
	$(call tool,tools/kubernetes,k8s.io/kubernetes/cmd/kube$*,-ldflags '$(foreach v,gitVersion=$V gitMajor=1 gitMinor=$(word 2,$(subst ., ,$V)),-X k8s.io/component-base/version.$v)',about five minutes)

# The commit of crossplane-runtime that v1.4 names has no release. v2.4.0 does but for the
# groups to which a watch of CRDs could be limited: that line is left out.
PROVIDER_MODULE := github.com/crossplane-contrib/provider-kubernetes
PROVIDER_SOURCE := $(CACHE)/provider-kubernetes
$(PROVIDER): $(wildcard tools/provider-kubernetes/go.* tools/provider-kubernetes/gosdk/*.go)
	@rm -rf $(PROVIDER_SOURCE)
	cp -r "$$(cd tools/provider-kubernetes && $(GO) list -m -f '{{.Dir}}' $(PROVIDER_MODULE))" $(PROVIDER_SOURCE)
	@chmod -R u+w $(PROVIDER_SOURCE)
	sed -i -e '/^\t\t\tGroups: /d' -e '/objectv1alpha1namespaced "/d' $(PROVIDER_SOURCE)/cmd/provider/main.go
	@cp tools/provider-kubernetes/go.mod $(PROVIDER_SOURCE)/build.mod
	@cp tools/provider-kubernetes/go.sum $(PROVIDER_SOURCE)/build.sum
	@$(GO) mod edit -replace $(PROVIDER_MODULE)=$(PROVIDER_SOURCE) $(PROVIDER_SOURCE)/build.mod
	$(call tool,tools/provider-kubernetes,$(PROVIDER_MODULE)/cmd/provider,-modfile=$(PROVIDER_SOURCE)/build.mod,about two minutes)

$(PROVIDER_V1_3): $(wildcard tools/provider-kubernetes-v1.3/go.* tools/provider-kubernetes/gosdk/*.go)
	$(call tool,tools/provider-kubernetes-v1.3,$(PROVIDER_MODULE)/cmd/provider,,about two minutes)

$(ARGOCD): test/argocd/go.mod test/argocd/go.sum
	$(call tool,test/argocd,github.com/argoproj/argo-cd/v3/cmd,-ldflags '-X github.com/argoproj/argo-cd/v3/common.version=$(patsubst v%,%,$(call version,test/argocd,github.com/argoproj/argo-cd/v3))',about five minutes)

$(STATE_METRICS): tools/kube-state-metrics/go.mod tools/kube-state-metrics/go.sum
	$(call tool,tools/kube-state-metrics,k8s.io/kube-state-metrics/v2,,about two minutes)

$(HELM): tools/helm/go.mod tools/helm/go.sum
	$(call tool,tools/helm,helm.sh/helm/v4/cmd/helm,,about two minutes)

# Without the clouds' SDKs, by which Prometheus finds what to scrape.
$(PROMTOOL): tools/prometheus/go.mod tools/prometheus/go.sum
	$(call tool,tools/prometheus,github.com/prometheus/prometheus/cmd/promtool,-tags remove_all_sd,about two minutes)

$(KYVERNO): tools/kyverno/go.mod tools/kyverno/go.sum
	$(call tool,tools/kyverno,github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno,,about five minutes)

$(STATIC): $(wildcard test/static/*)
	cd test/static && $(GO) build -o $@ .

$(CRANE): tools/go.mod tools/go.sum
	$(call tool,tools,github.com/google/go-containerregistry/cmd/crane,,a few seconds)

$(ACTIONLINT): tools/actionlint/go.mod tools/actionlint/go.sum
	$(call tool,tools/actionlint,github.com/rhysd/actionlint/cmd/actionlint,,a few seconds)

$(CYCLONEDX): tools/sbom/go.mod tools/sbom/go.sum
	$(call tool,tools/sbom,github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod,,half a minute)

$(GOLANGCI_LINT): tools/lint/go.mod tools/lint/go.sum
	$(call tool,tools/lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,,two minutes)

.PHONY: clean
clean: ## Remove what was built, and the tools.
	rm -rf $(CACHE) $(DIST)

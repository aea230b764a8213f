# Mitome. `make help` lists what can be asked for.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Neither gRPC (Google's SDK speaks HTTP to FCM here) nor MessagePack is used;
# the tags keep both out of the binary.
TAGS    := disable_grpc_modules,nomsgpack
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TOOL    := go tool -modfile=tools/go.mod

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: ## run everything, with a real PostgreSQL and a real Keycloak; installs what it needs on Debian
	@tools/test.sh

.PHONY: lint
lint: ## run golangci-lint, at the version of tools/go.mod
	$(TOOL) golangci-lint run ./...

.PHONY: build
build: ## build the static binary bin/mitome
	CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -ldflags '-s -w -X main.release=$(VERSION)' -o bin/mitome ./cmd/mitome

.PHONY: demo
demo: build ## see CIBA happen in a browser: a shop, an OP and Mitome on one port
	@bin/mitome demo

.PHONY: fmt
fmt: ## format all Go files
	gofmt -w .

.PHONY: screens
screens: ## write docs/screens.md and its pictures of every page, and docs/demo
	MITOME_TEST_SCREENS=$(CURDIR)/docs MITOME_TEST_CHROMIUM="$$(tools/chromium.sh)" MITOME_TEST_AXE="$$(tools/axe.sh)" \
		go test -count=1 -run '^(TestScreens|TestDemo)$$' ./cmd/mitome

.PHONY: docs
docs: ## write the generated part of the documentation
	go run -tags $(TAGS) ./cmd/mitome config reference > docs/configuration.md
	go run -tags $(TAGS) ./cmd/mitome config kinds > docs/ops/README.md
	mkdir -p docs/openapi
	for api in admin desk devices ops; do \
		go run -tags $(TAGS) ./cmd/mitome config openapi $$api > docs/openapi/$$api.yaml || exit 1; done

.PHONY: bench
bench: ## measure: flows a second, latencies, memory, start; one figure a line
	@tools/bench.sh

SOCKETS ?= 50000
.PHONY: bench-sockets
bench-sockets: ## measure SOCKETS=50000 idle sockets; needs `ulimit -n` of as many, and 500 more
	@tools/bench.sh -only sockets -sockets $(SOCKETS)

KILLS ?= 300
.PHONY: crash
crash: ## kill Mitome KILLS=300 times on each database, and account for every request
	@tools/crash.sh $(KILLS)

.PHONY: vulnerabilities
vulnerabilities: ## look our code up in Go's vulnerability database; needs the open network
	GOFLAGS=-tags=$(TAGS) $(TOOL) govulncheck ./...

.PHONY: licences
licences: ## write docs/licences.md, and refuse a licence that the project does not accept
	@tools/licences.sh

.PHONY: sbom
sbom: ## write bin/mitome.cdx.json, a CycloneDX list of what the program is made of
	@mkdir -p bin
	CGO_ENABLED=0 GOFLAGS=-tags=$(TAGS) $(TOOL) cyclonedx-gomod app -json -licenses -std -main cmd/mitome -output bin/mitome.cdx.json .

.PHONY: reproducible
reproducible: ## build the commit twice and compare
	@tools/reproducible.sh

FUZZTIME ?= 1m
.PHONY: fuzz
fuzz: ## feed every parser made-up input for FUZZTIME=1m each; one line of figures for each
	@FUZZTIME=$(FUZZTIME) tools/fuzz.sh

EXAMPLES ?= 100
.PHONY: schemathesis
schemathesis: ## hold every JSON API against its description, by EXAMPLES=100 calls of each sort
	MITOME_TEST_SCHEMATHESIS="$$(tools/schemathesis.sh)" MITOME_TEST_EXAMPLES=$(EXAMPLES) \
		go test -v -count=1 -timeout=3h -run '^TestSchemathesis$$' ./cmd/mitome

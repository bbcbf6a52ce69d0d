.DEFAULT_GOAL := help
.PHONY: help build test lint generate demo fuzz chaos bench images clean

# The flags of hack/build.sh and hack/lint.sh, so that dependencies are compiled only once.
static := CGO_ENABLED=0 GOFLAGS=-trimpath

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## The binaries, into bin/
	hack/build.sh

test: ## All tests; installs and builds the programs that they need
	hack/test.sh

lint: ## Linters, formatting, generated files, shell scripts
	hack/lint.sh

generate: ## Deepcopy, custom resource definitions, protobuf, the OpenAPI document
	hack/generate.sh

# Without the trap, the shell and make report Ctrl-C as an error. `go run` does so even with it.
demo: ## A hub and two member clusters on this machine; ONCE=1 exits after a self-check
	@$(static) go build -o bin/demo ./hack/demo
	@trap : INT; bin/demo $(if $(ONCE),-once)

fuzz: ## Every fuzz target for FUZZTIME each (default 3s)
	hack/fuzz.sh $(FUZZTIME)

chaos: ## Tests of faults for longer: RUNS of each kind (default 300; some 30 min)
	hack/chaos.sh $(RUNS)

bench: ## Rollcall compared with pollers, into docs/BENCHMARKS.md (an hour), then micro-benchmarks; QUICK=1: a short trial; ONLY=stream,…
	go -C hack/bench run . $(if $(QUICK),-quick) $(if $(ONLY),-only $(ONLY))
	$(if $(QUICK)$(ONLY),,hack/bench.sh)

images: ## Container images of master and agent, into bin/images; needs no container engine
	hack/images.sh

clean: ## Remove bin/, but not the caches
	rm -rf bin

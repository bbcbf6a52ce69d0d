#!/usr/bin/env bash
# Makes what is generated: deepcopy and custom resource definitions, and the Go code of the protocol.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hack/tool.sh controller-gen object paths=./api/v1alpha1/...
hack/tool.sh controller-gen crd paths=./api/v1alpha1/... output:crd:dir=config/crd/bases
PATH=$(hack/tool.sh --path protoc-gen-go):$PATH hack/tool.sh buf generate

#!/usr/bin/env bash
# Generates deepcopy functions and custom resource definitions with their reference, the copies in the charts, the
# agent's manifests in the plugin, the tables of the wire protocol and the functions that convert objects to them and to
# rows of the HTTP API, the Go code of protobuf messages, the description of the published protocol, with which later
# changes must be compatible, the OpenAPI document of the HTTP API and its types for the page.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hack/tool.sh controller-gen object paths=./api/v1alpha1/...
hack/tool.sh controller-gen crd paths=./api/v1alpha1/... output:crd:dir=config/crd/bases
hack/tool.sh crd-ref-docs --source-path api/v1alpha1 --config hack/tools/crd-ref-docs/config.yaml --renderer markdown \
	--output-path docs/REFERENCE.md --log-level ERROR
hack/charts.sh
go test ./client/join -run '^TestManifestsAreThoseOfConfig$' -count=1 -update >/dev/null
PATH=$(hack/tool.sh --path protoc-gen-go):$PATH
go run ./hack/fields
hack/tool.sh buf generate
hack/tool.sh buf generate agent/informer/slimpb --template agent/informer/slimpb/buf.gen.yaml

# Agents and masters of different versions talk to each other: a change may only add to the published protocol.
published=api/wire/wirepb/published.binpb
if [[ -f $published ]]; then
	hack/tool.sh buf breaking --against "$published"
fi
hack/tool.sh buf build --exclude-source-info -o "$published"

go test ./master/httpapi -run '^TestPublishedOpenAPI$' -count=1 -update >/dev/null
hack/need.sh npm npm
hack/web.sh types

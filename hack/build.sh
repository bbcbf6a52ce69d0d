#!/usr/bin/env bash
# Builds the binaries into bin/, with the version that git describes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...
install -m 755 cmd/kubectl-rollcall/kubectl_complete-rollcall bin/

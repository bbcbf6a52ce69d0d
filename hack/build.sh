#!/usr/bin/env bash
# Builds the binaries into bin/, with the version of the file VERSION.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CGO_ENABLED=0 go build -trimpath -ldflags "-X main.stamped=$(<VERSION)" -o bin/ ./cmd/...
install -m 755 cmd/kubectl-rollcall/kubectl_complete-rollcall bin/

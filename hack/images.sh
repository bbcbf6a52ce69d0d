#!/usr/bin/env bash
# Builds the container images for all platforms: hack/images.sh [REGISTRY/PREFIX] (default: rollcall, kept by the builder)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(git describe --tags --always --dirty)
for target in master agent; do
	docker buildx build --platform linux/amd64,linux/arm64 --build-arg "VERSION=$version" --build-arg "COMMIT=$(git rev-parse HEAD)" --target "$target" --tag "${1:-rollcall}-$target:latest" ${1:+--push} .
done

#!/usr/bin/env bash
# Builds the container images of master and agent, with the version in the file VERSION, without a container engine:
#
#   hack/images.sh [--output FOLDER] [--platforms linux/amd64,…] [--registry HOST/PATH] [--push]
#
# FOLDER (default: bin/images) gets an OCI layout, archives for containerd, k3s, podman, docker and kind, digests.txt and
# the executables. Registry and labels come from publisher.yaml. The same commit and version of Go give the same bytes.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
GOFLAGS="-mod=readonly -trimpath" GOWORK=off CGO_ENABLED=0 go -C "$root/hack/release" build -o "$root/bin/tools/release" .
exec "$root/bin/tools/release" images --root "$root" "$@"

#!/usr/bin/env bash
# Copies what the charts contain of the trees under config/ into the charts' folders `files`, from which their templates
# read it: custom resource definitions, roles, dashboards, alerts. Helm does not read files outside of a chart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../config"

rm -rf charts/rollcall/files charts/rollcall-agent/files
mkdir -p charts/rollcall/files/{crds,rbac,grafana,prometheus} charts/rollcall-agent/files/rbac
cp crd/bases/*.yaml charts/rollcall/files/crds/
cp rbac/master/*role.yaml rbac/viewer/{viewer,metrics_reader,profiler}_role.yaml charts/rollcall/files/rbac/
cp grafana/dashboards/*.json charts/rollcall/files/grafana/
cp prometheus/rules.yaml charts/rollcall/files/prometheus/
cp rbac/agent/*role.yaml charts/rollcall-agent/files/rbac/
# The version of a chart is that of the images.
version=$(<../VERSION)
sed -i -E "s/^version: .*/version: ${version#v}/; s/^appVersion: .*/appVersion: $version/" charts/*/Chart.yaml

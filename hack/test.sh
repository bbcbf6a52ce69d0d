#!/usr/bin/env bash
# Sets up what the tests need, and runs all of them. Arguments are flags of go test: hack/test.sh -run Facts
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hack/need.sh gcc build-essential # for the race detector
hack/need.sh redis-server redis-server
# For the sinks, and for what asks as Prometheus does (promtool comes with it).
hack/need.sh prometheus prometheus
hack/need.sh influxd influxdb
# For the examples of docs/API.md.
hack/need.sh curl curl
hack/need.sh node nodejs
hack/need.sh python3 python3
python3 -c 'import requests' 2>/dev/null || hack/need.sh python3-requests python3-requests
# For nodes with a real kubelet.
hack/need.sh ip iproute2
hack/need.sh containerd containerd
hack/need.sh runc runc
hack/need.sh nft nftables
hack/need.sh iptables iptables
hack/need.sh conntrack conntrack
[[ -x /opt/cni/bin/bridge ]] || hack/need.sh /usr/lib/cni/bridge containernetworking-plugins
ROLLCALL_KUBE_BINARIES=$(hack/kube-binaries.sh)
ROLLCALL_KUBE_NODE_BINARIES=$(hack/kube-binaries.sh node)
ROLLCALL_KUBE_STATE_METRICS=$(hack/tool.sh --path kube-state-metrics)/kube-state-metrics
export ROLLCALL_KUBE_BINARIES ROLLCALL_KUBE_NODE_BINARIES ROLLCALL_KUBE_STATE_METRICS
# The tests of processes start binaries, which are not built with the race detector, and mostly wait for them: two
# packages at once, or the API servers that they start are too slow. Vetting is hack/lint.sh's.
processes='/test/(e2e|flood|idle|kube|manifests|oracle|realnode)$'
go list ./... | grep -Ev "$processes" | xargs go test -race -vet=off -timeout 30m -p 3 "$@"
go list ./... | grep -E "$processes" | xargs go test -vet=off -timeout 30m -p 2 "$@"
if (($# == 0)); then
	hack/need.sh npm npm
	hack/web.sh test
	hack/web.sh browser # which sees to chromium itself
fi

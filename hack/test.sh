#!/usr/bin/env bash
# Installs and builds the programs that the tests need, and runs all tests. Arguments are passed to go test, and
# then the page's tests are left out: hack/test.sh -run Facts
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hack/need.sh gcc build-essential # for the race detector
hack/need.sh redis-server redis-server
# For the sinks and for queries in PromQL; the package includes promtool.
hack/need.sh prometheus prometheus
hack/need.sh influxd influxdb
# For the examples of docs/API.md.
hack/need.sh curl curl
hack/need.sh node nodejs
hack/need.sh python3 python3
python3 -c 'import requests' 2>/dev/null || hack/need.sh python3-requests python3-requests
# For agents that dial their master through a proxy.
hack/need.sh nginx nginx-light
hack/need.sh tinyproxy tinyproxy-bin
# For nodes with a real kubelet.
hack/need.sh ip iproute2
hack/need.sh containerd containerd
hack/need.sh runc runc
hack/need.sh nft nftables
hack/need.sh iptables iptables
hack/need.sh conntrack conntrack
[[ -x /opt/cni/bin/bridge ]] || hack/need.sh /usr/lib/cni/bridge containernetworking-plugins
# All are built, so that they have exactly the pinned versions.
export ROLLCALL_KUBE_DOWNLOADS=off
ROLLCALL_KUBE_BINARIES=$(hack/kube-binaries.sh)
ROLLCALL_KUBE_NODE_BINARIES=$(hack/kube-binaries.sh node)
hack/tool.sh --path helm >/dev/null # test/charts runs it
ROLLCALL_KUBE_STATE_METRICS=$(hack/tool.sh --path kube-state-metrics)/kube-state-metrics
export ROLLCALL_KUBE_BINARIES ROLLCALL_KUBE_NODE_BINARIES ROLLCALL_KUBE_STATE_METRICS
# Process tests start binaries that are built without the race detector, and spend most of their time waiting. No more
# than two packages run at once: with more, the API servers become too slow. hack/lint.sh runs go vet.
processes='/test/(charts|e2e|flood|idle|kube|manifests|oracle|realnode)$'

# race_test tests packages with the race detector. Packages in which the race detector itself has crashed are repeated
# once.
race_test() {
	local output crashed
	output=$(mktemp)
	if go test -race -vet=off -timeout 30m -p 3 "$@" 2>&1 | tee "$output"; then
		rm "$output"
		return
	fi
	crashed=$(awk -f hack/race-crashes.awk "$output")
	if [[ -z $crashed || $(grep -cE $'^FAIL\t' "$output") != $(wc -l <<<"$crashed") ]]; then
		return 1
	fi
	printf 'The race detector has crashed; testing again: %s\n' "$crashed" >&2
	# shellcheck disable=SC2086
	go test -race -vet=off -timeout 30m "${flags[@]}" $crashed
}
flags=("$@")
mapfile -t packages < <(go list ./... | grep -Ev "$processes")
race_test "${flags[@]}" "${packages[@]}"
go list ./... | grep -E "$processes" | xargs go test -vet=off -timeout 30m -p 2 "$@"
if (($# == 0)); then
	go -C hack/bench test -race -vet=off ./...
	go -C hack/release test -vet=off ./...
	hack/need.sh npm npm
	hack/web.sh test
	hack/web.sh browser # installs Chromium itself
fi

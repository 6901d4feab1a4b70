#!/usr/bin/env bash
# Builds what a real node needs into a folder: build.sh FOLDER. First the API server's programs
# (real_api_server/build.sh), then kubelet, kube-proxy and kube-scheduler from the same sources;
# containerd, runc, the CNI plugins, iptables, dnsmasq and buildah come from Debian. Needs root.
set -euo pipefail

folder=$(realpath -m "${1:?usage: build.sh FOLDER}")
here=$(dirname "$(realpath "$0")")
as_root=$(test "$(id -u)" = 0 || echo sudo)

"$here/../real_api_server/build.sh" "$folder"
$as_root apt-get install -y -qq --no-install-recommends \
	containerd runc containernetworking-plugins iptables conntrack dnsmasq-base iproute2 \
	buildah debootstrap gcc libc6-dev

source=$(echo "$folder"/kubernetes-1.20*)
cd "$source"
# NODE_CPUS: what the node says it has, so that two Ray clusters fit where a change rolls.
capacity=pkg/kubelet/cadvisor/util.go
if ! grep -q NODE_CPUS $capacity; then
	sed -i -e 's/int64(info.NumCores\*1000),/cores(info)*1000,/' \
		-e '0,/^import (/s//import (\n\t"os"\n\t"strconv"\n/' $capacity
	cat >>$capacity <<'GO'

func cores(info *cadvisorapi.MachineInfo) int64 {
	if given, err := strconv.ParseInt(os.Getenv("NODE_CPUS"), 10, 64); err == nil {
		return given
	}
	return int64(info.NumCores)
}
GO
fi
env GOPATH="$source/.go" GOROOT="$folder/go" PATH="$folder/go/bin:$PATH" HOME="$folder/home" \
	CGO_ENABLED=1 KUBE_CGO_OVERRIDES=kubelet GOFLAGS=-mod=vendor GOPROXY=off GOLDFLAGS="-s -w" \
	make WHAT="cmd/kubelet cmd/kube-proxy cmd/kube-scheduler"
for program in kubelet kube-proxy kube-scheduler; do
	cp _output/local/bin/linux/*/$program "$folder/bin/"
done
"$folder/bin/kubelet" --version

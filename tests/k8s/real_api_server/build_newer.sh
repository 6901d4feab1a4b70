#!/usr/bin/env bash
# Builds the apiextensions-apiserver of a current Kubernetes, which keeps CRDs and custom resources,
# from Debian's packages of its source into a folder: build_newer.sh FOLDER. On Debian or Ubuntu;
# after build.sh, which installs the other programs.
set -euo pipefail

folder=$(realpath -m "${1:?usage: build_newer.sh FOLDER}")
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
wanted=golang-k8s-apiextensions-apiserver-dev
root="$folder/newer"

mkdir -p "$folder/bin" "$root/debs" "$root/apt/lists/partial" "$root/apt/cache/archives/partial"

# Only Debian's sid has current sources. Lists of its own: the system's stay as they are.
signed=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$signed] $mirror sid main" >"$root/apt/sources.list"
own=(-o "Dir::Etc::sourcelist=$root/apt/sources.list" -o Dir::Etc::sourceparts=-
	-o "Dir::State::lists=$root/apt/lists" -o "Dir::Cache=$root/apt/cache"
	-o APT::Sandbox::User=root)
apt-get "${own[@]}" update -qq

# Libraries only, and no tests of theirs: what is imported, and the Go that Debian builds it with.
none=(--no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances)
needed() { apt-cache "${own[@]}" depends --recurse "${none[@]}" "$1" | grep -oE "^$2\$" | sort -u; }
go=$(needed golang-go 'golang-1\.[0-9]+-go' | head -n 1)
cd "$root/debs"
apt-get "${own[@]}" download -qq "$go" "${go%-go}-src" $(needed "$wanted" 'golang-[a-z0-9.-]+-dev')
for package in *.deb; do dpkg -x "$package" "$root/files"; done

# It is a part of the kube-apiserver, which lists its groups and merges its schemas; alone it has
# to do both itself.
server=$root/files/usr/share/gocode/src/k8s.io/apiextensions-apiserver/pkg
sed -i 's/EnableDiscovery = false/EnableDiscovery = true/' "$server/apiserver/apiserver.go"
grep -q DefaultOpenAPIConfig "$server/cmd/server/options/options.go" || sed -i \
	's/serverConfig\.OpenAPIV3Config = genericapiserver\.DefaultOpenAPIV3Config(\(.*\)$/&\n\tserverConfig.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(\1/' \
	"$server/cmd/server/options/options.go"

version=${go#golang-}
go=$root/files/usr/lib/go-${version%-go}
env GOROOT="$go" GOPATH="$root/files/usr/share/gocode" GO111MODULE=off GOFLAGS= GOTOOLCHAIN=local \
	GOCACHE="$root/cache" HOME="$root" CGO_ENABLED=0 \
	"$go/bin/go" build -ldflags '-s -w' -o "$folder/bin/" k8s.io/apiextensions-apiserver
test -x "$folder/bin/apiextensions-apiserver"

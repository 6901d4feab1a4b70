#!/usr/bin/env bash
# Installs etcd and builds kube-apiserver and kube-controller-manager from Debian's source package
# of Kubernetes into a folder: build.sh FOLDER. On Debian or Ubuntu, with root or sudo for apt.
set -euo pipefail

folder=$(realpath -m "${1:?usage: build.sh FOLDER}")
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
version=1.20.5+really1.20.2
go=1.19
source="$folder/kubernetes-$version"
as_root=$(test "$(id -u)" = 0 || echo sudo)

mkdir -p "$folder/bin" "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends \
	etcd-server etcd-client make rsync patch dpkg-dev xz-utils

# Bookworm is the last Debian whose package has the servers' sources. Lists of its own: the
# system's sources stay as they are.
signed=/usr/share/keyrings/debian-archive-keyring.gpg
test -e "$signed" || $as_root apt-get install -y -qq debian-archive-keyring
for kind in deb deb-src; do
	echo "$kind [signed-by=$signed] $mirror bookworm main"
done >"$folder/apt/sources.list"
own=(-o "Dir::Etc::sourcelist=$folder/apt/sources.list" -o Dir::Etc::sourceparts=-
	-o "Dir::State::lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache"
	-o APT::Sandbox::User=root)
apt-get "${own[@]}" update -qq

cd "$folder"
if ! test -x "$folder/go/bin/go"; then
	apt-get "${own[@]}" download -qq "golang-$go-go" "golang-$go-src"
	for package in golang-$go-*.deb; do dpkg -x "$package" root; done
	mkdir -p go
	cp -rL "root/usr/lib/go-$go/." go/
fi
test -d "$source" || apt-get "${own[@]}" source -qq "kubernetes=$version-1.1+deb12u1"

cd "$source"

# Written for Go 1.15. With newer ones, the package that walks maps crashes (Debian has one that
# does not), and an empty text counts as null when a schema is checked.
reflect=vendor/github.com/modern-go/reflect2
(cd "$folder" && apt-get "${own[@]}" download -qq golang-github-modern-go-reflect2-dev &&
	dpkg -x golang-github-modern-go-reflect2-dev_*.deb root)
rm -f $reflect/*.go $reflect/*.s
cp "$folder"/root/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} $reflect/
rm -f $reflect/*_test.go
sed -i 's/if data == nil || reflect.DeepEqual(reflect.Zero.*{/if data == nil {/' \
	vendor/github.com/go-openapi/validate/type.go \
	vendor/k8s.io/kube-openapi/pkg/validation/validate/type.go

# As the package builds itself; the servers only.
mkdir -p .go/src/k8s.io
ln -sfn ../../.. .go/src/k8s.io/kubernetes
if ! command -v kubectl >/dev/null; then
	(cd "$folder" && apt-get "${own[@]}" download -qq kubernetes-client &&
		dpkg -x kubernetes-client_*.deb root && cp root/usr/bin/kubectl bin/)
fi
env GOPATH="$source/.go" GOROOT="$folder/go" PATH="$folder/go/bin:$PATH" HOME="$folder/home" \
	CGO_ENABLED=0 GOFLAGS=-mod=vendor GOPROXY=off GOLDFLAGS="-s -w" \
	make WHAT="cmd/kube-apiserver cmd/kube-controller-manager"
cp _output/local/bin/linux/*/kube-apiserver _output/local/bin/linux/*/kube-controller-manager \
	"$folder/bin/"
"$folder/bin/kube-apiserver" --version

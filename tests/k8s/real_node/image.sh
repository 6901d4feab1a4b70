#!/usr/bin/env bash
# Builds umbel's image without a registry: image.sh FOLDER [buildah options, such as --volume for
# pip's configuration]. The Dockerfile is used as it is; its base image is made from Debian's own
# Python and given the same name. The archive FOLDER/umbel.tar is what the node imports.
set -euo pipefail

folder=$(realpath -m "${1:?usage: image.sh FOLDER [OPTIONS]}")
shift
root=$(realpath "$(dirname "$0")/../../..")
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
base=docker.io/library/python:3.11-slim-bookworm
image=${UMBEL_IMAGE:-registry.example.com/umbel:0.1.0}
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=overlay

mkdir -p "$folder"
if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
	test -d "$folder/rootfs/usr" || debootstrap --variant=minbase \
		--include=python3,python3-venv,ca-certificates bookworm "$folder/rootfs" "$mirror"
	ln -sf python3 "$folder/rootfs/usr/bin/python"
	made=$(buildah from scratch)
	cp -a "$folder/rootfs/." "$(buildah mount "$made")/"
	buildah umount "$made"
	buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$made"
	buildah commit --rm "$made" "$base"
	rm -rf "$folder/rootfs"
fi
cd "$root"
buildah bud --pull-never --build-arg EXTRAS="${EXTRAS:-ray,k8s,grpc,sklearn}" "$@" \
	-f k8s/install/Dockerfile -t "$image" .
rm -f "$folder/umbel.tar"
buildah push "$image" "docker-archive:$folder/umbel.tar:$image"

#!/usr/bin/env bash
# Installs the Debian packages that anet needs, where they are missing: sourced by demo.sh and test.sh.
# On other systems it names them and stops.
anet_packages=(build-essential cmake ninja-build pkg-config libluajit-5.1-dev luajit libopenblas-dev libpng-dev
  libstb-dev libjansson-dev zlib1g-dev libedit-dev libonnx-dev libprotobuf-c-dev protobuf-c-compiler libcairo2 fonts-dejavu-core dataset-fashion-mnist)

# To cross-build for 64-bit ARM and run what comes out.
anet_aarch64_packages=(gcc-aarch64-linux-gnu qemu-user libluajit-5.1-dev:arm64 libopenblas-dev:arm64 libpng-dev:arm64
  libjansson-dev:arm64 zlib1g-dev:arm64 libedit-dev:arm64 libprotobuf-c-dev:arm64)

# To fuzz (tests/fuzz/run.sh).
anet_fuzz_packages=(clang libclang-rt-dev)

# anet_as_root COMMAND…
anet_as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    echo "anet: not root and no sudo; as root run: $*" >&2
    return 1
  fi
}

anet_install() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "anet: this is not a Debian system; install what corresponds to: ${anet_packages[*]} $*" >&2
    echo "anet: then run: cmake --preset release && cmake --build --preset release" >&2
    return 1
  fi
  for package in "${anet_packages[@]}" "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ "${#missing[@]}" -eq 0 ] && return 0
  echo "anet: installing ${missing[*]}"
  anet_as_root apt-get update -qq || echo "anet: apt-get update failed; trying with the lists that are there" >&2
  anet_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
    echo "anet: apt-get install ${missing[*]} failed (see above)" >&2
    return 1
  }
}

# The libraries of the other architecture stand beside the machine's own.
anet_install_aarch64() {
  if ! command -v dpkg >/dev/null 2>&1 || [ "$(dpkg --print-architecture)" != amd64 ]; then
    echo "anet: cross-building for aarch64 wants Debian on amd64" >&2
    return 1
  fi
  if ! dpkg --print-foreign-architectures | grep -qx arm64; then
    echo "anet: adding the architecture arm64"
    anet_as_root dpkg --add-architecture arm64 || return 1
  fi
  anet_install "${anet_aarch64_packages[@]}"
}

#!/usr/bin/env bash
# Installs the Debian packages that anet needs, where they are missing: sourced by demo.sh and test.sh.
# On other systems it names them and stops.
anet_packages=(build-essential cmake ninja-build pkg-config libluajit-5.1-dev luajit libopenblas-dev libpng-dev
  libstb-dev libjansson-dev zlib1g-dev libedit-dev libonnx-dev libprotobuf-c-dev protobuf-c-compiler libcairo2 fonts-dejavu-core dataset-fashion-mnist)

anet_install() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "anet: this is not a Debian system; install what corresponds to: ${anet_packages[*]}" >&2
    echo "anet: then run: cmake --preset release && cmake --build --preset release" >&2
    return 1
  fi
  for package in "${anet_packages[@]}" "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ "${#missing[@]}" -eq 0 ] && return 0
  echo "anet: installing ${missing[*]}"
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
      echo "anet: not root and no sudo; as root run: apt-get install ${missing[*]}" >&2
      return 1
    }
    sudo=(sudo)
  fi
  "${sudo[@]}" apt-get update -qq || echo "anet: apt-get update failed; trying with the lists that are there" >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
    echo "anet: apt-get install ${missing[*]} failed (see above)" >&2
    return 1
  }
}

#!/usr/bin/env bash
# The whole road on real data, from nothing: packages, build, then `anet demo`.
set -eu
cd "$(dirname "$0")"
. cmake/packages.sh
anet_install
cmake --preset release -DANET_TESTS=OFF >/dev/null
cmake --build --preset release
exec build/release/anet demo "$@"

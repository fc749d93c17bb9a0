#!/usr/bin/env bash
# Fuzzes one door: tests/fuzz/run.sh onnx|tail|bundle|model|image|dataset [seconds, 300]
# What it learns grows in ANET_CORPUS (the user's cache by default), outside the tree; what it finds is written
# there too, as crash-…: fix it, and commit the file as a seed, where it is replayed by every test run.
set -eu
cd "$(dirname "$0")/../.."
door=${1:?which door: $(ls tests/fuzz/seeds | tr '\n' ' ')} seconds=${2:-300}
seeds=tests/fuzz/seeds/$door
[ -d "$seeds" ] || { echo "run.sh: there is no $seeds" >&2; exit 2; }
. cmake/packages.sh
anet_install "${anet_fuzz_packages[@]}"
corpus=${ANET_CORPUS:-${XDG_CACHE_HOME:-$HOME/.cache}/anet-fuzz}/$door
mkdir -p "$corpus/grown" "$corpus/found"
cmake --preset fuzz >/dev/null
cmake --build build/fuzz --target "fuzz_$door"

extra=()
[ -f "tests/fuzz/$door.dict" ] && extra+=("-dict=tests/fuzz/$door.dict")
# ONNX's own cases, where they are installed, know every op; they are read, not kept.
if [ "$door" = onnx ] && [ -d /usr/share/libonnx-testdata ]; then extra+=(/usr/share/libonnx-testdata); fi
[ -w /dev/shm ] && export TMPDIR=/dev/shm # data sets are folders
# A single block, and all memory, of the size that the largest image may take and the sanitizer's own.
ANET_TUNE=off nice -n 19 "build/fuzz/fuzz_$door" "$corpus/grown" "$seeds" "${extra[@]}" \
  -max_total_time="$seconds" -malloc_limit_mb=1024 -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 \
  -artifact_prefix="$corpus/found/"

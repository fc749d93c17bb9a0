#!/usr/bin/env bash
# Everything from nothing: packages, build, all tests.
#   ./test.sh           release tests on every instruction set, then the sanitizers
#   ./test.sh quick     the release tests alone
set -eu
cd "$(dirname "$0")"
. cmake/packages.sh
anet_install libonnx-testdata python3-onnx # ONNX's conformance cases and its checker

configure_and_test() {
  local preset=$1
  shift
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
  ctest --preset "$preset" "$@"
}

configure_and_test release
[ "${1:-}" = quick ] && exit 0
for isa in ref sse2 avx2; do
  echo "== kernels by ANET_ISA=$isa"
  ANET_ISA=$isa ctest --preset release -L 'unit|grad'
done
echo "== address and undefined-behaviour sanitizers"
configure_and_test asan -L 'unit|kernel|grad|fault'
echo "== thread sanitizer"
configure_and_test tsan -L 'unit'

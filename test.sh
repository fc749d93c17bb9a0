#!/usr/bin/env bash
# Everything from nothing: packages, build, all tests.
#   ./test.sh           release tests on every instruction set, aarch64 under emulation, then the sanitizers
#   ./test.sh quick     the release tests alone
#   ./test.sh aarch64   the cross-built tests alone
set -eu
cd "$(dirname "$0")"
. cmake/packages.sh
anet_install libonnx-testdata python3-onnx # ONNX's conformance cases and its checker
anet_install chromium || echo "test.sh: without chromium nobody looks at the page of reports" # it is large

configure_and_test() {
  local preset=$1
  shift
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
  ctest --preset "$preset" -j "$(nproc)" "$@"
}

# Not what measures time or starts the command from within (emulated, it cannot be started by its name), nor what
# takes minutes there and has nothing of its own in vectors.
test_aarch64() {
  echo "== aarch64, emulated"
  if ! anet_install_aarch64; then
    echo "aarch64: skipped, what it needs cannot be installed (see above)"
    return 0
  fi
  configure_and_test aarch64 -R '^(unit|kernel|grad|fault|host)/|^lua/test_(face|json|policy|repl|train)$' \
    -E '^unit/test_(profile|evaluate|supernet)$|^host/test_(command|signals)$'
}

if [ "${1:-}" = aarch64 ]; then
  test_aarch64
  exit 0
fi
configure_and_test release
[ "${1:-}" = quick ] && exit 0
for isa in ref sse2 avx2; do
  echo "== kernels by ANET_ISA=$isa"
  ANET_ISA=$isa ctest --preset release -j "$(nproc)" -L 'unit|grad'
done
test_aarch64
echo "== address and undefined-behaviour sanitizers"
configure_and_test asan -L 'unit|kernel|grad|fault|fuzz'
echo "== thread sanitizer"
configure_and_test tsan -L 'unit'

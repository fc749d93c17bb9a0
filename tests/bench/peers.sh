#!/usr/bin/env bash
# anet beside ONNX Runtime (inference) and PyTorch (training steps), on the same networks with random weights:
#   tests/bench/peers.sh [--rounds N] [--only PATTERN] [--all] [--quick] [--check] [--anet COMMAND]
#
# Each engine is a process that stays; they take turns of a quarter of a second, so that what disturbs the machine
# disturbs all alike. One thread is pinned to one processor. Lines are tab separated: the least times (ms an image, or
# ms a training step), their ratio anet / peer and the ratio that is aimed at, then the same of the medians.
# --check compares what the engines compute instead: a line a model, differences relative to the largest output.
#
# Needs the network once: Debian's python3-torch, and onnxruntime-node from npm into ~/.cache/anet-peers.
set -eu
cd "$(dirname "$0")/../.."
. cmake/packages.sh
cache=${XDG_CACHE_HOME:-$HOME/.cache}/anet-peers
mkdir -p "$cache"

packages=(python3-torch python3-numpy util-linux)
command -v npm >/dev/null 2>&1 || packages+=(nodejs npm)
anet_install "${packages[@]}" >&2
if [ ! -d "$cache/node_modules/onnxruntime-node" ]; then
  npm install --prefix "$cache" --ignore-scripts --no-audit --no-fund --silent onnxruntime-node@1.20.1 >&2
fi
if [ ! -x build/release/anet ]; then
  cmake --preset release >/dev/null
  cmake --build --preset release >&2
fi

export ANET_ORT=$cache/node_modules/onnxruntime-node PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 tests/bench/peers.py --models "$cache/models" "$@"

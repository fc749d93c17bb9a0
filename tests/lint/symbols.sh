#!/usr/bin/env bash
# `symbols.sh BUILD NM`: a call points down the list of layers or stays in its own, too: what an object of a layer leaves
# undefined is defined in its layer or below. Declarations in anet.h are seen by all, so includes alone do not tell.
set -u
cd "$(dirname "$0")/../.." || exit 1
layers=$(sed -n 's/^layers=(\(.*\))$/\1/p' tests/lint/layers.sh)
mapfile -t objects < <(for source in core/*/*.c; do ls "$1"/CMakeFiles/*.dir/"$source".o 2>/dev/null; done)
[ "${#objects[@]}" -gt 100 ] || { echo "symbols: only ${#objects[@]} objects below $1"; exit 1; }
"${2:-nm}" -A "${objects[@]}" | awk -v layers="$layers" '
  BEGIN { n = split(layers, name, " "); for (i = 1; i <= n; i++) rank[name[i]] = i }
  {
    file = $1
    sub(/^.*\.dir\/core\//, "", file)
    sub(/\.c\.o:.*$/, ".c", file)
    if ($(NF - 1) == "U") wanted[file SUBSEP $NF]
    else if ($(NF - 1) ~ /^[TDBRGSC]$/) home[$NF] = file
  }
  END {
    for (pair in wanted) {
      split(pair, of, SUBSEP)
      if (!(of[2] in home)) continue
      user = of[1]; maker = home[of[2]]
      split(user, low, "/"); split(maker, high, "/")
      if (rank[high[1]] > rank[low[1]]) { print "core/" user ": " low[1] " may not call " of[2] " of core/" maker; bad = 1 }
    }
    if (!bad) print "symbols: " length(home) " defined, none called from below"
    exit bad
  }'

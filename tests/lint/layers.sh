#!/usr/bin/env bash
# An include points down the list of layers or stays in its own; file names are unique in the tree
# (a verb of the command line is named after what it does, beside the module that does it);
# only host/ sees lua.h; no file of the core prints, exits or aborts.
set -u
cd "$(dirname "$0")/../.." || exit 1
layers=(base kernel tensor image data op graph plan train elastic measure edge bundle onnx codegen host)
rank() { local i; for i in "${!layers[@]}"; do [ "${layers[$i]}" = "$1" ] && { echo "$i"; return; }; done; echo -1; }
bad=0
complain() { echo "$*"; bad=1; }

for layer in "${layers[@]}"; do
  mine=$(rank "$layer")
  while IFS=: read -r file line text; do
    other=$(sed -E 's/.*"([a-z0-9_]+)\/.*/\1/' <<<"$text")
    theirs=$(rank "$other")
    [ "$theirs" -lt 0 ] && continue
    [ "$theirs" -gt "$mine" ] && complain "$file:$line: $layer may not include $other ($text)"
  done < <(grep -nE '^#include "[a-z0-9_]+/' -r "core/$layer" --include='*.[ch]' --include='*.inc')
done

while read -r name; do complain "file name is not unique: $name"; done < <(
  git ls-files core lua tests examples | grep -vE '(README\.md|init\.lua)$|^lua/anet/verb/' | xargs -r -n1 basename | sort | uniq -d)

while read -r hit; do complain "only host/ sees lua.h: $hit"; done < <(
  grep -rnE '#include [<"](lua|lauxlib|lualib|luajit)' core | grep -v '^core/host/')

while read -r hit; do complain "the core never prints, exits or aborts: $hit"; done < <(
  grep -rnE '\b(printf|puts|putchar|fprintf|perror|exit|abort)\(' core --include='*.[ch]' --include='*.inc' |
    grep -vE '^core/host/|ANET_PRINTF|:[0-9]+: ?(/?\*| \*|//)|_exit_' | grep -vE 'sn?printf\(')

while read -r lines file; do
  [ "$file" = total ] || [ "$lines" -le 1000 ] || complain "$file has $lines lines, the most is 1000"
done < <(git ls-files '*.c' '*.h' '*.inc' '*.lua' | xargs -r wc -l)

[ "$bad" = 0 ] && echo "layers: 1 passed, 0 failed"
exit "$bad"

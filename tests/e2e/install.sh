#!/bin/bash
# install.sh - an installed and moved tree works: tool, pipelines by name, both libraries, examples
. "$(dirname "$0")/common.bash"
needs_llvm
cmake --install "$QCC_BUILD" --prefix "$scratch/first" >"$scratch/log" || { cat "$scratch/log"; exit 1; }
mv "$scratch/first" "$scratch/prefix"
prefix=$scratch/prefix
cd "$scratch"
cp "$digits"/*.onnx "$digits"/*.yaml "$digits"/*.npy .
for file in bin/qcc include/qcc.h share/man/man1/qcc.1 share/bash-completion/completions/qcc \
    share/qcc/pipelines/ptq_int8.yaml; do
    [ -e "$prefix/$file" ] || fail "$file is not installed"
done
tool=$prefix/bin/qcc
ends 0 "$tool" -p ptq_int8 digits.onnx --calib=calib.yaml --quick -o m.bin

flags=()
if ldd "$tool" | grep 'libasan' >/dev/null; then flags=(-fsanitize=address,undefined); fi
if ldd "$tool" | grep 'libtsan' >/dev/null; then flags=(-fsanitize=thread); fi
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig:$(ls -d "$prefix"/lib/*/pkgconfig 2>/dev/null || true)
libdir=$(pkg-config --variable=libdir qcc)
inputs x.npy 1
inside=$QCC_SOURCE/docs/examples
# shellcheck disable=SC2046
ends 0 "${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror "${flags[@]}" "$inside/embed.c" -o embed \
    $(pkg-config --cflags --libs qcc) "-Wl,-rpath,$libdir"
[ "$(wc -l <"$inside/embed.c")" -le 60 ] || fail "embed.c has more than 60 lines"
ends 0 ./embed m.bin x.npy
prints '^1\. class [0-9]: '
[ "$(wc -l <out)" = 5 ] || fail "embed prints $(wc -l <out) lines, not 5"
best=$(sed -n 's/^1\. class \([0-9]\):.*/\1/p' out)
ends 0 "$tool" run m.bin --input=x.npy
[ "$(sed -n '2{s/^ *//;s/ .*//p}' out)" = "$best" ] || fail "embed and qcc run disagree"
ends 5 ./embed none.bin x.npy
says 'none.bin'

if [ -f "$inside/pass_plugin.c" ]; then
    # shellcheck disable=SC2046
    ends 0 "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -shared -fPIC "${flags[@]}" "$inside/pass_plugin.c" \
        -o plugin.so $(pkg-config --cflags qcc-pass)
    ends 0 "$tool" passes
    cp out before
    ends 0 "$tool" --plugin=./plugin.so passes
    cmp -s before out && fail "the plugin's pass is not listed"
    pass=$({ diff before out || true; } | sed -n 's/^> \([^ ]*\) .*/\1/p' | sed -n 1p)
    ends 0 "$tool" --plugin=./plugin.so "--help-pass=$pass"
    printf 'qcc: 1\npasses:\n  - %s\n' "$pass" >plugin.yaml
    ends 0 "$tool" --plugin=./plugin.so -p plugin.yaml digits.onnx --quick --stats -o p.qir
    says "$pass"
    ends 0 "$tool" run p.qir --input=x.npy
    ends 1 "$tool" -p plugin.yaml digits.onnx --quick -o p.qir
    says 'plugin.yaml:3:[0-9]+: error: '
else
    fail "docs/examples/pass_plugin.c is not there"
fi
printf 'int not_a_plugin;\n' >no.c
"${CC:-cc}" -shared -fPIC no.c -o no.so
ends 1 "$tool" --plugin=./no.so passes
says 'no.so'
finish

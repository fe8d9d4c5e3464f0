#!/bin/sh
# Write the answers to fixed inputs to a folder, to compare two revisions byte for byte:
#
#     scripts/fixed_outputs.sh BEFORE    # on one revision, with its package on PYTHONPATH or installed
#     scripts/fixed_outputs.sh AFTER     # on the other
#     diff -r BEFORE AFTER
#
# PYTHON is the interpreter. Training runs only where the interpreter has torch.
set -eu
output=$1
python=${PYTHON:-python3}
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$output"
output=$(cd "$output" && pwd)
fillmask() { "$python" -m fillmask "$@"; }
# Float32 on one thread: the same additions in the same order.
export FILLMASK_PRECISION=float32 FILLMASK_THREADS=1 OMP_NUM_THREADS=1

fillmask fill --json "I am <mask> to the bakery" "At a <mask> you can drink beer and <mask>" > "$output/fill.json"
fillmask fill --json --targets "going,walking" "I am <mask> to the bakery" > "$output/targets.json"
for letter in "$root"/examples/letters/*.txt "$root"/examples/letters/*.xml; do
    name=$(basename "$letter")
    fillmask restore --json "$letter" > "$output/$name.json"
    fillmask restore --format tei "$letter" > "$output/$name.tei.xml"
done
fillmask score --json -t "I am going to the bakery" > "$output/score.json" 2> /dev/null ||
    echo "I am going to the bakery" | fillmask score --json - > "$output/score.json"
printf 'I am <mask> to the bakery\nThe <mask> is red.\n' > "$output/rows.txt"
(cd "$output" && fillmask batch rows.txt batch --task fill > /dev/null 2>&1 && cat batch/part-* > batch.jsonl)
rm -rf "$output/batch"
# The seconds that a restoration took differ from run to run.
sed -i -E 's/"seconds": [0-9.e-]+/"seconds": 0/' "$output"/*.json
if "$python" -c "import torch" 2> /dev/null; then
    (
        cd "$output"
        cat "$root/src/fillmask/samples/english.txt" > text.txt
        fillmask train pretrain text.txt -o run --size tiny --tokens 8192 --batch-tokens 1024 --no-compile --device cpu \
            > /dev/null 2>&1
        sha256sum run/model.safetensors > training.txt
        rm -rf run text.txt
    )
fi

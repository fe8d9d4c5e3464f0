#!/bin/sh
# Half an hour of a GPU for the bundled model: tokenise, pretrain a larger teacher, distil the model that ships.
#
#     scripts/train_on_gpu.sh OUTPUT VALIDATION FILE[=SHARE]...
#
# Each step can be interrupted and the same call goes on from its last state (kept once a minute); whenever the model
# is judged, a usable checkpoint is in OUTPUT/teacher and OUTPUT/student, in files of 16 MB at most. Both read the
# same tokenised text (OUTPUT/cache), so that the processor's part is done once; `PREPARE=1` does only that part,
# before the GPU's time begins.
#
# The defaults are for one GPU of the H100's kind: steps of 1,024 rows of 128 tokens, bfloat16, compiled. A rehearsal
# on a processor, in a minute or two:
#
#     SIZE=tiny STUDENT_SIZE=tiny TOKENS=2e5 STUDENT_TOKENS=1e5 BATCH=8192 MICRO=4096 OPTIONS="--device cpu --no-compile" \
#         scripts/train_on_gpu.sh OUT held_out.txt text.txt
set -eu
output=$1 validation=$2
shift 2
size=${SIZE:-medium} student=${STUDENT_SIZE-small} batch=${BATCH:-131072} micro=${MICRO:-131072}
tokens=${TOKENS:-450e6} student_tokens=${STUDENT_TOKENS:-300e6} vocabulary=${VOCABULARY:-24576}
here=$(dirname "$0")
mkdir -p "$output"

# The vocabulary: the one that is named (TOKENIZER=bundled keeps the bundled model's), or a new one.
tokenizer=${TOKENIZER:-$output/tokenizer}
if [ -z "${TOKENIZER:-}" ] && [ ! -e "$tokenizer/tokenizer.json" ]; then
    fillmask train tokenizer "$@" -o "$tokenizer" --vocab-size "$vocabulary"
fi

pretrain() {
    fillmask train pretrain "$@" --validation "$validation" --config "$here/bundled.json" --tokenizer "$tokenizer" \
        --cache "$output/cache" \
        --micro-tokens "$micro" --batch-tokens "$batch" --save-seconds 60 --validate-every 250 --shards \
        --sample "I am <mask> to the bakery" ${OPTIONS:-}
}

if [ -n "${PREPARE:-}" ]; then # one small step: the text is tokenised and packed for what follows
    pretrain "$@" -o "$output/prepare" --size tiny --tokens 1 --batch-tokens 512 --device cpu --no-compile
    rm -r "$output/prepare"
    exit
fi

# 1. The teacher: 512 wide and 8 deep, or SIZE.
pretrain "$@" -o "$output/teacher" --size "$size" --tokens "$tokens" --lr "${LR:-2e-3}" --muon-lr "${MUON_LR:-0.02}"

# 2. The student, from random weights of its own shape: the soft answers of the teacher and the true tokens.
#    With STUDENT_SIZE= (empty) it is every other layer of the teacher.
fillmask train distil "$output/teacher" "$@" --validation "$validation" -o "$output/student" --cache "$output/cache" \
    ${student:+--size "$student"} --tokens "$student_tokens" --batch-tokens "$batch" --micro-tokens "$micro" \
    --lr "${STUDENT_LR:-2e-3}" --muon-lr "${STUDENT_MUON_LR:-0.02}" --save-seconds 60 --shards ${OPTIONS:-}

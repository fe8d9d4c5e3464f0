#!/bin/sh
# Train the bundled model on a CPU, or one like it on other text:
#
#     scripts/train_bundled.sh OUTPUT VALIDATION FILE[=SHARE]...
#
# TOKENS says how long (70e6: about an hour and a half of two fast cores). The same call goes on where it was
# interrupted; more tokens than before continue a finished run's state. The result, OUTPUT, is a checkpoint folder.
set -eu
output=$1 validation=$2
shift 2
here=$(dirname "$0")
exec fillmask train pretrain "$@" --validation "$validation" -o "$output" --config "$here/bundled.json" \
    --tokens "${TOKENS:-70e6}" --sample "I am <mask> to the bakery" ${OPTIONS:-}

#!/bin/sh
# Train on a folder, continue a prompt, learn a document, ask where a word comes from, and forget the document.
# sh examples/first_run.sh [FOLDER]
set -eu
folder=${1:-docs}
run=$(mktemp -d)/run
printf 'The launch of the great balloon is on the fourth of May.\n' >"$run.txt"

lior train "$folder" --config fast --out "$run" --quiet
lior generate "$run" --prompt "The metric" --max-tokens 80
lior learn "$run" "$run.txt"
lior why "$run" --prompt "The launch of the great" --next 20
lior forget "$run" run.txt
rm -r "$(dirname "$run")"

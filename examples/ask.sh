#!/bin/sh
# Ask a folder from a shell: the answer for a person, as JSON for a program, and one question after the other.
# sh examples/ask.sh [FOLDER [QUESTION]]
set -eu
folder=${1:-examples/notes}
question=${2:-When does the certificate expire?}

lior ask "$folder" "$question" --top 1
lior ask "$folder" "$question" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["confidence"])'
printf '%s\n' "$question" /more | lior chat "$folder"

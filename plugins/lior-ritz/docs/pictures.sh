#!/bin/sh
# Draw every picture of docs/ anew: sh plugins/lior-ritz/docs/pictures.sh (half a minute, from any folder).
set -eu
docs=$(cd "$(dirname "$0")" && pwd)
made=$(mktemp -d)
lior ritz run --quiet --plots --out "$made/dot"
lior ritz family --quiet --vary barrier_meV=0.5:12 --out "$made/all"
for name in potential_slice_y0 density_state_1 psi_state_3 convergence; do
    cp "$made/dot/plots/$name.png" "$docs/"
done
cp "$made/all/plots/family.png" "$docs/"
rm -r "$made"

#!/bin/sh
# Draw every picture of docs/ anew: sh plugins/lior-ritz/docs/pictures.sh (a minute, from any folder).
set -eu
docs=$(cd "$(dirname "$0")" && pwd)
made=$(mktemp -d)
lior ritz run --network --quiet --plots --out "$made/dot"
for name in energy_spectrum potential_slice_y0 density_state_1 psi_state_3 convergence; do
    cp "$made/dot/plots/$name.png" "$docs/"
done
cat > "$made/gates.toml" <<'END'
[potential]
type = "gates"
[potential.base]
type = "biquadratic_dqd"
param_mode = "barrier"
barrier_meV = 4.0
[potential.gates.left]
formula = "exp(-((x + 1.5)**2 + y**2)/2)"
arm = -0.1
[potential.gates.right]
formula = "exp(-((x - 1.5)**2 + y**2)/2)"
arm = -0.1
END
lior ritz stability --config "$made/gates.toml" --vary left=0:160:65 --vary right=0:160:65 --level 1 \
    --out "$made/honeycomb" > "$made/said"
cp "$made/honeycomb/plots/stability.png" "$docs/"
lior ritz sweep --vary physics.field_tesla=-6:6:49 --set potential.type=harmonic --set domain.X=5 --set domain.Y=5 \
    --set solver.K=6 --out "$made/fan" > "$made/said"
cp "$made/fan/plots/sweep-levels.png" "$docs/fock_darwin.png"
rm -r "$made"

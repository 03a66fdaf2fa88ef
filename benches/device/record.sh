#!/usr/bin/env bash
# The record of one machine from one binary: its devices, and TPC-H's Q1 and Q6 on one of them at several scales.
#
#     benches/device/record.sh FOLDER [DEVICE] [SCALE …]
#
# It needs nothing but the binary: target/release/warpwise, or what WARPWISE names. DEVICE is cuda unless said otherwise,
# scales are 1 and 10. It leaves devices.json and a file of JSON lines for each scale in FOLDER; answers at scale 1 are
# verified against the official ones, and a second pass draws other parameters for every run, so that compiled programs are
# used again for other constants.
set -euo pipefail

folder=${1:?a folder for the record}
device=${2:-cuda}
shift $(($# < 2 ? $# : 2))
scales=("$@")
((${#scales[@]} > 0)) || scales=(1 10)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
warpwise=${WARPWISE:-${CARGO_TARGET_DIR:-$root/target}/release/warpwise}

mkdir -p "$folder"
"$warpwise" devices | tee "$folder/devices.txt"
"$warpwise" devices --json >"$folder/devices.json"
for scale in "${scales[@]}"; do
    verify=()
    if [[ $scale == 1 ]]; then
        verify=(--verify)
    fi
    "$warpwise" tpch run --scale "$scale" --queries 1,6 --runs 11 --device "$device" "${verify[@]}" --json "$folder/tpch-sf$scale.json"
    "$warpwise" tpch run --scale "$scale" --queries 1,6 --runs 11 --device "$device" --vary 1 --json "$folder/tpch-sf$scale-vary.json"
done

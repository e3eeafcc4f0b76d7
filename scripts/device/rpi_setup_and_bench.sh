#!/usr/bin/env bash
# Measures a run's candidates on a Raspberry Pi over SSH: a thin call of `edgeproof measure RUN --devices ssh:…`.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: rpi_setup_and_bench.sh USER@HOST RUN_FOLDER [options]

Probes the Pi, brings it this machine's versions of the runtimes (no index and no compiler there), holds the outputs of
every candidate there against the model and against this machine, measures what passes, and writes
RUN_FOLDER/phase4_devices/ and the report.

Options:
  --candidates a,b       only these candidates (default: all that exist for the Pi)
  --port N               SSH port (default: as OpenSSH's configuration says)
  --measure N            timed calls of each candidate (default 702: enough for p99)
  --threads a,b          counts of threads of the runtime (default 1)
  --remote-python PATH   a Python on the Pi that has the runtimes, PyTorch too: only this package is brought
  --other-board          a board that does not say what it is counts as a real Raspberry Pi
  --help                 this text

The login must work without a password (ssh-copy-id USER@HOST). Python here: $PYTHON, else the checkout's .venv, else
python3. Exit codes: 0 done, 1 the work failed, 2 wrong use.

Example:
  scripts/device/rpi_setup_and_bench.sh pi@raspberrypi.local bench_output/edge_phase_runs/20261120-093000
TEXT
}

wrong() { printf 'error: %s\nhint: rpi_setup_and_bench.sh --help\n' "$1" >&2; exit 2; }

words=() port='' said=() positional=()
while [ $# -gt 0 ]; do
  case $1 in
    --help|-h) usage; exit 0 ;;
    --other-board) said+=(class=raspberry-pi emulated=0); shift ;;
    --candidates|--port|--measure|--threads|--remote-python)
      [ $# -ge 2 ] || wrong "$1 needs a value"
      case $1 in
        --port) port=:$2 ;;
        --remote-python) said+=("python=$2") ;;
        --measure) words+=(--count "$2") ;;
        *) words+=("$1" "$2") ;;
      esac
      shift 2 ;;
    -*) wrong "unknown option $1" ;;
    *) positional+=("$1"); shift ;;
  esac
done
[ ${#positional[@]} -eq 2 ] || wrong "expected USER@HOST and RUN_FOLDER"
[ -d "${positional[1]}" ] || wrong "${positional[1]} is not a folder"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON-}
[ -n "$python" ] || { [ -x "$here/.venv/bin/python" ] && python=$here/.venv/bin/python || python=python3; }
if ! "$python" -c 'import edgeproof.errors' 2>/dev/null; then
  printf 'error: %s has no edgeproof\nhint: PYTHON=PATH names one that has, or make run sets .venv up\n' "$python" >&2
  exit 1
fi
query=$(IFS='&'; printf '%s' "${said[*]-}")
exec "$python" -c 'from edgeproof.cli import main; main()' measure "${positional[1]}" --devices "ssh:${positional[0]}$port${query:+?$query}" \
  ${words[@]+"${words[@]}"}

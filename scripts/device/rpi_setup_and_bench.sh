#!/usr/bin/env bash
# Sets a Raspberry Pi up over SSH, measures a run's candidates on it, and brings the results back into the run.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: rpi_setup_and_bench.sh USER@HOST RUN_FOLDER [options]

Copies the run's artifacts and held-out samples to the Pi, makes a virtual environment there with the light runtimes
that they need, runs each candidate in fresh processes that take turns, reads temperature and throttling before and
after, and writes RUN_FOLDER/phase4_devices/ssh-USER@HOST.json.

Options:
  --candidates a,b       only these candidates (default: all that ship to a Raspberry Pi and need no torch)
  --torch                also those that need torch, and install it on the Pi (some hundred MB)
  --port N               SSH port (default 22)
  --rounds N             fresh processes per candidate (default 3)
  --measure N            timed calls per process (default 234: three rounds support p99)
  --warmup N             calls before them (default 50)
  --seconds S            cap on the timed stretch of one process (default 10)
  --threads N            threads of the runtime (default 1)
  --folder DIR           folder on the Pi, relative to its home (default edgeproof-bench)
  --remote-python PATH   a Python on the Pi that has everything: nothing is installed
  --other-board          accept a board that does not say that it is a Raspberry Pi
  --help                 this text

The login must work without a password (ssh-copy-id USER@HOST). Python here: $PYTHON, else the checkout's .venv, else
python3. Exit codes: 0 done, 1 the work failed, 2 wrong use.

Example:
  scripts/device/rpi_setup_and_bench.sh pi@raspberrypi.local bench_output/edge_phase_runs/20261120-093000
TEXT
}

fail() { printf 'error: %s\n' "$1" >&2; [ -z "${2-}" ] || printf 'hint: %s\n' "$2" >&2; exit "${3-1}"; }
wrong() { fail "$1" "rpi_setup_and_bench.sh --help" 2; }
say() { printf '%s\n' "$1" >&2; }

candidates='' torch='' port=22 rounds=3 measure=234 warmup=50 seconds=10 threads=1 folder=edgeproof-bench
remote_python='' other_board='' positional=()
while [ $# -gt 0 ]; do
  case $1 in
    --help|-h) usage; exit 0 ;;
    --torch) torch=--torch; shift ;;
    --other-board) other_board=--other-board; shift ;;
    --candidates|--port|--rounds|--measure|--warmup|--seconds|--threads|--folder|--remote-python)
      [ $# -ge 2 ] || wrong "$1 needs a value"
      name=${1#--}; printf -v "${name//-/_}" '%s' "$2"; shift 2 ;;
    -*) wrong "unknown option $1" ;;
    *) positional+=("$1"); shift ;;
  esac
done
[ ${#positional[@]} -eq 2 ] || wrong "expected USER@HOST and RUN_FOLDER"
target=${positional[0]} run=${positional[1]}
[[ $target =~ ^[A-Za-z0-9._-]+@[][A-Za-z0-9._:-]+$ && $target != -* ]] || wrong "$target is not USER@HOST"
for value in "$port" "$rounds" "$measure" "$warmup" "$threads"; do
  [[ $value =~ ^[0-9]+$ ]] || wrong "$value is not a number"
done
[[ $seconds =~ ^[0-9.]+$ ]] || wrong "$seconds is not a number"
[[ $folder =~ ^[A-Za-z0-9][A-Za-z0-9._/-]*$ && $folder != *..* ]] || wrong "$folder is not a folder under the Pi's home"
[[ -z $remote_python || $remote_python =~ ^[A-Za-z0-9._/-]+$ ]] || wrong "$remote_python is not a path"
[ -d "$run" ] || wrong "$run is not a folder"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON-}
[ -n "$python" ] || { [ -x "$here/.venv/bin/python" ] && python=$here/.venv/bin/python || python=python3; }
for program in ssh tar "$python"; do
  command -v "$program" >/dev/null || fail "$program is not on this machine"
done

work=$(mktemp -d)
ssh_options=(-p "$port" -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15
  -o ControlMaster=auto -o ControlPersist=60 -o "ControlPath=$work/%C")
cleanup() { ssh "${ssh_options[@]}" -O exit -- "$target" >/dev/null 2>&1 || true; rm -rf "$work"; }
trap cleanup EXIT
pi() { ssh "${ssh_options[@]}" -- "$target" "$@"; }

say "1/5 what to send"
"$python" -m edgeproof.phases.away.remote send "$run" --candidates "$candidates" $torch >"$work/send"

say "2/5 the Pi"
pi true || fail "cannot log in to $target" "log in by key without a password: ssh-copy-id $target"
found=$(pi 'for p in python3.13 python3.12 python3.11 python3; do
  "$p" -c "import sys, venv; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && { echo "$p"; exit; }; done') || true
[ -n "$found$remote_python" ] || fail "$target has no Python 3.11 or newer with venv" \
  "on the Pi: sudo apt-get install python3 python3-venv"
pi "rm -rf $folder/run $folder/results && mkdir -p $folder/run $folder/results"

if [ -z "$remote_python" ]; then
  say "3/5 installing the runtimes"
  mkdir "$work/source"
  cp -R "$here/pyproject.toml" "$here/README.md" "$here/src" "$work/source"
  "$python" -m pip wheel --quiet --no-deps --wheel-dir "$work/wheel" "$work/source"
  tar -C "$work" -cf - wheel | pi "tar -C $folder -xf -"
  requirements=$(cut -f3 "$work/send" | tr ' ' '\n' | sed '/^$/d' | sort -u)
  # The upper bound on Python is the converters', which stay here.
  { printf 'numpy\nmsgspec\npackaging\npsutil\n%s\n' "$requirements"; } | pi "cat > $folder/requirements.txt
    cd $folder && { [ -x venv/bin/python ] || $found -m venv venv; } &&
    venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt &&
    venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python \
      --force-reinstall wheel/*.whl"
  remote_python=venv/bin/python
else
  say "3/5 nothing to install"
fi

say "4/5 measuring"
samples=$(awk -F'\t' '$1 == "samples" {print $2}' "$work/send")
grep -v '^samples	' "$work/send" >"$work/candidates"
{ echo "$samples"; while IFS=$'\t' read -r _ artifact _; do
    [ -f "$run/$artifact" ] && dirname "$artifact" || echo "$artifact"
  done <"$work/candidates"; } | sort -u >"$work/files"
tar -C "$run" -cf - -T "$work/files" | pi "tar -C $folder/run -xf -"
bench="cd $folder"$'\n''state() { for what in measure_temp get_throttled; do
  command -v vcgencmd >/dev/null && echo "$1 $(vcgencmd $what)"; done >>results/vcgencmd.log; true; }'$'\n'
bench+='state before'$'\n'
for ((round = 1; round <= rounds; round++)); do
  while IFS=$'\t' read -r candidate artifact _; do
    printf -v line 'OMP_NUM_THREADS=%s OPENBLAS_NUM_THREADS=%s %s -m edgeproof.devices.runner %q --trust --inputs %q' \
      "$threads" "$threads" "$remote_python" "run/$artifact" "run/$samples"
    printf -v more ' --measure %s --warmup %s --seconds %s --threads %s --exec-unix-ns "$(date +%%s%%N)" --json %q' \
      "$measure" "$warmup" "$seconds" "$threads" "results/$candidate.$round.json"
    bench+="echo '  round $round of $rounds: $candidate' >&2"$'\n'"$line$more 2>>results/log.txt || true"$'\n'
  done <"$work/candidates"
done
bench+='state after'$'\n'
printf '%s' "$bench" | pi 'bash -s' >/dev/null

say "5/5 bringing the results back"
incoming="$run/phase4_devices/incoming/${target//[^A-Za-z0-9._@-]/-}"
rm -rf "$incoming"
mkdir -p "$incoming"
pi "tar -C $folder/results -cf - ." | tar -C "$incoming" -xf -
"$python" -m edgeproof.phases.away.remote take "$run" "$incoming" --device "ssh:$target" --candidates "$candidates" \
  $torch $other_board
say "now: edgeproof report $run"

#!/bin/sh
# Print the newest Python of 3.13, 3.12 and 3.11 that works and has venv and ensurepip: of those on PATH, and where none
# is, of those that pyenv installed. With --all: one a line for each of the three that is there, newest first.
#
# Each is run to find out: a shim of pyenv is on PATH for every version, and fails for those that are not chosen.
versions="3.13 3.12 3.11"

works() { # COMMAND VERSION
  [ "$("$1" -c 'import venv, ensurepip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$2" ]
}

on_path() { # VERSION
  command -v "python$1" >/dev/null && works "python$1" "$1" && command -v "python$1"
}

in_pyenv() { # VERSION
  for found in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/"python$1"; do
    [ -x "$found" ] && works "$found" "$1" && echo "$found" && return
  done
  return 1
}

case "${1-}" in
--all)
  for version in $versions; do on_path "$version" || in_pyenv "$version"; done
  exit 0
  ;;
"") ;;
*)
  echo "usage: $0 [--all]" >&2
  exit 2
  ;;
esac
for version in $versions; do on_path "$version" && exit; done
for version in $versions; do in_pyenv "$version" && exit; done
echo "no Python 3.11, 3.12 or 3.13 with venv and ensurepip was found: install one (on Debian and Ubuntu python3.X and" \
  "python3.X-venv), or name it: make run PYTHON=/path/to/python3.12" >&2
exit 1

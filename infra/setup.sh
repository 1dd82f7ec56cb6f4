#!/bin/sh
# Make a fresh clone usable: Debian packages, uv, and the project's environment in .venv, all pinned. Safe to run again at
# any time: what is there is left alone, what was interrupted is done again.
#   infra/setup.sh [--python-only]
# --python-only: no Debian packages, no root (lint and unit tests)
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${AGGLO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/agglo}
memory_needed=6291456 # KiB: the cloud with a bastion, an edge and a portal, and the Go builds beside its first start
disk_needed=8388608   # KiB: Go's modules and build cache (removed after), environments, image, databases

say() { printf '%s\n' "$*" >&2; }
digest() { cat "$@" | sha256sum | cut -c1-16; }

wanted_packages() { sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$root/requirements/apt.txt"; }

missing_packages() {
  # shellcheck disable=SC2046 # one word per package
  dpkg-query -W -f='${Package} ${db:Status-Status}\n' $(wanted_packages) 2>/dev/null |
    sed -n 's/ installed$//p' | sort -u >"$scratch/present"
  wanted_packages | sort -u | comm -23 - "$scratch/present" | tr '\n' ' '
}

python_of_machine() {
  for candidate in /usr/bin/python3 "$(command -v python3 || true)"; do
    if [ -x "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

# Every problem of this machine, one a line: a person should not meet them one by one.
problems() {
  [ -n "$(python_of_machine)" ] || echo "Python 3.11 or newer is needed (/usr/bin/python3 is older or absent)"
  [ "$python_only" = no ] || return 0
  [ "$(id -u)" = 0 ] || echo "root is needed: the embedded cloud makes network namespaces, mounts and guests"
  command -v apt-get >/dev/null || echo "this is no Debian: apt-get is absent"
  [ -n "$packages" ] || return 0 # a cloud may already be running in the memory that is missing
  memory=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  [ "$memory" -ge "$memory_needed" ] || echo "free memory: $((memory / 1048576)) GiB, 6 GiB are needed"
  disk=$(df -Pk "$cache" | awk 'NR == 2 {print $4}')
  [ "$disk" -ge "$disk_needed" ] || echo "free disk for $cache: $((disk / 1048576)) GiB, 8 GiB are needed"
}

# What a package starts on its own stays off where we are the ones who install it: the cloud starts its own.
install_packages() {
  say "apt: $*"
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    policy_is_ours=yes
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@" >"$scratch/apt.log" 2>&1 || {
    tail -n 20 "$scratch/apt.log" >&2
    say "apt-get could not install: $*"
    exit 1
  }
  [ -d /run/systemd/system ] || return 0
  for package in "$@"; do
    case $package in
    mariadb-server) unit=mariadb ;;
    bind9) unit=named ;;
    openvswitch-switch | ovn-central | ovn-host) unit=$package ;;
    *) continue ;;
    esac
    systemctl --quiet disable "$unit" || say "could not disable $unit: it will start with this machine"
  done
}

install_uv() {
  uv_home=$cache/uv-$(digest "$root/requirements/uv.txt")
  uv=$uv_home/bin/uv
  [ ! -x "$uv" ] || return 0
  say "uv"
  rm -rf "$uv_home" "$uv_home.part"
  "$python" -m venv "$uv_home.part"
  "$uv_home.part/bin/python" -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes -r "$root/requirements/uv.txt"
  mv "$uv_home.part" "$uv_home"
}

install_project() {
  say "project environment"
  rm -rf "$root/.venv"
  "$uv" venv -q --python "$python" "$root/.venv"
  "$uv" pip install -q --python "$root/.venv/bin/python" --require-hashes --only-binary :all: \
    -r "$root/requirements/project.txt"
  "$uv" pip install -q --python "$root/.venv/bin/python" --no-deps --no-build-isolation --offline -e "$root"
  touch "$stamp"
}

python_only=no
[ "${1:-}" != --python-only ] || python_only=yes
mkdir -p "$cache"
scratch=$(mktemp -d)
policy_is_ours=no
clean() {
  rm -rf "$scratch"
  [ "$policy_is_ours" = no ] || rm -f "$policy"
}
trap clean EXIT
trap 'exit 130' INT TERM

python=$(python_of_machine)
stamp=$root/.venv/agglo-$(digest "$root/requirements/project.txt" "$root/pyproject.toml")
packages=
[ "$python_only" = yes ] || packages=$(missing_packages)
if [ -z "$packages" ] && [ -e "$stamp" ]; then
  exit 0
fi

problems >"$scratch/problems"
if [ -s "$scratch/problems" ]; then
  say "This machine cannot run agglo:"
  sed 's/^/  - /' "$scratch/problems" >&2
  say "Nothing was changed."
  exit 1
fi
# shellcheck disable=SC2086 # one word per package
[ -z "$packages" ] || install_packages $packages
python=$(python_of_machine)
install_uv
[ -e "$stamp" ] || install_project

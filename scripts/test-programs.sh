#!/bin/sh
# Installs what only the tests need, from the distribution's packages, when it is missing. Of the runtimes they
# need each, where `sbx setup` is content with one.
set -eu

# Sandboxes see the host's /usr: a program somewhere else on the PATH would not be found inside.
PATH_INSIDE=/usr/sbin:/usr/bin:/sbin:/bin

missing=
need() { # PROGRAM PACKAGE
  if ! (PATH=$PATH_INSIDE; command -v "$1" >/dev/null); then missing="$missing $2"; fi
}

need_file() { # FILE PACKAGE
  [ -e "$1" ] || missing="$missing $2"
}
need_module() { # MODULE PACKAGE
  if ! (PATH=$PATH_INSIDE; python3 -c "import $1" 2>/dev/null); then missing="$missing $2"; fi
}

need python3 python3
need ps procps
need groff groff-base
need crun crun
need runc runc
need strace strace
need nginx nginx
need openssl openssl
need newuidmap uidmap
# What people use in sandboxes and with them.
need git git
need rsync rsync
need borg borgbackup
need parallel parallel
need make make
need gcc gcc
need_file /usr/include/stdio.h libc6-dev
need pip3 python3-pip
need_module ensurepip python3-venv

[ -n "$missing" ] || exit 0

printf '\n==> Installing what the tests need:%s\n' "$missing"
if ! command -v apt-get >/dev/null; then
  printf 'There is no apt-get here. Install these and try again:%s\n' "$missing" >&2
  exit 1
fi

as_root=env
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    printf 'Installing needs root. As root, run: apt-get install%s\n' "$missing" >&2
    exit 1
  fi
  as_root='sudo env'
fi

# Unquoted: each holds several words.
# shellcheck disable=SC2086
$as_root apt-get update -qq
$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null

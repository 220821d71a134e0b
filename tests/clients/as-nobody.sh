#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The demo as an ordinary user: user nobody, without groups or capabilities, who can neither write the
# cache nor gain privileges, under Debian's limit of 8 MiB of locked memory. Everything that it needs
# is copied to where nobody can read it, since a home or a work tree may be closed to others.
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
need_ioas
need setpriv util-linux
((EUID == 0)) || skip "only root can become nobody; as an ordinary user run scripts/demo itself"

kernel=$(reference guest-kernel)
copy=$work/copy
mkdir -p "$copy/build" "$copy/tests" "$copy/cache"
cp "$IOAS" "$(dirname "$IOAS")"/libioas-{preload,sanitize}.so "$copy/build/"
cp -r "$top/scripts" "$copy/"
cp -r "$clients" "$copy/tests/"
cp -a "$kernel" "$copy/cache/"
chmod -R a+rX "$work"
install -d -o nobody -m 700 "$work/tmp"

say "scripts/demo as $(setpriv --reuid nobody --regid nogroup --clear-groups id)"
bounded 175 prlimit --memlock=8388608:8388608 \
	setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps=-all --bounding-set=-all \
	--no-new-privs \
	env -i PATH="$PATH" HOME=/nonexistent TMPDIR="$work/tmp" IOAS_CACHE="$copy/cache" \
	IOAS_RUN_OPTIONS="${IOAS_RUN_OPTIONS//"$top"/"$copy"}" \
	"$copy/scripts/demo" </dev/null || fail "the demo (status $?)"
[[ -z $(ls "$work/tmp") ]] || fail "the demo leaves files behind: $(ls "$work/tmp")"
passed

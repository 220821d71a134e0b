#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Compares the page-table formats with Linux's own code for them (tests/formats/build-linux).
#   formats-linux.sh BUILD    the folder that meson has built in
# Exit status 77: Linux's source cannot be had.
set -euo pipefail
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/formats"
out=$build/formats-linux
objects=$(./build-linux "$out" -O1 -g) || exit
# shellcheck disable=SC2086 # one word for each object
"${CC:-cc}" -std=gnu11 -O1 -g -Wall -Wextra -Werror -Wno-missing-field-initializers -D_GNU_SOURCE \
	-I../../src -I../../include compare.c $objects \
	"$build/src/pagetable/libroom_pagetable.a" "$build/src/base/libroom_base.a" -pthread \
	-o "$out/compare"
"$out/compare"
if "$out/compare" --break >"$out/break.log"; then
	echo "a flipped bit was not found"
	exit 1
fi
echo "and a flipped bit is found: $(cat "$out/break.log")"

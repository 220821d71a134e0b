# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What the client tests share; sourced by each of them. A client test runs an unmodified program under
# `ioas run`, prints what it does, and exits 0 when all data was right, 1 when something was not, 77
# when the program cannot be had. It leaves nothing behind: files are in $work, which goes at exit.
#
# From the environment: IOAS, the binary (build/ioas); EXAMPLES, the folder of the example programs
# (beside the binary); IOAS_CACHE (see scripts/cache); IOAS_RUN_OPTIONS, options that each `ioas run` of
# the tests gets besides its own, as `scripts/check --sanitize` gives them.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # for those who source this
clients=$top/tests/clients
IOAS=${IOAS:-$top/build/ioas}
EXAMPLES=${EXAMPLES:-$(dirname "$IOAS")/examples}
test_name=$(basename "$0" .sh)
IOAS_RUN_OPTIONS=${IOAS_RUN_OPTIONS-}
# shellcheck disable=SC2206 # options are words
ioas_run=("$IOAS" run --summary $IOAS_RUN_OPTIONS)
PATH=$PATH:/usr/sbin:/sbin

work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-$test_name.XXXXXX")
# DPDK keeps its run-time files where this says.
export XDG_RUNTIME_DIR=$work

# What bounded started is in a process group of its own and would outlive the test.
child=
clean_up()
{
	[[ -z $child ]] || kill "$child" 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say()
{
	echo "$test_name: $*"
}

fail()
{
	echo "$test_name: FAIL: $*" >&2
	exit 1
}

skip()
{
	echo "$test_name: SKIP: $*" >&2
	exit 77
}

# need PROGRAM PACKAGE
need()
{
	command -v "$1" >/dev/null || skip "no $1; scripts/setup --tests installs it (package $2)"
}

need_ioas()
{
	[[ -x $IOAS ]] || fail "no $IOAS; build it, or set IOAS"
}

# reference NAME: prints the folder of what scripts/cache has or fetches.
reference()
{
	"$top/scripts/cache" "$1" || skip "no $1 (see above)"
}

# bounded SECONDS COMMAND...: its status, or 124 when the time is over. While it runs, a signal to the
# test ends it too, which needs the test's own shell: no pipe, no subshell.
bounded()
{
	local limit=$1 status=0

	shift
	timeout --kill-after=5 "$limit" "$@" <&0 &
	child=$!
	wait "$child" || status=$?
	child=
	# One that does not heed the first signal gets the second.
	((status != 137)) || status=124
	return "$status"
}

# A seed for this run's data, so that no run can pass on what another has left.
new_seed()
{
	od -An -N 3 -t u4 /dev/urandom | tr -d ' '
}

# The summary of `ioas run --summary` is one line that begins so; the test shows it.
show_summary()
{
	grep '^ioas:' "$work/err" | sed "s/^/$test_name: /" || fail "no summary by ioas"
}

# expect_dma READ WRITTEN [FAULTS]: the summary must tell of at least so many bytes that devices read
# from memory and wrote to it, so that no other way of moving data passes for DMA, and of so many faults.
expect_dma()
{
	local read written faults

	read -r read written faults < <(sed -nE \
		's/^ioas: .* ([0-9]+) bytes read and ([0-9]+) bytes written by DMA, ([0-9]+) faults.*/\1 \2 \3/p' \
		"$work/err") || fail "the summary is not as expected: $(grep '^ioas:' "$work/err")"
	((read >= $1)) || fail "devices read $read bytes, not $1 or more"
	((written >= $2)) || fail "devices wrote $written bytes, not $2 or more"
	((faults == ${3:-0})) || fail "$faults faults, not ${3:-0}"
}

# fail_showing WHAT: after the last lines of what the program said.
fail_showing()
{
	[[ ! -e $work/out ]] || tr '\r' '\n' <"$work/out" | grep -v '^Ops submitted' | tail -n 25 >&2 || true
	[[ ! -e $work/err ]] || tail -n 100 "$work/err" >&2
	fail "$@"
}

# on_ioas SECONDS RUN-OPTION... -- PROGRAM ARGUMENT...: runs it under ioas, with its output in $work/out
# and $work/err, and the caller's standard input.
on_ioas()
{
	local limit=$1 status=0

	shift
	bounded "$limit" "${ioas_run[@]}" "$@" >"$work/out" 2>"$work/err" || status=$?
	case $status in
	0) ;;
	124) fail_showing "not done after $limit seconds: ioas run $*" ;;
	*) fail_showing "status $status of: ioas run $*" ;;
	esac
	show_summary
}

passed()
{
	say "PASS in $SECONDS s"
}

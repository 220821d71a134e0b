# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2015,SC2154 # A || B after an && is meant; who sources this sets the variables
#
# What the tests of `ioas replay` share; sourced, with $ioas, $mutate and the array `machine`, options of `ioas run`, set. Changes
# into a folder of its own, which goes at the end.
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
fail() { echo "failed: $1"; exit 1; }

# $1: the recording; the rest: what `ioas run` gets.
record()
{
  timeout 120 "$ioas" run --record "$1" "${machine[@]}" -- "${@:2}" >out 2>&1 || fail "${*:2}: $(cat out)"
}

# Who writes the file may be too slow for a program on a busy machine: what was dropped is said, and no difference is found
# before it. Then it is tried again. What was said is in `said`, and the same when it is replayed again.
replay_of() # the recording; the program and its arguments
{
  for _ in 1 2 3 4 5; do
    record "$@"
    timeout 120 "$ioas" replay "$1" >said 2>&1
    case $? in
      0)
        timeout 120 "$ioas" replay "$1" >again 2>&1
        cmp said again || fail "$1: not the same twice"
        echo "$1: $(head -n 1 said)"
        grep -q '^[1-9][0-9]* calls, .*; 0 of [1-9][0-9]* answers differ$' said || fail "$1: nothing was replayed"
        return
        ;;
      2) grep -q 's records are missing' said && grep -q ' 0 of [0-9]* answers differ$' said || fail "$1: $(cat said)" ;;
      *) fail "$1: $(cat said)" ;;
    esac
  done
  fail "$1: records are missing each time: $(cat said)"
}

# Nonsense: whatever it says, it comes back by itself.
replay_nonsense() # the recording
{
  for seed in 1 2 3 4 5 6; do
    "$mutate" "$1" nonsense $seed || fail "$1 cannot be changed"
    timeout 120 "$ioas" replay nonsense >said 2>&1
    status=$?
    [ $status -le 2 ] || fail "$1, seed $seed: $status: $(tail -n 3 said)"
  done
}

# The recording, changed, differs: `changed`. What differs beside another thread's call is counted apart; then another recording
# is tried.
change_is_found() # the recording; what is changed; the program and its arguments
{
  for _ in 1 2 3 4 5; do
    "$mutate" "$1" changed "$2" || fail "$1: no $2 to change"
    timeout 120 "$ioas" replay changed >said 2>&1
    [ $? != 1 ] || return 0
    grep -q 'answers differ of what ran beside' said || break
    replay_of "$1" "${@:3}"
  done
  fail "$1: a changed $2 is not found: $(cat said)"
}

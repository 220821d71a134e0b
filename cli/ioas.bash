# SPDX-License-Identifier: BSD-3-Clause
# bash completion for ioas. Models, makes and their keys come from `ioas devices` and `ioas makes`.

_ioas_names()
{
	"$1" "$2" 2>/dev/null | sed -n 's/^\([a-z0-9-]*\): .*/\1/p'
}

# The keys of one model or make, as "name,key=".
_ioas_keys()
{
	"$1" "$2" 2>/dev/null | awk -v name="$3" '
		/^[^ ]/ { on = ($0 ~ "^" name ":" || $0 == "every device:") }
		on && /^    [a-z]/ { sub(/=.*/, "=", $1); print $1 }'
}

_ioas_spec()
{
	local program=$1 list=$2 cur=$3 prefix

	if [[ $cur == *,* ]]; then
		prefix=${cur%,*},
		mapfile -t COMPREPLY < <(compgen -P "$prefix" \
			-W "$(_ioas_keys "$program" "$list" "${cur%%,*}")" -- "${cur##*,}")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(_ioas_names "$program" "$list") $4" -- "$cur")
	fi
	compopt -o nospace
}

# The programs that run, or options.
_ioas_running()
{
	if [[ $2 == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$3" -- "$2")
	else
		mapfile -t COMPREPLY < <(compgen -W "$("$1" ps 2>/dev/null | sed -n 's/^\([0-9]*\) .*/\1/p')" -- "$2")
	fi
}

_ioas()
{
	local program=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "run replay report ps maps walk top devices makes --help --version" -- "$cur")
		return
	fi
	if [[ ${COMP_WORDS[1]} == report ]]; then
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "--output= --help" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		return
	fi
	if [[ ${COMP_WORDS[1]} == replay ]]; then
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "--dump --json --help" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		return
	fi
	case ${COMP_WORDS[1]} in
	ps) _ioas_running "$program" "$cur" "--json --help" ;;
	maps) _ioas_running "$program" "$cur" "--iova --json --va --help" ;;
	walk) _ioas_running "$program" "$cur" "--json --brief --pasid= --help" ;;
	top) _ioas_running "$program" "$cur" "--json --batch --rounds= --delay= --all --help" ;;
	esac
	[[ ${COMP_WORDS[1]} == run ]] || return
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			_command_offset $((i + 1)) 2>/dev/null ||
				mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			return
		fi
	done
	# Behind --sanitize a word is the program, unless there is a = between.
	[[ $prev == --sanitize && $cur != = ]] && prev=
	[[ $cur == = ]] && cur=
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	case $prev in
	--device) _ioas_spec "$program" devices "$cur" none ;;
	--iommu) _ioas_spec "$program" makes "$cur" ;;
	--vfio-container) mapfile -t COMPREPLY < <(compgen -W "type1 iommufd" -- "$cur") ;;
	--sanitize) mapfile -t COMPREPLY < <(compgen -W "exit-code log abort" -- "$cur") ;;
	-o | --log | --record | --report | --suppressions) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--inject) mapfile -t COMPREPLY < <(compgen -W "ENOMEM@map ENOMEM@all unmap-late irq-before-data@ dma-fault@ dma-delay@" -- "$cur") ;;
	--limit) mapfile -t COMPREPLY < <(compgen -W "memlock=real memlock= entries= aperture= pgsizes= reserved= pasids= dirty=off
		ats=off fds= help" -- "$cur") ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "--iommu --device --vfio-container= --limit --inject --seed --as-user
			--strict --shared --sanitize --sanitize= --report --suppressions --leaks --advice --track --explain --no-inspect --verbose
			--log= --summary --record= --record-limit= --help --" -- "$cur")
		;;
	esac
}

complete -F _ioas ioas

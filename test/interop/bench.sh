#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# bench.sh - the benchmark still works: its tools against each other on loopback, then all of it with next to nothing to do
# and without rivals. Looked at is the shape of what comes out, never a figure.
. "$(dirname "$0")/lib"
bench=$OUT/bench
results=$bench/check

# --- the tools -------------------------------------------------------------------------------------------------------

# in_background PORT CMD...: at a port that is free; a taken one ends it, and another is tried
in_background()
{
	local pid
	for _ in 1 2 3 4 5; do
		port=$((20000 + (RANDOM % 10000)))
		"${@//PORT/$port}" 2> "$WORK/err" &
		pid=$!
		for _ in $(seq 100); do
			kill -0 $pid 2> /dev/null || continue 2
			"$bench/load" request 127.0.0.1:$port 1 1 > /dev/null 2>&1 && break
			sleep 0.05
		done
		PIDS+=("$pid")
		return
	done
	why "cannot start $1: $(cat "$WORK/err")"
}

start_tools()
{
	in_background "$bench/sink" 127.0.0.1:PORT || return 1
	sink=$port sink_pid=${PIDS[-1]}
	in_background "$bench/delay" 2000 127.0.0.1:PORT "127.0.0.1:$sink" || return 1
	far=$port
}

says()	# says PATTERN COMMAND...
{
	local pattern=$1 said
	shift
	said=$("$@" 2>&1) || { why "it failed: $said"; return 1; }
	# shellcheck disable=SC2053
	[[ $said == $pattern ]] || why "it says \"$said\""
}

exact_bytes()	# exact_bytes PORT
{
	says "bytes=16777216 seconds=*" "$bench/load" down 127.0.0.1:"$1" 4 16000000 &&
		says "bytes=16777216 seconds=*" "$bench/load" up 127.0.0.1:"$1" 4 16000000
}

by_the_clock()
{
	says "bytes=[1-9]*" "$bench/load" -t 0.1 down 127.0.0.1:"$far" 1 1000000000000 &&
		says "bytes=[1-9]*" "$bench/load" -t 0.1 up 127.0.0.1:"$far" 1 1000000000000 &&
		says "count=[1-9]*" "$bench/load" -t 0.1 request 127.0.0.1:"$far" 100000 1024
}

small_things()
{
	says "count=50 p50_ms=* cpu=* peak_kib=[1-9]* rss_kib=[1-9]*" "$bench/load" -p "$sink_pid" request 127.0.0.1:"$sink" 50 1024 &&
		says "count=100 *" "$bench/load" connect 127.0.0.1:"$sink" 100 8 &&
		says "count=100 alive=100 *" "$bench/load" -p "$sink_pid" idle 127.0.0.1:"$sink" 100 8
}

# Both ways take the time, and a round trip is twice 2 ms: no fetch can be quicker than that.
takes_the_time()
{
	local said
	said=$("$bench/load" request 127.0.0.1:"$far" 10 1) || { why "it failed"; return 1; }
	said=${said#*p50_ms=}
	[ "${said%%.*}" -ge 4 ] || why "a request took ${said%% *} ms"
}

fails_when_nobody_is_there()
{
	! "$bench/load" down 127.0.0.1:1 1 1000 || why "it does not fail"
}

# --- all of it -------------------------------------------------------------------------------------------------------

# Strings, numbers and words become "v", then everything that holds nothing but these does; one "v" must be left.
json_parses()
{
	tr -d '\n' < "$1" | awk '
		{
			gsub(/\\./, "")
			gsub(/"[^"]*"/, "s")
			gsub(/-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null/, "v")
			gsub(/[ \t]/, "")
			do {
				n = gsub(/\{(s:[sv](,s:[sv])*)?\}|\[([sv](,[sv])*)?\]/, "v")
			} while (n > 0)
			print "left: " $0
			exit $0 != "v"
		}' || why "this is not JSON"
}

has_rows()	# has_rows CONTESTANT WORK...
{
	local who=$1 work
	shift
	for work in "$@"; do
		grep -q "\"work\": \"$work\", \"contestant\": \"$who\", \"round\": 1, \".*[0-9]}" "$results/results.json" ||
			{ why "there is no row $work of $who"; return 1; }
	done
}

works="ready down1 up1 down8 up8 delay0-down delay0-up delay2-down delay2-up request request-down request-up connect idle100"

every_goal()
{
	[ "$(grep -c '"goal": .* "verdict": "[a-z(]' "$results/results.json")" -eq 26 ] || { why "not 26 goals"; return 1; }
	[ "$(grep -c 'reached$\|skipped (\|(failed: ' "$results/table.txt")" -ge 26 ] || why "not 26 verdicts"
}

t tools start_tools
t exact-bytes exact_bytes "$sink"
t exact-bytes-with-delay exact_bytes "$far"
t by-the-clock by_the_clock
t small-things small_things
t delay-takes-its-time takes_the_time
t nobody-there fails_when_nobody_is_there

check()
{
	OUT=$OUT test/bench/run --check > "$WORK/table" 2> "$WORK/log" && return
	cat "$WORK/log"
	why "$(grep -m1 ' failed ' "$WORK/log" || tail -n 1 "$WORK/log")"
}

skipped()	# skipped WHAT: was it? Sets SKIPPED to the reason
{
	SKIPPED=$(sed -n "s/^skipped $1: //p" "$results/table.txt")
	[ -n "$SKIPPED" ]
}

rm -rf "$results"
t check check
if grep -q '^skipped: everything' "$WORK/table"; then
	skip rows "$(cut -d' ' -f3- "$WORK/table")"
	exit
fi
t json-parses json_parses "$results/results.json"
t every-goal every_goal
skipped "everything with sstp" || t rows-without-tunnel has_rows direct down1 up1 down8 up8
for world in sstp:sstp softether:ether; do
	if skipped "everything with ${world%:*}"; then
		skip "rows-${world%:*}" "$SKIPPED"
	else
		# shellcheck disable=SC2086
		t "rows-${world%:*}" has_rows "${world#*:}" $works
	fi
done

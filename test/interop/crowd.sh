#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# crowd.sh - many clients at once, and bad ones beside good ones: nobody sees an error, and memory stays within the sums of
# core/limits.h. What is measured (memory at its highest, speed beside a crowd and alone) is printed on lines with "#".
. "$(dirname "$0")/lib"
. test/interop/session

start_private_network
ulimit -n "$(ulimit -Hn)"
each=40000000 # bytes of a transfer beside the others

# --- measuring -------------------------------------------------------------------------------------------------------

figure()	# figure EXPRESSION: a sum of limits.h, in KiB
{
	printf '#include <stdio.h>\n#include "core/limits.h"\nint main(void) { printf("%%llu\\n", ((unsigned long long)(%s)) / 1024); }\n' \
		"$1" > "$WORK/figure.c"
	${CC:-cc} -I. -o "$WORK/figure" "$WORK/figure.c" && "$WORK/figure"
}

# The kernel's note of the most memory ever used begins anew, where there is such a kernel; else it is that since the start.
forget_peak()
{
	echo 5 2> /dev/null > "/proc/$TUNNEL/clear_refs" || say "memory: the most since the start"
}

peak_kib()
{
	awk '/^VmHWM:/ { print $2 }' "/proc/$TUNNEL/status"
}

say()	# shown in the log, whatever the outcome
{
	echo "# $*" >> "$WORK/measured"
}

# within EXPRESSION: is what was used since the peak was forgotten no more than at rest, this sum, and one transfer of ours?
within()
{
	local allowed used=$(($(peak_kib) - rest_kib))
	allowed=$(figure "$1 + 1ull * FLOW_WORST_MIB * MIB") || { why "cannot compile core/limits.h"; return 1; }
	say "memory: $used KiB more than the $rest_kib KiB at rest; allowed: $allowed KiB = $1, and one transfer"
	case $OUT in
	*/san-*) return ;; # sanitizers need their own
	esac
	[ "$used" -le "$allowed" ] || why "$used KiB more than at rest, allowed are $allowed KiB = $1, and one transfer"
}

transfer()	# one good client; sets MS
{
	local from to
	from=$(date +%s%N)
	by_address --max-time 300 -o "$WORK/down" "http://$WEB_ADDR:$WEB_PORT/bytes/$each" || { why "the transfer failed"; return 1; }
	to=$(date +%s%N)
	same_bytes "$each" "$WORK/down" || return 1
	MS=$(((to - from) / 1000000 + 1))
}

others_go_on()	# others_go_on WHAT: a transfer beside it, as long as it took alone?
{
	transfer || return 1
	say "speed beside $1: $((each / MS / 1000)) MB/s, $((alone_ms * 100 / MS)) % of that alone"
}

# crowd MODE N ADDR PORT: start one, wait until it is all there
crowd()
{
	local line
	rm -f "$WORK/crowd.in" "$WORK/crowd.out"
	mkfifo "$WORK/crowd.in" "$WORK/crowd.out" || return 1
	"$OUT/peer/crowd" "$1" "$2" "$PROXY" "$3" "$4" < "$WORK/crowd.in" > "$WORK/crowd.out" 2> "$WORK/crowd.err" &
	CROWD=$!
	PIDS+=("$CROWD")
	exec {crowd_in}> "$WORK/crowd.in" {crowd_out}< "$WORK/crowd.out"
	read -r -t 300 line <&"$crowd_out"
	[[ $line == "open "* ]] || { why "the crowd says \"$line\": $(cat "$WORK/crowd.err")"; return 1; }
}

crowd_goes()	# crowd_goes PATTERN: ask it to end; did it end well, and say this?
{
	local line
	exec {crowd_in}>&-
	read -r -t 400 line <&"$crowd_out"
	exec {crowd_out}<&-
	CROWD_SAID=$line
	wait "$CROWD" || { why "the crowd: $(cat "$WORK/crowd.err")"; return 1; }
	# shellcheck disable=SC2053
	[[ $line == $1 ]] || why "the crowd says \"$line\" at the end"
}

drained()	# when they have gone, nothing is left
{
	settle_descriptors "$rest_fds"
}

# --- the crowds ------------------------------------------------------------------------------------------------------

# Each begins with a new process, whose heap holds nothing of an earlier crowd.
alone()	# alone OPTION...
{
	connect "${account[@]}" "$@" "$url" || return 1
	transfer && transfer || return 1 # twice: what a first one leaves behind is part of the rest
	alone_ms=$MS
	rest_kib=$(resident_kib)
	rest_fds=$(descriptors)
	forget_peak
	say "alone: $((each / MS / 1000)) MB/s"
}

# An idle flow holds no buffer: less than the smallest there is. Busy ones may hold all of their windows.
idle_and_busy()
{
	crowd idle 2000 "$WEB_ADDR" "$ECHO_PORT" || return 1
	within "2000 * FLOW_CHUNK" || return 1
	many_at_once 200 2000000 || return 1
	within "2000 * FLOW_CHUNK + 200ull * FLOW_WORST_MIB * MIB" || return 1
	others_go_on "2,000 idle ones" || return 1
	crowd_goes "alive 2000" && drained
}

# Half a head may hold what a whole one may, beside what every client holds (socks/http_proxy.h). All of them are thrown out, and come back.
slowloris()
{
	crowd half 2000 "$WEB_ADDR" "$WEB_PORT" || return 1
	others_go_on "2,000 heads that do not end" || return 1
	crowd_goes "thrown out [1-9]*" && within "2000 * (HTTP_HEAD_MAX + 2 * KIB)" && drained
}

long_head()
{
	local said i
	for i in 1 2 3 4 5; do
		said=$("$OUT/peer/crowd" head 1000000 "$PROXY" "$WEB_ADDR" "$WEB_PORT") || return 1
		[[ $said == "HTTP/1.1 431"* ]] || { why "the answer to number $i: $said"; return 1; }
	done
	others_go_on "nobody, after heads of 1 MB" && within "5 * (2 * HTTP_HEAD_MAX + HTTP_OUT_MAX)" && drained
}

deaf()
{
	crowd deaf 100 "$WEB_ADDR" "$ENDLESS_PORT" || return 1
	others_go_on "100 that do not read" && others_go_on "100 that do not read, again" || return 1
	within "100ull * FLOW_WORST_MIB * MIB" && crowd_goes "" && drained
}

# When HALF_OPEN_MAX targets are being connected no client is accepted: who comes then waits for his turn. Who is there
# goes on: one client, five transfers over one connection.
blackhole()
{
	local i from to come there
	for i in 1 2 3 4 5; do
		printf 'url = "http://%s:%s/bytes/%s"\noutput = "%s"\n' "$WEB_ADDR" "$WEB_PORT" "$each" "$WORK/down$i"
	done > "$WORK/five.conf"
	from=$(date +%s%N)
	(
		curl --silent --show-error --max-time 300 --proxy "http://127.0.0.1:$PROXY" -K "$WORK/five.conf" && date +%s%N > "$WORK/five.end"
	) > "$WORK/five.log" 2>&1 &
	there=$!
	PIDS+=("$there")
	until [ -s "$WORK/down1" ] || ! kill -0 "$there" 2> /dev/null; do sleep 0.05; done
	crowd void 10000 "$SILENT_ADDR" 80 || return 1
	come=$(date +%s%N)
	page_by_address || { why "a new client failed"; return 1; }
	say "a new client in the midst of them had its page after $((($(date +%s%N) - come) / 1000000)) ms"
	wait "$there" || { why "the transfers that were under way: $(cat "$WORK/five.log")"; return 1; }
	to=$(cat "$WORK/five.end")
	say "speed beside 10,000 connects to nowhere: $((alone_ms * 500 / ((to - from) / 1000000))) % of that alone"
	for i in 1 2 3 4 5; do
		same_bytes "$each" "$WORK/down$i" || return 1
		rm -f "$WORK/down$i"
	done
	crowd_goes "refused 10000, reset *" && say "of the 10,000: $CROWD_SAID" && within "HALF_OPEN_MAX * (SOCKS_READ_MAX + FLOW_CHUNK)" && drained
}

say "the sum of core/limits.h, everything at every cap: $(figure "FLOWS_MAX * 1ull * FLOW_WORST_MIB * MIB + SESSION_WORST_MIB * MIB") KiB"
for one in idle_and_busy slowloris long_head deaf blackhole; do
	if [ $one = blackhole ] && [ -z "$SILENT_ADDR" ]; then
		skip $one "this kernel has no silent address"
		continue
	fi
	options=()
	[ $one != blackhole ] || options=(--connect-timeout 3) # or it would take its time
	t "${one//_/-}-alone" alone ${options[@]+"${options[@]}"}
	t "${one//_/-}" $one
	t "${one//_/-}-stops-when-asked" stops_when_asked
	cat "$WORK/measured"
	: > "$WORK/measured"
done

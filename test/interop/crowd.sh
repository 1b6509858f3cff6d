#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# crowd.sh - many clients at once, and bad ones beside good ones: nobody sees an error, and memory stays within the sums of
# core/limits.h. What is measured (memory at its highest, speed beside a crowd and alone) is printed on lines with "#". CROWDS
# chooses some of them.
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
	allowed=$(figure "$1 + 2ull * FLOW_WINDOW_MAX") || { why "cannot compile core/limits.h"; return 1; }
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

# crowd MODE N ADDR PORT: start one, wait until it is all there. It goes to the proxy, or to the port CROWD_AT.
crowd()
{
	local line
	rm -f "$WORK/crowd.in" "$WORK/crowd.out"
	mkfifo "$WORK/crowd.in" "$WORK/crowd.out" || return 1
	"$OUT/peer/crowd" "$1" "$2" "${CROWD_AT:-$PROXY}" "$3" "$4" < "$WORK/crowd.in" > "$WORK/crowd.out" 2> "$WORK/crowd.err" &
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
alone()
{
	connect "${account[@]}" "$url" || return 1
	transfer && transfer || return 1 # twice: what a first one leaves behind is part of the rest
	alone_ms=$MS
	rest_kib=$(resident_kib)
	rest_fds=$(descriptors)
	forget_peak
	say "alone: $((each / MS / 1000)) MB/s"
}

# An idle flow holds no buffer: less than the smallest there is. Busy ones may hold all that flows share.
idle_and_busy()
{
	crowd idle 2000 "$WEB_ADDR" "$ECHO_PORT" || return 1
	within "2000 * FLOW_CHUNK_MIN" || return 1
	many_at_once 200 2000000 || return 1
	within "2000 * FLOW_CHUNK_MIN + FLOW_MEMORY + 2200ull * FLOW_FLOOR_KIB * KIB" || return 1
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

come_in()	# how many bytes the program has read so far
{
	awk '/^rchar:/ { print $2 }' "/proc/$TUNNEL/io"
}

# Until what may wait for them is full, those who do not read are clients like others, a hundred running transfers, and take
# their share of the tunnel. Their being deaf shows when they are full. Then next to nothing may come in: keep-alives, and what
# is asked about closed windows.
deaf()
{
	local before now begin from quiet=0
	begin=$(come_in)
	from=$(date +%s%N)
	crowd deaf 100 "$WEB_ADDR" "$ENDLESS_PORT" || return 1
	now=$(come_in)
	for _ in $(seq 600); do
		before=$now
		sleep 0.2
		now=$(come_in)
		[ $((now - before)) -lt 100000 ] && quiet=$((quiet + 1)) || quiet=0
		[ $quiet -lt 5 ] || break
	done
	[ $quiet -ge 5 ] || { why "bytes come in without end for those who do not read: $(((now - begin) / 1024)) KiB"; return 1; }
	say "100 that do not read are full after $((($(date +%s%N) - from) / 1000000 - 1000)) ms, with $(((now - begin) / 1024)) KiB"
	others_go_on "100 that do not read" && others_go_on "100 that do not read, again" || return 1
	within "FLOW_MEMORY + 100ull * FLOW_FLOOR_KIB * KIB" && crowd_goes "" && drained
}

# five_begin, five_end WHAT: one client that was there before the crowd, with five transfers over one connection; the crowd
# comes when the first is through. Sets SPEED, % of that alone.
five_begin()
{
	local i
	for i in 1 2 3 4 5; do
		printf 'url = "http://%s:%s/bytes/%s"\noutput = "%s"\n' "$WEB_ADDR" "$WEB_PORT" "$each" "$WORK/down$i"
	done > "$WORK/five.conf"
	five_from=$(date +%s%N)
	(
		curl --silent --show-error --max-time 300 --proxy "http://127.0.0.1:$PROXY" -K "$WORK/five.conf" && date +%s%N > "$WORK/five.end"
	) > "$WORK/five.log" 2>&1 &
	FIVE=$!
	PIDS+=("$FIVE")
	until [ -s "$WORK/down1" ] || ! kill -0 "$FIVE" 2> /dev/null; do sleep 0.05; done
}

five_end()
{
	local i
	wait "$FIVE" || { why "the transfers that were under way: $(cat "$WORK/five.log")"; return 1; }
	SPEED=$((alone_ms * 500 / (($(cat "$WORK/five.end") - five_from) / 1000000)))
	for i in 1 2 3 4 5; do
		same_bytes "$each" "$WORK/down$i" || return 1
		rm -f "$WORK/down$i"
	done
	say "speed beside $1: $SPEED % of that alone"
}

# The machine has the crowd to carry as well. So this is what to compare with: the same crowd, which goes to somebody else.
elsewhere()
{
	local line
	mkfifo "$WORK/silence.in" "$WORK/silence.out" || return 1
	"$OUT/peer/crowd" silence < "$WORK/silence.in" > "$WORK/silence.out" 2>&1 &
	PIDS+=("$!")
	exec {silence_in}> "$WORK/silence.in"
	read -r -t 20 line < "$WORK/silence.out"
	five_begin
	CROWD_AT=${line#port } crowd "$@" || return 1
	five_end "the same crowd, which is not our client" || return 1
	kill "$CROWD"
	wait "$CROWD" 2> /dev/null
	exec {crowd_in}>&- {crowd_out}<&- {silence_in}>&-
}

# Ten thousand want to go where nobody answers. Who was there goes on, and who comes then does not stand in line behind them:
# it has its page when not one of them has had an answer. But if there are fewer places for clients than they are, some of
# them have to make room.
blackhole()
{
	local come line apart places answered=0
	places=$(figure "CLIENTS_MAX * 1024")
	[ "$places" -le "$(ulimit -n)" ] || places=$(ulimit -n)
	[ "$places" -gt 11000 ] || answered=$((10000 - places / 2))
	elsewhere void 10000 "$SILENT_ADDR" 80 || return 1
	apart=$SPEED
	five_begin
	crowd void 10000 "$SILENT_ADDR" 80 || return 1
	come=$(date +%s%N)
	page_by_address || { why "a new client failed"; return 1; }
	say "a new client behind them had its page after $((($(date +%s%N) - come) / 1000000)) ms"
	echo >&"$crowd_in"
	read -r -t 20 line <&"$crowd_out"
	say "by then, of those before it: $line"
	[ "${line#answered }" -le "$answered" ] || { why "the new client had its page, and of those before it: \"$line\""; return 1; }
	five_end "10,000 connects to nowhere" || return 1
	say "and that is $((SPEED * 100 / apart)) % of what it is beside a crowd of others"
	crowd_goes "refused 10000, reset *" && say "of the 10,000: $CROWD_SAID" && within "10000 * (SOCKS_READ_MAX + 5 * KIB)" && drained
}

say "the sum of core/limits.h, everything at every cap: $(figure "(FLOWS_WORST_MIB + SESSION_WORST_MIB + UDP_WORST_MIB) * 1ull * MIB") KiB"
for one in ${CROWDS:-idle_and_busy slowloris long_head deaf blackhole}; do
	if [ "$one" = blackhole ] && [ -z "$SILENT_ADDR" ]; then
		skip "$one" "this kernel has no silent address"
		continue
	fi
	t "${one//_/-}-alone" alone
	t "${one//_/-}" "$one"
	t "${one//_/-}-stops-when-asked" stops_when_asked
	cat "$WORK/measured"
	: > "$WORK/measured"
done

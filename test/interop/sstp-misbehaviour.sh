#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sstp-misbehaviour.sh - everything the test gateway can do wrong, and what softsocks makes of it. The file
# sstp-misbehaviour.expected has a line for each: its name, and what is right: "works" (harmless, the private page can be
# fetched) or the exit status, several if the moment decides. An end must be one line on standard error.
#
# Several gateways side by side: most of the time is waiting for patience to run out, up to a minute.
. "$(dirname "$0")/lib"
server=test/server/sstp
stop_server()
{
	local d
	for d in "$SERVER".*; do
		[ ! -d "$d" ] || $server stop "$d" > /dev/null 2>&1
	done
}
expected=test/interop/sstp-misbehaviour.expected
workers=6

# meet DIR WORKER: one connection to the gateway in DIR; prints "works" or the exit status, then the lines of the end.
meet()
{
	local ready=$WORK/ready.$2 err=$WORK/err.$2 pid line port seen=ended
	. "$1/info"
	rm -f "$ready"
	mkfifo "$ready"
	"$SOFTSOCKS" -l 127.0.0.1:0 --log-level error --retries 0 --ready-fd 3 --ca "$SSTP_CA" \
		--password-file "$SSTP_PASSWORD_FILE" "$SSTP_URL" 3> "$ready" 2> "$err" < /dev/null &
	pid=$!
	line=$(timeout 150 cat "$ready")
	if [ -n "$line" ]; then
		port=$(sed -n 's/^ready socks5:\/\/127\.0\.0\.1:\([0-9]*\) .*/\1/p' <<< "$line")
		seen=ready
		curl --silent --max-time 10 --socks5 "127.0.0.1:$port" "http://$WEB_ADDR:$WEB_PORT/" | grep -q "private page" && seen=works
		[ "$seen" = works ] || timeout 120 tail --pid=$pid -f /dev/null
		kill -INT $pid 2> /dev/null
	fi
	wait $pid
	line=$?
	[ $seen = works ] && [ $line -eq 0 ] && echo works || echo $line
	cat "$err"
}

judge()	# judge NAME WANTED... < what meet printed
{
	local name=$1 got lines text
	shift
	read -r got
	text=$(cat)
	lines=$(grep -c . <<< "$text")
	case " $* " in
	*" $got "*) ;;
	*) echo "not ok $name: $got instead of $*: $text"; return ;;
	esac
	if [ "$lines" -eq $([ "$got" = works ] && echo 0 || echo 1) ]; then
		echo "ok $name"
	else
		echo "not ok $name: $lines lines: $text"
	fi
}

work()	# work N: every workers-th misbehaviour
{
	local n=$1 name wanted i=0
	while read -r name wanted; do
		[ $((i++ % workers)) -eq "$n" ] || continue
		$server misbehave "$SERVER.$n" "$name" > /dev/null 2>&1 || { echo "not ok $name: the gateway did not restart"; continue; }
		# shellcheck disable=SC2086
		meet "$SERVER.$n" "$n" | judge "$name" $wanted
	done < <(grep -v '^#' $expected)
}

for ((n = 0; n < workers; n++)); do
	$server start "$SERVER.$n" tun > "$WORK/start.$n" 2>&1 &
	starts[n]=$!
done
for ((n = 0; n < workers; n++)); do
	wait "${starts[n]}"
	case $? in
	0) ;;
	4) skip_all "$(tail -n 1 "$WORK/start.$n")" ;;
	*) echo "not ok start-server: $(tail -n 1 "$WORK/start.$n")"; exit 1 ;;
	esac
done

t the-list-is-complete diff <(build/peer/gateway --list-misbehaviours | cut -f 1 | sort) <(grep -v '^#' $expected | cut -d ' ' -f 1 | sort)
for ((n = 0; n < workers; n++)); do
	work "$n" > "$WORK/results.$n" &
	PIDS+=($!)
done
for p in "${PIDS[@]}"; do
	wait "$p"
done
cat "$WORK"/results.*

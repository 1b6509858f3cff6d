#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sstp-client.sh - the test gateway checked by a real client: Debian's sstp-client with pppd, in a user-mode kernel (this
# machine's kernel may lack PPP). What the gateway calls a right crypto binding is then what others call so.
. "$(dirname "$0")/lib"

stop_server()
{
	[ ! -e "$SERVER/hold.pid" ] || flock -n "$SERVER/hold.pid" true || kill "$(cat "$SERVER/hold.pid")" 2> /dev/null
}

# The parts of a server for tests, without a server.
prepare()
{
	me=sstp-client
	top=$PWD
	dir=$SERVER
	. test/server/lib
	test/server/uml fetch || exit $?
	[ -e "$debs/.packages/sstp-client" ] || third_party/apt debs "$debs" sstp-client || exit 4
	build_tools
	test/gateway/build "$SERVER/gateway" -O2 -g || exit 1
	fetch_tools
	use_debs
	mkdir -p "$SERVER/files" "$SERVER/uploads"
	printf 'alice:%s\n' "$(alice_password)" > "$SERVER/users"
	make_certs
}

mkdir -p "$SERVER"
(prepare) > "$WORK/prepare" 2>&1
case $? in
0) ;;
4) skip_all "$(tail -n 1 "$WORK/prepare")" ;;
*) echo "not ok prepare: $(tail -n 1 "$WORK/prepare")"; exit 1 ;;
esac

# Bounded in any case: what is in there ends with nshold.
build/peer/nshold -t 300 -o $$ "$SERVER" "$PWD/test/server/uml" run "$SERVER" "$PWD/test/interop/sstp-client.guest" \
	> "$SERVER/log" 2>&1 < /dev/null
if grep -q '^shared' "$SERVER/hold.mode"; then
	skip sstp-client "no namespaces here: the kernel's processes could not be ended for certain"
elif [ -s "$SERVER/results" ]; then
	cat "$SERVER/results"
	[ -e "$SERVER/status" ] || echo "not ok user-mode-kernel: it ended early: $(tail -n 1 "$SERVER/log")"
elif ! grep -q 'mount' "$SERVER/log" && [ ! -e "$SERVER/services.ready" ]; then
	skip sstp-client "user-mode-linux does not run here: $(tail -n 2 "$SERVER/log" | head -n 1)"
else
	echo "not ok user-mode-kernel: $(tail -n 1 "$SERVER/log")"
fi

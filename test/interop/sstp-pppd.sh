#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sstp-pppd.sh - softsocks through a real pppd: Debian's, in a kernel of its own (user-mode-linux), where the private
# network is too. Whatever the test gateway's own PPP and ours might have in common is not in here.
. "$(dirname "$0")/lib"
. test/interop/session

start_server test/server/sstp pppd
url=$SSTP_URL
account=(--ca "$SSTP_CA" --password-file "$SSTP_PASSWORD_FILE")

# The gateway says which binding it has checked.
bound_by()	# bound_by OPTION WORD COMMAND...
{
	$server options "$SERVER" --hashes "$1" || { why "the gateway did not restart"; return 1; }
	"${@:3}" || return 1
	$server gateway "$SERVER" | grep -q "binding is right, $2, keys of the login" ||
		why "no binding by $2: $($server gateway "$SERVER" | tail -n 3)"
}

t mschapv2-bound-by-sha256 bound_by sha256 SHA-256 login "${account[@]}" "$url"
t mschapv2-bound-by-sha1 bound_by sha1 SHA-1 login "${account[@]}" "$url"
$server options "$SERVER"
t pap-when-asked login --auth pap "${account[@]}" "$url"
t chap-when-asked login --auth chap "${account[@]}" "$url"
printf 'wrong\n' > "$WORK/wrong"
t wrong-password-exits-5 refuses 5 "691" --ca "$SSTP_CA" --password-file "$WORK/wrong" "$url"

t connect connect "${account[@]}" "$url"
t page-by-name page_by_name
t unknown-name fails_with 4 "http://nothing.softsocks.test/"
t refused-port fails_with 5 "http://$WEB_ADDR:$CLOSED_PORT/"
t bulk-down bulk_down 10000000
t bulk-up bulk_up 2000000 # into a user-mode kernel, byte by byte: 0.3 MB/s
t half-close-from-client half_close_from_client
t half-close-from-server half_close_from_server
t stops-when-asked stops_when_asked

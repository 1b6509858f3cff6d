#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# idle.sh - ten minutes in which nothing happens: the session stays up, its memory as it was. Only if SOFTSOCKS_LONG is
# set.
. "$(dirname "$0")/lib"
[ -n "${SOFTSOCKS_LONG:-}" ] || skip_all "takes ten minutes; SOFTSOCKS_LONG=1 asks for it"
SE_LEASE=60 start_server test/server/softether
[ -n "$SE_HUB_LAN" ] || skip_all "no namespaces or cables here: no way in for UDP"
$server door "$SERVER" || { echo "not ok door: see above"; exit 1; }
. "$SERVER/door"
. test/interop/listing
HUB=$SE_HUB_LAN

# Sixty samples, the first when everything has been used once.
stays_flat()
{
	local i first kib most=0
	for ((i = 0; i <= 60; i++)); do
		kib=$(resident_kib) && [ -n "$kib" ] || { why "it has ended"; return 1; }
		[ $i -gt 0 ] || first=$kib
		[ "$kib" -le $most ] || most=$kib
		[ $i -eq 60 ] || sleep 10
	done
	echo "resident: $first KiB at first, $kib KiB at last, $most KiB at most"
	case $OUT in
	*/san-*) return ;; # quarantined memory is not given back
	esac
	[ "$most" -le $((first + 256)) ] || why "memory grew from $first to $most KiB"
}

still_the_same_session()
{
	[ "$(session_name)" = "$session" ] || why "session $session has become $(session_name)"
}

t connect connect --tcp-connections 4 --verify-name "$SE_NAME" --ca "$SE_CA" --password-file "$SE_PASSWORD_FILE" \
	"softether://$SE_USER@$DOOR_HOST:$DOOR_PORT/$HUB"
t udp-is-active udp_is_active
t four-connections listed "Number of TCP Connections" 4
session=$(session_name)
t bulk-down bulk_down 20000000
t page page_by_address
t ten-idle-minutes stays_flat
cat "$WORK/ten-idle-minutes.out"
t page-after-ten-minutes page_by_name
t still-the-same-session still_the_same_session
t still-active udp_is_active

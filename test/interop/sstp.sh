#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sstp.sh - softsocks against the test gateway with a TUN interface behind it: the same assertions as for SoftEther, and
# what only SSTP has. The gateway itself is checked by a real client in sstp-client.sh, and softsocks against a real pppd
# in sstp-pppd.sh.
. "$(dirname "$0")/lib"
. test/interop/session

SE_FORWARD=10.77.0.1:80 start_server test/server/sstp tun
url=$SSTP_URL
scheme=sstp://$SSTP_USER@
rest=
account=(--ca "$SSTP_CA" --password-file "$SSTP_PASSWORD_FILE")

t connect connect "${account[@]}" "$url"
t small-at-rest small_at_rest
private_network_tests sstp 100000000
ordinary_tcp_tests sstp
t port-taken-exits-8 port_taken
t stops-when-asked stops_when_asked

offering()	# offering METHODS COMMAND...: the gateway offers only these
{
	$server options "$SERVER" --auth "$1" || { why "the gateway did not restart"; return 1; }
	shift
	"$@"
}
with_hash()	# with_hash NAME COMMAND...: the gateway takes this one only for the crypto binding
{
	$server options "$SERVER" --hashes "$1" || { why "the gateway did not restart"; return 1; }
	shift
	"$@"
}
t login-utf8-password login --ca "$SSTP_CA" --password-file "$SSTP_PASSWORD2_FILE" "sstp://$SSTP_USER2@$SSTP_HOST:$SSTP_PORT"
printf 'wrong\n' > "$WORK/wrong"
t wrong-password-exits-5 refuses 5 "691" --ca "$SSTP_CA" --password-file "$WORK/wrong" "$url"
t unknown-user-exits-5 refuses 5 "691" "${account[@]}" "sstp://nobody@$SSTP_HOST:$SSTP_PORT"
t binding-sha256 with_hash sha256 login "${account[@]}" "$url"
t binding-sha1 with_hash sha1 login "${account[@]}" "$url"
t pap-when-asked offering pap login --auth pap "${account[@]}" "$url"
t pap-not-by-itself-exits-5 refuses 5 "" "${account[@]}" "$url"
t chap-when-asked offering chap login --auth chap "${account[@]}" "$url"
t chap-not-by-itself-exits-5 refuses 5 "" "${account[@]}" "$url"
t no-common-method-exits-5 offering eap refuses 5 "" "${account[@]}" "$url"
t no-login-at-all-exits-5 offering none refuses 5 "" "${account[@]}" "$url"
$server options "$SERVER"

trust_tests sstp
absent_server_tests sstp
mortal_server_tests sstp

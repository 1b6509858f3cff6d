#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# softether.sh - softsocks against a real SoftEther VPN server: everything a user sees, good and bad.
. "$(dirname "$0")/lib"
. test/interop/session

SE_FORWARD=10.77.0.1:80 start_server test/server/softether
[ "$SE_PRIVATE" = yes ] || skip namespaces "this kernel refuses them: the server runs beside everything else"
url=$(hub_url)
scheme=softether://$SE_USER@
rest=/$SE_HUB
account=(--ca "$SE_CA" --password-file "$SE_PASSWORD_FILE")

t connect connect "${account[@]}" "$url"
t small-at-rest small_at_rest
private_network_tests securenat 20000000 # it acknowledges a full window every 30 ms: 2 MB/s up
t port-taken-exits-8 port_taken
t stops-when-asked stops_when_asked

if [ -n "$SE_HUB_LAN" ]; then
	t connect-lan connect "${account[@]}" "$(hub_url "$SE_USER" "$SE_HUB_LAN")"
	private_network_tests lan 100000000
	ordinary_tcp_tests lan
	t stops-when-asked-lan stops_when_asked
else
	skip lan "no bridged hub on this kernel: no half-close, reset and unreachable addresses with a real server"
fi

t login-utf8-password login --ca "$SE_CA" --password-file "$SE_PASSWORD2_FILE" "$(hub_url "$SE_USER2")"
t login-anonymous login --ca "$SE_CA" --auth anonymous "$(hub_url "$SE_GUEST")"
printf 'wrong\n' > "$WORK/wrong"
t wrong-password-exits-5 refuses 5 "password" --ca "$SE_CA" --password-file "$WORK/wrong" "$url"
t unknown-user-exits-5 refuses 5 "user" "${account[@]}" "$(hub_url nobody)"
t missing-hub-exits-5 refuses 5 "hub" "${account[@]}" "$(hub_url "$SE_USER" NOSUCHHUB)"
t offline-hub-exits-5 refuses 5 "offline" "${account[@]}" "$(hub_url "$SE_USER" "$SE_HUB_OFFLINE")"
t no-dhcp-exits-7 refuses 7 "DHCP.*--ip4" "${account[@]}" "$(hub_url "$SE_USER" "$SE_HUB_NODHCP")"
t static-address login "${account[@]}" --ip4 192.168.30.201/24 --gateway 192.168.30.1 --dns 192.168.30.1 "$url"

trust_tests softether
absent_server_tests softether
mortal_server_tests softether

#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# softether-full.sh - what SoftEther has beside one TCP connection and a password, against the real server: every login,
# many connections and UDP that break in mid-transfer, R-UDP, compression, accounts of SoftEther's own client, DHCP
# leases, IPv6, a cluster. What the server itself says of a session (listing) is asked wherever it says something.
. "$(dirname "$0")/lib"
. test/interop/session

SE_LEASE=60 SE_RUDP=1 start_server test/server/softether
. test/interop/listing
url=$(hub_url)
ca=(--ca "$SE_CA")
account=("${ca[@]}" --password-file "$SE_PASSWORD_FILE")

admin()	# admin HUB CMD [ARG]...: and it must work
{
	local hub=$1
	shift
	$server vpncmd "$SERVER" -H "$hub" "$@" || why "the server refuses: $*"
}

# --- logins ---------------------------------------------------------------------------------------------------------

der()	# der FILE: what a PEM file has inside
{
	sed '/^-----/d' "$1" | base64 -d
}

login_tests()
{
	local carol mallory=("${ca[@]}" --cert "$SE_STRANGER_CERT" --key "$SE_STRANGER_KEY")
	carol=$(hub_url "$SE_USER3")
	der "$SE_USER3_CERT" > "$WORK/carol.cer"
	(umask 077 && der "$SE_USER3_KEY" > "$WORK/carol.der" && echo wrong > "$WORK/wrong")

	t login-password login "${account[@]}" "$url"
	t login-plain login "${account[@]}" --auth plain "$url"
	t login-certificate-pem login "${ca[@]}" --cert "$SE_USER3_CERT" --key "$SE_USER3_KEY" "$carol"
	t login-certificate-der login "${ca[@]}" --cert "$WORK/carol.cer" --key "$WORK/carol.der" "$carol"
	t login-certificate-p12 login "${ca[@]}" --p12 "$SE_USER3_P12" --key-password-file "$SE_USER3_P12_PASSWORD_FILE" "$carol"
	t login-anonymous login "${ca[@]}" --auth anonymous "$(hub_url "$SE_GUEST")"

	t wrong-password-exits-5 refuses 5 "error 9: wrong user name or password; " "${ca[@]}" --password-file "$WORK/wrong" "$url"
	t wrong-plain-password-exits-5 refuses 5 "error 9: wrong user .*, or the server's RADIUS" "${ca[@]}" \
		--password-file "$WORK/wrong" --auth plain "$url"
	t strange-certificate-exits-5 refuses 5 "error 9: .*does not accept this certificate" "${mallory[@]}" "$carol"
	t password-of-certificate-user-exits-5 refuses 5 "error 9: wrong user name or password" "${account[@]}" "$carol"
	t anonymous-with-an-account-exits-5 refuses 5 "error 9: .*has to prove who it is" "${ca[@]}" --auth anonymous "$url"
	t unknown-user-exits-5 refuses 5 "error 9: wrong user name or password" "${account[@]}" "$(hub_url nobody)"
}

passwd()	# passwd OLD NEW: of dave; sets STATUS
{
	timeout 60 "$SOFTSOCKS" passwd "${ca[@]}" --password-file "$1" --new-password-file "$2" "$(hub_url dave)" 2> "$WORK/passwd"
	STATUS=$?
	cat "$WORK/passwd"
}

password_is_changed()
{
	admin OFFICE UserCreate dave /GROUP: /REALNAME: /NOTE: && admin OFFICE UserPasswordSet dave /PASSWORD:old-one || return 1
	(umask 077 && echo old-one > "$WORK/old" && printf 'Zw\303\266lf "neue"\n' > "$WORK/new")
	passwd "$WORK/old" "$WORK/new"
	[ "$STATUS" -eq 0 ] || why "exit status $STATUS: $(cat "$WORK/passwd")"
}

old_password_is_wrong()
{
	passwd "$WORK/old" "$WORK/new"
	[ "$STATUS" -eq 5 ] && grep -q "error 69: the old password is wrong" "$WORK/passwd" ||
		why "exit status $STATUS: $(cat "$WORK/passwd")"
}

passwd_tests()
{
	t passwd password_is_changed
	t login-with-the-new-password login "${ca[@]}" --password-file "$WORK/new" "$(hub_url dave)"
	t login-with-the-old-password-exits-5 refuses 5 "error 9: " "${ca[@]}" --password-file "$WORK/old" "$(hub_url dave)"
	t passwd-with-a-wrong-old-one-exits-5 old_password_is_wrong
}

# --- a transfer during which something happens ------------------------------------------------------------------------

# during N COMMAND...: COMMAND comes when the first of N bytes have come, long before the last.
during()
{
	local n=$1 fetch r
	shift
	rm -f "$WORK/down"
	by_address --max-time 120 --limit-rate 25M -o "$WORK/down" "http://$WEB_ADDR:$WEB_PORT/bytes/$n" &
	fetch=$!
	PIDS+=("$fetch")
	until [ -s "$WORK/down" ] || ! kill -0 "$fetch" 2> /dev/null; do sleep 0.05; done
	[ "$(stat -c %s "$WORK/down")" -lt "$n" ] || { why "the transfer was over before anything could happen"; return 1; }
	"$@" || { why "$* failed"; kill "$fetch"; return 1; }
	wait "$fetch"
	r=$?
	[ $r -eq 0 ] || { why "curl ended with $r after $(stat -c %s "$WORK/down") bytes"; return 1; }
	same_bytes "$n" "$WORK/down"
}

break_it()
{
	$server break "$SERVER" "$1"
}

# Five seconds without any way to the server.
outage()	# outage CUT
{
	break_it "refuse yes" && break_it "$1" && sleep 5 && break_it "refuse no"
}

doors_open()	# doors_open N: until so many connections go through the door
{
	local i n
	for ((i = 0; i < 600; i++)); do
		n=$($server break "$SERVER" count | cut -d' ' -f2)
		[ "$n" -ge "$1" ] && return
		sleep 0.1
	done
	why "$n connections instead of $1"
}

still_session()	# the listing has no newer one
{
	[ "$(session_name)" = "$session" ] || why "session $session has become $(session_name)"
}

same_session()	# same_session COMMAND...: the session is the same one afterwards
{
	"$@" && still_session
}

door_url()
{
	echo "softether://$SE_USER@$DOOR_HOST:$DOOR_PORT/$HUB"
}

connect_door()	# connect_door OPTION...
{
	connect --verify-name "$SE_NAME" "${account[@]}" "$@" "$(door_url)" && session=$(session_name) && [ -n "$session" ]
}

# A connection that ends without close_notify leaves an error behind in this server, on OpenSSL 3: the server then closes
# all connections of the session, and each that is added to it. "cut" does that, so there the session may be a new one;
# "drop" does not.
connections_tests()
{
	t connect-8 connect_door --tcp-connections 8 --udp-acceleration off
	t the-server-lists-8 listed "Number of TCP Connections" 8
	t one-of-8-lost same_session during 100000000 break_it "drop 3"
	t the-server-lists-8-again listed "Number of TCP Connections" 8
	t all-lost-for-5-s same_session during 100000000 outage "drop all"
	t stops-when-asked-8 stops_when_asked
	t connect-3 connect_door --tcp-connections 3 --udp-acceleration off
	t three-through-the-door doors_open 3
	t one-of-3-reset during 50000000 break_it "cut 3"
	t page-after-one-reset page_by_address
	t all-reset-for-5-s during 50000000 outage "cut all"
	t page-after-all-reset page_by_address
	t stops-when-asked-3 stops_when_asked
}

# --- UDP acceleration -------------------------------------------------------------------------------------------------

# by_udp INDEX LEAST COMMAND...: LEAST datagrams pass meanwhile, in one direction (1: to the server, 2: from it)
by_udp()
{
	local index=$1 least=$2 before after
	shift 2
	before=$(datagrams | cut -d' ' -f"$index")
	"$@" || return 1
	after=$(datagrams | cut -d' ' -f"$index")
	echo "$((after - before)) datagrams"
	[ $((after - before)) -ge "$least" ] || why "only $((after - before)) datagrams went by UDP"
}

with_loss()	# with_loss LOSS COMMAND...: in thousandths
{
	local r
	break_it "loss $1" || return 1
	shift
	"$@"
	r=$?
	break_it "loss 0"
	return $r
}

loses_some()	# loses_some COMMAND...: the door must have lost datagrams, or nothing was shown
{
	local before
	before=$(datagrams | cut -d' ' -f3)
	"$@" || return 1
	[ "$(datagrams | cut -d' ' -f3)" -gt "$before" ] || why "no datagram was lost"
}

# The server still sends keep-alives to the session before this one.
no_datagrams()
{
	local before after
	before=$(datagrams)
	page_by_address && bulk_down 5000000 || return 1
	after=$(datagrams)
	[ "${after%% *}" = "${before%% *}" ] || { why "we sent datagrams: $before before, $after after"; return 1; }
	[ "$(cut -d' ' -f2 <<< "$after")" -lt $(($(cut -d' ' -f2 <<< "$before") + 200)) ] ||
		why "the server sent datagrams: $before before, $after after"
}

udp_tests()
{
	t connect-udp connect_door
	t udp-is-active udp_is_active
	t udp-bulk-down by_udp 2 70000 bulk_down 100000000
	t udp-bulk-up by_udp 1 70000 bulk_up 100000000
	t udp-moves by_udp 2 15000 same_session during 50000000 break_it move
	t udp-with-1-percent-loss loses_some by_udp 2 7000 with_loss 10 bulk_down 20000000
	t udp-blocked-in-mid-transfer same_session during 100000000 break_it "loss 1000"
	t udp-is-not-active-any-more listed "UDP Acceleration is Active" No
	t udp-unblocked break_it "loss 0"
	t udp-comes-back udp_is_active
	t stops-when-asked-udp stops_when_asked
	t connect-udp-off connect_door --udp-acceleration off
	t udp-off no_datagrams
	t stops-when-asked-udp-off stops_when_asked
	skip udp-version-1 "this server speaks version 2 with everybody who offers it: unit tests only"
}

# --- R-UDP --------------------------------------------------------------------------------------------------------------

# Which of the server's UDP ports it is, nobody says. Those tried before it answer nothing.
connect_rudp()
{
	local port
	for port in $rudp_ports; do
		connect --verify-name "$SE_NAME" "${account[@]}" --udp-acceleration off \
			"softether+udp://$SE_USER@$DOOR_HOST:$port/$HUB" && return
	done
	why "none of the ports answers: $rudp_ports"
}

rudp_tests()
{
	t connect-rudp connect_rudp
	t rudp-bulk-down by_udp 2 14000 bulk_down 20000000
	t rudp-bulk-up by_udp 1 14000 bulk_up 20000000
	t rudp-no-tcp [ "$($server break "$SERVER" count | cut -d' ' -f2)" = 0 ]
	t rudp-with-1-percent-loss loses_some with_loss 10 bulk_down 5000000
	t stops-when-asked-rudp stops_when_asked
}

# --- the rest of a session's options ------------------------------------------------------------------------------------

# The JSON interface of the server has what its command line lacks.
hub_message()	# hub_message HUB TEXT
{
	curl --silent --show-error --insecure --max-time 30 -H "X-VPNADMIN-PASSWORD: $(cat "$SE_ADMIN_PASSWORD_FILE")" \
		-d '{"jsonrpc":"2.0","id":"1","method":"SetHubMsg","params":{"HubName_str":"'"$1"'","Msg_bin":"'"$(
		printf %s "$2" | base64 -w 0)"'"}}' "https://$SE_HOST:$SE_PORT/api/" | grep '"result"' || why "no message set"
}

message_is_shown()
{
	hub_message "$SE_HUB" 'Wartung heute um zehn.' || return 1
	login "${account[@]}" "$url" || return 1
	hub_message "$SE_HUB" ''
	grep -q 'server message: Wartung heute um zehn\.$' "$WORK/softsocks.log" || why "the hub's message was not shown"
}

compresses()
{
	local HUB=$SE_HUB
	connect "${account[@]}" --compress "$url" && listed "Use of Compression" "Yes*" && bulk_down 5000000 &&
		bulk_up 5000000 && stops_when_asked
}

half_duplex()
{
	local HUB=$SE_HUB
	connect "${account[@]}" --half-connection --tcp-connections 4 --udp-acceleration off "$url" &&
		listed "Half Duplex TCP Connection Mode" "Yes*" && listed "Number of TCP Connections" 4 &&
		bulk_down 20000000 && bulk_up 5000000 && stops_when_asked
}

option_tests()
{
	t hub-message message_is_shown
	t compress compresses
	t half-connection half_duplex
}

# --- IPv6 -----------------------------------------------------------------------------------------------------------------

fetches()	# fetches HOST: within a moment, for the router's advertisement may come later than the DHCP server's answer
{
	local i
	for ((i = 0; i < 50; i++)); do
		by_name "http://$1:$WEB_PORT/" | grep "softsocks private page" && return
		sleep 0.1
	done
	why "no page from $1"
}

ipv6_tests()
{
	t connect-lan connect "${account[@]}" "$(hub_url "$SE_USER" "$SE_HUB_LAN")"
	t ipv6-by-name fetches v6.softsocks.test
	t ipv6-by-address fetches "[$WEB_ADDR6]"
	t ipv6-of-two fetches dual.softsocks.test
	t ipv6-broken fetches broken6.softsocks.test
	t stops-when-asked-ipv6 stops_when_asked
}

# --- accounts of SoftEther's own client -------------------------------------------------------------------------------

account_of()	# account_of NAME USER: as that client makes it, see AccountCreate
{
	$server client "$SERVER" AccountCreate "$1" "/SERVER:$SE_HOST:$SE_PORT" "/HUB:$SE_HUB" "/USERNAME:$2" /NICNAME:VPN
}

change()	# change CMD NAME [ARG]...
{
	$server client "$SERVER" "$@" || why "SoftEther's client refuses: $*"
}

export_accounts()
{
	local secret
	secret=$(cat "$SE_PASSWORD_FILE")
	account_of hashed "$SE_USER" && change AccountPasswordSet hashed "/PASSWORD:$secret" /TYPE:standard &&
		account_of plain "$SE_USER" && change AccountPasswordSet plain "/PASSWORD:$secret" /TYPE:radius &&
		change AccountDetailSet plain /MAXTCP:3 /INTERVAL:1 /TTL:0 /HALF:no /BRIDGE:no /MONITOR:no /NOTRACK:no /NOQOS:yes \
			/DISABLEUDP:yes &&
		account_of 'with a certificate' "$SE_USER3" &&
		change AccountCertSet 'with a certificate' /LOADCERT:../cert/carol.pem /LOADKEY:../cert/carol.key &&
		account_of pinned "$SE_GUEST" && change AccountServerCertEnable pinned &&
		change AccountServerCertSet pinned /LOADCERT:../cert/good.pem || return 1
	change AccountExport hashed /SAVEPATH:hashed.vpn && change AccountExport plain /SAVEPATH:plain.vpn &&
		change AccountExport 'with a certificate' /SAVEPATH:certificate.vpn && change AccountExport pinned /SAVEPATH:pinned.vpn &&
		chmod 600 "$SERVER"/client/*.vpn
}

imports()	# imports NAME OPTION...: the file itself, and what import makes of it
{
	local file=$SERVER/client/$1.vpn made=$WORK/$1.conf
	shift
	(umask 077 && "$SOFTSOCKS" import "$file" > "$made") || { why "not imported"; return 1; }
	"$SOFTSOCKS" check -c "$file" || { why "check -c $file failed"; return 1; }
	"$SOFTSOCKS" check -c "$made" || { why "check -c $made failed"; return 1; }
	login -c "$file" "$@" && login -c "$made" "$@"
}

vpn_file_tests()
{
	t vpn-file-export export_accounts
	t vpn-file-hashed imports hashed "${ca[@]}"
	t vpn-file-plain imports plain "${ca[@]}"
	t vpn-file-certificate imports certificate "${ca[@]}"
	t vpn-file-server-certificate imports pinned
}

# --- a DHCP lease, in the background ----------------------------------------------------------------------------------

# Its lease is of 60 s. Beside everything else: 80 lines, one a second, over one connection.
lease_begins()
{
	connect --ca "$SE_CA" --password-file "$SE_PASSWORD2_FILE" "$(hub_url "$SE_USER2")" || return 1
	lease_tunnel=$TUNNEL
	by_address --max-time 200 -o "$WORK/slow" "http://$WEB_ADDR:$WEB_PORT/slow/80" &
	lease_fetch=$!
	PIDS+=("$lease_fetch")
	lease_address=$(tail -n 1 "$WORK/softsocks.log" | sed -n 's/.* address \([0-9.]*\)$/\1/p')
	lease=$(lease_of "$lease_address")
	[ -n "$lease" ] || why "the server has no lease for $lease_address"
}

lease_of()	# lease_of ADDR: when it expires
{
	$server vpncmd "$SERVER" -H "$SE_HUB" DhcpTable | awk -F'|' -v addr="$1" '
		/^Expires at/ { until_ = $2 }
		/^Allocated IP/ && $2 == addr { print until_ }'
}

lease_is_renewed()
{
	local r
	wait "$lease_fetch"
	r=$?
	[ $r -eq 0 ] || { why "curl ended with $r after $(wc -l < "$WORK/slow") lines"; return 1; }
	[ "$(wc -l < "$WORK/slow")" -eq 80 ] || { why "$(wc -l < "$WORK/slow") lines of 80"; return 1; }
	echo "expired at $lease, now $(lease_of "$lease_address")"
	[ -n "$(lease_of "$lease_address")" ] || { why "the server has no lease for $lease_address any more"; return 1; }
	[ "$(lease_of "$lease_address")" != "$lease" ] || why "the server still has the lease that ends at $lease"
}

lease_ends()
{
	TUNNEL=$lease_tunnel
	stops_when_asked
}

# --- a cluster ----------------------------------------------------------------------------------------------------------

# Inside: the controller's answer names the member's private address.
through_the_member()
{
	# shellcheck disable=SC2016
	timeout 120 $server exec "$SERVER" bash -c '
		page=$1
		log=$2
		shift 2
		"$@" 2> "$log" &
		for ((i = 0; i < 600; i++)); do
			grep -q " ready " "$log" && break
			kill -0 $! || break
			sleep 0.05
		done
		curl --silent --show-error --max-time 30 --socks5-hostname 127.0.0.1:1080 "$page"
		r=$?
		echo "list" && read -r
		kill -INT $! && wait $! && exit $r' - "http://$WEB_NAME:$WEB_PORT/" "$WORK/member.log" \
		"$(realpath "$SOFTSOCKS")" -l 127.0.0.1:1080 "${account[@]}" --ip4 10.78.0.100/24 --gateway 10.78.0.1 \
		--dns "$DNS_ADDR" "softether://$SE_USER@127.0.0.1:$FARM_PORT/$FARM_HUB"
}

page_through_the_member()
{
	local line page=
	mkfifo "$WORK/go" || return 1
	exec 5<> "$WORK/go"
	{
		while read -r line && [ "$line" != list ]; do
			page+=$line
		done
		listing=$($server vpncmd "$SERVER" -H "$FARM_HUB" SessionList | tr '\n' ' ')
		echo >&5
		wait
	} < <(through_the_member <&5)
	exec 5>&-
	echo "$page $listing"
	[[ $page = *"softsocks private page"*"client 10.78.0.100 "* ]] || { why "no page: $(tail -n 1 "$WORK/member.log")"; return 1; }
	[[ $listing = *"SID-ALICE-"*"Location        |On "*"1 / 1"* ]] || why "the listing has no session on the member"
}

start_cluster()
{
	$server cluster "$SERVER" && . "$SERVER/info"
}

cluster_tests()
{
	t cluster-starts start_cluster
	t cluster-page-through-the-member page_through_the_member
}

# --- all of it ------------------------------------------------------------------------------------------------------------

t lease-begins lease_begins
login_tests
passwd_tests
option_tests
if [ -n "$SE_HUB_LAN" ]; then
	HUB=$SE_HUB_LAN
	rudp_ports=$($server rudp "$SERVER")
	# shellcheck disable=SC2086
	t door $server door "$SERVER" $rudp_ports
	. "$SERVER/door"
	udp_tests
	connections_tests
	rudp_tests
	if [ -n "$WEB_ADDR6" ]; then
		ipv6_tests
	else
		skip ipv6 "this kernel has no IPv6"
	fi
	vpn_file_tests
else
	skip door "no namespaces or cables here: no bridged hub, no UDP, no R-UDP, no cluster, no client of SoftEther's own"
fi
t lease-is-renewed lease_is_renewed
t lease-ends lease_ends
[ -z "$SE_HUB_LAN" ] || cluster_tests
skip vpn-azure "the relay is a service on the Internet: unit tests only"

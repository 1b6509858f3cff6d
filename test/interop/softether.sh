#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# softether.sh - softsocks against a real SoftEther VPN server: everything a user sees, good and bad.
stop_server()
{
	test/server/softether stop "$SERVER" > /dev/null 2>&1
}
. "$(dirname "$0")/lib"

export SE_OWNER=$$
SE_FORWARD=10.77.0.1:80 test/server/softether start "$SERVER" || { echo "not ok start-server: see above"; exit 1; }
. "$SERVER/info"
[ "$SE_PRIVATE" = yes ] || skip namespaces "this kernel refuses them: the server runs beside everything else"

url()	# url [USER [HUB]]
{
	echo "softether://${1-$SE_USER}@$SE_HOST:$SE_PORT/${2-$SE_HUB}"
}
account=(--ca "$SE_CA" --password-file "$SE_PASSWORD_FILE")

# --- what the tunnel carries ---------------------------------------------------------------------------------------
small_at_rest()
{
	case $OUT in
	*/san-*) echo "sanitizers: not measured" ;;
	*) at_rest_under $((12 * 1024)) ;;
	esac
}

stops_when_asked()
{
	disconnect
	[ "$STATUS" -eq 0 ] || why "exit status $STATUS: $(tail -n 1 "$WORK/softsocks.log")"
}

login()	# login OPTION... URL: connect, fetch the page, disconnect
{
	connect "$@" && page_by_address && stops_when_asked
}

t connect connect "${account[@]}" "$(url)"
t small-at-rest small_at_rest
private_network_tests securenat 20000000 # it acknowledges a full window every 30 ms: 2 MB/s up
port_taken()
{
	local r
	timeout 20 "$SOFTSOCKS" -l "127.0.0.1:$PROXY" "${account[@]}" "$(url)" 2> "$WORK/taken" < /dev/null
	r=$?
	cat "$WORK/taken"
	[ $r -eq 8 ] && grep -q "127.0.0.1:$PROXY.*in use" "$WORK/taken" || why "exit status $r: $(cat "$WORK/taken")"
}
t port-taken-exits-8 port_taken
t stops-when-asked stops_when_asked

if [ -n "$SE_HUB_LAN" ]; then
	t connect-lan connect "${account[@]}" "$(url "$SE_USER" "$SE_HUB_LAN")"
	private_network_tests lan 100000000
	ordinary_tcp_tests lan
	t stops-when-asked-lan stops_when_asked
else
	skip lan "this kernel gives no TAP device: no half-close, reset and unreachable addresses with a real server"
fi

# --- logins --------------------------------------------------------------------------------------------------------
t login-utf8-password login --ca "$SE_CA" --password-file "$SE_PASSWORD2_FILE" "$(url "$SE_USER2")"
t login-anonymous login --ca "$SE_CA" --auth anonymous "$(url "$SE_GUEST")"
t login-insecure login --insecure --password-file "$SE_PASSWORD_FILE" "$(url)"
printf 'wrong\n' > "$WORK/wrong"
t wrong-password-exits-5 refuses 5 "password" --ca "$SE_CA" --password-file "$WORK/wrong" "$(url)"
t unknown-user-exits-5 refuses 5 "user" "${account[@]}" "$(url nobody)"
t missing-hub-exits-5 refuses 5 "hub" "${account[@]}" "$(url "$SE_USER" NOSUCHHUB)"
t no-dhcp-exits-7 refuses 7 "DHCP.*--ip4" "${account[@]}" "$(url "$SE_USER" "$SE_HUB_NODHCP")"

# --- whom we trust -------------------------------------------------------------------------------------------------
with_certificate()	# with_certificate KIND COMMAND...
{
	test/server/softether cert "$SERVER" "$1" || { why "the server did not take certificate $1"; return 1; }
	shift
	"$@"
}
pin_from_hint()
{
	local pin
	refuses 4 "0x800B0109.*--pin sha256:" --password-file "$SE_PASSWORD_FILE" "$(url)" || return 1
	pin=$(grep -o 'sha256:[0-9A-Fa-f]*' "$WORK/refusal" | head -n 1)
	login --pin "$pin" --password-file "$SE_PASSWORD_FILE" "$(url)"
}
t unknown-ca-exits-4 with_certificate unknownca refuses 4 "0x800B0109" "${account[@]}" "$(url)"
t expired-exits-4 with_certificate expired refuses 4 "0x800B0101" "${account[@]}" "$(url)"
t wrong-name-exits-4 with_certificate wrongname refuses 4 "0x800B010F" "${account[@]}" "$(url)"
t default-certificate-by-the-pin-of-the-hint with_certificate default pin_from_hint
t wrong-pin-exits-4 refuses 4 "pin" --pin "sha256:$(printf '%064d' 1)" --password-file "$SE_PASSWORD_FILE" "$(url)"
t good-certificate-again with_certificate good login "${account[@]}" "$(url)"
t verify-name-exits-4 refuses 4 "0x800B010F" --verify-name other.example "${account[@]}" "$(url)"
t verify-name login --verify-name "$SE_NAME" "${account[@]}" "$(url)"

# --- what is not there ---------------------------------------------------------------------------------------------
t nothing-listening-exits-3 refuses 3 "refused" "${account[@]}" "softether://$SE_USER@127.0.0.1:1/$SE_HUB"
t unknown-host-exits-3 refuses 3 "nothing.invalid" "${account[@]}" "softether://$SE_USER@nothing.invalid/$SE_HUB"
if [ -n "${SE_FORWARD_PORTS:-}" ]; then
	web=${SE_FORWARD_PORTS%% *}
	t web-server-exits-6 refuses 6 "127.0.0.1:$web" "${account[@]}" "softether://$SE_USER@127.0.0.1:$web/$SE_HUB"
fi

# --- the server goes and comes -------------------------------------------------------------------------------------
dies_without_retries()
{
	connect --retries 0 "${account[@]}" "$(url)" || return 1
	test/server/softether kill "$SERVER"
	await_end
	test/server/softether revive "$SERVER" || { why "the server did not come back"; return 1; }
	[ "$STATUS" -eq 9 ] || why "exit status $STATUS: $(tail -n 1 "$WORK/softsocks.log")"
}
t server-dies-without-retries-exits-9 dies_without_retries

comes_back()
{
	local fds kib i
	connect --retry-interval 1 "${account[@]}" "$(url)" && page_by_address || return 1
	fds=$(descriptors)
	kib=$(resident_kib)
	for i in 1 2 3; do
		test/server/softether kill "$SERVER"
		test/server/softether revive "$SERVER" || { why "the server did not come back"; return 1; }
		page_by_address || { why "round $i: the next request did not work"; return 1; }
	done
	settle_descriptors "$fds" || return 1
	echo "resident: $kib KiB before, $(resident_kib) KiB after"
	[ "$(resident_kib)" -lt $((kib + 2048)) ] || why "memory grew from $kib to $(resident_kib) KiB"
}
t server-dies-and-comes-back comes_back
t stops-when-asked-after-all stops_when_asked

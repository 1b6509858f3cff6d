#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# clients.sh - the programs people use, through softsocks into a real private network: curl in all its ways, ssh, git, dig;
# and what a web proxy meets there (test/peer/oddweb.c). The private network is the hub LAN of test/server/softether:
# SecureNAT is a poor network.
#
# ssh, git, dig and Python are those of the machine; what it lacks comes from Debian's packages into build/clients.
. "$(dirname "$0")/lib"
. test/interop/session

start_private_network
clients=$PWD/build/clients
out=$(realpath "$OUT")

# --- tools and peers -----------------------------------------------------------------------------------------------

inside()	# inside CMD...: in the private network
{
	$server exec "$SERVER" "$@"
}

# tool PROGRAM PACKAGE...: is there one? Sets TOOL to where it is, and LIBRARIES to where the libraries of packages are.
tool()
{
	local name=$1 d
	shift
	LIBRARIES=
	TOOL=$(PATH=$PATH:/usr/sbin:/sbin command -v "$name") && [[ $TOOL != "$clients"/* ]] && return
	third_party/apt debs "$clients" "$@" > "$WORK/apt" 2>&1 || { skip "$name" "$(tail -n 1 "$WORK/apt")"; return 1; }
	for d in "$clients"/usr/lib/*-linux-gnu "$clients"/lib/*-linux-gnu; do
		LIBRARIES=$d${LIBRARIES:+:$LIBRARIES}
	done
	TOOL=$(PATH=$clients/usr/bin:$clients/bin:$clients/usr/sbin command -v "$name") && return
	skip "$name" "the package has no such program"
	return 1
}

with()	# with LIBRARIES CMD...
{
	local lib=$1
	shift
	LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+${lib:+:}$LD_LIBRARY_PATH} "$@"
}

# A port of this machine that nobody has now. Another program may take it the next moment: whoever uses it says so.
free_port()
{
	local p
	for _ in $(seq 100); do
		p=$((20000 + RANDOM % 10000))
		grep -qi ":$(printf %04X $p) " /proc/net/tcp /proc/net/udp || break
	done
	echo "$p"
}

await_file()
{
	for _ in $(seq 200); do
		[ -s "$1" ] && return
		sleep 0.05
	done
	why "$1 does not appear"
}

await_listener()	# await_listener PORT: in the private network
{
	for _ in $(seq 200); do
		inside grep -q ":$(printf %04X "$1") 00000000:0000 0A" /proc/net/tcp && return
		sleep 0.05
	done
	why "nobody listens on port $1 in there"
}

odd_port=8000
https_port=8443
ssh_port=2222
inside "$out/peer/oddweb" -f "$SE_FILES" -r "$WORK/odd.port" "$WEB_ADDR" $odd_port > "$WORK/oddweb.log" 2>&1 &
PIDS+=($!)
"$OUT/peer/oddweb" -r "$WORK/here.port" 127.0.0.1 0 > "$WORK/here.log" 2>&1 &
PIDS+=($!)
await_file "$WORK/odd.port" && await_file "$WORK/here.port" ||
	{ echo "not ok start-oddweb: $(cat "$WORK/oddweb.log" "$WORK/here.log")"; exit 1; }
here_port=$(cat "$WORK/here.port")
odd=http://$WEB_ADDR:$odd_port
named=http://$WEB_NAME:$odd_port
web=http://$WEB_ADDR:$WEB_PORT

# --- ways to ask ---------------------------------------------------------------------------------------------------

ask()
{
	curl --silent --show-error --max-time 60 "$@"
}

by_http()
{
	ask --proxy "http://127.0.0.1:$PROXY" "$@"
}

by_connect()
{
	ask --proxytunnel --proxy "http://127.0.0.1:$PROXY" "$@"
}

says()	# says TEXT COMMAND...: its output has a line with this in it
{
	local text=$1
	shift
	"$@" > "$WORK/said" || { why "exit status $?: $(head -c 300 "$WORK/said")"; return 1; }
	grep -qF -- "$text" "$WORK/said" || why "not said \"$text\": $(head -c 300 "$WORK/said")"
}

says_not()
{
	local text=$1
	shift
	"$@" > "$WORK/said" || { why "exit status $?"; return 1; }
	! grep -qiF -- "$text" "$WORK/said" || why "said: $(grep -iF -- "$text" "$WORK/said")"
}

site()
{
	echo "http://$1:$WEB_PORT/"
}

page()	# page COMMAND...: does it get the private page?
{
	says "softsocks private page" "$@"
}

status()	# status CODE COMMAND...: is this the HTTP status?
{
	local want=$1 got
	shift
	got=$("$@" -o "$WORK/body" -w '%{http_code}')
	[ "$got" = "$want" ] || why "status $got, not $want: $(head -c 300 "$WORK/body")"
}

ends_with()	# ends_with CURL_STATUS COMMAND...
{
	local want=$1 got
	shift
	"$@" -o "$WORK/body"
	got=$?
	[[ " $want " == *" $got "* ]] || why "curl ended with $got, not $want"
}

# raw TEXT...: send this to the proxy, in printf's notation, and print everything that comes until its end of stream
raw()
{
	local fd r
	exec {fd}<> "/dev/tcp/127.0.0.1/$PROXY" || return
	# shellcheck disable=SC2059
	printf "$@" >&"$fd"
	timeout 60 cat <&"$fd"
	r=$?
	exec {fd}>&-
	return $r
}

sum_of()	# the sum that oddweb gives for the first N bytes: asked over SOCKS, where nobody looks into it
{
	by_address -D "$WORK/trailers" -o /dev/null "$odd/chunked/$1" && tr -d '\r' < "$WORK/trailers" | sed -n 's/^X-Sum: //p'
}

# --- the proxy, all of it --------------------------------------------------------------------------------------------

local_tcp=$(free_port)
local_dns=$(free_port)
account+=(--connect-timeout 3)
everything=(
	-l "unix:$WORK/proxy.sock"
	-L "127.0.0.1:$local_tcp:$WEB_NAME:$WEB_PORT"
	-L "127.0.0.1:$local_dns:$DNS_ADDR:53/udp"
	-L "unix:$WORK/web.sock:$WEB_ADDR:$WEB_PORT"
	-R "8080:127.0.0.1:$here_port"
	--route "127.0.0.0/8=direct"
	--route "*:25=block"
	--route "blocked.softsocks.test=block"
)
t connect connect "${account[@]}" "${everything[@]}" "$url"
address=$(sed -n 's/.*ready .* address \([0-9.]*\).*/\1/p' "$WORK/softsocks.log" | tail -n 1)

# SOCKS
t socks4 page ask --socks4 "127.0.0.1:$PROXY" "$web/"
t socks4a page ask --socks4a "127.0.0.1:$PROXY" "http://$WEB_NAME:$WEB_PORT/"
t socks4-refused ends_with 97 ask --socks4 "127.0.0.1:$PROXY" "http://$WEB_ADDR:$CLOSED_PORT/"
t socks4a-unknown-name ends_with 97 ask --socks4a "127.0.0.1:$PROXY" "http://nothing.softsocks.test/"
t socks5 page by_address "$web/"
t socks5-name page by_name "http://$WEB_NAME:$WEB_PORT/"
t socks5-refused fails_with 5 "http://$WEB_ADDR:$CLOSED_PORT/"

# HTTP: methods and bodies of every framing
put_same()
{
	"$OUT/peer/services" --bytes 3000001 > "$WORK/put"
	says "same 3000001" "$@" -T "$WORK/put" "$web/check"
}

head_only()
{
	says "Content-Length: 12345" by_http --head "$web/bytes/12345" || return 1
	[ "$(by_http --head -o /dev/null -w '%{size_download}' "$web/bytes/12345")" = 0 ] || why "a body came"
}

post_chunked()
{
	"$OUT/peer/services" --bytes 1000003 > "$WORK/post"
	says "body 1000003 $(sum_of 1000003) chunked" \
		by_http -H "Transfer-Encoding: chunked" --data-binary "@$WORK/post" "$odd/head"
}

post_from_a_pipe()	# its length is not known: curl sends chunks, and asks first
{
	says "body 1000003 $(sum_of 1000003) chunked" by_http -T - "$odd/head" < <("$OUT/peer/services" --bytes 1000003)
}

request_trailers()
{
	says "trailer X-Sum: 12" raw 'POST %s/head HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;odd=1\r\nhello\r\n0\r\nX-Sum: 12\r\n\r\n' "$odd" "$WEB_ADDR:$odd_port" || return 1
	grep -q "^body 5 .* chunked" "$WORK/said" || why "not the body: $(cat "$WORK/said")"
}

answer_trailers()
{
	local sum
	sum=$(sum_of 300007)
	by_http -D "$WORK/trailers" -o "$WORK/down" "$odd/chunked/300007" || { why "curl failed"; return 1; }
	same_bytes 300007 "$WORK/down" || return 1
	tr -d '\r' < "$WORK/trailers" | grep -qx "X-Sum: $sum" && tr -d '\r' < "$WORK/trailers" | grep -qx "X-End: yes" ||
		why "the trailers did not come: $(cat "$WORK/trailers")"
}

bytes()	# bytes PATH N: whole, and right
{
	by_http -o "$WORK/down" "$odd/$1/$2" || { why "curl failed"; return 1; }
	same_bytes "$2" "$WORK/down"
}

method()	# method NAME: is it passed on as it is?
{
	says "$1 /head HTTP/1.1" by_http -X "$1" "$odd/head"
}

t http-get page by_http "$web/"
t http-get-name page by_http "http://$WEB_NAME:$WEB_PORT/"
t http-head head_only
t http-put put_same by_http
t http-post-length says "body 5 4f9f2cab length" by_http --data-binary hello "$odd/head"
t http-post-chunked post_chunked
t http-post-from-a-pipe post_from_a_pipe
t http-trailers-up request_trailers
t http-trailers-down answer_trailers
for m in OPTIONS DELETE PATCH PROPFIND; do
	t "http-${m,,}" method $m
done
t http-until-close bytes until-close 300001
t http-1.0-server bytes http10 300001
t http-chunked bytes chunked 3000017

# HTTP: connections
connections()
{
	by_address "$odd/count" | sed 's/connections //'
}

kept_open()	# five requests of one client: one connection at the server
{
	local before after
	before=$(connections)
	by_http -o /dev/null "$odd/head" -o /dev/null "$odd/no-content" -o /dev/null "$odd/chunked/1000" \
		-o /dev/null "$odd/not-modified" -o "$WORK/fifth" -D "$WORK/heads" "$odd/head" || { why "curl failed"; return 1; }
	after=$(connections)
	[ $((after - before)) -eq 2 ] || { why "$((after - before - 1)) connections at the server instead of 1"; return 1; }
	grep -q "^X-Request: 5" "$WORK/heads" || why "no fifth request on it: $(cat "$WORK/heads")"
}

client_kept_open()	# whatever the server does, the client's connection stays
{
	local n
	n=$(by_http -o /dev/null "$odd/leaves" -o /dev/null "$odd/head" -o /dev/null "http://$WEB_ADDR:$CLOSED_PORT/" \
		-o /dev/null "$web/" -o /dev/null "$odd/head" -w '%{num_connects} %{http_code}\n') || { why "curl failed"; return 1; }
	[ "$(tr '\n' ' ' <<< "$n")" = "1 200 0 200 0 502 0 200 0 200 " ] || why "connections and statuses: $n"
}

hop_by_hop()
{
	by_http -D "$WORK/heads" -H "Connection: X-Drop, keep-alive" -H "X-Drop: 1" -H "Keep-Alive: 5" -H "TE: trailers" \
		-H "Proxy-Connection: keep-alive" -H "X-Keep: yes" "$odd/head" > "$WORK/said" || { why "curl failed"; return 1; }
	grep -q "^X-Keep: yes" "$WORK/said" || { why "an end-to-end field is gone"; return 1; }
	grep -q "^Host: $WEB_ADDR:$odd_port" "$WORK/said" || { why "no Host"; return 1; }
	! grep -qiE "^(X-Drop|Keep-Alive|Proxy-)" "$WORK/said" || why "passed on: $(grep -iE "^(X-Drop|Keep-Alive|Proxy-)" "$WORK/said")"
}

hop_by_hop_back()
{
	by_http -D "$WORK/heads" "$odd/hops" > "$WORK/said" || { why "curl failed"; return 1; }
	grep -q "^X-End-To-End: yours" "$WORK/heads" || { why "an end-to-end field is gone"; return 1; }
	! grep -qiE "^(X-Hop|Proxy-Connection|Keep-Alive: timeout=5)" "$WORK/heads" || why "passed on: $(cat "$WORK/heads")"
}

continued()	# curl waits for the 100 as long as the whole may take
{
	"$OUT/peer/services" --bytes 100000 > "$WORK/put"
	says "body 100000" by_http --expect100-timeout 1000 -H "Expect: 100-continue" --data-binary "@$WORK/put" "$odd/head"
}

early_hints()
{
	says "at last" by_http -D "$WORK/heads" "$odd/early" || return 1
	grep -q "^HTTP/1.1 103" "$WORK/heads" && grep -q "^Link: </part/2>" "$WORK/heads" || why "no 103: $(cat "$WORK/heads")"
}

upgraded()
{
	local fd line got=
	exec {fd}<> "/dev/tcp/127.0.0.1/$PROXY" || return 1
	printf 'GET %s/upgrade HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n' "$odd" "$WEB_ADDR:$odd_port" >&"$fd"
	while IFS= read -r -t 30 line <&"$fd" && [ "$line" != $'\r' ]; do
		got+=$line
	done
	[[ $got == "HTTP/1.1 101"* && $got == *"Upgrade: echo"* ]] || { why "no 101: $got"; return 1; }
	echo "one" >&"$fd"
	IFS= read -r -t 30 line <&"$fd"
	[ "$line" = one ] || { why "the echo was \"$line\""; return 1; }
	echo "two" >&"$fd"
	IFS= read -r -t 30 line <&"$fd"
	[ "$line" = two ] || { why "the second echo was \"$line\""; return 1; }
	exec {fd}>&-
}

t http-keep-alive-at-the-server kept_open
t http-keep-alive-at-the-client client_kept_open
t http-hop-by-hop-removed hop_by_hop
t http-hop-by-hop-removed-from-answers hop_by_hop_back
t http-100-continue continued
t http-417-before-the-body status 417 by_http -H "Expect: 100-continue" --data-binary hello "$odd/wants-none"
t http-early-hints early_hints
t http-upgrade upgraded
t http-upgrade-not-taken status 426 by_http "$odd/upgrade"

# HTTP: what goes wrong
error_page()	# error_page STATUS TEXT URL: both as text and as HTML
{
	status "$1" by_http "$3" || return 1
	grep -qi -- "$2" "$WORK/body" || { why "the page does not say \"$2\": $(cat "$WORK/body")"; return 1; }
	status "$1" by_http -D "$WORK/heads" -H "Accept: text/html" "$3" || return 1
	grep -qi "^Content-Type: text/html" "$WORK/heads" && grep -qi "<html" "$WORK/body" && grep -qi -- "$2" "$WORK/body" ||
		why "no HTML: $(cat "$WORK/heads" "$WORK/body")"
}

t http-502-refused error_page 502 "refused" "http://$WEB_ADDR:$CLOSED_PORT/"
t http-502-unknown-name error_page 502 "name" "http://nothing.softsocks.test/"
t http-502-unreachable error_page 502 "network" "http://$UNROUTED_ADDR/"
t http-504-silent error_page 504 "in time" "http://$SILENT_ADDR/"
t http-502-no-http error_page 502 "HTTP" "$odd/garbage"
t http-502-no-answer error_page 502 "answer" "$odd/nothing"
t http-403-blocked error_page 403 "rule" "http://blocked.softsocks.test/"
t http-cut-body ends_with "18 56" by_http "$odd/cut"
t http-cut-chunks ends_with "18 56" by_http "$odd/cut-chunked"
t http-431-long-head says "HTTP/1.1 431" "$OUT/peer/crowd" head 1000000 "$PROXY" "$WEB_ADDR" "$WEB_PORT"
t http-400-no-host says "HTTP/1.1 400" raw 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'

# CONNECT
tls=(--cacert "$SE_CA" --connect-to "$SE_NAME:$https_port:$WEB_NAME:$https_port" "https://$SE_NAME:$https_port/")
inside openssl s_server -quiet -www -accept "$WEB_ADDR:$https_port" -cert "$SERVER/cert/good.pem" -key "$SERVER/cert/good.key" \
	> "$WORK/https.log" 2>&1 &
PIDS+=($!)
await_listener $https_port
t connect-http says_not "Via:" by_connect "$odd/head"
t connect-https says "Cipher" by_http "${tls[@]}"
t connect-https-put put_same by_connect
t socks5-https says "Cipher" by_name "${tls[@]}"
t socks4a-https says "Cipher" ask --socks4a "127.0.0.1:$PROXY" "${tls[@]}"
t connect-502-refused says "HTTP/1.1 502" raw 'CONNECT %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$WEB_ADDR:$CLOSED_PORT"
t connect-504-silent says "HTTP/1.1 504" raw 'CONNECT %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$SILENT_ADDR:80"
t connect-403-blocked says "HTTP/1.1 403" raw 'CONNECT %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$WEB_ADDR:25"

# Names
ipv6_up()	# the router speaks once a second, and then the address is tried for another second
{
	for _ in $(seq 300); do
		by_address "http://[$WEB_ADDR6]:$WEB_PORT/" > "$WORK/said" 2>&1 && return
		sleep 0.1
	done
	why "there is no IPv6: $(cat "$WORK/said")"
}

t name-dual page by_name "$(site dual.softsocks.test)"
t name-alias page by_name "$(site alias.softsocks.test)"
t name-truncated-answer page by_name "$(site big.softsocks.test)"
t name-without-a-dot page by_name "$(site private)"
t name-without-a-dot-http page by_http "$(site private)"
t name-unknown-without-a-dot fails_with 4 "$(site nothing)"
if [ -n "$WEB_ADDR6" ]; then
	t ipv6-up ipv6_up
	# One address after the other would take all the time there is for a connect, and fail.
	t name-dead-ipv6 page by_name "$(site broken6.softsocks.test)"
	t name-ipv6 page by_name "$(site v6.softsocks.test)"
	t name-ipv6-http page by_http "$(site v6.softsocks.test)"
	t address-ipv6 page by_address "http://[$WEB_ADDR6]:$WEB_PORT/"
	t address-ipv6-http page by_http "http://[$WEB_ADDR6]:$WEB_PORT/"
else
	skip name-ipv6 "this kernel has no IPv6"
fi

# Forwards, listeners in the file system, routes
echo_udp()	# echo_udp PORT: ask the forwarded DNS server, in DNS's own bytes, for the address of $WEB_NAME
{
	local fd got
	exec {fd}<> "/dev/udp/127.0.0.1/$1" || return 1
	printf '\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07private\x09softsocks\x04test\x00\x00\x01\x00\x01' >&"$fd"
	got=$(timeout 20 head -c 56 <&"$fd" | od -An -v -tu1 | tr -s ' \n' ' ')
	exec {fd}>&-
	[[ $got == " 18 52 "*" ${WEB_ADDR//./ } "* ]] || why "the answer was \"$got\""
}

t forward-tcp page ask "http://127.0.0.1:$local_tcp/"
t forward-udp echo_udp "$local_dns"
t forward-unix page ask --unix-socket "$WORK/web.sock" "http://localhost/"
t forward-remote says "GET /head" inside curl -sS --max-time 30 "http://$address:8080/head"
t forward-remote-bulk says "body 20000000 $(sum_of 20000000) length" inside sh -c \
	"\"\$0\" --bytes 20000000 | curl -sS --max-time 60 --data-binary @- 'http://$address:8080/head'" "$out/peer/services"
t unix-listener-http says "GET /head" ask --unix-socket "$WORK/proxy.sock" -H "Host: $WEB_ADDR:$odd_port" --request-target "$odd/head" "http://localhost/"
if curl --help all | grep -q 'host\[:port\].*SOCKS5' && ask --proxy "socks5h://localhost$WORK/proxy.sock" "$web/" > "$WORK/body"; then
	t unix-listener-socks5 page ask --proxy "socks5h://localhost$WORK/proxy.sock" "$web/"
else
	skip unix-listener-socks5 "this curl cannot use a SOCKS proxy on a socket in the file system"
fi
t route-direct says "Via: 1.1 softsocks" by_http "http://127.0.0.1:$here_port/head"
t route-direct-socks says "GET /head" by_address "http://127.0.0.1:$here_port/head"
t route-block-name fails_with 2 "http://blocked.softsocks.test/"
t route-block-port fails_with 2 "http://$WEB_ADDR:25/"

# The PAC file
pac_is()	# pac_is URL HOST RESULT
{
	local got
	got=$(with "$js_libraries" "$js" -e '
		const text = require("fs").readFileSync(process.argv[1], "utf8");
		console.log(require("vm").runInNewContext(text + "; FindProxyForURL(url, host)", { url: process.argv[2], host: process.argv[3] }));
	' "$WORK/proxy.pac" "$1" "$2")
	[[ $got == $3 ]] || why "$1: \"$got\""
}

pac_type()
{
	ask -D "$WORK/heads" -o "$WORK/proxy.pac" "http://127.0.0.1:$PROXY/proxy.pac" || { why "curl failed"; return 1; }
	grep -qi "^Content-Type: application/x-ns-proxy-autoconfig" "$WORK/heads" || why "$(cat "$WORK/heads")"
}

t pac-file pac_type
if js=$(command -v node); then
	js_libraries=
	t pac-tunnel pac_is "$named/" "$WEB_NAME" "*127.0.0.1:$PROXY*"
	t pac-tunnel-https pac_is "https://$WEB_ADDR/" "$WEB_ADDR" "*127.0.0.1:$PROXY*"
	t pac-direct pac_is "http://127.0.0.1:8000/" 127.0.0.1 DIRECT
	t pac-blocked-goes-to-the-proxy pac_is "http://blocked.softsocks.test/" blocked.softsocks.test "*127.0.0.1:$PROXY*"
else
	skip pac-evaluated "no node here; test/browser has a browser evaluate it"
fi

# git, over plain files as any web server has them
clone()	# clone PROXY_URL
{
	rm -rf "$WORK/clone"
	GIT_TERMINAL_PROMPT=0 git -c "http.proxy=$1" clone --quiet "$named/files/repository.git" "$WORK/clone" &&
		git -C "$WORK/clone" fsck --full --strict || { why "git failed"; return 1; }
	[ "$(git -C "$WORK/clone" rev-parse HEAD)" = "$(git -C "$SE_FILES/repository.git" rev-parse HEAD)" ] ||
		{ why "another commit"; return 1; }
	same_bytes 3000000 "$WORK/clone/big"
}

repository()
{
	local i work=$WORK/repository
	export HOME=$WORK GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@softsocks.test
	export GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@softsocks.test
	git init --quiet "$work" && "$OUT/peer/services" --bytes 3000000 > "$work/big" || return 1
	for i in 1 2 3 4 5; do
		echo "$i" > "$work/file$i" && git -C "$work" add -A && git -C "$work" commit --quiet -m "$i" || return 1
	done
	git clone --quiet --bare "$work" "$SE_FILES/repository.git" && git -C "$SE_FILES/repository.git" update-server-info
}

if tool git git; then
	if [ -n "$LIBRARIES" ]; then
		export LD_LIBRARY_PATH=$LIBRARIES GIT_EXEC_PATH=$clients/usr/lib/git-core GIT_TEMPLATE_DIR=$clients/usr/share/git-core/templates
		PATH=$PATH:$clients/usr/bin
	fi
	t git-repository repository
	t git-clone-socks5 clone "socks5h://127.0.0.1:$PROXY"
	t git-clone-http clone "http://127.0.0.1:$PROXY"
	unset LD_LIBRARY_PATH
fi

# dig, and behind it a SOCKS5 client that knows UDP: PySocks. What is sent to the local port goes to the DNS server.
udp_relay='
import socket, sys
sys.path[:0] = sys.argv[4:]
import socks
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind(("127.0.0.1", 0))
there = socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)
there.set_proxy(socks.SOCKS5, "127.0.0.1", int(sys.argv[1]), rdns=True)
there.settimeout(20)
print(here.getsockname()[1], flush=True)
while True:
    question, client = here.recvfrom(65535)
    there.sendto(question, (sys.argv[2], int(sys.argv[3])))
    here.sendto(there.recvfrom(65535)[0], client)
'

relay()	# relay ADDR PORT: sets relay_port
{
	LD_LIBRARY_PATH=$python_libraries${LD_LIBRARY_PATH:+${python_libraries:+:}$LD_LIBRARY_PATH} \
		"$python" -c "$udp_relay" "$PROXY" "$1" "$2" "$clients/usr/lib/python3/dist-packages" > "$WORK/relay.port" 2> "$WORK/relay.log" &
	PIDS+=($!)
	await_file "$WORK/relay.port" || { why "$(cat "$WORK/relay.log")"; return 1; }
	relay_port=$(cat "$WORK/relay.port")
}

dig_says()	# dig_says TEXT ARG...
{
	local text=$1
	shift
	with "$dig_libraries" "$dig" +time=15 +tries=1 "@127.0.0.1" -p "$relay_port" "$@" > "$WORK/dug" || { why "$(cat "$WORK/dug" "$WORK/relay.log")"; return 1; }
	grep -qF -- "$text" "$WORK/dug" || why "not \"$text\": $(cat "$WORK/dug")"
}

if tool python3 python3 && python=$TOOL python_libraries=$LIBRARIES && tool dig bind9-dnsutils && dig=$TOOL dig_libraries=$LIBRARIES; then
	if third_party/apt debs "$clients" python3-socks > "$WORK/apt" 2>&1; then
		t udp-relay relay "$DNS_ADDR" 53
		t udp-dig-a dig_says "$WEB_ADDR" +short "$WEB_NAME" A
		t udp-dig-aaaa dig_says "fd77::1" +short v6.softsocks.test AAAA
		t udp-dig-unknown dig_says "NXDOMAIN" nothing.softsocks.test A
		t udp-dig-truncated dig_says "flags: qr aa tc" +noall +comments +ignore big.softsocks.test A
		t udp-relay-by-name relay "$WEB_NAME" 53
		t udp-dig-by-name dig_says "$WEB_ADDR" +short alias.softsocks.test A
	else
		skip udp-associate "$(tail -n 1 "$WORK/apt")"
	fi
fi

t stops-when-asked stops_when_asked

# --- ssh -------------------------------------------------------------------------------------------------------------

# A server that runs as an ordinary user, which is all that this namespace knows beside its root. Every user has to be
# one that the C library knows.
start_sshd()
{
	mkdir "$WORK/ssh" && printf 'root:x:0:0::/:/bin/sh\ntester:x:1000:1000::/tmp:/bin/sh\n' > "$WORK/ssh/passwd" || return 1
	with "$ssh_libraries" "$ssh-keygen" -q -t ed25519 -N '' -f "$WORK/ssh/host" &&
		with "$ssh_libraries" "$ssh-keygen" -q -t ed25519 -N '' -f "$WORK/ssh/user" || { why "ssh-keygen failed"; return 1; }
	echo "[$WEB_NAME]:$ssh_port $(cat "$WORK/ssh/host.pub")" > "$WORK/ssh/known"
	cat > "$WORK/ssh/config" <<-END
		ListenAddress $WEB_ADDR
		Port $ssh_port
		HostKey "$WORK/ssh/host"
		AuthorizedKeysFile "$WORK/ssh/user.pub"
		PidFile none
		StrictModes no
		UsePAM no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
	END
	# shellcheck disable=SC2016
	with "$sshd_libraries" inside unshare -m sh -c 'mount --bind "$1/passwd" /etc/passwd &&
		exec unshare -U --map-user=1000 --map-group=1000 "$2" -D -e -f "$1/config"' sh "$WORK/ssh" "$sshd" \
		> "$WORK/sshd.log" 2>&1 &
	PIDS+=($!)
	await_listener $ssh_port || why "sshd: $(cat "$WORK/sshd.log")"
}

# ssh removes ProxyCommand's words from nobody: they may have no blanks.
by_ssh()	# by_ssh COMMAND
{
	with "$ssh_libraries" timeout 60 "$ssh" -F none -p $ssh_port -i "$WORK/ssh/user" -o IdentitiesOnly=yes -o BatchMode=yes \
		-o "UserKnownHostsFile=$WORK/ssh/known" -o StrictHostKeyChecking=yes -o "ProxyCommand=$proxy_command -W %h:%p $url" \
		"tester@$WEB_NAME" "$@"
}

ssh_status()
{
	local r
	by_ssh 'exit 7'
	r=$?
	[ $r -eq 7 ] || why "exit status $r, not 7: $(tail -n 1 "$WORK/sshd.log")"
}

ssh_bulk()
{
	"$OUT/peer/services" --bytes 5000000 | by_ssh cat > "$WORK/down" || { why "ssh failed"; return 1; }
	same_bytes 5000000 "$WORK/down"
}

if tool sshd openssh-server && sshd=$TOOL sshd_libraries=$LIBRARIES && tool ssh openssh-client && ssh=$TOOL ssh_libraries=$LIBRARIES; then
	proxy_command="$SOFTSOCKS --log-level error ${account[*]}"
	t sshd start_sshd
	t ssh-exit-status ssh_status
	t ssh-bulk ssh_bulk
	t stdio-refused refuses 6 "refused" "${account[@]}" -W "$WEB_ADDR:$CLOSED_PORT" "$url"
fi

# --- with a password ---------------------------------------------------------------------------------------------------

printf 'se:cret\n' > "$WORK/proxy-password"
t connect-with-password connect "${account[@]}" --proxy-auth "user:$WORK/proxy-password" "$url"
t auth-socks5 page by_name --proxy-user user:se:cret "http://$WEB_NAME:$WEB_PORT/"
t auth-socks5-wrong ends_with 97 by_name --proxy-user user:wrong "$web/"
t auth-socks5-none ends_with 97 by_name "$web/"
t auth-socks4-refused ends_with 97 ask --socks4 "127.0.0.1:$PROXY" "$web/"
t auth-http page by_http --proxy-user user:se:cret "$web/"
t auth-http-not-passed-on says_not "Proxy-Auth" by_http --proxy-user user:se:cret "$odd/head"
t auth-http-wrong status 407 by_http --proxy-user user:wrong "$web/"
t auth-http-none status 407 by_http "$web/"
t auth-connect says "GET /head" by_connect --proxy-user user:se:cret "$odd/head"
t auth-connect-wrong ends_with 56 by_connect --proxy-user user:wrong "$odd/head"
t stops-when-asked-with-password stops_when_asked

# --- IPv4 only -----------------------------------------------------------------------------------------------------------

t connect-ipv4-only connect "${account[@]}" "softether://$SE_USER@$SE_HOST:$SE_PORT/$SE_HUB"
t ipv4-only-name-dual page by_name "$(site dual.softsocks.test)"
t ipv4-only-name-ipv6 fails_with 3 "$(site v6.softsocks.test)"
t ipv4-only-address-ipv6 fails_with 3 "http://[fd77::1]:$WEB_PORT/"
t ipv4-only-502 error_page 502 "IPv" "$(site v6.softsocks.test)"
t ipv4-only-name-without-a-dot page by_name "$(site private)"
t stops-when-asked-ipv4-only stops_when_asked

# --- the tunnel is down ------------------------------------------------------------------------------------------------------

down()
{
	connect "${account[@]}" --hold 1 --retry-interval 1 "$url" && page by_http "$web/" || return 1
	$server kill "$SERVER"
	for _ in $(seq 600); do # the session tries to live on with another connection first
		tail -n 1 "$WORK/softsocks.log" | grep -q "trying again" && break
		sleep 0.1
	done
	error_page 503 "tunnel" "$web/" && ends_with 97 by_address "$web/"
}

up_again()
{
	$server revive "$SERVER" || { why "the server did not come back"; return 1; }
	for _ in $(seq 60); do
		[ "$(by_http -o /dev/null -w '%{http_code}' "$web/")" = 200 ] && return
	done
	why "the proxy does not come back"
}

t http-503-tunnel-down down
t http-200-tunnel-up-again up_again
t stops-when-asked-after-all stops_when_asked

#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# chromium.sh - a whole browser in the private network: a page with 50 scripts, pictures and styles, through SOCKS5, through
# the HTTP proxy, and by the PAC file; and what it does with a name that does not exist. The page counts what has come
# (test/peer/oddweb.c). The browser knows no names but by the proxy, and can reach nothing but this machine otherwise.
#
# It is the machine's Chromium, or Debian's, unpacked into build/chromium (some 400 MB).
. "$(dirname "$0")/../interop/lib"
. test/interop/session

debs=$PWD/build/chromium
out=$(realpath "$OUT")

find_browser()	# is there one? Sets BROWSER and LIBRARIES
{
	local d
	LIBRARIES=
	BROWSER=$(command -v chromium || command -v chromium-browser || command -v google-chrome) && return
	echo "# fetching Debian's Chromium, unless it is there"
	third_party/apt debs "$debs" chromium > "$WORK/apt" 2>&1 || { skip chromium "$(tail -n 1 "$WORK/apt")"; return 1; }
	BROWSER=$debs/usr/lib/chromium/chromium
	[ -x "$BROWSER" ] || { skip chromium "Debian's package has no $BROWSER"; return 1; }
	for d in "$debs"/usr/lib/*-linux-gnu "$debs"/usr/lib/*-linux-gnu/pulseaudio "$debs"/lib/*-linux-gnu; do
		LIBRARIES=$d${LIBRARIES:+:$LIBRARIES}
	done
}

# dump URL OPTION...: the page as it is when its scripts have run
dump()
{
	local url=$1
	shift
	rm -rf "$WORK/profile"
	HOME=$WORK/profile LD_LIBRARY_PATH=$LIBRARIES timeout 120 "$BROWSER" --headless=new --no-sandbox --disable-gpu \
		--disable-dev-shm-usage --no-first-run --disable-background-networking --disable-component-update \
		--disable-sync --user-data-dir="$WORK/profile" --host-resolver-rules="MAP * ~NOTFOUND, EXCLUDE 127.0.0.1" \
		--virtual-time-budget=60000 "$@" --dump-dom "$url" > "$WORK/dom" 2> "$WORK/chromium.log"
}

works()
{
	dump about:blank && grep -q "<html" "$WORK/dom" || { why "$(tail -n 2 "$WORK/chromium.log")"; return 1; }
}

loads()	# loads OPTION...: by name, all 50
{
	dump "http://$WEB_NAME:$port/page/50" "$@" || { why "the browser failed: $(tail -n 2 "$WORK/chromium.log")"; return 1; }
	grep -q "<title>50 of 50</title>" "$WORK/dom" || why "the page says $(grep -o '<title>.*</title>' "$WORK/dom" || head -c 300 "$WORK/dom")"
}

explains()	# an unknown name: the proxy's own page
{
	dump "http://nothing.softsocks.test/" "$@" || { why "the browser failed"; return 1; }
	grep -q "502 Bad Gateway" "$WORK/dom" && grep -q "nothing.softsocks.test" "$WORK/dom" || why "no error page: $(head -c 300 "$WORK/dom")"
}

find_browser || exit 0
works > /dev/null 2>&1 || skip_all "it does not run on this machine: $(tail -n 1 "$WORK/chromium.log")"
start_server test/server/softether
[ -n "$WEB_NAME" ] || skip_all "no namespaces here: there is no private DNS"
port=8000
$server exec "$SERVER" "$out/peer/oddweb" -r "$WORK/port" "$WEB_ADDR" $port > "$WORK/oddweb.log" 2>&1 &
PIDS+=($!)

t connect connect --ca "$SE_CA" --password-file "$SE_PASSWORD_FILE" --route 127.0.0.0/8=direct \
	"$(hub_url "$SE_USER" "${SE_HUB_LAN:-$SE_HUB}")"
for _ in $(seq 200); do
	[ ! -s "$WORK/port" ] || break
	sleep 0.05
done
t socks5 loads --proxy-server="socks5://127.0.0.1:$PROXY"
t http loads --proxy-server="http://127.0.0.1:$PROXY"
t pac loads --proxy-pac-url="http://127.0.0.1:$PROXY/proxy.pac"
t error-page explains --proxy-server="http://127.0.0.1:$PROXY"
t error-page-by-pac explains --proxy-pac-url="http://127.0.0.1:$PROXY/proxy.pac"
t stops-when-asked stops_when_asked

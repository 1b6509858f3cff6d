/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pac.c - see pac.h.
 *
 * The file is a table, one line a rule, and a function that is always the same: so what users write into rules can only
 * ever become a string in a table, and the function can be tested once. It is in the JavaScript of 1999 (ECMAScript 3),
 * because that is what the engine of Windows' own HTTP library knows.
 *
 * A line is [network, bits, suffix, below only, first port, last port, direct]. A network is a string of hex digits, 8 for
 * IPv4 and 32 for IPv6; the first digits of an address are compared, and of the last one its leading bits. */
#include "socks/pac.h"

#include <stdbool.h>
#include <string.h>

#include "socks/http_field.h"

static const char head[] =
	"// What goes through the tunnel and what does not, made from the rules of softsocks.\n"
	"var rules = [\n";

static const char function[] =
	"];\n"
	"\n"
	"function hex4(host) {\n"
	"\tvar p = /^(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})$/.exec(host), s = \"\", i;\n"
	"\tfor (i = 1; p && i <= 4; i++) {\n"
	"\t\tif (+p[i] > 255)\n"
	"\t\t\treturn \"\";\n"
	"\t\ts += (256 + +p[i]).toString(16).substring(1);\n"
	"\t}\n"
	"\treturn s;\n"
	"}\n"
	"\n"
	"function hex6(host) {\n"
	"\tvar v4 = /^(.*:)(\\d+\\.\\d+\\.\\d+\\.\\d+)$/.exec(host), halves, words, s = \"\", i, j, tail;\n"
	"\tif (v4) {\n"
	"\t\ttail = hex4(v4[2]);\n"
	"\t\tif (!tail)\n"
	"\t\t\treturn \"\";\n"
	"\t\thost = v4[1] + tail.substring(0, 4) + \":\" + tail.substring(4);\n"
	"\t}\n"
	"\tif (!/^[0-9a-f:]*:[0-9a-f:]*$/.test(host))\n"
	"\t\treturn \"\";\n"
	"\thalves = host.split(\"::\");\n"
	"\tif (halves.length > 2)\n"
	"\t\treturn \"\";\n"
	"\tfor (i = 0; i < halves.length; i++) {\n"
	"\t\twords = halves[i] ? halves[i].split(\":\") : [];\n"
	"\t\ttail = \"\";\n"
	"\t\tfor (j = 0; j < words.length; j++)\n"
	"\t\t\ttail += (\"0000\" + words[j]).slice(-4);\n"
	"\t\tif (i == 1)\n"
	"\t\t\twhile (s.length + tail.length < 32)\n"
	"\t\t\t\ts += \"0000\";\n"
	"\t\ts += tail;\n"
	"\t}\n"
	"\treturn s.length == 32 ? s : \"\";\n"
	"}\n"
	"\n"
	"function inNetwork(address, net, bits) {\n"
	"\tvar whole = bits >> 2, rest = 4 - (bits & 3);\n"
	"\tif (address.length != net.length || address.substring(0, whole) != net.substring(0, whole))\n"
	"\t\treturn false;\n"
	"\treturn rest == 4 || parseInt(address.charAt(whole), 16) >> rest == parseInt(net.charAt(whole), 16) >> rest;\n"
	"}\n"
	"\n"
	"function isBelow(host, suffix, belowOnly) {\n"
	"\tvar at = host.length - suffix.length;\n"
	"\tif (host == suffix)\n"
	"\t\treturn !belowOnly;\n"
	"\treturn at > 0 && host.substring(at - 1) == \".\" + suffix;\n"
	"}\n"
	"\n"
	"function FindProxyForURL(url, host) {\n"
	"\tvar parts = /^([a-z]+):\\/\\/(?:[^\\/?#@]*@)?(?:\\[[^\\]]*\\]|[^\\/?#:]*)(?::(\\d+))?/i.exec(url);\n"
	"\tvar usual = { http: 80, ws: 80, https: 443, wss: 443, ftp: 21 };\n"
	"\tvar port = parts && parts[2] ? +parts[2] : parts ? usual[parts[1].toLowerCase()] : 0;\n"
	"\tvar name = host.toLowerCase().replace(/^\\[(.*)\\]$/, \"$1\").replace(/\\.$/, \"\");\n"
	"\tvar address = hex4(name) || hex6(name), i, r;\n"
	"\tfor (i = 0; i < rules.length; i++) {\n"
	"\t\tr = rules[i];\n"
	"\t\tif (port < r[4] || port > r[5])\n"
	"\t\t\tcontinue;\n"
	"\t\tif (r[0] ? address && inNetwork(address, r[0], r[1]) : !r[2] || (!address && isBelow(name, r[2], r[3])))\n"
	"\t\t\treturn r[6] ? \"DIRECT\" : proxy;\n"
	"\t}\n"
	"\treturn proxy;\n"
	"}\n";

static void write_text(struct wr *w, const char *s)
{
	for (; *s; s++) {
		/* A rule's suffix is a host name and has none of these; a string must stay one whatever happens. */
		bool plain = *s > 0x20 && *s < 0x7f && *s != '"' && *s != '\\' && *s != '<' && *s != '>';

		wr_u8(w, plain ? (uint8_t)*s : (uint8_t)'?');
	}
}

static void write_rule(struct wr *w, const struct route_rule *r)
{
	char hex[2 * sizeof(r->net.b)];
	size_t bytes = r->net.family == IP_V4 ? 4 : r->net.family == IP_V6 ? 16 : 0;

	put_hex(hex, r->net.b, bytes);
	wr_str(w, "\t[\"");
	wr_bytes(w, hex, 2 * bytes);
	wr_str(w, "\", ");
	http_write_number(w, r->prefix);
	wr_str(w, ", \"");
	write_text(w, r->suffix);
	wr_str(w, r->below_only ? "\", 1, " : "\", 0, ");
	http_write_number(w, r->port_from);
	wr_str(w, ", ");
	http_write_number(w, r->port_to);
	wr_str(w, r->action == ROUTE_DIRECT ? ", 1],\n" : ", 0],\n");
}

/* A comma behind the last element would make the old engines see one more: this one matches everything. */
static void write_last(struct wr *w)
{
	wr_str(w, "\t[\"\", 0, \"\", 0, 0, 65535, 0]\n");
}

/* PROXY, not SOCKS5: only so do all browsers leave names to the proxy and know how to log in to it. */
static void write_proxy(struct wr *w, const struct endpoint *proxy)
{
	struct dest d = { .ip = proxy->ip, .port = proxy->port };
	char text[DEST_TEXT_MAX];

	wr_str(w, "var proxy = \"PROXY ");
	wr_str(w, dest_text(&d, text));
	wr_str(w, "\";\n");
}

void pac_write(struct wr *w, const struct route_rule *rules, size_t n, const struct endpoint *proxy)
{
	write_proxy(w, proxy);
	wr_str(w, head);
	for (size_t i = 0; i < n; i++)
		write_rule(w, &rules[i]);
	write_last(w);
	wr_str(w, function);
}

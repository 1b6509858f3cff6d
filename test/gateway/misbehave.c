/* SPDX-License-Identifier: GPL-3.0-or-later */

/* misbehave.c - what the gateway can do wrong, as tables.
 *
 * A name is NAME, NAME=N or NAME@PHASE. The list prints every combination that makes sense, with the numbers
 * that a walk through all of it should try; other numbers are taken as well. Where the gateway must go on
 * normally afterwards, what is sent is extra (MB_INJECT): a client may ignore it, complain, or end the call,
 * as its rules say, but must not crash, hang for ever, or take it for something else.
 */
#include "test/gateway/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(p)       (1u << (p))
#define ANY_PPP      (BIT(PH_LCP) | BIT(PH_AUTH) | BIT(PH_BIND) | BIT(PH_NCP) | BIT(PH_OPEN))
#define ANY_SSTP     (BIT(PH_REQUEST) | ANY_PPP)
#define ANY_PHASE    (BIT(PH_TLS) | BIT(PH_HTTP) | ANY_SSTP)
#define EARLY_OPEN   (BIT(PH_LCP) | BIT(PH_OPEN))

static const char *const phase_names[PH_COUNT] = {
	"tls", "http", "request", "lcp", "auth", "bind", "ncp", "open"
};

const char *phase_name(enum phase p)
{
	return phase_names[p];
}

/* ---- without a phase to choose ---- */

struct fixed {
	const char *name;
	enum phase phase;       /* where it shows */
	enum mb kind;
	unsigned arg;
	const char *what;
};

static const struct fixed fixed[] = {
	{ "tls-garbage", PH_TLS, MB_TLS_GARBAGE, 0, "another protocol instead of TLS" },
	{ "http-404", PH_HTTP, MB_HTTP, 0, "no such page" },
	{ "http-301", PH_HTTP, MB_HTTP, 1, "a redirect" },
	{ "http-302", PH_HTTP, MB_HTTP, 2, "a redirect of a login portal, with a page" },
	{ "http-html", PH_HTTP, MB_HTTP, 3, "200 with a page of known length" },
	{ "http-chunked", PH_HTTP, MB_HTTP, 4, "200 with a chunked page" },
	{ "http-401", PH_HTTP, MB_HTTP, 5, "credentials wanted" },
	{ "http-407", PH_HTTP, MB_HTTP, 6, "proxy credentials wanted" },
	{ "http-503", PH_HTTP, MB_HTTP, 7, "no free port" },
	{ "http-500", PH_HTTP, MB_HTTP, 8, "server error, terminal escapes in the reason" },
	{ "http-status-line", PH_HTTP, MB_HTTP, 9, "HTTX/1.1" },
	{ "http-status-number", PH_HTTP, MB_HTTP, 10, "HTTP/1.1 20" },
	{ "http-2", PH_HTTP, MB_HTTP, 11, "HTTP/2.0 200" },
	{ "http-not-http", PH_HTTP, MB_HTTP, 12, "a line of something else" },
	{ "http-100", PH_HTTP, MB_HTTP, 13, "100 Continue, and nothing more" },
	{ "http-no-colon", PH_HTTP, MB_HTTP, 14, "200 with a header line without a colon" },
	{ "http-nul", PH_HTTP, MB_HTTP, 15, "200 with a control character in a header" },
	{ "http-long-line", PH_HTTP, MB_HTTP, 16, "200 with a header line of 20,000 bytes" },
	{ "http-many-lines", PH_HTTP, MB_HTTP, 17, "200 with 1000 header lines" },
	{ "http-unfinished", PH_HTTP, MB_HTTP, 18, "200, and never the empty line" },
	{ "http-and-garbage", PH_HTTP, MB_HTTP, 19, "a good 200, then text instead of SSTP" },
	{ "nak", PH_REQUEST, MB_NAK, 0, "CALL_CONNECT_NAK, again and again" },
	{ "ack-no-attributes", PH_REQUEST, MB_ACK, 0, "CALL_CONNECT_ACK without binding request" },
	{ "ack-zero-hashes", PH_REQUEST, MB_ACK, 1, "... with an empty hash bitmask" },
	{ "ack-unknown-hash", PH_REQUEST, MB_ACK, 2, "... with hash bitmask 04 only" },
	{ "ack-truncated", PH_REQUEST, MB_ACK, 3, "... with a nonce of 16 bytes, lengths that agree" },
	{ "ack-cut", PH_REQUEST, MB_ACK, 4, "... whose attribute is longer than the packet" },
	{ "ack-duplicate", PH_REQUEST, MB_ACK, 5, "... with two binding requests, different nonces" },
	{ "ack-wrong-attribute", PH_REQUEST, MB_ACK, 6, "... with a Status Info instead" },
	{ "ack-attribute-0", PH_REQUEST, MB_ACK, 7, "... with an attribute of length 0" },
	{ "ack-attribute-3", PH_REQUEST, MB_ACK, 8, "... with an attribute of length 3" },
	{ "ack-count-lies", PH_REQUEST, MB_ACK, 9, "... that announces 65535 attributes" },
	{ "ack-count-0", PH_REQUEST, MB_ACK, 10, "... that announces 0 attributes and has one" },
	{ "refuse-binding", PH_BIND, MB_REFUSE, 0, "a right binding: CALL_ABORT, status 7" },
	{ "refuse-binding-spec", PH_BIND, MB_REFUSE_SPEC, 0, "a right binding: CALL_ABORT about id 3, status 4" },
	{ "refuse-binding-short", PH_BIND, MB_REFUSE_SORZ, 0, "a right binding: CALL_ABORT with a Status Info of 4 bytes" },
	{ "refuse-binding-close", PH_BIND, MB_REFUSE_CLOSE, 0, "a right binding: closes" },
	{ "only-none", PH_LCP, MB_ONLY, METHOD_NONE, "no login asked for (tun)" },
	{ "only-pap", PH_LCP, MB_ONLY, METHOD_PAP, "PAP, whatever the client says (tun)" },
	{ "only-chap", PH_LCP, MB_ONLY, METHOD_CHAP, "CHAP-MD5 (tun)" },
	{ "only-mschapv2", PH_LCP, MB_ONLY, METHOD_MSCHAPV2, "MS-CHAPv2 (tun)" },
	{ "only-eap", PH_LCP, MB_ONLY, METHOD_EAP, "EAP (tun)" },
	{ "stubborn-pap", PH_LCP, MB_AUTH_STUBBORN, METHOD_PAP, "PAP, proposed again for ever (tun)" },
	{ "lcp-nak", PH_LCP, MB_LCP_NAK, 0, "asks for another MRU each time (tun)" },
	{ "lcp-reject", PH_LCP, MB_LCP_REJECT, 0, "rejects every option of LCP (tun)" },
	{ "lcp-mute", PH_LCP, MB_LCP_MUTE, 0, "no LCP at all (tun)" },
	{ "bad-authenticator", PH_AUTH, MB_BAD_AUTHENTICATOR, 0, "MS-CHAPv2 success with a wrong S= (tun)" },
	{ "no-authenticator", PH_AUTH, MB_NO_CHECK, 0, "MS-CHAPv2 success without S= (tun)" },
	{ "refuse-login", PH_AUTH, MB_REFUSE_LOGIN, 0, "the password is right: refused (tun)" },
	{ "refuse-login-expired", PH_AUTH, MB_EXPIRED, 0, "MS-CHAPv2 error 648 (tun)" },
	{ "refuse-login-retry", PH_AUTH, MB_RETRY_LOGIN, 0, "MS-CHAPv2 error 691, R=1, over and over (tun)" },
	{ "repeat-challenge", PH_AUTH, MB_REPEAT_CHALLENGE, 0, "the same challenge 20 times a second until answered (tun)" },
	{ "ipcp-nak", PH_NCP, MB_IPCP_NAK, 0, "another address each time (tun)" },
	{ "ipcp-reject", PH_NCP, MB_IPCP_REJECT, 0, "rejects the address and everything else (tun)" },
	{ "ipcp-mute", PH_NCP, MB_IPCP_MUTE, 0, "no IPCP at all (tun)" },
	{ "ipcp-zero", PH_NCP, MB_IPCP_ZERO, 0, "acknowledges the address 0.0.0.0 (tun)" },
	{ "ipcp-no-dns", PH_NCP, MB_IPCP_NO_DNS, 0, "rejects DNS servers: harmless (tun)" },
	{ "no-ipv6cp", PH_NCP, MB_NO_IPV6CP, 0, "rejects IPV6CP as a protocol: harmless (tun)" },
	{ "no-echo", PH_OPEN, MB_NO_ECHO, 0, "never answers ECHO_REQUEST" },
	{ 0 }
};

static const unsigned cuts[] = { 1, 9, 40, 100, 125, 150, 200, 250, 300, 400, 0 };
static const unsigned splits[] = { 1, 2, 3, 7, 100, 0 };

/* ---- with a phase to choose ---- */

struct phased {
	const char *name;
	unsigned phases;
	enum mb kind;
	unsigned arg;
	const char *what;
};

static const struct phased phased[] = {
	{ "silent", ANY_PHASE, MB_SILENT, 0, "sends nothing any more, reads on" },
	{ "late", ANY_PHASE, MB_LATE, 2000, "sends nothing for 2 seconds, once" },
	{ "close", ANY_PHASE, MB_CLOSE, 0, "closes" },
	{ "reset", ANY_PHASE, MB_RESET, 0, "resets the TCP connection" },
	{ "abort", ANY_SSTP, MB_ABORT, 7, "CALL_ABORT, status 7" },
	{ "disconnect", ANY_SSTP, MB_DISCONNECT, 0, "CALL_DISCONNECT, status 0" },
	{ "terminate", ANY_PPP, MB_TERMINATE, 0, "LCP Terminate-Request" },
	{ 0 }
};

/* ---- packets that should not be ---- */

struct extra {
	const char *name;
	unsigned phases;
	unsigned times;
	const char *hex;        /* SSTP packets; "ppp " in front: a PPP frame without FF 03, to be wrapped */
	const char *what;
};

static const struct extra extras[] = {
	{ "version-2", ANY_SSTP, 1, "2000000800214500", "SSTP version 2.0" },
	{ "length-0", ANY_SSTP, 1, "10000000", "an SSTP length of 0" },
	{ "length-1", ANY_SSTP, 1, "10000001", "of 1" },
	{ "length-2", ANY_SSTP, 1, "10010002", "of 2" },
	{ "length-3", ANY_SSTP, 1, "10010003", "of 3" },
	{ "length-beyond", ANY_SSTP, 1, "10000fffff03c021", "announces 4095 bytes; what follows is taken for the rest" },
	{ "control-4", ANY_SSTP, 1, "10010004", "a control packet that is only a header" },
	{ "control-7", ANY_SSTP, 1, "10010007000800", "... that ends in its attribute count" },
	{ "reserved-bits", BIT(PH_OPEN), 1, "10fff00800080000", "ECHO_REQUEST with every reserved bit set: harmless" },
	{ "unknown-message", ANY_SSTP, 1, "1001000800630000", "message type 99" },
	{ "message-0", ANY_SSTP, 1, "1001000800000000", "message type 0" },
	{ "count-lies", ANY_SSTP, 1, "1001000800080005", "5 attributes announced, none there" },
	{ "attribute-0", ANY_SSTP, 1, "1001000c0008000100020000", "an attribute of length 0" },
	{ "attribute-3", ANY_SSTP, 1, "1001000c0008000100020003", "of length 3" },
	{ "attribute-beyond", ANY_SSTP, 1, "1001000c0008000100020fff", "of more than the packet" },
	{ "abort-no-status", ANY_SSTP, 1, "1001000800050000", "CALL_ABORT without attributes" },
	{ "abort-cut", ANY_SSTP, 1, "1001000a000500010002", "CALL_ABORT cut in its attribute" },
	{ "disconnect-no-status", ANY_SSTP, 1, "1001000800060000", "CALL_DISCONNECT without attributes" },
	{ "disconnect-ack", ANY_SSTP, 1, "1001000800070000", "CALL_DISCONNECT_ACK that nobody asked for" },
	{ "second-ack", ANY_PPP, 1, "1001003000020001000400280000000300112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	  "a second CALL_CONNECT_ACK with another nonce" },
	{ "nak-late", ANY_PPP, 1, "1001001400030001" "0002000c00000001" "00000004", "CALL_CONNECT_NAK after the ACK" },
	{ "server-request", ANY_SSTP, 1, "1001000e00010001000100060001", "CALL_CONNECT_REQUEST from the server" },
	{ "echo-early", BIT(PH_REQUEST) | BIT(PH_LCP) | BIT(PH_AUTH) | BIT(PH_BIND), 1, "1001000800080000",
	  "ECHO_REQUEST before CALL_CONNECTED" },
	{ "echo-reply", ANY_SSTP, 1, "1001000800090000", "ECHO_RESPONSE that nobody asked for" },
	{ "echo-flood", BIT(PH_OPEN), 2000, "1001000800080000", "2000 ECHO_REQUESTs" },
	{ "empty-data", ANY_SSTP, 1000, "10000004", "1000 empty data packets: harmless" },
	{ "ppp-1", ANY_PPP, 1, "10000005ff", "a PPP frame of 1 byte" },
	{ "ppp-2", ANY_PPP, 1, "10000006ff03", "a PPP frame without protocol" },
	{ "ppp-3", ANY_PPP, 1, "10000007ff03c0", "a PPP frame with half a protocol" },
	{ "ppp-even-protocol", ANY_PPP, 1, "10000008ff03c020", "a protocol number that cannot be" },
	{ "unknown-protocol-flood", ANY_PPP, 500, "ppp 4021 0101000400000000", "500 frames of protocol 4021" },
	{ "unknown-ncp", BIT(PH_NCP) | BIT(PH_OPEN), 1, "ppp 80fd 0104000a120601000060", "CCP: harmless" },
	{ "lcp-empty", ANY_PPP, 1, "ppp c021", "an LCP packet of no bytes" },
	{ "lcp-length-0", ANY_PPP, 1, "ppp c021 01630000", "an LCP length of 0" },
	{ "lcp-length-3", ANY_PPP, 1, "ppp c021 01630003", "of 3" },
	{ "lcp-length-beyond", ANY_PPP, 1, "ppp c021 0163ffff010405dc", "of 65535" },
	{ "lcp-option-0", ANY_PPP, 1, "ppp c021 016300080100ffff", "an LCP option of length 0" },
	{ "lcp-option-1", ANY_PPP, 1, "ppp c021 016300080101ffff", "of length 1" },
	{ "lcp-option-beyond", ANY_PPP, 1, "ppp c021 01630008010affff", "of more than the packet" },
	{ "lcp-ack-unasked", ANY_PPP, 1, "ppp c021 02f70008010405dc", "Configure-Ack with an unknown identifier" },
	{ "lcp-nak-unasked", ANY_PPP, 1, "ppp c021 03f70008010405dc", "Configure-Nak with an unknown identifier" },
	{ "lcp-code-99", EARLY_OPEN, 1, "ppp c021 63010004", "an LCP code of 99" },
	{ "lcp-again", BIT(PH_AUTH) | BIT(PH_NCP) | BIT(PH_OPEN), 1, "ppp c021 01630009" "0305c22381",
	  "Configure-Request on an open LCP" },
	{ "code-reject-request", ANY_PPP, 1, "ppp c021 07f7000801010004", "Code-Reject of Configure-Request" },
	{ "code-reject-echo", BIT(PH_OPEN), 1, "ppp c021 07f7000c0901000800000000", "Code-Reject of Echo-Request" },
	{ "protocol-reject-lcp", ANY_PPP, 1, "ppp c021 08f70008c0210101", "Protocol-Reject of LCP" },
	{ "protocol-reject-chap", BIT(PH_AUTH), 1, "ppp c021 08f70008c2230101", "of CHAP" },
	{ "protocol-reject-ipcp", BIT(PH_NCP) | BIT(PH_OPEN), 1, "ppp c021 08f7000880210101", "of IPCP" },
	{ "protocol-reject-ipv6cp", BIT(PH_NCP), 1, "ppp c021 08f7000880570101", "of IPV6CP: harmless" },
	{ "protocol-reject-short", EARLY_OPEN, 1, "ppp c021 08f7000580", "of half a protocol number" },
	{ "lcp-echo-short", BIT(PH_OPEN), 1, "ppp c021 0901000600ff", "LCP Echo-Request with half a magic number" },
	{ "lcp-echo-flood", BIT(PH_OPEN), 2000, "ppp c021 0901000800000000", "2000 LCP Echo-Requests" },
	{ "terminate-ack", ANY_PPP, 1, "ppp c021 06f70004", "Terminate-Ack that nobody asked for" },
	{ "ipcp-early", BIT(PH_LCP) | BIT(PH_AUTH), 1, "ppp 8021 0101000a03060a4f0001", "IPCP before the login" },
	{ "ipcp-option-0", BIT(PH_NCP) | BIT(PH_OPEN), 1, "ppp 8021 016300080300ffff", "an IPCP option of length 0" },
	{ "ipcp-option-beyond", BIT(PH_NCP) | BIT(PH_OPEN), 1, "ppp 8021 01630008030affff", "of more than the packet" },
	{ "ipcp-again", BIT(PH_OPEN), 1, "ppp 8021 0163000a03060a4f0001", "Configure-Request on an open IPCP" },
	{ "ipcp-terminate", BIT(PH_OPEN), 1, "ppp 8021 05630004", "Terminate-Request of IPCP" },
	{ "ipv6cp-zero", BIT(PH_NCP), 1, "ppp 8057 0163000e010a0000000000000000", "an interface identifier of zero" },
	{ "ipv6cp-option-0", BIT(PH_NCP) | BIT(PH_OPEN), 1, "ppp 8057 016300080100ffff", "an IPV6CP option of length 0" },
	{ "success-early", BIT(PH_LCP) | BIT(PH_AUTH), 1, "ppp c223 03010004", "CHAP Success before anything was asked" },
	{ "failure-early", BIT(PH_AUTH), 1, "ppp c223 04010004", "CHAP Failure before anything was asked" },
	{ "eap-success-early", BIT(PH_AUTH), 1, "ppp c227 03010004", "EAP-Success before anything was asked" },
	{ "pap-ack-early", BIT(PH_LCP) | BIT(PH_AUTH), 1, "ppp c023 0201000500", "PAP Ack before anything was asked" },
	{ "chap-empty", BIT(PH_AUTH), 1, "ppp c223 01010005" "00", "a CHAP challenge of no bytes" },
	{ "chap-beyond", BIT(PH_AUTH), 1, "ppp c223 01010015ff000102030405060708090a0b0c0d0e0f", "a challenge longer than its packet" },
	{ "chap-length-beyond", BIT(PH_AUTH), 1, "ppp c223 0101ffff10000102030405060708090a0b0c0d0e0f", "a CHAP length beyond the frame" },
	{ "eap-length-beyond", BIT(PH_AUTH), 1, "ppp c227 0101ffff01", "an EAP length beyond the frame" },
	{ "rechallenge", BIT(PH_NCP) | BIT(PH_OPEN), 1, "ppp c223 017700151000112233445566778899aabbccddeeff",
	  "a CHAP challenge after the login" },
	{ "ip-early", BIT(PH_LCP) | BIT(PH_AUTH) | BIT(PH_BIND) | BIT(PH_NCP), 1,
	  "ppp 0021 4500001c00000000401100000a4d00010a4f000a0007000700080000", "an IP packet before IPCP is open" },
	{ "ip-empty", BIT(PH_OPEN), 1, "ppp 0021", "an IP packet of no bytes" },
	{ "ip-short", BIT(PH_OPEN), 1, "ppp 0021 45", "of 1 byte" },
	{ "ip-header-beyond", BIT(PH_OPEN), 1, "ppp 0021 4f00001400000000401100000a4d00010a4f000a", "with a header longer than itself" },
	{ "ip-length-beyond", BIT(PH_OPEN), 1, "ppp 0021 4500ffff00000000401100000a4d00010a4f000a", "with a length beyond itself" },
	{ "ip-version-9", BIT(PH_OPEN), 1, "ppp 0021 9500001400000000401100000a4d00010a4f000a", "of version 9" },
	{ "ip6-short", BIT(PH_OPEN), 1, "ppp 0057 6000", "an IPv6 packet of 2 bytes" },
	{ "data-4095", BIT(PH_LCP) | BIT(PH_OPEN), 3, NULL, "data packets of the largest size: LCP echo, IP" },
	{ 0 }
};

static void send_hex(struct conn *c, const char *hex)
{
	uint8_t bytes[SSTP_MAX];
	size_t n = 0;
	unsigned byte;
	int used;

	while (sscanf(hex, " %2x%n", &byte, &used) == 1) {
		bytes[n++] = (uint8_t)byte;
		hex += used;
	}
	conn_send(c, bytes, n);
}

static void send_ppp_hex(struct conn *c, const char *hex)
{
	uint8_t bytes[SSTP_MAX] = { 0x10, 0, 0, 0, 0xff, 3 };
	size_t n = 6;
	unsigned byte;
	int used;

	while (sscanf(hex, " %2x%n", &byte, &used) == 1) {
		bytes[n++] = (uint8_t)byte;
		hex += used;
	}
	bytes[2] = (uint8_t)(n >> 8);
	bytes[3] = (uint8_t)n;
	conn_send(c, bytes, n);
}

static void send_largest(struct conn *c)
{
	uint8_t packet[SSTP_MAX] = { 0x10, 0, 0x0f, 0xff, 0xff, 3, 0xc0, 0x21, ECHO_REQ, 7, 0x0f, 0xf7 };

	conn_send(c, packet, sizeof(packet));
	memcpy(packet + 6, (const uint8_t[]){ 0, 0x21, 0x45, 0, 0x0f, 0xf7 }, 6);
	conn_send(c, packet, sizeof(packet));
}

void misbehave_inject(struct conn *c, unsigned which)
{
	const struct extra *e = &extras[which];

	for (unsigned i = 0; i < e->times; i++) {
		if (!e->hex)
			send_largest(c);
		else if (strncmp(e->hex, "ppp ", 4) == 0)
			send_ppp_hex(c, e->hex + 4);
		else
			send_hex(c, e->hex);
	}
}

/* ---- HTTP ---- */

#define OK200 "HTTP/1.1 200\r\nContent-Length: 18446744073709551615\r\n"

static const char *filled(const char *head, const char *piece, int times)
{
	static char text[32768];
	size_t n = strlen(head), size = strlen(piece);

	memcpy(text, head, n);
	for (; times > 0 && n + size + 5 < sizeof(text); times--, n += size)
		memcpy(text + n, piece, size);
	memcpy(text + n, "\r\n\r\n", 5);
	return text;
}

const char *misbehave_http(unsigned which)
{
	static const char *const heads[] = {
		"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 22\r\n\r\n<html>not here</html>\n",
		"HTTP/1.1 301 Moved Permanently\r\nLocation: https://other.example/\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: https://portal.example/login\r\nContent-Length: 21\r\n\r\n<html>log in!</html>\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 21\r\n\r\n<html>welcome</html>\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"vpn\"\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 500 \033]0;owned\007\033[2J\r\nContent-Length: 0\r\n\r\n",
		"HTTX/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
		"HTTP/1.1 20\r\nContent-Length: 18446744073709551615\r\n\r\n",
		"HTTP/2.0 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
		"220 mail.example ESMTP\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		OK200 "this line has none\r\n\r\n",
		OK200 "X-Odd: a\001b\r\n\r\n",
		NULL, NULL,
		OK200,
		OK200 "\r\nthis is text and no SSTP packet\r\n",
	};

	if (which == 16)
		return filled(OK200 "X-Long: ", "0123456789", 2000);
	if (which == 17)
		return filled(OK200, "X-Line: 0123456789\r\n", 1000);
	return heads[which];
}

/* ---- CALL_CONNECT_ACK ---- */

void misbehave_ack(struct buf *b, unsigned which, const uint8_t nonce[32])
{
	uint8_t p[88] = { 0x10, 1, 0, 48, 0, 2, 0, 1, 0, ATTR_BINDING_REQ, 0, 40, 0, 0, 0, 3 };

	memcpy(p + 16, nonce, 32);
	switch (which) {
	case 0:
		p[3] = 8;
		p[7] = 0;
		break;
	case 1:
		p[15] = 0;
		break;
	case 2:
		p[15] = 4;
		break;
	case 3:
		p[3] = 32;
		p[11] = 24;
		break;
	case 4:
		p[3] = 32;
		break;
	case 5:
		memcpy(p + 48, p + 8, 40);
		p[60] ^= 1;
		p[3] = 88;
		p[7] = 2;
		break;
	case 6:
		p[9] = ATTR_STATUS;
		break;
	case 7:
		p[11] = 0;
		break;
	case 8:
		p[11] = 3;
		break;
	case 9:
		p[6] = p[7] = 0xff;
		break;
	default:
		p[7] = 0;
		break;
	}
	buf_add(b, p, p[3]);
}

/* ---- names ---- */

static bool parse_phase(const char *at, unsigned phases, struct misbehaviour *ret)
{
	for (unsigned p = 0; p < PH_COUNT; p++) {
		if (strcmp(at, phase_names[p]) == 0 && (phases & BIT(p))) {
			ret->phase = (enum phase)p;
			return true;
		}
	}
	return false;
}

static bool same(const char *name, const char *text, size_t n)
{
	return strlen(name) == n && memcmp(name, text, n) == 0;
}

bool misbehave_parse(const char *text, struct misbehaviour *ret)
{
	size_t n = strcspn(text, "=@");
	const char *at = strchr(text, '@');
	unsigned long number = text[n] == '=' ? strtoul(text + n + 1, NULL, 0) : 0;

	for (const struct fixed *f = fixed; f->name && !at; f++) {
		if (same(f->name, text, n)) {
			*ret = (struct misbehaviour){ f->kind, f->phase, f->arg };
			return text[n] == '\0';
		}
	}
	if (!at && (same("cut", text, n) || same("split", text, n)) && number) {
		*ret = (struct misbehaviour){ text[0] == 'c' ? MB_CUT : MB_SPLIT, PH_COUNT, (unsigned)number };
		return true;
	}
	for (const struct phased *f = phased; f->name && at; f++) {
		if (same(f->name, text, n)) {
			*ret = (struct misbehaviour){ f->kind, PH_TLS, text[n] == '=' ? (unsigned)number : f->arg };
			return parse_phase(at + 1, f->phases, ret);
		}
	}
	for (const struct extra *e = extras; e->name && at; e++) {
		if (same(e->name, text, n) && text[n] == '@') {
			*ret = (struct misbehaviour){ MB_INJECT, PH_TLS, (unsigned)(e - extras) };
			return parse_phase(at + 1, e->phases, ret);
		}
	}
	return false;
}

static void list_phased(const char *name, unsigned phases, const char *what)
{
	for (unsigned p = 0; p < PH_COUNT; p++)
		if (phases & BIT(p))
			printf("%s@%s\t%s\t%s\n", name, phase_names[p], phase_names[p], what);
}

void misbehave_list(void)
{
	for (const struct fixed *f = fixed; f->name; f++)
		printf("%s\t%s\t%s\n", f->name, phase_names[f->phase], f->what);
	for (const unsigned *n = cuts; *n; n++)
		printf("cut=%u\tany\tcloses after %u bytes of what TLS carries\n", *n, *n);
	for (const unsigned *n = splits; *n; n++)
		printf("split=%u\tany\tTLS records of %u bytes: harmless\n", *n, *n);
	for (const struct phased *f = phased; f->name; f++)
		list_phased(f->name, f->phases, f->what);
	for (unsigned status = 0; status <= 11; status++) {
		printf("abort=%u@open\topen\tCALL_ABORT, status %u\n", status, status);
		printf("disconnect=%u@open\topen\tCALL_DISCONNECT, status %u\n", status, status);
	}
	for (const struct extra *e = extras; e->name; e++)
		list_phased(e->name, e->phases, e->what);
}

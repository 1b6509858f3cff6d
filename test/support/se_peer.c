/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_peer.c - see se_peer.h. */
#include "test/support/se_peer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void demand(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "se_peer: %s\n", what);
	abort();
}

/* --- bytes
 * -------------------------------------------------------------------------------------------------- */

void se_bytes_add(struct se_bytes *b, const void *p, size_t n)
{
	while (b->cap - b->n < n) {
		b->cap = b->cap ? 2 * b->cap : 1024;
		b->p = realloc(b->p, b->cap);
		demand(b->p != NULL, "no memory");
	}
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

void se_bytes_text(struct se_bytes *b, const char *text)
{
	se_bytes_add(b, text, strlen(text));
}

void se_bytes_hex(struct se_bytes *b, const char *hex)
{
	static const char digits[] = "0123456789abcdef";
	unsigned value = 0, have = 0;

	for (; *hex; hex++) {
		const char *d = strchr(digits, tolower((unsigned char)*hex));

		if (isspace((unsigned char)*hex))
			continue;
		demand(d != NULL, "no hex digit");
		value = value << 4 | (unsigned)(d - digits);
		if (++have == 2) {
			uint8_t c = (uint8_t)value;

			se_bytes_add(b, &c, 1);
			value = have = 0;
		}
	}
	demand(have == 0, "half a byte of hex");
}

void se_bytes_u32(struct se_bytes *b, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		uint8_t c = (uint8_t)(v >> shift);

		se_bytes_add(b, &c, 1);
	}
}

void se_bytes_fill(struct se_bytes *b, int c, size_t n)
{
	uint8_t one = (uint8_t)c;

	while (n-- > 0)
		se_bytes_add(b, &one, 1);
}

void se_bytes_free(struct se_bytes *b)
{
	free(b->p);
	*b = (struct se_bytes){ 0 };
}

/* --- PACK
 * --------------------------------------------------------------------------------------------------- */

void se_peer_pack(struct se_bytes *b)
{
	b->n = 0;
	se_bytes_u32(b, 0);
}

void se_peer_element(struct se_bytes *b, const char *name, uint32_t type, uint32_t nvalues)
{
	unsigned count = (unsigned)b->p[2] << 8 | b->p[3];

	count++;
	b->p[2] = (uint8_t)(count >> 8);
	b->p[3] = (uint8_t)count;
	se_bytes_u32(b, (uint32_t)strlen(name) + 1);
	se_bytes_text(b, name);
	se_bytes_u32(b, type);
	se_bytes_u32(b, nvalues);
}

void se_peer_int(struct se_bytes *b, const char *name, uint32_t v)
{
	se_peer_element(b, name, 0, 1);
	se_bytes_u32(b, v);
}

void se_peer_data(struct se_bytes *b, const char *name, const void *p, size_t n)
{
	se_peer_element(b, name, 1, 1);
	se_bytes_u32(b, (uint32_t)n);
	se_bytes_add(b, p, n);
}

void se_peer_str(struct se_bytes *b, const char *name, const char *s)
{
	se_peer_element(b, name, 2, 1);
	se_bytes_u32(b, (uint32_t)strlen(s));
	se_bytes_text(b, s);
}

void se_peer_answer(struct se_bytes *b, const struct se_bytes *body)
{
	char line[64];

	snprintf(line, sizeof(line), "Content-Length: %zu\r\n", body->n);
	se_bytes_text(b, "HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\n");
	se_bytes_text(b, line);
	se_bytes_text(b, "Content-Type: application/octet-stream\r\nDate: Sat, 21 Nov 2026 17:29:22 GMT\r\n"
			 "Keep-Alive: timeout=15; max=19\r\n\r\n");
	se_bytes_add(b, body->p, body->n);
}

/* --- messages
 * ----------------------------------------------------------------------------------------------- */

void se_peer_hello(struct se_bytes *b)
{
	uint8_t challenge[20];

	for (unsigned i = 0; i < sizeof(challenge); i++)
		challenge[i] = (uint8_t)i;
	se_peer_pack(b);
	se_peer_int(b, "build", 9807);
	se_peer_str(b, "hello", "SoftEther VPN Server (64 bit) (Open Source)");
	se_peer_data(b, "random", challenge, sizeof(challenge));
	se_peer_int(b, "version", 444);
}

void se_peer_welcome(struct se_bytes *b, uint32_t timeout_ms)
{
	struct se_peer_grants g = { .timeout_ms = timeout_ms, .max_connection = 1 };

	se_peer_welcome_with(b, &g);
}

void se_peer_welcome_with(struct se_bytes *b, const struct se_peer_grants *g)
{
	static const uint8_t key[20] = "KEYKEYKEYKEYKEYKEYKE";

	se_peer_pack(b);
	se_peer_str(b, "connection_name", "CID-10");
	se_peer_int(b, "half_connection", g->half_connection);
	se_peer_int(b, "is_azure_session", 0);
	se_peer_int(b, "max_connection", g->max_connection);
	se_peer_int(b, "policy:Access", 1);
	se_peer_int(b, "policy:AutoDisconnect", 0);
	se_peer_int(b, "policy:TimeOut", 20);
	se_peer_int(b, "qos", 0);
	se_peer_data(b, "session_key", key, sizeof(key));
	se_peer_int(b, "session_key_32", 0x12345678);
	se_peer_str(b, "session_name", "SID-ALICE-2");
	if (g->timeout_ms > 0)
		se_peer_int(b, "timeout", g->timeout_ms);
	se_peer_int(b, "use_compress", g->use_compress);
	se_peer_int(b, "use_encrypt", 1);
	se_peer_int(b, "use_fast_rc4", 0);
	se_peer_int(b, "vlan_id", 0);
}

void se_peer_noop(struct se_bytes *b)
{
	se_peer_pack(b);
	se_peer_int(b, "error", 0);
	se_peer_int(b, "noop", 2);
}

void se_peer_frame(struct se_bytes *b, const void *p, size_t n)
{
	se_bytes_u32(b, 1);
	se_bytes_u32(b, (uint32_t)n);
	se_bytes_add(b, p, n);
}

void se_peer_keepalive(struct se_bytes *b, size_t n)
{
	se_bytes_hex(b, "ffffffff");
	se_bytes_u32(b, (uint32_t)n);
	se_bytes_fill(b, 'k', n);
}

/* --- requests
 * ----------------------------------------------------------------------------------------------- */

static void field(const char *head, const char *name, char *to, size_t cap)
{
	const char *at = strcasestr(head, name);
	size_t n;

	demand(at != NULL, name);
	at += strlen(name);
	n = strcspn(at, "\r");
	demand(n < cap, "a field is too long");
	memcpy(to, at, n);
	to[n] = '\0';
}

size_t se_peer_request(const uint8_t *p, size_t n, struct se_request *ret)
{
	const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
	char head[2048], length[16];
	size_t used;

	if (!end)
		return 0;
	used = (size_t)(end - p) + 4;
	demand(used < sizeof(head), "a head is too long");
	memcpy(head, p, used);
	head[used] = '\0';
	field(head, "", ret->line, sizeof(ret->line));
	field(head, "\r\nContent-Type: ", ret->type, sizeof(ret->type));
	field(head, "\r\nHost: ", ret->host, sizeof(ret->host));
	field(head, "\r\nContent-Length: ", length, sizeof(length));
	ret->size = strtoul(length, NULL, 10);
	demand(ret->size >= 1 && ret->size <= 65536, "a length that the server does not take");
	ret->body = p + used;
	return n - used < ret->size ? 0 : used + ret->size;
}

static uint32_t be32(const uint8_t *p, const uint8_t *end)
{
	demand(end - p >= 4, "a PACK is cut");
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int se_peer_find(const uint8_t *p, size_t n, const char *name, const uint8_t **value, size_t *size)
{
	const uint8_t *end = p + n;
	uint32_t count = be32(p, end);
	int found = -1;

	p += 4;
	while (count-- > 0) {
		uint32_t len = be32(p, end), type;
		const uint8_t *this = p + 4;
		size_t take = 4;

		demand(len >= 1 && len <= 64 && (size_t)(end - this) >= len - 1, "a name is wrong");
		p = this + len - 1;
		type = be32(p, end);
		demand(be32(p + 4, end) == 1, "not one value");
		p += 8;
		if (type == 1 || type == 2) {
			take = be32(p, end);
			p += 4;
		} else {
			demand(type == 0, "a type that login does not need");
		}
		demand((size_t)(end - p) >= take, "a value is cut");
		if (strlen(name) == len - 1 && strncasecmp(name, (const char *)this, len - 1) == 0) {
			demand(found < 0, "an element is there twice");
			found = (int)type;
			*value = p;
			*size = take;
		}
		p += take;
	}
	demand(p == end, "bytes after a PACK");
	return found;
}

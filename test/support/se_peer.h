/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_peer.h - the server's side of SoftEther for tests: bytes of our own making.
 *
 * Written from softether-protocol.md alone and shares no code with core/softether/, so that a mistake there
 * meets somebody who disagrees. Memory that runs out, and requests that make no sense, abort. */
#ifndef TEST_SE_PEER_H
#define TEST_SE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A string of bytes that grows. Zero is empty; se_bytes_free() when done. */
struct se_bytes {
	uint8_t *p;
	size_t n, cap;
};

void se_bytes_add(struct se_bytes *b, const void *p, size_t n);
void se_bytes_text(struct se_bytes *b, const char *text);
void se_bytes_hex(struct se_bytes *b, const char *hex); /* blanks are skipped */
void se_bytes_u32(struct se_bytes *b, uint32_t v);
void se_bytes_fill(struct se_bytes *b, int c, size_t n);
void se_bytes_free(struct se_bytes *b);

/* A PACK: elements are appended to @b after se_peer_pack(), which leaves room for their number; each call
 * counts itself. The head alone is for values, or mistakes, that have no function here. */
void se_peer_pack(struct se_bytes *b);
void se_peer_element(struct se_bytes *b, const char *name, uint32_t type, uint32_t nvalues);
void se_peer_int(struct se_bytes *b, const char *name, uint32_t v);
void se_peer_data(struct se_bytes *b, const char *name, const void *p, size_t n);
void se_peer_str(struct se_bytes *b, const char *name, const char *s);

/* A whole HTTP answer around a body. */
void se_peer_answer(struct se_bytes *b, const struct se_bytes *body);

/* The messages of a good login. Further elements may be appended to them. */
void se_peer_hello(struct se_bytes *b);   /* challenge 00..13 */
void se_peer_welcome(struct se_bytes *b, uint32_t timeout_ms);
struct se_peer_grants {
	uint32_t timeout_ms; /* 0: not named */
	uint32_t max_connection, half_connection, use_compress;
};
void se_peer_welcome_with(struct se_bytes *b, const struct se_peer_grants *g);
void se_peer_noop(struct se_bytes *b);

/* The data phase. */
void se_peer_frame(struct se_bytes *b, const void *p, size_t n); /* a unit of its own */
void se_peer_keepalive(struct se_bytes *b, size_t n);

/* What a client sent: one HTTP request at the start of @p. Returns its size, 0 if it is not whole. */
struct se_request {
	char line[128];   /* "POST /x HTTP/1.1" */
	char type[64];    /* Content-Type */
	char host[300];   /* Host */
	const uint8_t *body;
	size_t size;
};
size_t se_peer_request(const uint8_t *p, size_t n, struct se_request *ret);

/* The only value of an element in a PACK. Returns its type, or -1 if there is none; aborts if it is there
 * twice (in any case), has several values, or if the PACK is malformed or has bytes left over. An integer is
 * given as its 4 bytes. */
int se_peer_find(const uint8_t *p, size_t n, const char *name, const uint8_t **value, size_t *size);

#endif

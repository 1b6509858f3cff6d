/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tls.h - a TLS client without I/O: ciphertext windows on one side, plaintext calls on the other.
 *
 * wolfSSL runs on memory callbacks over two bounded queues. The owner moves ciphertext between these and a
 * socket; when a call reports VE_AGAIN it needs more input, or room in the output. Handshake, verification
 * (trust.h) and the facts about the server end up here; nothing of wolfSSL shows outside tls.c and
 * trust.c. */
#ifndef CORE_TLS_H
#define CORE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/session.h"
#include "core/trust.h"

struct tls;

/* A client for @host (a name or a literal address, for SNI and verification as trust_conf says). @only: the
 * SHA-256 of the one certificate to be accepted, whatever @t thinks of it; copied; NULL: @t decides. @t is
 * lent until tls_free(). Returns 0 or VE_NOMEM. */
int tls_new(struct tls **ret, struct trust *t, const char *host, uint16_t port, const uint8_t *only);
void tls_free(struct tls *s);

/* Ciphertext from the server: fill up to *room bytes, then commit. *room may be 0 while tls_read() is
 * owed, and after a fault. The window grows to WIRE_READ_MAX while it is filled to the brim, and shrinks
 * again. */
uint8_t *tls_in_reserve(struct tls *s, size_t *room);
void tls_in_commit(struct tls *s, size_t n);
/* Does input wait for room in the output? tls_read() then said VE_AGAIN with input left; call it again
 * after sending. (A server may ask for new keys at any time, which takes an answer.) */
bool tls_in_waits_for_out(const struct tls *s);
/* The socket reached its end. */
void tls_in_eof(struct tls *s);

/* Ciphertext for the server, to be sent even after a fault (alerts). */
struct slice tls_out_peek(const struct tls *s);
void tls_out_consume(struct tls *s, size_t n);

/* Advance the handshake. Returns 0 when it is finished (again and again), VE_AGAIN, or the code of
 * tls_fault(): VE_TLS; VE_PROTO if the peer does not speak TLS. Never 0 unless trust.c accepted the very
 * certificate the handshake used. */
int tls_handshake(struct tls *s);
/* After the handshake. Borrowed for the life of @s. */
const struct wire_facts *tls_facts(const struct tls *s);
/* "TLS 1.3 TLS_AES_256_GCM_SHA384", for logs; static or owned by @s. */
const char *tls_describe(const struct tls *s);

/* Decrypt into @p, at most @cap bytes (> 0), as many records as fit. Sets *ret to the count (>= 1).
 * Returns 0, VE_AGAIN (nothing there), VE_EOF (close_notify or socket end), VE_TLS (tls_fault()). */
int tls_read(struct tls *s, uint8_t *p, size_t cap, size_t *ret);

/* Encrypt up to @n bytes (> 0), in records of up to 16 KiB, as long as the output queue has room for whole
 * records. Sets *ret to the count taken. Returns 0 (with *ret > 0), VE_AGAIN (no room: send first), VE_EOF
 * (the server is through), VE_TLS. */
int tls_write(struct tls *s, const uint8_t *p, size_t n, size_t *ret);

/* Queue a close_notify, best effort. */
void tls_shutdown(struct tls *s);

/* The first fault, err 0 if none. Certificate faults are final and carry the Windows code and the pin,
 * e.g. "tls vpn.example.com:443: the certificate is not signed by a known CA (0x800B0109); to trust
 * exactly this certificate: --pin sha256:AB..., to trust its CA: --ca FILE". Unknown CA 0x800B0109, wrong
 * name 0x800B010F, expired or not yet valid 0x800B0101, revoked 0x80092010, not for servers (usage, key
 * size) 0x800B0110. A peer that speaks no TLS at all is VE_PROTO: the line says what came instead. */
const struct fault *tls_fault(const struct tls *s);

#endif

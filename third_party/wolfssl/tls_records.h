/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tls_records.h - application data through wolfSSL's keys, without its buffers.
 *
 * wolfSSL receives each record into a buffer of its own and copies the plaintext out of that; the other way round, it builds
 * the record in a buffer and hands it to a callback that copies it. At tunnel speed these copies, and the wiping and
 * allocating of the buffers, cost as much as half of the cipher. These two do the ordinary case, one whole record with
 * nothing but application data in it, from the caller's memory to the caller's memory. Whatever is not ordinary they
 * leave to wolfSSL_read() and wolfSSL_write(), as if they had not been called; so wolfSSL alone decides about handshake
 * messages, alerts, new keys and broken records, and both ways may be mixed from record to record. */
#ifndef SOFTSOCKS_TLS_RECORDS_H
#define SOFTSOCKS_TLS_RECORDS_H

#include <stddef.h>
#include <stdint.h>

struct WOLFSSL;

#define TLS_RECORDS_NO (-1) /* nothing has happened: do it with wolfSSL's own function */

/* Decrypt the record @record of @n bytes, head and all, to @to, where @cap bytes may be overwritten whatever the outcome;
 * what is decrypted is at most @n - 16 long, padding included, and does not overlap the record. wolfSSL must not have
 * been given a byte of the record. Returns the count of plaintext (> 0), or TLS_RECORDS_NO. */
int tls_records_open(struct WOLFSSL *ssl, uint8_t *to, size_t cap, const uint8_t *record, size_t n);

/* Encrypt @n bytes (1..16384) at @p as one record, written to @to with its head. What wolfSSL had to send before was sent.
 * Returns the size of the record, or TLS_RECORDS_NO, also if it does not fit into @cap. */
int tls_records_seal(struct WOLFSSL *ssl, uint8_t *to, size_t cap, const uint8_t *p, size_t n);

#endif

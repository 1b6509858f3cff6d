/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sstp_bind.h - the crypto binding: proof that TLS, SSTP and the login end at the same two machines.
 *
 * MS-SSTP 3.2.5.2; sstp-protocol.md section 4. The compound MAC is keyed with what only the server's
 * account database and we can know (HLAK) and covers the hash of the certificate that this TLS connection
 * showed us. */
#ifndef CORE_SSTP_SSTP_BIND_H
#define CORE_SSTP_SSTP_BIND_H

#include "core/sstp/sstp_msg.h"

#define SSTP_HLAK 32u /* higher-layer authentication key; zeros for methods without keys */

/* The best hash in a request's mask, or 0 when there is none that we know. */
int sstp_bind_choose(uint8_t mask);

/* The whole CALL_CONNECTED packet. @cert_hash is @hash of the server certificate's DER: 20 or 32 bytes.
 * Returns 0, or VE_NOMEM when the crypto library has no memory; @ret is zeros then. */
int sstp_bind_connected(uint8_t ret[static SSTP_CONNECTED_LEN], enum sstp_hash hash,
			const uint8_t nonce[static SSTP_NONCE], const uint8_t *cert_hash,
			const uint8_t hlak[static SSTP_HLAK]);

#endif

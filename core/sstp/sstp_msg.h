/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sstp_msg.h - SSTP packets as bytes: taking them off a stream, reading and writing control messages.
 *
 * MS-SSTP 2.2; sstp-protocol.md section 2. Reserved bits are ignored and what real servers get wrong is
 * accepted (section 2.6); every length is checked. Nothing here knows what a message means. */
#ifndef CORE_SSTP_SSTP_MSG_H
#define CORE_SSTP_SSTP_MSG_H

#include <stdbool.h>

#include "core/rd.h"
#include "core/wr.h"

#define SSTP_VERSION 0x10
#define SSTP_HEADER 4u         /* version, C bit, length */
#define SSTP_PACKET_MAX 4095u  /* 12 bits, header included */
#define SSTP_NONCE 32u
#define SSTP_CONNECTED_LEN 112u /* a whole CALL_CONNECTED packet */

enum sstp_type {
	SSTP_CALL_CONNECT_REQUEST = 1,
	SSTP_CALL_CONNECT_ACK = 2,
	SSTP_CALL_CONNECT_NAK = 3,
	SSTP_CALL_CONNECTED = 4,
	SSTP_CALL_ABORT = 5,
	SSTP_CALL_DISCONNECT = 6,
	SSTP_CALL_DISCONNECT_ACK = 7,
	SSTP_ECHO_REQUEST = 8,
	SSTP_ECHO_RESPONSE = 9,
};

enum sstp_attribute {
	SSTP_ATTRIB_NO_ERROR = 0, /* only as what a status is about */
	SSTP_ATTRIB_ENCAPSULATED_PROTOCOL_ID = 1,
	SSTP_ATTRIB_STATUS_INFO = 2,
	SSTP_ATTRIB_CRYPTO_BINDING = 3,
	SSTP_ATTRIB_CRYPTO_BINDING_REQ = 4,
};

enum sstp_status {
	SSTP_STATUS_NO_ERROR = 0,
	SSTP_STATUS_VALUE_NOT_SUPPORTED = 4,
	SSTP_STATUS_UNACCEPTED_FRAME_RECEIVED = 5,
	SSTP_STATUS_RETRY_COUNT_EXCEEDED = 6,
	SSTP_STATUS_INVALID_FRAME_RECEIVED = 7,
	SSTP_STATUS_NEGOTIATION_TIMEOUT = 8,
};

/* Hashes of the crypto binding, as they stand in the mask of a request and as the choice in the answer. */
enum sstp_hash { SSTP_HASH_SHA1 = 1, SSTP_HASH_SHA256 = 2 };

/* One packet, borrowed from where it was taken. */
struct sstp_packet {
	bool control;
	struct slice body; /* what follows the 4 bytes of the header */
	size_t length;     /* of the packet, header included: what to consume */
};

/* Look for a whole packet at the start of @in. Returns 0 with *ret, VE_AGAIN (more bytes are needed),
 * VE_PROTO (another version, or a length under 4; 8 for a control packet): the stream is beyond repair. */
int sstp_msg_take(struct slice in, struct sstp_packet *ret);

/* A control packet's type, and a reader over its attributes. Returns 0 or VE_PROTO (no room for type and
 * count). The number of attributes that the message claims is not used: the bytes decide. */
int sstp_msg_type(const struct sstp_packet *p, uint16_t *ret_type, struct rd *ret_attributes);

/* The next attribute: true with its id and value. False at the end, or when what is left is no attribute (a
 * length under 4 or beyond the packet); then @attributes is bad. */
bool sstp_msg_attribute(struct rd *attributes, uint8_t *ret_id, struct rd *ret_value);

/* The crypto binding request of a CALL_CONNECT_ACK: other attributes are skipped, more than 40 bytes are
 * tolerated. Returns 0 with the hash mask (only known bits) and the nonce, or VE_PROTO when there is no
 * well-formed one. */
int sstp_msg_binding_request(struct rd attributes, uint8_t *ret_mask, uint8_t ret_nonce[static SSTP_NONCE]);

/* The status in an ABORT, DISCONNECT or NAK of whatever shape: the specification's, without attributes
 * (SoftEther), with a wrong attribute id or without the word before the status (sstp-server). True with the
 * number when there is one. */
bool sstp_msg_status(struct rd attributes, uint32_t *ret_status);

/* "negotiation timeout" for 8; NULL for numbers the specification does not have. Static. */
const char *sstp_status_name(uint32_t status);

/* "CALL_ABORT" for 5, "unknown message" for what is none. Static. */
const char *sstp_type_name(uint16_t type);

/* Writers of whole packets. The caller asks wr_ok(). */
void sstp_msg_connect_request(struct wr *w);
void sstp_msg_simple(struct wr *w, enum sstp_type type); /* echoes and CALL_DISCONNECT_ACK: no attributes */
void sstp_msg_with_status(struct wr *w, enum sstp_type type, enum sstp_attribute about,
			  enum sstp_status status);
/* CALL_CONNECTED with a MAC of zeros; @cert_hash has 20 or 32 bytes as @hash says. */
void sstp_msg_connected(struct wr *w, enum sstp_hash hash, const uint8_t nonce[static SSTP_NONCE],
			const uint8_t *cert_hash);

#endif

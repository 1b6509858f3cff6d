/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sstp_msg.c - the codec. A packet is
 *
 *     10 | reserved, C | 4 reserved bits, 12 bits length (of everything) | body
 *
 * and the body of a control packet (C = 1) is a type, a count, and attributes of the same shape:
 *
 *     reserved | id | 4 reserved bits, 12 bits length (of everything) | value
 *
 * The reader walks attributes with a cursor, so a length can at worst end the walk. */
#include "core/sstp/sstp_msg.h"

#include "core/err.h"

#define LENGTH_MASK 0x0fffu
#define ATTRIBUTE_HEADER 4u

int sstp_msg_take(struct slice in, struct sstp_packet *ret)
{
	struct sstp_packet p;

	if (in.n >= 1 && in.p[0] != SSTP_VERSION)
		return VE_PROTO;
	if (in.n < SSTP_HEADER)
		return VE_AGAIN;
	p.control = in.p[1] & 1;
	p.length = load_be16(in.p + 2) & LENGTH_MASK;
	if (p.length < SSTP_HEADER + (p.control ? 4u : 0u))
		return VE_PROTO;
	if (in.n < p.length)
		return VE_AGAIN;
	p.body = (struct slice){ .p = in.p + SSTP_HEADER, .n = p.length - SSTP_HEADER };
	*ret = p;
	return 0;
}

int sstp_msg_type(const struct sstp_packet *p, uint16_t *ret_type, struct rd *ret_attributes)
{
	struct rd r = rd_init(p->body.p, p->body.n);
	uint16_t type = rd_u16(&r);

	rd_skip(&r, 2);
	if (!rd_ok(&r))
		return VE_PROTO;
	*ret_type = type;
	*ret_attributes = r;
	return 0;
}

bool sstp_msg_attribute(struct rd *attributes, uint8_t *ret_id, struct rd *ret_value)
{
	uint8_t id;
	size_t length;
	struct rd value;

	if (rd_left(attributes) == 0)
		return false;
	rd_skip(attributes, 1);
	id = rd_u8(attributes);
	length = rd_u16(attributes) & LENGTH_MASK;
	if (length < ATTRIBUTE_HEADER) {
		attributes->bad = true;
		return false;
	}
	value = rd_sub(attributes, length - ATTRIBUTE_HEADER);
	if (!rd_ok(attributes))
		return false;
	*ret_id = id;
	*ret_value = value;
	return true;
}

int sstp_msg_binding_request(struct rd attributes, uint8_t *ret_mask, uint8_t ret_nonce[static SSTP_NONCE])
{
	uint8_t id, mask;
	struct rd value;
	const uint8_t *nonce;

	while (sstp_msg_attribute(&attributes, &id, &value)) {
		if (id != SSTP_ATTRIB_CRYPTO_BINDING_REQ)
			continue;
		rd_skip(&value, 3);
		mask = rd_u8(&value);
		nonce = rd_bytes(&value, SSTP_NONCE);
		if (!nonce)
			return VE_PROTO;
		*ret_mask = mask & (SSTP_HASH_SHA1 | SSTP_HASH_SHA256);
		memcpy(ret_nonce, nonce, SSTP_NONCE);
		return 0;
	}
	return VE_PROTO;
}

bool sstp_msg_status(struct rd attributes, uint32_t *ret_status)
{
	uint8_t id;
	struct rd value;
	uint32_t status;

	if (!sstp_msg_attribute(&attributes, &id, &value))
		return false;
	if (rd_left(&value) != 4)
		rd_skip(&value, 4); /* reserved and the attribute it is about */
	status = rd_u32(&value);
	if (!rd_ok(&value))
		return false;
	*ret_status = status;
	return true;
}

const char *sstp_status_name(uint32_t status)
{
	static const char *const names[] = {
		"no error",
		"duplicate attribute",
		"unrecognized attribute",
		"invalid attribute value length",
		"value not supported",
		"unaccepted frame received",
		"retry count exceeded",
		"invalid frame received",
		"negotiation timeout",
		"attribute not supported in message",
		"required attribute missing",
		"status info not supported in message",
	};

	return status < ARRAY_LEN(names) ? names[status] : NULL;
}

const char *sstp_type_name(uint16_t type)
{
	static const char *const names[] = {
		[SSTP_CALL_CONNECT_REQUEST] = "CALL_CONNECT_REQUEST",
		[SSTP_CALL_CONNECT_ACK] = "CALL_CONNECT_ACK",
		[SSTP_CALL_CONNECT_NAK] = "CALL_CONNECT_NAK",
		[SSTP_CALL_CONNECTED] = "CALL_CONNECTED",
		[SSTP_CALL_ABORT] = "CALL_ABORT",
		[SSTP_CALL_DISCONNECT] = "CALL_DISCONNECT",
		[SSTP_CALL_DISCONNECT_ACK] = "CALL_DISCONNECT_ACK",
		[SSTP_ECHO_REQUEST] = "ECHO_REQUEST",
		[SSTP_ECHO_RESPONSE] = "ECHO_RESPONSE",
	};

	return type < ARRAY_LEN(names) && names[type] ? names[type] : "unknown message";
}

/* Header, type and count of a control packet. Every packet we write has a length that is known beforehand. */
static void begin(struct wr *w, size_t length, enum sstp_type type, uint16_t attributes)
{
	wr_u8(w, SSTP_VERSION);
	wr_u8(w, 1);
	wr_u16(w, (uint16_t)length);
	wr_u16(w, (uint16_t)type);
	wr_u16(w, attributes);
}

static void attribute(struct wr *w, enum sstp_attribute id, size_t value)
{
	wr_u8(w, 0);
	wr_u8(w, (uint8_t)id);
	wr_u16(w, (uint16_t)(ATTRIBUTE_HEADER + value));
}

void sstp_msg_connect_request(struct wr *w)
{
	begin(w, 14, SSTP_CALL_CONNECT_REQUEST, 1);
	attribute(w, SSTP_ATTRIB_ENCAPSULATED_PROTOCOL_ID, 2);
	wr_u16(w, 1); /* PPP */
}

void sstp_msg_simple(struct wr *w, enum sstp_type type)
{
	begin(w, 8, type, 0);
}

void sstp_msg_with_status(struct wr *w, enum sstp_type type, enum sstp_attribute about,
			  enum sstp_status status)
{
	begin(w, 20, type, 1);
	attribute(w, SSTP_ATTRIB_STATUS_INFO, 8);
	wr_u32(w, (uint32_t)about);
	wr_u32(w, (uint32_t)status);
}

void sstp_msg_connected(struct wr *w, enum sstp_hash hash, const uint8_t nonce[static SSTP_NONCE],
			const uint8_t *cert_hash)
{
	static const uint8_t zeros[32];
	size_t n = hash == SSTP_HASH_SHA256 ? 32 : 20;

	begin(w, SSTP_CONNECTED_LEN, SSTP_CALL_CONNECTED, 1);
	attribute(w, SSTP_ATTRIB_CRYPTO_BINDING, 100);
	wr_u32(w, (uint32_t)hash);
	wr_bytes(w, nonce, SSTP_NONCE);
	wr_bytes(w, cert_hash, n);
	wr_bytes(w, zeros, 32 - n);
	wr_bytes(w, zeros, 32);
}

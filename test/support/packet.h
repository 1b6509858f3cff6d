/* SPDX-License-Identifier: GPL-3.0-or-later */
/* packet.h - frames and packets for tests, made and read by code that shares nothing with the stack under
 * test.
 *
 * Values are in host order, addresses as in core/addr.h. What is read is checked: lengths must fit exactly
 * and all checksums must be right, or packet_parse() says false. */
#ifndef TEST_SUPPORT_PACKET_H
#define TEST_SUPPORT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"

#define PACKET_MAX 2048u
#define PACKET_SACKS 4u /* blocks of RFC 2018 that fit in a TCP header */

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };
enum { ETH_IP4 = 0x0800, ETH_ARP = 0x0806, ETH_IP6 = 0x86dd };
enum { PROTO_ICMP4 = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };

struct frame {
	uint8_t b[PACKET_MAX];
	size_t n;
};

/* One frame or packet, taken apart. */
struct packet {
	uint8_t to_mac[6], from_mac[6];
	uint16_t ethertype;
	/* ARP */
	uint16_t arp_op;
	uint8_t arp_sender_mac[6], arp_target_mac[6];
	struct ip arp_sender, arp_target;
	/* IP */
	struct ip from, to;
	uint8_t proto;
	uint8_t hops;
	/* TCP and UDP */
	uint16_t from_port, to_port;
	/* TCP */
	uint32_t seq, ack;
	unsigned flags;
	uint32_t window; /* as it stands in the header */
	uint16_t mss;    /* of a SYN; 0: no option */
	int scale;       /* of a SYN; -1: no option */
	bool sack_permitted;
	unsigned nsacks;         /* of any other segment, when made */
	uint32_t sacks[PACKET_SACKS][2];
	/* ICMP */
	uint8_t type, code;
	/* what is behind all these headers; borrowed */
	struct slice payload;
};

struct ip packet_ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
struct ip packet_ip6(const char *text);

/* Take a frame (@ethernet) or a bare packet apart. */
bool packet_parse(struct packet *ret, struct slice s, bool ethernet);

/* Make one, with its checksums: from to_mac, from_mac, from, to, proto and the fields of that protocol, the
 * payload last. An ethertype of ETH_ARP makes ARP from the arp_ fields. */
void packet_make(struct frame *ret, const struct packet *p, bool ethernet);

/* Set all checksums of a frame or packet right, as far as its headers are there; for fuzzing. */
void packet_fix_checksums(uint8_t *b, size_t n, bool ethernet);

/* The Internet checksum, RFC 1071, of bytes behind an initial sum; inverted, ready to be stored. */
uint16_t packet_checksum(const uint8_t *b, size_t n, uint32_t sum);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ipcp.c - IPCP's option table: we ask for an address and four servers with zeros, the peer Naks with
 * values, we ask again with those. What it rejects we do without, except for the address. */
#include "core/sstp/ipcp.h"

static struct ipcp *ipcp_of(struct ppp_fsm *f)
{
	return (struct ipcp *)f;
}

/* Rows 0..4 of the table are the values of enum IPCP_*. */
static void write_value(struct ppp_fsm *f, unsigned row, struct wr *value)
{
	wr_bytes(value, ipcp_of(f)->value[row], 4);
}

static void nakked_value(struct ppp_fsm *f, unsigned row, struct slice value)
{
	memcpy(ipcp_of(f)->value[row], value.p, 4);
}

static void rejected_server(struct ppp_fsm *f, unsigned row)
{
	memset(ipcp_of(f)->value[row], 0, 4);
}

static void rejected_address(struct ppp_fsm *f, unsigned row)
{
	struct ipcp *c = ipcp_of(f);

	(void)row;
	f->give_up = true;
	fault_set(&c->fault, VE_ADDRESS,
		  "the server gives us no IPv4 address, error 720: its address pool is empty, or (SoftEther) "
		  "the virtual hub has no DHCP server or SecureNAT");
}

/* The peer's own address. Anything but zero will do: it is only the other end of this link. */
static enum ppp_verdict check_address(struct ppp_fsm *f, unsigned row, struct slice value, struct wr *nak)
{
	static const uint8_t zero[4];

	(void)row, (void)nak;
	if (memcmp(value.p, zero, 4) == 0)
		return PPP_REJECT; /* it wants one from us */
	memcpy(ipcp_of(f)->peer, value.p, 4);
	return PPP_ACK;
}

/* Header compression (2), the old address pair (1) and requests for name servers have no check: rejected. */
#define SERVER(number) \
	{ .type = number, .length = 4, .write = write_value, .nakked = nakked_value, \
	  .rejected = rejected_server }

const struct ppp_option ipcp_options[IPCP_VALUES] = {
	[IPCP_ADDRESS] = { .type = 3, .length = 4, .check = check_address, .write = write_value,
			   .nakked = nakked_value, .rejected = rejected_address },
	[IPCP_DNS1] = SERVER(129),
	[IPCP_NBNS1] = SERVER(130),
	[IPCP_DNS2] = SERVER(131),
	[IPCP_NBNS2] = SERVER(132),
};

void ipcp_init(struct ipcp *c, const struct ppp_fsm_ops *ops, struct ppp_link *link,
	       const struct ip *forbidden)
{
	*c = (struct ipcp){ .forbidden = *forbidden };
	ppp_fsm_init(&c->fsm, ops, link);
}

bool ipcp_is_usable(const uint8_t a[static 4])
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224;
}

static struct ip ip4_of(const uint8_t a[static 4])
{
	struct ip ip = { .family = IP_V4 };

	memcpy(ip.b, a, 4);
	return ip;
}

/* Two servers out of two values: duplicates and impossible ones left out, without a gap. */
static void servers(struct ip ret[static 2], const uint8_t first[static 4], const uint8_t second[static 4])
{
	const uint8_t *const given[] = { first, second };
	size_t n = 0;

	ret[0] = ret[1] = (struct ip){ .family = IP_NONE };
	for (size_t i = 0; i < 2; i++) {
		if (!ipcp_is_usable(given[i]) || (n == 1 && memcmp(ret[0].b, given[i], 4) == 0))
			continue;
		ret[n++] = ip4_of(given[i]);
	}
}

int ipcp_result(struct ipcp *c, struct link_facts *facts)
{
	const uint8_t *a = c->value[IPCP_ADDRESS];
	struct ip ours = ip4_of(a);

	if (!ipcp_is_usable(a) || ip_equal(&ours, &c->forbidden)) {
		fault_set(&c->fault, VE_ADDRESS,
			  "the server assigns the unusable address %u.%u.%u.%u, error 720: its pool is wrong",
			  a[0], a[1], a[2], a[3]);
		return VE_ADDRESS;
	}
	facts->ip4 = ours;
	servers(facts->dns, c->value[IPCP_DNS1], c->value[IPCP_DNS2]);
	servers(facts->nbns, c->value[IPCP_NBNS1], c->value[IPCP_NBNS2]);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_dns.c - answers of name servers. Input: a byte that chooses the type asked for, then the message. */

#include "netstack/dns.h"
#include "test/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t type = size > 0 && data[0] & 1 ? DNS_AAAA : DNS_A;
	struct dns_answer a = { .n = 0 };
	struct dns_name name;
	struct slice message;
	uint8_t query[DNS_QUERY_MAX];
	struct wr w = wr_init(query, sizeof(query));

	if (size == 0)
		return 0;
	MUST(dns_name_parse(&name, "www.example") == 0);
	dns_query_write(&w, 0x1234, &name, type);
	MUST(wr_ok(&w) && w.n == 12 + 13 + 4);
	message = (struct slice){ .p = data + 1, .n = size - 1 };
	if (dns_judge(message, 0x1234, &name, type, &a) != DNS_ADDRESSES)
		return 0;
	MUST(a.n >= 1 && a.n <= RESOLVE_IPS_MAX);
	for (unsigned i = 0; i < a.n; i++)
		MUST(a.ips[i].family == (type == DNS_A ? IP_V4 : IP_V6));
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_value.c - kinds of values that several options have. Strict: what could mean two things is none. */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/conf_int.h"

int conf_number(const char *value, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; value[n]; n++) {
		if (value[n] < '0' || value[n] > '9' || n == 10)
			return VE_USAGE;
		v = v * 10 + (uint64_t)(value[n] - '0');
	}
	if (n == 0 || v < min || v > max)
		return VE_USAGE;
	*ret = (uint32_t)v;
	return 0;
}

int conf_seconds(const char *value, uint32_t min_ms, uint32_t max_ms, uint32_t *ret)
{
	char digits[16];
	const char *dot = strchr(value, '.');
	size_t whole = dot ? (size_t)(dot - value) : strlen(value), decimals = dot ? strlen(dot + 1) : 0;

	if (whole == 0 || whole > 6 || decimals > 3 || (dot && decimals == 0))
		return VE_USAGE;
	snprintf(digits, sizeof(digits), "%.*s%s%.*s", (int)whole, value, dot ? dot + 1 : "",
		 3 - (int)decimals, "000");
	return conf_number(digits, min_ms, max_ms, ret);
}

int conf_switch(const char *value, bool *ret)
{
	static const char *const words[] = { "no", "yes", "off", "on", "false", "true", "0", "1" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(value, words[i]) == 0) {
			*ret = i % 2 == 1;
			return 0;
		}
	}
	return VE_USAGE;
}

int conf_host4(const char *value, struct ip *ret)
{
	struct ip ip;

	if (ip_parse(value, &ip) != 0 || ip.family != IP_V4)
		return VE_USAGE;
	if (ip.b[0] == 0 || ip.b[0] == 127 || ip.b[0] >= 224)
		return VE_USAGE;
	*ret = ip;
	return 0;
}

int conf_target(const char *value, struct dest *ret)
{
	struct dest d;

	if (dest_parse(value, 0, &d) != 0 || (d.ip.family == IP_NONE && !conf_is_host_name(d.name)))
		return VE_USAGE;
	*ret = d;
	return 0;
}

/* The bits of @ip behind the first @prefix (1..32): 0 for a network's own address, all ones for its
 * broadcast. */
static uint32_t host_bits(const struct ip *ip, unsigned prefix, uint32_t *ret_mask)
{
	*ret_mask = prefix == 32 ? 0 : UINT32_MAX >> prefix;
	return load_be32(ip->b) & *ret_mask;
}

bool conf_is_host_of(const struct ip *ip, unsigned prefix)
{
	uint32_t mask, bits = host_bits(ip, prefix, &mask);

	return prefix >= 31 || (bits != 0 && bits != mask);
}

bool conf_same_net(const struct ip *a, const struct ip *b, unsigned prefix)
{
	uint32_t mask;

	(void)host_bits(a, prefix, &mask);
	return (load_be32(a->b) | mask) == (load_be32(b->b) | mask);
}

bool conf_is_loopback(const struct ip *ip)
{
	static const uint8_t one[16] = { [15] = 1 };

	return ip->family == IP_V4 ? ip->b[0] == 127 : memcmp(ip->b, one, sizeof(one)) == 0;
}

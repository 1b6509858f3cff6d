/* SPDX-License-Identifier: GPL-3.0-or-later */
/* route.c - rules, from the right end to the left: "=ACTION" first, then ":PORT[-PORT]", and what is left is a
 * network, a name or "*". An IPv6 network without brackets has colons of its own, so it has no ports: whatever is an
 * address or network as it stands is taken as one before ports are looked for. */
#include "core/route.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/bytes.h"
#include "core/err.h"

#define PATTERN_MAX (HOST_MAX + 16u) /* a name, and a dot or brackets and ports around it */

/* Decimal digits only. */
static int parse_number(const char *text, size_t n, uint32_t max, uint32_t *ret)
{
	uint32_t v = 0;

	if (n == 0 || n > 5)
		return VE_USAGE;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return VE_USAGE;
		v = v * 10 + (uint32_t)(text[i] - '0');
	}
	if (v > max)
		return VE_USAGE;
	*ret = v;
	return 0;
}

static int parse_action(const char *word, enum route_action *ret)
{
	static const char *const words[] = {
		[ROUTE_TUNNEL] = "tunnel", [ROUTE_DIRECT] = "direct", [ROUTE_BLOCK] = "block"
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(word, words[i]) == 0) {
			*ret = (enum route_action)i;
			return 0;
		}
	}
	return VE_USAGE;
}

/* PORT or PORT-PORT, 1..65535. */
static int parse_ports(const char *text, struct route_rule *rule)
{
	const char *dash = strchr(text, '-');
	uint32_t from, to;

	if (parse_number(text, dash ? (size_t)(dash - text) : strlen(text), 65535, &from) != 0 || from == 0)
		return VE_USAGE;
	to = from;
	if (dash && (parse_number(dash + 1, strlen(dash + 1), 65535, &to) != 0 || to < from))
		return VE_USAGE;
	rule->port_from = (uint16_t)from;
	rule->port_to = (uint16_t)to;
	return 0;
}

static unsigned bits_of(const struct ip *ip)
{
	return ip->family == IP_V4 ? 32 : 128;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

/* IPv4 in IPv6's clothes, RFC 4291 section 2.5.5.2, as clients that only speak IPv6 write it. */
static struct ip plain_ip(const struct ip *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ip v4 = { .family = IP_V4 };

	if (ip->family != IP_V6 || memcmp(ip->b, mapped, sizeof(mapped)) != 0)
		return *ip;
	memcpy(v4.b, ip->b + 12, 4);
	return v4;
}

/* ADDRESS[/N] or [IPV6][/N]. Bits behind the prefix must be 0: 10.0.0.1/8 is a mistake, of whatever kind. */
static int parse_net(const char *text, struct route_rule *rule)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	bool bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
	char host[IP_TEXT_MAX];
	uint32_t prefix;
	struct ip ip;

	n -= bracketed ? 2 : 0;
	if (n >= sizeof(host))
		return VE_USAGE;
	memcpy(host, text + (bracketed ? 1 : 0), n);
	host[n] = '\0';
	if (ip_parse(host, &ip) != 0 || (bracketed && ip.family != IP_V6))
		return VE_USAGE;
	prefix = bits_of(&ip);
	if (slash && parse_number(slash + 1, strlen(slash + 1), prefix, &prefix) != 0)
		return VE_USAGE;
	for (unsigned bit = prefix; bit < bits_of(&ip); bit++) {
		if (ip.b[bit / 8] & 0x80 >> bit % 8)
			return VE_USAGE;
	}
	rule->net = ip;
	rule->prefix = (uint8_t)prefix;
	return 0;
}

/* Letters, digits, '-' and '_', with dots between; one may be in front and one at the end. */
static int parse_name(const char *text, struct route_rule *rule)
{
	size_t n;

	rule->below_only = text[0] == '.';
	text += rule->below_only ? 1 : 0;
	n = strlen(text);
	if (n > 0 && text[n - 1] == '.')
		n--;
	if (n == 0 || n > HOST_MAX || text[0] == '.')
		return VE_USAGE;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80 || (!isalnum(c) && c != '-' && c != '_' && c != '.') || (c == '.' && text[i - 1] == '.'))
			return VE_USAGE;
		rule->suffix[i] = (char)tolower(c);
	}
	return rule->suffix[n - 1] == '.' ? VE_USAGE : 0;
}

/* Could it be meant as an address? A name's last label has something else than digits in it (RFC 3696 section 2), and
 * 10.0.0.0/33 or 1.2.3 as a name would never match anything. */
static bool is_number_like(const char *text)
{
	return text[strspn(text, "0123456789.")] == '\0';
}

static int parse_host(const char *text, struct route_rule *rule)
{
	if (strcmp(text, "*") == 0 || parse_net(text, rule) == 0)
		return 0;
	return is_number_like(text) ? VE_USAGE : parse_name(text, rule);
}

int route_parse(const char *text, struct route_rule *ret)
{
	struct route_rule rule = { .port_from = 0, .port_to = 65535 };
	const char *equals = strrchr(text, '=');
	char pattern[PATTERN_MAX], *colon;
	size_t n = equals ? (size_t)(equals - text) : 0;

	if (n == 0 || n >= sizeof(pattern) || parse_action(equals + 1, &rule.action) != 0)
		return VE_USAGE;
	memcpy(pattern, text, n);
	pattern[n] = '\0';
	colon = strrchr(pattern, ':');
	if (colon && parse_net(pattern, &rule) != 0) {
		*colon = '\0';
		if (strchr(pattern, ':') && pattern[0] != '[')
			return VE_USAGE; /* IPv6 with a port needs brackets */
		if (parse_ports(colon + 1, &rule) != 0 || parse_host(pattern, &rule) != 0)
			return VE_USAGE;
	} else if (!colon && parse_host(pattern, &rule) != 0) {
		return VE_USAGE;
	}
	*ret = rule;
	return 0;
}

static bool name_matches(const struct route_rule *rule, const char *name)
{
	size_t n = strlen(name), suffix = strlen(rule->suffix);

	if (n > 0 && name[n - 1] == '.')
		n--;
	if (n < suffix || strncasecmp(name + n - suffix, rule->suffix, suffix) != 0)
		return false;
	if (n == suffix)
		return !rule->below_only;
	return name[n - suffix - 1] == '.';
}

static bool matches(const struct route_rule *rule, const struct dest *to, const struct ip *ip)
{
	if (to->port < rule->port_from || to->port > rule->port_to)
		return false;
	if (rule->net.family != IP_NONE)
		return ip->family == rule->net.family && same_bits(ip->b, rule->net.b, rule->prefix);
	if (rule->suffix[0] != '\0')
		return ip->family == IP_NONE && name_matches(rule, to->name);
	return true;
}

enum route_action route_find(const struct route_rule *rules, size_t n, const struct dest *to)
{
	struct ip ip = plain_ip(&to->ip);

	for (size_t i = 0; i < n; i++) {
		if (matches(&rules[i], to, &ip))
			return rules[i].action;
	}
	return ROUTE_TUNNEL;
}

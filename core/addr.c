/* SPDX-License-Identifier: GPL-3.0-or-later */
/* addr.c - addresses between text and bytes.
 *
 * The C library's inet_pton() and inet_ntop() know the text forms; the rest is about being strict where a
 * URL, a config file or a SOCKS client could mean two things: IPv6 with a port needs brackets, a name is
 * bytes a name can have. */
#include "core/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/err.h"

static size_t ip_size(const struct ip *ip)
{
	return ip->family == IP_V4 ? 4 : ip->family == IP_V6 ? 16 : 0;
}

const char *ip_text(const struct ip *ip, char buf[static IP_TEXT_MAX])
{
	if (ip->family == IP_NONE ||
	    !inet_ntop(ip->family == IP_V4 ? AF_INET : AF_INET6, ip->b, buf, IP_TEXT_MAX))
		snprintf(buf, IP_TEXT_MAX, "-");
	return buf;
}

int ip_parse(const char *text, struct ip *ret)
{
	struct ip ip = { 0 };

	if (inet_pton(AF_INET, text, ip.b) == 1)
		ip.family = IP_V4;
	else if (inet_pton(AF_INET6, text, ip.b) == 1)
		ip.family = IP_V6;
	else
		return VE_USAGE;
	*ret = ip;
	return 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->b, b->b, ip_size(a)) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && ip_equal(&a->ip, &b->ip);
}

int dest_set_name(struct dest *d, const void *name, size_t n)
{
	char text[HOST_MAX + 1];
	const uint8_t *b = name;

	if (n == 0 || n > HOST_MAX)
		return VE_USAGE;
	for (size_t i = 0; i < n; i++) {
		if (b[i] <= 0x20 || b[i] >= 0x7f)
			return VE_USAGE;
	}
	memcpy(text, b, n);
	text[n] = '\0';
	if (ip_parse(text, &d->ip) == 0) {
		d->name[0] = '\0';
		return 0;
	}
	d->ip = (struct ip){ .family = IP_NONE };
	memcpy(d->name, text, n + 1);
	return 0;
}

const char *dest_text(const struct dest *d, char buf[static DEST_TEXT_MAX])
{
	char ip[IP_TEXT_MAX];

	if (d->ip.family == IP_NONE)
		snprintf(buf, DEST_TEXT_MAX, "%s:%u", d->name, d->port);
	else if (d->ip.family == IP_V6)
		snprintf(buf, DEST_TEXT_MAX, "[%s]:%u", ip_text(&d->ip, ip), d->port);
	else
		snprintf(buf, DEST_TEXT_MAX, "%s:%u", ip_text(&d->ip, ip), d->port);
	return buf;
}

/* Decimal digits only, 1..65535. */
static int port_parse(const char *text, uint16_t *ret)
{
	uint32_t v = 0;
	size_t n = 0;

	for (; text[n]; n++) {
		if (text[n] < '0' || text[n] > '9' || n == 5)
			return VE_USAGE;
		v = v * 10 + (uint32_t)(text[n] - '0');
	}
	if (v < 1 || v > 65535)
		return VE_USAGE;
	*ret = (uint16_t)v;
	return 0;
}

/* Where the host ends and what follows it: *ret_port is "" or ":PORT". Returns 0, or VE_USAGE if the brackets
 * do not close around something, or a host without brackets has more than one colon. */
static int split(const char *text, const char **ret_host, size_t *ret_n, const char **ret_port)
{
	bool bracketed = text[0] == '[';
	const char *host = bracketed ? text + 1 : text;
	const char *end = host + strcspn(host, bracketed ? "]" : ":");
	const char *port = end;

	if (bracketed) {
		if (*end != ']')
			return VE_USAGE;
		port = end + 1;
		if (*port != '\0' && *port != ':')
			return VE_USAGE;
	} else if (*end == ':' && strchr(end + 1, ':')) {
		return VE_USAGE;
	}
	*ret_host = host;
	*ret_n = (size_t)(end - host);
	*ret_port = port;
	return 0;
}

int dest_parse(const char *text, uint16_t default_port, struct dest *ret)
{
	struct dest d = { .port = default_port };
	const char *host, *port;
	size_t n;

	if (split(text, &host, &n, &port) != 0 || dest_set_name(&d, host, n) != 0)
		return VE_USAGE;
	if ((text[0] == '[') != (d.ip.family == IP_V6))
		return VE_USAGE;
	if (*port == ':' ? port_parse(port + 1, &d.port) != 0 : default_port == 0)
		return VE_USAGE;
	*ret = d;
	return 0;
}

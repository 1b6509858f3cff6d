/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_local.c - setters of options about local programs: listeners, forwards, routes.
 *
 * A forward is read from its right end, because the left one may be the name of a file: the last colon stands before
 * the port of the target, the one before it, outside of brackets, before its host. What is left is a listener, as -l
 * takes it. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/conf_int.h"
#include "core/utf8.h"

#define UNIX_PREFIX "unix:"

static int parse_listen_path(struct parse *p, const char *path, size_t n, struct listen_addr *ret)
{
	if (n == 0)
		return conf_because(p, "the path of the socket is missing");
	if (n > SOCKET_PATH_MAX)
		return conf_because(p, "the path of a socket can have %u bytes at most", SOCKET_PATH_MAX);
	*ret = (struct listen_addr){ .path = conf_keep_n(p, path, n) };
	return 0;
}

static int parse_listen_dest(struct parse *p, const char *value, size_t size, struct dest *ret)
{
	const char *colon = memrchr(value, ':', size);
	const char *host = colon ? value : "127.0.0.1", *port = colon ? colon + 1 : value;
	size_t n = colon ? (size_t)(colon - value) : strlen(host), port_len = size - (size_t)(port - value);
	bool bracketed = n >= 2 && host[0] == '[' && host[n - 1] == ']';
	char text[IP_TEXT_MAX], digits[8];
	struct dest d = { 0 };
	uint32_t number;

	if (port_len >= sizeof(digits))
		return VE_USAGE;
	memcpy(digits, port, port_len);
	digits[port_len] = '\0';
	if (conf_number(digits, 0, 65535, &number) != 0)
		return VE_USAGE;
	n -= bracketed ? 2 : 0;
	if (n >= sizeof(text))
		return VE_USAGE;
	memcpy(text, host + (bracketed ? 1 : 0), n);
	text[n] = '\0';
	if (ip_parse(strcmp(text, "localhost") == 0 ? "127.0.0.1" : text, &d.ip) != 0)
		return VE_USAGE;
	if (d.ip.family == IP_V6 && !bracketed)
		return conf_because(p, "an IPv6 address with a port needs brackets, [::1]:1080");
	if (d.ip.family == IP_V4 && bracketed)
		return VE_USAGE;
	d.port = (uint16_t)number;
	*ret = d;
	return 0;
}

/* The first @n bytes of @value: [ADDR:]PORT or unix:PATH. */
static int parse_listen(struct parse *p, const char *value, size_t n, struct listen_addr *ret)
{
	size_t prefix = strlen(UNIX_PREFIX);
	struct dest d;

	if (n >= prefix && memcmp(value, UNIX_PREFIX, prefix) == 0)
		return parse_listen_path(p, value + prefix, n - prefix, ret);
	if (parse_listen_dest(p, value, n, &d) != 0)
		return VE_USAGE;
	*ret = (struct listen_addr){ .at = d };
	return 0;
}

int conf_set_listen(struct parse *p, const char *value)
{
	struct conf *c = &p->c;
	struct listen_addr l;

	if (parse_listen(p, value, strlen(value), &l) != 0)
		return VE_USAGE;
	if (conf_is_first_here(p, O_LISTEN))
		c->nlisten = 0;
	if (c->nlisten == LISTENERS_MAX)
		return conf_because(p, "there can be %u listeners at most", LISTENERS_MAX);
	p->listen_at[c->nlisten] = p->at;
	c->listen[c->nlisten++] = l;
	return 0;
}

int conf_set_allow_remote(struct parse *p, const char *value)
{
	return conf_switch(value, &p->c.allow_remote);
}

int conf_set_proxy_auth(struct parse *p, const char *value)
{
	const char *colon = strchr(value, ':');
	size_t n = colon ? (size_t)(colon - value) : 0;

	if (n == 0 || n > USER_MAX || colon[1] == '\0' || !utf8_is_text(value, n))
		return VE_USAGE;
	p->c.proxy_user = conf_keep_n(p, value, n);
	p->c.proxy_password_file = conf_keep(p, colon + 1);
	return 0;
}

int conf_set_connect_timeout(struct parse *p, const char *value)
{
	return conf_seconds(value, 100, 300000, &p->c.connect_ms);
}

int conf_set_idle_timeout(struct parse *p, const char *value)
{
	return conf_seconds(value, 0, 604800000, &p->c.idle_ms);
}

/* --- forwards ------------------------------------------------------------------------------------------- */

/* Where the target begins in FROM:HOST:PORT, NULL if there is none. */
static const char *find_target(const char *value, const char *end)
{
	const char *port = memrchr(value, ':', (size_t)(end - value));
	const char *host;

	if (!port || port == value)
		return NULL;
	if (port[-1] == ']') {
		host = memrchr(value, '[', (size_t)(port - value));
	} else {
		host = memrchr(value, ':', (size_t)(port - value));
		host = host ? host + 1 : NULL;
	}
	return host && host - value >= 2 && host[-1] == ':' ? host : NULL;
}

/* FROM:TARGET[/udp]; *ret_from_len is the length of FROM. */
static int split_forward(const char *value, size_t *ret_from_len, struct forward *ret)
{
	static const char udp[] = "/udp";
	const char *end = value + strlen(value), *target;
	char text[DEST_TEXT_MAX];
	struct forward fw = { 0 };
	size_t n;

	if (end - value > 4 && strcmp(end - 4, udp) == 0) {
		fw.udp = true;
		end -= 4;
	}
	target = find_target(value, end);
	n = target ? (size_t)(end - target) : sizeof(text);
	if (n >= sizeof(text))
		return VE_USAGE;
	memcpy(text, target, n);
	text[n] = '\0';
	if (conf_target(text, &fw.to) != 0)
		return VE_USAGE;
	*ret_from_len = (size_t)(target - value) - 1;
	*ret = fw;
	return 0;
}

int conf_set_local_forward(struct parse *p, const char *value)
{
	struct conf *c = &p->c;
	struct forward fw;
	size_t n;

	if (split_forward(value, &n, &fw) != 0 || parse_listen(p, value, n, &fw.from) != 0)
		return VE_USAGE;
	if (fw.udp && fw.from.path)
		return conf_because(p, "a socket in the file system takes connections only: drop /udp");
	if (conf_is_first_here(p, O_LOCAL_FORWARD))
		c->nlocal = 0;
	if (c->nlocal == FORWARDS_MAX)
		return conf_because(p, "there can be %u forwards at most", FORWARDS_MAX);
	p->local_at[c->nlocal] = p->at;
	c->local[c->nlocal++] = fw;
	return 0;
}

int conf_set_remote_forward(struct parse *p, const char *value)
{
	struct conf *c = &p->c;
	struct forward fw;
	char digits[8];
	uint32_t port;
	size_t n;

	if (split_forward(value, &n, &fw) != 0 || n >= sizeof(digits))
		return VE_USAGE;
	memcpy(digits, value, n);
	digits[n] = '\0';
	if (conf_number(digits, 1, 65535, &port) != 0)
		return VE_USAGE;
	fw.from.at.port = (uint16_t)port;
	if (conf_is_first_here(p, O_REMOTE_FORWARD))
		c->nremote = 0;
	for (unsigned i = 0; i < c->nremote; i++) {
		if (c->remote[i].udp == fw.udp && c->remote[i].from.at.port == port)
			return conf_because(p, "%s port %u is forwarded already", fw.udp ? "UDP" : "TCP", port);
	}
	if (c->nremote == FORWARDS_MAX)
		return conf_because(p, "there can be %u forwards at most", FORWARDS_MAX);
	c->remote[c->nremote++] = fw;
	return 0;
}

int conf_set_stdio(struct parse *p, const char *value)
{
	if (conf_target(value, &p->c.stdio) != 0)
		return VE_USAGE;
	p->c.has_stdio = true;
	return 0;
}

/* --- routes --------------------------------------------------------------------------------------------- */

int conf_set_route(struct parse *p, const char *value)
{
	struct conf *c = &p->c;
	struct route_rule rule, *rules;

	if (route_parse(value, &rule) != 0)
		return VE_USAGE;
	if (conf_is_first_here(p, O_ROUTE))
		c->nroutes = 0;
	if (c->nroutes == ROUTES_MAX)
		return conf_because(p, "there can be %u routes at most", ROUTES_MAX);
	rules = realloc(c->routes, (c->nroutes + 1) * sizeof(*rules));
	if (!rules)
		return VE_NOMEM;
	c->routes = rules;
	c->routes[c->nroutes++] = rule;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_request.c - CONNECT, BIND and UDP ASSOCIATE, see client_int.h.
 *
 *     CONNECT         relay_connect() --> success, relay
 *     BIND            bind_new() --> first reply --> the peer came --> second reply, relay
 *     UDP ASSOCIATE   udp_relay_new() --> success; the association ends with the client's connection
 *
 * All outcomes but the very last go through the parser (socks.h), which knows how the client's protocol says them. */
#include "socks/client_int.h"

#include <string.h>

#include "core/err.h"
#include "core/log.h"
#include "socks/bind.h"
#include "socks/sockaddr.h"

static void log_request(struct client *c, enum log_level level, const char *what)
{
	static const char *const names[] = {
		[CLIENT_CONNECTING] = "connection to", [CLIENT_BINDING] = "BIND for", [CLIENT_ASSOCIATED] = "datagrams for"
	};
	char name[DEST_TEXT_MAX], to[DEST_TEXT_MAX];

	if (log_enabled(level))
		log_line(level, "client %s: %s %s: %s", client_name(c, name), names[c->state],
			 dest_text(socks_dest(&c->hs->socks), to), what);
}

static void failed(struct client *c, int err)
{
	log_request(c, LOG_INFO, ve_name(err));
	client_request_end(c);
	socks_failed(&c->hs->socks, err);
	client_refuse(c);
}

/* --- CONNECT ------------------------------------------------------------------------------------------- */

static void start_connect(struct client *c)
{
	int err;

	client_enter(c, CLIENT_CONNECTING);
	err = relay_connect(&c->relay, socks_dest(&c->hs->socks));
	if (err != 0)
		failed(c, err);
}

static void on_relay_failed(void *ctx, int err)
{
	failed(ctx, err);
}

static void on_relay_opened(void *ctx)
{
	struct client *c = ctx;
	struct endpoint local;

	log_request(c, LOG_DEBUG, "open");
	relay_local(&c->relay, &local);
	socks_connected(&c->hs->socks, &local);
	if (client_deliver(c))
		client_relay(c);
}

/* --- BIND ---------------------------------------------------------------------------------------------- */

static void on_bound(void *ctx, const struct endpoint *at)
{
	struct client *c = ctx;

	log_request(c, LOG_DEBUG, "waiting");
	socks_bound(&c->hs->socks, at);
	(void)client_deliver(c);
}

static void on_accepted(void *ctx, struct target *t, const struct endpoint *from)
{
	struct client *c = ctx;

	log_request(c, LOG_DEBUG, "open");
	relay_adopt(&c->relay, t);
	client_request_end(c);
	socks_connected(&c->hs->socks, from);
	if (client_deliver(c))
		client_relay(c);
}

static void on_bind_failed(void *ctx, int err)
{
	failed(ctx, err);
}

static const struct bind_events bind_events = {
	.bound = on_bound,
	.accepted = on_accepted,
	.failed = on_bind_failed,
};

static void start_bind(struct client *c)
{
	bool strict = c->hs->socks.version == SOCKS_4;
	struct endpoint at;
	int err = VE_LIMIT;

	client_enter(c, CLIENT_BINDING);
	if (c->env->binds < BINDS_MAX)
		err = bind_new(&c->bind, c->env->ts, socks_dest(&c->hs->socks), strict, &bind_events, c);
	if (err != 0) {
		failed(c, err);
		return;
	}
	c->env->binds++;
	if (bind_at(c->bind, &at))
		on_bound(c, &at);
}

void client_bind_due(struct client *c)
{
	failed(c, VE_TIMEOUT);
}

/* --- UDP ASSOCIATE ------------------------------------------------------------------------------------- */

/* Both ends of the client's connection; false if it is gone, or is none of TCP. */
static bool ends(struct client *c, struct dest *ret_ours, struct dest *ret_theirs)
{
	struct sockaddr_storage ours = { .ss_family = AF_UNSPEC }, theirs = { .ss_family = AF_UNSPEC };
	int n = sizeof(ours), m = sizeof(theirs);

	if (uv_tcp_getsockname(&c->relay.client.tcp, (struct sockaddr *)&ours, &n) != 0 ||
	    uv_tcp_getpeername(&c->relay.client.tcp, (struct sockaddr *)&theirs, &m) != 0)
		return false;
	sockaddr_to_dest(&ours, ret_ours);
	sockaddr_to_dest(&theirs, ret_theirs);
	return ret_ours->ip.family != IP_NONE;
}

/* On a unix: listener it is refused as "not supported" (VE_USAGE). The socket's file decides who may use it; a UDP
 * port would be open to everybody on this machine, and there is no address to know the client by. */
static int associate(struct client *c)
{
	struct dest ours, theirs;
	struct endpoint client;

	if (c->relay.client.handle.type == UV_NAMED_PIPE)
		return VE_USAGE;
	if (!ends(c, &ours, &theirs))
		return VE_RESET;
	/* The address it announces is often one from behind a NAT, or zeros; the one it has connected from is true. */
	client = (struct endpoint){ .ip = theirs.ip, .port = socks_dest(&c->hs->socks)->port };
	return udp_relay_new(&c->udp, c->env->udp, c->env->ts, &ours.ip, &client);
}

static void start_associate(struct client *c)
{
	struct endpoint at;
	int err;

	client_enter(c, CLIENT_ASSOCIATED);
	err = associate(c);
	if (err != 0) {
		failed(c, err);
		return;
	}
	log_request(c, LOG_DEBUG, "relayed");
	udp_relay_local(c->udp, &at);
	socks_connected(&c->hs->socks, &at);
	(void)client_deliver(c);
}

/* --- all of them --------------------------------------------------------------------------------------- */

void client_request(struct client *c, enum socks_event what)
{
	if (what == SOCKS_CONNECT)
		start_connect(c);
	else if (what == SOCKS_BIND)
		start_bind(c);
	else
		start_associate(c);
}

void client_request_end(struct client *c)
{
	if (c->bind)
		c->env->binds--;
	bind_free(c->bind);
	c->bind = NULL;
	udp_relay_close(c->udp);
	c->udp = NULL;
}

static void on_relay_over(void *ctx, int err)
{
	struct client *c = ctx;
	char name[DEST_TEXT_MAX];

	if (log_enabled(LOG_DEBUG))
		log_debug("client %s: over: %s", client_name(c, name), ve_name(err));
	client_close(c);
}

static void on_relay_closed(void *ctx)
{
	client_gone(ctx);
}

const struct relay_events client_relay_events = {
	.opened = on_relay_opened,
	.failed = on_relay_failed,
	.over = on_relay_over,
	.closed = on_relay_closed,
};

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client.h - one local client, from its accept to its end: handshake, then target, then relay. */
#ifndef SOCKS_CLIENT_H
#define SOCKS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "socks/client_conf.h"
#include "socks/relay.h"

struct client;
struct client_list;
struct http_client;
struct handshake;

struct client_events {
	/* From now on (@on) the program waits for this client to do something: send its request, or go
	 * after a refusal. The owner does client_close() when that takes too long. First called from
	 * inside client_new(). */
	void (*waiting)(void *ctx, struct client *c, bool on);
	void (*gone)(void *ctx, struct client *c); /* last event; the memory goes when it returns */
};

enum client_state {
	CLIENT_NEW,
	CLIENT_HANDSHAKE,  /* its request has not come yet */
	CLIENT_CONNECTING, /* the target is being opened; what the client sends is kept, up to SOCKS_READ_MAX */
	CLIENT_RELAYING,   /* the relay has the socket; the handshake's memory is freed */
	CLIENT_HTTP,       /* http_client.h has the socket */
	CLIENT_REFUSING,   /* it got the last reply: we wait for it to close */
	CLIENT_CLOSING,    /* gone() will come */
};

struct client {
	/* for the owner */
	struct client_list *list;
	struct client *prev, *next;
	uint64_t deadline;
	/* private */
	enum client_state state;
	bool waiting;
	const struct client_conf *conf;
	const struct client_events *ev;
	void *ctx;
	struct handshake *hs; /* NULL from CLIENT_RELAYING on, and in CLIENT_HTTP */
	struct http_client *http; /* CLIENT_HTTP */
	struct relay relay;
};

/* Serve the connected socket @fd, which is the client's from here, also on failure. @ts, @conf, @ev and @ctx are lent
 * until gone(). Returns 0, or VE_NOMEM (then there is no event). */
int client_new(struct client **ret, int fd, struct targets *ts, const struct client_conf *conf,
	       const struct client_events *ev, void *ctx);

/* To be called now and then: relay_probe(), for a client that is being relayed, and conf->idle_ms. gone() may follow. */
void client_probe(struct client *c, uint64_t now_ms);

/* Close its socket and free its target at once; gone() follows from the loop. Again: nothing. Does not
 * target_flush(). */
void client_close(struct client *c);

/* "ADDRESS:PORT" of the client's end, or "unix", for logs, into @buf; returns @buf. */
const char *client_name(const struct client *c, char buf[static DEST_TEXT_MAX]);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client.h - one local client, from its accept to its end: handshake, then target, then relay. */
#ifndef SOCKS_CLIENT_H
#define SOCKS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "socks/client_conf.h"
#include "socks/relay.h"
#include "socks/udp_relay.h"

struct bind;
struct client;
struct client_list;
struct handshake;
struct http_client;

/* What clients share. All of it is lent to them. */
struct client_env {
	struct targets *ts;
	const struct client_conf *conf;
	struct udp_relays *udp;
	unsigned binds; /* that wait for their peer */
};

/* What we wait for, and how long: client_due() when the time is over. */
enum client_wait {
	WAIT_NOT,    /* for nothing that has a time */
	WAIT_CLIENT, /* for the client to send its request, or to go after a refusal: SOCKS_HANDSHAKE_MS */
	WAIT_DENIED, /* until a wrong password is answered: PROXY_DENIED_MS */
	WAIT_PEER,   /* for the peer of a BIND: BIND_MS */
};
#define CLIENT_WAITS 4

struct client_events {
	/* From now on this is waited for. First called from inside client_new(). */
	void (*waiting)(void *ctx, struct client *c, enum client_wait what);
	void (*gone)(void *ctx, struct client *c); /* last event; the memory goes when it returns */
};

enum client_state {
	CLIENT_NEW,
	CLIENT_HANDSHAKE,  /* its request has not come yet */
	CLIENT_CONNECTING, /* the target is being opened; what the client sends is kept, up to SOCKS_READ_MAX */
	CLIENT_BINDING,    /* the peer of its BIND is waited for; the same */
	CLIENT_RELAYING,   /* the relay has the socket; the handshake's memory is freed */
	CLIENT_ASSOCIATED, /* its datagrams are relayed until it closes */
	CLIENT_HTTP,       /* http_client.h has the socket */
	CLIENT_DENIED,     /* it gave a wrong password and will hear of it in a while */
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
	enum client_wait waiting;
	struct client_env *env;
	const struct client_events *ev;
	void *ctx;
	struct handshake *hs; /* NULL from CLIENT_RELAYING on, and in CLIENT_HTTP */
	struct http_client *http; /* CLIENT_HTTP */
	struct bind *bind;        /* CLIENT_BINDING */
	struct udp_relay *udp;    /* CLIENT_ASSOCIATED */
	struct relay relay;
};

/* Serve the connected socket @fd, which is the client's from here, also on failure. @env, @ev and @ctx are lent until
 * gone(). Returns 0, or VE_NOMEM (then there is no event). */
int client_new(struct client **ret, int fd, struct client_env *env, const struct client_events *ev, void *ctx);

/* The time for what was waited for is over. It waits for something else afterwards. */
void client_due(struct client *c);

/* To be called now and then: relay_probe(), for a client that is being relayed, and idle times. gone() may follow. */
void client_probe(struct client *c, uint64_t now_ms);

/* Close its socket and free its target at once; gone() follows from the loop. Again: nothing. Does not
 * target_flush(). */
void client_close(struct client *c);

/* "ADDRESS:PORT" of the client's end, or "unix", for logs, into @buf; returns @buf. */
const char *client_name(const struct client *c, char buf[static DEST_TEXT_MAX]);

#endif

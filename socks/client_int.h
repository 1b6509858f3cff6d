/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_int.h - between client.c, which has the socket, and client_request.c, which serves what was asked for. */
#ifndef SOCKS_CLIENT_INT_H
#define SOCKS_CLIENT_INT_H

#include "core/limits.h"
#include "socks/client.h"
#include "socks/socks.h"

struct handshake {
	struct socks socks;
	bool reading;
	bool client_ended; /* its EOF was read: reading again would only say so again */
	bool shut;         /* the shutdown after a refusal is through */
	uv_shutdown_t shutdown;
	size_t n;
	uint8_t in[SOCKS_READ_MAX];
};

/* The one place that changes the state. */
void client_enter(struct client *c, enum client_state to);

/* Send what the parser has to say. Returns whether that went well; if not, the client is closed. */
bool client_deliver(struct client *c);

/* The parser has refused: tell the client, then wait for it to close. */
void client_refuse(struct client *c);

/* The target is the relay's and open; what is to be said was said: relay. The handshake is freed. */
void client_relay(struct client *c);

/* Carry out what the parser has decided. */
void client_request(struct client *c, enum socks_event what);

/* The peer of a BIND did not come in time. */
void client_bind_due(struct client *c);

/* closed() came: gone() and free. */
void client_gone(struct client *c);

extern const struct relay_events client_relay_events;

/* Free what client_request() has made. */
void client_request_end(struct client *c);

#endif

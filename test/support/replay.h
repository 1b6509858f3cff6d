/* SPDX-License-Identifier: GPL-3.0-or-later */
/* replay.h - plays the server's side of a recorded SSTP session to our client.
 *
 * Our client is not the recorded one: it counts identifiers in its own way, asks for other options and
 * takes others. So the server's answers to Configure-Requests get the identifier of ours; an Ack gets the
 * options of ours; what the recorded client never asked for is rejected first, as the servers do with what
 * they do not have; and a request of the server's that only the recorded client took comes again without
 * what ours rejects. Everything else goes over as recorded, at the recorded time. Where the recorded client
 * says goodbye, our session is stopped.
 *
 * All that our client sends is decoded and judged by rules; the first broken one aborts with a line. */
#ifndef TEST_SUPPORT_REPLAY_H
#define TEST_SUPPORT_REPLAY_H

#include "core/session.h"
#include "test/support/transcript.h"

struct replay_result {
	bool ready;
	uint64_t ready_ms;      /* recorded time */
	struct link_facts facts;
	struct fault fault;     /* the session always ends */
	bool responded;         /* our NT-Response was sent, */
	bool response_equals;   /* and equals the recorded one */
	bool connected;         /* CALL_CONNECTED was sent, */
	uint8_t mac[32];        /* with this MAC */
	unsigned frames;
};

/* @fed, if not NULL, is called with everything the server sent, and when: a corpus for fuzzing. */
void replay(const struct transcript *t, unsigned auth_methods, struct replay_result *ret,
	    void (*fed)(void *ctx, uint64_t ms, const uint8_t *p, size_t n), void *ctx);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_channel.h - one TCP connection of a SoftEther session (softether-protocol.md 2, 6, 7).
 *
 * Every connection begins in the same way: our signature, the server's Hello, one request, its answer; after that it is
 * a stream of frames. What is asked, and what an answer means, is the session's business. A channel knows its queues, the
 * message that is being received, and its timers. Only se_channel_enter() changes its state. */
#ifndef SOFTETHER_SE_CHANNEL_H
#define SOFTETHER_SE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/session.h"
#include "core/softether/se_block.h"
#include "core/softether/se_http.h"
#include "core/softether/se_login.h"
#include "core/softether/se_pack.h"

enum se_channel_state {
	SE_CHANNEL_FREE,    /* no wire; nothing is held */
	SE_CHANNEL_DIALED,  /* a wire was asked for; nothing is held */
	SE_CHANNEL_GREETED, /* tx: our signature. rx: small, grown to one answer when its length is known */
	SE_CHANNEL_ASKED,   /* tx: and our request. The same for rx */
	SE_CHANNEL_UP,      /* frames. rx: one size for good. Keep-alives run, if we may speak here */
	SE_CHANNEL_LEAVING, /* given up: what is in tx may be sent, nothing is received */
};

struct se_channel {
	enum se_channel_state st;
	struct buf rx, tx;
	size_t limit;  /* frames may fill tx up to this */
	size_t secret; /* bytes at the front of tx that belong to a request: wiped when they leave */
	bool eof;      /* the wire has ended; what is in rx is the rest */
	struct fault cut; /* how, where it says more than "closed"; err 0: it does not */
	const struct wire_facts *wire;

	struct se_http_answer answer; /* the one being received */
	unsigned noops;

	enum se_direction direction;
	struct se_block_in in;
	struct se_block_out out;
	bool served;   /* something came since it is up */
	bool behind;   /* the wire did not take all there was: another channel may be quicker */
	unsigned age;  /* of two channels the newer one has the greater number; the session counts */

	uint64_t began_ms; /* the present state */
	uint64_t heard_ms; /* when the server last said something */
	uint64_t speak_ms; /* when we have to */
	uint32_t span_ms;  /* the time between our last bytes and that */
};

void se_channel_enter(struct se_channel *ch, enum se_channel_state to, uint64_t now_ms);

/* The wire @w (lent until the channel is free) is up: take memory, with @tx_cap bytes for what is to be sent, and queue
 * the signature for the server called @authority. Returns 0, or VE_NOMEM with the state as it was. */
int se_channel_greet(struct se_channel *ch, const struct wire_facts *w, size_t tx_cap, const char *authority,
		     uint64_t now_ms);

/* Queue a request with the PACK @body, which is a secret. Returns 0 or VE_LIMIT. */
int se_channel_ask(struct se_channel *ch, const char *authority, struct slice body, uint64_t now_ms);

/* Look for a whole answer; NOOPs before it are skipped (2.6). Returns 1 with *ret, which borrows from the queue until
 * se_channel_answered(); 0 if bytes are missing; VE_* with @f. */
int se_channel_answer(struct se_channel *ch, struct se_pack *ret, struct fault *f);

/* The answer is done with: wipe it. The queue gets the size that the present state wants. Returns 0, or VE_NOMEM with
 * @f. */
int se_channel_answered(struct se_channel *ch, struct fault *f);

/* From the next byte on there are frames, in @direction, @zipped or not, of which @limit bytes may wait at once. Follow
 * with se_channel_answered(). */
void se_channel_up(struct se_channel *ch, enum se_direction direction, bool zipped, size_t limit, uint64_t now_ms);

/* May we send there, and will something come? */
bool se_channel_sends(const struct se_channel *ch);
bool se_channel_hears(const struct se_channel *ch);

/* Send a keep-alive of random size, and draw when the next one is due, 6.3. */
void se_channel_speak(struct se_channel *ch, uint32_t timeout_ms, const struct session_env *env, uint64_t now_ms);

/* Like se_block_take(), out of rx. What it returns is borrowed until the next se_channel_reserve(). */
int se_channel_take(struct se_channel *ch, struct slice *ret, struct fault *f);

uint8_t *se_channel_reserve(struct se_channel *ch, size_t *room);
void se_channel_commit(struct se_channel *ch, size_t n, uint64_t now_ms);
void se_channel_sent(struct se_channel *ch, size_t n, uint64_t now_ms);

/* When a connection that is being set up has taken too long, or does not speak; UINT64_MAX for others. */
uint64_t se_channel_patience(const struct se_channel *ch);

#endif

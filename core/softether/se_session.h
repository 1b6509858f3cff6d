/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_session.h - what the parts of the session machine share; for the files named here and nobody else.
 *
 *     softether.c    the session: states, events, time, birth and death
 *     se_dialogue.c  the conversation before it is up: Hello, login, Welcome, redirect, password change
 *     se_pool.c      its connections: which are dialed, replaced and given up, and which one a frame goes by
 *     se_channel.c   one connection
 *     se_path.c      frames as datagrams beside them */
#ifndef SOFTETHER_SE_SESSION_H
#define SOFTETHER_SE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/session.h"
#include "core/softether/se_channel.h"
#include "core/softether/se_ident.h"
#include "core/softether/se_login.h"
#include "core/softether/se_path.h"
#include "core/softether/se_zip.h"

#define SE_ENDED_BY_SERVER \
	"the server ended the session (server stopped, session deleted by an administrator, or policy)"

enum se_state {
	SE_HELLO,    /* the login's channel: greeted */
	SE_LOGIN,    /* asked to log in */
	SE_PASSWORD, /* asked to set another password */
	SE_MOVING,   /* dialed: the conversation goes on at another server, or begins anew at this one */
	SE_UP,       /* READY was or is about to be given out; channels come and go */
	SE_OVER,     /* fault is set. Nothing is received, queued or timed any more; what is in tx may be sent */
};

/* What the conversation is for. */
enum se_task { SE_TASK_LOGIN, SE_TASK_TICKET, SE_TASK_PASSWORD };

enum se_pending { /* events to be given out, in this order; hang-ups and dials come before ROOM */
	SE_PEND_NOTICE = 1,
	SE_PEND_FORGET = 2, /* no event: the notice was given out, its memory can go */
	SE_PEND_REMARK = 4,
	SE_PEND_READY = 8,
	SE_PEND_ROOM = 16,
	SE_PEND_CLOSED = 32,
};

#define SE_NO_CHANNEL SESSION_CHANNELS_MAX

struct softether {
	struct session base; /* first */
	enum se_state st;
	unsigned pending;
	struct session_conf account; /* a copy: the password may change under way */
	const struct wire_facts *wire;
	const struct session_env *env;
	char authority[HOST_MAX + 3]; /* the server's name as in a URL */
	struct se_ident ident;
	uint64_t began_ms;
	uint64_t now_ms; /* as last told, for output(), which is not told */

	/* the conversation */
	enum se_task task;
	enum se_asked asked;         /* what was asked last: the same error means different things */
	struct se_login_terms terms;
	struct se_udp_offer offer;
	unsigned first;             /* the channel it goes by */
	const struct wire_facts *at; /* that channel's wire: @wire, or @elsewhere */
	struct wire_facts elsewhere;
	uint8_t ticket[SE_TICKET_SIZE];
	unsigned hops;
	bool renewed;               /* a new password was set because the server demanded it */

	/* the session */
	struct link_facts facts;
	uint32_t timeout_ms; /* silence that ends a channel, and the session */
	uint64_t end_ms;     /* longest session by policy, UINT64_MAX: none */
	struct se_zip *zip;  /* NULL: frames are not compressed */
	struct se_path path;
	uint8_t plain[FRAME_MAX]; /* a frame that came compressed, or as a datagram */
	size_t plain_n;           /* of a datagram that waits to be given out */

	/* its channels */
	struct se_channel ch[SESSION_CHANNELS_MAX];
	unsigned reading; /* whose bytes are looked at next */
	unsigned sending; /* whom frames go by, SE_NO_CHANNEL: nobody so far */
	bool starved;     /* output() was refused and ROOM is owed */
	bool half;        /* each channel carries one direction */
	bool resumable;   /* another channel may take over after the last one */
	unsigned wanted;  /* how many there should be */
	unsigned ages;
	struct session_dial target; /* where new ones go */
	uint32_t hangups, dials;    /* events to be given out, a bit for each channel */
	unsigned number;            /* of the channel dialed last */
	uint64_t dial_ms;           /* no dial before */
	uint64_t dialed_ms;         /* the last one */
	unsigned stillborn;         /* channels in a row that were lost before anything came, with no other left */
	uint32_t pause_ms;          /* after the last failure, 0: there was none since the last success */
	uint64_t heard_ms;          /* on any channel */
	uint64_t alone_ms;          /* since when there is no channel */
	struct fault lost;          /* how the last channel went, or could not be opened */
	uint8_t key[SE_SESSION_KEY_SIZE]; /* what a new one shows: worth the session */

	char *notice;         /* the hub's message */
	const char *remark;   /* ours */
	struct fault detail;  /* the half-line of whoever found a fault */
	struct fault fault;   /* the line for the user */
	struct session_dial dial; /* lent with an event */
};

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* --- softether.c -------------------------------------------------------------------------------------------------- */

/* The only function that changes the state. */
void softether_enter(struct softether *s, enum se_state to, uint64_t now_ms);

/* The session ends because of s->detail, found in @message ("" if it is about the connection as such). */
void softether_end(struct softether *s, const char *message, uint64_t now_ms);

/* Tell the user something of ours; static text. Only one waits at a time. */
void softether_remark(struct softether *s, const char *text);

/* Give out ROOM if it is owed and there is some. */
void softether_check_room(struct softether *s);

/* --- se_dialogue.c ------------------------------------------------------------------------------------------------ */

/* Deal with the answer on the first channel, if it is whole. Returns 1 if it was, 0 if bytes are missing, VE_* with
 * s->detail. */
int se_dialogue_take(struct softether *s, uint64_t now_ms);

/* The wire that was dialed in SE_MOVING is up. Returns 0, or VE_NOMEM with s->detail. */
int se_dialogue_moved(struct softether *s, const struct wire_facts *w, uint64_t now_ms);

/* What the server is saying, for faults. */
const char *se_dialogue_message(const struct softether *s);

/* --- se_pool.c ---------------------------------------------------------------------------------------------------- */

/* The session is up on its first channel: how many more there may be, and from when on. */
void se_pool_start(struct softether *s, const struct se_welcome *w, uint64_t now_ms);

/* Take a free number and dial it now. Returns SE_NO_CHANNEL if all are taken. */
unsigned se_pool_dial(struct softether *s, uint64_t now_ms);

/* Give a channel up. With @politely what waits on it is sent first. */
void se_pool_hang_up(struct softether *s, unsigned k, bool politely, uint64_t now_ms);

/* A dialed wire is up. Returns 0, or VE_NOMEM with nothing done. */
int se_pool_opened(struct softether *s, unsigned k, const struct wire_facts *w, uint64_t now_ms);

/* Deal with the answer on a channel that is being set up, if it is whole. Returns 1 if it was, 0 if bytes are missing,
 * VE_* with s->detail if that ends the session. */
int se_pool_take(struct softether *s, unsigned k, uint64_t now_ms);

/* A channel is gone because of @f: an open one, or one that could not be set up. */
void se_pool_gone(struct softether *s, unsigned k, const struct fault *f, uint64_t now_ms);

/* Queue one frame, or its compressed form, on the channel that is the best now. Returns like se_block_put(). */
int se_pool_put(struct softether *s, const struct slice *v, size_t nv);

/* Has some channel that we may send on less than half of its queue taken? */
bool se_pool_has_room(const struct softether *s);

/* The R-UDP channel that was heard last, or SE_PATH_NO_CHANNEL; also without bulk datagrams. */
uint32_t se_pool_datagram_channel(const struct softether *s);

unsigned se_pool_live(const struct softether *s); /* channels that are up */
uint64_t se_pool_deadline(const struct softether *s);
void se_pool_tick(struct softether *s, uint64_t now_ms);

#endif

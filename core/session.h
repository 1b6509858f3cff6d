/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session.h - the seam between the wire and a VPN protocol.
 *
 * A session is a pure machine: bytes from the server and the time go in, bytes for the server, frames and events come
 * out. It knows no socket, clock or loop; randomness comes from the struct session_env it is given, so a test or a
 * fuzzer replays it exactly. The pump in tunnel.c drives every protocol the same way:
 *
 *     wire plaintext -> rx_reserve/rx_commit -> next_event until false     (FRAME goes to the link, facts to the tunnel)
 *     link frames    -> output                                             (VE_AGAIN: keep it, ROOM will come)
 *     tx_peek/tx_consume -> wire plaintext                                 (also after a fault: goodbyes are sent)
 *     deadline/tick                                                        (timers, in the caller's milliseconds)
 *
 * A reconnect destroys the session and makes a new one: there is no reset. A protocol embeds struct session as its
 * first member and is one row of session_table.c. */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/err.h"

enum link_kind { LINK_ETHERNET, LINK_IP };

/* Ways to log in, for session_conf.auth_methods. SoftEther's own protocol has ways of its own and ignores them. */
enum {
	AUTH_MSCHAPV2 = 1 << 0,
	AUTH_EAP_MSCHAPV2 = 1 << 1,
	AUTH_EAP_TLS = 1 << 2,
	AUTH_PEAP = 1 << 3,
	AUTH_CHAP = 1 << 4, /* CHAP with MD5 */
	AUTH_PAP = 1 << 5,
};
#define AUTH_DEFAULT (AUTH_MSCHAPV2 | AUTH_EAP_MSCHAPV2 | AUTH_EAP_TLS | AUTH_PEAP)

/* What the session learned about the link, given with SESSION_READY. */
struct link_facts {
	enum link_kind kind;
	uint16_t mtu;          /* largest IP packet the session carries, 576..1500 */
	struct ip ip4;         /* LINK_IP: our address; IP_NONE if none was negotiated */
	struct ip dns[2];      /* LINK_IP: pushed name servers, IP_NONE where absent */
	struct ip nbns[2];     /* LINK_IP: pushed NetBIOS name servers (WINS), IP_NONE where absent */
	bool has_ip6_iid;      /* LINK_IP: IPV6CP opened with this interface identifier */
	uint8_t ip6_iid[8];
	uint8_t mac[6];        /* LINK_ETHERNET: ours, stable for account and installation, locally administered */
};

/* What the wire learned about the server; all of it is public. */
struct wire_facts {
	bool verified;             /* chain and name, or a pin, were checked and held; false only with --insecure */
	uint8_t cert_sha1[20];     /* of the server's leaf certificate, DER */
	uint8_t cert_sha256[32];
	char host[HOST_MAX + 1];   /* as the user wrote it */
	uint16_t port;
};

/* The account. All strings are borrowed for the whole life of the session. */
struct session_conf {
	const char *user;      /* UTF-8, "" if none */
	const char *password;  /* UTF-8, NULL: none was given (anonymous, where the protocol has that) */
	const char *hub;       /* SoftEther virtual hub; NULL elsewhere */
	unsigned auth_methods; /* AUTH_*: what the user allows; 0: AUTH_DEFAULT. Only what is implemented is offered. */
	bool allow_unverified; /* the user said --insecure: log in although wire_facts.verified is false */
	uint16_t mtu;          /* the user's --mtu, 0: the protocol's own */
	uint8_t installation_id[20]; /* random, stable for this user and machine; MAC and unique ids are derived from it */
};

/* Where a session gets its randomness from; a test gives a counter. */
struct session_env {
	void (*random)(void *ctx, void *to, size_t n); /* cryptographically strong in production */
	void *ctx;
};

enum session_event_type {
	SESSION_READY,  /* logged in: @facts; the link may start */
	SESSION_FRAME,  /* @frame, borrowed until the next call on this session */
	SESSION_ROOM,   /* output() has room again, after a VE_AGAIN */
	SESSION_NOTICE, /* @text for the user from the server (hub message), printable, borrowed like a frame */
	SESSION_CLOSED, /* last event: @fault says why (err VE_CANCELED after stop()) */
};

struct session_event {
	enum session_event_type type;
	union {
		struct slice frame;
		const struct link_facts *facts;
		const char *text;
		const struct fault *fault;
	};
};

struct session;

struct session_ops {
	const char *scheme;      /* the word before :// */
	enum link_kind link;
	uint16_t default_port;
	bool has_anonymous;      /* a login without a password exists */

	/* Make a session for a wire whose TLS handshake has just finished at @now_ms. @c, @w and @env are borrowed for its
	 * life. Its first request is in tx on return. Returns 0, VE_NOMEM, or VE_USAGE if @c lacks something. */
	int (*create)(struct session **ret, const struct session_conf *c, const struct wire_facts *w,
		      const struct session_env *env, uint64_t now_ms);
	/* Free everything, wiping secrets. NULL is fine. */
	void (*destroy)(struct session *s);

	/* Borrow receive space until the next call; *room is 0 only while events are waiting to be taken. */
	uint8_t *(*rx_reserve)(struct session *s, size_t *room);
	void (*rx_commit)(struct session *s, size_t n, uint64_t now_ms);
	/* The server closed its side in an orderly way, or the wire broke; a CLOSED event follows. */
	void (*rx_eof)(struct session *s);

	/* Borrow bytes for the server until the next call. May be called, and must be honoured, even after CLOSED. */
	struct slice (*tx_peek)(const struct session *s);
	void (*tx_consume)(struct session *s, size_t n, uint64_t now_ms);

	/* Queue one frame given in @nv pieces, copied. Returns 0, VE_AGAIN (nothing taken; ROOM follows), VE_LIMIT (too
	 * long or too short for this link: drop and count it), VE_DOWN before READY or after CLOSED. */
	int (*output)(struct session *s, const struct slice *v, size_t nv);

	/* Take the next event; false when there is none before more bytes or time come. */
	bool (*next_event)(struct session *s, struct session_event *ret, uint64_t now_ms);

	uint64_t (*deadline)(const struct session *s); /* when tick() wants to be called; UINT64_MAX: never */
	void (*tick)(struct session *s, uint64_t now_ms);

	/* Begin a polite goodbye; CLOSED with VE_CANCELED follows at once or after the protocol's own short timer. */
	void (*stop)(struct session *s, uint64_t now_ms);
	const char *(*state_name)(const struct session *s); /* for logs: "login", "up"; static */
};

struct session {
	const struct session_ops *ops;
};

/* The protocol for a URL scheme (any case), or NULL. session_table() lists all, ended by NULL, for usage texts. */
const struct session_ops *session_find(const char *scheme);
const struct session_ops *const *session_table(void);

#endif

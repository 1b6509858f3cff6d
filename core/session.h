/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session.h - the seam between the wires and a VPN protocol.
 *
 * A session is a pure machine: bytes from the server and the time go in, bytes for the server, frames and events come
 * out. It knows no socket, clock or loop; randomness comes from the struct session_env it is given, so a test or a
 * fuzzer replays it exactly. The pump in tunnel.c drives every protocol the same way:
 *
 *     wire plaintext -> rx_reserve/rx_commit -> next_event until false     (FRAME goes to the link, facts to the tunnel)
 *     datagrams      -> datagram_in          -> next_event until false
 *     link frames    -> output                                             (VE_AGAIN: keep it, ROOM will come)
 *     tx_peek/tx_consume -> wire plaintext                                 (also after a fault: goodbyes are sent)
 *     datagram_out   -> datagrams
 *     deadline/tick                                                        (timers, in the caller's milliseconds)
 *
 * Channels. The wire that a session is made on is channel 0. A protocol that spreads one session over several
 * connections asks for more with SESSION_DIAL, naming a free channel, and hears channel_opened() or channel_closed().
 * It gives one up with SESSION_HANGUP: what tx_peek() has for it is sent first. A protocol without such things never
 * sees another number than 0.
 *
 * Datagrams. If the protocol has datagram_in and the account wants it (session_conf.udp_acceleration), the pump has a
 * UDP socket ready before create(), of the family of the wire; its port is in wire_facts. The wire of a channel may carry
 * datagrams as well (R-UDP does, wire_facts.carries_datagrams); the path says which of them is meant.
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

enum wire_transport { WIRE_TCP, WIRE_RUDP };

#define SESSION_CHANNELS_MAX 32u

/* Ways to log in, for session_conf.auth_methods; the first six are PPP's. */
enum {
	AUTH_MSCHAPV2 = 1 << 0,
	AUTH_EAP_MSCHAPV2 = 1 << 1,
	AUTH_EAP_TLS = 1 << 2,
	AUTH_PEAP = 1 << 3,
	AUTH_CHAP = 1 << 4, /* CHAP with MD5 */
	AUTH_PAP = 1 << 5,
	AUTH_PLAIN = 1 << 6,       /* SoftEther: the password itself goes to the server (RADIUS, NT domain) */
	AUTH_CERTIFICATE = 1 << 7, /* SoftEther: session_conf.certificate and its key */
};
#define AUTH_DEFAULT (AUTH_MSCHAPV2 | AUTH_EAP_MSCHAPV2 | AUTH_EAP_TLS | AUTH_PEAP)

/* What the session learned about the link, given with SESSION_READY. */
struct link_facts {
	enum link_kind kind;
	uint16_t mtu;          /* largest IP packet the session carries, 576..1500, Ethernet ..1582 */
	uint16_t tcp_mss;      /* largest TCP segment over IPv4 that is worth its way (20 less over IPv6); 0: see mtu */
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
	struct endpoint local;     /* of the socket to the server */
	struct endpoint peer;      /* where the server really is */
	uint16_t udp_port;         /* of the session's UDP socket, 0: there is none */
	bool carries_datagrams;    /* the wire is R-UDP */
};

enum udp_acceleration { UDP_OFF, UDP_V2, UDP_V1 /* also the old version, which proves nothing */ };

/* The account. All strings are borrowed for the whole life of the session. */
struct session_conf {
	const char *user;      /* UTF-8, "" if none */
	const char *password;  /* UTF-8, NULL: none was given (anonymous, where the protocol has that) */
	const uint8_t *password_hash; /* SoftEther: 20 bytes that serve as the password, NULL: not given */
	const char *new_password; /* SoftEther: to be set if the server demands a change; NULL: none */
	bool *password_is_new; /* set by the session when the server took new_password, which is the password from then
				* on, also of sessions to come; NULL: nobody wants to know */
	struct slice certificate; /* SoftEther, AUTH_CERTIFICATE: DER of the leaf; n is 0 without one */
	struct slice key;         /* and its RSA key, PKCS #1 DER */
	const char *hub;       /* SoftEther virtual hub; NULL elsewhere */
	unsigned tcp_connections; /* SoftEther: how many at most, 1..SESSION_CHANNELS_MAX */
	enum udp_acceleration udp_acceleration;
	bool compress;         /* SoftEther: ask for zlib on every frame */
	bool half_connection;  /* SoftEther: ask that each connection carries one direction only */
	bool change_password;  /* SoftEther: no session, only set new_password: SESSION_CLOSED with VE_CANCELED says done */
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
	SESSION_DIAL,   /* @dial: open a wire for that channel */
	SESSION_HANGUP, /* @channel: send what is in its tx, then close its wire; no channel_closed() follows */
	SESSION_CLOSED, /* last event: @fault says why (err VE_CANCELED after stop()) */
};

/* Where another wire of the session goes. The first certificate decides: the new wire must show exactly @cert_sha256. */
struct session_dial {
	unsigned channel;   /* one that is not in use */
	struct endpoint to; /* family IP_NONE: where channel 0 went */
	uint8_t cert_sha256[32];
};

#define SESSION_PATH_UDP UINT32_MAX /* the session's own UDP socket; any other number: the wire of that channel */

/* A datagram to be sent, borrowed until the next call on the session. */
struct session_datagram {
	uint32_t path;
	struct endpoint to; /* for SESSION_PATH_UDP */
	struct slice bytes;
};

struct session_event {
	enum session_event_type type;
	union {
		struct slice frame;
		const struct link_facts *facts;
		const char *text;
		const struct session_dial *dial;
		unsigned channel;
		const struct fault *fault;
	};
};

struct session;

struct session_ops {
	const char *scheme;      /* the word before :// */
	enum wire_transport transport; /* under TLS */
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
	uint8_t *(*rx_reserve)(struct session *s, unsigned channel, size_t *room);
	void (*rx_commit)(struct session *s, unsigned channel, size_t n, uint64_t now_ms);

	/* The wire asked for with SESSION_DIAL is up; @w is borrowed until the channel is closed. NULL if never asked for. */
	void (*channel_opened)(struct session *s, unsigned channel, const struct wire_facts *w, uint64_t now_ms);
	/* A channel's wire ended, or could not be opened; all it delivered was committed before. @f, borrowed for the
	 * call, says why: VE_EOF if the server closed it in an orderly way. A session that does not go on without it says
	 * CLOSED, with its own words for what the end means in its phase, or with these. */
	void (*channel_closed)(struct session *s, unsigned channel, const struct fault *f, uint64_t now_ms);

	/* Borrow bytes for the server until the next call. May be called, and must be honoured, even after CLOSED. */
	struct slice (*tx_peek)(const struct session *s, unsigned channel);
	void (*tx_consume)(struct session *s, unsigned channel, size_t n, uint64_t now_ms);

	/* One datagram that came by @path from @from, borrowed for the call; a bad one is dropped and counted. NULL: the
	 * protocol has none. */
	void (*datagram_in)(struct session *s, uint32_t path, const struct endpoint *from, struct slice bytes,
			    uint64_t now_ms);
	/* Take the next datagram to be sent; false when there is none. */
	bool (*datagram_out)(struct session *s, struct session_datagram *ret, uint64_t now_ms);

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

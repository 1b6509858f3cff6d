/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_login.h - the messages around a login: the server's Hello, our login, its Welcome, and what else is asked of the
 * same address: one more connection, a new password (softether-protocol.md 2.2, 4, 5, 7).
 *
 * Only their contents: which elements there are, what they must hold, what we make of them. When they are sent and what
 * follows is softether.c's. */
#ifndef SOFTETHER_SE_LOGIN_H
#define SOFTETHER_SE_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/limits.h"
#include "core/session.h"
#include "core/softether/se_auth.h"
#include "core/softether/se_error.h"
#include "core/softether/se_ident.h"
#include "core/softether/se_pack.h"
#include "core/softether/se_udp.h"

#define SE_SESSION_KEY_SIZE 20u
#define SE_TICKET_SIZE 20u
#define SE_BULK_KEY_MAX 32u

/* --- Hello ---------------------------------------------------------------------------------------------------- */

struct se_hello {
	uint8_t challenge[SE_HASH_SIZE]; /* for the password proof, and signed in a login with a certificate */
	char product[64];                /* clean text, "" if the server does not say */
	uint32_t version, build;         /* 444 and 9807 for 4.44, build 9807 */
};

/* Returns 0 with *ret filled, or VE_PROTO with @f. */
int se_hello_read(const struct se_pack *p, struct se_hello *ret, struct fault *f);

/* --- login ---------------------------------------------------------------------------------------------------- */

/* Our half of UDP acceleration, 8.1: made new for each login, wiped with the session. */
struct se_udp_offer {
	unsigned max_version; /* 1 or 2; a server that takes 1 although we want 2 is ignored */
	unsigned min_version;
	struct endpoint local; /* our UDP socket: the address of the TCP connection, the port of the socket, not 0 */
	uint8_t key1[SE_UDP_KEY1_SIZE];
	uint8_t key2[SE_UDP_KEY2_SIZE];
};

/* Draw the keys; versions as session_conf.udp_acceleration says, address and port from @wire. Returns false, with *ret
 * zeroed, if there is nothing to be offered: the account does not want it, or there is no UDP socket. */
bool se_udp_offer_make(struct se_udp_offer *ret, const struct session_conf *conf, const struct wire_facts *wire,
		       const struct session_env *env);

/* What a login asks for, besides who we are: 4.6, 4.8, 8.1, 9.4. Borrowed for the call. */
struct se_login_terms {
	unsigned max_connection;  /* 1..SESSION_CHANNELS_MAX */
	bool compress;            /* zlib for every frame, 6.5 */
	bool half_connection;     /* each connection carries one direction, the first one ours, 6.8 */
	bool rudp;                /* the wire is R-UDP: offer bulk datagrams and udp recovery, 9.4 */
	const struct se_udp_offer *udp; /* NULL: no UDP acceleration */
	const uint8_t *ticket;    /* SE_TICKET_SIZE bytes after a redirect, 4.8; NULL: the account's own login */
};

/* The terms that @conf and @wire lead to: connections, compression, R-UDP; not half_connection, no offer, no ticket. */
struct se_login_terms se_login_terms_of(const struct session_conf *conf, const struct wire_facts *wire);

/* How @conf logs in: with its certificate if there is one (and auth_methods, unless 0, has AUTH_CERTIFICATE), with the
 * password itself if auth_methods has AUTH_PLAIN, with the password's proof, or anonymously.
 *
 * Returns 0 with *ret one of SE_LOGIN_*; VE_USAGE with @f, final, if something that auth_methods wants is missing; VE_AUTH
 * with @f, final, if the login would prove something to a server that was not verified and allow_unverified is not set. */
int se_login_choose(const struct session_conf *conf, const struct wire_facts *wire, enum se_asked *ret, struct fault *f);

/* The longest login: a certificate and its signature, three names and a password of 255 bytes, up to 999 bytes of padding,
 * and about 2300 of names and numbers. Not for the stack. */
#define SE_LOGIN_SIZE_MAX (CERT_DER_MAX + 6u * KIB)

/* Write the login PACK to @to. Everything is borrowed for the call. Returns 0 with its size in *ret_n; or, with @f, what
 * se_login_choose() returns, or VE_USAGE, final, if the certificate or the key cannot be used. The bytes prove the
 * password: wipe them, all SE_LOGIN_SIZE_MAX of them also after an error. */
int se_login_write(uint8_t to[static SE_LOGIN_SIZE_MAX], size_t *ret_n, const struct session_conf *conf,
		   const struct se_login_terms *terms, const struct wire_facts *wire, const struct se_ident *ident,
		   const struct se_hello *hello, const struct session_env *env, struct fault *f);

/* --- other requests ------------------------------------------------------------------------------------------- */

/* The longest of these, a password change: two names, 56 bytes of proofs, padding, names of elements. */
#define SE_REQUEST_SIZE_MAX 2048u

/* One more connection for the session of @session_key, 7. Returns the size. The key is worth the session: wipe it. */
size_t se_additional_write(uint8_t to[static SE_REQUEST_SIZE_MAX], const uint8_t session_key[static SE_SESSION_KEY_SIZE],
			   const struct session_env *env);

/* Set conf->new_password instead of conf->password (or password_hash), 4.9; the answer is a PACK with "error" only. Returns
 * 0 with the size in *ret_n; VE_USAGE with @f, final, if either is missing; VE_AUTH with @f, final, if the server was not
 * verified and allow_unverified is not set: the new password's hash is as good as the password. Wipe the bytes. */
int se_new_password_write(uint8_t to[static SE_REQUEST_SIZE_MAX], size_t *ret_n, const struct session_conf *conf,
			  const struct wire_facts *wire, const struct se_hello *hello, const struct session_env *env,
			  struct fault *f);

/* The PACK without elements (but padding) that acknowledges a redirect, 5.5. Returns the size. */
size_t se_empty_write(uint8_t to[static SE_REQUEST_SIZE_MAX], const struct session_env *env);

/* Which way the frames of a connection go. The first one is SE_TO_SERVER in a session with half_connection. */
enum se_direction { SE_BOTH_WAYS = 0, SE_FROM_SERVER = 1, SE_TO_SERVER = 2 };

/* The answer to se_additional_write(), if it is no error: its direction. @half: was half_connection granted? Without it
 * only SE_BOTH_WAYS is an answer, with it only the other two are. Returns 0, or VE_PROTO with @f. */
int se_additional_read(const struct se_pack *p, bool half, enum se_direction *ret, struct fault *f);

/* --- Welcome -------------------------------------------------------------------------------------------------- */

struct se_welcome {
	char session_name[64], connection_name[64]; /* clean text */
	uint8_t session_key[SE_SESSION_KEY_SIZE];
	unsigned max_connection;    /* 1..what we asked for; over R-UDP with recovery what the server says, 1..32 */
	uint32_t timeout_ms;        /* silence that ends a session, SE_TIMEOUT_MIN_MS..SE_TIMEOUT_MAX_MS */
	bool compress;
	bool half_connection;
	bool udp_recovery;          /* over R-UDP: a second connection may take over */

	bool has_udp;               /* UDP acceleration was agreed upon: */
	struct se_udp_terms udp;
	const char *no_udp;         /* why the server's offer was ignored, for a log; NULL: it was not, or there was none */

	bool has_bulk;              /* over R-UDP, 9.5: bulk datagrams, for rudp_bulk_init(): */
	bool bulk_hmac;
	uint8_t bulk_key_size;      /* 20 or 32 */
	uint8_t bulk_send_key[SE_BULK_KEY_MAX], bulk_recv_key[SE_BULK_KEY_MAX];

	bool is_azure;              /* arrived through VPN Azure, 10.1: connections are not to be given a life span */
	struct ip azure_server;     /* where the server really is, IP_NONE: not told */

	/* of the policy, 5.6 */
	uint32_t auto_disconnect_s; /* the longest session, 0: none */
	bool dhcp_force;            /* addresses that were not given by DHCP do not work */
	bool no_ip6;                /* IPv6, or all router advertisements, are filtered: there will be no address */
	bool no_save_password;
};

/* Does an answer that is no error send us to another server? Then se_redirect_read(), else se_welcome_read(). */
bool se_is_redirect(const struct se_pack *p);

/* Check an answer that is no error and no redirect: 5.1 from step 4. @terms are those of the login, @wire the one it went
 * by. Returns 0 with *ret filled (wipe it); VE_PROTO with @f if something is missing; the same, final, if the server wants
 * what was not asked for: to go on unencrypted, compressed, one way only, or with RC4. A bad answer about UDP is no fault:
 * the session goes on without. */
int se_welcome_read(const struct se_pack *p, const struct se_login_terms *terms, const struct wire_facts *wire,
		    struct se_welcome *ret, struct fault *f);

/* Another member of the cluster, 5.5. */
struct se_redirect {
	struct endpoint to;
	uint8_t ticket[SE_TICKET_SIZE]; /* good once, for a minute */
	uint8_t cert_sha256[32];        /* the only certificate that may be shown there */
};

/* @wire is the one to the server that says so: its port is kept if the new one listens on it, and only a server on
 * loopback may send us to loopback. Returns 0 with *ret filled (wipe it), or VE_PROTO with @f: something is missing, or the
 * address is none a server can have. */
int se_redirect_read(const struct se_pack *p, const struct wire_facts *wire, struct se_redirect *ret, struct fault *f);

#endif

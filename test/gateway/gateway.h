/* SPDX-License-Identifier: GPL-3.0-or-later */

/* gateway.h - what the files of the test gateway share. See gateway.c for what it is and does. */
#ifndef TEST_GATEWAY_H
#define TEST_GATEWAY_H

#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define MAX_CONNS       64
#define MAX_USERS       8
#define MAX_LINES       4               /* serial lines to pppd processes */
#define SSTP_MAX        4095            /* a whole SSTP packet */
#define FRAME_MAX       (SSTP_MAX - 4)  /* a PPP frame in it */
#define OUT_HIGH        (512 * 1024)    /* more bytes than this wait for a client: read no more for it */

#define PROTO_IP        0x0021
#define PROTO_IP6       0x0057
#define PROTO_IPCP      0x8021
#define PROTO_IPV6CP    0x8057
#define PROTO_LCP       0xc021
#define PROTO_PAP       0xc023
#define PROTO_CHAP      0xc223
#define PROTO_EAP       0xc227

enum { CONF_REQ = 1, CONF_ACK, CONF_NAK, CONF_REJ, TERM_REQ, TERM_ACK, CODE_REJ, PROTO_REJ, ECHO_REQ, ECHO_REP, DISCARD };
enum { MSG_REQUEST = 1, MSG_ACK, MSG_NAK, MSG_CONNECTED, MSG_ABORT, MSG_DISCONNECT, MSG_DISCONNECT_ACK, MSG_ECHO,
       MSG_ECHO_REPLY };
enum { ATTR_PROTOCOL = 1, ATTR_STATUS, ATTR_BINDING, ATTR_BINDING_REQ };
enum { METHOD_NONE, METHOD_PAP, METHOD_CHAP, METHOD_MSCHAPV2, METHOD_EAP };

/* A phase begins just before the gateway's first packet of it. */
enum phase {
	PH_TLS,         /* a TCP connection */
	PH_HTTP,        /* the HTTP request is here */
	PH_REQUEST,     /* CALL_CONNECT_REQUEST is here */
	PH_LCP,         /* CALL_CONNECT_ACK is sent */
	PH_AUTH,        /* LCP is open */
	PH_BIND,        /* the login succeeded: CALL_CONNECTED is due */
	PH_NCP,         /* CALL_CONNECTED was accepted */
	PH_OPEN,        /* IPCP is open */
	PH_COUNT
};

/* ---- buf.c: a queue of bytes that grows ---- */

struct buf {
	uint8_t *data;
	size_t start, len, cap;         /* the bytes are data[start] to data[start + len - 1] */
};

/* Make room for @n bytes behind the last one; returns where they go (then add to len). Without memory the
 * process ends. */
uint8_t *buf_room(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *data, size_t n);
void buf_drop(struct buf *b, size_t n);
void buf_fini(struct buf *b);

/* ---- keys.c: MS-CHAPv2 and the crypto binding ---- */

struct mschap {
	uint8_t response[24];           /* NT-Response */
	uint8_t authenticator[20];      /* what follows S= */
	uint8_t hlak[32];
};

/* All of it, from the password (UTF-8), the name as sent (cut at '\'), and both challenges. Returns false if the
 * password is not UTF-8. */
bool mschap_compute(const char *name, size_t name_len, const char *password, const uint8_t auth_challenge[16],
		    const uint8_t peer_challenge[16], struct mschap *ret);

struct cert_hash {
	uint8_t sha1[20];
	uint8_t sha256[32];
};

/* Check a CALL_CONNECTED of 112 bytes; returns NULL if it is right, or what is wrong with it. @mask: hashes offered. */
const char *binding_check(const uint8_t packet[112], const uint8_t nonce[32], unsigned mask,
			  const struct cert_hash *cert, const uint8_t hlak[32]);

/* The published vectors; returns false if this machine's OpenSSL does not reproduce them. */
bool keys_self_test(void);

/* ---- misbehave.c ---- */

enum mb {
	MB_NONE,
	/* at the beginning of a phase; all but the first are the last thing this connection does by itself */
	MB_INJECT, MB_SILENT, MB_LATE, MB_CLOSE, MB_RESET, MB_ABORT, MB_DISCONNECT, MB_TERMINATE,
	/* anywhere in the plain bytes */
	MB_CUT, MB_SPLIT,
	/* instead of something right; who would do the right thing asks for these */
	MB_TLS_GARBAGE, MB_HTTP, MB_ACK, MB_NAK, MB_REFUSE, MB_REFUSE_SPEC, MB_REFUSE_SORZ, MB_REFUSE_CLOSE,
	MB_ONLY, MB_BAD_AUTHENTICATOR, MB_REFUSE_LOGIN, MB_RETRY_LOGIN, MB_EXPIRED, MB_NO_CHECK, MB_REPEAT_CHALLENGE,
	MB_LCP_NAK, MB_LCP_REJECT, MB_LCP_MUTE, MB_AUTH_STUBBORN, MB_IPCP_NAK, MB_IPCP_REJECT, MB_IPCP_MUTE, MB_IPCP_ZERO,
	MB_IPCP_NO_DNS, MB_NO_IPV6CP, MB_NO_ECHO,
};

struct misbehaviour {
	enum mb kind;
	enum phase phase;
	unsigned arg;           /* status, number of bytes, METHOD_, or which variant */
};

/* NAME[=N][@PHASE] as printed by the list. Returns false if there is no such thing. */
bool misbehave_parse(const char *text, struct misbehaviour *ret);
void misbehave_list(void);
const char *phase_name(enum phase p);

struct conn;

/* Send what MB_INJECT, variant @which, has to send. */
void misbehave_inject(struct conn *c, unsigned which);
/* The head of the HTTP response, variant @which. */
const char *misbehave_http(unsigned which);
/* A CALL_CONNECT_ACK that is wrong in way @which, into @b. */
void misbehave_ack(struct buf *b, unsigned which, const uint8_t nonce[32]);

/* ---- conn.c: a client: TLS, HTTP, SSTP ---- */

struct user {
	char name[64];
	char password[160];
};

struct gateway {
	SSL_CTX *tls;
	struct cert_hash cert;
	struct user users[MAX_USERS];
	int nusers;
	unsigned mask;                  /* hashes offered in the ACK */
	int methods[4];                 /* METHOD_, best first */
	int nmethods;
	unsigned hello_ms, login_ms;
	unsigned mru;
	struct in_addr own, first, dns; /* of the tunnel: our address, the first client's, the DNS server's (or 0) */
	int tun;                        /* -1: the back end is pppd */
	bool no_offload;                /* packets of the wire's size only */
	struct misbehaviour bad;
	struct conn *conns[MAX_CONNS];
	int nconns;
};

extern struct gateway gw;

/* What was seen of a login on its way, whoever is the server for PPP. */
struct seen {
	uint8_t challenge[16];
	bool has_challenge;
	bool has_keys;
	uint8_t hlak[32];
	bool ipcp_in, ipcp_out;         /* Configure-Ack received, sent */
};

struct ppp;

struct conn {
	int fd;
	unsigned number;                /* for the log */
	SSL *ssl;
	bool tls_up;
	bool more;                      /* the last turn did not read all that TLS had */
	bool drained, eof;              /* the socket has no more for this turn, or for ever */
	struct buf wire;                /* encrypted bytes, not yet seen by TLS */
	struct buf in;                  /* plain bytes, not yet understood */
	struct buf out;                 /* plain bytes, not yet encrypted */
	struct buf raw;                 /* encrypted bytes, not yet sent */
	enum phase phase;
	bool mute;                      /* nothing is sent any more */
	bool closing;                   /* nothing is understood any more but the end */
	bool dead;                      /* to be freed */
	uint64_t end_at;                /* close then; 0: not yet */
	uint64_t send_at;               /* send nothing before */
	uint64_t heard_at;              /* last packet received */
	uint64_t since;                 /* when the current wait began */
	bool asked;                     /* ECHO_REQUEST sent, nothing heard since */
	uint64_t plain_sent;
	uint8_t nonce[32];
	struct cert_hash cert;
	struct seen seen;
	struct ppp *ppp;                /* our own PPP server, or NULL */
	int line;                       /* serial line, or -1 */
	struct in_addr addr;            /* what the client was given; 0: nothing yet */
};

uint64_t now_ms(void);
void note(const struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct conn *conn_new(int fd);
void conn_free(struct conn *c);
/* The socket can be read, or c->more: bytes wait inside TLS. */
void conn_readable(struct conn *c);
/* Encrypt and send as much as can be sent. */
void conn_flush(struct conn *c);
/* The same in the middle of a turn, when more is to come: only what fills whole records. */
void conn_push(struct conn *c);
void conn_tick(struct conn *c, uint64_t now);
/* Plain bytes, as they are. */
void conn_send(struct conn *c, const void *data, size_t n);
/* A PPP frame: with FF 03 when @frame lacks it; watched on its way. */
void conn_send_ppp(struct conn *c, unsigned proto, const void *info, size_t n);
void conn_send_frame(struct conn *c, const uint8_t *frame, size_t n);
/* As above, for many IP packets: room for one of @n bytes, to be filled at once. NULL if it is not to be sent. */
uint8_t *conn_ip_room(struct conn *c, unsigned proto, size_t n);
/* So much waits for the client that more would be of no use. */
bool conn_full(const struct conn *c);
/* A control message with @n bytes of attributes behind its count. */
void conn_send_msg(struct conn *c, unsigned type, unsigned nattrs, const void *attrs, size_t n);
void conn_send_status(struct conn *c, unsigned type, unsigned attr, uint32_t status);
/* PPP has ended: CALL_DISCONNECT. */
void conn_hang_up(struct conn *c);
/* End it in @ms milliseconds unless the client does. */
void conn_end_in(struct conn *c, unsigned ms);
const struct user *user_find(const void *name, size_t n);

/* ---- ppp.c: our own PPP server ---- */

struct ppp *ppp_new(struct conn *c);
void ppp_free(struct ppp *p);
void ppp_input(struct ppp *p, unsigned proto, const uint8_t *info, size_t n);
void ppp_tick(struct ppp *p, uint64_t now);
void ppp_terminate(struct ppp *p);

/* ---- tun.c ---- */

/* Open a TUN interface and configure it. Returns the descriptor, or -1 with errno set. */
int tun_open(const char *name);
/* Pass on what can be read, to the amount of a turn. */
void tun_readable(void);
/* A packet for the kernel. It stays borrowed until the next tun_flush(). */
void tun_write(const uint8_t *packet, size_t n);
void tun_flush(void);

/* ---- offload.c: packets larger than the wire's ---- */

#define MERGE_FLOWS  64
#define MERGE_PIECES 64

/* A packet as read, to be divided. */
struct split {
	const uint8_t *packet;
	size_t n;
	size_t ip, head;        /* the IP header, and both headers */
	size_t size;            /* data of each packet; 0: there is only one */
	size_t at;              /* data that were taken */
	unsigned index;
	bool done;
};

/* @packet, @n bytes, which are changed where checksums are to be completed, and borrowed. Returns false if it cannot be
 * for us: broken, or nothing that was asked for. */
bool split_begin(struct split *s, const struct virtio_net_hdr *h, uint8_t *packet, size_t n);
/* The next packet's size; 0: that was all. */
size_t split_length(const struct split *s);
/* The next packet into @ret, split_length() bytes. */
void split_next(struct split *s, uint8_t *ret);

/* Packets of a flow that are to be one. */
struct joined {
	uint8_t headers[80];
	size_t head, data;      /* bytes of the headers and of the data so far */
	size_t size;            /* data of the first packet */
	bool complete;          /* nothing may come behind the last */
	size_t pieces;          /* 0: none are here */
	struct iovec iov[2 + MERGE_PIECES];
};

struct merger {
	/* Called with a struct virtio_net_hdr and a packet, in pieces. */
	void (*emit)(void *ctx, const struct iovec *iov, int n);
	void *ctx;
	struct joined flows[MERGE_FLOWS];
};

/* @packet stays borrowed until merge_flush(). */
void merge_add(struct merger *m, const uint8_t *packet, size_t n);
void merge_flush(struct merger *m);

/* Returns false if the two are not each other's reverse. */
bool offload_self_test(void);

/* ---- serial.c: async HDLC ---- */

/* IN,OUT: two FIFOs (OUT: what pppd sends). Ends the process if it cannot be opened. */
void serial_open(const char *in_out);
int serial_count(void);
/* The descriptor to poll for line @i. */
int serial_fd(int i);
bool serial_busy(int i);
/* Find a line for @c, sets c->line. Returns false if all are taken. */
bool serial_attach(struct conn *c);
void serial_detach(struct conn *c);
void serial_send(struct conn *c, const uint8_t *frame, size_t n);
void serial_readable(int i);
/* Line @i has bytes that wait for room in the FIFO. */
bool serial_pending(int i);
int serial_out_fd(int i);
void serial_flush(int i);

#endif

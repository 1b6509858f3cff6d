/* SPDX-License-Identifier: GPL-3.0-or-later */

/* gateway.c - an SSTP server for tests: the other side of everything, written from MS-SSTP and the PPP documents, on
 * OpenSSL, without a line of the program under test.
 *
 *   gateway --cert F --key F --users F --listen ADDR:PORT (--tun NAME | --serial IN,OUT...) [OPTION...]
 *   gateway --list-misbehaviours         NAME, phase, meaning: a line each, tabs between
 *   gateway --self-test                  the published vectors of MS-CHAPv2 and the crypto binding, and whether large packets
 *                                        are divided and joined rightly (offload.c)
 *
 *   --tun NAME        our own PPP server, and an interface in this kernel: fast, and able to misbehave in PPP
 *   --serial IN,OUT   up to four times: PPP is done by a pppd behind these two FIFOs (async HDLC, see serial.c)
 *   --users F         lines of NAME:PASSWORD (with pppd: the same as in its secrets, else no keys are known here)
 *   --auth LIST       of mschapv2,eap,chap,pap,none, best first (mschapv2); with --tun
 *   --hashes LIST     of sha256,sha1 (both): the bitmask in CALL_CONNECT_ACK
 *   --addresses A,B   ours in the tunnel and the first client's (10.79.0.1,10.79.0.10); a network of 256 addresses
 *   --dns A           the DNS server for IPCP (none)
 *   --mru N           what we ask for in LCP (1400)
 *   --hello MS        how long to wait for a packet before asking for one (60000)
 *   --login MS        how long a step of the login may take (60000)
 *   --tls LIST        of 1.2,1.3 (both)
 *   --no-offload      with --tun: no packets larger than the wire's between the kernel and us
 *   --misbehave NAME  as the list says; it holds for every connection
 *
 * SIGHUP reads the certificate again; SIGTERM ends every call politely and then the process. What happens is
 * told on standard error, a line an event, starting with the number of the connection. Exit codes: 1 failed,
 * 2 wrong usage, 4 no TUN interface to be had (the reason is on standard error).
 *
 * One process, one poll loop. A turn: read what there is, let it act, then encrypt and send all of it at
 * once.
 */
#include "test/gateway/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EXIT_NO_TUN   4
#define TICK_MS       20

struct gateway gw = { .tun = -1, .mask = 3, .hello_ms = 60000, .login_ms = 60000, .mru = 1400 };

static const char *cert_file, *key_file;
static int tls_min = TLS1_2_VERSION, tls_max = TLS1_3_VERSION;
static volatile sig_atomic_t hup, term;

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void die(const char *what, const char *object)
{
	fprintf(stderr, "gateway: %s %s: %s\n", what, object, strerror(errno));
	exit(1);
}

static void usage(const char *wrong)
{
	fprintf(stderr, "gateway: %s; see the head of test/gateway/gateway.c\n", wrong);
	exit(2);
}

/* ---- TLS ---- */

/* Returns NULL if the files are no good. */
static SSL_CTX *load_tls(struct cert_hash *ret)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	X509 *x;

	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "gateway: cannot use %s with %s: %s\n", cert_file, key_file,
			ERR_reason_error_string(ERR_peek_last_error()));
		SSL_CTX_free(ctx);
		return NULL;
	}
	x = SSL_CTX_get0_certificate(ctx);
	X509_digest(x, EVP_sha1(), ret->sha1, NULL);
	X509_digest(x, EVP_sha256(), ret->sha256, NULL);
	SSL_CTX_set_min_proto_version(ctx, tls_min);
	SSL_CTX_set_max_proto_version(ctx, tls_max);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	return ctx;
}

static void reload(void)
{
	struct cert_hash hash;
	SSL_CTX *ctx = load_tls(&hash);

	if (!ctx)
		return;
	SSL_CTX_free(gw.tls);
	gw.tls = ctx;
	gw.cert = hash;
	fputs("gateway: the certificate was read again\n", stderr);
}

/* ---- options ---- */

static void read_users(const char *path)
{
	char line[300], *colon;
	FILE *f = fopen(path, "re");

	if (!f)
		die("cannot read", path);
	while (fgets(line, sizeof(line), f) && gw.nusers < MAX_USERS) {
		struct user *u = &gw.users[gw.nusers];

		line[strcspn(line, "\n")] = '\0';
		colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		if (strlen(line) >= sizeof(u->name) || strlen(colon + 1) >= sizeof(u->password))
			usage("a name or password in --users is too long");
		memcpy(u->name, line, strlen(line) + 1);
		memcpy(u->password, colon + 1, strlen(colon + 1) + 1);
		gw.nusers++;
	}
	fclose(f);
	explicit_bzero(line, sizeof(line));
}

static void set_methods(char *list)
{
	static const char *const names[] = { "none", "pap", "chap", "mschapv2", "eap" };

	gw.nmethods = 0;
	for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
		int m = METHOD_EAP;

		while (m >= 0 && strcmp(names[m], name) != 0)
			m--;
		if (m < 0 || gw.nmethods == 4)
			usage("--auth wants a list of mschapv2,eap,chap,pap,none");
		gw.methods[gw.nmethods++] = m;
	}
}

static void set_addr(const char *text, struct in_addr *ret)
{
	if (inet_pton(AF_INET, text, ret) != 1)
		usage("that is no IPv4 address");
}

static void set_addresses(char *text)
{
	char *comma = strchr(text, ',');

	if (!comma)
		usage("--addresses wants two");
	*comma = '\0';
	set_addr(text, &gw.own);
	set_addr(comma + 1, &gw.first);
}

static int listen_on(char *text)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char *colon = strrchr(text, ':');
	const int one = 1;
	int fd;

	if (!colon)
		usage("--listen wants ADDR:PORT");
	*colon = '\0';
	set_addr(text, &sin.sin_addr);
	sin.sin_port = htons((uint16_t)atoi(colon + 1));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 || listen(fd, 64) != 0)
		die("cannot listen on", colon + 1);
	return fd;
}

enum { O_CERT = 1, O_KEY, O_USERS, O_LISTEN, O_TUN, O_SERIAL, O_AUTH, O_HASHES, O_ADDRESSES, O_DNS, O_MRU, O_HELLO,
       O_LOGIN, O_TLS, O_NO_OFFLOAD, O_MISBEHAVE, O_LIST, O_SELF_TEST };

static const struct option options[] = {
	{ "cert", 1, NULL, O_CERT }, { "key", 1, NULL, O_KEY }, { "users", 1, NULL, O_USERS },
	{ "listen", 1, NULL, O_LISTEN }, { "tun", 1, NULL, O_TUN }, { "serial", 1, NULL, O_SERIAL },
	{ "auth", 1, NULL, O_AUTH }, { "hashes", 1, NULL, O_HASHES }, { "addresses", 1, NULL, O_ADDRESSES },
	{ "dns", 1, NULL, O_DNS }, { "mru", 1, NULL, O_MRU }, { "hello", 1, NULL, O_HELLO },
	{ "login", 1, NULL, O_LOGIN }, { "tls", 1, NULL, O_TLS }, { "no-offload", 0, NULL, O_NO_OFFLOAD },
	{ "misbehave", 1, NULL, O_MISBEHAVE },
	{ "list-misbehaviours", 0, NULL, O_LIST }, { "self-test", 0, NULL, O_SELF_TEST }, { 0 }
};

static void set_misbehaviour(const char *name)
{
	if (!misbehave_parse(name, &gw.bad))
		usage("there is no such misbehaviour (--list-misbehaviours)");
	if (gw.bad.kind == MB_ONLY || gw.bad.kind == MB_AUTH_STUBBORN) {
		gw.methods[0] = (int)gw.bad.arg;
		gw.nmethods = 1;
	}
}

static void parse(int argc, char **argv, char **listen_addr, const char **tun)
{
	const char *bad = NULL;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case O_CERT: cert_file = optarg; break;
		case O_KEY: key_file = optarg; break;
		case O_USERS: read_users(optarg); break;
		case O_LISTEN: *listen_addr = optarg; break;
		case O_TUN: *tun = optarg; break;
		case O_SERIAL: serial_open(optarg); break;
		case O_AUTH: set_methods(optarg); break;
		case O_HASHES: gw.mask = (strstr(optarg, "sha1") ? 1u : 0) | (strstr(optarg, "sha256") ? 2u : 0); break;
		case O_ADDRESSES: set_addresses(optarg); break;
		case O_DNS: set_addr(optarg, &gw.dns); break;
		case O_MRU: gw.mru = (unsigned)atoi(optarg); break;
		case O_HELLO: gw.hello_ms = (unsigned)atoi(optarg); break;
		case O_LOGIN: gw.login_ms = (unsigned)atoi(optarg); break;
		case O_TLS:
			tls_min = strstr(optarg, "1.2") ? TLS1_2_VERSION : TLS1_3_VERSION;
			tls_max = strstr(optarg, "1.3") ? TLS1_3_VERSION : TLS1_2_VERSION;
			break;
		case O_NO_OFFLOAD: gw.no_offload = true; break;
		case O_MISBEHAVE: bad = optarg; break;
		case O_LIST: misbehave_list(); exit(0);
		case O_SELF_TEST: exit(keys_self_test() && offload_self_test() ? 0 : 1);
		default: usage("wrong option");
		}
	}
	if (bad && *bad)
		set_misbehaviour(bad);
	if (optind < argc || !cert_file || !key_file || !gw.nusers || !*listen_addr || !*tun == !serial_count())
		usage("something is missing, or too much");
}

/* ---- the loop ---- */

static void accept_client(int fd)
{
	int s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c;

	if (s < 0)
		return;
	c = conn_new(s);
	if (c)
		gw.conns[gw.nconns++] = c;
	else
		close(s);
}

static void sweep(void)
{
	int kept = 0;

	for (int i = 0; i < gw.nconns; i++) {
		if (gw.conns[i]->dead)
			conn_free(gw.conns[i]);
		else
			gw.conns[kept++] = gw.conns[i];
	}
	gw.nconns = kept;
}

static short wanted(const struct conn *c)
{
	bool wait = c->send_at != 0;

	return (short)((conn_full(c) ? 0 : POLLIN) | (c->raw.len && !wait ? POLLOUT : 0));
}

static void turn(struct pollfd *p, int nlisten)
{
	int nlines = serial_count(), at = 0, n = gw.nconns;
	bool room = true, more = false, heard = false;
	uint64_t now;

	for (int i = 0; i < n; i++) {
		room = room && !conn_full(gw.conns[i]);
		more = more || (gw.conns[i]->more && !conn_full(gw.conns[i]));
		p[at++] = (struct pollfd){ .fd = gw.conns[i]->fd, .events = wanted(gw.conns[i]) };
	}
	p[at++] = (struct pollfd){ .fd = gw.nconns < MAX_CONNS ? nlisten : -1, .events = POLLIN };
	p[at++] = (struct pollfd){ .fd = room ? gw.tun : -1, .events = POLLIN };
	for (int i = 0; i < nlines; i++) {
		p[at++] = (struct pollfd){ .fd = serial_busy(i) ? -1 : serial_fd(i), .events = POLLIN };
		p[at++] = (struct pollfd){ .fd = serial_pending(i) ? serial_out_fd(i) : -1, .events = POLLOUT };
	}
	poll(p, (nfds_t)at, more ? 0 : n ? TICK_MS : 1000);
	for (int i = 0; i < n; i++) {
		bool inside = gw.conns[i]->more && !conn_full(gw.conns[i]);

		if ((p[i].revents & (POLLIN | POLLHUP | POLLERR)) || inside)
			conn_readable(gw.conns[i]);
		heard = heard || p[i].revents;
	}
	/* What clients just sent lets the kernel's TCP go on: ask again. */
	if (gw.tun >= 0 && room && ((p[n + 1].revents & POLLIN) || heard))
		tun_readable();
	for (int i = 0; i < nlines; i++) {
		if (p[n + 2 + 2 * i].revents & POLLIN)
			serial_readable(i);
		serial_flush(i);
	}
	now = now_ms();
	for (int i = 0; i < n; i++) {
		conn_flush(gw.conns[i]);
		conn_tick(gw.conns[i], now);
	}
	sweep();
	if (p[n].revents & POLLIN)
		accept_client(nlisten);
}

static void on_signal(int sig)
{
	if (sig == SIGHUP)
		hup = 1;
	else
		term = 1;
}

static void say_goodbye(void)
{
	for (int i = 0; i < gw.nconns; i++) {
		if (gw.conns[i]->ppp)
			ppp_terminate(gw.conns[i]->ppp);
		if (gw.conns[i]->phase >= PH_REQUEST)
			conn_hang_up(gw.conns[i]);
		conn_end_in(gw.conns[i], 1000);
	}
}

static void loop(int nlisten)
{
	static struct pollfd p[MAX_CONNS + 2 + 2 * MAX_LINES];
	bool ending = false;

	while (!ending || gw.nconns) {
		turn(p, nlisten);
		if (hup) {
			hup = 0;
			reload();
		}
		if (term && !ending) {
			ending = true;
			close(nlisten);
			nlisten = -1;
			say_goodbye();
		}
	}
}

int main(int argc, char **argv)
{
	char default_auth[] = "mschapv2", default_addresses[] = "10.79.0.1,10.79.0.10", *listen_addr = NULL;
	const char *tun = NULL;
	struct sigaction sa = { .sa_handler = on_signal };
	int fd;

	setvbuf(stderr, NULL, _IOLBF, 0);
	set_methods(default_auth);
	set_addresses(default_addresses);
	parse(argc, argv, &listen_addr, &tun);
	if (!keys_self_test()) {
		fputs("gateway: this OpenSSL does not compute the published vectors (MD4, DES, HMAC)\n", stderr);
		return 1;
	}
	gw.tls = load_tls(&gw.cert);
	if (!gw.tls)
		return 1;
	if (!offload_self_test()) {
		fputs("gateway: large packets are not divided and joined rightly\n", stderr);
		return 1;
	}
	if (tun) {
		gw.tun = tun_open(tun);
		if (gw.tun < 0) {
			fprintf(stderr, "gateway: no TUN interface: %s\n", strerror(errno));
			return EXIT_NO_TUN;
		}
	}
	fd = listen_on(listen_addr);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	fputs("gateway: ready\n", stderr);
	loop(fd);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_resolve.c - names through the tunnel: servers that answer, lie, fail, and say nothing. */
#include "netstack/lookup.h"
#include "test/support/world.h"

static struct world w;
static struct netstack_conf conf;
static const struct ip S1 = { .family = IP_V4, .b = { 10, 0, 0, 53 } }, S2 = { .family = IP_V4, .b = { 10, 0, 0, 54 } };

enum { A = 1, NS = 2, CNAME = 5, AAAA = 28 };

/* One who asks. */
struct asker {
	struct waiter waiter;
	unsigned done;
	int err;
	struct ip_set found;
};

static void on_done(void *ctx, int err, const struct ip_set *found)
{
	struct asker *a = ctx;

	assert_int_equal(a->done++, 0);
	a->err = err;
	if (err == 0) {
		assert_in_range(found->n, 1, RESOLVE_IPS_MAX);
		a->found = *found;
	}
}

static int ask(struct asker *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->waiter.done = on_done;
	a->waiter.ctx = a;
	list_init(&a->waiter.node);
	return resolve_start(w.ns, name, &a->waiter);
}

/* --- the name servers ----------------------------------------------------------------------------------- */

struct record {
	const char *owner; /* NULL: the name that was asked for */
	uint16_t type;
	const char *data;  /* an address or a name */
	uint32_t ttl;
};

static struct script {
	unsigned rcode;
	struct record a[8], aaaa[8]; /* for questions of type A and AAAA; ended by type 0 */
	bool s1_mute, s2_mute;
	uint16_t mute_type;          /* no answer to questions of this type */
	bool truncate;               /* nothing of the answer fits into a datagram */
	unsigned s1_fails, s2_fails; /* rcode of this server */
	unsigned lie;                /* one of the lies below */
	unsigned s1_asked, s2_asked;
	uint16_t last_id, last_port, last_type;
	char last_name[300];
	uint64_t asked_at[32];
	unsigned asked;
} script;

enum { TRUTH, WRONG_ID, WRONG_SERVER, WRONG_PORT, WRONG_NAME, WRONG_TYPE, A_QUESTION, NO_QUESTION, OPCODE, CLASS, LIES };

static void wr_name(struct wr *o, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		wr_u8(o, (uint8_t)n);
		wr_bytes(o, name, n);
		name += n + (name[n] == '.');
	}
	wr_u8(o, 0);
}

static void wr_record(struct wr *o, const struct record *r)
{
	struct ip ip = { 0 };
	size_t at;

	if (r->owner)
		wr_name(o, r->owner);
	else
		wr_u16(o, 0xc00c);
	wr_u16(o, r->type);
	wr_u16(o, script.lie == CLASS ? 3 : 1);
	wr_u32(o, r->ttl);
	at = o->n;
	wr_u16(o, 0);
	if (r->type == CNAME || r->type == NS) {
		wr_name(o, r->data);
	} else {
		assert_int_equal(ip_parse(r->data, &ip), 0);
		wr_bytes(o, ip.b, r->type == A ? 4 : 16);
	}
	wr_patch_u16(o, at, (uint16_t)(o->n - at - 2));
}

static void read_question(struct rd *r)
{
	char *to = script.last_name;
	uint8_t n;

	while ((n = rd_u8(r)) > 0) {
		assert_true(n < 64 && rd_left(r) >= n);
		if (to != script.last_name)
			*to++ = '.';
		rd_copy(r, to, n);
		to += n;
	}
	*to = '\0';
	script.last_type = rd_u16(r);
	assert_int_equal(rd_u16(r), 1);
	assert_true(rd_done(r));
}

/* The answer to a question whose bytes, after the header, are @question. */
static size_t make_answer(uint8_t *b, size_t cap, struct slice question, unsigned rcode)
{
	const struct record *r = script.last_type == A ? script.a : script.aaaa;
	struct wr o = wr_init(b, cap);
	uint16_t n = 0;

	wr_u16(&o, (uint16_t)(script.last_id + (script.lie == WRONG_ID)));
	wr_u16(&o, (uint16_t)((script.lie == A_QUESTION ? 0x0180 : 0x8180) | (script.lie == OPCODE ? 0x2800 : 0) | rcode |
			      (script.truncate ? 0x0200 : 0)));
	wr_u16(&o, script.lie == NO_QUESTION ? 0 : 1);
	wr_u16(&o, 0);
	wr_u32(&o, 0);
	if (script.lie != NO_QUESTION)
		wr_bytes(&o, question.p, question.n);
	if (script.lie == WRONG_NAME)
		b[13] ^= 1;
	if (script.lie == WRONG_TYPE)
		b[o.n - 3] ^= 3;
	for (; rcode == 0 && !script.truncate && r[n].type != 0; n++)
		wr_record(&o, &r[n]);
	wr_patch_u16(&o, 6, n);
	assert_true(wr_ok(&o));
	return o.n;
}

static void on_dns(struct world *world, const struct packet *q)
{
	struct rd r = rd_init(q->payload.p, q->payload.n);
	bool first = ip_equal(&q->to, &S1);
	unsigned fails = first ? script.s1_fails : script.s2_fails;
	uint8_t b[1400];
	struct slice question;
	struct packet p = { .from = script.lie == WRONG_SERVER ? packet_ip4(10, 0, 0, 99) : q->to, .to = q->from,
			    .proto = PROTO_UDP, .from_port = script.lie == WRONG_PORT ? 5353 : 53, .to_port = q->from_port };

	script.asked_at[script.asked++ % 32] = world_ms;
	script.s1_asked += first;
	script.s2_asked += !first;
	script.last_id = rd_u16(&r);
	script.last_port = q->from_port;
	assert_int_equal(rd_u16(&r), 0x0100); /* a query, recursion wanted */
	assert_int_equal(rd_u16(&r), 1);
	rd_skip(&r, 6);
	question = rd_rest(&r);
	read_question(&r);
	assert_in_range(q->from_port, 32768, 65535);
	if ((first ? script.s1_mute : script.s2_mute) || script.last_type == script.mute_type)
		return;
	p.payload = (struct slice){ .p = b, .n = make_answer(b, sizeof(b), question, fails ? fails : script.rcode) };
	world_send(world, p);
}

static void start(void)
{
	world_init(&w, &conf, LINK_IP);
	w.facts.ip4 = packet_ip4(10, 9, 8, 7);
	w.facts.dns[0] = S1;
	w.facts.dns[1] = S2;
	w.on_dns = on_dns;
	memset(&script, 0, sizeof(script));
	script.a[0] = (struct record){ .type = A, .data = "192.0.2.80", .ttl = 300 };
	world_start(&w);
}

static void setup(void)
{
	conf = world_conf();
	start();
}

static void expect(const struct asker *a, const char *ip)
{
	struct ip e = { 0 };

	assert_int_equal(a->done, 1);
	assert_int_equal(a->err, 0);
	assert_int_equal(ip_parse(ip, &e), 0);
	assert_int_equal(a->found.n, 1);
	assert_true(ip_equal(&a->found.ips[0], &e));
}

/* --- answers -------------------------------------------------------------------------------------------- */

static void a_name(void **state)
{
	struct asker a;
	struct ip_set found;

	(void)state;
	setup();
	assert_false(resolve_cached(w.ns, "www.example", &found));
	assert_int_equal(ask(&a, "www.example"), 0);
	assert_int_equal(a.done, 0);
	world_settle(&w);
	expect(&a, "192.0.2.80");
	assert_string_equal(script.last_name, "www.example");
	assert_int_equal(script.s1_asked, 1);
	assert_int_equal(script.s2_asked, 0);
	assert_true(resolve_cached(w.ns, "WWW.Example.", &found)); /* the same name */
	assert_false(resolve_cached(w.ns, "ww.example", &found));
	world_run(&w, 299000);
	assert_true(resolve_cached(w.ns, "www.example", &found));
	world_run(&w, 1000);
	assert_false(resolve_cached(w.ns, "www.example", &found));
	world_fini(&w);
}

static void ids_and_ports_are_random(void **state)
{
	struct asker a;
	unsigned ids = 0, ports = 0;

	(void)state;
	setup();
	script.a[0].ttl = 0; /* not to be remembered */
	for (int i = 0; i < 32; i++) {
		uint16_t id = script.last_id, port = script.last_port;

		assert_int_equal(ask(&a, "www.example"), 0);
		world_settle(&w);
		expect(&a, "192.0.2.80");
		ids += id == script.last_id || id + 1 == script.last_id;
		ports += port == script.last_port || port + 1 == script.last_port;
	}
	assert_true(ids < 3 && ports < 3);
	assert_int_equal(script.asked, 32);
	world_fini(&w);
}

static void aliases(void **state)
{
	static const struct record in_order[] = { { NULL, CNAME, "b.example", 100 }, { "b.example", CNAME, "c.Example", 50 },
						  { "C.example", A, "192.0.2.3", 200 } };
	struct asker a;
	struct ip_set found;

	(void)state;
	setup();
	memcpy(script.a, in_order, sizeof(in_order));
	assert_int_equal(ask(&a, "a.example"), 0);
	world_settle(&w);
	expect(&a, "192.0.2.3");
	world_run(&w, 50000); /* the shortest life of the chain counts */
	assert_false(resolve_cached(w.ns, "a.example", &found));
	/* the other way round */
	for (int i = 0; i < 3; i++)
		script.a[i] = in_order[2 - i];
	assert_int_equal(ask(&a, "a.example"), 0);
	world_settle(&w);
	expect(&a, "192.0.2.3");
	/* an address of a name nobody asked for */
	script.a[1] = (struct record){ NULL, NS, "ns.example", 100 };
	assert_int_equal(ask(&a, "d.example"), 0);
	world_settle(&w);
	assert_int_equal(a.err, VE_RESOLVE);
	/* a loop */
	script.a[0] = (struct record){ NULL, CNAME, "y.example", 100 };
	script.a[1] = (struct record){ "y.example", CNAME, "x.example", 100 };
	script.a[2] = (struct record){ "x.example", CNAME, "y.example", 100 };
	assert_int_equal(ask(&a, "x.example"), 0);
	world_settle(&w);
	assert_int_equal(a.err, VE_RESOLVE);
	world_fini(&w);
}

static void no_such_name(void **state)
{
	struct asker a;

	(void)state;
	setup();
	script.rcode = 3;
	assert_int_equal(ask(&a, "nobody.example"), 0);
	world_settle(&w);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.err, VE_RESOLVE);
	assert_int_equal(script.asked, 1); /* it is final */
	world_fini(&w);
}

static void a_name_without_address(void **state)
{
	struct asker a;

	(void)state;
	setup();
	memset(script.a, 0, sizeof(script.a));
	assert_int_equal(ask(&a, "mail.example"), 0);
	world_settle(&w);
	assert_int_equal(a.err, VE_RESOLVE);
	assert_int_equal(script.asked, 2);
	/* an address of a family that we do not have: the user is told so */
	script.aaaa[0] = (struct record){ .type = AAAA, .data = "2001:db8::80", .ttl = 300 };
	assert_int_equal(ask(&a, "six.example"), 0);
	world_settle(&w);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.err, VE_NETUNREACH);
	world_fini(&w);
}

static void expect_all(const struct asker *a, unsigned n, const char *const ips[])
{
	assert_int_equal(a->done, 1);
	assert_int_equal(a->err, 0);
	assert_int_equal(a->found.n, n);
	for (unsigned i = 0; i < n; i++) {
		char text[IP_TEXT_MAX];

		assert_string_equal(ip_text(&a->found.ips[i], text), ips[i]);
	}
}

static void start_with_both_families(void)
{
	conf = world_conf();
	conf.dns = S1;
	start();
	world_down(&w);
	w.facts.has_ip6_iid = true;
	w.facts.ip6_iid[7] = 9;
	w.router.on = true;
	world_start(&w);
	world_run(&w, 10000);
	script.aaaa[0] = (struct record){ .type = AAAA, .data = "2001:db8::80", .ttl = 200 };
}

static void both_families(void **state)
{
	struct asker a;
	struct ip_set found;

	(void)state;
	start_with_both_families();
	script.a[1] = (struct record){ .type = A, .data = "192.0.2.81", .ttl = 300 };
	assert_int_equal(ask(&a, "both.example"), 0);
	world_settle(&w);
	expect_all(&a, 3, (const char *[]){ "2001:db8::80", "192.0.2.80", "192.0.2.81" });
	assert_int_equal(script.asked, 2);
	assert_true(resolve_cached(w.ns, "both.example", &found));
	assert_int_equal(found.n, 3);
	world_run(&w, 200000); /* the shorter life counts */
	assert_false(resolve_cached(w.ns, "both.example", &found));
	memset(script.a, 0, sizeof(script.a));
	assert_int_equal(ask(&a, "six.example"), 0);
	world_settle(&w);
	expect(&a, "2001:db8::80");
	memset(script.aaaa, 0, sizeof(script.aaaa));
	assert_int_equal(ask(&a, "none.example"), 0);
	world_settle(&w);
	assert_int_equal(a.err, VE_RESOLVE);
	world_fini(&w);
}

/* Nobody waits for the slower family, whichever it is, but a little time it gets. */
static void the_slower_family(void **state)
{
	(void)state;
	start_with_both_families();
	for (unsigned slow = A; slow <= AAAA; slow += AAAA - A) {
		struct asker a;

		script.mute_type = (uint16_t)slow;
		assert_int_equal(ask(&a, slow == A ? "a.example" : "b.example"), 0);
		world_run(&w, 49);
		assert_int_equal(a.done, 0);
		world_run(&w, 1);
		expect(&a, slow == A ? "2001:db8::80" : "192.0.2.80");
	}
	world_fini(&w);
}

static void more_addresses_than_anybody_tries(void **state)
{
	struct asker a;
	char text[8][16];

	(void)state;
	setup();
	for (unsigned i = 0; i < 7; i++) {
		snprintf(text[i], sizeof(text[i]), "192.0.2.%u", i);
		script.a[i] = (struct record){ .type = A, .data = text[i], .ttl = 300 };
	}
	assert_int_equal(ask(&a, "many.example"), 0);
	world_settle(&w);
	assert_int_equal(a.err, 0);
	assert_int_equal(a.found.n, RESOLVE_IPS_MAX);
	world_fini(&w);
}

/* --- over TCP ------------------------------------------------------------------------------------------- */

static struct tcp_peer *start_truncated(struct asker *a)
{
	struct tcp_peer *server;

	setup();
	server = world_peer(&w, S1, 53);
	server->read_at_once = true;
	script.truncate = true;
	assert_int_equal(ask(a, "big.example"), 0);
	world_settle(&w);
	assert_int_equal(server->state, PEER_OPEN);
	assert_int_equal(a->done, 0);
	assert_int_equal(server->rx_len, 2 + 12 + 13 + 4);
	assert_int_equal(load_be16(server->rx), server->rx_len - 2);
	assert_int_equal(load_be16(server->rx + 2), script.last_id);
	return server;
}

static size_t tcp_answer(uint8_t *b, size_t cap, const struct tcp_peer *server)
{
	size_t n;

	script.truncate = false;
	n = make_answer(b + 2, cap - 2, (struct slice){ .p = server->rx + 14, .n = server->rx_len - 14 }, 0);
	store_be16(b, (uint16_t)n);
	return n + 2;
}

static void a_truncated_answer(void **state)
{
	struct asker a;
	uint8_t b[600];

	(void)state;
	for (size_t split = 0; split < 70; split++) {
		struct tcp_peer *server = start_truncated(&a);
		size_t n = tcp_answer(b, sizeof(b), server);

		if (split < n) {
			tcp_peer_send(server, b, split, world_ms);
			world_settle(&w);
			assert_int_equal(a.done, 0);
			tcp_peer_send(server, b + split, n - split, world_ms);
			world_settle(&w);
			expect(&a, "192.0.2.80");
		}
		world_fini(&w);
	}
}

/* What a server can do to us over TCP: refuse, end early, answer something else, announce more than we read, go silent. */
static void tcp_that_fails(void **state)
{
	enum { END, RESET, OTHER_ID, TRUNCATED_AGAIN, HUGE_ANSWER, SILENCE, WAYS };

	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct asker a;
		struct tcp_peer *server = start_truncated(&a);
		static uint8_t b[2 + 65535];
		size_t n = tcp_answer(b, 600, server);

		script.s2_fails = 2; /* who is asked next, and cannot help */
		if (way == OTHER_ID)
			b[2] ^= 1;
		if (way == TRUNCATED_AGAIN) {
			script.truncate = true;
			n = 2 + make_answer(b + 2, 598, (struct slice){ .p = server->rx + 14, .n = server->rx_len - 14 }, 0);
			store_be16(b, (uint16_t)(n - 2));
		}
		if (way == HUGE_ANSWER) {
			store_be16(b, 65535);
			n = sizeof(b);
		}
		if (way == END || way == RESET)
			n = 20;
		if (way == SILENCE)
			script.s1_mute = true;
		else
			tcp_peer_send(server, b, n, world_ms);
		world_settle(&w);
		if (way == END)
			tcp_peer_close(server, world_ms);
		if (way == RESET)
			tcp_peer_reset(server);
		world_run(&w, way == SILENCE ? RESOLVE_MS : 100);
		assert_int_equal(a.done, 1);
		assert_int_equal(a.err, VE_RESOLVE);
		world_fini(&w);
	}
}

static void without_tcp_the_next_server_is_asked(void **state)
{
	struct asker a;

	(void)state;
	setup();
	script.truncate = true; /* and nobody is on TCP port 53 */
	assert_int_equal(ask(&a, "big.example"), 0);
	world_run(&w, RESOLVE_MS);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.err, VE_RESOLVE);
	assert_true(script.s2_asked > 0);
	world_fini(&w);
}

/* --- the search domain ---------------------------------------------------------------------------------- */

static void the_search_domain(void **state)
{
	struct asker a;

	(void)state;
	conf = world_conf();
	conf.search = "corp.example";
	start();
	assert_int_equal(ask(&a, "intranet"), 0);
	world_settle(&w);
	expect(&a, "192.0.2.80");
	assert_string_equal(script.last_name, "intranet.corp.example");
	assert_int_equal(script.asked, 1);
	assert_int_equal(ask(&a, "intranet."), 0); /* absolute */
	world_settle(&w);
	assert_string_equal(script.last_name, "intranet");
	assert_int_equal(ask(&a, "www.example"), 0); /* has a dot */
	world_settle(&w);
	assert_string_equal(script.last_name, "www.example");
	script.rcode = 3;
	script.asked = 0;
	assert_int_equal(ask(&a, "nobody"), 0);
	world_settle(&w);
	assert_int_equal(a.err, VE_RESOLVE);
	assert_string_equal(script.last_name, "nobody");
	assert_int_equal(script.asked, 2);
	world_fini(&w);
}

static void the_domain_that_dhcp_names(void **state)
{
	struct asker a;

	(void)state;
	setup();
	snprintf(w.ns->domain, sizeof(w.ns->domain), "lan.example");
	assert_int_equal(ask(&a, "printer"), 0);
	world_settle(&w);
	assert_string_equal(script.last_name, "printer.lan.example");
	world_fini(&w);
	conf.search = ""; /* the user wants none */
	start();
	snprintf(w.ns->domain, sizeof(w.ns->domain), "lan.example");
	assert_int_equal(ask(&a, "printer"), 0);
	world_settle(&w);
	assert_string_equal(script.last_name, "printer");
	world_fini(&w);
}

/* --- servers -------------------------------------------------------------------------------------------- */

static void nobody_answers(void **state)
{
	struct asker a;
	uint64_t begin;

	(void)state;
	setup();
	script.s1_mute = script.s2_mute = true;
	begin = world_ms;
	assert_int_equal(ask(&a, "www.example"), 0);
	world_run(&w, RESOLVE_MS - 1);
	assert_int_equal(a.done, 0);
	assert_int_equal(script.s1_asked, 2);
	assert_int_equal(script.s2_asked, 2);
	assert_int_equal(script.asked_at[1] - begin, 1000);
	assert_int_equal(script.asked_at[2] - begin, 2000);
	assert_int_equal(script.asked_at[3] - begin, 3500);
	world_run(&w, 1);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.err, VE_RESOLVE);
	world_fini(&w);
}

static void the_first_server_is_dead(void **state)
{
	struct asker a;

	(void)state;
	setup();
	script.s1_mute = true;
	assert_int_equal(ask(&a, "www.example"), 0);
	world_run(&w, 999);
	assert_int_equal(a.done, 0);
	world_run(&w, 1);
	expect(&a, "192.0.2.80");
	world_fini(&w);
}

static void servers_that_fail(void **state)
{
	struct asker a;

	(void)state;
	setup();
	script.s1_fails = 2; /* SERVFAIL: the next one, at once */
	assert_int_equal(ask(&a, "www.example"), 0);
	world_settle(&w);
	expect(&a, "192.0.2.80");
	script.s2_fails = 5; /* REFUSED */
	assert_int_equal(ask(&a, "www2.example"), 0);
	world_settle(&w);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.err, VE_RESOLVE);
	/* one fails, the other is slow: wait for it */
	script.s2_fails = 0;
	script.s2_mute = true;
	assert_int_equal(ask(&a, "www3.example"), 0);
	world_run(&w, 1500);
	assert_int_equal(a.done, 0);
	script.s2_mute = false;
	world_run(&w, 1000);
	expect(&a, "192.0.2.80");
	world_fini(&w);
}

static void no_server(void **state)
{
	struct asker a;

	(void)state;
	setup();
	world_down(&w);
	memset(w.facts.dns, 0, sizeof(w.facts.dns));
	world_start(&w);
	assert_int_equal(ask(&a, "www.example"), VE_RESOLVE);
	world_fini(&w);
}

static void answers_that_lie(void **state)
{
	struct asker a;

	(void)state;
	for (unsigned lie = WRONG_ID; lie < LIES; lie++) {
		setup();
		script.lie = lie;
		assert_int_equal(ask(&a, "www.example"), 0);
		world_run(&w, 100);
		if (lie == CLASS)
			assert_int_equal(a.err, VE_RESOLVE); /* an answer, but no address in it */
		else
			assert_int_equal(a.done, 0);
		script.lie = TRUTH;
		world_run(&w, 1000);
		if (lie != CLASS)
			expect(&a, "192.0.2.80");
		world_fini(&w);
	}
}

/* Truncations, changed bytes, pointers in circles: whatever happens, it ends, and with nothing that was not
 * there. */
static void damaged_answers(void **state)
{
	static const struct record records[] = { { NULL, CNAME, "b.example", 100 }, { "b.example", A, "192.0.2.3", 200 } };
	static const uint8_t question[] = "\3www\7example\0\0\1\0\1";
	uint8_t b[512];
	size_t n;

	(void)state;
	setup();
	script.s1_mute = script.s2_mute = true;
	memcpy(script.a, records, sizeof(records));
	script.last_type = A;
	n = make_answer(b, sizeof(b), (struct slice){ .p = question, .n = sizeof(question) - 1 }, 0);
	for (size_t i = 0; i <= n + 12; i++) {
		struct packet p = { .from = S1, .to = w.facts.ip4, .proto = PROTO_UDP, .from_port = 53 };
		struct asker a;
		uint8_t c[512];

		memcpy(c, b, n);
		assert_int_equal(ask(&a, "www.example"), 0);
		world_settle(&w);
		p.to_port = script.last_port;
		store_be16(c, script.last_id);
		p.payload = (struct slice){ .p = c, .n = i < n ? i : n };
		if (i >= n)
			store_be16(c + sizeof(question) - 1 + 12 + (i - n), 0xc000 | (uint16_t)(sizeof(question) - 1 + 12));
		world_send(&w, p);
		world_settle(&w);
		if (a.done && a.err == 0)
			expect(&a, "192.0.2.3");
		resolve_cancel(&a.waiter);
		world_run(&w, RESOLVE_MS + 1);
		resolve_forget(w.ns);
	}
	for (size_t i = 0; i < n * 8; i++) {
		struct packet p = { .from = S1, .to = w.facts.ip4, .proto = PROTO_UDP, .from_port = 53 };
		struct asker a;
		uint8_t c[512];

		memcpy(c, b, n);
		assert_int_equal(ask(&a, "www.example"), 0);
		world_settle(&w);
		p.to_port = script.last_port;
		store_be16(c, script.last_id);
		c[i / 8] ^= (uint8_t)(1u << i % 8);
		p.payload = (struct slice){ .p = c, .n = n };
		world_send(&w, p);
		world_settle(&w);
		resolve_cancel(&a.waiter);
		world_run(&w, RESOLVE_MS + 1);
		resolve_forget(w.ns);
	}
	world_fini(&w);
}

/* A name made of pointers to pointers, as long as they may be and one longer; and one that is too long when
 * unpacked. */
static void pointer_chains(void **state)
{
	(void)state;
	setup();
	script.s1_mute = script.s2_mute = true;
	for (unsigned jumps = 1; jumps <= 80; jumps++) {
		struct packet p = { .from = S1, .to = w.facts.ip4, .proto = PROTO_UDP, .from_port = 53 };
		struct asker a;
		uint8_t b[600];
		struct wr o = wr_init(b, sizeof(b));
		size_t chain;

		assert_int_equal(ask(&a, "www.example"), 0);
		world_settle(&w);
		wr_u16(&o, script.last_id);
		wr_u16(&o, 0x8180);
		wr_u16(&o, 1);
		wr_u16(&o, 2);
		wr_u32(&o, 0);
		wr_name(&o, "www.example");
		wr_u32(&o, 0x00010001);
		wr_u8(&o, 0); /* a record at the root, whose data is the chain */
		wr_u16(&o, 99);
		wr_u16(&o, 1);
		wr_u32(&o, 1);
		wr_u16(&o, (uint16_t)(2 * (jumps - 1)));
		chain = o.n;
		for (unsigned i = 1; i < jumps; i++)
			wr_u16(&o, i == 1 ? 0xc00c : (uint16_t)(0xc000 | (chain + 2 * (i - 2))));
		wr_u16(&o, jumps == 1 ? 0xc00c : (uint16_t)(0xc000 | (chain + 2 * (jumps - 2))));
		wr_u32(&o, 0x00010001);
		wr_u32(&o, 0);
		wr_u16(&o, 4);
		wr_u32(&o, 0xc0000203);
		assert_true(wr_ok(&o));
		p.payload = (struct slice){ .p = b, .n = o.n };
		p.to_port = script.last_port;
		world_send(&w, p);
		world_settle(&w);
		assert_int_equal(a.done, jumps <= 64);
		world_run(&w, RESOLVE_MS); /* the question for IPv6 is never answered here */
		assert_int_equal(a.done, 1);
		assert_int_equal(a.err, jumps <= 64 ? 0 : VE_RESOLVE);
	}
	world_fini(&w);
}

/* --- names ---------------------------------------------------------------------------------------------- */

static void names_that_dns_cannot_carry(void **state)
{
	char longest[256], label[80];
	struct asker a;

	(void)state;
	setup();
	assert_int_equal(ask(&a, ""), VE_RESOLVE);
	assert_int_equal(ask(&a, "."), VE_RESOLVE);
	assert_int_equal(ask(&a, ".a"), VE_RESOLVE);
	assert_int_equal(ask(&a, "a..b"), VE_RESOLVE);
	assert_int_equal(ask(&a, "a.."), VE_RESOLVE);
	memset(label, 'x', 64);
	label[63] = '\0';
	assert_int_equal(ask(&a, label), 0);
	resolve_cancel(&a.waiter);
	label[63] = 'x';
	label[64] = '\0';
	assert_int_equal(ask(&a, label), VE_RESOLVE);
	for (size_t i = 0; i < 255; i++)
		longest[i] = i % 50 == 49 ? '.' : 'y';
	longest[253] = '\0';
	assert_int_equal(ask(&a, longest), 0);
	world_settle(&w);
	expect(&a, "192.0.2.80");
	assert_string_equal(script.last_name, longest);
	longest[253] = 'y';
	longest[254] = '\0';
	assert_int_equal(ask(&a, longest), VE_RESOLVE);
	assert_int_equal(ask(&a, "trailing.dot."), 0);
	world_settle(&w);
	expect(&a, "192.0.2.80");
	assert_string_equal(script.last_name, "trailing.dot");
	world_fini(&w);
}

/* --- those who ask -------------------------------------------------------------------------------------- */

static void one_question_for_all(void **state)
{
	struct asker a, b, c;

	(void)state;
	setup();
	script.s1_mute = true;
	assert_int_equal(ask(&a, "www.example"), 0);
	assert_int_equal(ask(&b, "WWW.EXAMPLE."), 0);
	assert_int_equal(ask(&c, "www.example"), 0);
	world_settle(&w);
	assert_int_equal(script.asked, 1);
	resolve_cancel(&b.waiter);
	resolve_cancel(&b.waiter);
	world_run(&w, 2000);
	expect(&a, "192.0.2.80");
	assert_int_equal(b.done, 0);
	expect(&c, "192.0.2.80");
	resolve_cancel(&a.waiter); /* too late is fine */
	world_fini(&w);
}

static void all_have_left(void **state)
{
	struct asker a;
	struct ip_set found;

	(void)state;
	setup();
	assert_int_equal(ask(&a, "www.example"), 0);
	resolve_cancel(&a.waiter);
	world_settle(&w);
	assert_int_equal(a.done, 0);
	assert_true(resolve_cached(w.ns, "www.example", &found));
	world_fini(&w);
}

static void limits(void **state)
{
	static struct asker many[RESOLVE_QUERIES_MAX], one_more;
	char name[32];

	(void)state;
	setup();
	for (size_t i = 0; i < RESOLVE_QUERIES_MAX; i++) {
		snprintf(name, sizeof(name), "host%zu.example", i);
		assert_int_equal(ask(&many[i], name), 0);
	}
	assert_int_equal(ask(&one_more, "other.example"), VE_LIMIT);
	world_settle(&w);
	for (size_t i = 0; i < RESOLVE_QUERIES_MAX; i++)
		expect(&many[i], "192.0.2.80");
	assert_int_equal(ask(&one_more, "other.example"), 0); /* the cache has replaced its oldest */
	world_settle(&w);
	expect(&one_more, "192.0.2.80");
	world_fini(&w);
}

static void reopen(struct client *c, const char *name)
{
	memset(c, 0, sizeof(*c));
	assert_int_equal(client_open(c, &w, dest_host(name, 80)), 0);
}

static void hang_up(struct client *c)
{
	flow_free(c->f);
	flow_flush(w.ns);
	world_settle(&w);
	w.peer[0].state = PEER_LISTEN;
}

/* A flow to a name: asks, remembers, and asks again when the network has changed. */
static void flows_to_names(void **state)
{
	struct client c, d;

	(void)state;
	setup();
	world_peer(&w, packet_ip4(192, 0, 2, 80), 80);
	for (int i = 0; i < 2; i++) {
		reopen(&c, "www.example");
		world_settle(&w);
		assert_int_equal(c.opened, 1);
		assert_int_equal(script.asked, 1);
		hang_up(&c);
	}
	world_down(&w);
	w.facts.ip4.b[3]++;
	world_start(&w);
	reopen(&c, "www.example");
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	assert_int_equal(script.asked, 2);
	hang_up(&c);
	/* a name that is none, and one whose server is silent: a bounded wait, and a cancel in the middle of
	 * it */
	reopen(&c, "no..such");
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_RESOLVE);
	hang_up(&c);
	script.s1_mute = script.s2_mute = true;
	reopen(&c, "silent.example");
	reopen(&d, "silent.example");
	world_run(&w, 2000);
	hang_up(&d);
	world_run(&w, 3000);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_RESOLVE);
	hang_up(&c);
	world_fini(&w);
}

/* --- flows to names with several addresses (flow_race.c) ------------------------------------------------- */

static const struct ip IPS[] = { { IP_V4, { 192, 0, 2, 80 } }, { IP_V4, { 192, 0, 2, 81 } }, { IP_V4, { 192, 0, 2, 82 } } };

/* A name with three addresses; @listeners of them, by bits, have somebody who listens. */
static void start_race(struct client *c, unsigned listeners)
{
	static char text[3][IP_TEXT_MAX];

	setup();
	for (unsigned i = 0; i < 3; i++) {
		script.a[i] = (struct record){ .type = A, .data = ip_text(&IPS[i], text[i]), .ttl = 300 };
		if (listeners & 1u << i)
			world_peer(&w, IPS[i], 80)->read_at_once = true;
	}
	reopen(c, "many.example");
}

static void expect_open_at(struct client *c, unsigned i)
{
	struct ip local, remote;
	uint16_t port;

	assert_int_equal(c->opened, 1);
	assert_int_equal(c->closed, 0);
	flow_addresses(c->f, &local, &port, &remote);
	assert_true(ip_equal(&remote, &IPS[i]));
	assert_true(ip_equal(&local, &w.facts.ip4));
}

static void the_first_address_is_good(void **state)
{
	struct client c;
	struct netstack_stats stats;

	(void)state;
	start_race(&c, 7);
	world_settle(&w);
	expect_open_at(&c, 0);
	netstack_get_stats(w.ns, &stats);
	assert_int_equal(stats.flows, 1); /* nothing is left of the race */
	assert_int_equal(w.peer[1].state, PEER_LISTEN);
	flow_free(c.f);
	world_fini(&w);
}

static void the_first_addresses_are_silent(void **state)
{
	struct client c;

	(void)state;
	start_race(&c, 6);
	world_run(&w, 249);
	assert_int_equal(c.opened, 0);
	world_run(&w, 1);
	world_settle(&w);
	expect_open_at(&c, 1);
	flow_free(c.f);
	world_fini(&w);
	start_race(&c, 4);
	world_run(&w, 250 + 1999);
	assert_int_equal(c.opened, 0);
	world_run(&w, 2);
	world_settle(&w);
	expect_open_at(&c, 2);
	flow_free(c.f);
	world_fini(&w);
}

static void an_address_that_refuses_costs_no_time(void **state)
{
	struct client c;
	struct packet syn, no;

	(void)state;
	start_race(&c, 6);
	world_settle(&w);
	syn = w.last_tcp;
	assert_true(ip_equal(&syn.to, &IPS[0]));
	no = (struct packet){ .from = syn.to, .to = syn.from, .proto = PROTO_TCP, .from_port = syn.to_port,
			      .to_port = syn.from_port, .flags = RST | ACK, .ack = syn.seq + 1, .scale = -1 };
	world_send(&w, no);
	world_settle(&w);
	expect_open_at(&c, 1);
	flow_free(c.f);
	world_fini(&w);
}

static void all_addresses_are_silent(void **state)
{
	struct client c;

	(void)state;
	start_race(&c, 0);
	world_run(&w, FLOW_CONNECT_MS + 100);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_TIMEOUT);
	flow_free(c.f);
	world_fini(&w);
}

/* Bytes that the target sent before anybody asked, and an end of ours that was wanted before there was a connection. */
static void what_the_winner_has_is_kept(void **state)
{
	struct client c;
	struct slice v;

	(void)state;
	start_race(&c, 2);
	flow_shutdown(c.f);
	world_run(&w, 250);
	tcp_peer_send(&w.peer[0], "220 hello", 9, world_ms);
	world_settle(&w);
	expect_open_at(&c, 1);
	assert_int_equal(flow_peek(c.f, &v, 1), 1);
	assert_int_equal(v.n, 9);
	assert_memory_equal(v.p, "220 hello", 9);
	assert_true(w.peer[0].got_fin);
	flow_free(c.f);
	world_fini(&w);
}

static void a_race_that_is_given_up(void **state)
{
	struct client c;

	(void)state;
	start_race(&c, 0);
	world_run(&w, 300); /* two are running */
	flow_free(c.f);
	world_fini(&w);
	start_race(&c, 2);
	world_run(&w, 100);
	world_down(&w); /* and starts again with the link */
	world_run(&w, 5000);
	assert_int_equal(c.closed, 0);
	world_start(&w);
	world_run(&w, 300);
	expect_open_at(&c, 1);
	flow_free(c.f);
	world_fini(&w);
}

static void race_without_memory(void **state)
{
	if (!HEAP_COUNTED)
		skip();
	(void)state;
	heap.spare = sizeof(struct sys_timeo);
	for (unsigned long n = 1; n < 40; n++) {
		struct client c;

		start_race(&c, 6);
		heap.asked = 0;
		heap.fail_at = n;
		world_run(&w, 1000);
		heap.fail_at = 0;
		world_run(&w, FLOW_CONNECT_MS);
		assert_int_equal(c.opened + c.closed, 1);
		flow_free(c.f);
		world_fini(&w);
	}
}

/* --- names for others (lookup.c) ------------------------------------------------------------------------ */

struct looker {
	unsigned done, n;
	int err;
	struct ip first;
	struct lookup *l;
};

static void on_found(void *ctx, int err, const struct ip *ips, unsigned n)
{
	struct looker *k = ctx;

	assert_int_equal(k->done++, 0);
	assert_true((err == 0) == (n > 0));
	k->err = err;
	k->n = n;
	if (n > 0)
		k->first = ips[0];
	lookup_free(k->l);
	k->l = NULL;
}

static void look_up(struct looker *k, const char *name)
{
	*k = (struct looker){ 0 };
	assert_int_equal(lookup_new(&k->l, w.ns, name, on_found, k), 0);
	assert_int_equal(k->done, 0); /* never from inside */
}

static void lookups(void **state)
{
	struct looker k, gone;

	(void)state;
	setup();
	for (int i = 0; i < 2; i++) { /* the second time out of the cache */
		look_up(&k, "www.example");
		world_settle(&w);
		assert_int_equal(k.done, 1);
		assert_int_equal(k.n, 1);
		assert_true(ip_equal(&k.first, &IPS[0]));
		assert_int_equal(script.asked, 1);
	}
	look_up(&k, "10.1.2.3");
	world_run(&w, 10);
	assert_int_equal(k.n, 1);
	look_up(&k, "2001:db8::1");
	world_run(&w, 10);
	assert_int_equal(k.err, VE_NETUNREACH);
	look_up(&k, "no..name");
	world_run(&w, 10);
	assert_int_equal(k.err, VE_RESOLVE);
	look_up(&k, "other.example");
	look_up(&gone, "www.example");
	lookup_free(gone.l);
	lookup_free(k.l);
	world_settle(&w);
	assert_int_equal(k.done + gone.done, 0);
	world_down(&w);
	look_up(&k, "www.example");
	world_run(&w, 10);
	assert_int_equal(k.err, VE_DOWN);
	world_fini(&w);
}

static void without_memory(void **state)
{
	if (!HEAP_COUNTED)
		skip();
	(void)state;
	heap.spare = sizeof(struct sys_timeo);
	for (unsigned long n = 1; n < 20; n++) {
		struct asker a;
		int r;

		setup();
		heap.asked = 0;
		heap.fail_at = n;
		r = ask(&a, "www.example");
		assert_true(r == 0 || r == VE_NOMEM);
		world_run(&w, 4500);
		heap.fail_at = 0;
		if (r == 0)
			expect(&a, "192.0.2.80"); /* one packet that cannot be made is one that is lost */
		world_fini(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name),
		cmocka_unit_test(ids_and_ports_are_random),
		cmocka_unit_test(aliases),
		cmocka_unit_test(no_such_name),
		cmocka_unit_test(a_name_without_address),
		cmocka_unit_test(both_families),
		cmocka_unit_test(the_slower_family),
		cmocka_unit_test(more_addresses_than_anybody_tries),
		cmocka_unit_test(a_truncated_answer),
		cmocka_unit_test(tcp_that_fails),
		cmocka_unit_test(without_tcp_the_next_server_is_asked),
		cmocka_unit_test(the_search_domain),
		cmocka_unit_test(the_domain_that_dhcp_names),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(the_first_server_is_dead),
		cmocka_unit_test(servers_that_fail),
		cmocka_unit_test(no_server),
		cmocka_unit_test(answers_that_lie),
		cmocka_unit_test(damaged_answers),
		cmocka_unit_test(pointer_chains),
		cmocka_unit_test(names_that_dns_cannot_carry),
		cmocka_unit_test(one_question_for_all),
		cmocka_unit_test(all_have_left),
		cmocka_unit_test(limits),
		cmocka_unit_test(flows_to_names),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(the_first_address_is_good),
		cmocka_unit_test(the_first_addresses_are_silent),
		cmocka_unit_test(an_address_that_refuses_costs_no_time),
		cmocka_unit_test(all_addresses_are_silent),
		cmocka_unit_test(what_the_winner_has_is_kept),
		cmocka_unit_test(a_race_that_is_given_up),
		cmocka_unit_test(race_without_memory),
		cmocka_unit_test(lookups),
	};

	return cmocka_run_group_tests(tests, world_warm_up, NULL);
}

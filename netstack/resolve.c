/* SPDX-License-Identifier: GPL-3.0-or-later */
/* resolve.c - a small DNS client (RFC 1034, 1035) over lwIP's UDP.
 *
 * lwIP's own client is not used: it asks a second server only after seven seconds of silence of the first,
 * cannot be canceled, and compares names of answers past the end of its own copy. Its table of servers is;
 * DHCP and router advertisements fill it, see netstack.c.
 *
 * Theory of operation
 *
 * One query for each distinct name, however many wait for it: nobody gets a second chance to guess its id
 * (RFC 5452). A query has a random id and a random port. It is sent to the first server, then, as long as no
 * answer comes, to the next ones in turn, at the times of attempt_ms[]; the answer of any server asked so far
 * counts. "No such name" ends it, so does a name without addresses once the families we can use have been
 * asked for; a server that fails or refuses makes us go on with the next one at once. After RESOLVE_MS those
 * who still wait are told to give up.
 *
 * An answer must come from a server we asked, repeat id and question, and lead from the name through its
 * aliases to an address. An answer that was cut short (TC) is used as far as it goes; there is no TCP here.
 *
 * Names with an IPv4 address are IPv4 to us; IPv6 is asked for when there is none and the link has IPv6. */
#include "netstack/resolve.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/rd.h"
#include "core/wr.h"
#include "lwip_hooks.h"
#include "netstack/netstack_int.h"

#include "lwip/udp.h"

#define DNS_PORT 53u
#define TYPE_A 1u
#define TYPE_CNAME 5u
#define TYPE_AAAA 28u
#define CLASS_IN 1u
#define FLAG_RESPONSE 0x8000u
#define OPCODE_MASK 0x7800u
#define FLAG_RECURSE 0x0100u
#define RCODE_MASK 0x000fu
#define RCODE_OK 0u
#define RCODE_NO_NAME 3u

#define LABEL_MAX 63u
#define NAME_WIRE_MAX 255u /* RFC 1035 2.3.4 */
#define POINTERS_MAX 64u   /* jumps in one compressed name; more than there can be labels is a loop */
#define ALIASES_MAX 16u    /* CNAMEs from the name to its address */
#define RECORDS_MAX 128u   /* of one answer that are looked at */
#define PORT_TRIES 16u

/* When to ask again, and whom: the servers in turn. A dead first server costs a second. */
static const uint32_t attempt_ms[] = { 0, 1000, 2000, 3500 };

/* A name as DNS writes it, length bytes and labels, in lower case. */
struct wire_name {
	uint8_t b[NAME_WIRE_MAX];
	size_t n;
};

struct query {
	struct netstack *ns;
	struct node node;    /* of resolver.queries */
	struct node waiters;
	char name[HOST_MAX + 1];
	struct wire_name wire;
	uint16_t type;
	uint16_t id;
	struct udp_pcb *pcb;
	uint64_t start;
	uint64_t type_start;   /* when asking for this type began */
	unsigned attempts;     /* of this type so far */
	struct ip servers[DNS_SERVERS_MAX];
	unsigned nservers;
	unsigned asked;        /* for this type; bit i: servers[i] */
	unsigned failed;       /* of these: said that they cannot help */
	unsigned turn;         /* whose turn it is */
};

enum verdict { SAYS_NOTHING, SAYS_ADDRESS, SAYS_NO_ADDRESS, SAYS_NO_NAME, SAYS_CANNOT };

/* --- names ---------------------------------------------------------------------------------------------- */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Dotted text to labels; a dot at the end is fine. Returns 0 or VE_RESOLVE. */
static int name_from_text(struct wire_name *ret, const char *text)
{
	struct wire_name w = { .n = 0 };

	while (*text != '\0') {
		size_t len = strcspn(text, ".");

		if (len == 0 || len > LABEL_MAX || w.n + 1 + len + 1 > NAME_WIRE_MAX)
			return VE_RESOLVE;
		w.b[w.n++] = (uint8_t)len;
		for (size_t i = 0; i < len; i++)
			w.b[w.n++] = lower((uint8_t)text[i]);
		text += len;
		if (*text == '.')
			text++;
	}
	if (w.n == 0)
		return VE_RESOLVE;
	w.b[w.n++] = 0;
	*ret = w;
	return 0;
}

static bool name_equal(const struct wire_name *a, const struct wire_name *b)
{
	return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

/* Copy one label. Returns false for the last, empty one and for what is none. */
static bool take_label(struct wire_name *w, struct rd *r, uint8_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	if (!p || len > LABEL_MAX || w->n + 1 + len > NAME_WIRE_MAX) {
		r->bad = true;
		return false;
	}
	w->b[w->n++] = len;
	for (uint8_t i = 0; i < len; i++)
		w->b[w->n++] = lower(p[i]);
	return len != 0;
}

/* Read the name at @r, which is part of @message, following pointers (RFC 1035 4.1.4); @r ends up behind
 * it. */
static void read_name(struct wire_name *ret, struct rd *r, struct slice message)
{
	struct rd at = *r;
	unsigned jumps = 0;

	ret->n = 0;
	for (;;) {
		uint8_t len = rd_u8(&at);

		if (len < 0xc0) {
			if (take_label(ret, &at, len))
				continue;
			break;
		}
		size_t to = (size_t)(len & 0x3f) << 8 | rd_u8(&at);

		if (jumps++ == 0)
			*r = at;
		if (!rd_ok(&at) || to >= message.n || jumps > POINTERS_MAX) {
			at.bad = true;
			break;
		}
		at = rd_init(message.p, message.n);
		rd_skip(&at, to);
	}
	if (jumps == 0)
		*r = at;
	r->bad = r->bad || at.bad;
}

/* --- cache ---------------------------------------------------------------------------------------------- */

static void cache_put(struct netstack *ns, const char name[static HOST_MAX + 1], const struct ip *ip, uint32_t ttl_s)
{
	struct resolver *r = &ns->resolver;
	struct cached_name *c = &r->cache[0];

	if (ttl_s == 0)
		return;
	for (size_t i = 1; i < RESOLVE_CACHE_MAX; i++)
		if (r->cache[i].expires < c->expires)
			c = &r->cache[i];
	memcpy(c->name, name, sizeof(c->name));
	c->ip = *ip;
	c->expires = netstack_now() + 1000u * (uint64_t)(ttl_s < RESOLVE_TTL_MAX_S ? ttl_s : RESOLVE_TTL_MAX_S);
}

/* In the form that serves as a key: lower case, no dot at the end. */
static void normal_name(char ret[static HOST_MAX + 1], const char *name)
{
	size_t n = strnlen(name, HOST_MAX);

	for (size_t i = 0; i < n; i++)
		ret[i] = (char)lower((uint8_t)name[i]);
	if (n > 0 && ret[n - 1] == '.')
		n--;
	ret[n] = '\0';
}

bool resolve_cached(struct netstack *ns, const char *name, struct ip *ret)
{
	uint64_t now = netstack_now();
	char key[HOST_MAX + 1];

	normal_name(key, name);
	for (size_t i = 0; i < RESOLVE_CACHE_MAX; i++) {
		const struct cached_name *c = &ns->resolver.cache[i];

		if (c->expires <= now || strcmp(c->name, key) != 0)
			continue;
		if (c->ip.family == IP_V6 && !netstack_has_ip6(ns))
			continue;
		*ret = c->ip;
		return true;
	}
	return false;
}

void resolve_forget(struct netstack *ns)
{
	memset(ns->resolver.cache, 0, sizeof(ns->resolver.cache));
}

/* --- queries -------------------------------------------------------------------------------------------- */

static void free_query(struct query *q)
{
	while (!list_empty(&q->waiters))
		list_del(q->waiters.next);
	list_del(&q->node);
	q->ns->resolver.nqueries--;
	if (q->pcb)
		udp_remove(q->pcb);
	free(q);
}

/* Tell everybody who waits. They record it, so none of them can free others in the meantime. */
static void finish(struct query *q, int err, const struct ip *ip)
{
	while (!list_empty(&q->waiters)) {
		struct waiter *w = list_entry(q->waiters.next, struct waiter, node);

		list_del(&w->node);
		w->done(w->ctx, err, ip);
	}
	free_query(q);
}

static void send_to(struct query *q, const struct ip *server)
{
	ip_addr_t to;
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)(12 + q->wire.n + 4), PBUF_RAM);
	struct wr w;

	if (!p)
		return; /* as good as a lost datagram */
	w = wr_init(p->payload, p->len);
	wr_u16(&w, q->id);
	wr_u16(&w, FLAG_RECURSE);
	wr_u16(&w, 1); /* one question, no records */
	wr_u16(&w, 0);
	wr_u32(&w, 0);
	wr_bytes(&w, q->wire.b, q->wire.n);
	wr_u16(&w, q->type);
	wr_u16(&w, CLASS_IN);
	assert(wr_ok(&w));
	ip_to_lwip(&to, server);
	udp_sendto(q->pcb, p, &to, DNS_PORT);
	pbuf_free(p);
}

/* The next attempt, now, with the next server that has not failed. */
static void attempt(struct query *q)
{
	q->attempts++;
	for (unsigned n = 0; n < q->nservers; n++) {
		unsigned i = q->turn++ % q->nservers;

		if (q->failed & 1u << i)
			continue;
		q->asked |= 1u << i;
		send_to(q, &q->servers[i]);
		return;
	}
}

static void ask_for(struct query *q, uint16_t type)
{
	q->type = type;
	q->id = (uint16_t)netstack_random();
	q->type_start = netstack_now();
	q->attempts = q->asked = q->failed = q->turn = 0;
	attempt(q);
}

static uint64_t query_deadline(const struct query *q)
{
	uint64_t end = q->start + RESOLVE_MS;
	uint64_t again = q->attempts < ARRAY_LEN(attempt_ms) ? q->type_start + attempt_ms[q->attempts] : end;

	return again < end ? again : end;
}

/* A server that cannot help: on with one that was not asked yet; otherwise the others may still answer. */
static void on_server_failed(struct query *q, unsigned server)
{
	unsigned all = (1u << q->nservers) - 1;

	q->failed |= 1u << server;
	if (q->failed == all)
		finish(q, VE_RESOLVE, NULL);
	else if (q->asked != all)
		attempt(q);
}

/* --- answers -------------------------------------------------------------------------------------------- */

/* Which of the servers that were asked it comes from; nservers: none. */
static unsigned find_server(const struct query *q, const ip_addr_t *from, u16_t port)
{
	struct ip ip = ip_from_lwip(from);
	unsigned i = 0;

	while (i < q->nservers && (port != DNS_PORT || !(q->asked & 1u << i) || !ip_equal(&ip, &q->servers[i])))
		i++;
	return i;
}

/* One record behind @r. If it belongs to @name: an alias moves @name on, an address is the answer. */
static bool read_record(const struct query *q, struct rd *r, struct slice message, struct wire_name *name,
			struct ip *ip, uint32_t *ttl)
{
	struct wire_name owner;
	uint16_t type, cls;
	uint32_t t;
	struct rd data;
	bool moved = false;

	read_name(&owner, r, message);
	type = rd_u16(r);
	cls = rd_u16(r);
	t = rd_u32(r);
	data = rd_sub(r, rd_u16(r));
	if (!rd_ok(r) || cls != CLASS_IN || !name_equal(&owner, name))
		return false;
	if (type == TYPE_CNAME) {
		read_name(name, &data, message);
		moved = rd_ok(&data);
		r->bad = !moved;
	} else if (type == q->type && rd_left(&data) == (type == TYPE_A ? 4u : 16u)) {
		ip->family = type == TYPE_A ? IP_V4 : IP_V6;
		rd_copy(&data, ip->b, rd_left(&data));
		moved = true;
	}
	if (moved && t < *ttl)
		*ttl = t;
	return moved;
}

/* Servers send aliases in order, but nothing says they must: start over after each one that led on. */
static bool find_address(const struct query *q, struct rd records, unsigned count, struct slice message, struct ip *ip,
			 uint32_t *ttl)
{
	struct wire_name name = q->wire;

	*ttl = UINT32_MAX;
	for (unsigned alias = 0; alias <= ALIASES_MAX; alias++) {
		struct rd r = records;
		bool moved = false;

		for (unsigned i = 0; i < count && i < RECORDS_MAX && rd_ok(&r) && !moved; i++)
			moved = read_record(q, &r, message, &name, ip, ttl);
		if (ip->family != IP_NONE)
			return true;
		if (!moved)
			return false;
	}
	return false;
}

static enum verdict judge(const struct query *q, struct slice message, struct ip *ip, uint32_t *ttl)
{
	struct rd r = rd_init(message.p, message.n);
	struct wire_name name;
	uint16_t id = rd_u16(&r), flags = rd_u16(&r), questions = rd_u16(&r), answers = rd_u16(&r);
	uint16_t type, cls;

	rd_skip(&r, 4);
	if (!rd_ok(&r) || id != q->id || !(flags & FLAG_RESPONSE) || (flags & OPCODE_MASK) || questions != 1)
		return SAYS_NOTHING;
	read_name(&name, &r, message);
	type = rd_u16(&r);
	cls = rd_u16(&r);
	if (!rd_ok(&r) || type != q->type || cls != CLASS_IN || !name_equal(&name, &q->wire))
		return SAYS_NOTHING;
	switch (flags & RCODE_MASK) {
	case RCODE_OK:
		return find_address(q, r, answers, message, ip, ttl) ? SAYS_ADDRESS : SAYS_NO_ADDRESS;
	case RCODE_NO_NAME:
		return SAYS_NO_NAME;
	default:
		return SAYS_CANNOT;
	}
}

static void on_answer(struct query *q, unsigned server, struct slice message)
{
	struct ip ip = { 0 };
	uint32_t ttl = 0;

	switch (judge(q, message, &ip, &ttl)) {
	case SAYS_NOTHING:
		return;
	case SAYS_ADDRESS:
		cache_put(q->ns, q->name, &ip, ttl);
		finish(q, 0, &ip);
		return;
	case SAYS_NO_ADDRESS:
		if (q->type == TYPE_A && netstack_has_ip6(q->ns))
			ask_for(q, TYPE_AAAA);
		else
			finish(q, VE_RESOLVE, NULL);
		return;
	case SAYS_NO_NAME:
		finish(q, VE_RESOLVE, NULL);
		return;
	case SAYS_CANNOT:
		on_server_failed(q, server);
		return;
	}
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
	struct query *q = arg;
	uint8_t message[RESOLVE_ANSWER_MAX];
	size_t n = pbuf_copy_partial(p, message, sizeof(message), 0);
	unsigned server = find_server(q, from, port);

	(void)pcb;
	pbuf_free(p);
	if (server < q->nservers)
		on_answer(q, server, (struct slice){ .p = message, .n = n });
}

/* --- life ----------------------------------------------------------------------------------------------- */

static struct udp_pcb *random_port(struct query *q)
{
	struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);
	err_t e = ERR_USE;

	if (!pcb)
		return NULL;
	for (unsigned i = 0; i < PORT_TRIES && e == ERR_USE; i++)
		e = udp_bind(pcb, IP_ANY_TYPE, (u16_t)(LOCAL_PORT_MIN | (netstack_random() & (LOCAL_PORT_MIN - 1))));
	if (e != ERR_OK) {
		udp_remove(pcb);
		return NULL;
	}
	udp_recv(pcb, on_datagram, q);
	return pcb;
}

static struct query *find_query(const struct netstack *ns, const struct wire_name *wire)
{
	for (struct node *n = ns->resolver.queries.next; n != &ns->resolver.queries; n = n->next) {
		struct query *q = list_entry(n, struct query, node);

		if (name_equal(&q->wire, wire))
			return q;
	}
	return NULL;
}

static int new_query(struct netstack *ns, const char *name, const struct wire_name *wire, struct query **ret)
{
	struct query *q;

	if (ns->resolver.nqueries >= RESOLVE_QUERIES_MAX)
		return VE_LIMIT;
	q = calloc(1, sizeof(*q));
	if (!q)
		return VE_NOMEM;
	q->ns = ns;
	list_init(&q->waiters);
	list_init(&q->node);
	normal_name(q->name, name);
	q->wire = *wire;
	q->start = netstack_now();
	q->nservers = netstack_dns(ns, q->servers);
	q->pcb = q->nservers > 0 ? random_port(q) : NULL;
	if (!q->pcb) {
		int r = q->nservers > 0 ? VE_NOMEM : VE_RESOLVE;

		free(q);
		return r;
	}
	list_move_last(&ns->resolver.queries, &q->node);
	ns->resolver.nqueries++;
	*ret = q;
	return 0;
}

int resolve_start(struct netstack *ns, const char *name, struct waiter *w)
{
	struct wire_name wire;
	struct query *q;
	int r = name_from_text(&wire, name);

	if (r != 0)
		return r;
	q = find_query(ns, &wire);
	if (!q) {
		r = new_query(ns, name, &wire, &q);
		if (r != 0)
			return r;
		ask_for(q, TYPE_A);
	}
	list_move_last(&q->waiters, &w->node);
	return 0;
}

void resolve_cancel(struct waiter *w)
{
	list_del(&w->node);
}

void resolver_init(struct resolver *r)
{
	memset(r, 0, sizeof(*r));
	list_init(&r->queries);
}

void resolver_fini(struct netstack *ns)
{
	while (!list_empty(&ns->resolver.queries))
		free_query(list_entry(ns->resolver.queries.next, struct query, node));
}

void resolve_tick(struct netstack *ns, uint64_t now)
{
	struct node *next;

	for (struct node *n = ns->resolver.queries.next; n != &ns->resolver.queries; n = next) {
		struct query *q = list_entry(n, struct query, node);

		next = n->next;
		if (now >= q->start + RESOLVE_MS)
			finish(q, VE_RESOLVE, NULL);
		else if (now >= query_deadline(q))
			attempt(q);
	}
}

uint64_t resolve_deadline(const struct netstack *ns)
{
	uint64_t at = UINT64_MAX;

	for (struct node *n = ns->resolver.queries.next; n != &ns->resolver.queries; n = n->next) {
		uint64_t d = query_deadline(list_entry(n, struct query, node));

		at = d < at ? d : at;
	}
	return at;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* resolve.c - a small DNS client over our own UDP and TCP.
 *
 * lwIP's own client is not used: it asks a second server only after seven seconds of silence of the first,
 * cannot be canceled, and compares names of answers past the end of its own copy. Its table of servers is;
 * DHCP and router advertisements fill it, see netstack.c. A library (c-ares) was weighed as well: it brings its
 * own clock and would need sockets to be faked for it; here, time is an argument as everywhere else.
 *
 * Theory of operation
 *
 * One query for each distinct name, however many wait for it: nobody gets a second chance to guess its ids
 * (RFC 5452). It goes through the names that can be meant, the one in the search domain first if there is no
 * dot in it, until one has an address. For each it asks one question for IPv4 and one for IPv6.
 *
 * A question has a random id; the query has a random port. It is sent to the first server, then, as long as
 * no answer comes, to the next ones in turn, at the times of attempt_ms[]; the answer of any server asked so
 * far counts. A server that fails or refuses makes us go on with the next one at once. An answer that was
 * truncated until nothing was left of it is asked for again over TCP, from the same server, while the others
 * are asked as before.
 *
 * With one answer in hand, the other question gets GRACE_MS more (RFC 8305 3): nobody waits for the slower
 * family. "No such name" holds for both. Without an address of a family that we have, IPv6 is asked for once
 * even if we do not have that, so that the user hears the right reason. After RESOLVE_MS those who still wait
 * are told to give up. */
#include "netstack/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/err.h"
#include "lwip_hooks.h"
#include "netstack/dns.h"
#include "netstack/flow.h"
#include "netstack/netstack_int.h"

#include "lwip/udp.h"

#define GRACE_MS 50u
#define PORT_TRIES 16u

/* When to ask again, and whom: the servers in turn. A dead first server costs a second. */
static const uint32_t attempt_ms[] = { 0, 1000, 2000, 3500 };

enum asking {
	ASK_NOT,    /* this family is not asked for */
	ASK_UNDER_WAY,
	ASK_FOUND,  /* addresses */
	ASK_NOTHING, /* the name has none of this family */
	ASK_FAILED, /* no server could help */
};

struct question {
	struct query *query;
	enum asking state;
	uint16_t type;
	uint16_t id;
	uint64_t start;
	unsigned attempts;
	unsigned asked;  /* bit i: servers[i] */
	unsigned failed; /* of these: said that they cannot help */
	unsigned turn;   /* whose turn it is */
	struct dns_answer answer;

	struct flow *tcp;      /* asking again the server tcp_server */
	unsigned tcp_server;
	uint8_t *tcp_in;       /* of 2 + RESOLVE_TCP_MAX bytes */
	size_t tcp_n;
};

enum { Q_A, Q_AAAA, QUESTIONS };

struct query {
	struct netstack *ns;
	struct node node;    /* of resolver.queries */
	struct node waiters;
	char key[HOST_MAX + 1];
	struct dns_name names[2]; /* what can be meant */
	unsigned nnames, at;      /* and which of them is being asked for */
	struct udp_pcb *pcb;
	uint64_t start;
	uint64_t grace;           /* when to do without the other question, UINT64_MAX: not yet */
	struct ip servers[DNS_SERVERS_MAX];
	unsigned nservers;
	struct question q[QUESTIONS];
};

static void settle(struct query *q);

/* --- cache ---------------------------------------------------------------------------------------------- */

/* In the form that serves as a key: lower case, no dot at the end unless it is the only one, for "host." is not to be
 * looked for in the search domain. */
static void normal_name(char ret[static HOST_MAX + 1], const char *name)
{
	size_t n = strnlen(name, HOST_MAX);

	for (size_t i = 0; i < n; i++)
		ret[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
	ret[n] = '\0';
	if (n > 1 && ret[n - 1] == '.' && ret[n - 2] != '.' && strchr(ret, '.') != ret + n - 1)
		ret[n - 1] = '\0';
}

static void cache_put(struct netstack *ns, const char *key, const struct ip_set *found, uint32_t ttl_s)
{
	struct resolver *r = &ns->resolver;
	struct cached_name *c = &r->cache[0];

	if (ttl_s == 0)
		return;
	for (size_t i = 1; i < RESOLVE_CACHE_MAX; i++)
		if (r->cache[i].expires < c->expires)
			c = &r->cache[i];
	memcpy(c->name, key, sizeof(c->name));
	c->found = *found;
	c->expires = netstack_now() + 1000u * (uint64_t)(ttl_s < RESOLVE_TTL_MAX_S ? ttl_s : RESOLVE_TTL_MAX_S);
}

/* Only what we can reach. */
static void usable(const struct netstack *ns, const struct ip_set *all, struct ip_set *ret)
{
	ret->n = 0;
	for (unsigned i = 0; i < all->n; i++)
		if (all->ips[i].family == IP_V4 ? netstack_has_ip4(ns) : netstack_has_ip6(ns))
			ret->ips[ret->n++] = all->ips[i];
}

bool resolve_cached(struct netstack *ns, const char *name, struct ip_set *ret)
{
	uint64_t now = netstack_now();
	char key[HOST_MAX + 1];

	normal_name(key, name);
	for (size_t i = 0; i < RESOLVE_CACHE_MAX; i++) {
		const struct cached_name *c = &ns->resolver.cache[i];
		struct ip_set found;

		if (c->expires <= now || strcmp(c->name, key) != 0)
			continue;
		usable(ns, &c->found, &found);
		if (found.n == 0)
			continue;
		*ret = found;
		return true;
	}
	return false;
}

void resolve_forget(struct netstack *ns)
{
	memset(ns->resolver.cache, 0, sizeof(ns->resolver.cache));
}

/* --- the end of a query --------------------------------------------------------------------------------- */

static void drop_tcp(struct question *u)
{
	flow_free(u->tcp);
	u->tcp = NULL;
	free(u->tcp_in);
	u->tcp_in = NULL;
}

static void free_query(struct query *q)
{
	while (!list_empty(&q->waiters))
		list_del(q->waiters.next);
	list_del(&q->node);
	q->ns->resolver.nqueries--;
	for (unsigned i = 0; i < QUESTIONS; i++)
		drop_tcp(&q->q[i]);
	if (q->pcb)
		udp_remove(q->pcb);
	free(q);
}

/* Tell everybody who waits. They record it, so none of them can free others in the meantime. */
static void finish(struct query *q, int err, const struct ip_set *found)
{
	while (!list_empty(&q->waiters)) {
		struct waiter *w = list_entry(q->waiters.next, struct waiter, node);

		list_del(&w->node);
		w->done(w->ctx, err, found);
	}
	free_query(q);
}

/* --- asking over UDP ------------------------------------------------------------------------------------ */

static void send_to(struct question *u, const struct ip *server)
{
	struct query *q = u->query;
	uint8_t message[DNS_QUERY_MAX];
	struct wr w = wr_init(message, sizeof(message));
	struct pbuf *p;
	ip_addr_t to;

	dns_query_write(&w, u->id, &q->names[q->at], u->type);
	p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)w.n, PBUF_RAM);
	if (!p)
		return; /* as good as a lost datagram */
	memcpy(p->payload, message, w.n);
	ip_to_lwip(&to, server);
	udp_sendto(q->pcb, p, &to, DNS_PORT);
	pbuf_free(p);
}

/* The next attempt, now, with the next server that has not failed. */
static void attempt(struct question *u)
{
	const struct query *q = u->query;

	u->attempts++;
	for (unsigned n = 0; n < q->nservers; n++) {
		unsigned i = u->turn++ % q->nservers;

		if (u->failed & 1u << i)
			continue;
		u->asked |= 1u << i;
		send_to(u, &q->servers[i]);
		return;
	}
}

static void ask(struct query *q, unsigned which)
{
	struct question *u = &q->q[which];

	drop_tcp(u);
	*u = (struct question){
		.query = q,
		.state = ASK_UNDER_WAY,
		.type = which == Q_A ? DNS_A : DNS_AAAA,
		.id = (uint16_t)netstack_random(),
		.start = netstack_now(),
	};
	attempt(u);
}

static void ask_for_name(struct query *q)
{
	q->grace = UINT64_MAX;
	q->q[Q_A].state = q->q[Q_AAAA].state = ASK_NOT;
	if (netstack_has_ip4(q->ns) || !netstack_has_ip6(q->ns))
		ask(q, Q_A);
	if (netstack_has_ip6(q->ns))
		ask(q, Q_AAAA);
}

/* A server that cannot help: on with one that was not asked yet; otherwise the others may still answer. */
static void on_server_failed(struct question *u, unsigned server)
{
	unsigned all = (1u << u->query->nservers) - 1;

	u->failed |= 1u << server;
	if (u->failed == all) {
		u->state = ASK_FAILED;
		settle(u->query);
	} else if (u->asked != all) {
		attempt(u);
	}
}

/* --- what the answers amount to ------------------------------------------------------------------------- */

/* IPv6 and IPv4 in turn, RFC 8305 4. */
static void collect(const struct query *q, struct ip_set *ret, uint32_t *ttl_s)
{
	const struct dns_answer *six = q->q[Q_AAAA].state == ASK_FOUND ? &q->q[Q_AAAA].answer : NULL;
	const struct dns_answer *four = q->q[Q_A].state == ASK_FOUND ? &q->q[Q_A].answer : NULL;

	ret->n = 0;
	for (unsigned i = 0; i < RESOLVE_IPS_MAX; i++) {
		if (six && i < six->n && ret->n < RESOLVE_IPS_MAX)
			ret->ips[ret->n++] = six->ips[i];
		if (four && i < four->n && ret->n < RESOLVE_IPS_MAX)
			ret->ips[ret->n++] = four->ips[i];
	}
	*ttl_s = six ? six->ttl_s : UINT32_MAX;
	if (four && four->ttl_s < *ttl_s)
		*ttl_s = four->ttl_s;
}

/* Both questions are through, or enough time is: tell, or try what else the name can mean. */
static void conclude(struct query *q)
{
	struct ip_set all, found;
	uint32_t ttl_s;

	collect(q, &all, &ttl_s);
	usable(q->ns, &all, &found);
	if (found.n > 0) {
		cache_put(q->ns, q->key, &all, ttl_s);
		finish(q, 0, &found);
	} else if (all.n > 0) {
		finish(q, VE_NETUNREACH, NULL);
	} else if (++q->at < q->nnames) {
		ask_for_name(q);
	} else {
		finish(q, VE_RESOLVE, NULL);
	}
}

/* A question has come to an end. */
static void settle(struct query *q)
{
	struct question *four = &q->q[Q_A], *six = &q->q[Q_AAAA];

	if (four->state == ASK_UNDER_WAY || six->state == ASK_UNDER_WAY) {
		if (four->state == ASK_FOUND || six->state == ASK_FOUND)
			q->grace = netstack_now() + GRACE_MS;
	} else if (four->state == ASK_NOTHING && six->state == ASK_NOT) {
		ask(q, Q_AAAA); /* not for its addresses: to know why there is none */
	} else if (six->state == ASK_NOTHING && four->state == ASK_NOT) {
		ask(q, Q_A);
	} else {
		conclude(q);
	}
}

static void no_such_name(struct query *q)
{
	for (unsigned i = 0; i < QUESTIONS; i++) {
		drop_tcp(&q->q[i]);
		if (q->q[i].state != ASK_FOUND)
			q->q[i].state = ASK_NOTHING;
	}
	conclude(q);
}

/* Returns false if the message means nothing. */
static bool on_answer(struct question *u, unsigned server, struct slice message);

/* --- asking over TCP ------------------------------------------------------------------------------------ */

static void on_tcp_opened(void *ctx)
{
	struct question *u = ctx;
	const struct query *q = u->query;
	uint8_t message[2 + DNS_QUERY_MAX];
	struct wr w = wr_init(message + 2, sizeof(message) - 2);
	size_t room;
	uint8_t *to = flow_reserve(u->tcp, &room);

	dns_query_write(&w, u->id, &q->names[q->at], u->type);
	if (room < 2 + w.n) {
		on_server_failed(u, u->tcp_server);
		return;
	}
	store_be16(message, (uint16_t)w.n);
	memcpy(to, message, 2 + w.n);
	flow_commit(u->tcp, 2 + w.n);
}

/* The message, if all of it is there. */
static bool tcp_message(const struct question *u, struct slice *ret)
{
	if (u->tcp_n < 2 || u->tcp_n < 2u + load_be16(u->tcp_in))
		return false;
	*ret = (struct slice){ .p = u->tcp_in + 2, .n = load_be16(u->tcp_in) };
	return true;
}

static void tcp_failed(struct question *u)
{
	drop_tcp(u);
	on_server_failed(u, u->tcp_server);
}

static void on_tcp_readable(void *ctx)
{
	struct question *u = ctx;
	struct slice v, message;
	int n;

	while ((n = flow_peek(u->tcp, &v, 1)) > 0) {
		size_t take = min_size(v.n, 2 + RESOLVE_TCP_MAX - u->tcp_n);

		memcpy(u->tcp_in + u->tcp_n, v.p, take);
		u->tcp_n += take;
		flow_consume(u->tcp, take);
		if (tcp_message(u, &message)) {
			if (!on_answer(u, u->tcp_server, message))
				tcp_failed(u);
			return;
		}
		if (take == 0)
			break; /* longer than we read */
	}
	if (n != 0)
		tcp_failed(u);
}

static void on_tcp_writable(void *ctx)
{
	(void)ctx;
}

static void on_tcp_closed(void *ctx, int err)
{
	(void)err;
	tcp_failed(ctx);
}

static void ask_over_tcp(struct question *u, unsigned server)
{
	static const struct flow_events events = { on_tcp_opened, on_tcp_readable, on_tcp_writable, on_tcp_closed };
	struct dest to = { .ip = u->query->servers[server], .port = DNS_PORT };

	if (u->tcp && u->tcp_server == server)
		return; /* under way */
	drop_tcp(u); /* the one before has had a second */
	u->tcp_server = server;
	u->tcp_n = 0;
	u->tcp_in = malloc(2 + RESOLVE_TCP_MAX);
	if (!u->tcp_in || flow_open(u->query->ns, &to, &events, u, &u->tcp) != 0)
		tcp_failed(u);
}

/* --- answers -------------------------------------------------------------------------------------------- */

/* May free the query. */
static bool on_answer(struct question *u, unsigned server, struct slice message)
{
	struct query *q = u->query;
	bool over_tcp = u->tcp && message.p == u->tcp_in + 2;

	switch (dns_judge(message, u->id, &q->names[q->at], u->type, &u->answer)) {
	case DNS_NOTHING:
		return false;
	case DNS_ADDRESSES:
		drop_tcp(u);
		u->state = ASK_FOUND;
		settle(q);
		return true;
	case DNS_NO_ADDRESS:
		drop_tcp(u);
		u->state = ASK_NOTHING;
		settle(q);
		return true;
	case DNS_NO_NAME:
		no_such_name(q);
		return true;
	case DNS_TRUNCATED:
		if (over_tcp)
			return false;
		ask_over_tcp(u, server);
		return true;
	case DNS_CANNOT:
		if (over_tcp)
			return false;
		on_server_failed(u, server);
		return true;
	}
	return false;
}

/* Which of the servers that were asked it comes from; nservers: none. */
static unsigned find_server(const struct question *u, const ip_addr_t *from, u16_t port)
{
	const struct query *q = u->query;
	struct ip ip = ip_from_lwip(from);
	unsigned i = 0;

	while (i < q->nservers && (port != DNS_PORT || !(u->asked & 1u << i) || !ip_equal(&ip, &q->servers[i])))
		i++;
	return i;
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
	struct query *q = arg;
	uint8_t message[RESOLVE_ANSWER_MAX];
	size_t n = pbuf_copy_partial(p, message, sizeof(message), 0);

	(void)pcb;
	pbuf_free(p);
	for (unsigned i = 0; i < QUESTIONS; i++) {
		struct question *u = &q->q[i];
		unsigned server = u->state == ASK_UNDER_WAY ? find_server(u, from, port) : q->nservers;

		if (server < q->nservers && on_answer(u, server, (struct slice){ .p = message, .n = n }))
			return; /* q may be gone */
	}
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

/* What @key can mean. Returns how many names, or VE_RESOLVE. */
static int candidates(const struct netstack *ns, const char *key, struct dns_name ret[static 2])
{
	const char *search = netstack_search(ns);
	char full[2 * HOST_MAX + 2];
	int n = 0;

	if (search && !strchr(key, '.')) {
		snprintf(full, sizeof(full), "%s.%s", key, search);
		n += dns_name_parse(&ret[n], full) == 0;
	}
	n += dns_name_parse(&ret[n], key) == 0;
	return n > 0 ? n : VE_RESOLVE;
}

static struct query *find_query(const struct netstack *ns, const char *key)
{
	for (struct node *n = ns->resolver.queries.next; n != &ns->resolver.queries; n = n->next) {
		struct query *q = list_entry(n, struct query, node);

		if (strcmp(q->key, key) == 0)
			return q;
	}
	return NULL;
}

static int new_query(struct netstack *ns, const char *key, struct query **ret)
{
	struct dns_name names[2];
	int n = candidates(ns, key, names);
	struct query *q;

	if (n < 0)
		return n;
	if (ns->resolver.nqueries >= RESOLVE_QUERIES_MAX)
		return VE_LIMIT;
	q = calloc(1, sizeof(*q));
	if (!q)
		return VE_NOMEM;
	q->ns = ns;
	list_init(&q->waiters);
	list_init(&q->node);
	memcpy(q->key, key, sizeof(q->key));
	memcpy(q->names, names, sizeof(names));
	q->nnames = (unsigned)n;
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
	char key[HOST_MAX + 1];
	struct query *q;
	int r;

	normal_name(key, name);
	q = find_query(ns, key);
	if (!q) {
		r = new_query(ns, key, &q);
		if (r != 0)
			return r;
		ask_for_name(q);
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

/* --- time ----------------------------------------------------------------------------------------------- */

/* When a question is to be asked again, UINT64_MAX: not. */
static uint64_t again_at(const struct question *u)
{
	if (u->state != ASK_UNDER_WAY || u->attempts >= ARRAY_LEN(attempt_ms))
		return UINT64_MAX;
	return u->start + attempt_ms[u->attempts];
}

static uint64_t query_deadline(const struct query *q)
{
	uint64_t at = q->start + RESOLVE_MS;

	if (q->grace < at)
		at = q->grace;
	for (unsigned i = 0; i < QUESTIONS; i++)
		if (again_at(&q->q[i]) < at)
			at = again_at(&q->q[i]);
	return at;
}

static void tick_query(struct query *q, uint64_t now)
{
	bool over = now >= q->start + RESOLVE_MS;

	if (over || now >= q->grace) {
		if (over)
			q->at = q->nnames; /* no time for what else it can mean */
		conclude(q);
		return;
	}
	for (unsigned i = 0; i < QUESTIONS; i++)
		if (now >= again_at(&q->q[i]))
			attempt(&q->q[i]);
}

void resolve_tick(struct netstack *ns, uint64_t now)
{
	struct node *next;

	for (struct node *n = ns->resolver.queries.next; n != &ns->resolver.queries; n = next) {
		next = n->next;
		tick_query(list_entry(n, struct query, node), now);
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

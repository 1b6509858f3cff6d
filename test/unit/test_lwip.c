/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_lwip.c - the lwIP we build, with our options and patches, against itself.
 *
 * Two endpoints in one stack talk over a simulated link in virtual time. The link has a delay and a random generator
 * with a fixed seed that loses, doubles and reorders packets, so that every way a segment can take between the unsent
 * and unacked queues is taken thousands of times: fast retransmit, timeout, zero window and its probes, split
 * segments, FIN behind queued data. Both directions carry a known pattern that must arrive complete and in order. In
 * builds with sanitizers lwIP itself compares the remembered queue tails with the real ones at each step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "lwip_hooks.h"

/* ---- what netstack/port.c does in the program ---- */

static uint32_t now_ms;
static uint64_t seed;

static uint32_t draw(void) /* splitmix64 */
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)(z >> 32);
}

u32_t sys_now(void)
{
	return now_ms;
}

uint32_t netstack_random(void)
{
	return draw();
}

uint16_t netstack_tcp_mtu(uint16_t mtu)
{
	return mtu;
}

int netstack_dhcp_reply(struct netif *n, const struct pbuf *p, uint8_t type)
{
	(void)n, (void)p, (void)type;
	return 1;
}

void netstack_dhcp_bound(struct netif *n, struct dhcp *d)
{
	(void)n, (void)d;
}

uint32_t netstack_dhcp_retry_s(const struct dhcp *d)
{
	(void)d;
	return 60;
}

const struct ip4_addr *netstack_hop4(struct netif *n, const struct ip4_addr *to)
{
	(void)n, (void)to;
	return NULL;
}

int32_t netstack_vlan(const struct netif *n)
{
	(void)n;
	return -1;
}

uint32_t netstack_tcp_isn(const struct ip_addr *local_ip, uint16_t local_port, const struct ip_addr *remote_ip,
			  uint16_t remote_port)
{
	(void)local_ip, (void)local_port, (void)remote_ip, (void)remote_port;
	return 0xfffff000u; /* sequence numbers wrap in every test */
}

int netstack_ack_later(void *flow)
{
	(void)flow;
	return 0;
}

uint16_t netstack_tcp_window(void)
{
	return 0xffff;
}

void netstack_bare_reset(void *flow)
{
	(void)flow;
}

_Noreturn void netstack_assert_failed(const char *msg, int line, const char *file)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, msg);
	abort();
}

/* ---- the link ---- */

struct weather {
	unsigned lose, twice, late; /* in 1000 packets */
	uint32_t delay_ms;
};

struct flight {
	struct flight *next;
	struct pbuf *p;
	uint32_t due_ms;
};

static struct netif link_if;
static struct weather weather;
static struct flight *in_flight; /* sorted by due_ms, in order of sending where equal */
static unsigned long sent_packets;
static struct tcp_hdr last_ack; /* of the client's last segment without data, as it was sent */

static void launch(struct pbuf *p, uint32_t due_ms)
{
	struct flight **at = &in_flight;
	struct flight *f = malloc(sizeof(*f));

	assert_non_null(f);
	f->due_ms = due_ms;
	f->p = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
	assert_non_null(f->p);
	while (*at && (*at)->due_ms <= due_ms)
		at = &(*at)->next;
	f->next = *at;
	*at = f;
}

static void note_ack(const struct pbuf *p)
{
	struct tcp_hdr h;

	if (p->tot_len != 40)
		return;
	assert_true(p->len == 40);
	memcpy(&h, (const uint8_t *)p->payload + 20, sizeof(h));
	if (lwip_ntohs(h.src) != 7)
		last_ack = h;
}

static err_t link_output(struct netif *n, struct pbuf *p, const ip4_addr_t *to)
{
	uint32_t due = now_ms + weather.delay_ms;

	(void)n, (void)to;
	sent_packets++;
	note_ack(p);
	if (draw() % 1000 < weather.lose)
		return ERR_OK;
	if (draw() % 1000 < weather.late)
		due += 1 + draw() % (2 * weather.delay_ms);
	launch(p, due);
	if (draw() % 1000 < weather.twice)
		launch(p, due + draw() % (1 + weather.delay_ms));
	return ERR_OK;
}

static void land(void)
{
	while (in_flight && in_flight->due_ms <= now_ms) {
		struct flight *f = in_flight;

		in_flight = f->next;
		if (link_if.input(f->p, &link_if) != ERR_OK)
			pbuf_free(f->p);
		free(f);
	}
}

static void forget_flights(void)
{
	while (in_flight) {
		struct flight *f = in_flight;

		in_flight = f->next;
		pbuf_free(f->p);
		free(f);
	}
}

static err_t link_init(struct netif *n)
{
	n->name[0] = 't';
	n->name[1] = 'n';
	n->output = link_output;
	n->mtu = 1400;
	return ERR_OK;
}

/* ---- an endpoint that sends one pattern and expects another ---- */

#define STREAM_MAX (3u << 20)
#define WINDOW (1u << 20)

static uint8_t stream[2][STREAM_MAX]; /* what each end says; referenced data must live until it is acknowledged */

struct end {
	struct tcp_pcb *pcb;
	const uint8_t *data, *expected;
	uint32_t size, written; /* of data */
	uint32_t want, got;     /* of expected */
	uint32_t unread;        /* received, and the window is not reopened yet */
	uint32_t reads_at;      /* a lazy reader's next time; 0: reads at once */
	bool writable;          /* a callback said so; callbacks only record, as in netstack */
	bool fin_sent, fin_seen;
	err_t err;
};

/* Pieces of all sizes, copied or referenced, pushed or not: every branch of tcp_write(). */
static void write_more(struct end *e)
{
	while (e->written < e->size && tcp_sndbuf(e->pcb) > 0) {
		uint32_t n = 1 + draw() % (draw() % 4 ? 600 : 20000);
		uint8_t flags = (draw() % 2 ? TCP_WRITE_FLAG_MORE : 0) | (draw() % 3 ? TCP_WRITE_FLAG_COPY : 0);
		err_t err;

		n = LWIP_MIN(n, e->size - e->written);
		n = LWIP_MIN(n, tcp_sndbuf(e->pcb));
		err = tcp_write(e->pcb, e->data + e->written, (u16_t)n, flags);
		if (err == ERR_MEM)
			break;
		assert_int_equal(err, ERR_OK);
		e->written += n;
		if (draw() % 8 == 0)
			assert_int_equal(tcp_output(e->pcb), ERR_OK);
	}
	if (e->written == e->size && !e->fin_sent)
		e->fin_sent = tcp_shutdown(e->pcb, 0, 1) == ERR_OK;
	assert_int_equal(tcp_output(e->pcb), ERR_OK);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	(void)pcb, (void)len;
	((struct end *)arg)->writable = true;
	return ERR_OK;
}

static void read_all(struct end *e)
{
	while (e->unread > 0) {
		u16_t n = (u16_t)LWIP_MIN(e->unread, 0xffffu);

		tcp_recved(e->pcb, n);
		e->unread -= n;
	}
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct end *e = arg;

	assert_int_equal(err, ERR_OK);
	if (!p) {
		e->fin_seen = true;
		return ERR_OK;
	}
	assert_true(p->tot_len <= e->want - e->got);
	for (struct pbuf *q = p; q; q = q->next) {
		assert_memory_equal(q->payload, e->expected + e->got, q->len);
		e->got += q->len;
	}
	e->unread += p->tot_len;
	pbuf_free(p);
	(void)pcb;
	return ERR_OK;
}

static void on_err(void *arg, err_t err)
{
	struct end *e = arg;

	e->pcb = NULL; /* freed already */
	if (err != ERR_CLSD) /* both directions ended before we let go: not a failure */
		e->err = err;
}

static void attach(struct end *e, struct tcp_pcb *pcb)
{
	e->pcb = pcb;
	tcp_arg(pcb, e);
	tcp_recv(pcb, on_recv);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_err);
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	pcb->rcv_wnd = WINDOW;
	assert_int_equal(err, ERR_OK);
	((struct end *)arg)->writable = true;
	return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct end *e = arg;

	assert_int_equal(err, ERR_OK);
	assert_null(e->pcb);
	attach(e, pcb);
	pcb->rcv_wnd = WINDOW;
	e->writable = true;
	return ERR_OK;
}

static struct end client, server;

static void act(struct end *e)
{
	if (e->pcb && !e->reads_at)
		read_all(e);
	if (e->pcb && e->reads_at && now_ms >= e->reads_at) {
		read_all(e);
		e->reads_at = now_ms + 3000 + draw() % 5000;
	}
	if (e->pcb && e->writable) {
		e->writable = false;
		write_more(e);
	}
}

/* ---- time ---- */

/* On to the next thing that happens, in virtual time. */
static void step(void)
{
	uint32_t wait = sys_timeouts_sleeptime();

	if (in_flight && in_flight->due_ms - now_ms < wait)
		wait = in_flight->due_ms - now_ms;
	assert_true(wait != SYS_TIMEOUTS_SLEEPTIME_INFINITE);
	now_ms += wait;
	land();
	sys_check_timeouts();
	act(&client);
	act(&server);
}

static void pass(uint32_t ms)
{
	uint32_t end = now_ms + ms;

	while (now_ms < end)
		step();
}

/* ---- tests ---- */

static struct tcp_pcb *listener;

static int setup(void **state)
{
	(void)state;
	seed = 1;
	now_ms = 1000; /* the clock must not wrap within a test: in_flight is sorted by plain comparison */
	weather = (struct weather){ .delay_ms = 20 };
	client = (struct end){ .data = stream[0], .expected = stream[1] };
	server = (struct end){ .data = stream[1], .expected = stream[0] };
	sys_restart_timeouts();

	listener = tcp_new_ip_type(IPADDR_TYPE_V4);
	assert_non_null(listener);
	assert_int_equal(tcp_bind(listener, &link_if.ip_addr, 7), ERR_OK);
	listener = tcp_listen(listener);
	assert_non_null(listener);
	tcp_arg(listener, &server);
	tcp_accept(listener, on_accept);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tcp_close(listener);
	if (client.pcb)
		tcp_abort(client.pcb);
	if (server.pcb)
		tcp_abort(server.pcb);
	while (tcp_tw_pcbs)
		tcp_abort(tcp_tw_pcbs);
	forget_flights();
	return tcp_active_pcbs || tcp_tw_pcbs || tcp_listen_pcbs.listen_pcbs ? -1 : 0;
}

static void connect_client(void)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_V4);

	assert_non_null(pcb);
	attach(&client, pcb);
	assert_int_equal(tcp_connect(pcb, &link_if.ip_addr, 7, on_connected), ERR_OK);
}

static void let_go(struct end *e)
{
	if (!e->pcb)
		return;
	tcp_arg(e->pcb, NULL);
	tcp_recv(e->pcb, NULL);
	tcp_sent(e->pcb, NULL);
	tcp_err(e->pcb, NULL);
	assert_int_equal(tcp_close(e->pcb), ERR_OK);
	e->pcb = NULL;
}

/* Both ends send everything, read everything, close; nothing is left. */
static void converse(uint32_t size, uint32_t limit_s)
{
	uint32_t limit = now_ms + 1000 * limit_s;
	bool done = false;

	client.size = server.want = size;
	server.size = client.want = size / 3;
	connect_client();
	while (!done) {
		step();
		assert_int_equal(client.err, ERR_OK);
		assert_int_equal(server.err, ERR_OK);
		assert_true(now_ms < limit);
		done = client.fin_seen && client.fin_sent && server.fin_seen && server.fin_sent;
	}
	assert_int_equal(client.got, client.want);
	assert_int_equal(server.got, server.want);
	client.reads_at = server.reads_at = 0;
	act(&client); /* closing with unread data would reset */
	act(&server);
	let_go(&client);
	let_go(&server);
	pass(100 * 1000);
	assert_null(tcp_active_pcbs);
	assert_null(tcp_tw_pcbs);
}

static void test_clear_weather(void **state)
{
	(void)state;
	converse(STREAM_MAX, 60);
}

static void test_loss(void **state)
{
	(void)state;
	weather.lose = 10;
	converse(STREAM_MAX, 600);
}

static void test_storm(void **state)
{
	(void)state;
	for (seed = 2; seed < 12; seed++) {
		uint64_t kept = seed;

		weather = (struct weather){ .lose = 50, .twice = 30, .late = 100, .delay_ms = 20 };
		converse(STREAM_MAX / 16, 3600);
		teardown(NULL);
		setup(NULL);
		seed = kept;
	}
}

static void test_shut_window(void **state)
{
	(void)state;
	client.reads_at = server.reads_at = now_ms + 1;
	converse(STREAM_MAX, 600);
}

static void test_shut_window_in_bad_weather(void **state)
{
	(void)state;
	weather = (struct weather){ .lose = 20, .twice = 10, .late = 30, .delay_ms = 50 };
	client.reads_at = server.reads_at = now_ms + 1;
	converse(STREAM_MAX, 3600);
}

/* Connections enough to share hash buckets, opened, used and ended in different orders. */

#define MANY 3000

static uint32_t heard; /* bytes by all servers together */

static err_t on_heard(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	(void)arg, (void)err;
	if (!p)
		return tcp_close(pcb);
	heard += p->tot_len;
	tcp_recved(pcb, p->tot_len);
	pbuf_free(p);
	return ERR_OK;
}

static err_t on_accept_one(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)arg;
	assert_int_equal(err, ERR_OK);
	tcp_recv(pcb, on_heard);
	return ERR_OK;
}

static void test_many_connections(void **state)
{
	static struct tcp_pcb *pcb[MANY];
	uint32_t said = 0;

	(void)state;
	heard = 0;
	tcp_accept(listener, on_accept_one);
	for (int i = 0; i < MANY; i++) {
		pcb[i] = tcp_new_ip_type(IPADDR_TYPE_V4);
		assert_non_null(pcb[i]);
		assert_int_equal(tcp_connect(pcb[i], &link_if.ip_addr, 7, NULL), ERR_OK);
		if (i % 100 == 99)
			pass(100);
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++) {
			assert_int_equal(pcb[i]->state, ESTABLISHED);
			assert_int_equal(tcp_write(pcb[i], stream[0], (u16_t)(i % 100 + 1), 0), ERR_OK);
			assert_int_equal(tcp_output(pcb[i]), ERR_OK);
			said += (uint32_t)(i % 100 + 1);
		}
		pass(300);
		assert_int_equal(heard, said);
	}
	for (int i = 0; i < MANY; i += 3) /* from both ends of the list, and out of its middle */
		tcp_abort(pcb[i]);
	for (int i = MANY - 1; i >= 0; i--)
		if (i % 3 == 1)
			assert_int_equal(tcp_close(pcb[i]), ERR_OK);
	for (int i = 2; i < MANY; i += 3)
		assert_int_equal(tcp_close(pcb[i]), ERR_OK);
	pass(20 * 1000);
	assert_null(tcp_active_pcbs);
	assert_null(tcp_tw_pcbs);
}

/* The definition in RFC 1071, word by word. */
static uint16_t plain_chksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;
	uint8_t stored[2];
	uint16_t ret;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	stored[0] = (uint8_t)(sum >> 8);
	stored[1] = (uint8_t)sum;
	memcpy(&ret, stored, 2);
	return ret;
}

static void test_chksum(void **state)
{
	static uint8_t ones[65535];
	uint8_t rfc1071[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 }; /* its section 3: ddf2 */

	(void)state;
	assert_int_equal(lwip_ntohs(softsocks_chksum(rfc1071, 8)), 0xddf2);
	for (int start = 0; start < 8; start++)
		for (int len = 0; len < 300; len++)
			assert_int_equal(softsocks_chksum(stream[0] + start, len), plain_chksum(stream[0] + start, (size_t)len));
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(softsocks_chksum(ones, sizeof(ones)), plain_chksum(ones, sizeof(ones)));
	assert_int_equal(softsocks_chksum(stream[0], 65535), plain_chksum(stream[0], 65535));
}

/* Options that a later version of lwIP could silently ignore. */

static void test_windows_are_scaled(void **state)
{
	(void)state;
	client.fin_sent = server.fin_sent = true; /* no data, no FIN */
	connect_client();
	pass(200);
	assert_non_null(server.pcb);
	assert_true(client.pcb->flags & TF_WND_SCALE);
	assert_int_equal(client.pcb->snd_scale, TCP_RCV_SCALE);
	assert_true((4u << 20) <= (0xffffu << TCP_RCV_SCALE) + (1u << TCP_RCV_SCALE));
	assert_int_equal(client.pcb->snd_wnd, 0xffff); /* the handshake's own windows are not scaled */
	assert_int_equal(client.pcb->mss, link_if.mtu - 40);
	assert_true(client.pcb->flags & TF_SACK);
}

static void test_first_flight_is_ten_segments(void **state)
{
	unsigned long before;

	(void)state;
	client.fin_sent = server.fin_sent = true; /* no FIN */
	connect_client();
	pass(500);
	assert_non_null(server.pcb);
	server.want = STREAM_MAX;
	before = sent_packets;
	for (int i = 0; i < 10; i++)
		assert_int_equal(tcp_write(client.pcb, stream[0] + 20000 * i, 20000, 0), ERR_OK);
	assert_int_equal(tcp_output(client.pcb), ERR_OK);
	assert_int_equal(sent_packets - before, 10);
}

static void test_first_retransmission_after_a_second(void **state)
{
	unsigned long before = sent_packets;

	(void)state;
	weather.lose = 1000;
	connect_client();
	assert_int_equal(sent_packets - before, 1);
	pass(700);
	assert_int_equal(sent_packets - before, 1);
	pass(600);
	assert_int_equal(sent_packets - before, 2);
	pass(20 * 1000);
	assert_int_equal(client.err, ERR_ABRT);
	assert_null(client.pcb);
}

/* A peer drops what is in flight to it and takes its window back, but for @left bytes. Then it sends something: the ACK
 * that it gets must not lie beyond that window, or it would drop it, too (RFC 9293, 3.10.7.4). Our patch 0007. */
static void check_ack_into(uint32_t left)
{
	const uint32_t flight = 8192;
	uint32_t first;

	client.fin_sent = server.fin_sent = true; /* no FIN */
	connect_client();
	pass(500);
	assert_non_null(server.pcb);
	tcp_nagle_disable(client.pcb);
	first = client.pcb->snd_nxt;
	weather.lose = 1000;
	assert_int_equal(tcp_write(client.pcb, stream[0], flight, 0), ERR_OK);
	assert_int_equal(tcp_output(client.pcb), ERR_OK);
	assert_int_equal(client.pcb->snd_nxt, first + flight);
	assert_int_equal(client.pcb->lastack, first);
	weather.lose = 0;
	server.pcb->rcv_wnd = server.pcb->rcv_ann_wnd = left;
	client.want = 100;
	assert_int_equal(tcp_write(server.pcb, stream[1], 100, 0), ERR_OK);
	assert_int_equal(tcp_output(server.pcb), ERR_OK);
	pass(200); /* less than the time to the first retransmission */
	assert_int_equal(client.got, 100);
	assert_int_equal(client.pcb->snd_wnd, left);
	assert_int_equal(client.pcb->snd_nxt, first + flight);
	assert_int_equal(lwip_ntohl(last_ack.ackno), client.pcb->rcv_nxt);
	assert_int_equal(lwip_ntohl(last_ack.seqno), first + LWIP_MIN(left, flight));
}

static void test_ack_into_a_window_taken_back(void **state)
{
	static const uint32_t left[] = { 0, 256, 7936, 8192, 65536 };

	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		check_ack_into(left[i]);
		teardown(state);
		setup(state);
	}
}

static void test_time_wait_is_short(void **state)
{
	(void)state;
	client.size = server.want = 10;
	connect_client();
	pass(500);
	assert_true(client.fin_sent && server.fin_seen && client.fin_seen && server.fin_sent);
	let_go(&client);
	let_go(&server);
	pass(5000);
	assert_non_null(tcp_tw_pcbs);
	pass(6000);
	assert_null(tcp_tw_pcbs);
}

static int group_setup(void **state)
{
	ip4_addr_t addr, mask, gw;

	(void)state;
	for (int i = 0; i < 2; i++)
		for (uint32_t j = 0; j < STREAM_MAX; j++)
			stream[i][j] = (uint8_t)draw();
	lwip_init();
	IP4_ADDR(&addr, 10, 9, 0, 1);
	IP4_ADDR(&mask, 255, 255, 255, 0);
	IP4_ADDR(&gw, 0, 0, 0, 0);
	assert_non_null(netif_add(&link_if, &addr, &mask, &gw, NULL, link_init, ip4_input));
	netif_set_default(&link_if);
	netif_set_link_up(&link_if);
	netif_set_up(&link_if);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clear_weather, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loss, setup, teardown),
		cmocka_unit_test_setup_teardown(test_storm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shut_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shut_window_in_bad_weather, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_connections, setup, teardown),
		cmocka_unit_test(test_chksum),
		cmocka_unit_test_setup_teardown(test_windows_are_scaled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_flight_is_ten_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_retransmission_after_a_second, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ack_into_a_window_taken_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_wait_is_short, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}

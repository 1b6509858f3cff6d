/* SPDX-License-Identifier: GPL-3.0-or-later */

/* offload.c - TCP packets larger than the wire's, as kernels exchange them with interfaces that can divide them.
 *
 * With a packet comes a struct virtio_net_hdr. It says either that a checksum is to be completed (what is in the
 * field then is the sum of the pseudo-header) or that this is TCP for many packets: one pair of headers, up to 64 KiB
 * of data, and how much of it each packet is to have.
 *
 * Dividing (struct split): each packet gets a copy of the headers with its own length, identification, sequence
 * number, flags and checksums, in the place where it is to leave from, so the data are copied once.
 *
 * Joining (struct merger): data that continue what came before, with headers that are otherwise the same, wait until
 * the batch they came in is through, and go as one packet. Nothing is copied: the system call gathers the pieces. A
 * flow has its place by a hash; what cannot join, or needs the place, sends away what is there, so the packets of one
 * flow are never reordered. Of acknowledgments that only advance, the last of a batch goes. Checksums are verified
 * before anything joins: a wrong one reaches the kernel as it is, to be counted there.
 *
 * Sums are those of RFC 1071, of words as they lie in memory: no byte order is involved but that of the fields.
 */
#include "test/gateway/gateway.h"

#include <arpa/inet.h>
#include <string.h>

#define PROTO_TCP 6
#define IP_HEAD   20
#define TCP_HEAD  20
#define IP_MAX    65535

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, CWR = 128 };
enum { IP_LEN = 2, IP_ID = 4, IP_FRAG = 6, IP_PROTO = 9, IP_SUM = 10, IP_SRC = 12 };
enum { TCP_SEQ = 4, TCP_ACK = 8, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_SUM = 16, TCP_URGENT = 18 };

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static void put32(uint8_t *p, uint32_t n)
{
	put16(p, n >> 16);
	put16(p + 2, n & 0xffff);
}

/* ---- sums ---- */

/* Columns of 32 bits in words of 64, so that no addition has to wait for a carry. */
typedef uint64_t columns __attribute__((vector_size(16)));

static uint32_t sum(const uint8_t *p, size_t n, uint32_t start)
{
	columns low = { 0 }, high = { 0 }, w[2];
	uint64_t a = start;
	uint32_t word = 0;

	for (; n >= sizeof(w); n -= sizeof(w), p += sizeof(w)) {
		memcpy(w, p, sizeof(w));
		low += (w[0] & 0xffffffff) + (w[1] & 0xffffffff);
		high += (w[0] >> 32) + (w[1] >> 32);
	}
	a += low[0] + low[1] + high[0] + high[1];
	for (; n >= 4; n -= 4, p += 4) {
		memcpy(&word, p, 4);
		a += word;
	}
	word = 0;
	memcpy(&word, p, n);
	a += word;
	while (a >> 16)
		a = (a & 0xffff) + (a >> 16);
	return (uint32_t)a;
}

static void put_sum(uint8_t *p, uint32_t folded)
{
	uint16_t word = (uint16_t)folded;

	memcpy(p, &word, 2);
}

static void seal_ip(uint8_t *ip, size_t head)
{
	put_sum(ip + IP_SUM, 0);
	put_sum(ip + IP_SUM, ~sum(ip, head, 0));
}

/* Of the pseudo-header, for @n bytes of TCP. */
static uint32_t sum_pseudo(const uint8_t *ip, size_t n)
{
	return sum(ip + IP_SRC, 8, htons(PROTO_TCP) + (uint32_t)htons((uint16_t)n));
}

/* ---- dividing ---- */

/* Complete the one checksum that the kernel left open. */
static bool complete(const struct virtio_net_hdr *h, uint8_t *packet, size_t n)
{
	size_t at = (size_t)h->csum_start + h->csum_offset;
	uint32_t s;

	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	if (at + 2 > n)
		return false;
	s = ~sum(packet + h->csum_start, n - h->csum_start, 0) & 0xffff;
	put_sum(packet + at, s ? s : 0xffff); /* UDP: 0 would mean that there is none; elsewhere they are equal */
	return true;
}

bool split_begin(struct split *s, const struct virtio_net_hdr *h, uint8_t *packet, size_t n)
{
	size_t ip = n >= IP_HEAD ? (packet[0] & 15u) * 4u : 0;

	*s = (struct split){ .packet = packet, .n = n, .ip = ip, .head = n };
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return n && complete(h, packet, n);
	if ((h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) != VIRTIO_NET_HDR_GSO_TCPV4 || ip < IP_HEAD ||
	    n < ip + TCP_HEAD || packet[IP_PROTO] != PROTO_TCP || n > IP_MAX)
		return false;
	s->head = ip + (packet[ip + 12] >> 4) * 4u;
	s->size = h->gso_size;
	return s->head >= ip + TCP_HEAD && s->head < n && s->size > 0;
}

size_t split_length(const struct split *s)
{
	size_t left = s->n - s->head - s->at;

	if (!s->size)
		return s->done ? 0 : s->n;
	return left == 0 ? 0 : s->head + (left < s->size ? left : s->size);
}

void split_next(struct split *s, uint8_t *ret)
{
	size_t n = split_length(s), data = n - s->head;
	uint8_t *tcp = ret + s->ip;

	if (!s->size) {
		memcpy(ret, s->packet, n);
		s->done = true;
		return;
	}
	memcpy(ret, s->packet, s->head);
	memcpy(ret + s->head, s->packet + s->head + s->at, data);
	put16(ret + IP_LEN, n);
	put16(ret + IP_ID, get16(s->packet + IP_ID) + s->index);
	seal_ip(ret, s->ip);
	put32(tcp + TCP_SEQ, get32(s->packet + s->ip + TCP_SEQ) + (uint32_t)s->at);
	if (s->at + s->size < s->n - s->head)
		tcp[TCP_FLAGS] &= (uint8_t)~(FIN | PSH);
	if (s->index > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~CWR;
	put_sum(tcp + TCP_SUM, 0);
	put_sum(tcp + TCP_SUM, ~sum(tcp, n - s->ip, sum_pseudo(ret, n - s->ip)));
	s->at += data;
	s->index++;
}

/* ---- joining ---- */

/* Send what is in @j. */
static void send_joined(struct merger *m, struct joined *j)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t *tcp = j->headers + IP_HEAD;
	size_t n = j->head + j->data;

	if (j->pieces == 0)
		return;
	j->iov[0] = (struct iovec){ &h, sizeof(h) };
	j->iov[1] = (struct iovec){ j->headers, j->head };
	if (j->pieces > 1) {
		put16(j->headers + IP_LEN, n);
		seal_ip(j->headers, IP_HEAD);
		put_sum(tcp + TCP_SUM, sum_pseudo(j->headers, n - IP_HEAD));
		h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		h.gso_size = (uint16_t)j->size;
		h.hdr_len = (uint16_t)j->head;
		h.csum_start = IP_HEAD;
		h.csum_offset = TCP_SUM;
	}
	m->emit(m->ctx, j->iov, j->data ? 2 + (int)j->pieces : 2);
	j->pieces = j->data = 0;
}

void merge_flush(struct merger *m)
{
	for (size_t i = 0; i < MERGE_FLOWS; i++)
		send_joined(m, &m->flows[i]);
}

static void send_single(struct merger *m, const uint8_t *packet, size_t n)
{
	struct virtio_net_hdr h = { 0 };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)packet, n } };

	m->emit(m->ctx, iov, 2);
}

/* A TCP packet with nothing odd about it: then it may join others, or be joined. @ret: both headers. */
static bool plain_tcp(const uint8_t *p, size_t n, size_t *ret)
{
	const uint8_t *tcp = p + IP_HEAD;
	size_t head;

	if (n < IP_HEAD + TCP_HEAD || p[0] != 0x45 || p[IP_PROTO] != PROTO_TCP || get16(p + IP_LEN) != n ||
	    (get16(p + IP_FRAG) & 0x3fff))
		return false;
	head = IP_HEAD + (tcp[12] >> 4) * 4u;
	if (head < IP_HEAD + TCP_HEAD || head > n || (tcp[TCP_FLAGS] & ~PSH) != ACK || (tcp[12] & 15))
		return false;
	*ret = head;
	return sum(p, IP_HEAD, 0) == 0xffff && sum(tcp, n - IP_HEAD, sum_pseudo(p, n - IP_HEAD)) == 0xffff;
}

static bool same_flow(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a + IP_SRC, b + IP_SRC, 12) == 0; /* addresses and ports */
}

static bool continues(const struct joined *j, const uint8_t *p, size_t head, size_t data)
{
	const uint8_t *a = j->headers, *at = a + IP_HEAD, *pt = p + IP_HEAD;

	return j->data && data && data <= j->size && !j->complete && j->pieces < MERGE_PIECES &&
	       j->head == head && head + j->data + data <= IP_MAX && same_flow(a, p) &&
	       get32(at + TCP_SEQ) + (uint32_t)j->data == get32(pt + TCP_SEQ) &&
	       memcmp(a, p, 2) == 0 && memcmp(a + IP_FRAG, p + IP_FRAG, 4) == 0 && /* service; fragments, lifetime */
	       memcmp(at + TCP_ACK, pt + TCP_ACK, 4) == 0 && memcmp(at + TCP_WINDOW, pt + TCP_WINDOW, 2) == 0 &&
	       memcmp(at + TCP_URGENT, pt + TCP_URGENT, 2 + head - IP_HEAD - TCP_HEAD) == 0;
}

/* @p says all that the acknowledgment in @j says, and more. */
static bool supersedes(const struct joined *j, const uint8_t *p, size_t head, size_t data)
{
	const uint8_t *at = j->headers + IP_HEAD, *pt = p + IP_HEAD;

	return j->pieces && !j->data && !data && j->head == head && head == IP_HEAD + TCP_HEAD &&
	       same_flow(j->headers, p) && memcmp(at + TCP_SEQ, pt + TCP_SEQ, 4) == 0 &&
	       (int32_t)(get32(pt + TCP_ACK) - get32(at + TCP_ACK)) > 0 && j->headers[1] == p[1];
}

static void add_piece(struct joined *j, const uint8_t *p, size_t head, size_t data)
{
	j->iov[2 + j->pieces++] = (struct iovec){ (void *)(uintptr_t)(p + head), data };
	j->headers[IP_HEAD + TCP_FLAGS] |= p[IP_HEAD + TCP_FLAGS] & PSH;
	j->data += data;
	j->complete = data < j->size;
}

static void begin(struct joined *j, const uint8_t *p, size_t head, size_t data)
{
	memcpy(j->headers, p, head);
	j->head = head;
	j->data = j->pieces = 0;
	j->size = data;
	add_piece(j, p, head, data);
}

void merge_add(struct merger *m, const uint8_t *packet, size_t n)
{
	struct joined *j;
	size_t head;

	if (n < IP_HEAD + TCP_HEAD || packet[0] != 0x45 || packet[IP_PROTO] != PROTO_TCP) {
		if (n >= IP_HEAD && packet[IP_PROTO] == PROTO_TCP)
			merge_flush(m);
		send_single(m, packet, n);
		return;
	}
	/* Ports and the last byte of each address are where flows differ. */
	j = &m->flows[(packet[15] ^ packet[19] ^ packet[20] ^ packet[21] ^ packet[22] ^ packet[23]) % MERGE_FLOWS];
	if (!plain_tcp(packet, n, &head)) {
		send_joined(m, j);
		send_single(m, packet, n);
	} else if (continues(j, packet, head, n - head)) {
		add_piece(j, packet, head, n - head);
	} else {
		if (!supersedes(j, packet, head, n - head))
			send_joined(m, j);
		begin(j, packet, head, n - head);
	}
}

/* ---- are they each other's reverse? ---- */

struct bytes {
	uint8_t data[sizeof(struct virtio_net_hdr) + IP_MAX];
	size_t n;
	unsigned packets;
};

static void collect(void *ctx, const struct iovec *iov, int n)
{
	struct bytes *b = ctx;

	b->n = 0;
	b->packets++;
	for (int i = 0; i < n; i++) {
		memcpy(b->data + b->n, iov[i].iov_base, iov[i].iov_len);
		b->n += iov[i].iov_len;
	}
}

/* A packet for many, @data bytes of them, its checksum open. */
static size_t make_large(uint8_t *p, size_t data)
{
	static const uint8_t headers[] = { 0x45, 0, 0, 0, 0xff, 0xfe, 0x40, 0, 64, 6, 0, 0, 10, 77, 0, 1, 10, 79, 0, 10,
		0, 80, 0xc0, 1, 0xff, 0xff, 0xf0, 0, 1, 2, 3, 4, 0x60, ACK | PSH, 0x20, 0, 0, 0, 0, 0, 1, 1, 1, 0 };
	size_t n = sizeof(headers) + data;

	memcpy(p, headers, sizeof(headers));
	for (size_t i = sizeof(headers); i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
	put16(p + IP_LEN, n);
	seal_ip(p, IP_HEAD);
	put_sum(p + IP_HEAD + TCP_SUM, sum_pseudo(p, n - IP_HEAD));
	return n;
}

static bool there_and_back(struct merger *m, size_t data, size_t size)
{
	static uint8_t large[IP_MAX], small[2 * IP_MAX];
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				    .gso_size = (uint16_t)size, .hdr_len = 44, .csum_start = 20, .csum_offset = 16 };
	size_t n = make_large(large, data), at = 0, k, head;
	struct bytes *got = m->ctx;
	struct split s;

	got->packets = 0;
	if (!split_begin(&s, &h, large, n))
		return false;
	while ((k = split_length(&s)) > 0) {
		split_next(&s, small + at);
		if (k > size + 44 || !plain_tcp(small + at, k, &head))
			return false;
		merge_add(m, small + at, k);
		at += k;
	}
	merge_flush(m);
	if (data <= size) {
		put_sum(large + 36, 0);
		put_sum(large + 36, ~sum(large + 20, n - 20, sum_pseudo(large, n - 20)));
		memset(&h, 0, sizeof(h));
	}
	return got->packets == 1 && got->n == sizeof(h) + n && memcmp(got->data, &h, sizeof(h)) == 0 &&
	       memcmp(got->data + sizeof(h), large, n) == 0;
}

/* One broken bit: nothing joins. */
static bool wrong_sums_stay(struct merger *m)
{
	static uint8_t large[IP_MAX], a[1500], b[1500], c[1500];
	struct virtio_net_hdr h = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 };
	struct bytes *got = m->ctx;
	struct split s;

	for (size_t bit = 0; bit < 8 * 1044; bit += 61) {
		if (!split_begin(&s, &h, large, make_large(large, 3000)))
			return false;
		split_next(&s, a);
		split_next(&s, b);
		split_next(&s, c);
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		got->packets = 0;
		merge_add(m, a, 1044);
		merge_add(m, b, 1044);
		merge_add(m, c, 1044);
		merge_flush(m);
		if (got->packets != 3)
			return false;
	}
	return true;
}

/* What was sent has gone: nothing joins it, in the middle of a flow. */
static bool batches_end(struct merger *m)
{
	static uint8_t large[IP_MAX], small[4][1500];
	struct virtio_net_hdr h = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 };
	struct bytes *got = m->ctx;
	struct split s;
	bool ok = split_begin(&s, &h, large, make_large(large, 4000));

	got->packets = 0;
	for (int i = 0; ok && i < 4; i++) {
		split_next(&s, small[i]);
		merge_add(m, small[i], 1044);
		if (i == 1) {
			merge_flush(m);
			ok = got->packets == 1 && got->n == sizeof(h) + 2044;
		}
	}
	merge_flush(m);
	return ok && got->packets == 2 && got->n == sizeof(h) + 2044 && get16(got->data + sizeof(h) + IP_LEN) == 2044 &&
	       memcmp(got->data + sizeof(h) + 44, large + 44 + 2000, 2000) == 0;
}

bool offload_self_test(void)
{
	static struct merger m;
	static struct bytes got;
	static const size_t sizes[] = { 1, 2, 999, 1000, 1001, 1999, 2000, 2001, 40000, 63997, 64000 };
	bool ok = true;

	m.emit = collect;
	m.ctx = &got;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		ok = there_and_back(&m, sizes[i], 1000) && ok;
	return ok && there_and_back(&m, 60001, 1321) && batches_end(&m) && wrong_sums_stay(&m);
}

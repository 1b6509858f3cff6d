/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rudp.c - how R-UDP makes a stream of datagrams.
 *
 * The client chooses 20 random bytes, sends them in the clear until it is answered, and both sides derive from them two
 * keys and two words that mean "are you there" and "I am". From then on there is one kind of datagram, the segment:
 *
 *     sign[20] | iv[20] | RC4( my_tick | peer_tick | max_ack | num_ack | ack... | seq | data | pad )
 *
 * Data segments are numbered 1, 2, 3, ... The 64 that are in flight lie in out[], in the slot that their number gives;
 * each is repeated by itself, at growing intervals, until it is acknowledged, or once at once when three later ones
 * were. The 64 that may arrive lie in in[] until those before them are there and the reader has room; "the window
 * closes" means that they stay there. What lies in in[] behind a gap is acknowledged one by one in every segment that we
 * send, so a lost acknowledgement costs nothing; a segment without data acknowledges when there is nothing to say.
 *
 * Both sides put their clock into every segment and echo the other's. An echo that does not move for 12 seconds means
 * that nothing of ours arrives: dead. A side that has no data sends "are you there" as data, which keeps clocks moving.
 * Our clock begins at 1 with the connection, so it does not tell how long this machine is up.
 *
 * The first 8 bytes of our stream tell the server the number of the segment that means goodbye, in both directions.
 *
 * enter() is the one place where the state changes. Nobody authenticates anything here: whoever saw the first datagram
 * has the keys. So a segment is only believed where a lie costs no more than the connection, which whoever sees the
 * datagrams can cut anyway. */
#include "core/softether/rudp.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/limits.h"
#include "core/rd.h"
#include "core/softether/se_cipher.h"
#include "core/wr.h"

#define WINDOW 64u
#define DATA_MAX 512u
#define INIT_SIZE 20u
#define REQUEST_SIZE 39u
#define HEAD_SIZE (2 * SHA1_SIZE) /* sign and iv */
#define BODY_MIN (8u + 8u + 8u + 4u + 8u + 1u)
#define PAD_MAX 255u
#define OUR_PAD_MAX 64u /* a power of two */
#define SEGMENT_MAX (HEAD_SIZE + BODY_MIN - 1u + 8u * WINDOW + DATA_MAX + PAD_MAX)
#define GOODBYE_COPIES 5u
#define GOODBYE_HIGH 0xffffffff00000000ull

#define REQUEST_MS 200u
#define RESEND_MS 200u      /* first interval, as long as no round trip was measured */
#define RESEND_MIN_MS 50u   /* on a path that is quicker than the other side's loop */
#define RESEND_MAX_MS 4792u
#define IDLE_MIN_MS 2500u
#define IDLE_MAX_MS 4792u
#define FAST_ACKS 3u        /* later segments that arrived, until one is taken for lost (as TCP does, RFC 5681 3.2) */

struct segment_out {
	bool acked;
	bool hurried; /* was repeated early; not again */
	unsigned sent;
	uint64_t due_ms; /* when it is repeated */
	uint16_t n;
	uint8_t data[DATA_MAX];
};

struct segment_in {
	bool here;
	uint16_t n;
	uint8_t data[DATA_MAX];
};

struct rudp {
	const struct session_env *env;
	enum rudp_state state;
	struct fault fault;
	uint8_t init[INIT_SIZE];
	uint8_t key_send[SHA1_SIZE], key_recv[SHA1_SIZE];
	uint8_t ka_request[SHA1_SIZE], ka_response[SHA1_SIZE];
	uint64_t goodbye; /* number of the segment that ends the connection */
	unsigned goodbyes; /* of ours that still have to be sent */

	uint64_t began_ms;
	uint64_t request_ms;  /* when the next connection request goes out */
	uint64_t progress_ms; /* when an echo of our clock moved last */
	uint64_t echo, peer_tick;
	uint64_t idle_ms; /* when we ask whether somebody is there */
	uint64_t rtt_ms;  /* smoothed; 0: not measured */

	uint64_t out_base, out_next; /* lowest that is not acknowledged; next number */
	uint64_t in_last;            /* highest that was delivered, all before it too */
	bool ack_due, answer_due;
	struct buf tx, rx;
	struct segment_out out[WINDOW];
	struct segment_in in[WINDOW];
	uint8_t datagram[SEGMENT_MAX];
};

_Static_assert((OUR_PAD_MAX & (OUR_PAD_MAX - 1)) == 0 && OUR_PAD_MAX <= PAD_MAX, "one random byte makes a pad");
_Static_assert(RUDP_RECV_MAX >= DATA_MAX && RUDP_SEND_MAX >= DATA_MAX, "a segment fits");

/* --- keys ------------------------------------------------------------------------------------------------- */

/* SHA-1 of @init, perhaps a key, and a word in the style of a PACK's name: length plus one, then its letters. */
static int derive(uint8_t ret[static SHA1_SIZE], const uint8_t *init, const uint8_t *key, const char *word)
{
	uint8_t size[4];
	const struct slice v[] = {
		{ init, INIT_SIZE },
		{ key, key ? SHA1_SIZE : 0 },
		{ size, sizeof(size) },
		{ (const uint8_t *)word, strlen(word) },
	};

	store_be32(size, (uint32_t)strlen(word) + 1);
	return hash_sha1(ret, v, ARRAY_LEN(v));
}

static int derive_all(struct rudp *r)
{
	int err = derive(r->key_recv, r->init, NULL, "zurukko");

	if (err == 0)
		err = derive(r->key_send, r->init, r->key_recv, "yasushineko");
	if (err == 0)
		err = derive(r->ka_request, r->init, NULL, "Magic_KeepAliveRequest");
	if (err == 0)
		err = derive(r->ka_response, r->init, NULL, "Magic_KeepAliveResponse");
	return err;
}

/* --- small things ----------------------------------------------------------------------------------------- */

/* The one place where the state changes. @err with CLOSED only. */
static void enter(struct rudp *r, enum rudp_state state, int err, const char *why, uint64_t now_ms)
{
	if (state == RUDP_CLOSED && r->state == RUDP_OPEN && err != VE_EOF)
		r->goodbyes = GOODBYE_COPIES;
	r->state = state;
	if (state == RUDP_OPEN)
		r->progress_ms = now_ms;
	if (state == RUDP_CLOSED) {
		r->ack_due = r->answer_due = false;
		fault_set(&r->fault, err, "%s", why);
	}
}

/* Our clock, never 0. */
static uint64_t our_tick(const struct rudp *r, uint64_t now_ms)
{
	return now_ms - r->began_ms + 1;
}

static struct segment_out *out_slot(struct rudp *r, uint64_t seq)
{
	return &r->out[seq % WINDOW];
}

static struct segment_in *in_slot(struct rudp *r, uint64_t seq)
{
	return &r->in[seq % WINDOW];
}

static bool window_open(const struct rudp *r)
{
	return r->out_next < r->out_base + WINDOW;
}

/* Is it time to ask whether somebody is there? What is in flight asks the same, as often as needed. */
static bool may_ask(const struct rudp *r)
{
	return r->state == RUDP_OPEN && r->out_base == r->out_next;
}

static void put_off_idle(struct rudp *r, uint64_t now_ms)
{
	uint32_t random;

	r->env->random(r->env->ctx, &random, sizeof(random));
	r->idle_ms = now_ms + IDLE_MIN_MS + random % (IDLE_MAX_MS - IDLE_MIN_MS + 1);
}

/* How long to wait for an acknowledgement of a segment that was sent @sent times. */
static uint64_t resend_interval(const struct rudp *r, unsigned sent)
{
	uint64_t ms = RESEND_MS;

	if (r->rtt_ms > 0)
		ms = r->rtt_ms + r->rtt_ms / 5;
	if (ms < RESEND_MIN_MS)
		ms = RESEND_MIN_MS;
	for (unsigned i = 1; i < sent && ms < RESEND_MAX_MS; i++)
		ms *= 2;
	return ms < RESEND_MAX_MS ? ms : RESEND_MAX_MS;
}

/* --- sending ---------------------------------------------------------------------------------------------- */

/* What arrived behind a gap, one by one. */
static void put_acks(const struct rudp *r, struct wr *w)
{
	size_t at = w->n;
	uint32_t n = 0;

	wr_u32(w, 0);
	for (uint64_t seq = r->in_last + 1; seq <= r->in_last + WINDOW; seq++) {
		if (r->in[seq % WINDOW].here) {
			wr_u64(w, seq);
			n++;
		}
	}
	wr_patch_u32(w, at, n);
}

/* One segment into r->datagram. Returns its size, 0 if the hash failed. */
static size_t seal(struct rudp *r, uint64_t seq, struct slice data, uint64_t now_ms)
{
	struct wr w = wr_init(r->datagram, sizeof(r->datagram));
	uint8_t random[SHA1_SIZE + 1], *iv, *body;
	size_t pad;

	r->env->random(r->env->ctx, random, sizeof(random));
	pad = 1 + random[SHA1_SIZE] % OUR_PAD_MAX;
	wr_bytes(&w, r->key_send, sizeof(r->key_send));
	iv = r->datagram + w.n;
	wr_bytes(&w, random, SHA1_SIZE);
	body = r->datagram + w.n;
	wr_u64(&w, our_tick(r, now_ms));
	wr_u64(&w, r->peer_tick);
	wr_u64(&w, r->in_last);
	put_acks(r, &w);
	wr_u64(&w, seq);
	wr_bytes(&w, data.p, data.n);
	for (size_t i = 0; i < pad; i++)
		wr_u8(&w, (uint8_t)pad);
	if (!wr_ok(&w) || se_rc4(iv, r->key_send, body, w.n - HEAD_SIZE) != 0 ||
	    hash_sha1(random, &(struct slice){ r->datagram, w.n }, 1) != 0)
		return 0;
	memcpy(r->datagram, random, SHA1_SIZE);
	r->ack_due = false;
	return w.n;
}

/* Number the next data segment. The window must be open. */
static uint64_t segment_new(struct rudp *r, struct slice data)
{
	uint64_t seq = r->out_next++;
	struct segment_out *s = out_slot(r, seq);

	s->acked = s->hurried = false;
	s->sent = 0;
	s->n = (uint16_t)data.n;
	memcpy(s->data, data.p, data.n);
	return seq;
}

static size_t segment_send(struct rudp *r, uint64_t seq, uint64_t now_ms)
{
	struct segment_out *s = out_slot(r, seq);

	s->sent++;
	s->due_ms = now_ms + resend_interval(r, s->sent);
	put_off_idle(r, now_ms);
	return seal(r, seq, (struct slice){ s->data, s->n }, now_ms);
}

/* The lowest segment whose time has come to be repeated. */
static bool find_overdue(struct rudp *r, uint64_t *ret, uint64_t now_ms)
{
	for (uint64_t seq = r->out_base; seq < r->out_next; seq++) {
		const struct segment_out *s = out_slot(r, seq);

		if (!s->acked && s->due_ms <= now_ms) {
			*ret = seq;
			return true;
		}
	}
	return false;
}

/* Make a new data segment if there is something to say: stream first, then an answer, then a question. */
static bool make_segment(struct rudp *r, uint64_t *ret, uint64_t now_ms)
{
	size_t queued = buf_len(&r->tx);

	if (!window_open(r))
		return false;
	if (queued > 0) {
		size_t n = min_size(queued, DATA_MAX);

		*ret = segment_new(r, (struct slice){ buf_peek(&r->tx).p, n });
		buf_consume(&r->tx, n);
	} else if (r->answer_due) {
		*ret = segment_new(r, (struct slice){ r->ka_response, SHA1_SIZE });
	} else if (may_ask(r) && r->idle_ms <= now_ms) {
		*ret = segment_new(r, (struct slice){ r->ka_request, SHA1_SIZE });
	} else {
		return false;
	}
	r->answer_due = false;
	return true;
}

static size_t output_request(struct rudp *r, uint64_t now_ms)
{
	if (r->request_ms > now_ms)
		return 0;
	r->request_ms = now_ms + REQUEST_MS;
	memcpy(r->datagram, r->init, INIT_SIZE);
	r->env->random(r->env->ctx, r->datagram + INIT_SIZE, REQUEST_SIZE - INIT_SIZE);
	return REQUEST_SIZE;
}

static size_t output_open(struct rudp *r, uint64_t now_ms)
{
	uint64_t seq;

	if (find_overdue(r, &seq, now_ms) || make_segment(r, &seq, now_ms))
		return segment_send(r, seq, now_ms);
	if (r->ack_due)
		return seal(r, r->out_next, (struct slice){ NULL, 0 }, now_ms);
	return 0;
}

/* What is queued goes out once, as far as the window allows, then the goodbyes. */
static size_t output_closed(struct rudp *r, uint64_t now_ms)
{
	uint64_t seq;

	if (r->goodbyes == 0)
		return 0;
	if (make_segment(r, &seq, now_ms))
		return segment_send(r, seq, now_ms);
	r->goodbyes--;
	return seal(r, r->goodbye, (struct slice){ NULL, 0 }, now_ms);
}

bool rudp_output(struct rudp *r, struct slice *ret, uint64_t now_ms)
{
	size_t n = 0;

	switch (r->state) {
	case RUDP_CONNECTING:
		n = output_request(r, now_ms);
		break;
	case RUDP_OPEN:
		n = output_open(r, now_ms);
		break;
	case RUDP_CLOSED:
		n = output_closed(r, now_ms);
		break;
	}
	if (n == 0)
		return false;
	*ret = (struct slice){ r->datagram, n };
	return true;
}

size_t rudp_room(const struct rudp *r)
{
	return r->state == RUDP_CLOSED ? 0 : buf_room(&r->tx);
}

size_t rudp_write(struct rudp *r, const uint8_t *p, size_t n)
{
	size_t taken = min_size(n, rudp_room(r));

	return buf_put(&r->tx, p, taken) == 0 ? taken : 0;
}

/* --- receiving -------------------------------------------------------------------------------------------- */

/* A segment as it was read; all of it was checked for size, nothing for sense. */
struct segment {
	uint64_t tick, echo, max_ack, seq;
	struct rd acks; /* whole numbers of 8 bytes */
	struct slice data;
};

/* Check the sign and decrypt @datagram into @plain (SEGMENT_MAX bytes). Returns the size of the body, 0 if it is none
 * of this connection. */
static size_t unseal(const struct rudp *r, struct slice datagram, uint8_t *plain)
{
	uint8_t sign[SHA1_SIZE];
	struct slice v[2];
	size_t n;

	if (datagram.n < HEAD_SIZE + BODY_MIN || datagram.n > SEGMENT_MAX)
		return 0;
	v[0] = (struct slice){ r->key_recv, SHA1_SIZE };
	v[1] = (struct slice){ datagram.p + SHA1_SIZE, datagram.n - SHA1_SIZE };
	if (hash_sha1(sign, v, ARRAY_LEN(v)) != 0 || ct_differ(sign, datagram.p, SHA1_SIZE))
		return 0;
	n = datagram.n - HEAD_SIZE;
	memcpy(plain, datagram.p + HEAD_SIZE, n);
	return se_rc4(datagram.p + SHA1_SIZE, r->key_recv, plain, n) == 0 ? n : 0;
}

/* The size without the padding, 0 if that is wrong. Only its last byte counts, as in the official programs. */
static size_t strip_pad(const uint8_t *p, size_t n)
{
	size_t pad = p[n - 1];

	return pad >= 1 && pad < n ? n - pad : 0;
}

static bool parse(struct segment *s, const uint8_t *p, size_t n)
{
	struct rd in = rd_init(p, strip_pad(p, n));
	uint32_t acks;

	s->tick = rd_u64(&in);
	s->echo = rd_u64(&in);
	s->max_ack = rd_u64(&in);
	acks = rd_u32(&in);
	if (acks > WINDOW)
		return false;
	s->acks = rd_sub(&in, 8u * acks);
	s->seq = rd_u64(&in);
	s->data = rd_rest(&in);
	return rd_ok(&in) && s->data.n <= DATA_MAX;
}

/* A round trip, from the echo of our clock in a segment that acknowledges something: as with TCP's timestamps it does
 * not matter which copy arrived (RFC 7323 4.1). */
static void measure(struct rudp *r, uint64_t ms)
{
	if (ms == 0)
		ms = 1;
	r->rtt_ms = r->rtt_ms == 0 ? ms : (7 * r->rtt_ms + ms + 4) / 8;
}

/* @seq arrived, says the server. Returns whether that is news; of one that was never sent it is not. */
static bool acknowledge(struct rudp *r, uint64_t seq)
{
	struct segment_out *s;

	if (seq < r->out_base || seq >= r->out_next)
		return false;
	s = out_slot(r, seq);
	if (s->acked)
		return false;
	s->acked = true;
	wipe(s->data, s->n);
	return true;
}

/* Those before which FAST_ACKS later ones arrived are due now, each once. */
static void hurry(struct rudp *r, uint64_t now_ms)
{
	unsigned later = 0;

	for (uint64_t seq = r->out_next; seq-- > r->out_base;) {
		struct segment_out *s = out_slot(r, seq);

		if (s->acked) {
			later++;
		} else if (later >= FAST_ACKS && s->sent == 1 && !s->hurried) {
			s->hurried = true;
			s->due_ms = now_ms;
		}
	}
}

/* Returns whether something was acknowledged that was not before. */
static bool take_acks(struct rudp *r, struct segment *s, uint64_t now_ms)
{
	bool news = false;

	for (uint64_t seq = r->out_base; seq <= s->max_ack && seq < r->out_next; seq++)
		news |= acknowledge(r, seq);
	while (rd_left(&s->acks) > 0)
		news |= acknowledge(r, rd_u64(&s->acks));
	if (news)
		hurry(r, now_ms);
	while (r->out_base < r->out_next && out_slot(r, r->out_base)->acked)
		r->out_base++;
	return news;
}

static bool is_word(const struct segment_in *s, const uint8_t word[static SHA1_SIZE])
{
	return s->n == SHA1_SIZE && memcmp(s->data, word, SHA1_SIZE) == 0;
}

/* Move what is in order to the reader, as far as it has room. */
static void deliver(struct rudp *r)
{
	struct segment_in *s;

	while ((s = in_slot(r, r->in_last + 1))->here) {
		if (is_word(s, r->ka_request))
			r->answer_due = buf_len(&r->tx) == 0;
		else if (!is_word(s, r->ka_response) && buf_put(&r->rx, s->data, s->n) != 0)
			return;
		wipe(s->data, s->n);
		s->here = false;
		r->in_last++;
		r->ack_due = true;
	}
}

static void take_data(struct rudp *r, uint64_t seq, struct slice data)
{
	struct segment_in *s;

	if (seq == 0 || data.n == 0)
		return;
	if (seq > r->in_last && seq - r->in_last > WINDOW)
		return; /* beyond the window: it comes again */
	r->ack_due = true;
	s = in_slot(r, seq);
	if (seq <= r->in_last || s->here)
		return;
	s->here = true;
	s->n = (uint16_t)data.n;
	memcpy(s->data, data.p, data.n);
	deliver(r);
}

static void take_clocks(struct rudp *r, const struct segment *s, bool acknowledges, uint64_t now_ms)
{
	if (s->tick > r->peer_tick)
		r->peer_tick = s->tick;
	if (s->echo <= r->echo)
		return;
	r->echo = s->echo;
	r->progress_ms = now_ms;
	if (acknowledges)
		measure(r, our_tick(r, now_ms) - s->echo);
}

bool rudp_input(struct rudp *r, struct slice datagram, uint64_t now_ms)
{
	uint8_t plain[SEGMENT_MAX];
	struct segment s;
	bool valid;
	size_t n;

	if (r->state == RUDP_CLOSED)
		return false;
	n = unseal(r, datagram, plain);
	valid = n > 0 && parse(&s, plain, n) && s.echo <= our_tick(r, now_ms);
	if (valid) {
		if (r->state == RUDP_CONNECTING) {
			enter(r, RUDP_OPEN, 0, NULL, now_ms);
			put_off_idle(r, now_ms);
		}
		take_clocks(r, &s, take_acks(r, &s, now_ms), now_ms);
		if (s.seq == r->goodbye)
			enter(r, RUDP_CLOSED, VE_EOF, "the server ended the R-UDP connection", now_ms);
		else
			take_data(r, s.seq, s.data);
	}
	wipe(plain, n);
	return valid;
}

struct slice rudp_peek(const struct rudp *r)
{
	return buf_peek(&r->rx);
}

void rudp_consume(struct rudp *r, size_t n)
{
	buf_consume(&r->rx, n);
	deliver(r);
	if (r->state == RUDP_CLOSED)
		r->ack_due = r->answer_due = false;
}

/* --- life and time ---------------------------------------------------------------------------------------- */

int rudp_new(struct rudp **ret, const struct session_env *env, uint64_t now_ms)
{
	struct rudp *r = calloc(1, sizeof(*r));
	uint8_t magic[8];
	uint32_t random;

	if (!r)
		return VE_NOMEM;
	r->env = env;
	r->began_ms = r->request_ms = now_ms;
	r->out_base = r->out_next = 1;
	env->random(env->ctx, r->init, sizeof(r->init));
	env->random(env->ctx, &random, sizeof(random));
	r->goodbye = GOODBYE_HIGH | random;
	store_be64(magic, r->goodbye);
	if (buf_init(&r->tx, RUDP_SEND_MAX) != 0 || buf_init(&r->rx, RUDP_RECV_MAX) != 0 || derive_all(r) != 0 ||
	    buf_put(&r->tx, magic, sizeof(magic)) != 0) {
		rudp_free(r);
		return VE_NOMEM;
	}
	*ret = r;
	return 0;
}

void rudp_free(struct rudp *r)
{
	if (!r)
		return;
	buf_fini(&r->tx);
	buf_fini(&r->rx);
	wipe(r, sizeof(*r));
	free(r);
}

enum rudp_state rudp_state(const struct rudp *r)
{
	return r->state;
}

const struct fault *rudp_fault(const struct rudp *r)
{
	return &r->fault;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t deadline_open(const struct rudp *r)
{
	uint64_t at = r->progress_ms + RUDP_DEAD_MS;

	if (r->ack_due || (window_open(r) && (buf_len(&r->tx) > 0 || r->answer_due)))
		return 0;
	if (may_ask(r))
		at = earlier(at, r->idle_ms);
	for (uint64_t seq = r->out_base; seq < r->out_next; seq++) {
		if (!r->out[seq % WINDOW].acked)
			at = earlier(at, r->out[seq % WINDOW].due_ms);
	}
	return at;
}

uint64_t rudp_deadline(const struct rudp *r)
{
	switch (r->state) {
	case RUDP_CONNECTING:
		return earlier(r->request_ms, r->began_ms + RUDP_CONNECT_MS);
	case RUDP_OPEN:
		return deadline_open(r);
	case RUDP_CLOSED:
		break;
	}
	return r->goodbyes > 0 ? 0 : UINT64_MAX;
}

void rudp_tick(struct rudp *r, uint64_t now_ms)
{
	if (r->state == RUDP_CONNECTING && now_ms - r->began_ms >= RUDP_CONNECT_MS)
		enter(r, RUDP_CLOSED, VE_TIMEOUT, "no R-UDP answer within 12 s: is the UDP port right and open?",
		      now_ms);
	else if (r->state == RUDP_OPEN && now_ms - r->progress_ms >= RUDP_DEAD_MS)
		enter(r, RUDP_CLOSED, VE_LOST, "the R-UDP connection is dead: 12 s without an answer", now_ms);
}

void rudp_close(struct rudp *r, uint64_t now_ms)
{
	if (r->state != RUDP_CLOSED)
		enter(r, RUDP_CLOSED, VE_CANCELED, "the R-UDP connection was closed by us", now_ms);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The automaton: RFC 1661's table, read and then run cell by cell; then packets, timers, and the three
 * rules of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sstp/ppp_fsm.h"
#include "test/support/unhex.h"

/* RFC 1661 4.1, the two halves of the printed table side by side; columns are the states 0 to 9. */
static const char *const rfc_table[FSM_EVENTS][FSM_STATES] = {
	[FSM_UP] = { "2", "irc,scr/6", "-", "-", "-", "-", "-", "-", "-", "-" },
	[FSM_DOWN] = { "-", "-", "0", "tls/1", "0", "1", "1", "1", "1", "tld/1" },
	[FSM_OPEN] = { "tls/1", "1", "irc,scr/6", "3", "5", "5", "6", "7", "8", "9" },
	[FSM_CLOSE] = { "0", "tlf/0", "2", "2", "4", "4", "irc,str/4", "irc,str/4", "irc,str/4",
			"tld,irc,str/4" },
	[FSM_TO_PLUS] = { "-", "-", "-", "-", "str/4", "str/5", "scr/6", "scr/6", "scr/8", "-" },
	[FSM_TO_MINUS] = { "-", "-", "-", "-", "tlf/2", "tlf/3", "tlf/3", "tlf/3", "tlf/3", "-" },
	[FSM_RCR_PLUS] = { "-", "-", "sta/2", "irc,scr,sca/8", "4", "5", "sca/8", "sca,tlu/9", "sca/8",
			   "tld,scr,sca/8" },
	[FSM_RCR_MINUS] = { "-", "-", "sta/2", "irc,scr,scn/6", "4", "5", "scn/6", "scn/7", "scn/6",
			    "tld,scr,scn/6" },
	[FSM_RCA] = { "-", "-", "sta/2", "sta/3", "4", "5", "irc/7", "scr/6", "irc,tlu/9", "tld,scr/6" },
	[FSM_RCN] = { "-", "-", "sta/2", "sta/3", "4", "5", "irc,scr/6", "scr/6", "irc,scr/8",
		      "tld,scr/6" },
	[FSM_RTR] = { "-", "-", "sta/2", "sta/3", "sta/4", "sta/5", "sta/6", "sta/6", "sta/6",
		      "tld,zrc,sta/5" },
	[FSM_RTA] = { "-", "-", "2", "3", "tlf/2", "tlf/3", "6", "6", "8", "tld,scr/6" },
	[FSM_RUC] = { "-", "-", "scj/2", "scj/3", "scj/4", "scj/5", "scj/6", "scj/7", "scj/8", "scj/9" },
	[FSM_RXJ_PLUS] = { "-", "-", "2", "3", "4", "5", "6", "6", "8", "9" },
	[FSM_RXJ_MINUS] = { "-", "-", "tlf/2", "tlf/3", "tlf/2", "tlf/3", "tlf/3", "tlf/3", "tlf/3",
			    "tld,irc,str/5" },
	[FSM_RXR] = { "-", "-", "2", "3", "4", "5", "6", "7", "8", "ser/9" },
};

static const struct {
	const char *name;
	unsigned bit;
} action_names[] = {
	{ "tld", FSM_TLD }, { "tls", FSM_TLS }, { "irc", FSM_IRC }, { "zrc", FSM_ZRC }, { "scr", FSM_SCR },
	{ "sca", FSM_SCA }, { "scn", FSM_SCN }, { "str", FSM_STR }, { "sta", FSM_STA }, { "scj", FSM_SCJ },
	{ "ser", FSM_SER }, { "tlu", FSM_TLU }, { "tlf", FSM_TLF },
};

static unsigned bit_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(action_names); i++) {
		if (strncmp(action_names[i].name, name, 3) == 0)
			return action_names[i].bit;
	}
	abort();
}

static struct fsm_cell parse_cell(const char *text)
{
	struct fsm_cell c = { .possible = true };

	if (text[0] == '-')
		return (struct fsm_cell){ 0 };
	while (text[0] < '0' || text[0] > '9') {
		c.actions |= (uint16_t)bit_of(text);
		text += 4; /* three letters, then a comma or the slash */
	}
	c.next = (uint8_t)(text[0] - '0');
	return c;
}

static void test_table_is_the_rfcs(void **state)
{
	unsigned cells = 0;

	(void)state;
	for (unsigned e = 0; e < FSM_EVENTS; e++) {
		for (unsigned st = 0; st < FSM_STATES; st++) {
			struct fsm_cell want = parse_cell(rfc_table[e][st]), got = ppp_fsm_cell(st, e);

			if (want.possible != got.possible || want.actions != got.actions ||
			    want.next != got.next)
				fail_msg("event %u in state %u is not %s", e, st, rfc_table[e][st]);
			cells++;
		}
	}
	assert_int_equal(cells, 160);
}

/* --- a protocol to try it with ------------------------------------------------------------------------ */

#define SENT_MAX 64

/* Options: 1 one byte, we ask for 07, accept 01..0f, propose 05; 2 two bytes, the peer may have it; 3 one
 * byte, we ask. */
struct toy {
	struct ppp_fsm fsm;
	struct ppp_link link;
	uint8_t mine, other, peer;
	unsigned ups, downs, finishes, others, terminations, begins;
	enum fsm_end end;
	enum ppp_verdict verdict;
	bool fatal;
	/* what was sent */
	size_t nsent;
	struct {
		uint8_t bytes[300];
		size_t n;
	} sent[SENT_MAX];
};

static struct toy *toy_of(struct ppp_fsm *f)
{
	return (struct toy *)f;
}

static void record(void *ctx, uint16_t protocol, struct slice packet)
{
	struct toy *t = ctx;

	assert_int_equal(protocol, 0x8099);
	assert_true(t->nsent < SENT_MAX && packet.n >= 4);
	assert_int_equal(load_be16(packet.p + 2), packet.n);
	t->sent[t->nsent].n = packet.n;
	memcpy(t->sent[t->nsent].bytes, packet.p, min_size(packet.n, sizeof(t->sent[0].bytes)));
	t->nsent++;
}

static enum ppp_verdict check_one(struct ppp_fsm *f, unsigned row, struct slice value, struct wr *nak)
{
	assert_int_equal(row, 0);
	if (value.p[0] >= 1 && value.p[0] <= 0x0f) {
		toy_of(f)->peer = value.p[0];
		return PPP_ACK;
	}
	wr_u8(nak, 5);
	return PPP_NAK;
}

static enum ppp_verdict check_two(struct ppp_fsm *f, unsigned row, struct slice value, struct wr *nak)
{
	(void)f, (void)nak;
	assert_int_equal(row, 1);
	assert_int_equal(value.n, 2);
	return PPP_ACK;
}

static void write_one(struct ppp_fsm *f, unsigned row, struct wr *value)
{
	wr_u8(value, row == 0 ? toy_of(f)->mine : toy_of(f)->other);
}

static void nakked_one(struct ppp_fsm *f, unsigned row, struct slice value)
{
	if (row == 0)
		toy_of(f)->mine = value.p[0];
	else
		toy_of(f)->other = value.p[0];
}

static void rejected_three(struct ppp_fsm *f, unsigned row)
{
	assert_int_equal(row, 2);
	f->give_up = toy_of(f)->fatal;
}

static const struct ppp_option toy_options[] = {
	{ .type = 1, .length = 1, .check = check_one, .write = write_one, .nakked = nakked_one },
	{ .type = 2, .length = 2, .check = check_two },
	{ .type = 3, .length = 1, .write = write_one, .nakked = nakked_one, .rejected = rejected_three },
};

static void toy_begin(struct ppp_fsm *f)
{
	toy_of(f)->begins++;
	toy_of(f)->peer = 0;
}

static void toy_replied(struct ppp_fsm *f, enum ppp_verdict v)
{
	toy_of(f)->verdict = v;
}

static void toy_up(struct ppp_fsm *f)
{
	assert_int_equal(f->state, FSM_OPENED);
	toy_of(f)->ups++;
}

static void toy_down(struct ppp_fsm *f)
{
	toy_of(f)->downs++;
}

static void toy_finished(struct ppp_fsm *f, enum fsm_end why)
{
	toy_of(f)->finishes++;
	toy_of(f)->end = why;
}

static void toy_terminated(struct ppp_fsm *f, struct slice reason)
{
	toy_of(f)->terminations++;
	if (reason.n)
		assert_memory_equal(reason.p, "why", 3);
}

static bool toy_other(struct ppp_fsm *f, const struct ppp_control *p)
{
	toy_of(f)->others++;
	return p->code == 9 || p->code == 7;
}

static const struct ppp_fsm_ops toy_ops = {
	.protocol = 0x8099,
	.options = toy_options,
	.noptions = 3,
	.begin = toy_begin,
	.replied = toy_replied,
	.up = toy_up,
	.down = toy_down,
	.finished = toy_finished,
	.terminated = toy_terminated,
	.other = toy_other,
};

static void toy_init(struct toy *t)
{
	memset(t, 0, sizeof(*t));
	t->mine = 7;
	t->other = 9;
	t->link = (struct ppp_link){ .send = record, .ctx = t };
	ppp_fsm_init(&t->fsm, &toy_ops, &t->link);
	assert_int_equal(t->fsm.state, FSM_INITIAL);
	assert_true(t->fsm.deadline == UINT64_MAX);
}

static void input(struct toy *t, const char *hex, uint64_t now)
{
	uint8_t bytes[600], *p;
	size_t n = unhex(hex, bytes, sizeof(bytes));

	p = malloc(n ? n : 1);
	assert_non_null(p);
	memcpy(p, bytes, n);
	ppp_fsm_input(&t->fsm, (struct slice){ .p = p, .n = n }, now);
	free(p);
}

static void expect_sent(const struct toy *t, size_t i, const char *hex)
{
	uint8_t want[300];
	size_t n = unhex(hex, want, sizeof(want));

	assert_true(i < t->nsent);
	assert_int_equal(t->sent[i].n, n);
	assert_memory_equal(t->sent[i].bytes, want, n);
}

#define OUR_REQUEST "01 01 000a 010307 030309"

/* To Req-Sent, at time 1000. */
static void start(struct toy *t)
{
	toy_init(t);
	ppp_fsm_open(&t->fsm, 1000);
	assert_int_equal(t->fsm.state, FSM_STARTING);
	ppp_fsm_up(&t->fsm, 1000);
	assert_int_equal(t->fsm.state, FSM_REQ_SENT);
	assert_int_equal(t->nsent, 1);
	expect_sent(t, 0, OUR_REQUEST);
	assert_int_equal(t->fsm.deadline, 4000);
	t->nsent = 0;
}

/* To Opened: the peer's request acknowledged, ours too. */
static void open_up(struct toy *t)
{
	start(t);
	input(t, "01 40 0007 010301", 1000);
	input(t, "02 01 000a 010307 030309", 1000);
	assert_int_equal(t->fsm.state, FSM_OPENED);
	assert_int_equal(t->ups, 1);
	assert_true(t->fsm.deadline == UINT64_MAX);
	t->nsent = 0;
}

/* --- every cell, run ---------------------------------------------------------------------------------- */

#define SENTINEL 77u

static void raise_event(struct toy *t, enum fsm_event e)
{
	struct ppp_fsm *f = &t->fsm;

	switch (e) {
	case FSM_UP: ppp_fsm_up(f, 5000); break;
	case FSM_DOWN: ppp_fsm_down(f, 5000); break;
	case FSM_OPEN: ppp_fsm_open(f, 5000); break;
	case FSM_CLOSE: ppp_fsm_close(f, "bye", 5000); break;
	case FSM_TO_PLUS: f->deadline = 5000; ppp_fsm_tick(f, 5000); break;
	case FSM_TO_MINUS: f->deadline = 5000; f->restarts = 0; ppp_fsm_tick(f, 5000); break;
	case FSM_RCR_PLUS: input(t, "01 22 0004", 5000); break;
	case FSM_RCR_MINUS: input(t, "01 22 0006 6602", 5000); break;
	case FSM_RCA: input(t, "02 01 000a 010307 030309", 5000); break;
	case FSM_RCN: input(t, "03 01 0007 010306", 5000); break;
	case FSM_RTR: input(t, "05 22 0007 776879", 5000); break;
	case FSM_RTA: input(t, "06 22 0004", 5000); break;
	case FSM_RUC: input(t, "63 22 0004", 5000); break;
	case FSM_RXJ_PLUS: input(t, "07 22 0008 09010004", 5000); break;
	case FSM_RXJ_MINUS:
		if (f->state >= FSM_CLOSED)
			input(t, "07 22 0008 01010004", 5000);
		else
			ppp_fsm_rejected(f, 5000);
		break;
	case FSM_RXR: ppp_fsm_echo(f, 0x22, (struct slice){ .p = (const uint8_t *)"abcd", .n = 4 }); break;
	default: abort();
	}
}

static unsigned actions_seen(const struct toy *t, unsigned restarts_before)
{
	static const unsigned by_code[] = { 0,       FSM_SCR, FSM_SCA, FSM_SCN, FSM_SCN, FSM_STR,
					    FSM_STA, FSM_SCJ, 0,       0,       FSM_SER };
	unsigned seen = 0, sends = 0;

	for (size_t i = 0; i < t->nsent; i++) {
		unsigned bit = by_code[t->sent[i].bytes[0]];

		assert_true(bit != 0 && !(seen & bit));
		seen |= bit;
		sends += bit == FSM_SCR || bit == FSM_STR;
	}
	seen |= t->ups ? FSM_TLU : 0;
	seen |= t->downs ? FSM_TLD : 0;
	seen |= t->finishes ? FSM_TLF : 0;
	if (t->fsm.restarts == (seen & FSM_STR ? PPP_TERMINATES_MAX : PPP_CONFIGURES_MAX) - sends)
		seen |= FSM_IRC;
	else if (t->fsm.restarts == 0 && restarts_before != 0)
		seen |= FSM_ZRC;
	else
		assert_int_equal(t->fsm.restarts, restarts_before ? restarts_before - sends : 0);
	return seen;
}

static void run_cell(enum fsm_state st, enum fsm_event e)
{
	struct fsm_cell want = parse_cell(rfc_table[e][st]);
	unsigned before = e == FSM_TO_MINUS ? 0 : SENTINEL, expected = want.actions & ~(unsigned)FSM_TLS;
	bool timed = want.next >= FSM_CLOSING && want.next != FSM_OPENED;
	struct toy t;

	start(&t); /* has our request 1 outstanding */
	t.fsm.heard = true;
	t.fsm.state = st;
	t.fsm.restarts = SENTINEL;
	t.fsm.deadline = 9000;
	raise_event(&t, e);
	if (!want.possible) {
		assert_int_equal(t.fsm.state, st);
		assert_int_equal(t.nsent + t.ups + t.downs + t.finishes, 0);
		return;
	}
	if (t.fsm.state != want.next || actions_seen(&t, before) != expected)
		fail_msg("event %u in state %u: state %u, not %s", e, st, t.fsm.state, rfc_table[e][st]);
	assert_int_equal(timed, t.fsm.deadline != UINT64_MAX);
}

static void test_every_cell_runs(void **state)
{
	(void)state;
	for (unsigned e = 0; e < FSM_EVENTS; e++) {
		for (unsigned st = 0; st < FSM_STATES; st++)
			run_cell(st, e);
	}
}

/* --- packets ------------------------------------------------------------------------------------------ */

static void test_negotiation(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	input(&t, "03 01 0007 010306", 1000); /* Nak: 6 instead of 7 */
	expect_sent(&t, 0, "01 02 000a 010306 030309");
	input(&t, "04 02 0007 030309", 1000); /* Reject: not that one */
	expect_sent(&t, 1, "01 03 0007 010306");
	/* Theirs: 0 is not allowed; ours goes first, it is unanswered. */
	input(&t, "01 80 000b 010300 02040102", 1000);
	expect_sent(&t, 2, "01 03 0007 010306");
	expect_sent(&t, 3, "03 80 0007 010305");
	assert_int_equal(t.verdict, PPP_NAK);
	input(&t, "02 03 0007 010306", 1000);
	assert_int_equal(t.fsm.state, FSM_ACK_RCVD);
	input(&t, "01 81 000b 010305 02040102", 1000);
	expect_sent(&t, 4, "02 81 000b 010305 02040102");
	assert_int_equal(t.nsent, 5);
	assert_int_equal(t.fsm.state, FSM_OPENED);
	assert_int_equal(t.ups, 1);
	assert_int_equal(t.peer, 5);
}

static void test_reject_comes_before_nak(void **state)
{
	struct toy t;

	(void)state;
	open_up(&t);
	input(&t, "01 41 0016 010300 6602 0204aabb 03037f 0206ffffffff", 2000);
	/* renegotiation: down, our request anew, and a Reject of just the unknown, the one we never take,
	 * the wrong length */
	assert_int_equal(t.downs, 1);
	expect_sent(&t, 0, "01 02 000a 010307 030309");
	expect_sent(&t, 1, "04 41 000f 6602 03037f 0206ffffffff");
	assert_int_equal(t.fsm.state, FSM_REQ_SENT);
}

static void test_naks_turn_into_rejects(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	t.fsm.heard = true;
	for (unsigned i = 0; i < PPP_NAKS_MAX; i++) {
		input(&t, "01 41 0007 010300", 1000);
		expect_sent(&t, i, "03 41 0007 010305");
	}
	input(&t, "01 41 0007 010300", 1000);
	expect_sent(&t, PPP_NAKS_MAX, "04 41 0007 010300");
	input(&t, "01 42 0004", 1000);
	input(&t, "01 43 0007 010300", 1000); /* an agreement in between: patience is back */
	expect_sent(&t, PPP_NAKS_MAX + 2, "03 43 0007 010305");
}

static void test_endless_naks(void **state)
{
	struct toy t;
	char hex[32];
	unsigned n = 0;

	(void)state;
	start(&t);
	while (t.fsm.state == FSM_REQ_SENT && n < 1000) {
		snprintf(hex, sizeof(hex), "03 %02x 0007 0103%02x", t.fsm.request_id, ++n & 0x7f);
		input(&t, hex, 1000);
	}
	assert_int_equal(n, PPP_ROUNDS_MAX + 1);
	assert_int_equal(t.finishes, 1);
	assert_int_equal(t.end, FSM_END_STUCK);
	assert_int_equal(t.fsm.state, FSM_STOPPED);
}

static void test_a_row_gives_up(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	t.fatal = true;
	input(&t, "04 01 0007 030309", 1000);
	assert_int_equal(t.finishes, 1);
	assert_int_equal(t.end, FSM_END_STUCK);
}

/* --- the three rules ---------------------------------------------------------------------------------- */

static void test_first_request_of_peer_repeats_ours(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	input(&t, "01 40 0007 010301", 2000);
	assert_int_equal(t.nsent, 2);
	expect_sent(&t, 0, OUR_REQUEST); /* same identifier and contents, before the Ack */
	expect_sent(&t, 1, "02 40 0007 010301");
	assert_int_equal(t.fsm.deadline, 4000); /* and our timer does not care */
	input(&t, "01 41 0007 010301", 2500); /* only the first time */
	assert_int_equal(t.nsent, 3);
	input(&t, "02 01 000a 010307 030309", 2600);
	assert_int_equal(t.fsm.state, FSM_OPENED);
}

static void test_no_repetition_when_ours_was_answered(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	input(&t, "02 01 000a 010307 030309", 1500);
	assert_int_equal(t.fsm.state, FSM_ACK_RCVD);
	input(&t, "01 40 0007 010301", 2000);
	assert_int_equal(t.nsent, 1);
	expect_sent(&t, 0, "02 40 0007 010301");
}

static void test_answers_count_once_and_for_the_latest(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	input(&t, "03 00 0007 010306", 1000); /* never sent */
	input(&t, "02 02 000a 010307 030309", 1000);
	assert_int_equal(t.nsent, 0);
	input(&t, "03 01 0007 010306", 1000);
	input(&t, "03 01 0007 010306", 1000); /* the answer to the second copy */
	assert_int_equal(t.nsent, 1);
	input(&t, "02 01 000a 010307 030309", 1000); /* an Ack for a superseded request */
	assert_int_equal(t.fsm.state, FSM_REQ_SENT);
	input(&t, "02 02 000a 010306 030309", 1000);
	assert_int_equal(t.fsm.state, FSM_ACK_RCVD);
	input(&t, "02 02 000a 010306 030309", 1000); /* twice: not a crossed connection */
	assert_int_equal(t.fsm.state, FSM_ACK_RCVD);
	input(&t, "01 40 0004", 1000);
	assert_int_equal(t.fsm.state, FSM_OPENED);
	input(&t, "02 02 000a 010306 030309", 1000);
	input(&t, "03 02 0007 010301", 1000);
	input(&t, "04 02 0007 010306", 1000);
	assert_int_equal(t.fsm.state, FSM_OPENED);
	assert_int_equal(t.downs, 0);
}

static void test_timer_repeats_the_same_request(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	for (unsigned i = 1; i < PPP_CONFIGURES_MAX; i++) {
		uint64_t now = 1000 + 3000 * i;

		assert_int_equal(t.fsm.deadline, now);
		ppp_fsm_tick(&t.fsm, now - 1);
		assert_int_equal(t.nsent, i - 1);
		input(&t, "01 40 0007 010300", now - 1); /* the peer's own requests prolong nothing */
		t.nsent = i - 1;
		ppp_fsm_tick(&t.fsm, now);
		expect_sent(&t, i - 1, OUR_REQUEST);
	}
	assert_int_equal(t.finishes, 0);
	ppp_fsm_tick(&t.fsm, 1000 + 3000 * PPP_CONFIGURES_MAX);
	assert_int_equal(t.finishes, 1);
	assert_int_equal(t.end, FSM_END_SILENCE);
	assert_int_equal(t.fsm.state, FSM_STOPPED);
	assert_true(t.fsm.deadline == UINT64_MAX);
}

static void test_late_answer_to_first_copy(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	ppp_fsm_tick(&t.fsm, 4000);
	ppp_fsm_tick(&t.fsm, 7000);
	input(&t, "02 01 000a 010307 030309", 7500);
	assert_int_equal(t.fsm.state, FSM_ACK_RCVD);
	/* In Ack-Rcvd a time-out starts over, and that request is a new one. */
	t.nsent = 0;
	ppp_fsm_tick(&t.fsm, 10500);
	expect_sent(&t, 0, "01 02 000a 010307 030309");
	assert_int_equal(t.fsm.state, FSM_REQ_SENT);
}

/* --- the rest ----------------------------------------------------------------------------------------- */

static void test_repeated_request_when_open(void **state)
{
	struct toy t;

	(void)state;
	open_up(&t);
	/* It has not seen our Ack yet: again, and nothing else happens. */
	input(&t, "01 40 0007 010301", 3000);
	assert_int_equal(t.nsent, 1);
	expect_sent(&t, 0, "02 40 0007 010301");
	assert_int_equal(t.fsm.state, FSM_OPENED);
	input(&t, "01 41 0007 010301", 3000); /* another identifier: a new negotiation */
	assert_int_equal(t.fsm.state, FSM_ACK_SENT);
	assert_int_equal(t.downs, 1);
}

static void test_long_request_is_not_remembered(void **state)
{
	struct toy t;
	char hex[1200] = "01 50 00ff";
	size_t at = strlen(hex);

	(void)state;
	for (unsigned i = 0; i < 62; i++) /* 62 * 4 + 3 = 251 bytes of options we like */
		at += (size_t)sprintf(hex + at, "0204%04x", i);
	sprintf(hex + at, "010302");
	open_up(&t);
	input(&t, hex, 1000);
	assert_int_equal(t.fsm.state, FSM_ACK_SENT);
	assert_int_equal(t.sent[1].bytes[0], 2);
	assert_int_equal(t.sent[1].n, 255);
	input(&t, "02 02 000a 010307 030309", 1000);
	assert_int_equal(t.fsm.state, FSM_OPENED);
	input(&t, hex, 1000);
	assert_int_equal(t.fsm.state, FSM_ACK_SENT);
}

static void test_malformed_packets(void **state)
{
	static const char *const bad[] = {
		"",
		"01",
		"0140",
		"014000",
		"01400003",
		"01400005",
		"01400008010301",
		"014000050101", /* lengths of packets */
		"01 40 0006 0100",
		"01 40 0006 0101",
		"01 40 0006 0103",
		"01 40 0005 01",
		"01 40 000a 010301 0205aa", /* of options */
		"02 01 000a 010307 030308",
		"02 01 0007 010307",
		"02 01 0004",
		"02 01 000d 010307 030309 010307", /* Acks that are none */
		"03 01 0006 0100",
		"03 01 0005 01",
		"03 01 0007 010506",
		"04 01 0006 0100",
		"04 01 0004",
		"04 01 0007 020307", /* Rejects of nothing that we asked for */
		"07 01 0004",
	};
	struct toy t;

	(void)state;
	start(&t);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		input(&t, bad[i], 1000);
		if (t.nsent != 0 || t.fsm.state != FSM_REQ_SENT || !t.fsm.pending || t.fsm.want != 5)
			fail_msg("packet %zu (%s) had an effect", i, bad[i]);
	}
	input(&t, "01 40 0007 010301 deadbeef", 1000); /* padding is none of our business */
	expect_sent(&t, 1, "02 40 0007 010301");
}

static void test_too_many_options(void **state)
{
	struct toy t;
	char hex[600];
	size_t at;

	(void)state;
	for (unsigned n = PPP_OPTIONS_MAX; n <= PPP_OPTIONS_MAX + 1; n++) {
		start(&t);
		t.fsm.heard = true;
		at = (size_t)sprintf(hex, "0140%04x", 4 + 3 * n);
		for (unsigned i = 0; i < n; i++)
			at += (size_t)sprintf(hex + at, "0103%02x", i % 15 + 1);
		input(&t, hex, 1000);
		assert_int_equal(t.nsent, n <= PPP_OPTIONS_MAX ? 1 : 0);
	}
}

/* A Nak may hold options that we never asked for; an empty one still is a Nak. */
static void test_foreign_options_in_answers(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	input(&t, "03 01 000d 6603aa 010306 02030a", 1000);
	expect_sent(&t, 0, "01 02 000a 010306 030309");
	input(&t, "04 02 000a 6603aa 030309", 1000);
	expect_sent(&t, 1, "01 03 0007 010306");
	input(&t, "03 03 0007 030311", 1000); /* an option that is gone by now */
	expect_sent(&t, 2, "01 04 0007 010306");
	input(&t, "03 04 0004", 1000);
	expect_sent(&t, 3, "01 05 0007 010306");
}

static void test_terminate_by_us(void **state)
{
	struct toy t;

	(void)state;
	open_up(&t);
	ppp_fsm_close(&t.fsm, "bye", 2000);
	expect_sent(&t, 0, "05 02 0007 627965");
	assert_int_equal(t.downs, 1);
	assert_int_equal(t.fsm.deadline, 3000);
	ppp_fsm_tick(&t.fsm, 3000);
	expect_sent(&t, 1, "05 03 0007 627965");
	ppp_fsm_tick(&t.fsm, 4000);
	assert_int_equal(t.nsent, 2);
	assert_int_equal(t.finishes, 1);
	assert_int_equal(t.end, FSM_END_TERMINATED);
	assert_int_equal(t.fsm.state, FSM_CLOSED);
}

static void test_terminate_by_peer(void **state)
{
	struct toy t;

	(void)state;
	open_up(&t);
	input(&t, "05 99 0007 776879", 2000);
	expect_sent(&t, 0, "06 99 0004");
	assert_int_equal(t.terminations, 1);
	assert_int_equal(t.downs, 1);
	assert_int_equal(t.fsm.state, FSM_STOPPING);
	assert_int_equal(t.fsm.deadline, 5000);
	ppp_fsm_tick(&t.fsm, 5000);
	assert_int_equal(t.finishes, 1);
	assert_int_equal(t.end, FSM_END_TERMINATED);
}

static void test_unknown_codes(void **state)
{
	struct toy t;

	(void)state;
	open_up(&t);
	for (unsigned i = 0; i < 20; i++)
		input(&t, "63 05 0006 abcd", 2000);
	assert_int_equal(t.nsent, PPP_REJECTS_A_SECOND);
	expect_sent(&t, 0, "07 02 000a 6305 0006 abcd");
	expect_sent(&t, 1, "07 03 000a 6305 0006 abcd");
	input(&t, "63 05 0006 abcd", 3000);
	assert_int_equal(t.nsent, PPP_REJECTS_A_SECOND + 1);
	input(&t, "09 05 0006 abcd", 3000); /* one that the protocol knows */
	assert_int_equal(t.nsent, PPP_REJECTS_A_SECOND + 1);
	assert_int_equal(t.fsm.state, FSM_OPENED);
}

/* The largest packet that SSTP can carry, unknown code: the Code-Reject has to be cut, not to overflow. */
static void test_largest_code_reject(void **state)
{
	static uint8_t big[PPP_INFO_MAX];
	struct toy t;

	(void)state;
	open_up(&t);
	big[0] = 99;
	store_be16(big + 2, sizeof(big));
	ppp_fsm_input(&t.fsm, (struct slice){ .p = big, .n = sizeof(big) }, 1000);
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].n, PPP_INFO_MAX);
}

static void test_code_reject_of_ours(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	input(&t, "07 33 000e 0101000a010307030309", 2000);
	assert_int_equal(t.finishes, 1);
	assert_int_equal(t.end, FSM_END_REFUSED);
	open_up(&t);
	input(&t, "07 33 0008 09010004", 2000); /* a code that only the protocol itself uses */
	assert_int_equal(t.others, 1);
	assert_int_equal(t.fsm.state, FSM_OPENED);
}

static void test_protocol_rejected(void **state)
{
	struct toy t;

	(void)state;
	start(&t);
	ppp_fsm_rejected(&t.fsm, 2000);
	assert_int_equal(t.finishes, 1);
	assert_int_equal(t.end, FSM_END_REFUSED);
	assert_int_equal(t.fsm.state, FSM_STOPPED);
	assert_true(t.fsm.answered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_the_rfcs),
		cmocka_unit_test(test_every_cell_runs),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_reject_comes_before_nak),
		cmocka_unit_test(test_naks_turn_into_rejects),
		cmocka_unit_test(test_endless_naks),
		cmocka_unit_test(test_a_row_gives_up),
		cmocka_unit_test(test_first_request_of_peer_repeats_ours),
		cmocka_unit_test(test_no_repetition_when_ours_was_answered),
		cmocka_unit_test(test_answers_count_once_and_for_the_latest),
		cmocka_unit_test(test_timer_repeats_the_same_request),
		cmocka_unit_test(test_late_answer_to_first_copy),
		cmocka_unit_test(test_repeated_request_when_open),
		cmocka_unit_test(test_long_request_is_not_remembered),
		cmocka_unit_test(test_malformed_packets),
		cmocka_unit_test(test_too_many_options),
		cmocka_unit_test(test_foreign_options_in_answers),
		cmocka_unit_test(test_terminate_by_us),
		cmocka_unit_test(test_terminate_by_peer),
		cmocka_unit_test(test_unknown_codes),
		cmocka_unit_test(test_largest_code_reject),
		cmocka_unit_test(test_code_reject_of_ours),
		cmocka_unit_test(test_protocol_rejected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

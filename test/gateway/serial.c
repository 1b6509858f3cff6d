/* SPDX-License-Identifier: GPL-3.0-or-later */

/* serial.c - PPP frames to and from a real pppd: async HDLC (RFC 1662) over the serial line of a user-mode kernel.
 *
 * A line is two FIFOs, which the kernel has open as well: they outlive both this process and a frame cut in
 * the middle. In front of pppd nothing can hang up, so a call that ends is told to pppd with a
 * Terminate-Request, as is whatever call an earlier gateway may have left. pppd then ends and starts anew,
 * which takes it a moment, and what it is sent then is lost: a line rests until its pppd speaks, or for
 * RESTART_MS (it had nothing to end). A new client gets a line that has rested; if there is none, its frames
 * wait.
 *
 * Control characters are escaped as far as the map says that pppd asked for in LCP (its option 2, when the
 * client has acknowledged it), all of them before that, and always in LCP itself.
 */
#include "test/gateway/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAG    0x7e
#define ESC     0x7d
#define GOOD    0xf0b8          /* the checksum over a frame with its own */

#define RESTART_MS 2000

struct line {
	int in, out;            /* to pppd, from pppd */
	struct conn *conn;
	uint32_t map;           /* control characters to escape */
	struct buf pending;     /* for pppd */
	uint64_t rests_until;   /* 0: its pppd has spoken */
	uint8_t frame[FRAME_MAX + 2];
	size_t len;
	bool escaped, bad;
};

static struct line lines[MAX_LINES];
static int nlines, next_line;

static uint16_t fcs_step(uint16_t fcs, uint8_t byte)
{
	fcs ^= byte;
	for (int i = 0; i < 8; i++)
		fcs = (uint16_t)(fcs & 1 ? fcs >> 1 ^ 0x8408 : fcs >> 1);
	return fcs;
}

static uint16_t fcs_table[256];

static uint16_t fcs_of(const uint8_t *p, size_t n)
{
	uint16_t fcs = 0xffff;

	if (!fcs_table[1])
		for (unsigned i = 0; i < 256; i++)
			fcs_table[i] = fcs_step(0, (uint8_t)i);
	while (n--)
		fcs = (uint16_t)(fcs >> 8 ^ fcs_table[(fcs ^ *p++) & 0xff]);
	return fcs;
}

static void end_call(int i);

void serial_open(const char *in_out)
{
	struct line *l = &lines[nlines];
	const char *comma = strchr(in_out, ',');
	char *in = comma ? strndup(in_out, (size_t)(comma - in_out)) : NULL;

	if (!in || nlines == MAX_LINES) {
		fprintf(stderr, "gateway: --serial wants IN,OUT, %d times at most\n", MAX_LINES);
		exit(2);
	}
	/* For both directions: so that neither open() nor write() minds whether anybody is there. */
	l->in = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	l->out = open(comma + 1, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	free(in);
	if (l->in < 0 || l->out < 0) {
		fprintf(stderr, "gateway: cannot open the serial line %s: %s\n", in_out, strerror(errno));
		exit(1);
	}
	end_call(nlines++);
}

int serial_count(void)
{
	return nlines;
}

int serial_fd(int i)
{
	return lines[i].out;
}

int serial_out_fd(int i)
{
	return lines[i].in;
}

bool serial_busy(int i)
{
	return lines[i].conn && lines[i].conn->out.len > OUT_HIGH;
}

static bool rests(const struct line *l)
{
	return l->rests_until && now_ms() < l->rests_until;
}

bool serial_pending(int i)
{
	return lines[i].pending.len > 0 && !rests(&lines[i]);
}

void serial_flush(int i)
{
	struct line *l = &lines[i];
	ssize_t n;

	while (l->pending.len && !rests(l)) {
		n = write(l->in, l->pending.data + l->pending.start, l->pending.len);
		if (n <= 0)
			return;
		buf_drop(&l->pending, (size_t)n);
	}
}

static void put(struct line *l, uint8_t byte, uint32_t map)
{
	uint8_t two[2] = { ESC, (uint8_t)(byte ^ 0x20) };

	if (byte == FLAG || byte == ESC || (byte < 0x20 && (map >> byte & 1)))
		buf_add(&l->pending, two, 2);
	else
		buf_add(&l->pending, &byte, 1);
}

static void send_frame(struct line *l, const uint8_t *frame, size_t n)
{
	static const uint8_t flag = FLAG;
	uint16_t fcs = (uint16_t)~fcs_of(frame, n);
	uint32_t map = n >= 4 && frame[2] == 0xc0 && frame[3] == 0x21 ? 0xffffffff : l->map;

	buf_room(&l->pending, 2 * n + 8);
	buf_add(&l->pending, &flag, 1);
	for (size_t i = 0; i < n; i++)
		put(l, frame[i], map);
	put(l, (uint8_t)fcs, map);
	put(l, (uint8_t)(fcs >> 8), map);
	buf_add(&l->pending, &flag, 1);
}

static void end_call(int i)
{
	static const uint8_t terminate[] = { 0xff, 3, 0xc0, 0x21, TERM_REQ, 200, 0, 4 };
	struct line *l = &lines[i];

	l->conn = NULL;
	send_frame(l, terminate, sizeof(terminate));
	serial_flush(i);
	l->rests_until = now_ms() + RESTART_MS;
}

bool serial_attach(struct conn *c)
{
	int best = -1;

	for (int i = 0; i < nlines; i++) {
		int at = (next_line + i) % nlines;

		if (!lines[at].conn && (best < 0 || (rests(&lines[best]) && !rests(&lines[at]))))
			best = at;
	}
	if (best < 0)
		return false;
	lines[best].conn = c;
	lines[best].map = 0xffffffff;
	c->line = best;
	next_line = best + 1;
	note(c, "serial line %d", best);
	return true;
}

void serial_detach(struct conn *c)
{
	end_call(c->line);
	c->line = -1;
}

/* The client acknowledges what pppd asked for. */
static void learn_map(struct line *l, const uint8_t *frame, size_t n)
{
	if (n < 8 || frame[2] != 0xc0 || frame[3] != 0x21 || frame[4] != CONF_ACK)
		return;
	l->map = 0xffffffff;
	for (size_t i = 8; i + 2 <= n && frame[i + 1] >= 2; i += frame[i + 1])
		if (frame[i] == 2 && frame[i + 1] == 6 && i + 6 <= n)
			l->map = (uint32_t)frame[i + 2] << 24 | (uint32_t)frame[i + 3] << 16 |
				 (uint32_t)frame[i + 4] << 8 | frame[i + 5];
}

void serial_send(struct conn *c, const uint8_t *frame, size_t n)
{
	struct line *l = &lines[c->line];

	send_frame(l, frame, n);
	learn_map(l, frame, n);
	serial_flush(c->line);
}

static void frame_done(struct line *l)
{
	if (l->len == 0 && !l->bad)
		return;
	if (l->len > 4 && l->frame[2] == 0xc0 && l->frame[3] == 0x21 && l->frame[4] == CONF_REQ)
		l->rests_until = 0;
	if (l->conn) {
		if (l->bad || l->len < 4 || fcs_of(l->frame, l->len) != GOOD)
			note(l->conn, "a damaged frame of %zu bytes on the serial line", l->len);
		else
			conn_send_frame(l->conn, l->frame, l->len - 2);
	}
}

static void take_byte(struct line *l, uint8_t byte)
{
	if (byte == FLAG) {
		if (l->escaped)
			l->bad = true;
		frame_done(l);
		l->len = 0;
		l->escaped = l->bad = false;
	} else if (byte == ESC) {
		l->escaped = true;
	} else if (l->len == sizeof(l->frame)) {
		l->bad = true;
	} else {
		l->frame[l->len++] = l->escaped ? byte ^ 0x20 : byte;
		l->escaped = false;
	}
}

void serial_readable(int i)
{
	uint8_t bytes[65536];
	ssize_t n = read(lines[i].out, bytes, sizeof(bytes));

	for (ssize_t k = 0; k < n; k++)
		take_byte(&lines[i], bytes[k]);
}

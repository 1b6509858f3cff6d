/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_bytes.c - the small helpers under everything: bytes, rd, wr, buf, err, utf8, log. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/bytes.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/rd.h"
#include "core/utf8.h"
#include "core/wr.h"

/* --- bytes ---------------------------------------------------------------------------------------------- */

static void test_load_store(void **state)
{
	static const uint8_t wire[8] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	uint8_t b[9] = { 0 };

	(void)state;
	assert_int_equal(load_be16(wire), 0x0123);
	assert_int_equal(load_be32(wire + 4), 0x89abcdef);
	assert_true(load_be64(wire) == UINT64_C(0x0123456789abcdef));
	store_be64(b + 1, UINT64_C(0x0123456789abcdef)); /* unaligned on purpose */
	assert_memory_equal(b + 1, wire, 8);
	store_be32(b + 3, 0xffffffff);
	assert_int_equal(load_be32(b + 3), 0xffffffff);
	store_be16(b, 0xfffe);
	assert_int_equal(load_be16(b), 0xfffe);
}

static void test_wipe_and_compare(void **state)
{
	uint8_t a[33], b[33];

	(void)state;
	memset(a, 0x5a, sizeof(a));
	memcpy(b, a, sizeof(b));
	assert_int_equal(ct_differ(a, b, sizeof(a)), 0);
	assert_int_equal(ct_differ(a, b, 0), 0);
	for (size_t i = 0; i < sizeof(a); i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			b[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(ct_differ(a, b, sizeof(a)), 0);
			b[i] = a[i];
		}
	}
	wipe(a, 32);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(a[i], 0);
	assert_int_equal(a[32], 0x5a);
	wipe(NULL, 0);
}

/* --- rd ------------------------------------------------------------------------------------------------- */

static void test_rd_values(void **state)
{
	static const uint8_t wire[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 'a', 'b', 'c' };
	struct rd r = rd_init(wire, sizeof(wire)), sub;
	uint8_t two[2];

	(void)state;
	assert_int_equal(rd_u8(&r), 0x01);
	assert_int_equal(rd_u16(&r), 0x0203);
	assert_int_equal(rd_u32(&r), 0x04050607);
	assert_true(rd_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
	assert_int_equal(rd_left(&r), 3);
	assert_int_equal(rd_rest(&r).n, 3);
	sub = rd_sub(&r, 2);
	assert_int_equal(rd_left(&r), 1);
	rd_copy(&sub, two, 2);
	assert_memory_equal(two, "ab", 2);
	assert_true(rd_done(&sub));
	assert_false(rd_done(&r));
	assert_int_equal(rd_u8(&sub), 0); /* past its own end, though the parent has more */
	assert_false(rd_ok(&sub));
	rd_skip(&r, 1);
	assert_true(rd_done(&r));
}

/* A parser with one field of each kind, over every truncation of its message. */
static void test_rd_truncations(void **state)
{
	static const uint8_t wire[21] = { 1, 0, 2, 0, 0,   0,   3,   0,   0,   0,  0,
					  0, 0, 0, 4, 'x', 'y', 'z', 's', 's', 's' };

	(void)state;
	for (size_t n = 0; n <= sizeof(wire); n++) {
		uint8_t *copy = malloc(n > 0 ? n : 1), three[3];
		struct rd r, sub;
		uint64_t sum;

		memcpy(copy, wire, n);
		r = rd_init(copy, n);
		sum = rd_u8(&r);
		sum += rd_u16(&r);
		sum += rd_u32(&r);
		sum += rd_u64(&r);
		rd_copy(&r, three, 3);
		sub = rd_sub(&r, 3);
		if (n == sizeof(wire)) {
			assert_true(rd_done(&r));
			assert_true(sum == 10);
			assert_memory_equal(three, "xyz", 3);
			assert_int_equal(rd_left(&sub), 3);
		} else {
			assert_false(rd_ok(&r));
			assert_false(rd_done(&r));
			assert_false(rd_ok(&sub));
			assert_int_equal(rd_left(&sub), 0);
			assert_int_equal(rd_rest(&r).n, 0);
			if (n < 18)
				assert_memory_equal(three, "\0\0\0", 3);
			assert_null(rd_bytes(&r, 0)); /* sticky, even for nothing */
		}
		free(copy);
	}
}

static void test_rd_lengths(void **state)
{
	static const uint8_t wire[4] = { 0 };
	struct rd r = rd_init(NULL, 0);

	(void)state;
	assert_true(rd_done(&r));
	rd_skip(&r, 0);
	assert_true(rd_done(&r));
	assert_int_equal(rd_rest(&r).n, 0);
	rd_skip(&r, 1);
	assert_false(rd_ok(&r));

	r = rd_init(wire, sizeof(wire));
	rd_skip(&r, SIZE_MAX); /* an addition would wrap */
	assert_false(rd_ok(&r));
	r = rd_init(wire, sizeof(wire));
	assert_false(rd_ok(&(struct rd){ .bad = rd_sub(&r, 5).bad }));
	r = rd_init(wire, sizeof(wire));
	assert_non_null(rd_bytes(&r, 4));
	assert_true(rd_done(&r));
}

/* --- wr ------------------------------------------------------------------------------------------------- */

static void write_all_kinds(struct wr *w)
{
	size_t at = w->n;

	wr_u16(w, 0);
	wr_u8(w, 0x11);
	wr_u32(w, 0x22334455);
	wr_u64(w, UINT64_C(0x66778899aabbccdd));
	wr_bytes(w, "xyz", 3);
	wr_str(w, "end");
	wr_bytes(w, NULL, 0);
	wr_patch_u16(w, at, (uint16_t)w->n);
}

/* Into every size from none to enough: what does not fit leaves the writer bad, and no byte behind it
 * changed. */
static void test_wr_capacities(void **state)
{
	static const uint8_t want[] = { 0, 21, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
					0xaa, 0xbb, 0xcc, 0xdd, 'x', 'y', 'z', 'e', 'n', 'd' };

	(void)state;
	assert_int_equal(sizeof(want), 21);
	for (size_t cap = 0; cap <= sizeof(want) + 1; cap++) {
		uint8_t memory[32];
		struct wr w;

		memset(memory, 0xee, sizeof(memory));
		w = wr_init(memory, cap);
		write_all_kinds(&w);
		assert_int_equal(wr_ok(&w), cap >= sizeof(want));
		assert_true(w.n <= cap);
		if (wr_ok(&w)) {
			assert_int_equal(w.n, sizeof(want));
			assert_memory_equal(memory, want, sizeof(want));
		}
		for (size_t i = cap; i < sizeof(memory); i++)
			assert_int_equal(memory[i], 0xee);
	}
}

static void test_wr_patches(void **state)
{
	uint8_t memory[8] = { 0 };
	struct wr w = wr_init(memory, sizeof(memory));

	(void)state;
	wr_patch_u16(&w, 0, 0xffff); /* nothing written yet: nothing to patch */
	assert_int_equal(memory[0], 0);
	wr_u32(&w, 0x01020304);
	wr_patch_u16(&w, 3, 0xffff); /* would reach past what is written */
	wr_patch_u32(&w, 1, 0xffffffff);
	wr_patch_u16(&w, SIZE_MAX, 0xffff);
	assert_memory_equal(memory, "\1\2\3\4\0\0\0\0", 8);
	wr_patch_u16(&w, 2, 0xabcd);
	assert_memory_equal(memory, "\1\2\xab\xcd", 4);
	wr_patch_u32(&w, 0, 0x05060708);
	assert_memory_equal(memory, "\5\6\7\x08", 4);
	assert_null(wr_space(&w, SIZE_MAX));
	assert_false(wr_ok(&w));
	assert_null(wr_space(&w, 1)); /* sticky */
	assert_int_equal(w.n, 4);
}

/* --- buf ------------------------------------------------------------------------------------------------ */

static void test_buf_bounds(void **state)
{
	struct buf b;
	size_t room;
	uint8_t *p;

	(void)state;
	assert_int_equal(buf_init(&b, 8), 0);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_put(&b, "12345678", 8), 0);
	assert_int_equal(buf_room(&b), 0);
	assert_int_equal(buf_put(&b, "9", 1), VE_AGAIN);
	assert_int_equal(buf_put(&b, NULL, 0), 0);
	buf_reserve(&b, 1, &room);
	assert_int_equal(room, 0);
	buf_consume(&b, 3);
	assert_int_equal(buf_put(&b, "abcd", 4), VE_AGAIN); /* all or nothing */
	assert_int_equal(buf_len(&b), 5);
	p = buf_reserve(&b, 3, &room); /* moves what is queued to the front */
	assert_int_equal(room, 3);
	memcpy(p, "abc", 3);
	buf_commit(&b, 3);
	assert_int_equal(buf_peek(&b).n, 8);
	assert_memory_equal(buf_peek(&b).p, "45678abc", 8);
	buf_consume(&b, 8);
	assert_int_equal(b.head, 0); /* empty starts at the front again */
	buf_reserve(&b, 8, &room);
	assert_int_equal(room, 8);
	buf_fini(&b);
	buf_fini(&b);
	assert_null(b.p);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* Random puts, reserves and takes against a plain count of what must come out: bytes are their own sequence
 * number. */
static void test_buf_model(void **state)
{
	struct buf b;
	uint32_t seed = 7;
	uint8_t in = 0, out = 0;

	(void)state;
	assert_int_equal(buf_init(&b, 61), 0);
	for (int step = 0; step < 200000; step++) {
		size_t want = next_random(&seed) % 70, room, len = buf_len(&b);
		struct slice s = buf_peek(&b);
		uint8_t *p;

		assert_int_equal(s.n, len);
		if (next_random(&seed) % 2) {
			p = buf_reserve(&b, want, &room);
			assert_true(room >= min_size(want, buf_room(&b)));
			want = min_size(want, room);
			for (size_t i = 0; i < want; i++)
				p[i] = in++;
			buf_commit(&b, want);
			assert_int_equal(buf_len(&b), len + want);
		} else {
			want = min_size(want, len);
			for (size_t i = 0; i < want; i++)
				assert_int_equal(s.p[i], out++);
			buf_consume(&b, want);
		}
		assert_int_equal(buf_len(&b) + buf_room(&b), 61);
	}
	buf_fini(&b);
}

/* --- err ------------------------------------------------------------------------------------------------ */

static void test_err_codes(void **state)
{
	static const int all[] = {
#define CODE(code, num, exit_status, name) code,
		VE_LIST(CODE)
#undef CODE
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_true(all[i] < 0);
		assert_string_not_equal(ve_name(all[i]), "unknown");
		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(all[i], all[k]);
			assert_string_not_equal(ve_name(all[i]), ve_name(all[k]));
		}
	}
	assert_string_equal(ve_name(0), "ok");
	assert_string_equal(ve_name(1), "unknown");
	assert_string_equal(ve_name(-9999), "unknown");
	assert_string_equal(ve_name(VE_TIMEOUT), "timeout");
	/* architecture section 4 */
	assert_int_equal(ve_exit_status(0), 0);
	assert_int_equal(ve_exit_status(VE_CANCELED), 0);
	assert_int_equal(ve_exit_status(VE_USAGE), 2);
	assert_int_equal(ve_exit_status(VE_RESOLVE), 3);
	assert_int_equal(ve_exit_status(VE_CONNECT), 3);
	assert_int_equal(ve_exit_status(VE_TLS), 4);
	assert_int_equal(ve_exit_status(VE_AUTH), 5);
	assert_int_equal(ve_exit_status(VE_PROTO), 6);
	assert_int_equal(ve_exit_status(VE_ADDRESS), 7);
	assert_int_equal(ve_exit_status(VE_LISTEN), 8);
	assert_int_equal(ve_exit_status(VE_LOST), 9);
	assert_int_not_equal(ve_exit_status(-9999), 0);
}

static void test_fault(void **state)
{
	struct fault f = { 0 }, g = { 0 }, h = { 0 };
	char big[2 * FAULT_TEXT_MAX];

	(void)state;
	fault_set(&f, VE_PROTO, "first %d", 1);
	fault_set_final(&f, VE_AUTH, "second");
	assert_int_equal(f.err, VE_PROTO);
	assert_false(f.final);
	assert_string_equal(f.text, "first 1");
	fault_set_final(&g, VE_AUTH, "server says %s", "a\nb\r\x1b[2J\x7fz \xc3\xa9");
	assert_true(g.final);
	assert_string_equal(g.text, "server says a?b??[2J?z \xc3\xa9");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	fault_set(&h, VE_TLS, "%s", big);
	assert_int_equal(strlen(h.text), FAULT_TEXT_MAX - 1);
}

/* --- utf8 ----------------------------------------------------------------------------------------------- */

/* The rule the other way round: which sequence does each character have? Everything else must be refused. */
static size_t encode(uint32_t c, uint8_t to[4])
{
	if (c < 0x80) {
		to[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (uint8_t)(0xc0 | c >> 6);
		to[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (uint8_t)(0xe0 | c >> 12);
		to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		to[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (uint8_t)(0xf0 | c >> 18);
	to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	to[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

static void test_utf8_all_characters(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x1fffff; c++) {
		uint8_t b[4];
		size_t n = encode(c, b);
		bool good = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
		bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);

		if (utf8_char(b, n) != (good ? n : 0))
			fail_msg("U+%04X", c);
		if (utf8_is_text(b, n) != (good && !control))
			fail_msg("U+%04X as text", c);
		for (size_t k = 1; k < n; k++)
			assert_int_equal(utf8_char(b, k), 0); /* every truncation */
	}
}

static void test_utf8_all_short_sequences(void **state)
{
	size_t good[4] = { 0 };

	(void)state;
	for (uint32_t v = 0; v < 0x1000000; v++) {
		uint8_t b[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

		good[utf8_char(b, 3)]++;
	}
	/* as many as there are characters of each length, times what may follow them */
	assert_int_equal(good[1], 128 * 65536);
	assert_int_equal(good[2], (0x800 - 0x80) * 256);
	assert_int_equal(good[3], 0x10000 - 0x800 - 0x800);
	assert_true(utf8_is_text("", 0));
	assert_true(utf8_is_text("\xf4\x8f\xbf\xbf", 4));
	assert_false(utf8_is_text("a\xf4\x90\x80\x80", 5));
	assert_false(utf8_is_text("a\xc0\xaf", 3)); /* RFC 3629 section 10 */
}

/* --- log ------------------------------------------------------------------------------------------------ */

static char seen[2048];
static int seen_count;
static enum log_level seen_level;

static void remember(void *ctx, enum log_level level, const char *line)
{
	assert_ptr_equal(ctx, &seen_count);
	seen_level = level;
	seen_count++;
	snprintf(seen, sizeof(seen), "%s", line);
}

static void test_log_levels(void **state)
{
	static const char *const words[] = { "error", "warn", "info", "debug", "trace" };
	enum log_level level = LOG_WARN;

	(void)state;
	assert_int_equal(log_level_parse("Info", &level), VE_USAGE);
	assert_int_equal(log_level_parse("", &level), VE_USAGE);
	assert_int_equal(level, LOG_WARN);
	log_set_sink(remember, &seen_count);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		assert_int_equal(log_level_parse(words[i], &level), 0);
		assert_int_equal(level, i);
		log_set_level(level);
		for (int l = LOG_ERROR; l <= LOG_TRACE; l++) {
			seen_count = 0;
			errno = 4711;
			log_at((enum log_level)l, "object %d: text", l);
			log_line((enum log_level)l, "again");
			assert_int_equal(errno, 4711);
			assert_int_equal(seen_count, l <= (int)level ? 2 : 0);
		}
		assert_int_equal(seen_level, level);
	}
	log_set_sink(NULL, NULL);
	log_set_level(LOG_INFO);
}

static void test_log_cleans_and_cuts(void **state)
{
	char big[3000];

	(void)state;
	log_set_sink(remember, &seen_count);
	log_info("a\nb\tc\x1b[1m %s", "\xc3\xa9 \x80 \xc2\x9b \xed\xa0\x80 \xf0\x9f\x98\x80");
	assert_string_equal(seen, "a?b?c?[1m \xc3\xa9 ? ?? ??? \xf0\x9f\x98\x80");
	for (size_t n = 1020; n < 1030; n++) {
		memset(big, 'x', n);
		big[n] = '\0';
		log_info("%s", big);
		assert_int_equal(strlen(seen), n <= 1024 ? n : 1024);
		assert_int_equal(strcmp(seen + strlen(seen) - 3, "...") == 0, n > 1024);
	}
	/* a cut never leaves half of a character */
	for (size_t shift = 0; shift < 4; shift++) {
		memset(big, 'x', shift);
		for (size_t i = shift; i + 4 < sizeof(big); i += 4)
			memcpy(big + i, "\xf0\x9f\x98\x80", 5);
		log_info("%s", big);
		assert_null(strchr(seen, '?'));
		assert_true(utf8_is_text(seen, strlen(seen)));
		assert_in_range(strlen(seen), 1021, 1024);
	}
	log_set_sink(NULL, NULL);
}

/* What one log_*() call gives to standard error. A packet socket in its place shows each write() as one
 * message. */
static ssize_t captured(char *to, size_t cap, void (*speak)(void))
{
	int pair[2], keep = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_true(keep >= 0);
	assert_true(dup2(pair[1], STDERR_FILENO) >= 0);
	speak();
	assert_true(dup2(keep, STDERR_FILENO) >= 0);
	close(keep);
	close(pair[1]);
	n = recv(pair[0], to, cap - 1, 0);
	assert_true(n >= 0);
	to[n] = '\0';
	assert_int_equal(recv(pair[0], &keep, sizeof(keep), 0), 0); /* no second message */
	close(pair[0]);
	return n;
}

static void speak_short(void)
{
	log_warn("tunnel: \"quoted\" \\ %s", "\x01\xff");
}

static void speak_long(void)
{
	char big[2000];

	memset(big, '"', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_error("%s", big);
}

/* Does @s begin with "2026-01-02T03:04:05.678Z"? */
static bool is_time(const char *s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";

	for (size_t i = 0; form[i]; i++) {
		if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return false;
	}
	return true;
}

static void test_log_text_lines(void **state)
{
	char line[4096];
	ssize_t n;

	(void)state;
	captured(line, sizeof(line), speak_short);
	assert_string_equal(line, "softsocks: warn: tunnel: \"quoted\" \\ ??\n");
	log_set_level(LOG_DEBUG);
	captured(line, sizeof(line), speak_short);
	assert_true(is_time(line));
	assert_string_equal(line + 24, " softsocks: warn: tunnel: \"quoted\" \\ ??\n");
	n = captured(line, sizeof(line), speak_long);
	assert_int_equal(n, 24 + 1 + strlen("softsocks: error: ") + 1024 + 1);
	log_set_level(LOG_INFO);
}

static void test_log_json_lines(void **state)
{
	char line[4096];
	ssize_t n;

	(void)state;
	log_set_json(true);
	captured(line, sizeof(line), speak_short);
	assert_memory_equal(line, "{\"time\":\"", 9);
	assert_true(is_time(line + 9));
	assert_string_equal(line + 9 + 24,
			    "\",\"level\":\"warn\",\"text\":\"tunnel: \\\"quoted\\\" \\\\ ??\"}\n");
	n = captured(line, sizeof(line), speak_long); /* the longest there is */
	assert_string_equal(line + n - 10, "\\\"\\\"...\"}\n");
	log_set_json(false);
	captured(line, sizeof(line), speak_short);
	assert_memory_equal(line, "softsocks: ", 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_store),
		cmocka_unit_test(test_wipe_and_compare),
		cmocka_unit_test(test_rd_values),
		cmocka_unit_test(test_rd_truncations),
		cmocka_unit_test(test_rd_lengths),
		cmocka_unit_test(test_wr_capacities),
		cmocka_unit_test(test_wr_patches),
		cmocka_unit_test(test_buf_bounds),
		cmocka_unit_test(test_buf_model),
		cmocka_unit_test(test_err_codes),
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_utf8_all_characters),
		cmocka_unit_test(test_utf8_all_short_sequences),
		cmocka_unit_test(test_log_levels),
		cmocka_unit_test(test_log_cleans_and_cuts),
		cmocka_unit_test(test_log_text_lines),
		cmocka_unit_test(test_log_json_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

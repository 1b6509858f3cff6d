/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_stdio_join.c - -W: pipes, sockets and files joined to the flows of fake_flow.inc.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>

#include "core/limits.h"
#include "socks/stdio_join.h"

#include "fake_flow.inc.h"
#include "local_peer.inc.h"

static struct targets targets;
static struct stdio_join *join;
static struct fault fault;
static unsigned overs, fds_before;
static struct fake_conn *conn;
static struct peer in, out; /* the ends of whoever has started us */

static void on_over(void *ctx, const struct fault *f)
{
	(void)ctx;
	overs++;
	fault = *f;
	stdio_join_close(join);
	join = NULL;
}

static const struct stdio_join_events events = { on_over };
static const struct dest to = { .name = "far.corp", .port = 22 };

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	uv_loop_init(&loop);
	fake_init(&ns);
	targets = (struct targets){ .loop = &loop, .ns = &ns };
	fault = (struct fault){ .err = 1 };
	overs = 0;
	join = NULL;
	conn = &ns.conns[0];
	in = out = (struct peer){ .fd = -1 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stdio_join_close(join);
	flow_flush(&ns);
	targets_fini(&targets);
	uv_run(&loop, UV_RUN_DEFAULT);
	fake_fini(&ns);
	peer_fini(&in);
	peer_fini(&out);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

/* Take @fds as standard input and output; they are /dev/null afterwards, and closed here. */
static void take(int fd_in, int fd_out)
{
	assert_int_equal(stdio_join_new(&join, &targets, fd_in, fd_out, &events, NULL, &fault), 0);
	close(fd_in);
	if (fd_out != fd_in)
		close(fd_out);
}

static void open_it(void)
{
	stdio_join_open(join, &to);
	flow_flush(&ns);
	if (join)
		UNTIL(overs > 0 || (conn->flow && conn->flow->open));
}

/* A pipe has no send(2). */
static size_t pipe_write(int fd, const uint8_t *p, size_t n)
{
	ssize_t w = n > 0 ? write(fd, p, n) : 0;

	return w > 0 ? (size_t)w : 0;
}

static void pipe_read(struct peer *p)
{
	uint8_t b[65536];
	ssize_t r = p->got_end ? -1 : read(p->fd, b, sizeof(b));

	if (r == 0)
		p->got_end = true;
	else if (r > 0)
		received_add(&p->got, b, (size_t)r);
}

static void start_pipes(void)
{
	int a[2], b[2];

	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	peer_init(&in, a[1]);
	peer_init(&out, b[0]);
	take(a[0], b[1]);
	open_it();
}

static void bulk(size_t n)
{
	uint8_t *up = make_bytes(n, 1), *down = make_bytes(n, 2);
	size_t sent = 0, given = 0;

	for (unsigned i = 0; (conn->got.n < n || out.got.n < n) && i < 1000000; i++) {
		sent += pipe_write(in.fd, up + sent, n - sent);
		given += fake_give(conn, down + given, n - given, 1400);
		if (i % 3 == 0) /* neither side is in a hurry */
			fake_take(conn, 5000);
		if (i % 2 == 0)
			pipe_read(&out);
		turn();
	}
	assert_int_equal(conn->got.n, n);
	assert_memory_equal(conn->got.p, up, n);
	assert_int_equal(out.got.n, n);
	assert_memory_equal(out.got.p, down, n);
	free(up);
	free(down);
}

static void input_ends_first(void **state)
{
	(void)state;
	start_pipes();
	assert_string_equal(conn->to.name, "far.corp");
	bulk(1000000);
	peer_close(&in);
	UNTIL((fake_take(conn, SIZE_MAX), conn->got_fin));
	settle_down();
	assert_int_equal(overs, 0);
	fake_give(conn, (const uint8_t *)"late", 4, 4);
	fake_end(conn);
	UNTIL((pipe_read(&out), out.got_end));
	assert_memory_equal(out.got.p + out.got.n - 4, "late", 4);
	UNTIL(overs == 1);
	assert_int_equal(fault.err, 0);
	assert_false(conn->reset);
}

static void target_ends_first(void **state)
{
	(void)state;
	start_pipes();
	fake_give(conn, (const uint8_t *)"hello", 5, 5);
	fake_end(conn);
	UNTIL((pipe_read(&out), out.got_end));
	assert_int_equal(out.got.n, 5);
	assert_int_equal(overs, 0);
	assert_int_equal(pipe_write(in.fd, (const uint8_t *)"more", 4), 4);
	UNTIL((fake_take(conn, SIZE_MAX), conn->got.n == 4));
	peer_close(&in);
	UNTIL((fake_take(conn, SIZE_MAX), conn->got_fin));
	UNTIL(overs == 1);
	assert_int_equal(fault.err, 0);
	assert_false(conn->reset);
}

/* ssh gives its ProxyCommand one socket for both. */
static void one_socket_for_both(void **state)
{
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	peer_init(&in, s[0]);
	take(s[1], dup(s[1]));
	open_it();
	peer_send_all(&in, "up", 2);
	fake_give(conn, (const uint8_t *)"down", 4, 4);
	fake_end(conn);
	UNTIL((fake_take(conn, SIZE_MAX), conn->got.n == 2));
	UNTIL(peer_at_end(&in));
	assert_int_equal(in.got.n, 4);
	peer_end(&in);
	UNTIL((fake_take(conn, SIZE_MAX), conn->got_fin));
	UNTIL(overs == 1);
	assert_int_equal(fault.err, 0);
}

static void files(void **state)
{
	FILE *from = tmpfile(), *result = tmpfile();
	size_t n = 300000;
	uint8_t *data = make_bytes(n, 3), *back = malloc(n);
	size_t given = 0;

	(void)state;
	assert_true(from && result && back);
	assert_int_equal(fwrite(data, 1, n, from), n);
	assert_int_equal(fflush(from), 0);
	rewind(from);
	take(dup(fileno(from)), dup(fileno(result)));
	open_it();
	for (unsigned i = 0; (given < n || !conn->got_fin) && i < 1000000; i++) {
		given += fake_give(conn, data + given, n - given, 1400);
		fake_take(conn, 20000);
		turn();
	}
	fake_end(conn);
	UNTIL(overs == 1);
	assert_int_equal(fault.err, 0);
	assert_int_equal(conn->got.n, n);
	assert_memory_equal(conn->got.p, data, n);
	assert_int_equal(fseek(result, 0, SEEK_END), 0);
	assert_int_equal(ftell(result), n);
	rewind(result);
	assert_int_equal(fread(back, 1, n, result), n);
	assert_memory_equal(back, data, n);
	fclose(from);
	fclose(result);
	free(data);
	free(back);
}

static void nobody_reads(void **state)
{
	(void)state;
	start_pipes();
	peer_close(&out);
	fake_give(conn, (const uint8_t *)"hello", 5, 5);
	UNTIL(overs == 1);
	assert_int_equal(fault.err, VE_IO);
	assert_string_equal(fault.text, "-W: standard output: broken pipe");
	assert_true(conn->reset);
}

static void no_connection(void **state)
{
	(void)state;
	ns.outcome = FAKE_FAILS;
	ns.err = VE_REFUSED;
	start_pipes();
	UNTIL(overs == 1);
	assert_int_equal(fault.err, VE_REFUSED);
	assert_string_equal(fault.text, "-W far.corp:22: refused");
	assert_int_equal(ve_exit_status(fault.err), 6);
}

static void not_even_tried(void **state)
{
	(void)state;
	ns.open_result = VE_DOWN;
	start_pipes();
	assert_int_equal(overs, 1);
	assert_int_equal(fault.err, VE_DOWN);
}

/* What came before a break is written, but it does not look like the end of the stream in order. */
static void target_breaks(void **state)
{
	(void)state;
	start_pipes();
	fake_give(conn, (const uint8_t *)"half", 4, 4);
	fake_break(conn, VE_RESET);
	UNTIL(overs == 1);
	assert_int_equal(fault.err, VE_RESET);
	UNTIL((pipe_read(&out), out.got_end));
	assert_int_equal(out.got.n, 4);
}

/* Descriptors that others may have, too, are as they were. */
static void flags_are_put_back(void **state)
{
	int a[2], keep;

	(void)state;
	assert_int_equal(pipe(a), 0);
	keep = a[0];
	peer_init(&in, a[1]);
	assert_int_equal(pipe(a + 0), 0);
	peer_init(&out, a[0]);
	take(dup(keep), a[1]);
	assert_true(fcntl(keep, F_GETFL) & O_NONBLOCK);
	stdio_join_close(join);
	join = NULL;
	settle_down();
	assert_false(fcntl(keep, F_GETFL) & O_NONBLOCK);
	close(keep);
}

static void closed_in_the_middle(void **state)
{
	(void)state;
	start_pipes();
	fake_give(conn, (const uint8_t *)"hello", 5, 5);
	assert_int_equal(pipe_write(in.fd, (const uint8_t *)"more", 4), 4);
	turn();
	stdio_join_close(join);
	join = NULL;
	flow_flush(&ns);
	settle_down();
	assert_int_equal(overs, 0);
	assert_true(conn->reset);
}

static void no_descriptor(void **state)
{
	(void)state;
	fault = (struct fault){ 0 };
	assert_int_equal(stdio_join_new(&join, &targets, 999, 999, &events, NULL, &fault), VE_IO);
	assert_string_equal(fault.text, "-W: standard input: bad file descriptor");
	assert_null(join);
}

static int warm_up(void **state)
{
	(void)state;
	uv_loop_init(&loop);
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(input_ends_first, setup, teardown),
		cmocka_unit_test_setup_teardown(target_ends_first, setup, teardown),
		cmocka_unit_test_setup_teardown(one_socket_for_both, setup, teardown),
		cmocka_unit_test_setup_teardown(files, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(no_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(not_even_tried, setup, teardown),
		cmocka_unit_test_setup_teardown(target_breaks, setup, teardown),
		cmocka_unit_test_setup_teardown(flags_are_put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_in_the_middle, setup, teardown),
		cmocka_unit_test_setup_teardown(no_descriptor, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, warm_up, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_udp_socket.c - two sockets on the loopback, and one with a kernel that is scripted. */
#include <uv.h>

/* Between udp_socket.c and the kernel. */
static int kernel_try_send2(uv_udp_t *socket, unsigned count, uv_buf_t *bufs[], unsigned nbufs[],
			    struct sockaddr *to[], unsigned flags);
static int kernel_send(uv_udp_send_t *req, uv_udp_t *socket, const uv_buf_t bufs[], unsigned nbufs,
		       const struct sockaddr *to, uv_udp_send_cb cb);
#define uv_udp_try_send2 kernel_try_send2
#define uv_udp_send kernel_send
#include "core/udp_socket.c"
#undef uv_udp_try_send2
#undef uv_udp_send

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* --- the kernel ----------------------------------------------------------------------------------------------- */

static struct {
	bool scripted;
	unsigned takes;       /* datagrams that it takes before it says @then */
	int then;             /* UV_EAGAIN, or a reason not to take the next one */
	unsigned taken[200];  /* the first byte of each that was taken */
	unsigned n, calls, refused;
	uv_udp_send_t *waits; /* lent with uv_udp_send() */
	uint8_t first;        /* byte of that one */
	uv_udp_send_cb cb;
} kernel;

static int kernel_try_send2(uv_udp_t *socket, unsigned count, uv_buf_t *bufs[], unsigned nbufs[],
			    struct sockaddr *to[], unsigned flags)
{
	unsigned i = 0;

	assert_true(count > 0 && count <= 20);
	if (!kernel.scripted)
		return uv_udp_try_send2(socket, count, bufs, nbufs, to, flags);
	kernel.calls++;
	assert_null(kernel.waits);
	for (; i < count && kernel.takes > 0; i++, kernel.takes--)
		kernel.taken[kernel.n++] = (uint8_t)bufs[i]->base[0];
	if (i > 0)
		return (int)i;
	kernel.refused++;
	if (kernel.then != UV_EAGAIN)
		kernel.takes = 1000; /* it only minded this one */
	return kernel.then;
}

static int kernel_send(uv_udp_send_t *req, uv_udp_t *socket, const uv_buf_t bufs[], unsigned nbufs,
		       const struct sockaddr *to, uv_udp_send_cb cb)
{
	if (!kernel.scripted)
		return uv_udp_send(req, socket, bufs, nbufs, to, cb);
	assert_null(kernel.waits);
	req->handle = socket;
	kernel.waits = req;
	kernel.first = (uint8_t)bufs->base[0];
	kernel.cb = cb;
	return 0;
}

/* It has sent what waited, and takes @n more. */
static void kernel_goes_on(unsigned n, int status)
{
	uv_udp_send_t *req = kernel.waits;

	if (status == 0)
		kernel.taken[kernel.n++] = kernel.first;
	kernel.waits = NULL;
	kernel.takes = n;
	kernel.cb(req, status);
}

/* --- rig ------------------------------------------------------------------------------------------------------ */

static struct {
	uv_loop_t loop;
	struct udp_socket *a, *b;
	unsigned got, batches, rooms;
	size_t bytes;
	struct endpoint from;
	bool close_at_once;
} rig;

static void on_datagram(void *ctx, const struct endpoint *from, struct slice bytes)
{
	(void)ctx;
	assert_non_null(rig.b); /* nothing after udp_socket_close() */
	for (size_t i = 1; i < bytes.n; i++)
		assert_int_equal(bytes.p[i], (uint8_t)(bytes.n + i));
	rig.got++;
	rig.bytes += bytes.n;
	rig.from = *from;
	if (rig.close_at_once) {
		udp_socket_close(rig.b);
		rig.b = NULL;
	}
}

static void on_batch_end(void *ctx)
{
	(void)ctx;
	assert_non_null(rig.b);
	rig.batches++;
}

static void on_room(void *ctx)
{
	(void)ctx;
	assert_true(udp_socket_has_room(rig.a));
	rig.rooms++;
}

static const struct udp_socket_events events = { on_datagram, on_batch_end, on_room };

static int setup(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&rig, 0, sizeof(rig));
	if (uv_loop_init(&rig.loop) != 0)
		return 1;
	return udp_socket_open(&rig.a, &rig.loop, IP_V4, &events, NULL) |
	       udp_socket_open(&rig.b, &rig.loop, IP_V4, &events, NULL);
}

static int teardown(void **state)
{
	(void)state;
	if (kernel.waits) {
		kernel.then = UV_EAGAIN;
		udp_socket_close(rig.a);
		kernel_goes_on(0, UV_ECANCELED); /* as libuv does before the handle's end */
		rig.a = NULL;
	}
	udp_socket_close(rig.a);
	udp_socket_close(rig.b);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	return uv_loop_close(&rig.loop);
}

static struct endpoint to_b(void)
{
	return (struct endpoint){ { IP_V4, { 127, 0, 0, 1 } }, udp_socket_port(rig.b) };
}

static void send_sized(size_t n, uint8_t first)
{
	uint8_t bytes[UDP_DATAGRAM_MAX + 1];
	struct endpoint to = to_b();

	for (size_t i = 1; i < n; i++)
		bytes[i] = (uint8_t)(n + i);
	bytes[0] = first;
	udp_socket_send(rig.a, &to, (struct slice){ bytes, n });
}

/* --- tests ---------------------------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 1400, 1472, 1473, UDP_DATAGRAM_MAX, UDP_DATAGRAM_MAX + 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		send_sized(sizes[i], 0);
	udp_socket_flush(rig.a);
	while (rig.got < ARRAY_LEN(sizes) - 1)
		uv_run(&rig.loop, UV_RUN_ONCE);
	assert_int_equal(rig.bytes, 1 + 2 + 1400 + 1472 + 1473 + UDP_DATAGRAM_MAX);
	assert_int_equal(udp_socket_dropped(rig.a), 1);
	assert_int_equal(rig.from.port, udp_socket_port(rig.a));
	assert_int_equal(rig.from.ip.family, IP_V4);
	assert_int_equal(rig.from.ip.b[0], 127);
	assert_true(rig.batches >= 1);
	assert_int_equal(rig.rooms, 0);
}

/* More than a batch at a time leave without anybody's flush, but for the rest. */
static void test_many(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 95; i++)
		send_sized(100, (uint8_t)i);
	udp_socket_flush(rig.a);
	while (rig.got < 95)
		uv_run(&rig.loop, UV_RUN_ONCE);
	assert_int_equal(udp_socket_dropped(rig.a), 0);
	assert_true(rig.batches < 95);
}

static void test_other_family(void **state)
{
	struct endpoint six = { { IP_V6, { [15] = 1 } }, 9 };

	(void)state;
	udp_socket_send(rig.a, &six, (struct slice){ (const uint8_t *)"x", 1 });
	assert_int_equal(udp_socket_dropped(rig.a), 1);
}

static void test_close_in_event(void **state)
{
	(void)state;
	rig.close_at_once = true;
	for (unsigned i = 0; i < 5; i++)
		send_sized(10, 0);
	udp_socket_flush(rig.a);
	while (rig.got == 0)
		uv_run(&rig.loop, UV_RUN_ONCE);
	for (unsigned i = 0; i < 5; i++)
		uv_run(&rig.loop, UV_RUN_NOWAIT);
	assert_int_equal(rig.got, 1);
}

static void test_ipv6(void **state)
{
	struct udp_socket *six;
	int err;

	(void)state;
	err = udp_socket_open(&six, &rig.loop, IP_V6, &events, NULL);
	if (err != 0)
		skip(); /* a machine without IPv6 */
	assert_int_not_equal(udp_socket_port(six), 0);
	udp_socket_close(six);
}

/* What the kernel does not take waits, no more than a batch of it; and goes on by itself, in order. */
static void test_full_kernel(void **state)
{
	(void)state;
	kernel.scripted = true;
	kernel.takes = 7;
	kernel.then = UV_EAGAIN;
	for (unsigned i = 0; i < 20; i++)
		send_sized(10, (uint8_t)i);
	assert_int_equal(kernel.n, 7);
	assert_int_equal(kernel.first, 7);
	assert_true(udp_socket_has_room(rig.a));
	for (unsigned i = 20; i < 27; i++)
		send_sized(10, (uint8_t)i);
	assert_false(udp_socket_has_room(rig.a));
	send_sized(10, 99);
	assert_int_equal(udp_socket_dropped(rig.a), 1);
	assert_int_equal(kernel.n, 7);
	kernel_goes_on(3, 0);
	assert_int_equal(rig.rooms, 1);
	assert_int_equal(kernel.n, 11);
	assert_non_null(kernel.waits);
	send_sized(10, 27);
	udp_socket_flush(rig.a); /* it is not asked while it is known to be full */
	kernel_goes_on(100, 0);
	assert_null(kernel.waits);
	assert_int_equal(kernel.n, 28);
	for (unsigned i = 0; i < 28; i++)
		assert_int_equal(kernel.taken[i], i);
	assert_int_equal(rig.rooms, 1); /* nobody waited this time */
}

/* Reasons that concern one datagram cost that one. */
static void test_refusals(void **state)
{
	static const int why[] = { UV_ENETUNREACH, UV_EHOSTUNREACH, UV_EPERM, UV_EMSGSIZE, UV_ECONNREFUSED };

	(void)state;
	kernel.scripted = true;
	for (size_t i = 0; i < ARRAY_LEN(why); i++) {
		kernel.n = 0;
		kernel.takes = 2;
		kernel.then = why[i];
		for (unsigned k = 0; k < 5; k++)
			send_sized(10, (uint8_t)k);
		udp_socket_flush(rig.a);
		assert_int_equal(udp_socket_dropped(rig.a), i + 1);
		assert_int_equal(kernel.n, 4);
		assert_int_equal(kernel.taken[1], 1);
		assert_int_equal(kernel.taken[2], 3);
	}
	/* and after waiting */
	kernel.n = kernel.takes = 0;
	kernel.then = UV_EAGAIN;
	send_sized(10, 1);
	send_sized(10, 2);
	udp_socket_flush(rig.a);
	kernel_goes_on(9, UV_EHOSTUNREACH);
	assert_int_equal(udp_socket_dropped(rig.a), ARRAY_LEN(why) + 1);
	assert_int_equal(kernel.n, 1);
	assert_int_equal(kernel.taken[0], 2);
}

static void test_close_while_waiting(void **state)
{
	(void)state;
	kernel.scripted = true;
	kernel.then = UV_EAGAIN;
	for (unsigned i = 0; i < 3; i++)
		send_sized(10, (uint8_t)i);
	udp_socket_flush(rig.a);
	assert_non_null(kernel.waits); /* teardown closes */
}

static void test_local_ip(void **state)
{
	struct ip ip = { 0 };
	struct endpoint to = { { IP_V4, { 127, 0, 0, 1 } }, 9 };

	(void)state;
	assert_int_equal(udp_socket_local_ip(&to, &ip), 0);
	assert_true(ip_equal(&ip, &to.ip));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sizes), T(test_many), T(test_other_family), T(test_close_in_event), T(test_ipv6),
		T(test_full_kernel), T(test_refusals), T(test_close_while_waiting), T(test_local_ip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

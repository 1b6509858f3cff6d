/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_socks_front.c - SOCKS clients over real sockets, see socks_front.inc.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "socks_front.inc.h"

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_socks4),
		TEST(test_socks4a),
		TEST(test_socks4_failure),
		TEST(test_login),
		TEST(test_wrong_login),
		TEST(test_login_wanted),
		TEST(test_denied_client_goes),
		TEST(test_proxy_auth),
		TEST(test_bind),
		TEST(test_bind_anybody),
		TEST(test_bind_name),
		TEST(test_bind_socks4),
		TEST(test_bind_timeout),
		TEST(test_bind_refusals),
		TEST(test_bind_cap),
		TEST(test_udp),
		TEST(test_udp_names),
		TEST(test_udp_dropped),
		TEST(test_udp_announced_port),
		TEST(test_udp_ends_with_tcp),
		TEST(test_udp_refusals),
		TEST(test_udp_direct),
		TEST(test_udp_direct_name),
		TEST(test_unix),
		TEST(test_unix_stale),
		TEST(test_unix_refused),
		TEST(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

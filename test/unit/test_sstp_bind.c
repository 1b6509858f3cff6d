/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The crypto binding against the examples of MS-SSTP 4.7 and the worked example of sstp-protocol.md 10.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/sstp/sstp_bind.h"
#include "test/support/unhex.h"

#define RFC_HLAK "d5f0e9521e3ea9589645e86051c822268b7cdc149b993a1ba118cb153f56dccb"
#define NO_HLAK "0000000000000000000000000000000000000000000000000000000000000000"
#define COUNTING "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define PAD12 "000000000000000000000000"

static const struct {
	const char *what;
	enum sstp_hash hash;
	const char *hlak, *nonce, *cert, *mac;
} vectors[] = {
	{ "MS-SSTP 4.7, SHA-256", SSTP_HASH_SHA256,
	  "2a1bb40d55ab0f5ef32f06f2b3cc73c48fd3fac41d7a1315a19228d9024ca164",
	  "412b489aebd7ecc7d08966f26be7cd72b231a0e9210d7c91b308862b0344c435",
	  "7993ef314c493dace9f02d60e7e61c84b6690aafe9d7aeea92cbbe8ad599422d",
	  "52a68efd8cffbf52770b8f0fe8ec73716583af6d611eb6d179b3b20840985449" },
	{ "MS-SSTP 4.7, SHA-1", SSTP_HASH_SHA1,
	  "4b3128f43925d9006eefb1c4e86515a1d88e56bab3ca2bdf0373b7f5a8a13b19",
	  "0f1a2d58d4a3e3000fad3ce4906e07b707aa9e441cceac5cbd7b2cc1c9d86cdf",
	  "5826b629bda59b8e6fd8dcd2622fd34c534805a5", "69915dd583d8062fef16f61db2f03290ec27cb6c" },
	{ "worked, SHA-256", SSTP_HASH_SHA256, RFC_HLAK, COUNTING,
	  "42b9a4ddcc12ec1c378ca5881f1c0d70bfb6d28ccde5192a24120adec6f3d8ae",
	  "3a22195f7f37f13a30da17cd4e1bec574af19ad2b7691853044554e822e23041" },
	{ "worked, SHA-256, no keys", SSTP_HASH_SHA256, NO_HLAK, COUNTING,
	  "42b9a4ddcc12ec1c378ca5881f1c0d70bfb6d28ccde5192a24120adec6f3d8ae",
	  "1fac2dfc9384c0ebd84e1973465a06e138478ded704eeb77723bae692489ad81" },
	{ "worked, SHA-1", SSTP_HASH_SHA1, RFC_HLAK, COUNTING, "597b04a19097956cff1d65d249f16233abc3c625",
	  "0f0ef4c685fbdbb2275233b7bb8bc6be34d1ec3f" },
	{ "worked, SHA-1, no keys", SSTP_HASH_SHA1, NO_HLAK, COUNTING,
	  "597b04a19097956cff1d65d249f16233abc3c625", "510340b4d3edb57b0d068fb7e2ac72360c8da6f3" },
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		uint8_t hlak[32], nonce[32], cert[32], mac[32] = { 0 }, packet[SSTP_CONNECTED_LEN],
						       want[SSTP_CONNECTED_LEN];
		struct wr w = wr_init(want, sizeof(want));

		unhex(vectors[i].hlak, hlak, sizeof(hlak));
		unhex(vectors[i].nonce, nonce, sizeof(nonce));
		unhex(vectors[i].cert, cert, sizeof(cert));
		unhex(vectors[i].mac, mac, sizeof(mac));
		assert_int_equal(sstp_bind_connected(packet, vectors[i].hash, nonce, cert, hlak), 0);
		sstp_msg_connected(&w, vectors[i].hash, nonce, cert);
		assert_memory_equal(packet, want, 80);
		assert_memory_equal(packet + 80, mac, 32);
	}
}

static void test_whole_packet(void **state)
{
	uint8_t hlak[32], nonce[32], cert[20], packet[SSTP_CONNECTED_LEN], want[SSTP_CONNECTED_LEN];

	(void)state;
	unhex(RFC_HLAK, hlak, sizeof(hlak));
	unhex(COUNTING, nonce, sizeof(nonce));
	unhex("597b04a19097956cff1d65d249f16233abc3c625", cert, sizeof(cert));
	unhex("10010070000400010003006800000001" COUNTING "597b04a19097956cff1d65d249f16233abc3c625" PAD12
	      "0f0ef4c685fbdbb2275233b7bb8bc6be34d1ec3f" PAD12, want, sizeof(want));
	assert_int_equal(sstp_bind_connected(packet, SSTP_HASH_SHA1, nonce, cert, hlak), 0);
	assert_memory_equal(packet, want, sizeof(want));
}

/* Each input has to matter: a flipped bit anywhere gives another MAC. */
static void test_everything_is_covered(void **state)
{
	uint8_t in[96], packet[SSTP_CONNECTED_LEN], first[SSTP_CONNECTED_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	assert_int_equal(sstp_bind_connected(first, SSTP_HASH_SHA256, in, in + 32, in + 64), 0);
	for (size_t i = 0; i < sizeof(in); i++) {
		in[i] ^= 1;
		assert_int_equal(sstp_bind_connected(packet, SSTP_HASH_SHA256, in, in + 32, in + 64), 0);
		assert_memory_not_equal(packet + 80, first + 80, 32);
		in[i] ^= 1;
	}
}

static void test_choice(void **state)
{
	(void)state;
	assert_int_equal(sstp_bind_choose(0), 0);
	assert_int_equal(sstp_bind_choose(1), SSTP_HASH_SHA1);
	assert_int_equal(sstp_bind_choose(2), SSTP_HASH_SHA256);
	assert_int_equal(sstp_bind_choose(3), SSTP_HASH_SHA256);
	assert_int_equal(sstp_bind_choose(4), 0);
	assert_int_equal(sstp_bind_choose(0xfd), SSTP_HASH_SHA1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_whole_packet),
		cmocka_unit_test(test_everything_is_covered),
		cmocka_unit_test(test_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

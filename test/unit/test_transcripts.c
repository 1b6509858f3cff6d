/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every recorded session of test/vectors/sstp: both sides parse, all keys and MACs come out as recorded,
 * and our client, put in the place of the recorded one, gets where the table says. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/http_head.h"
#include "core/sstp/mschapv2.h"
#include "core/sstp/ppp_proto.h"
#include "core/sstp/sstp_bind.h"
#include "test/support/replay.h"
#include "test/support/transcript.h"

/* FALSIFIED: the recorded client sent something else than the right binding. OTHER_HASH: it chose SHA-1
 * where we would not. NO_BINDING: it sent none, or the login was of another kind. */
enum { FALSIFIED = 1, OTHER_HASH = 2, NO_BINDING = 4, NO_LOGIN = 8, EAP = 16 };

static const struct {
	const char *name;
	unsigned flags;
	bool ready, ip6;       /* what becomes of our client */
	int err;
	bool final;
	const char *word;
	unsigned auth_methods; /* 0: the default */
} files[] = {
	{ "accel-ppp-badcert", FALSIFIED, false, false, VE_AUTH, false, "crypto binding", 0 },
	{ "accel-ppp-badhash", OTHER_HASH, false, false, VE_AUTH, false, "crypto binding", 0 },
	{ "accel-ppp-badmac", FALSIFIED, false, false, VE_AUTH, false, "crypto binding", 0 },
	{ "accel-ppp-badmac-answered", FALSIFIED, false, false, VE_AUTH, false, "crypto binding", 0 },
	{ "accel-ppp-badnonce", FALSIFIED, false, false, VE_AUTH, false, "crypto binding", 0 },
	{ "accel-ppp-badpassword", NO_BINDING, false, false, VE_AUTH, true, "691", 0 },
	{ "accel-ppp-early", 0, false, false, VE_CANCELED, false, "stop", 0 },
	{ "accel-ppp-early-resend", 0, true, false, VE_CANCELED, false, "stop", 0 },
	{ "accel-ppp-earlyecho", NO_LOGIN, false, false, VE_PROTO, false, "status 7", 0 },
	{ "accel-ppp-kicked", 0, true, false, VE_LOST, false, "ended the connection", 0 },
	{ "accel-ppp-mute", 0, true, false, VE_LOST, false, "aborted the call", 0 },
	{ "accel-ppp-nak", NO_LOGIN, false, false, VE_PROTO, false, "instead of answering the call", 0 },
	{ "accel-ppp-nobinding", NO_BINDING, true, false, VE_LOST, false, "aborted the call", 0 },
	{ "accel-ppp-rejectauth", NO_LOGIN, false, false, VE_AUTH, true, "insists on PAP", 0 },
	{ "accel-ppp-sha1", 0, true, true, VE_CANCELED, false, "stop", 0 },
	{ "accel-ppp-sha256", 0, true, true, VE_CANCELED, false, "stop", 0 },
	{ "accel-ppp-termreq", 0, true, false, VE_CANCELED, false, "stop", 0 },
	{ "softether-4.44-badpassword", NO_BINDING, false, false, VE_AUTH, true, "691", 0 },
	{ "softether-4.44-full", 0, true, false, VE_CANCELED, false, "stop", 0 },
	{ "softether-4.44-kicked", 0, true, false, VE_LOST, false, "ended the connection", 0 },
	{ "softether-4.44-mute", 0, true, false, VE_LOST, false, "aborted the call", 0 },
	{ "softether-4.44-nak", NO_LOGIN, false, false, VE_PROTO, false, "instead of answering the call", 0 },
	{ "softether-4.44-nodhcp", 0, false, false, VE_ADDRESS, false, "no DHCP server", 0 },
	{ "softether-4.44-pap", NO_LOGIN, true, false, VE_CANCELED, false, "stop", AUTH_PAP },
	{ "softether-4.44-relcp", 0, true, false, VE_LOST, false, "ended the connection", 0 },
	{ "softether-4.44-silent", NO_LOGIN, false, false, VE_PROTO, false, "aborted the call", 0 },
	{ "softether-4.44-slow", 0, true, false, VE_CANCELED, false, "stop", 0 },
	{ "sstp-client-to-accel-ppp", 0, true, true, VE_CANCELED, false, "stop", 0 },
	{ "sstp-client-to-softether-4.44", 0, true, false, VE_CANCELED, false, "stop", 0 },
	{ "sstp-client-to-sstp-server", 0, true, true, VE_CANCELED, false, "stop", 0 },
	{ "sstp-server-acfc", 0, true, false, VE_CANCELED, false, "stop", 0 },
	{ "sstp-server-badmac", FALSIFIED, false, false, VE_AUTH, false, "crypto binding", 0 },
	{ "sstp-server-badpassword", NO_BINDING, false, false, VE_AUTH, true, "691", 0 },
	{ "sstp-server-eap-mschapv2", EAP, false, false, VE_AUTH, true, "insists on EAP", 0 },
	{ "sstp-server-eap-tls", EAP, false, false, VE_AUTH, true, "insists on EAP", 0 },
	{ "sstp-server-eap-tls-refused", EAP, false, false, VE_AUTH, true, "insists on EAP", 0 },
	{ "sstp-server-resend", 0, true, false, VE_CANCELED, false, "stop", 0 },
	{ "sstp-server-sha1", OTHER_HASH, true, true, VE_CANCELED, false, "stop", 0 },
	{ "sstp-server-sha256", 0, true, true, VE_CANCELED, false, "stop", 0 },
	{ "sstp-server-termreq", 0, true, false, VE_CANCELED, false, "stop", 0 },
	{ "sstp-server-unknownuser", NO_BINDING, false, false, VE_AUTH, true, "691", 0 },
};

static void test_no_file_is_forgotten(void **state)
{
	DIR *d = opendir("test/vectors/sstp");
	size_t n = 0;

	(void)state;
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += strstr(e->d_name, ".txt") != NULL;
	closedir(d);
	assert_int_equal(n, ARRAY_LEN(files));
}

/* --- both sides parse --------------------------------------------------------------------------------- */

static void parse_http(const struct transcript_entry *e)
{
	struct http_head head;

	if (e->who == 'C') /* a method that no HTTP parser knows; nobody but SSTP servers has to */
		return;
	assert_int_equal(http_head_parse(HTTP_RESPONSE, (struct slice){ e->bytes, e->n }, &head, NULL), 0);
	assert_int_equal(head.length, e->n);
	assert_true(head.has_content_length);
	assert_true(head.content_length == UINT64_MAX);
}

static void parse_control(const struct sstp_packet *p, const char *text)
{
	struct rd attributes, value;
	uint16_t type, n = 0;
	uint8_t id;

	assert_int_equal(sstp_msg_type(p, &type, &attributes), 0);
	assert_memory_equal(text, sstp_type_name(type), strlen(sstp_type_name(type)));
	while (sstp_msg_attribute(&attributes, &id, &value))
		n++;
	assert_int_equal(n, load_be16(p->body.p + 2));
}

static void parse_sstp(const struct transcript_entry *e)
{
	struct sstp_packet p;
	struct slice frame;
	struct ppp_control c;
	uint16_t protocol;

	for (size_t n = 0; n < e->n; n++)
		assert_int_equal(sstp_msg_take((struct slice){ e->bytes, n }, &p), VE_AGAIN);
	assert_int_equal(sstp_msg_take((struct slice){ e->bytes, e->n }, &p), 0);
	assert_int_equal(p.length, e->n);
	if (p.control) {
		parse_control(&p, e->text);
		return;
	}
	frame = p.body;
	protocol = ppp_strip(&frame);
	assert_int_equal(protocol, transcript_protocol(e, &frame));
	if (protocol >= 0x8000)
		assert_int_equal(ppp_control_parse(frame, &c), 0);
	else
		assert_int_equal(frame.p[0] >> 4, protocol == PPP_IP ? 4 : 6);
}

static void test_all_packets_parse(void **state)
{
	size_t packets = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct transcript *t = transcript_read(files[i].name);

		for (size_t k = 0; k < t->nentries; k++) {
			const struct transcript_entry *e = &t->entries[k];

			if (e->who == '!')
				continue;
			packets++;
			if (strncmp(e->text, "HTTP", 4) == 0)
				parse_http(e);
			else
				parse_sstp(e);
		}
		free(t);
	}
	assert_true(packets > 1000);
}

/* --- keys and MACs ------------------------------------------------------------------------------------ */

static void expect_recorded(const struct transcript *t, const char *name, const uint8_t *got, size_t n)
{
	struct slice want = transcript_bytes(t, name);

	assert_int_equal(want.n, n);
	assert_memory_equal(got, want.p, n);
}

static void test_all_keys(void **state)
{
	unsigned logins = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct transcript *t = transcript_read(files[i].name);
		struct slice auth = transcript_bytes(t, "auth_challenge"),
			     peer = transcript_bytes(t, "peer_challenge");
		struct mschapv2 m;

		if (auth.n == 16 && peer.n == 16) {
			assert_int_equal(mschapv2_compute(&m, transcript_text(t, "user"),
							  transcript_text(t, "password"), auth.p, peer.p),
					 0);
			expect_recorded(t, "challenge_hash", m.challenge_hash, 8);
			expect_recorded(t, "nt_hash", m.nt_hash, 16);
			expect_recorded(t, "nt_response", m.nt_response, 24);
			expect_recorded(t, "auth_response", m.auth_response, 20);
			expect_recorded(t, "master_key", m.master_key, 16);
			if (transcript_bytes(t, "hlak").n) {
				assert_memory_equal(m.send_key, transcript_bytes(t, "hlak").p, 16);
				assert_memory_equal(m.recv_key, transcript_bytes(t, "hlak").p + 16, 16);
			}
			logins++;
		}
		free(t);
	}
	assert_int_equal(logins, 33);
}

/* What the servers said in their Success texts is the recorded authenticator response. */
static void test_all_verdicts(void **state)
{
	unsigned successes = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct transcript *t = transcript_read(files[i].name);
		struct mschapv2 m = { 0 };
		struct slice packet, response = transcript_bytes(t, "auth_response");

		if (response.n == 20)
			memcpy(m.auth_response, response.p, 20);
		for (size_t k = 0; k < t->nentries; k++) {
			const struct transcript_entry *e = &t->entries[k];

			if (e->who == 'S' && transcript_protocol(e, &packet) == PPP_CHAP &&
			    packet.p[0] == 3) {
				assert_true(mschapv2_success_proves(
					(struct slice){ packet.p + 4, packet.n - 4 }, &m));
				successes++;
			}
		}
		free(t);
	}
	assert_int_equal(successes, 28);
}

static void check_binding(const struct transcript *t, const struct transcript_entry *sent, bool falsified)
{
	enum sstp_hash hash =
		transcript_text(t, "binding_hash_id")[0] == '2' ? SSTP_HASH_SHA256 : SSTP_HASH_SHA1;
	size_t n = hash == SSTP_HASH_SHA256 ? 32 : 20;
	struct slice mac = transcript_bytes(t, "mac");
	uint8_t packet[SSTP_CONNECTED_LEN];

	assert_int_equal(sent->n, SSTP_CONNECTED_LEN);
	assert_int_equal(mac.n, n);
	/* The nonce as the client sent it: a falsified one is part of what the MAC was computed over. */
	assert_int_equal(sstp_bind_connected(packet, hash, sent->bytes + 16, sent->bytes + 48,
					     transcript_bytes(t, "hlak").p),
			 0);
	if (!falsified)
		assert_memory_equal(packet, sent->bytes, SSTP_CONNECTED_LEN);
	assert_memory_equal(packet + 80, mac.p, n);
	if (!falsified)
		expect_recorded(t, "cert_hash", sent->bytes + 48, n);
}

static void test_all_bindings(void **state)
{
	unsigned bindings = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct transcript *t = transcript_read(files[i].name);

		for (size_t k = 0; k < t->nentries; k++) {
			const struct transcript_entry *e = &t->entries[k];

			if (e->who != 'C' || transcript_control(e) != SSTP_CALL_CONNECTED)
				continue;
			check_binding(t, e, files[i].flags & FALSIFIED);
			bindings++;
		}
		free(t);
	}
	assert_int_equal(bindings, 31);
}

/* --- our client in the place of the recorded one ------------------------------------------------------ */

/* The value of an option in the last Ack of the server for IPCP. */
static bool acked_value(const struct transcript *t, uint8_t type, uint8_t ret[static 4])
{
	bool found = false;

	for (size_t k = 0; k < t->nentries; k++) {
		struct slice packet;

		if (t->entries[k].who != 'S' || transcript_protocol(&t->entries[k], &packet) != PPP_IPCP ||
		    packet.p[0] != 2)
			continue;
		for (size_t at = 4; at < load_be16(packet.p + 2); at += packet.p[at + 1]) {
			if (packet.p[at] == type) {
				memcpy(ret, packet.p + at + 2, 4);
				found = true;
			}
		}
	}
	return found;
}

static void check_facts(const struct transcript *t, const struct link_facts *facts, bool ip6)
{
	uint8_t value[4];

	assert_true(acked_value(t, 3, value));
	assert_int_equal(facts->ip4.family, IP_V4);
	assert_memory_equal(facts->ip4.b, value, 4);
	assert_true(acked_value(t, 129, value));
	assert_memory_equal(facts->dns[0].b, value, 4);
	if (acked_value(t, 131, value) && memcmp(value, facts->dns[0].b, 4) != 0)
		assert_memory_equal(facts->dns[1].b, value, 4);
	else
		assert_int_equal(facts->dns[1].family, IP_NONE);
	assert_int_equal(facts->nbns[0].family, IP_NONE);
	assert_int_equal(facts->mtu, 1400);
	assert_int_equal(facts->has_ip6_iid, ip6);
}

static void check_login(const struct transcript *t, const struct replay_result *r, unsigned flags)
{
	if (flags & (NO_LOGIN | EAP)) {
		assert_false(r->responded);
		return;
	}
	assert_true(r->responded);
	assert_true(r->response_equals);
	assert_int_equal(r->connected, r->fault.err != VE_AUTH || !r->fault.final);
	/* A falsified certificate or nonce went into the recorded MAC; ours is the right one then, and
	 * another. */
	if (r->connected && !(flags & (FALSIFIED | OTHER_HASH | NO_BINDING)))
		assert_memory_equal(r->mac, transcript_bytes(t, "mac").p, transcript_bytes(t, "mac").n);
}

static void test_our_client(void **state)
{
	static struct replay_result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct transcript *t = transcript_read(files[i].name);

		replay(t, files[i].auth_methods, &r, NULL, NULL);
		if (r.ready != files[i].ready || r.fault.err != files[i].err ||
		    r.fault.final != files[i].final || !strstr(r.fault.text, files[i].word))
			fail_msg("%s: %sready, %d%s: %s", files[i].name, r.ready ? "" : "not ", r.fault.err,
				 r.fault.final ? " final" : "", r.fault.text);
		if (r.ready)
			check_facts(t, &r.facts, files[i].ip6);
		check_login(t, &r, files[i].flags);
		free(t);
	}
}

/* The two servers that lose first packets, recorded with a client that repeats them as ours does: ready
 * when the record was, plus the moment that we give an IPV6CP which the recorded client did not ask for. */
static void test_lost_packets_cost_no_time(void **state)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} cases[] = { { "accel-ppp-early-resend", 22 }, { "sstp-server-resend", 734 + 500 } };
	static struct replay_result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct transcript *t = transcript_read(cases[i].name);

		replay(t, 0, &r, NULL, NULL);
		assert_true(r.ready);
		assert_int_equal(r.ready_ms, cases[i].ms);
		free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_file_is_forgotten),
		cmocka_unit_test(test_all_packets_parse),
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_all_verdicts),
		cmocka_unit_test(test_all_bindings),
		cmocka_unit_test(test_our_client),
		cmocka_unit_test(test_lost_packets_cost_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

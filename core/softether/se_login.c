/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_login.c - the elements of each message, as tables where they are many.
 *
 * What is sent is all of softether-protocol.md 4.6 (except what would put the session in the clear or in another role), and
 * of the node information (4.7) what an administrator can use: product, system, the name the user gave us for the
 * server. Our host's name and serial numbers stay here; an address goes out only with UDP acceleration, which needs it.
 * "HubName" of that list is never sent: names are unique without regard to case, and the hub is in "hubname" already.
 *
 * What is read is believed only as far as it was asked for. What would change the meaning of the bytes after the Welcome
 * without our asking ends the session; what is only an offer (UDP) is ignored if it is not sound. */
#include "core/softether/se_login.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/hash.h>

#include "core/softether/se_text.h"
#include "core/version.h"

/* The name must not contain "server", "bridge" or "client": servers treat such peers in other ways (4.6). */
#define PRODUCT "softsocks"

#ifdef __linux__
#define SYSTEM "Linux"
#else
#define SYSTEM "Unix"
#endif

#define PADDING_MAX 999u /* 2.5 */
#define NO_SERVER "this is not a SoftEther server: element "

_Static_assert(SE_LOGIN_SIZE_MAX <= SESSION_TX_MAX / 2, "a login has to fit the send queue, with its HTTP head");

/* --- Hello ---------------------------------------------------------------------------------------------------- */

int se_hello_read(const struct se_pack *p, struct se_hello *ret, struct fault *f)
{
	struct se_hello hello = { .version = se_pack_int(p, "version"), .build = se_pack_int(p, "build") };
	struct slice product;

	if (!se_pack_str(p, "hello", 0, &product))
		return se_broken(f, NO_SERVER "\"hello\" is missing");
	if (!se_pack_fixed(p, "random", hello.challenge, sizeof(hello.challenge)))
		return se_broken(f, NO_SERVER "\"random\" of %zu bytes is missing", sizeof(hello.challenge));
	se_text_clean(product, hello.product, sizeof(hello.product));
	*ret = hello;
	return 0;
}

/* --- how to log in -------------------------------------------------------------------------------------------- */

struct se_login_terms se_login_terms_of(const struct session_conf *conf, const struct wire_facts *wire)
{
	unsigned n = conf->tcp_connections;

	return (struct se_login_terms){
		.max_connection = n < 1 ? 1 : n > SESSION_CHANNELS_MAX ? SESSION_CHANNELS_MAX : n,
		.compress = conf->compress,
		.rudp = wire->carries_datagrams,
	};
}

bool se_udp_offer_make(struct se_udp_offer *ret, const struct session_conf *conf, const struct wire_facts *wire,
		       const struct session_env *env)
{
	memset(ret, 0, sizeof(*ret));
	if (conf->udp_acceleration == UDP_OFF || wire->udp_port == 0 || wire->local.ip.family == IP_NONE)
		return false;
	ret->min_version = conf->udp_acceleration == UDP_V1 ? 1 : 2;
	ret->max_version = 2;
	ret->local = (struct endpoint){ .ip = wire->local.ip, .port = wire->udp_port };
	env->random(env->ctx, ret->key1, sizeof(ret->key1));
	env->random(env->ctx, ret->key2, sizeof(ret->key2));
	return true;
}

static int choose(const struct session_conf *c, enum se_asked *ret, struct fault *f)
{
	unsigned methods = c->auth_methods;

	if (c->certificate.n > 0 && (methods == 0 || (methods & AUTH_CERTIFICATE))) {
		*ret = SE_LOGIN_CERTIFICATE;
	} else if (methods == AUTH_CERTIFICATE) {
		fault_set_final(f, VE_USAGE, "a login with a certificate is wanted, but none was given: "
				"--cert FILE and --key FILE, or --p12 FILE");
		return VE_USAGE;
	} else if (!(methods & AUTH_PLAIN)) {
		*ret = c->password || c->password_hash ? SE_LOGIN_PASSWORD : SE_LOGIN_ANONYMOUS;
	} else if (c->password) {
		*ret = SE_LOGIN_PLAIN;
	} else {
		fault_set_final(f, VE_USAGE, "the password itself is to be sent (--auth plain), but %s: --password-file FILE",
				c->password_hash ? "only its hash is known" : "none was given");
		return VE_USAGE;
	}
	return 0;
}

/* The proof of the password, or of the key, is worth a session to whoever gets it. */
static int refuse_unverified(const struct wire_facts *wire, enum se_asked request, struct fault *f)
{
	static const char *const could[] = {
		[SE_LOGIN_PASSWORD] = "pass the password login on and own the session: not logging in",
		[SE_LOGIN_PLAIN] = "read the password: not sending it",
		[SE_LOGIN_CERTIFICATE] = "pass the signature on and own the session: not logging in",
		[SE_NEW_PASSWORD] = "read the new password's hash: not sending it",
	};
	char pin[2 * sizeof(wire->cert_sha256) + 1];

	*put_hex(pin, wire->cert_sha256, sizeof(wire->cert_sha256)) = '\0';
	fault_set_final(f, VE_AUTH,
			"the server's certificate is not verified, and whoever is in between could %s; to trust exactly this "
			"certificate: --pin sha256:%s, to log in all the same: --insecure", could[request], pin);
	return VE_AUTH;
}

int se_login_choose(const struct session_conf *conf, const struct wire_facts *wire, enum se_asked *ret, struct fault *f)
{
	enum se_asked request = SE_LOGIN_ANONYMOUS;
	int r = choose(conf, &request, f);

	if (r != 0)
		return r;
	if (request != SE_LOGIN_ANONYMOUS && !wire->verified && !conf->allow_unverified)
		return refuse_unverified(wire, request, f);
	*ret = request;
	return 0;
}

/* --- login ---------------------------------------------------------------------------------------------------- */

/* 4.1: the number on the wire. Smart cards and the like are a client's own matter, and not ours. */
static uint32_t authtype(enum se_asked request)
{
	switch (request) {
	case SE_LOGIN_PASSWORD:
		return 1;
	case SE_LOGIN_PLAIN:
		return 2;
	case SE_LOGIN_CERTIFICATE:
		return 3;
	case SE_LOGIN_TICKET:
		return 99;
	default:
		return 0;
	}
}

static void password_hash(const struct session_conf *conf, uint8_t to[static SE_HASH_SIZE])
{
	if (conf->password)
		se_auth_hash(conf->password, conf->user, to);
	else
		memcpy(to, conf->password_hash, SE_HASH_SIZE);
}

static void put_response(struct se_packer *k, const char *name, const struct session_conf *conf,
			 const struct se_hello *hello)
{
	uint8_t hash[SE_HASH_SIZE], response[SE_HASH_SIZE];

	password_hash(conf, hash);
	se_auth_response(hash, hello->challenge, response);
	se_put_data(k, name, response, sizeof(response));
	wipe(hash, sizeof(hash));
	wipe(response, sizeof(response));
}

static int put_certificate(struct se_packer *k, const struct session_conf *conf, const struct se_hello *hello,
			   struct fault *f)
{
	uint8_t signature[SE_SIGNATURE_MAX];
	size_t n;
	int r;

	if (conf->certificate.n > CERT_DER_MAX) {
		fault_set_final(f, VE_USAGE, "the certificate has %zu bytes, allowed are %u", conf->certificate.n,
				CERT_DER_MAX);
		return VE_USAGE;
	}
	r = se_auth_sign(conf->key, hello->challenge, signature, &n, f);
	if (r != 0)
		return r;
	se_put_data(k, "cert", conf->certificate.p, conf->certificate.n);
	se_put_data(k, "sign", signature, n);
	wipe(signature, sizeof(signature));
	return 0;
}

static int put_credentials(struct se_packer *k, enum se_asked request, const struct session_conf *conf,
			   const struct se_login_terms *terms, const struct se_hello *hello, struct fault *f)
{
	se_put_int(k, "authtype", authtype(request));
	switch (request) {
	case SE_LOGIN_PASSWORD:
		put_response(k, "secure_password", conf, hello);
		break;
	case SE_LOGIN_PLAIN:
		if (strnlen(conf->password, PASSWORD_MAX + 1) > PASSWORD_MAX) {
			fault_set_final(f, VE_USAGE, "the password is longer than %u bytes", PASSWORD_MAX);
			return VE_USAGE;
		}
		se_put_str(k, "plain_password", conf->password);
		break;
	case SE_LOGIN_CERTIFICATE:
		return put_certificate(k, conf, hello, f);
	case SE_LOGIN_TICKET:
		se_put_data(k, "ticket", terms->ticket, SE_TICKET_SIZE);
		break;
	default:
		break;
	}
	return 0;
}

static void put_version(struct se_packer *k)
{
	se_put_str(k, "client_str", PRODUCT);
	se_put_int(k, "client_ver", SOFTSOCKS_VERSION_NUMBER);
	se_put_int(k, "client_build", SOFTSOCKS_BUILD);
}

static void put_options(struct se_packer *k, const struct se_login_terms *terms)
{
	const struct {
		const char *name;
		uint32_t value;
	} options[] = {
		{ "protocol", 0 }, /* TCP */
		{ "version", SOFTSOCKS_VERSION_NUMBER },
		{ "build", SOFTSOCKS_BUILD },
		{ "client_id", 0 },
		{ "max_connection", terms->max_connection },
		{ "use_encrypt", 1 }, /* absent would mean: the data phase in the clear */
		{ "use_compress", terms->compress },
		{ "half_connection", terms->half_connection },
		{ "require_bridge_routing_mode", 0 },
		{ "require_monitor_mode", 0 },
		{ "qos", 0 },
		{ "support_bulk_on_rudp", terms->rudp },
		{ "support_hmac_on_bulk_of_rudp", terms->rudp },
		{ "support_udp_recovery", terms->rudp },
		{ "rudp_bulk_max_version", terms->rudp ? 2 : 0 },
	};

	put_version(k);
	se_put_str(k, "hello", PRODUCT);
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		se_put_int(k, options[i].name, options[i].value);
}

/* An address in its four elements, 3. The integer has the bytes of an IPv4 address the wrong way round. */
static void put_ip(struct se_packer *k, const char *name, const struct ip *ip)
{
	static const uint8_t none[16];
	bool is_v6 = ip->family == IP_V6;
	char part[SE_PACK_NAME_MAX + 1];
	uint32_t v4 = 0;

	for (unsigned i = 0; ip->family == IP_V4 && i < 4; i++)
		v4 |= (uint32_t)ip->b[i] << (8 * i);
	se_put_int(k, name, v4);
	snprintf(part, sizeof(part), "%s@ipv6_bool", name);
	se_put_int(k, part, is_v6);
	snprintf(part, sizeof(part), "%s@ipv6_array", name);
	se_put_data(k, part, is_v6 ? ip->b : none, 16);
	snprintf(part, sizeof(part), "%s@ipv6_scope_id", name);
	se_put_int(k, part, 0);
}

static bool is_loopback(const struct ip *ip)
{
	static const struct ip six = { .family = IP_V6, .b = { [15] = 1 } };

	return (ip->family == IP_V4 && ip->b[0] == 127) || ip_equal(ip, &six);
}

static void put_udp(struct se_packer *k, const struct se_udp_offer *o)
{
	struct ip none = { .family = o->local.ip.family };

	se_put_int(k, "use_udp_acceleration", 1);
	se_put_int(k, "udp_acceleration_version", 1); /* what servers read that know nothing else */
	se_put_int(k, "udp_acceleration_max_version", o->max_version);
	put_ip(k, "udp_acceleration_client_ip", is_loopback(&o->local.ip) ? &none : &o->local.ip);
	se_put_int(k, "udp_acceleration_client_port", o->local.port);
	se_put_data(k, "udp_acceleration_client_key", o->key1, sizeof(o->key1));
	se_put_data(k, "udp_acceleration_client_key_v2", o->key2, sizeof(o->key2));
	se_put_int(k, "support_hmac_on_udp_acceleration", 1);
	se_put_int(k, "support_udp_accel_fast_disconnect_detect", 1);
}

static void put_node(struct se_packer *k, const struct wire_facts *wire, const struct se_ident *ident,
		     const struct se_hello *hello)
{
	static const char *const zeros[] = { "V_IsWindows", "V_IsNT", "V_IsServer", "V_IsBeta", "V_VerMajor",
					     "V_VerMinor", "V_Build", "V_ServicePack" };

	se_put_str(k, "ClientProductName", PRODUCT);
	se_put_int_swapped(k, "ClientProductVer", SOFTSOCKS_VERSION_NUMBER);
	se_put_int_swapped(k, "ClientProductBuild", SOFTSOCKS_BUILD);
	se_put_str(k, "ServerProductName", hello->product);
	se_put_int_swapped(k, "ServerProductVer", hello->version);
	se_put_int_swapped(k, "ServerProductBuild", hello->build);
	se_put_str(k, "ServerHostname", wire->host);
	se_put_int_swapped(k, "ServerPort2", wire->port);
	/* Who names no IPv4 address is taken for a client on IPv6, and by default the hub then takes the router out of what
	 * the private network's routers say: no IPv6 in there but to neighbours, 4.7. */
	if (wire->local.ip.family == IP_V4)
		put_ip(k, "ClientIpAddress", &wire->local.ip);
	se_put_str(k, "ClientOsName", SYSTEM);
	se_put_data(k, "UniqueId", ident->node, sizeof(ident->node));
	for (size_t i = 0; i < ARRAY_LEN(zeros); i++)
		se_put_int(k, zeros[i], 0);
	se_put_str(k, "V_Title", SYSTEM);
}

/* Random bytes of a random number, so that the length of the message tells less. */
static void put_padding(struct se_packer *k, const struct session_env *env)
{
	uint16_t n;
	uint8_t *p;

	env->random(env->ctx, &n, sizeof(n));
	n %= PADDING_MAX + 1;
	p = se_put_space(k, "pencore", n);
	if (p && n > 0)
		env->random(env->ctx, p, n);
}

int se_login_write(uint8_t to[static SE_LOGIN_SIZE_MAX], size_t *ret_n, const struct session_conf *conf,
		   const struct se_login_terms *terms, const struct wire_facts *wire, const struct se_ident *ident,
		   const struct se_hello *hello, const struct session_env *env, struct fault *f)
{
	enum se_asked request = SE_LOGIN_TICKET;
	struct se_packer k;
	size_t n;
	int r = terms->ticket ? 0 : se_login_choose(conf, wire, &request, f);

	if (r != 0)
		return r;
	se_packer_init(&k, to, SE_LOGIN_SIZE_MAX);
	se_put_str(&k, "method", "login");
	se_put_str(&k, "hubname", conf->hub);
	se_put_str(&k, "username", conf->user);
	r = put_credentials(&k, request, conf, terms, hello, f);
	if (r != 0)
		return r;
	put_options(&k, terms);
	se_put_data(&k, "unique_id", ident->machine, sizeof(ident->machine));
	if (terms->udp)
		put_udp(&k, terms->udp);
	put_node(&k, wire, ident, hello);
	put_padding(&k, env);
	n = se_packer_end(&k);
	assert(n > 0); /* the caller has checked the lengths of the names */
	*ret_n = n;
	return 0;
}

/* --- other requests ------------------------------------------------------------------------------------------- */

static size_t finish(struct se_packer *k, const struct session_env *env)
{
	size_t n;

	put_padding(k, env);
	n = se_packer_end(k);
	assert(n > 0);
	return n;
}

size_t se_additional_write(uint8_t to[static SE_REQUEST_SIZE_MAX], const uint8_t session_key[static SE_SESSION_KEY_SIZE],
			   const struct session_env *env)
{
	struct se_packer k;

	se_packer_init(&k, to, SE_REQUEST_SIZE_MAX);
	se_put_str(&k, "method", "additional_connect");
	se_put_data(&k, "session_key", session_key, SE_SESSION_KEY_SIZE);
	put_version(&k);
	return finish(&k, env);
}

int se_new_password_write(uint8_t to[static SE_REQUEST_SIZE_MAX], size_t *ret_n, const struct session_conf *conf,
			  const struct wire_facts *wire, const struct se_hello *hello, const struct session_env *env,
			  struct fault *f)
{
	uint8_t new_hash[SE_HASH_SIZE], ntlm[SE_NTLM_SIZE];
	struct se_packer k;

	if (!conf->new_password || (!conf->password && !conf->password_hash)) {
		fault_set_final(f, VE_USAGE, "a change of the password takes the %s one, which was not given",
				conf->new_password ? "old" : "new");
		return VE_USAGE;
	}
	if (!wire->verified && !conf->allow_unverified)
		return refuse_unverified(wire, SE_NEW_PASSWORD, f);
	se_auth_hash(conf->new_password, conf->user, new_hash);
	se_auth_ntlm(conf->new_password, ntlm);
	se_packer_init(&k, to, SE_REQUEST_SIZE_MAX);
	se_put_str(&k, "method", "password");
	se_put_str(&k, "hubname", conf->hub);
	se_put_str(&k, "username", conf->user);
	put_response(&k, "secure_old_password", conf, hello);
	se_put_data(&k, "new_password", new_hash, sizeof(new_hash));
	se_put_data(&k, "new_password_ntlm", ntlm, sizeof(ntlm));
	wipe(new_hash, sizeof(new_hash));
	wipe(ntlm, sizeof(ntlm));
	*ret_n = finish(&k, env);
	return 0;
}

size_t se_empty_write(uint8_t to[static SE_REQUEST_SIZE_MAX], const struct session_env *env)
{
	struct se_packer k;

	se_packer_init(&k, to, SE_REQUEST_SIZE_MAX);
	return finish(&k, env);
}

int se_additional_read(const struct se_pack *p, bool half, enum se_direction *ret, struct fault *f)
{
	uint32_t d = se_pack_int(p, "direction");

	if (d > SE_TO_SERVER)
		return se_broken(f, "a connection of direction %u, expected 0 to 2", (unsigned)d);
	if ((d != SE_BOTH_WAYS) != half)
		return se_broken(f, "a connection of direction %u in a session %s half_connection", (unsigned)d,
				 half ? "with" : "without");
	*ret = (enum se_direction)d;
	return 0;
}

/* --- Welcome -------------------------------------------------------------------------------------------------- */

/* Switches that change what the bytes after the Welcome mean: as asked for, or not at all. */
static int check_modes(const struct se_pack *p, const struct se_login_terms *terms, struct fault *f)
{
	const struct {
		const char *name;
		bool fine_off, fine_on;
		const char *refused;
	} modes[] = {
		{ "use_encrypt", false, true, "to go on without encryption (use_encrypt is 0)" },
		{ "use_compress", true, terms->compress, "compression (use_compress is 1), which was not asked for" },
		{ "half_connection", true, terms->half_connection,
		  "one direction only (half_connection is 1), which was not asked for" },
		{ "use_fast_rc4", true, false, "RC4 (use_fast_rc4 is 1), which was not asked for" },
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (se_pack_int(p, modes[i].name) != 0 ? modes[i].fine_on : modes[i].fine_off)
			continue;
		fault_set_final(f, VE_PROTO, "the server wants %s: refused", modes[i].refused);
		return VE_PROTO;
	}
	return 0;
}

static int read_names(const struct se_pack *p, struct se_welcome *w, struct fault *f)
{
	const struct {
		const char *name;
		char *to;
	} names[] = { { "session_name", w->session_name }, { "connection_name", w->connection_name } };
	struct slice s;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!se_pack_str(p, names[i].name, 0, &s))
			return se_broken(f, "element \"%s\" is missing", names[i].name);
		se_text_clean(s, names[i].to, sizeof(w->session_name));
	}
	if (!se_pack_fixed(p, "session_key", w->session_key, sizeof(w->session_key)))
		return se_broken(f, "element \"session_key\" of %zu bytes is missing", sizeof(w->session_key));
	return 0;
}

static uint32_t clamp(uint32_t v, uint32_t min, uint32_t max)
{
	return v < min ? min : v > max ? max : v;
}

static void read_numbers(const struct se_pack *p, const struct se_login_terms *terms, struct se_welcome *w)
{
	uint32_t timeout = SE_TIMEOUT_DEFAULT_MS;

	(void)se_pack_u32(p, "timeout", 0, &timeout);
	w->timeout_ms = clamp(timeout, SE_TIMEOUT_MIN_MS, SE_TIMEOUT_MAX_MS);
	w->compress = se_pack_int(p, "use_compress") != 0;
	w->half_connection = se_pack_int(p, "half_connection") != 0;
	w->udp_recovery = terms->rudp && se_pack_int(p, "enable_udp_recovery") != 0;
	w->max_connection = clamp(se_pack_int(p, "max_connection"), 1,
				  w->udp_recovery ? SESSION_CHANNELS_MAX : terms->max_connection);
	w->is_azure = se_pack_int(p, "is_azure_session") != 0;
	if (w->is_azure)
		(void)se_pack_ip(p, "azure_real_server_global_ip", &w->azure_server);
	w->auto_disconnect_s = se_pack_int(p, "policy:AutoDisconnect");
	w->dhcp_force = se_pack_int(p, "policy:DHCPForce") != 0;
	w->no_ip6 = se_pack_int(p, "policy:FilterIPv6") != 0 || se_pack_int(p, "policy:RSandRAFilter") != 0;
	w->no_save_password = se_pack_int(p, "policy:NoSavePassword") != 0;
}

/* An address of zeros is how servers say "none". */
static bool is_set(const struct ip *ip)
{
	static const struct ip zero;

	return ip->family != IP_NONE && memcmp(ip->b, zero.b, sizeof(zero.b)) != 0;
}

/* Returns NULL with *t filled, or why the offer is ignored, 8.1. */
static const char *read_udp(const struct se_pack *p, const struct se_udp_offer *o, const struct wire_facts *wire,
			    const struct ip *azure, struct se_udp_terms *t)
{
	uint32_t port = se_pack_int(p, "udp_acceleration_server_port");
	struct ip reported = { .family = IP_NONE };

	t->version = se_pack_int(p, "udp_acceleration_version");
	t->version = t->version == 0 ? 1 : t->version;
	if (t->version > o->max_version)
		return "its version is newer than ours";
	if (t->version < o->min_version)
		return "it is the old version, which proves nothing";
	if (se_pack_int(p, "udp_acceleration_use_encryption") == 0)
		return "it is without encryption";
	t->our_cookie = se_pack_int(p, "udp_acceleration_client_cookie");
	t->their_cookie = se_pack_int(p, "udp_acceleration_server_cookie");
	if (t->our_cookie == 0 || t->their_cookie == 0)
		return "a cookie is missing";
	if (port == 0 || port > UINT16_MAX)
		return "its port is none";
	if (!se_pack_fixed(p, "udp_acceleration_server_key", t->their_key1, sizeof(t->their_key1)) && t->version == 1)
		return "its key is missing";
	if (!se_pack_fixed(p, "udp_acceleration_server_key_v2", t->their_key2, sizeof(t->their_key2)) && t->version == 2)
		return "its key is missing";
	t->primary = (struct endpoint){ .ip = is_set(azure) ? *azure : wire->peer.ip, .port = (uint16_t)port };
	if (t->primary.ip.family != o->local.ip.family)
		return "its address is of another family";
	(void)se_pack_ip(p, "udp_acceleration_server_ip", &reported);
	t->secondary = (struct endpoint){ .ip = reported, .port = (uint16_t)port };
	if (!is_set(&reported) || reported.family != o->local.ip.family || ip_equal(&reported, &t->primary.ip))
		t->secondary = (struct endpoint){ .ip = { .family = IP_NONE } };
	t->fast = se_pack_int(p, "udp_accel_fast_disconnect_detect") != 0;
	memcpy(t->our_key1, o->key1, sizeof(t->our_key1));
	memcpy(t->our_key2, o->key2, sizeof(t->our_key2));
	return NULL;
}

/* Version 0 of some servers means 1, and the keys say it better, 5.2. */
static int read_bulk(const struct se_pack *p, struct se_welcome *w, struct fault *f)
{
	struct slice send = { .n = 0 }, recv = { .n = 0 };

	if (se_pack_int(p, "enable_bulk_on_rudp") == 0)
		return 0;
	(void)se_pack_data(p, "bulk_on_rudp_send_key", 0, &send);
	(void)se_pack_data(p, "bulk_on_rudp_recv_key", 0, &recv);
	if (send.n != recv.n || (send.n != 20 && send.n != SE_BULK_KEY_MAX))
		return se_broken(f, "R-UDP bulk keys of %zu and %zu bytes, expected twice 20 or 32", send.n, recv.n);
	memcpy(w->bulk_send_key, send.p, send.n);
	memcpy(w->bulk_recv_key, recv.p, recv.n);
	w->bulk_key_size = (uint8_t)send.n;
	w->bulk_hmac = se_pack_int(p, "enable_hmac_on_bulk_of_rudp") != 0;
	w->has_bulk = true;
	return 0;
}

int se_welcome_read(const struct se_pack *p, const struct se_login_terms *terms, const struct wire_facts *wire,
		    struct se_welcome *ret, struct fault *f)
{
	struct se_welcome w = { .max_connection = 1 };
	int r = read_names(p, &w, f);

	if (r == 0)
		r = check_modes(p, terms, f);
	if (r == 0 && terms->rudp)
		r = read_bulk(p, &w, f);
	if (r == 0) {
		read_numbers(p, terms, &w);
		if (terms->udp && se_pack_int(p, "use_udp_acceleration") != 0) {
			w.no_udp = read_udp(p, terms->udp, wire, &w.azure_server, &w.udp);
			w.has_udp = !w.no_udp;
			if (!w.has_udp)
				wipe(&w.udp, sizeof(w.udp));
		}
		*ret = w;
	}
	wipe(&w, sizeof(w));
	return r;
}

/* --- redirect ------------------------------------------------------------------------------------------------- */

bool se_is_redirect(const struct se_pack *p)
{
	return se_pack_int(p, "Redirect") != 0;
}

/* Anything but an IPv4 host: this network, loopback, multicast, reserved. */
static bool is_no_server(const struct ip *ip, bool allow_loopback)
{
	return ip->family != IP_V4 || ip->b[0] == 0 || ip->b[0] >= 224 || (ip->b[0] == 127 && !allow_loopback);
}

/* The port we know if the member has it, or its first. 0: there is none. */
static uint16_t choose_port(const struct se_pack *p, uint16_t current)
{
	uint32_t first = 0, port;

	(void)se_pack_u32(p, "Port", 0, &first);
	for (size_t i = 0; se_pack_u32(p, "Port", i, &port); i++) {
		if (port == current)
			return current;
	}
	return first <= UINT16_MAX ? (uint16_t)first : 0;
}

int se_redirect_read(const struct se_pack *p, const struct wire_facts *wire, struct se_redirect *ret, struct fault *f)
{
	struct se_redirect to = { .to = { .port = choose_port(p, wire->port) } };
	char text[IP_TEXT_MAX];
	struct slice cert;

	if (!se_pack_ip(p, "Ip", &to.to.ip))
		return se_broken(f, "a redirect without an address");
	if (is_no_server(&to.to.ip, is_loopback(&wire->peer.ip)))
		return se_broken(f, "a redirect to %s, where no server can be", ip_text(&to.to.ip, text));
	if (to.to.port == 0)
		return se_broken(f, "a redirect without a port");
	if (!se_pack_data(p, "Cert", 0, &cert) || cert.n == 0 || cert.n > CERT_DER_MAX)
		return se_broken(f, "a redirect without the other server's certificate");
	if (wc_Sha256Hash(cert.p, (word32)cert.n, to.cert_sha256) != 0) {
		fault_set(f, VE_NOMEM, "no memory for a certificate's hash");
		return VE_NOMEM;
	}
	if (!se_pack_fixed(p, "Ticket", to.ticket, sizeof(to.ticket)))
		return se_broken(f, "a redirect without a ticket of %u bytes", SE_TICKET_SIZE);
	*ret = to;
	wipe(&to, sizeof(to));
	return 0;
}

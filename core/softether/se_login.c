/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_login.c - the login's elements, as tables where they are many.
 *
 * What is sent is all of softether-protocol.md 4.6 that means something on one TCP connection, and of the
 * node information (4.7) what an administrator can use: product, system, the name the user gave us for the
 * server. Our host's name, addresses and serial numbers stay here. "HubName" of that list is never sent:
 * names are unique without regard to case, and the hub is in "hubname" already. */
#include "core/softether/se_login.h"

#include <assert.h>
#include <string.h>

#include "core/limits.h"
#include "core/softether/se_error.h"
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

enum authtype { AUTHTYPE_ANONYMOUS = 0, AUTHTYPE_PASSWORD = 1 };

/* --- Hello
 * -------------------------------------------------------------------------------------------------------- */

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

/* --- login
 * -------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t value;
} options[] = {
	{ "client_ver", SOFTSOCKS_VERSION_NUMBER },
	{ "client_build", SOFTSOCKS_BUILD },
	{ "protocol", 0 }, /* TCP */
	{ "version", SOFTSOCKS_VERSION_NUMBER },
	{ "build", SOFTSOCKS_BUILD },
	{ "client_id", 0 },
	{ "max_connection", 1 },
	{ "use_encrypt", 1 }, /* absent would mean: the data phase in the clear */
	{ "use_compress", 0 },
	{ "half_connection", 0 },
	{ "require_bridge_routing_mode", 0 },
	{ "require_monitor_mode", 0 },
	{ "qos", 0 },
	{ "support_bulk_on_rudp", 0 },
	{ "support_hmac_on_bulk_of_rudp", 0 },
	{ "support_udp_recovery", 0 },
	{ "rudp_bulk_max_version", 0 },
};

static void put_credentials(struct se_packer *k, const struct session_conf *conf,
			    const struct se_hello *hello)
{
	uint8_t hash[SE_HASH_SIZE], response[SE_HASH_SIZE];

	if (!conf->password) {
		se_put_int(k, "authtype", AUTHTYPE_ANONYMOUS);
		return;
	}
	se_auth_hash(conf->password, conf->user, hash);
	se_auth_response(hash, hello->challenge, response);
	se_put_int(k, "authtype", AUTHTYPE_PASSWORD);
	se_put_data(k, "secure_password", response, sizeof(response));
	wipe(hash, sizeof(hash));
	wipe(response, sizeof(response));
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

size_t se_login_write(uint8_t to[static SE_LOGIN_SIZE_MAX], const struct session_conf *conf,
		      const struct wire_facts *wire, const struct se_ident *ident,
		      const struct se_hello *hello, const struct session_env *env)
{
	struct se_packer k;
	size_t n;

	se_packer_init(&k, to, SE_LOGIN_SIZE_MAX);
	se_put_str(&k, "method", "login");
	se_put_str(&k, "hubname", conf->hub);
	se_put_str(&k, "username", conf->user);
	put_credentials(&k, conf, hello);
	se_put_str(&k, "client_str", PRODUCT);
	se_put_str(&k, "hello", PRODUCT);
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		se_put_int(&k, options[i].name, options[i].value);
	se_put_data(&k, "unique_id", ident->machine, sizeof(ident->machine));
	put_node(&k, wire, ident, hello);
	put_padding(&k, env);
	n = se_packer_end(&k);
	assert(n > 0); /* the caller has checked the lengths of the names */
	return n;
}

/* --- Welcome
 * ------------------------------------------------------------------------------------------------------ */

/* Switches that change what the bytes after the Welcome mean. */
static const struct {
	const char *name;
	bool wanted;
	const char *refused;
} modes[] = {
	{ "use_encrypt", true, "to go on without encryption (use_encrypt is 0)" },
	{ "use_compress", false, "compression (use_compress is 1), which was not asked for" },
	{ "half_connection", false, "one direction only (half_connection is 1), which was not asked for" },
	{ "use_fast_rc4", false, "RC4 (use_fast_rc4 is 1), which was not asked for" },
};

static int check_there(const struct se_pack *p, struct fault *f)
{
	static const char *const names[] = { "session_name", "connection_name" };
	uint8_t key[20];
	struct slice s;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!se_pack_str(p, names[i], 0, &s))
			return se_broken(f, "element \"%s\" is missing", names[i]);
	}
	if (!se_pack_fixed(p, "session_key", key, sizeof(key)))
		return se_broken(f, "element \"session_key\" of %zu bytes is missing", sizeof(key));
	wipe(key, sizeof(key));
	return 0;
}

int se_welcome_read(const struct se_pack *p, struct se_welcome *ret, struct fault *f)
{
	uint32_t timeout = SE_TIMEOUT_DEFAULT_MS;
	int r;

	if (se_pack_int(p, "Redirect") != 0) {
		fault_set_final(f, VE_PROTO, "the server is the controller of a cluster and sends us to "
				"another one (Redirect is 1), which is not supported");
		return VE_PROTO;
	}
	r = check_there(p, f);
	if (r != 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if ((se_pack_int(p, modes[i].name) != 0) != modes[i].wanted) {
			fault_set_final(f, VE_PROTO, "the server wants %s: refused", modes[i].refused);
			return VE_PROTO;
		}
	}
	(void)se_pack_u32(p, "timeout", 0, &timeout);
	if (timeout < SE_TIMEOUT_MIN_MS)
		timeout = SE_TIMEOUT_MIN_MS;
	if (timeout > SE_TIMEOUT_MAX_MS)
		timeout = SE_TIMEOUT_MAX_MS;
	*ret = (struct se_welcome){ .timeout_ms = timeout,
				    .auto_disconnect_s = se_pack_int(p, "policy:AutoDisconnect") };
	return 0;
}

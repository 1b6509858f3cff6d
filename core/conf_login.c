/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_login.c - setters of options about logging in, and about whom to trust.
 *
 * A password, and a certificate with its key, can be said in several ways. One source may use only one of them, and
 * replaces what lower sources said in any way: so each setter first looks whether it may, then forgets the others. */
#include <string.h>

#include "core/base64.h"
#include "core/bytes.h"
#include "core/conf_int.h"
#include "core/utf8.h"

/* Has this source said one of the options in @others already? Then only one of them can @what. */
static int refuse_second(struct parse *p, enum option_id self, const enum option_id *others, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++) {
		enum option_id id = others[i];

		if (id == self || conf_is_first_here(p, id))
			continue;
		return conf_because(p, "there is %s%s already: only one of them can %s",
				    conf_options[id].flags & OPT_FILE_ONLY ? "" : "--", conf_options[id].name, what);
	}
	return 0;
}

/* --user and the URL's user are one setting said in two ways: the higher source decides, the same source must
 * agree with itself. */
static int set_user_name(struct parse *p, const char *name, bool from_url)
{
	if (p->user_at.rank == p->at.rank && p->user_from_url != from_url && strcmp(p->c.user, name) != 0)
		return conf_because(p, "the user of the URL and --user differ: leave one of them out");
	memcpy(p->c.user, name, strlen(name) + 1);
	p->user_at = p->at;
	p->user_from_url = from_url;
	return 0;
}

int conf_set_user(struct parse *p, const char *value)
{
	if (strlen(value) > USER_MAX || !utf8_is_text(value, strlen(value)))
		return VE_USAGE;
	return set_user_name(p, value, false);
}

int conf_set_url(struct parse *p, const char *value)
{
	struct conf *c = &p->c;
	struct conf_url u;

	if (conf_url_parse(&u, value, p->why) != 0)
		return VE_USAGE;
	if (u.has_user && set_user_name(p, u.user, true) != 0)
		return VE_USAGE;
	c->protocol = u.protocol;
	c->port = u.port;
	memcpy(c->host, u.host, sizeof(c->host));
	memcpy(c->hub, u.hub, sizeof(c->hub));
	return 0;
}

/* --- the password --------------------------------------------------------------------------------------- */

static int begin_password(struct parse *p, enum option_id self)
{
	static const enum option_id ways[] = { O_PASSWORD_FILE, O_PASSWORD_FD, O_PASSWORD, O_PASSWORD_HASH };

	if (refuse_second(p, self, ways, ARRAY_LEN(ways), "give the password") != 0)
		return VE_USAGE;
	p->c.password_file = NULL;
	p->c.password_fd = -1;
	p->c.password_text = NULL;
	p->c.has_password_hash = false;
	return 0;
}

int conf_set_password_file(struct parse *p, const char *value)
{
	if (begin_password(p, O_PASSWORD_FILE) != 0)
		return VE_USAGE;
	p->c.password_file = conf_keep(p, value);
	return 0;
}

int conf_set_password_fd(struct parse *p, const char *value)
{
	uint32_t n;

	if (conf_number(value, 0, FD_MAX, &n) != 0 || begin_password(p, O_PASSWORD_FD) != 0)
		return VE_USAGE;
	p->c.password_fd = (int)n;
	return 0;
}

int conf_set_password(struct parse *p, const char *value)
{
	if (strlen(value) > PASSWORD_MAX || !utf8_is_text(value, strlen(value)) || begin_password(p, O_PASSWORD) != 0)
		return VE_USAGE;
	p->c.password_text = conf_keep(p, value);
	return 0;
}

int conf_set_password_hash(struct parse *p, const char *value)
{
	size_t n;

	if (begin_password(p, O_PASSWORD_HASH) != 0)
		return VE_USAGE;
	if (base64_decode(value, strlen(value), p->c.password_hash, sizeof(p->c.password_hash), &n) != 0 ||
	    n != sizeof(p->c.password_hash))
		return VE_USAGE;
	p->c.has_password_hash = true;
	return 0;
}

int conf_set_new_password_file(struct parse *p, const char *value)
{
	p->c.new_password_file = conf_keep(p, value);
	return 0;
}

/* --- the certificate ------------------------------------------------------------------------------------ */

/* @self is one of the files, or one of the data: these may be together, but no two that differ. */
static int begin_certificate(struct parse *p, enum option_id self)
{
	static const enum option_id ways[] = { O_CERT, O_P12, O_CERT_DATA };
	static const enum option_id keys[] = { O_KEY, O_P12, O_KEY_DATA };
	bool is_key = self == O_KEY || self == O_KEY_DATA;
	struct conf *c = &p->c;

	if (!is_key && refuse_second(p, self, ways, ARRAY_LEN(ways), "give the certificate") != 0)
		return VE_USAGE;
	if ((is_key || self == O_P12) && refuse_second(p, self, keys, ARRAY_LEN(keys), "give the key") != 0)
		return VE_USAGE;
	if (self != O_KEY)
		c->cert_file = NULL;
	if (self != O_CERT)
		c->key_file = NULL;
	if (self != O_KEY_DATA)
		c->cert_data = (struct slice){ 0 };
	if (self != O_CERT_DATA)
		c->key_data = (struct slice){ 0 };
	c->p12_file = NULL;
	return 0;
}

static int set_file(struct parse *p, enum option_id self, const char *value, const char **ret)
{
	if (begin_certificate(p, self) != 0)
		return VE_USAGE;
	*ret = conf_keep(p, value);
	return 0;
}

int conf_set_cert(struct parse *p, const char *value)
{
	return set_file(p, O_CERT, value, &p->c.cert_file);
}

int conf_set_key(struct parse *p, const char *value)
{
	return set_file(p, O_KEY, value, &p->c.key_file);
}

int conf_set_p12(struct parse *p, const char *value)
{
	return set_file(p, O_P12, value, &p->c.p12_file);
}

int conf_set_key_password_file(struct parse *p, const char *value)
{
	p->c.key_password_file = conf_keep(p, value);
	return 0;
}

static int set_der(struct parse *p, enum option_id self, const char *value, struct slice *ret)
{
	char *text;
	size_t n;

	if (begin_certificate(p, self) != 0)
		return VE_USAGE;
	text = conf_keep(p, value);
	if (base64_decode(text, strlen(text), (uint8_t *)text, CERT_DER_MAX, &n) != 0 || n == 0)
		return VE_USAGE;
	*ret = (struct slice){ .p = (const uint8_t *)text, .n = n };
	return 0;
}

int conf_set_cert_data(struct parse *p, const char *value)
{
	return set_der(p, O_CERT_DATA, value, &p->c.cert_data);
}

int conf_set_key_data(struct parse *p, const char *value)
{
	return set_der(p, O_KEY_DATA, value, &p->c.key_data);
}

/* --- methods -------------------------------------------------------------------------------------------- */

static unsigned auth_method(const char *word, size_t n)
{
	static const struct {
		const char *word;
		unsigned method;
	} methods[] = { { "mschapv2", AUTH_MSCHAPV2 }, { "chap", AUTH_CHAP }, { "pap", AUTH_PAP } };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (strlen(methods[i].word) == n && memcmp(methods[i].word, word, n) == 0)
			return methods[i].method;
	}
	return 0;
}

/* The words that stand alone. */
static bool set_auth_alone(struct parse *p, const char *value)
{
	static const struct {
		const char *word;
		unsigned methods;
		bool anonymous, password;
	} words[] = {
		{ "anonymous", 0, true, false },
		{ "password", 0, false, true },
		{ "plain", AUTH_PLAIN, false, false },
		{ "certificate", AUTH_CERTIFICATE, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(value, words[i].word) == 0) {
			p->c.auth_methods = words[i].methods;
			p->c.anonymous = words[i].anonymous;
			p->auth_password = words[i].password;
			return true;
		}
	}
	return false;
}

int conf_set_auth(struct parse *p, const char *value)
{
	unsigned methods = 0;

	if (set_auth_alone(p, value))
		return 0;
	for (const char *word = value;; word++) {
		size_t n = strcspn(word, ",");
		unsigned method = auth_method(word, n);

		if (method == 0)
			return VE_USAGE;
		methods |= method;
		word += n;
		if (!*word)
			break;
	}
	p->c.anonymous = false;
	p->auth_password = false;
	p->c.auth_methods = methods;
	return 0;
}

/* --- trust ---------------------------------------------------------------------------------------------- */

int conf_set_ca(struct parse *p, const char *value)
{
	p->c.trust.ca_file = conf_keep(p, value);
	return 0;
}

int conf_set_pin(struct parse *p, const char *value)
{
	struct trust_conf *t = &p->c.trust;
	uint8_t pin[32];

	if (trust_pin_parse(value, pin) != 0)
		return VE_USAGE;
	if (conf_is_first_here(p, O_PIN))
		t->npins = 0;
	if (t->npins == TRUST_PINS_MAX)
		return conf_because(p, "there can be %d pins at most", TRUST_PINS_MAX);
	memcpy(t->pins[t->npins++], pin, sizeof(pin));
	return 0;
}

int conf_set_verify_name(struct parse *p, const char *value)
{
	if (!conf_is_host_name(value))
		return VE_USAGE;
	p->c.trust.verify_name = conf_keep(p, value);
	return 0;
}

/* RFC 6066 section 3: literal addresses are not permitted. */
int conf_set_sni(struct parse *p, const char *value)
{
	struct ip ip;

	if (!conf_is_host_name(value))
		return VE_USAGE;
	if (ip_parse(value, &ip) == 0)
		return conf_because(p, "an address cannot be asked for by name: expected a host name");
	p->c.trust.sni = conf_keep(p, value);
	return 0;
}

int conf_set_insecure(struct parse *p, const char *value)
{
	return conf_switch(value, &p->c.trust.insecure);
}

int conf_set_tls_min(struct parse *p, const char *value)
{
	static const struct {
		const char *word;
		enum tls_version version;
	} versions[] = {
		{ "1.0", TLS_MIN_1_0 }, { "1.1", TLS_MIN_1_1 },
		{ "1.2", TLS_MIN_1_2 }, { "1.3", TLS_MIN_1_3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		if (strcmp(value, versions[i].word) == 0) {
			p->c.trust.tls_min = versions[i].version;
			return 0;
		}
	}
	return VE_USAGE;
}

int conf_set_keylog(struct parse *p, const char *value)
{
	p->c.trust.keylog_file = conf_keep(p, value);
	return 0;
}

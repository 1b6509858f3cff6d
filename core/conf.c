/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf.c - from what the user typed, wrote and exported to one struct conf.
 *
 * Every value takes the same way, whoever said it: apply() finds out whether the option may be said again,
 * calls the option's setter, and remembers the place, so that a later complaint can name it. Sources are
 * applied from the lowest to the highest, each overwriting the one before:
 *
 *     options.def's defaults -> environment -> config file -> command line -> finish(): do they fit together?
 *
 * The command line is walked twice: first only to note what decides about the rest (--help, -c, the command
 * word), and to find unknown options, then to apply it. Strings that outlive the parse are copied into one
 * block, sized in advance for everything there is to copy, so pointers into it stay good.
 *
 * Variables of the environment that begin with SOFTSOCKS_ and are no option are left alone: container
 * managers make such names from a service's name. Error lines never show what might be a password: that is
 * why an unknown option, or a line that is none, is named without its value, and URLs are shown through
 * conf_url_show(). */
#include "core/conf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/conf_table.h"
#include "core/conf_url.h"
#include "core/utf8.h"

#define SHOWN_MAX 120 /* of a wrong value: enough to recognize it; the rest still fits into a fault */

enum option_id {
#define SECTION(title)
#define OPTION(id, name, letter, arg, flags, set, initial, expected, help) O_##id,
#include "core/options.def"
#undef OPTION
	OPTION_COUNT
};

enum rank { FROM_NOWHERE, FROM_DEFAULT, FROM_ENV, FROM_FILE, FROM_ARGV };

struct place {
	enum rank rank;
	const char *file; /* FROM_FILE */
	unsigned line;
};

struct parse;

struct option {
	const char *name;
	const char *env;
	char letter;
	const char *arg;
	unsigned flags;
	int (*set)(struct parse *p, const char *value); /* 0, or VE_USAGE and perhaps p->why */
	const char *initial;
	const char *expected;
};

struct parse {
	struct conf c;
	struct fault *f;
	struct place at;                   /* where the value comes from that is being applied */
	struct place set_at[OPTION_COUNT]; /* where each option was last set */
	struct place listen_at[LISTENERS_MAX];
	struct place user_at; /* --user and the URL both name the user */
	bool user_from_url;
	char why[CONF_WHY_MAX]; /* a setter's own reason, "" for: expected what the table says */
	const char *config;     /* the file of -c */
	char *text;             /* and what is in it */
	size_t words, operands; /* of this walk: what is no option, and that without the command word */
	bool stop;              /* --help or the like: the rest does not matter */
};

typedef int (*visitor)(struct parse *p, enum option_id id, const char *value);

static const struct option table[OPTION_COUNT];

static int because(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int because(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
	return VE_USAGE;
}

/* --- places and complaints ------------------------------------------------------------------------------ */

#define PLACE_MAX 160

static const char *place_text(const struct place *at, char buf[static PLACE_MAX])
{
	if (at->rank == FROM_FILE && strlen(at->file) > 128)
		snprintf(buf, PLACE_MAX, "...%s:%u", at->file + strlen(at->file) - 125, at->line);
	else if (at->rank == FROM_FILE)
		snprintf(buf, PLACE_MAX, "%s:%u", at->file, at->line);
	else
		snprintf(buf, PLACE_MAX, "%s", at->rank == FROM_ENV ? "environment" : "command line");
	return buf;
}

/* The option as it is spelled where it was said. */
static const char *label(enum option_id id, const struct place *at, char buf[static 32])
{
	if (at->rank == FROM_ENV)
		snprintf(buf, 32, "%s", table[id].env);
	else if (at->rank == FROM_FILE)
		snprintf(buf, 32, "%s", table[id].name);
	else
		snprintf(buf, 32, "%s%s", id == O_URL ? "" : "--", id == O_URL ? "URL" : table[id].name);
	return buf;
}

/* A wrong value. @reason completes the line. */
static int complain(struct parse *p, enum option_id id, const char *value, const char *reason)
{
	char place[PLACE_MAX], name[32], shown[SHOWN_MAX + 4];

	if (strlen(conf_url_show(value, shown, sizeof(shown))) > SHOWN_MAX)
		memcpy(shown + SHOWN_MAX, "...", 4);
	fault_set(p->f, VE_USAGE, "%s: %s \"%s\": %s", place_text(&p->at, place), label(id, &p->at, name),
		  shown, reason);
	return VE_USAGE;
}

/* Options that do not fit together; the place is that of @id. @reason is a sentence. */
static int contradiction(struct parse *p, enum option_id id, const char *reason)
{
	char place[PLACE_MAX], name[32];
	const struct place *at = &p->set_at[id];

	fault_set(p->f, VE_USAGE, "%s: %s: %s", place_text(at, place), label(id, at, name), reason);
	return VE_USAGE;
}

/* A wrong way to say anything at all. */
static int misuse(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int misuse(struct parse *p, const char *fmt, ...)
{
	char place[PLACE_MAX], text[FAULT_TEXT_MAX - PLACE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fault_set(p->f, VE_USAGE, "%s: %s", place_text(&p->at, place), text);
	return VE_USAGE;
}

/* --- kinds of values ------------------------------------------------------------------------------------ */

/* A copy of @value that lives as long as the struct conf. There is room: see reserve_strings(). */
static const char *keep(struct parse *p, const char *value)
{
	size_t n = strlen(value) + 1;
	char *to = p->c.strings + p->c.strings_len;

	assert(n <= p->c.strings_cap - p->c.strings_len);
	memcpy(to, value, n);
	p->c.strings_len += n;
	return to;
}

/* Decimal digits only. */
static int parse_number(const char *value, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; value[n]; n++) {
		if (value[n] < '0' || value[n] > '9' || n == 10)
			return VE_USAGE;
		v = v * 10 + (uint64_t)(value[n] - '0');
	}
	if (n == 0 || v < min || v > max)
		return VE_USAGE;
	*ret = (uint32_t)v;
	return 0;
}

/* Seconds with up to three decimals, into milliseconds. */
static int parse_seconds(const char *value, uint32_t min_ms, uint32_t max_ms, uint32_t *ret)
{
	char digits[16];
	const char *dot = strchr(value, '.');
	size_t whole = dot ? (size_t)(dot - value) : strlen(value), decimals = dot ? strlen(dot + 1) : 0;

	if (whole == 0 || whole > 6 || decimals > 3 || (dot && decimals == 0))
		return VE_USAGE;
	snprintf(digits, sizeof(digits), "%.*s%s%.*s", (int)whole, value, dot ? dot + 1 : "",
		 3 - (int)decimals, "000");
	return parse_number(digits, min_ms, max_ms, ret);
}

static int parse_switch(const char *value, bool *ret)
{
	static const char *const words[] = { "no", "yes", "off", "on", "false", "true", "0", "1" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(value, words[i]) == 0) {
			*ret = i % 2 == 1;
			return 0;
		}
	}
	return VE_USAGE;
}

/* An IPv4 address that a host can have. */
static int parse_host4(const char *value, struct ip *ret)
{
	struct ip ip;

	if (ip_parse(value, &ip) != 0 || ip.family != IP_V4)
		return VE_USAGE;
	if (ip.b[0] == 0 || ip.b[0] == 127 || ip.b[0] >= 224)
		return VE_USAGE;
	*ret = ip;
	return 0;
}

/* The bits of @ip behind the first @prefix (1..32): 0 for a network's own address, all ones for its
 * broadcast. */
static uint32_t host_bits(const struct ip *ip, unsigned prefix, uint32_t *ret_mask)
{
	*ret_mask = prefix == 32 ? 0 : UINT32_MAX >> prefix;
	return load_be32(ip->b) & *ret_mask;
}

/* Is @ip a host, not its network's own or broadcast address? Prefixes 31 and 32 have neither. */
static bool is_host_of(const struct ip *ip, unsigned prefix)
{
	uint32_t mask, bits = host_bits(ip, prefix, &mask);

	return prefix >= 31 || (bits != 0 && bits != mask);
}

static bool is_loopback(const struct ip *ip)
{
	static const uint8_t one[16] = { [15] = 1 };

	return ip->family == IP_V4 ? ip->b[0] == 127 : memcmp(ip->b, one, sizeof(one)) == 0;
}

/* --- setters, in the order of options.def --------------------------------------------------------------- */

/* The first value from this source replaces what lower ones said. */
static bool is_first_here(const struct parse *p, enum option_id id)
{
	return p->set_at[id].rank < p->at.rank;
}

static int parse_listen(struct parse *p, const char *value, struct dest *ret)
{
	const char *colon = strrchr(value, ':');
	const char *host = colon ? value : "127.0.0.1";
	size_t n = colon ? (size_t)(colon - value) : strlen(host);
	bool bracketed = n >= 2 && host[0] == '[' && host[n - 1] == ']';
	char text[IP_TEXT_MAX];
	struct dest d = { 0 };
	uint32_t port;

	if (parse_number(colon ? colon + 1 : value, 0, 65535, &port) != 0)
		return VE_USAGE;
	n -= bracketed ? 2 : 0;
	if (n >= sizeof(text))
		return VE_USAGE;
	memcpy(text, host + (bracketed ? 1 : 0), n);
	text[n] = '\0';
	if (ip_parse(strcmp(text, "localhost") == 0 ? "127.0.0.1" : text, &d.ip) != 0)
		return VE_USAGE;
	if (d.ip.family == IP_V6 && !bracketed)
		return because(p, "an IPv6 address with a port needs brackets, [::1]:1080");
	if (d.ip.family == IP_V4 && bracketed)
		return VE_USAGE;
	d.port = (uint16_t)port;
	*ret = d;
	return 0;
}

static int set_listen(struct parse *p, const char *value)
{
	struct conf *c = &p->c;
	struct dest d;

	if (parse_listen(p, value, &d) != 0)
		return VE_USAGE;
	if (is_first_here(p, O_LISTEN))
		c->nlisten = 0;
	if (c->nlisten == LISTENERS_MAX)
		return because(p, "there can be %u listeners at most", LISTENERS_MAX);
	p->listen_at[c->nlisten] = p->at;
	c->listen[c->nlisten++] = (struct listen_addr){ .at = d };
	return 0;
}

static int set_allow_remote(struct parse *p, const char *value)
{
	return parse_switch(value, &p->c.allow_remote);
}

/* --user and the URL's user are one setting said in two ways: the higher source decides, the same source must
 * agree with itself. */
static int set_user_name(struct parse *p, const char *name, bool from_url)
{
	if (p->user_at.rank == p->at.rank && p->user_from_url != from_url && strcmp(p->c.user, name) != 0)
		return because(p, "the user of the URL and --user differ: leave one of them out");
	memcpy(p->c.user, name, strlen(name) + 1);
	p->user_at = p->at;
	p->user_from_url = from_url;
	return 0;
}

static int set_user(struct parse *p, const char *value)
{
	if (strlen(value) > USER_MAX || !utf8_is_text(value, strlen(value)))
		return VE_USAGE;
	return set_user_name(p, value, false);
}

static int set_password_file(struct parse *p, const char *value)
{
	if (!is_first_here(p, O_PASSWORD_FD))
		return because(p, "there is --password-fd already: only one of them can give the password");
	p->c.password_fd = -1;
	p->c.password_file = keep(p, value);
	return 0;
}

static int set_password_fd(struct parse *p, const char *value)
{
	uint32_t n;

	if (parse_number(value, 0, FD_MAX, &n) != 0)
		return VE_USAGE;
	if (!is_first_here(p, O_PASSWORD_FILE))
		return because(p, "there is --password-file already: only one of them can give the password");
	p->c.password_file = NULL;
	p->c.password_fd = (int)n;
	return 0;
}

static int set_ca(struct parse *p, const char *value)
{
	p->c.trust.ca_file = keep(p, value);
	return 0;
}

static int set_pin(struct parse *p, const char *value)
{
	struct trust_conf *t = &p->c.trust;
	uint8_t pin[32];

	if (trust_pin_parse(value, pin) != 0)
		return VE_USAGE;
	if (is_first_here(p, O_PIN))
		t->npins = 0;
	if (t->npins == TRUST_PINS_MAX)
		return because(p, "there can be %d pins at most", TRUST_PINS_MAX);
	memcpy(t->pins[t->npins++], pin, sizeof(pin));
	return 0;
}

static int set_verify_name(struct parse *p, const char *value)
{
	if (!conf_is_host_name(value))
		return VE_USAGE;
	p->c.trust.verify_name = keep(p, value);
	return 0;
}

/* RFC 6066 section 3: literal addresses are not permitted. */
static int set_sni(struct parse *p, const char *value)
{
	struct ip ip;

	if (!conf_is_host_name(value))
		return VE_USAGE;
	if (ip_parse(value, &ip) == 0)
		return because(p, "an address cannot be asked for by name: expected a host name");
	p->c.trust.sni = keep(p, value);
	return 0;
}

static int set_insecure(struct parse *p, const char *value)
{
	return parse_switch(value, &p->c.trust.insecure);
}

static int set_tls_min(struct parse *p, const char *value)
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

static int set_auth(struct parse *p, const char *value)
{
	unsigned methods = 0;

	if (strcmp(value, "anonymous") == 0) {
		p->c.anonymous = true;
		p->c.auth_methods = 0;
		return 0;
	}
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
	p->c.auth_methods = methods;
	return 0;
}

static int set_keylog(struct parse *p, const char *value)
{
	p->c.trust.keylog_file = keep(p, value);
	return 0;
}

static int set_ip4(struct parse *p, const char *value)
{
	const char *slash = strchr(value, '/');
	char text[IP_TEXT_MAX];
	uint32_t prefix;
	struct ip ip;

	if (!slash || (size_t)(slash - value) >= sizeof(text) || parse_number(slash + 1, 1, 32, &prefix) != 0)
		return VE_USAGE;
	memcpy(text, value, (size_t)(slash - value));
	text[slash - value] = '\0';
	if (parse_host4(text, &ip) != 0)
		return VE_USAGE;
	if (!is_host_of(&ip, prefix))
		return because(p, "this is the address of the network itself, or its broadcast address: "
				  "expected that of a host");
	p->c.ip4 = ip;
	p->c.ip4_prefix = (uint8_t)prefix;
	return 0;
}

static int set_gateway(struct parse *p, const char *value)
{
	return parse_host4(value, &p->c.gateway);
}

static int set_dns(struct parse *p, const char *value)
{
	return parse_host4(value, &p->c.dns);
}

static int set_mtu(struct parse *p, const char *value)
{
	uint32_t n;

	if (parse_number(value, 576, 1500, &n) != 0)
		return VE_USAGE;
	p->c.mtu = (uint16_t)n;
	return 0;
}

static int set_retries(struct parse *p, const char *value)
{
	uint32_t n = UINT32_MAX;

	if (strcmp(value, "forever") != 0 && parse_number(value, 0, UINT32_MAX - 1, &n) != 0)
		return VE_USAGE;
	p->c.retries = n;
	p->c.retries_given = p->at.rank > FROM_DEFAULT;
	return 0;
}

static int set_retry_interval(struct parse *p, const char *value)
{
	return parse_seconds(value, 1, 60000, &p->c.retry_interval_ms);
}

static int set_hold(struct parse *p, const char *value)
{
	return parse_seconds(value, 0, 3600000, &p->c.hold_ms);
}

/* It is closed once written to, and its number is given to the next socket: that must not be standard error,
 * where log lines go, and standard input is nothing to write to. */
static int set_ready_fd(struct parse *p, const char *value)
{
	uint32_t n;

	if (parse_number(value, 1, FD_MAX, &n) != 0 || n == 2)
		return VE_USAGE;
	p->c.ready_fd = (int)n;
	return 0;
}

static int set_pid_file(struct parse *p, const char *value)
{
	p->c.pid_file = keep(p, value);
	return 0;
}

static int set_log_level(struct parse *p, const char *value)
{
	return log_level_parse(value, &p->c.log_level);
}

static int set_log_format(struct parse *p, const char *value)
{
	bool json = strcmp(value, "json") == 0;

	if (!json && strcmp(value, "text") != 0)
		return VE_USAGE;
	p->c.log_json = json;
	return 0;
}

/* Options that have done their work in the first walk over the command line. */
static int set_nothing(struct parse *p, const char *value)
{
	(void)p;
	(void)value;
	return 0;
}

static int set_url(struct parse *p, const char *value)
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

static const struct option table[OPTION_COUNT] = {
#define OPTION(id, name, letter, arg, flags, set, initial, expected, help) \
	[O_##id] = { name, ENV_PREFIX #id, letter, arg, flags, set, initial, expected },
#include "core/options.def"
#undef OPTION
#undef SECTION
};

/* --- one value ------------------------------------------------------------------------------------------ */

static int apply(struct parse *p, enum option_id id, const char *value)
{
	const struct option *o = &table[id];
	const struct place *before = &p->set_at[id];
	char reason[CONF_WHY_MAX];

	if (before->rank == FROM_FILE && p->at.rank == FROM_FILE && !(o->flags & OPT_REPEAT)) {
		snprintf(reason, sizeof(reason), "it is already in line %u", before->line);
		return complain(p, id, value, reason);
	}
	p->why[0] = '\0';
	if (value[0] == '\0' || o->set(p, value) != 0) {
		snprintf(reason, sizeof(reason), "%s%s", p->why[0] ? p->why : "expected ",
			 p->why[0] ? "" : o->expected);
		return complain(p, id, value, reason);
	}
	p->set_at[id] = p->at;
	return 0;
}

static int apply_defaults(struct parse *p)
{
	int r = 0;

	p->at.rank = FROM_DEFAULT;
	for (int id = 0; id < OPTION_COUNT && r == 0; id++) {
		if (table[id].initial)
			r = apply(p, (enum option_id)id, table[id].initial);
	}
	return r;
}

/* --- the environment ------------------------------------------------------------------------------------ */

static const char *find_env(char *const env[], const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	}
	return NULL;
}

/* Values of a list, apart by commas or blanks. */
static int apply_list(struct parse *p, enum option_id id, const char *value)
{
	static const char between[] = ", \t\n";
	char one[CONF_VALUE_MAX];
	int r = 0;

	value += strspn(value, between);
	while (*value && r == 0) {
		size_t n = strcspn(value, between);

		if (n >= sizeof(one))
			return complain(p, id, "...", "a value is too long");
		memcpy(one, value, n);
		one[n] = '\0';
		r = apply(p, id, one);
		value += n + strspn(value + n, between);
	}
	return r;
}

/* A variable that is empty counts as not set: that is how scripts and container files unset one. */
static int apply_env(struct parse *p, char *const env[])
{
	int r = 0;

	p->at.rank = FROM_ENV;
	for (int i = 0; i < OPTION_COUNT && r == 0; i++) {
		enum option_id id = (enum option_id)i;
		const char *value = table[id].flags & OPT_ARGV_ONLY ? NULL : find_env(env, table[id].env);

		if (value && *value)
			r = table[id].flags & OPT_REPEAT ? apply_list(p, id, value) : apply(p, id, value);
	}
	return r;
}

/* --- the config file ------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cut blanks off both ends of @s, in place. */
static char *trim(char *s)
{
	size_t n;

	while (is_blank(*s))
		s++;
	n = strlen(s);
	while (n > 0 && is_blank(s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

/* "..." with \" and \\ in it, in place; only a comment may follow. */
static int unquote(struct parse *p, char **value)
{
	char *from = *value + 1, *to = *value;

	while (*from && *from != '"') {
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		*to++ = *from++;
	}
	if (*from != '"')
		return misuse(p, "the closing quotation mark is missing");
	from = trim(from + 1);
	if (*from != '\0' && *from != '#')
		return misuse(p, "something follows the closing quotation mark");
	*to = '\0';
	return 0;
}

/* A comment behind a value begins with a blank and a '#'; a '#' inside of a word belongs to it. */
static void cut_comment(char *value)
{
	for (char *s = value; *s; s++) {
		if (*s == '#' && (s == value || is_blank(s[-1]))) {
			*s = '\0';
			break;
		}
	}
	trim(value);
}

static int no_password_here(struct parse *p)
{
	return misuse(p,
		      "a password is not given as an option%s: use password-file, password-fd, the variable "
		      "SOFTSOCKS_PASSWORD or the prompt",
		      p->at.rank == FROM_ARGV ? ", where every user of this machine could read it" : "");
}

static int find_name(struct parse *p, const char *name, enum option_id *ret)
{
	for (int id = 0; id < OPTION_COUNT; id++) {
		if (strcmp(table[id].name, name) == 0) {
			*ret = (enum option_id)id;
			return 0;
		}
	}
	if (strcmp(name, "password") == 0 || strcmp(name, "pass") == 0)
		return no_password_here(p);
	return misuse(p, "unknown option %s%.40s; softsocks --help lists all",
		      p->at.rank == FROM_ARGV ? "--" : "", name);
}

static int apply_line(struct parse *p, char *line)
{
	char *name = trim(line), *equals = strchr(name, '='), *value;
	enum option_id id;
	int r;

	if (*name == '\0' || *name == '#')
		return 0;
	for (const char *s = name; *s; s++) {
		if ((unsigned char)*s < 0x20 && *s != '\t')
			return misuse(p, "a control character in the line");
	}
	if (!equals || equals == name)
		return misuse(p, "expected name = value, with name one of the long options");
	value = trim(equals + 1);
	*equals = '\0';
	r = find_name(p, trim(name), &id);
	if (r != 0)
		return r;
	if (table[id].flags & OPT_ARGV_ONLY)
		return misuse(p, "--%s is for the command line only", table[id].name);
	if (*value == '"')
		r = unquote(p, &value);
	else
		cut_comment(value);
	return r != 0 ? r : apply(p, id, value);
}

static int apply_file(struct parse *p)
{
	char *line = p->text;
	int r = 0;

	p->at = (struct place){ .rank = FROM_FILE, .file = p->config, .line = 0 };
	if (line && strncmp(line, "\xef\xbb\xbf", 3) == 0)
		line += 3; /* the mark that some Windows editors put in front */
	while (line && r == 0) {
		char *end = strchr(line, '\n');

		if (end)
			*end = '\0';
		p->at.line++;
		r = apply_line(p, line);
		line = end ? end + 1 : NULL;
	}
	return r;
}

/* --- the command line ----------------------------------------------------------------------------------- */

struct args {
	int argc, i;
	char *const *argv;
	visitor visit;
};

static int operand(struct parse *p, const char *arg, visitor visit)
{
	if (p->words++ == 0 && strcmp(arg, "check") == 0) {
		p->c.command = CMD_CHECK;
		return 0;
	}
	if (p->words == 1 && !strstr(arg, "://"))
		return complain(p, O_URL, arg, "neither a URL (softether://... or sstp://...) nor a command (check)");
	if (p->operands++ > 0)
		return misuse(p, "more than one argument that is no option: expected one URL");
	return visit(p, O_URL, arg);
}

/* The value of an option that needs one: behind it in the same word if @inside, else the next word. */
static int take_value(struct parse *p, struct args *a, enum option_id id, const char *inside)
{
	if (inside)
		return a->visit(p, id, inside);
	if (table[id].flags & OPT_SWITCH)
		return a->visit(p, id, "yes");
	if (a->i + 1 >= a->argc)
		return misuse(p, "--%s needs a value: %s", table[id].name, table[id].arg);
	return a->visit(p, id, a->argv[++a->i]);
}

static int long_option(struct parse *p, struct args *a, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	char name[48];
	enum option_id id;
	int r;

	snprintf(name, sizeof(name), "%.*s", (int)min_size(n, sizeof(name)), word);
	r = find_name(p, name, &id);
	if (r != 0)
		return r;
	if (table[id].flags & OPT_NO_ARGV)
		return misuse(p, "the URL is written without --%s", table[id].name);
	return take_value(p, a, id, equals ? equals + 1 : NULL);
}

/* "-h", "-l 1080", "-l1080", "-hV". */
static int short_options(struct parse *p, struct args *a, const char *letters)
{
	int r = 0;

	for (; *letters && r == 0 && !p->stop; letters++) {
		int id = 0;

		while (id < OPTION_COUNT && table[id].letter != *letters)
			id++;
		if (id == OPTION_COUNT)
			return *letters == 'p' ? no_password_here(p)
					       : misuse(p, "unknown option -%c; softsocks --help lists all",
							*letters);
		if (!(table[id].flags & OPT_SWITCH))
			return take_value(p, a, (enum option_id)id, letters[1] ? letters + 1 : NULL);
		r = take_value(p, a, (enum option_id)id, NULL);
	}
	return r;
}

static int walk_argv(struct parse *p, int argc, char *const argv[], visitor visit)
{
	struct args a = { .argc = argc, .argv = argv, .visit = visit };
	bool only_operands = false;
	int r = 0;

	p->at = (struct place){ .rank = FROM_ARGV };
	p->words = p->operands = 0;
	for (a.i = 1; a.i < argc && r == 0 && !p->stop; a.i++) {
		const char *word = argv[a.i];

		if (only_operands || word[0] != '-' || word[1] == '\0')
			r = operand(p, word, visit);
		else if (strcmp(word, "--") == 0)
			only_operands = true;
		else if (word[1] == '-')
			r = long_option(p, &a, word + 2);
		else
			r = short_options(p, &a, word + 1);
	}
	return r;
}

static int note_text(struct parse *p, enum conf_text_kind kind)
{
	p->c.command = CMD_HELP;
	p->c.text = kind;
	p->stop = true;
	return 0;
}

static int note_completion(struct parse *p, const char *shell)
{
	static const char *const shells[] = {
		[TEXT_BASH] = "bash", [TEXT_ZSH] = "zsh", [TEXT_FISH] = "fish"
	};

	for (int i = TEXT_BASH; i <= TEXT_FISH; i++) {
		if (strcmp(shell, shells[i]) == 0)
			return note_text(p, (enum conf_text_kind)i);
	}
	return complain(p, O_COMPLETION, shell, "expected bash, zsh or fish");
}

/* The first walk: what decides about everything else. */
static int note(struct parse *p, enum option_id id, const char *value)
{
	switch (id) {
	case O_HELP:
		return note_text(p, TEXT_HELP);
	case O_MAN:
		return note_text(p, TEXT_MAN);
	case O_COMPLETION:
		return note_completion(p, value);
	case O_VERSION:
		p->c.command = CMD_VERSION;
		p->stop = true;
		return 0;
	case O_CONFIG:
		if (p->config || *value == '\0')
			return complain(p, id, value,
					p->config ? "there can be only one config file"
						  : "expected the name of a file");
		p->config = value;
		return 0;
	default:
		return 0;
	}
}

/* --- do they fit together? ------------------------------------------------------------------------------ */

static int check_listeners(struct parse *p)
{
	const struct conf *c = &p->c;

	for (unsigned i = 0; i < c->nlisten && !c->allow_remote; i++) {
		char text[DEST_TEXT_MAX];

		if (is_loopback(&c->listen[i].at.ip))
			continue;
		p->at = p->listen_at[i];
		return complain(p, O_LISTEN, dest_text(&c->listen[i].at, text),
				"other machines could reach it, and the proxy asks nobody for a password: "
				"use 127.0.0.1 or [::1], or add --allow-remote if everybody there may enter "
				"the private network");
	}
	return 0;
}

static int check_url(struct parse *p)
{
	if (p->c.protocol)
		return 0;
	if (p->config)
		fault_set(p->f, VE_USAGE,
			  "no server: add a URL, softether://USER@HOST/HUB or sstp://USER@HOST, to the command line, or "
			  "the line \"url = ...\" to %.200s",
			  p->config);
	else
		fault_set(p->f, VE_USAGE,
			  "no server: expected a URL, softether://USER@HOST/HUB or sstp://USER@HOST; softsocks --help "
			  "tells more");
	return VE_USAGE;
}

static int check_login(struct parse *p)
{
	struct conf *c = &p->c;

	bool nameless = c->user[0] == '\0';

	if (nameless)
		c->anonymous = true;
	if (c->anonymous && !c->protocol->has_anonymous) {
		fault_set(p->f, VE_USAGE, "%s has no login without a user and a password: name the user, as in %s://USER@%s",
			  c->protocol->scheme, c->protocol->scheme, c->host);
		return VE_USAGE;
	}
	if (c->anonymous && (c->password_file || c->password_fd >= 0))
		return contradiction(p, c->password_file ? O_PASSWORD_FILE : O_PASSWORD_FD,
				     nameless ? "without a user the login is anonymous and has no password: name the "
						"user in the URL or with --user"
					      : "--auth anonymous has no password: drop one of the two");
	if (c->password_fd >= 0 && c->password_fd == c->ready_fd)
		return contradiction(p, O_READY_FD, "--password-fd is the same descriptor");
	if (c->trust.insecure && c->trust.npins > 0)
		return contradiction(p, O_INSECURE,
				     "it would take any certificate, but --pin asks for a certain one: drop "
				     "--insecure, a pin needs no CA");
	return 0;
}

static int check_addresses(struct parse *p)
{
	const struct conf *c = &p->c;
	uint32_t mask;

	if (c->gateway.family == IP_NONE)
		return 0;
	if (c->ip4.family == IP_NONE)
		return contradiction(p, O_GATEWAY,
				     "it needs --ip4: an address that is negotiated comes with its gateway");
	(void)host_bits(&c->ip4, c->ip4_prefix, &mask);
	if ((load_be32(c->gateway.b) | mask) != (load_be32(c->ip4.b) | mask) ||
	    !is_host_of(&c->gateway, c->ip4_prefix))
		return contradiction(p, O_GATEWAY, "it is no host of the network that --ip4 names");
	if (ip_equal(&c->gateway, &c->ip4))
		return contradiction(p, O_GATEWAY, "it is our own address, --ip4");
	return 0;
}

static int finish(struct parse *p)
{
	int r = check_url(p);

	if (r == 0)
		r = check_listeners(p);
	if (r == 0)
		r = check_login(p);
	return r != 0 ? r : check_addresses(p);
}

/* --- all of it ------------------------------------------------------------------------------------------ */

/* Room for every string there is, so keep() cannot run out: a value is copied once at most each time it is
 * said. */
static int reserve_strings(struct parse *p, int argc, char *const argv[], char *const env[])
{
	size_t cap = 1;

	for (int i = 0; i < OPTION_COUNT; i++)
		cap += table[i].initial ? strlen(table[i].initial) + 1 : 0;
	for (int i = 1; i < argc; i++)
		cap += strlen(argv[i]) + 1;
	for (; env && *env; env++)
		cap += strncmp(*env, ENV_PREFIX, strlen(ENV_PREFIX)) == 0 ? strlen(*env) + 1 : 0;
	if (p->text)
		cap += strlen(p->text) + 1;
	p->c.strings = malloc(cap);
	if (!p->c.strings) {
		fault_set(p->f, VE_NOMEM, "no memory for the options");
		return VE_NOMEM;
	}
	p->c.strings_cap = cap;
	return 0;
}

static int parse_all(struct parse *p, int argc, char *const argv[], char *const env[],
		     int (*read_file)(const char *path, char **ret_text, struct fault *f))
{
	int r = walk_argv(p, argc, argv, note);

	if (r != 0 || p->stop)
		return r;
	if (p->config) {
		r = read_file(p->config, &p->text, p->f);
		if (r != 0) {
			fault_set(p->f, r, "config file %.200s: cannot be read", p->config);
			return r;
		}
	}
	r = reserve_strings(p, argc, argv, env);
	if (r == 0)
		r = apply_defaults(p);
	if (r == 0)
		r = apply_env(p, env);
	if (r == 0)
		r = apply_file(p);
	if (r == 0)
		r = walk_argv(p, argc, argv, apply);
	return r != 0 ? r : finish(p);
}

/* What holds before any option is looked at. */
static void conf_init(struct conf *c)
{
	*c = (struct conf){
		.password_fd = -1,
		.ready_fd = -1,
		.connect_ms = FLOW_CONNECT_MS,
		.tcp_connections = 1,
		.udp_acceleration = UDP_V2,
	};
}

int conf_parse(struct conf *ret, int argc, char *const argv[], char *const env[],
	       int (*read_file)(const char *path, char **ret_text, struct fault *f), struct fault *f)
{
	struct parse p = { .f = f };
	int r;

	conf_init(&p.c);
	r = parse_all(&p, argc, argv, env, read_file);
	free(p.text);
	if (r == 0)
		*ret = p.c;
	else
		conf_fini(&p.c);
	return r;
}

void conf_fini(struct conf *c)
{
	if (c->strings)
		wipe(c->strings, c->strings_len);
	free(c->strings);
	free(c->routes);
	wipe(c, sizeof(*c));
	conf_init(c);
}

int conf_parse_url(struct conf *c, const char *url, struct fault *f)
{
	char why[CONF_WHY_MAX], shown[SHOWN_MAX + 1];
	struct conf_url u;

	if (conf_url_parse(&u, url, why) != 0) {
		fault_set(f, VE_USAGE, "URL \"%s\": %s", conf_url_show(url, shown, sizeof(shown)), why);
		return VE_USAGE;
	}
	c->protocol = u.protocol;
	c->port = u.port;
	memcpy(c->host, u.host, sizeof(c->host));
	memcpy(c->hub, u.hub, sizeof(c->hub));
	if (u.has_user)
		memcpy(c->user, u.user, sizeof(c->user));
	return 0;
}

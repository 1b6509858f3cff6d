/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf.c - from what the user typed, wrote and exported to one struct conf.
 *
 * Every value takes the same way, whoever said it: conf_apply() finds out whether the option may be said again,
 * calls the option's setter, and remembers the place, so that a later complaint can name it. Sources are
 * applied from the lowest to the highest, each overwriting the one before:
 *
 *     options.def's defaults -> environment -> config file -> command line -> conf_check(): do they fit together?
 *
 * A config file may be an account file of SoftEther's client: then it is translated first, in memory. Strings that
 * outlive the parse are copied into one block, sized in advance for everything there is to copy, so pointers into it
 * stay good. Error lines never show what might be a password: the value of a secret is left out, and URLs are shown
 * through conf_url_show(). */
#include "core/conf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/conf_int.h"
#include "core/vpn_file.h"

#define SHOWN_MAX 120 /* of a wrong value: enough to recognize it; the rest still fits into a fault */

const struct option conf_options[OPTION_COUNT] = {
#define SECTION(title)
#define OPTION(id, option, short_form, argument, bits, setter, default_value, wanted, help)            \
	[O_##id] = { .name = option, .env = ENV_PREFIX #id, .letter = short_form, .arg = argument, .flags = bits, \
		     .set = conf_##setter, .initial = default_value, .expected = wanted },
#include "core/options.def"
#undef OPTION
#undef SECTION
};

int conf_because(struct parse *p, const char *fmt, ...)
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
	size_t len = at->rank == FROM_FILE ? strlen(at->file) : 0;
	bool cut = len > 128;

	if (at->rank != FROM_FILE)
		snprintf(buf, PLACE_MAX, "%s", at->rank == FROM_ENV ? "environment" : "command line");
	else if (at->line > 0)
		snprintf(buf, PLACE_MAX, "%s%s:%u", cut ? "..." : "", at->file + (cut ? len - 125 : 0), at->line);
	else
		snprintf(buf, PLACE_MAX, "%s%s", cut ? "..." : "", at->file + (cut ? len - 125 : 0));
	return buf;
}

/* The option as it is spelled where it was said. */
static const char *label(enum option_id id, const struct place *at, char buf[static 32])
{
	if (at->rank == FROM_ENV)
		snprintf(buf, 32, "%s", conf_options[id].env);
	else if (at->rank == FROM_FILE)
		snprintf(buf, 32, "%s", conf_options[id].name);
	else
		snprintf(buf, 32, "%s%s", id == O_URL ? "" : "--", id == O_URL ? "URL" : conf_options[id].name);
	return buf;
}

int conf_complain(struct parse *p, enum option_id id, const char *value, const char *reason)
{
	char place[PLACE_MAX], name[32], shown[SHOWN_MAX + 4];

	if (conf_options[id].flags & OPT_SECRET) {
		fault_set(p->f, VE_USAGE, "%s: %s: %s", place_text(&p->at, place), label(id, &p->at, name), reason);
		return VE_USAGE;
	}
	if (strlen(conf_url_show(value, shown, sizeof(shown))) > SHOWN_MAX)
		memcpy(shown + SHOWN_MAX, "...", 4);
	fault_set(p->f, VE_USAGE, "%s: %s \"%s\": %s", place_text(&p->at, place), label(id, &p->at, name),
		  shown, reason);
	return VE_USAGE;
}

int conf_contradiction(struct parse *p, enum option_id id, const char *reason)
{
	char place[PLACE_MAX], name[32];
	const struct place *at = &p->set_at[id];

	fault_set(p->f, VE_USAGE, "%s: %s: %s", place_text(at, place), label(id, at, name), reason);
	return VE_USAGE;
}

int conf_misuse(struct parse *p, const char *fmt, ...)
{
	char place[PLACE_MAX], text[FAULT_TEXT_MAX - PLACE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fault_set(p->f, VE_USAGE, "%s: %s", place_text(&p->at, place), text);
	return VE_USAGE;
}

/* --- one value ------------------------------------------------------------------------------------------ */

/* There is room: see reserve_strings(). */
char *conf_keep_n(struct parse *p, const char *value, size_t n)
{
	char *to = p->c.strings + p->c.strings_len;

	assert(n < p->c.strings_cap - p->c.strings_len);
	memcpy(to, value, n);
	to[n] = '\0';
	p->c.strings_len += n + 1;
	return to;
}

char *conf_keep(struct parse *p, const char *value)
{
	return conf_keep_n(p, value, strlen(value));
}

bool conf_is_first_here(const struct parse *p, enum option_id id)
{
	return p->set_at[id].rank < p->at.rank;
}

bool conf_is_said(const struct parse *p, enum option_id id)
{
	return p->set_at[id].rank > FROM_DEFAULT;
}

int conf_apply(struct parse *p, enum option_id id, const char *value)
{
	const struct option *o = &conf_options[id];
	const struct place *before = &p->set_at[id];
	char reason[CONF_WHY_MAX];
	int r;

	if (before->rank == FROM_FILE && p->at.rank == FROM_FILE && !(o->flags & OPT_REPEAT)) {
		snprintf(reason, sizeof(reason), "it is already in line %u", before->line);
		return conf_complain(p, id, value, reason);
	}
	p->why[0] = '\0';
	r = value[0] == '\0' ? VE_USAGE : o->set(p, value);
	if (r == VE_NOMEM) {
		fault_set(p->f, VE_NOMEM, "no memory for the options");
		return VE_NOMEM;
	}
	if (r != 0) {
		snprintf(reason, sizeof(reason), "%s%s", p->why[0] ? p->why : "expected ",
			 p->why[0] ? "" : o->expected);
		return conf_complain(p, id, value, reason);
	}
	p->set_at[id] = p->at;
	if (p->at.rank == FROM_FILE && o->flags & OPT_SECRET)
		p->file_has_secrets = true;
	return 0;
}

static int apply_defaults(struct parse *p)
{
	int r = 0;

	p->at.rank = FROM_DEFAULT;
	for (int id = 0; id < OPTION_COUNT && r == 0; id++) {
		if (conf_options[id].initial)
			r = conf_apply(p, (enum option_id)id, conf_options[id].initial);
	}
	return r;
}

/* --- all of it ------------------------------------------------------------------------------------------ */

/* Room for every string there is, so conf_keep() cannot run out: a value is copied once at most each time it is
 * said. */
static int reserve_strings(struct parse *p, int argc, char *const argv[], char *const env[])
{
	size_t cap = 1;

	for (int i = 0; i < OPTION_COUNT; i++)
		cap += conf_options[i].initial ? strlen(conf_options[i].initial) + 1 : 0;
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

/* The file of -c, in the form of our own config files. */
static int load_config(struct parse *p, int (*read_file)(const char *path, char **ret_text, struct fault *f))
{
	char *text = NULL;
	int r = read_file(p->config, &p->text, p->f);

	if (r != 0) {
		fault_set(p->f, r, "config file %.200s: cannot be read", p->config);
		return r;
	}
	p->text_len = strlen(p->text);
	if (!vpn_file_is(p->text))
		return 0;
	r = vpn_file_convert(p->config, p->text, &text, p->f);
	wipe(p->text, p->text_len);
	free(p->text);
	p->text = text;
	p->text_len = text ? strlen(text) : 0;
	p->translated = true;
	return r;
}

static int parse_all(struct parse *p, int argc, char *const argv[], char *const env[],
		     int (*read_file)(const char *path, char **ret_text, struct fault *f))
{
	int r = conf_note_argv(p, argc, argv);

	if (r != 0 || p->stop)
		return r;
	if (p->config)
		r = load_config(p, read_file);
	if (r == 0)
		r = reserve_strings(p, argc, argv, env);
	if (r == 0)
		r = apply_defaults(p);
	if (r == 0)
		r = conf_apply_env(p, env);
	if (r == 0)
		r = conf_apply_file(p);
	if (r == 0)
		r = conf_apply_argv(p, argc, argv);
	if (r == 0)
		r = conf_check(p);
	if (r == 0 && p->file_has_secrets)
		p->c.secrets_file = conf_keep(p, p->config);
	return r;
}

/* What holds before any option is looked at. */
static void conf_init(struct conf *c)
{
	*c = (struct conf){
		.password_fd = -1,
		.ready_fd = -1,
	};
}

int conf_parse(struct conf *ret, int argc, char *const argv[], char *const env[],
	       int (*read_file)(const char *path, char **ret_text, struct fault *f), struct fault *f)
{
	struct parse p = { .f = f };
	int r;

	conf_init(&p.c);
	r = parse_all(&p, argc, argv, env, read_file);
	if (p.text)
		wipe(p.text, p.text_len);
	free(p.text);
	if (r == 0)
		*ret = p.c;
	else
		conf_fini(&p.c);
	wipe(&p, sizeof(p)); /* a hash, for one */
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

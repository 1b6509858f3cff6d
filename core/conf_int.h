/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_int.h - what the files that make up the parser of conf.h share, and nobody else includes.
 *
 *     conf.c         one value from one source; all of it in order
 *     conf_source.c  the sources: environment, config file, command line
 *     conf_value.c   kinds of values: numbers, seconds, addresses
 *     conf_local.c   setters of options about local programs, forwards and routes
 *     conf_login.c   setters of options about logging in and trust
 *     conf_run.c     setters of all other options
 *     conf_check.c   do they fit together?
 */
#ifndef CORE_CONF_INT_H
#define CORE_CONF_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/conf_table.h"
#include "core/conf_url.h"
#include "core/err.h"

struct parse;

enum option_id {
#define SECTION(title)
#define OPTION(id, name, letter, arg, flags, set, initial, expected, help) O_##id,
#include "core/options.def"
#undef OPTION
	OPTION_COUNT
};

/* The setters of options.def: take the value, and return 0, VE_USAGE with or without a reason in p->why, or VE_NOMEM. */
#define OPTION(id, name, letter, arg, flags, set, initial, expected, help) \
	int conf_##set(struct parse *p, const char *value);
#include "core/options.def"
#undef OPTION
#undef SECTION

enum rank { FROM_NOWHERE, FROM_DEFAULT, FROM_ENV, FROM_FILE, FROM_ARGV };

struct place {
	enum rank rank;
	const char *file; /* FROM_FILE */
	unsigned line;    /* 0: the file was translated, and its lines are none that a user knows */
};

struct option {
	const char *name;
	const char *env;
	char letter;
	const char *arg;
	unsigned flags;
	int (*set)(struct parse *p, const char *value);
	const char *initial;
	const char *expected;
};

extern const struct option conf_options[OPTION_COUNT];

struct parse {
	struct conf c;
	struct fault *f;
	struct place at;                   /* where the value comes from that is being applied */
	struct place set_at[OPTION_COUNT]; /* where each option was last set */
	struct place listen_at[LISTENERS_MAX], local_at[FORWARDS_MAX];
	struct place user_at; /* --user and the URL both name the user */
	bool user_from_url;
	bool auth_password;     /* --auth password */
	char why[CONF_WHY_MAX]; /* a setter's own reason, "" for: expected what the table says */
	const char *config;     /* the file of -c */
	char *text;             /* and what is in it */
	size_t text_len;
	bool translated;        /* it was an account file */
	bool file_has_secrets;
	size_t words, operands; /* of this walk: what is no option, and that without the command word */
	bool stop;              /* --help or the like: the rest does not matter */
};

/* --- conf.c --- */

/* A setter's own reason. Returns VE_USAGE. */
int conf_because(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The line about a wrong value; @reason completes it. Returns VE_USAGE. */
int conf_complain(struct parse *p, enum option_id id, const char *value, const char *reason);
/* The line about options that do not fit together, at the place of @id; @reason is a sentence. Returns VE_USAGE. */
int conf_contradiction(struct parse *p, enum option_id id, const char *reason);
/* The line about a wrong way to say anything at all. Returns VE_USAGE. */
int conf_misuse(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Give the option a value that p->at says. Returns 0, or VE_USAGE or VE_NOMEM with the fault. */
int conf_apply(struct parse *p, enum option_id id, const char *value);

/* Copies that live as long as the struct conf. There is room for everything that was said. */
char *conf_keep(struct parse *p, const char *value);
char *conf_keep_n(struct parse *p, const char *value, size_t n); /* NUL behind it */

/* The first value from this source replaces what lower ones said. */
bool conf_is_first_here(const struct parse *p, enum option_id id);

/* Did somebody say it, not only the table of defaults? */
bool conf_is_said(const struct parse *p, enum option_id id);

/* --- conf_value.c: 0, or VE_USAGE with *ret untouched --- */

int conf_number(const char *value, uint32_t min, uint32_t max, uint32_t *ret); /* decimal digits only */
int conf_seconds(const char *value, uint32_t min_ms, uint32_t max_ms, uint32_t *ret); /* with up to three decimals */
int conf_switch(const char *value, bool *ret);
int conf_host4(const char *value, struct ip *ret); /* an IPv4 address that a host can have */
int conf_target(const char *value, struct dest *ret); /* HOST:PORT; HOST is an address or could be a name */

/* Is @ip a host, not its network's own or broadcast address? @prefix is 1..32; 31 and 32 have neither. */
bool conf_is_host_of(const struct ip *ip, unsigned prefix);
/* Are @a and @b in the same network? */
bool conf_same_net(const struct ip *a, const struct ip *b, unsigned prefix);
bool conf_is_loopback(const struct ip *ip);

/* --- conf_source.c --- */

int conf_apply_env(struct parse *p, char *const env[]);
int conf_apply_file(struct parse *p);
/* The first walk over the command line finds unknown options and notes what decides about the rest: --help, -c, the
 * command. The second applies it. */
int conf_note_argv(struct parse *p, int argc, char *const argv[]);
int conf_apply_argv(struct parse *p, int argc, char *const argv[]);

/* --- conf_check.c --- */

int conf_check(struct parse *p);

#endif

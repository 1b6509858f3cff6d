/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_text.c - the option table as text: --help, the manual page, and completion scripts.
 *
 * All are written into one growing block through struct out, whose only fault is lack of memory: it is
 * remembered, what follows is dropped, and finish() tells. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/conf.h"
#include "core/conf_table.h"
#include "core/version.h"

#define WIDTH 79   /* of --help: what a terminal shows without wrapping */
#define COLUMN 27  /* where its descriptions begin */

/* A row of options.def; one with a title and no name is a heading. */
static const struct row {
	const char *title, *name, *env;
	char letter;
	const char *arg;
	unsigned flags;
	const char *initial, *help;
} rows[] = {
#define SECTION(text) { .title = text },
#define OPTION(id, option, short_form, argument, bits, set, default_value, expected, text)          \
	{ .name = option, .env = ENV_PREFIX #id, .letter = short_form, .arg = argument, .flags = bits, \
	  .initial = default_value, .help = text },
#include "core/options.def"
#undef OPTION
#undef SECTION
};

static const struct {
	int status;
	const char *text;
} exit_statuses[] = {
	{ 0, "somebody asked it to stop" },
	{ 2, "usage, or a wrong value in a config file" },
	{ 3, "the server's name is unknown, or there is no way to it" },
	{ 4, "TLS: the server's certificate is not one to trust" },
	{ 5, "the server refused the login" },
	{ 6, "not a VPN server, or one that breaks its protocol" },
	{ 7, "no address: nothing in the private network gives one" },
	{ 8, "a local port could not be opened" },
	{ 9, "the tunnel was up, was lost, and the retries are used up" },
};

struct out {
	char *p;
	size_t n, cap;
	bool failed;
};

static void put(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put_bytes(struct out *o, const char *p, size_t n)
{
	if (!o->failed && o->cap - o->n <= n) {
		size_t cap = 2 * (o->cap + n) + 4096;
		char *grown = realloc(o->p, cap);

		o->failed = !grown;
		o->p = grown ? grown : o->p;
		o->cap = grown ? cap : o->cap;
	}
	if (o->failed)
		return;
	memcpy(o->p + o->n, p, n);
	o->n += n;
	o->p[o->n] = '\0';
}

static void put(struct out *o, const char *fmt, ...)
{
	char text[4096]; /* longer than any piece of ours */
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		o->failed = true;
	else
		put_bytes(o, text, (size_t)n);
}

static char *finish(struct out *o)
{
	if (!o->failed)
		return o->p;
	free(o->p);
	return NULL;
}

static bool is_shown(const struct row *r)
{
	return r->name && !(r->flags & OPT_HIDDEN);
}

/* "softether://[USER@]HOST[:PORT]/HUB", one for each protocol. */
static const char *url_form(const struct session_ops *protocol, char buf[static 64])
{
	snprintf(buf, 64, "%s://[USER@]HOST[:PORT]%s", protocol->scheme,
		 protocol->link == LINK_ETHERNET ? "/HUB" : "");
	return buf;
}

/* --- help ----------------------------------------------------------------------------------------------- */

/* @text in lines that begin at @column and end before WIDTH; the first one is already at @at. */
static void put_wrapped(struct out *o, const char *text, int at, int column)
{
	while (*text) {
		int n = (int)strcspn(text, " ");

		if (at > column && at + 1 + n > WIDTH) {
			put(o, "\n");
			at = 0;
		}
		if (at < column) {
			put(o, "%*s", column - at, "");
			at = column;
		} else if (at > column) {
			put(o, " ");
			at++;
		}
		put_bytes(o, text, (size_t)n);
		at += n;
		text += n;
		text += strspn(text, " ");
	}
	put(o, "\n");
}

static void help_row(struct out *o, const struct row *r)
{
	char left[64], text[1024];
	int n;

	if (r->flags & OPT_NOT_TYPED)
		return;
	n = snprintf(left, sizeof(left), "  %c%c%s--%s%s%s", r->letter ? '-' : ' ',
		     r->letter ? r->letter : ' ', r->letter ? ", " : "  ", r->name, r->arg ? " " : "",
		     r->arg ? r->arg : "");
	put(o, "%s", left);
	if (n > COLUMN - 2) {
		put(o, "\n");
		n = 0;
	}
	snprintf(text, sizeof(text), "%s%s%s%s", r->help, r->initial ? " Default: " : "",
		 r->initial ? r->initial : "", r->initial ? "." : "");
	put_wrapped(o, text, n, COLUMN);
}

static void help_usage(struct out *o)
{
	const struct session_ops *const *t = session_table();
	char form[64];

	for (size_t i = 0; t[i]; i++)
		put(o, "%s softsocks [OPTIONS] %s\n", i == 0 ? "Usage:" : "      ", url_form(t[i], form));
	put(o, "       softsocks -c FILE [OPTIONS]\n"
	       "       softsocks check -c FILE\n"
	       "       softsocks import FILE.vpn\n"
	       "       softsocks passwd [OPTIONS] softether://USER@HOST[:PORT]/HUB\n\n");
	put_wrapped(o, "Logs in to a VPN server and offers its private network as a SOCKS5 proxy on this machine, "
		       "without root and without a network interface. check only looks whether the options are "
		       "right; import prints an account file of SoftEther's client as a config file; passwd sets a "
		       "new password on the server.", 0, 0);
}

static char *help(void)
{
	struct out o = { 0 };

	help_usage(&o);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].title)
			put(&o, "\n%s\n", rows[i].title);
		else if (is_shown(&rows[i]))
			help_row(&o, &rows[i]);
	}
	put(&o, "\n");
	put_wrapped(&o, "Each option can also stand in the config file, as a line \"name = value\", or in the "
			"environment, as " ENV_PREFIX "NAME in capitals with _ for -; so can the URL, as url. "
			"The command line outweighs the file, the file the environment.", 0, 0);
	put(&o, "\nExit status\n");
	for (size_t i = 0; i < ARRAY_LEN(exit_statuses); i++)
		put(&o, "  %d  %s\n", exit_statuses[i].status, exit_statuses[i].text);
	return finish(&o);
}

/* --- man ------------------------------------------------------------------------------------------------ */

/* Text for troff: a '-' that is typed as such, and nothing that it takes for a request or an escape. */
static void put_roff(struct out *o, const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		if (*text == '-')
			put(o, "\\-");
		else if (*text == '\\')
			put(o, "\\e");
		else if (line_start && (*text == '.' || *text == '\''))
			put(o, "\\&%c", *text);
		else
			put_bytes(o, text, 1);
		line_start = *text == '\n';
	}
}

static void man_row(struct out *o, const struct row *r)
{
	put(o, ".TP\n");
	if (r->letter)
		put(o, ".BR \\-%c \", \" ", r->letter);
	else if (r->flags & OPT_NOT_TYPED)
		put(o, ".BR ");
	else
		put(o, ".B ");
	put(o, "\"");
	put_roff(o, r->flags & OPT_NOT_TYPED ? r->name : "--");
	put_roff(o, r->flags & OPT_NOT_TYPED ? " = " : r->name);
	put_roff(o, r->flags & OPT_NOT_TYPED ? r->arg : "");
	put(o, "\"");
	if (r->arg && !(r->flags & OPT_NOT_TYPED)) {
		put(o, "%s", r->letter ? " \" " : " \"\\fI");
		if (r->letter)
			put(o, "\\fI");
		put_roff(o, r->arg);
		put(o, "\\fR\"");
	}
	put(o, "\n");
	put_roff(o, r->help);
	if (r->flags & OPT_FILE_ONLY)
		put(o, " In a config file only.");
	if (r->initial) {
		put(o, " Default: ");
		put_roff(o, r->initial);
		put(o, ".");
	}
	put(o, "\n");
}

static void man_front(struct out *o)
{
	const struct session_ops *const *t = session_table();
	char form[64];

	put(o, ".TH SOFTSOCKS 1 \"\" \"softsocks %s\" \"User Commands\"\n", SOFTSOCKS_VERSION);
	put(o, ".SH NAME\nsoftsocks \\- a VPN as a local SOCKS5 proxy\n.SH SYNOPSIS\n.nf\n");
	for (size_t i = 0; t[i]; i++) {
		put(o, "\\fBsoftsocks\\fR [\\fIOPTIONS\\fR] \\fI");
		put_roff(o, url_form(t[i], form));
		put(o, "\\fR\n");
	}
	put(o, "\\fBsoftsocks \\-c\\fR \\fIFILE\\fR [\\fIOPTIONS\\fR]\n"
	       "\\fBsoftsocks check \\-c\\fR \\fIFILE\\fR\n"
	       "\\fBsoftsocks import\\fR \\fIFILE.vpn\\fR\n"
	       "\\fBsoftsocks passwd\\fR [\\fIOPTIONS\\fR] \\fIsoftether://USER@HOST[:PORT]/HUB\\fR\n"
	       ".fi\n.SH DESCRIPTION\n");
	put(o, "Logs in to a VPN server, keeps the private network inside of the process, and offers it as\n"
	       "a SOCKS5 proxy on this machine. It needs no root, no network interface and no change to\n"
	       "this machine's routes or name servers.\n"
	       ".PP\n"
	       "Names are resolved inside the private network if the program that uses the proxy sends them\n"
	       "as names. Requests that come before the tunnel is up wait for it.\n"
	       ".PP\n"
	       "In the URL, characters of USER and HUB that have a meaning there are written as %%XX, with\n"
	       "their hexadecimal code: @ as %%40, / as %%2F, : as %%3A. Without USER the login is\n"
	       "anonymous. A password in the URL is refused.\n"
	       ".PP\n"
	       "\\fBcheck\\fR only looks whether the options and the config file are right. \\fBimport\\fR prints an\n"
	       "account file of SoftEther's client as a config file: what has a meaning here as options,\n"
	       "the rest as comments. \\fBpasswd\\fR sets a new password on a SoftEther server, and that is all.\n");
}

static void man_sources(struct out *o)
{
	put(o, ".SH CONFIG FILE\n"
	       "One option a line, as \\fIname\\fR = \\fIvalue\\fR, where the name is that of the long\n"
	       "option without the dashes. An option that takes no value on the command line takes yes or\n"
	       "no. Options that can be repeated take several lines. A line that begins with # is a\n"
	       "comment, and so is what follows a blank and a #. A value in \"quotation marks\" is taken as\n"
	       "it is, but for \\e\" and \\e\\e. The server is named by \\fBurl\\fR. An account file of\n"
	       "SoftEther's client (.vpn) can be given instead.\n"
	       ".PP\n.nf\n"
	       "url = softether://alice@vpn.example.com/OFFICE\n"
	       "password\\-file = /etc/softsocks/password\n"
	       "listen = 1080   # on 127.0.0.1\n.fi\n");
	put(o, ".SH ENVIRONMENT\n"
	       "Each option can be given as a variable: \\fB" ENV_PREFIX "\\fR and its name in capitals, with _\n"
	       "for \\-, for example \\fB" ENV_PREFIX "LISTEN\\fR. Lists are separated by commas or blanks; an empty\n"
	       "variable counts as not set. The command line outweighs the config file, the config file the\n"
	       "environment.\n"
	       ".TP\n.B " ENV_PREFIX "PASSWORD\n"
	       "The password, where neither \\fB\\-\\-password\\-file\\fR nor \\fB\\-\\-password\\-fd\\fR\n"
	       "is given. It is removed from the environment before anything else is started.\n"
	       ".TP\n.B " ENV_PREFIX "KEY_PASSWORD\n"
	       "The password of an encrypted \\fB\\-\\-key\\fR or \\fB\\-\\-p12\\fR, where\n"
	       "\\fB\\-\\-key\\-password\\-file\\fR is not given.\n");
}

static char *man(void)
{
	struct out o = { 0 };

	man_front(&o);
	put(&o, ".SH OPTIONS\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].title)
			put(&o, ".SS %s\n", rows[i].title);
		else if (is_shown(&rows[i]))
			man_row(&o, &rows[i]);
	}
	man_sources(&o);
	put(&o, ".SH SIGNALS\n"
		"SIGINT and SIGTERM end it, with a goodbye to the server; SIGUSR1 makes it log its counters.\n"
		".SH EXIT STATUS\n");
	for (size_t i = 0; i < ARRAY_LEN(exit_statuses); i++) {
		put(&o, ".TP\n.B %d\n", exit_statuses[i].status);
		put_roff(&o, exit_statuses[i].text);
		put(&o, "\n");
	}
	return finish(&o);
}

/* --- completions ---------------------------------------------------------------------------------------- */

static bool is_completed(const struct row *r)
{
	return is_shown(r) && !(r->flags & OPT_NOT_TYPED);
}

/* Text inside of single quotes, for the shell. */
static void put_quoted(struct out *o, const char *text)
{
	put(o, "'");
	for (; *text; text++) {
		if (*text == '\'')
			put(o, "'\\''");
		else
			put_bytes(o, text, 1);
	}
	put(o, "'");
}

/* The options whose value is a file name, and those with another value, as patterns of a case. */
static void bash_patterns(struct out *o, bool files)
{
	const char *between = "";

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		if (!is_completed(r) || !r->arg || files != !!(r->flags & OPT_FILE_NAME))
			continue;
		put(o, "%s--%s", between, r->name);
		if (r->letter)
			put(o, "|-%c", r->letter);
		between = "|";
	}
}

static char *bash(void)
{
	struct out o = { 0 };

	put(&o, "# bash completion for softsocks\n"
		"_softsocks()\n{\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		"\tCOMPREPLY=()\n\tcase $prev in\n\t");
	bash_patterns(&o, true);
	put(&o, ")\n\t\tcompopt -o filenames 2> /dev/null\n"
		"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n\t\treturn ;;\n\t");
	bash_patterns(&o, false);
	put(&o, ")\n\t\treturn ;;\n\tesac\n\tmapfile -t COMPREPLY < <(compgen -W 'check import passwd");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (is_completed(&rows[i]))
			put(&o, " --%s", rows[i].name);
	}
	put(&o, "' -- \"$cur\")\n}\ncomplete -F _softsocks softsocks\n");
	return finish(&o);
}

/* A help text inside of [] in a single-quoted word of _arguments: brackets and colons would end it. */
static void zsh_help(struct out *o, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			put(o, "'\\''");
		else
			put(o, "%s%c", strchr("[]:\\", *text) ? "\\" : "", *text);
	}
}

static void zsh_row(struct out *o, const struct row *r)
{
	const char *repeat = r->flags & OPT_REPEAT ? "*" : "";

	for (int form = r->letter ? 0 : 1; form < 2; form++) {
		put(o, " \\\n\t'%s", repeat);
		if (form == 0)
			put(o, "-%c%s[", r->letter, r->arg ? "+" : "");
		else
			put(o, "--%s%s[", r->name, r->arg ? "=" : "");
		zsh_help(o, r->help);
		put(o, "]");
		if (r->arg) {
			put(o, ":");
			zsh_help(o, r->arg);
			put(o, ":%s", r->flags & OPT_FILE_NAME ? "_files" : "");
		}
		put(o, "'");
	}
}

static char *zsh(void)
{
	struct out o = { 0 };

	put(&o, "#compdef softsocks\n_arguments -s -S");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (is_completed(&rows[i]))
			zsh_row(&o, &rows[i]);
	}
	put(&o, " \\\n\t'*:URL or command:(check import passwd)'\n");
	return finish(&o);
}

static char *fish(void)
{
	struct out o = { 0 };

	put(&o, "complete -c softsocks -f\ncomplete -c softsocks -n __fish_is_first_token -a 'check import passwd'\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		if (!is_completed(r))
			continue;
		put(&o, "complete -c softsocks -l %s", r->name);
		if (r->letter)
			put(&o, " -s %c", r->letter);
		put(&o, "%s -d ", r->flags & OPT_FILE_NAME ? " -r -F" : r->arg ? " -x" : "");
		put_quoted(&o, r->help);
		put(&o, "\n");
	}
	return finish(&o);
}

char *conf_text(enum conf_text_kind kind)
{
	static char *(*const makers[])(void) = {
		[TEXT_HELP] = help, [TEXT_MAN] = man, [TEXT_BASH] = bash, [TEXT_ZSH] = zsh, [TEXT_FISH] = fish,
	};

	return makers[kind]();
}

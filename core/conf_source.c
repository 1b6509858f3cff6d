/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_source.c - the places where options are said: environment, config file, command line.
 *
 * Each finds names and values in its own syntax, notes in p->at where it is, and gives them to conf_apply(). The command
 * line is walked twice, with different visitors.
 *
 * Variables of the environment that begin with SOFTSOCKS_ and are no option are left alone: container
 * managers make such names from a service's name. Error lines never show what might be a password: that is
 * why an unknown option, or a line that is none, is named without its value. */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/conf_int.h"

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
			return conf_complain(p, id, "...", "a value is too long");
		memcpy(one, value, n);
		one[n] = '\0';
		r = conf_apply(p, id, one);
		value += n + strspn(value + n, between);
	}
	return r;
}

/* A variable that is empty counts as not set: that is how scripts and container files unset one. */
int conf_apply_env(struct parse *p, char *const env[])
{
	int r = 0;

	p->at.rank = FROM_ENV;
	for (int i = 0; i < OPTION_COUNT && r == 0; i++) {
		enum option_id id = (enum option_id)i;
		bool skip = (conf_options[id].flags & (OPT_ARGV_ONLY | OPT_FILE_ONLY)) != 0;
		const char *value = skip ? NULL : find_env(env, conf_options[id].env);

		if (value && *value)
			r = conf_options[id].flags & OPT_REPEAT ? apply_list(p, id, value) : conf_apply(p, id, value);
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
		return conf_misuse(p, "the closing quotation mark is missing");
	from = trim(from + 1);
	if (*from != '\0' && *from != '#')
		return conf_misuse(p, "something follows the closing quotation mark");
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

/* The names of secrets, said on the command line. */
static int no_secret_here(struct parse *p, const char *name)
{
	return conf_misuse(p,
			   "a %s is not given as an option, where every user of this machine could read it: use "
			   "--password-file, --password-fd, the variable SOFTSOCKS_PASSWORD, the prompt, or a config file",
			   name);
}

static int find_name(struct parse *p, const char *name, enum option_id *ret)
{
	for (int id = 0; id < OPTION_COUNT; id++) {
		if (strcmp(conf_options[id].name, name) == 0) {
			*ret = (enum option_id)id;
			return 0;
		}
	}
	if (p->at.rank == FROM_ARGV && strcmp(name, "pass") == 0)
		return no_secret_here(p, "password");
	return conf_misuse(p, "unknown option %s%.40s; softsocks --help lists all",
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
			return conf_misuse(p, "a control character in the line");
	}
	if (!equals || equals == name)
		return conf_misuse(p, "expected name = value, with name one of the long options");
	value = trim(equals + 1);
	*equals = '\0';
	r = find_name(p, trim(name), &id);
	if (r != 0)
		return r;
	if (conf_options[id].flags & OPT_ARGV_ONLY)
		return conf_misuse(p, "--%s is for the command line only", conf_options[id].name);
	if (*value == '"')
		r = unquote(p, &value);
	else
		cut_comment(value);
	return r != 0 ? r : conf_apply(p, id, value);
}

int conf_apply_file(struct parse *p)
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
		p->at.line += p->translated ? 0 : 1;
		r = apply_line(p, line);
		line = end ? end + 1 : NULL;
	}
	return r;
}

/* --- the command line ----------------------------------------------------------------------------------- */

typedef int (*visitor)(struct parse *p, enum option_id id, const char *value);

struct args {
	int argc, i;
	char *const *argv;
	visitor visit;
};

static bool is_command(const char *word, enum conf_command *ret)
{
	static const struct {
		const char *word;
		enum conf_command command;
	} commands[] = { { "check", CMD_CHECK }, { "import", CMD_IMPORT }, { "passwd", CMD_PASSWD } };

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(word, commands[i].word) == 0) {
			*ret = commands[i].command;
			return true;
		}
	}
	return false;
}

static int operand(struct parse *p, const char *arg, visitor visit)
{
	bool import;

	if (p->words++ == 0 && is_command(arg, &p->c.command))
		return 0;
	import = p->c.command == CMD_IMPORT;
	if (p->words == 1 && !strstr(arg, "://"))
		return conf_complain(p, O_URL, arg,
				     "neither a URL (softether://... or sstp://...) nor a command (check, import, passwd)");
	if (p->operands++ > 0)
		return conf_misuse(p, "more than one argument that is no option: expected one %s",
				   import ? "account file" : "URL");
	if (!import)
		return visit(p, O_URL, arg);
	if (visit == conf_apply)
		p->c.import_file = conf_keep(p, arg);
	return 0;
}

/* The value of an option that needs one: behind it in the same word if @inside, else the next word. */
static int take_value(struct parse *p, struct args *a, enum option_id id, const char *inside)
{
	if (inside)
		return a->visit(p, id, inside);
	if (conf_options[id].flags & OPT_SWITCH)
		return a->visit(p, id, "yes");
	if (a->i + 1 >= a->argc)
		return conf_misuse(p, "--%s needs a value: %s", conf_options[id].name, conf_options[id].arg);
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
	if (conf_options[id].flags & OPT_NO_ARGV)
		return conf_misuse(p, "the URL is written without --%s", conf_options[id].name);
	if (conf_options[id].flags & OPT_SECRET)
		return no_secret_here(p, conf_options[id].name);
	if (conf_options[id].flags & OPT_FILE_ONLY)
		return conf_misuse(p, "%s is for a config file only", conf_options[id].name);
	return take_value(p, a, id, equals ? equals + 1 : NULL);
}

/* "-h", "-l 1080", "-l1080", "-hV". */
static int short_options(struct parse *p, struct args *a, const char *letters)
{
	int r = 0;

	for (; *letters && r == 0 && !p->stop; letters++) {
		int id = 0;

		while (id < OPTION_COUNT && conf_options[id].letter != *letters)
			id++;
		if (id == OPTION_COUNT)
			return *letters == 'p' ? no_secret_here(p, "password")
					       : conf_misuse(p, "unknown option -%c; softsocks --help lists all",
							*letters);
		if (!(conf_options[id].flags & OPT_SWITCH))
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
	return conf_complain(p, O_COMPLETION, shell, "expected bash, zsh or fish");
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
			return conf_complain(p, id, value,
					p->config ? "there can be only one config file"
						  : "expected the name of a file");
		p->config = value;
		return 0;
	default:
		return 0;
	}
}

int conf_note_argv(struct parse *p, int argc, char *const argv[])
{
	return walk_argv(p, argc, argv, note);
}

int conf_apply_argv(struct parse *p, int argc, char *const argv[])
{
	return walk_argv(p, argc, argv, conf_apply);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* password.c - one line, from one of five places.
 *
 * File, descriptor and terminal are read by the same loop, a byte at a time: it stops exactly behind the
 * newline, so a descriptor that carries more for somebody else keeps it, and no buffer holds what need not be
 * there. The line is checked and copied in one place, take(), and wiped in all.
 *
 * The prompt turns the terminal's echo off, and must turn it on again however it ends. So for its time the
 * signals that end or stop a program are held back, except inside of ppoll(): there they are caught and only
 * noted. Terminal, handlers and mask are then put back as they were, and the signal is sent again, to do what
 * it would have done. After Ctrl-Z and fg the prompt starts anew. */
#include "core/password.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/log.h"
#include "core/utf8.h"

#define ENV_NAME "SOFTSOCKS_PASSWORD"
#define ENV_KEY "SOFTSOCKS_KEY_PASSWORD"
#define HOW "use --password-file, --password-fd or the variable " ENV_NAME
#define HOW_KEY "use --key-password-file or the variable " ENV_KEY
#define HOW_NEW "use --new-password-file"
#define OBJECT_MAX 320 /* a name of something in a message */

/* A line as it came, and how it ended. */
struct line {
	char text[PASSWORD_MAX + 8]; /* with a mark in front, "\r" behind, and NUL; or some bytes too many */
	size_t n;
	bool has_end; /* a newline came */
	bool too_long;
};

static volatile sig_atomic_t caught; /* the signal that came during the prompt */

/* --- one line ------------------------------------------------------------------------------------------- */

static void add(struct line *l, char c)
{
	if (l->n == sizeof(l->text) - 1) {
		l->too_long = true;
		return;
	}
	l->text[l->n++] = c;
	l->text[l->n] = '\0';
}

/* Read up to a newline or the end. While it waits, the signal mask is @mask (NULL: as it is). A line that is
 * too long is read to its end all the same if it is a terminal's, @drain: or else the shell would get the
 * rest. Returns 0, or -1 with errno, EINTR after a signal that was caught. */
static int read_line(int fd, const sigset_t *mask, bool drain, struct line *l)
{
	while (!l->has_end && (drain || !l->too_long)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char c;
		ssize_t n;

		if (ppoll(&p, 1, NULL, mask) < 0) {
			if (errno == EINTR && !(mask && caught))
				continue;
			return -1;
		}
		n = read(fd, &c, 1);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (n == 0)
			break;
		if (n == 1 && c == '\n')
			l->has_end = true;
		else if (n == 1)
			add(l, c);
		wipe(&c, 1);
	}
	return 0;
}

/* Check the line and make it the password. @source begins the fault's line. */
static int take(struct password *ret, struct line *l, const char *source, struct fault *f)
{
	if (l->n > 0 && l->has_end && l->text[l->n - 1] == '\r')
		l->text[--l->n] = '\0';
	if (l->too_long || l->n > PASSWORD_MAX) {
		fault_set(f, VE_USAGE, "%s: the password is longer than %u bytes", source, PASSWORD_MAX);
	} else if (l->n == 0 && !l->has_end) {
		fault_set(f, VE_USAGE,
			  "%s: there is no password in it (for an empty password, give an empty line)",
			  source);
	} else if (memchr(l->text, '\0', l->n)) {
		fault_set(f, VE_USAGE,
			  "%s: there is a NUL byte in the password: expected one line of UTF-8 text", source);
	} else if (!utf8_is_text(l->text, l->n)) {
		fault_set(f, VE_USAGE,
			  "%s: the password is not UTF-8, or has control characters: expected one line of "
			  "UTF-8 text", source);
	} else {
		memset(ret, 0, sizeof(*ret));
		memcpy(ret->text, l->text, l->n);
		return 0;
	}
	return VE_USAGE;
}

/* --- file and descriptor -------------------------------------------------------------------------------- */

/* Everybody, that is: a group may be meant, and directories above may keep others out, so it is a warning. */
static void warn_if_public(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH))
		log_warn("password file %s: every user of this machine may read it: chmod 600 it", path);
}

/* Some Windows editors begin a file with a byte order mark; no password begins with one. */
static void drop_mark(struct line *l)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (strncmp(l->text, mark, 3) != 0)
		return;
	l->n -= 3;
	memmove(l->text, l->text + 3, l->n + 1);
}

static int from_file(struct password *ret, const char *path, struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r = VE_USAGE;
	struct line l = { .n = 0 };
	char source[320];

	snprintf(source, sizeof(source), "password file %.300s", path);
	if (fd < 0) {
		fault_set(f, VE_USAGE, "%s: cannot be opened: %s", source, strerror(errno));
		return VE_USAGE;
	}
	warn_if_public(fd, path);
	if (read_line(fd, NULL, false, &l) != 0) {
		fault_set(f, VE_USAGE, "%s: cannot be read: %s", source, strerror(errno));
	} else {
		drop_mark(&l);
		r = take(ret, &l, source, f);
	}
	close(fd);
	wipe(&l, sizeof(l));
	return r;
}

static int from_fd(struct password *ret, int fd, struct fault *f)
{
	struct line l = { .n = 0 };
	char source[48];
	int r = VE_USAGE;

	snprintf(source, sizeof(source), "password descriptor %d", fd);
	if (read_line(fd, NULL, false, &l) != 0)
		fault_set(f, VE_USAGE, "%s: cannot be read: %s", source, strerror(errno));
	else
		r = take(ret, &l, source, f);
	if (fd > STDERR_FILENO)
		close(fd);
	wipe(&l, sizeof(l));
	return r;
}

/* --- environment ---------------------------------------------------------------------------------------- */

/* Move the variable into @l. The kernel shows the memory it lies in to whoever may look at this process, so
 * it is wiped there too. Returns whether there was one; an empty one is none. */
static bool take_env(const char *name, struct line *l)
{
	char *value = getenv(name);
	bool found = value && *value;

	if (!value)
		return false;
	for (const char *s = value; *s; s++)
		add(l, *s);
	l->has_end = found;
	wipe(value, strlen(value));
	unsetenv(name);
	return found;
}

/* --- terminal ------------------------------------------------------------------------------------------- */

static const int held[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static void on_signal(int signum)
{
	caught = signum;
}

struct signals {
	sigset_t mask; /* as it was */
	struct sigaction actions[ARRAY_LEN(held)];
};

static void hold_signals(struct signals *old)
{
	struct sigaction note = { .sa_handler = on_signal };
	sigset_t set;

	sigemptyset(&note.sa_mask);
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		sigaddset(&set, held[i]);
	caught = 0;
	sigprocmask(SIG_BLOCK, &set, &old->mask);
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		sigaction(held[i], NULL, &old->actions[i]);
		if (old->actions[i].sa_handler != SIG_IGN) /* nohup stays nohup */
			sigaction(held[i], &note, NULL);
	}
}

static void release_signals(const struct signals *old)
{
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		sigaction(held[i], &old->actions[i], NULL);
	sigprocmask(SIG_SETMASK, &old->mask, NULL);
}

static void say(int tty, const char *text)
{
	if (write(tty, text, strlen(text)) < 0)
		return; /* a terminal that cannot be written to will not be typed on either */
}

/* Show @prompt and read a line with echo off. Returns 0, or -1 with errno; EINTR: see caught. */
static int ask_once(int tty, const char *prompt, struct line *l)
{
	struct termios quiet, before;
	struct signals old;
	int r, saved;

	if (tcgetattr(tty, &before) != 0)
		return -1;
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	hold_signals(&old);
	r = tcsetattr(tty, TCSAFLUSH, &quiet);
	if (r == 0) {
		say(tty, prompt);
		r = read_line(tty, &old.mask, true, l);
	}
	saved = errno;
	tcsetattr(tty, TCSAFLUSH, &before);
	say(tty, "\n");
	release_signals(&old);
	errno = saved;
	return r;
}

/* Again after Ctrl-Z; 0 or -1 like ask_once(), 1 if a signal ended it that did not end the program. */
static int ask(int tty, const char *prompt, struct line *l)
{
	int r;

	do {
		wipe(l, sizeof(*l));
		r = ask_once(tty, prompt, l);
		if (caught)
			raise(caught);
	} while (caught == SIGTSTP);
	return caught ? 1 : r;
}

/* Ask for the password of @object, once; @prompt begins with it. @how: what to do without a terminal. */
static int from_terminal(struct password *ret, const char *prompt, const char *object, const char *how, struct fault *f)
{
	/* Not blocking: if somebody else reads the line first, waiting for the next must not be in read(). */
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r = VE_USAGE, got;
	struct line l = { .n = 0 };

	if (tty < 0) {
		fault_set(f, VE_USAGE, "no password for %.200s, and no terminal to ask for it: %s", object, how);
		return VE_USAGE;
	}
	got = ask(tty, prompt, &l);
	if (got < 0) {
		fault_set(f, VE_USAGE, "the terminal could not be asked for the password: %s: %s",
			  strerror(errno), how);
	} else if (got > 0 || (l.n == 0 && !l.has_end)) {
		r = VE_CANCELED;
		fault_set_final(f, r, "no password was given");
	} else {
		r = take(ret, &l, "terminal", f);
	}
	close(tty);
	wipe(&l, sizeof(l));
	return r;
}

/* --- whose password --------------------------------------------------------------------------------------- */

static int from_text(struct password *ret, const char *text, struct fault *f)
{
	struct line l = { .n = 0 };
	int r;

	for (; *text; text++)
		add(&l, *text);
	l.has_end = true;
	r = take(ret, &l, "the config file's password", f);
	wipe(&l, sizeof(l));
	return r;
}

static int ask_user(struct password *ret, const struct conf *c, struct fault *f)
{
	char object[OBJECT_MAX], prompt[USER_MAX + HOST_MAX + 32];

	snprintf(object, sizeof(object), "user %s", c->user);
	snprintf(prompt, sizeof(prompt), "Password for %s@%s: ", c->user, c->host);
	return from_terminal(ret, prompt, object, HOW, f);
}

int password_get(struct password *ret, const struct conf *c, struct fault *f)
{
	struct line env = { .n = 0 };
	bool has_env = take_env(ENV_NAME, &env);
	int r;

	if (c->password_file)
		r = from_file(ret, c->password_file, f);
	else if (c->password_fd >= 0)
		r = from_fd(ret, c->password_fd, f);
	else if (c->password_text)
		r = from_text(ret, c->password_text, f);
	else if (has_env)
		r = take(ret, &env, "environment variable " ENV_NAME, f);
	else
		r = ask_user(ret, c, f);
	wipe(&env, sizeof(env));
	return r;
}

int password_get_key(struct password *ret, const struct conf *c, const char *object, struct fault *f)
{
	struct line env = { .n = 0 };
	bool has_env = take_env(ENV_KEY, &env);
	char prompt[OBJECT_MAX + 32];
	int r;

	snprintf(prompt, sizeof(prompt), "Password of %.*s: ", OBJECT_MAX, object);
	if (c->key_password_file)
		r = from_file(ret, c->key_password_file, f);
	else if (has_env)
		r = take(ret, &env, "environment variable " ENV_KEY, f);
	else
		r = from_terminal(ret, prompt, object, HOW_KEY, f);
	wipe(&env, sizeof(env));
	return r;
}

int password_get_file(struct password *ret, const char *path, struct fault *f)
{
	return from_file(ret, path, f);
}

int password_get_new(struct password *ret, const struct conf *c, struct fault *f)
{
	char object[OBJECT_MAX], prompt[USER_MAX + HOST_MAX + 32];
	struct password first, second;
	int r;

	if (c->new_password_file)
		return from_file(ret, c->new_password_file, f);
	snprintf(object, sizeof(object), "user %s that is to be set", c->user);
	snprintf(prompt, sizeof(prompt), "New password for %s@%s: ", c->user, c->host);
	r = from_terminal(&first, prompt, object, HOW_NEW, f);
	if (r != 0)
		return r;
	r = from_terminal(&second, "Once more: ", object, HOW_NEW, f);
	if (r == 0 && strcmp(first.text, second.text) != 0) {
		fault_set(f, VE_USAGE, "the two new passwords differ: nothing was changed");
		r = VE_USAGE;
	}
	if (r == 0)
		*ret = first;
	wipe(&first, sizeof(first));
	wipe(&second, sizeof(second));
	return r;
}

void password_forget_env(void)
{
	struct line l = { .n = 0 };

	(void)take_env(ENV_NAME, &l);
	(void)take_env(ENV_KEY, &l);
	wipe(&l, sizeof(l));
}

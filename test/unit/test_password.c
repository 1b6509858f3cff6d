/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_password.c - the password from each of its four sources. The terminal is a pty of our own, and whoever
 * is asked is a child process whose controlling terminal it is. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/log.h"
#include "core/password.h"

static char dir[] = "/tmp/softsocks-test-XXXXXX", path[64];
static struct password password;
static struct fault fault;
static char warning[512];

static void remember(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	assert_int_equal(level, LOG_WARN);
	snprintf(warning, sizeof(warning), "%s", line);
}

static int get(const char *file, int fd)
{
	struct conf c = {
		.password_file = file, .password_fd = fd, .user = "alice", .host = "vpn.example.com"
	};

	memset(&password, 0x77, sizeof(password));
	fault = (struct fault){ 0 };
	warning[0] = '\0';
	return password_get(&password, &c, &fault);
}

static const struct conf bare = { .password_fd = -1, .user = "alice", .host = "vpn.example.com" };

static int get_user(void)
{
	return get(NULL, -1);
}

static int get_key(void)
{
	fault = (struct fault){ 0 };
	memset(&password, 0x77, sizeof(password));
	return password_get_key(&password, &bare, "--key alice.key", &fault);
}

static int get_new(void)
{
	fault = (struct fault){ 0 };
	memset(&password, 0x77, sizeof(password));
	return password_get_new(&password, &bare, &fault);
}

/* Refused, with a line that has @text in it and nothing of the password, and the result untouched. */
static void refused(int r, const char *text)
{
	struct password before;

	memset(&before, 0x77, sizeof(before));
	assert_int_equal(r, VE_USAGE);
	assert_int_equal(fault.err, VE_USAGE);
	if (!strstr(fault.text, text))
		fail_msg("%s", fault.text);
	assert_null(strstr(fault.text, "secret"));
	assert_memory_equal(&password, &before, sizeof(password));
}

static void write_file(const void *p, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* What a line is, from whichever source: the same rules. */
static const struct {
	const char *in;
	size_t n;
	const char *password; /* NULL: refused */
	const char *reason;
} lines[] = {
#define IN(s) s, sizeof(s) - 1
	{ IN("secret\n"), "secret", NULL },
	{ IN("secret"), "secret", NULL },
	{ IN("secret\r\n"), "secret", NULL },
	{ IN("secret\nmore\n"), "secret", NULL },
	{ IN(" sec ret \n"), " sec ret ", NULL },
	{ IN("p\xc3\xa4ssw\xc3\xb6rd\n"), "p\xc3\xa4ssw\xc3\xb6rd", NULL },
	{ IN("\n"), "", NULL },
	{ IN("\r\n"), "", NULL },
	{ IN(""), NULL, "there is no password in it" },
	{ IN("sec\0ret\n"), NULL, "a NUL byte in the password" },
	{ IN("\0\n"), NULL, "a NUL byte in the password" },
	{ IN("s\0e\0c\0r\0e\0t\0\r\0\n\0"), NULL, "a NUL byte in the password" }, /* UTF-16 */
	{ IN("p\xe4sswort\n"), NULL, "is not UTF-8" },
	{ IN("secret\r"), NULL, "is not UTF-8, or has control characters" },
	{ IN("sec\tret\n"), NULL, "is not UTF-8, or has control characters" },
#undef IN
};

static void check_line(size_t i, int r)
{
	if (!lines[i].password) {
		refused(r, lines[i].reason);
		return;
	}
	if (r != 0)
		fail_msg("line %zu: %s", i, fault.text);
	assert_string_equal(password.text, lines[i].password);
	for (size_t k = strlen(password.text); k < sizeof(password.text); k++)
		assert_int_equal(password.text[k], 0); /* nothing else in it */
}

/* --- file ----------------------------------------------------------------------------------------------- */

static void test_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		write_file(lines[i].in, lines[i].n, 0600);
		check_line(i, get(path, -1));
		assert_string_equal(warning, "");
	}
	write_file("\xef\xbb\xbfsecret\r\n", 11, 0600);
	assert_int_equal(get(path, -1), 0);
	assert_string_equal(password.text, "secret");
	write_file("\xef\xbb\xbf", 3, 0600);
	refused(get(path, -1), "there is no password in it");
}

static void test_lengths(void **state)
{
	static const char *const ends[] = { "", "\n", "\r\n" };
	char text[PASSWORD_MAX + 300];

	(void)state;
	for (size_t n = PASSWORD_MAX - 1; n <= PASSWORD_MAX + 200; n += n < PASSWORD_MAX + 12 ? 1 : 47) {
		for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
			for (size_t mark = 0; mark <= 3; mark += 3) {
				memcpy(text, "\xef\xbb\xbf", 3);
				memset(text + mark, 'p', n);
				strcpy(text + mark + n, ends[e]);
				write_file(text, strlen(text), 0600);
				if (n <= PASSWORD_MAX) {
					assert_int_equal(get(path, -1), 0);
					assert_int_equal(strlen(password.text), n);
				} else {
					refused(get(path, -1), "longer than 255 bytes");
				}
			}
		}
	}
}

static void test_file_modes(void **state)
{
	(void)state;
	write_file("secret\n", 7, 0604);
	assert_int_equal(get(path, -1), 0);
	assert_non_null(strstr(warning, "every user of this machine may read it: chmod 600 it"));
	assert_null(strstr(warning, "secret"));
	write_file("secret\n", 7, 0640);
	assert_int_equal(get(path, -1), 0);
	assert_string_equal(warning, "");
}

static void test_file_errors(void **state)
{
	char *longest;

	(void)state;
	refused(get("/nonexistent/file", -1),
		"password file /nonexistent/file: cannot be opened: No such file");
	refused(get(dir, -1), "cannot be read: Is a directory");
	longest = malloc(5000);
	memset(longest, 'x', 4999);
	longest[4999] = '\0';
	refused(get(longest, -1), ": cannot be opened: File name too long");
	free(longest);
}

/* --- descriptor ----------------------------------------------------------------------------------------- */

static void test_fd(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		int p[2];

		assert_int_equal(pipe(p), 0);
		assert_int_equal(write(p[1], lines[i].in, lines[i].n), lines[i].n);
		close(p[1]);
		check_line(i, get(NULL, p[0]));
		assert_int_equal(fcntl(p[0], F_GETFD), -1); /* closed */
		assert_int_equal(errno, EBADF);
	}
}

/* One byte at a time from a writer that is slower than the reader, on a descriptor that does not block. */
static void test_fd_in_pieces(void **state)
{
	int p[2], status;
	pid_t writer;

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	writer = fork();
	assert_true(writer >= 0);
	if (writer == 0) {
		for (const char *s = "secret\n"; *s; s++) {
			poll(NULL, 0, 2);
			if (write(p[1], s, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(get(NULL, p[0]), 0);
	assert_string_equal(password.text, "secret");
	close(p[1]);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(status, 0);
}

/* Standard input stays open, and what is behind the newline stays in it. */
static void test_fd_shared(void **state)
{
	int p[2], keep = dup(0);
	char rest[16];

	(void)state;
	assert_true(keep >= 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "secret\nrest", 11), 11);
	assert_int_equal(dup2(p[0], 0), 0);
	assert_int_equal(get(NULL, 0), 0);
	assert_string_equal(password.text, "secret");
	assert_int_equal(read(0, rest, sizeof(rest)), 4);
	assert_memory_equal(rest, "rest", 4);
	assert_int_equal(dup2(keep, 0), 0);
	close(keep);
	close(p[0]);
	close(p[1]);
}

static void test_fd_errors(void **state)
{
	int fd = open(dir, O_RDONLY), only_write = open("/dev/null", O_WRONLY);

	(void)state;
	refused(get(NULL, fd), "cannot be read: Is a directory");
	refused(get(NULL, fd), "cannot be read: Bad file descriptor"); /* it was closed */
	refused(get(NULL, 999999), "password descriptor 999999: cannot be read: Bad file descriptor");
	refused(get(NULL, only_write), "cannot be read: Bad file descriptor");
}

/* --- environment ---------------------------------------------------------------------------------------- */

static void test_environment(void **state)
{
	char big[PASSWORD_MAX + 2], *place;

	(void)state;
	setenv("SOFTSOCKS_PASSWORD", "secret", 1);
	place = getenv("SOFTSOCKS_PASSWORD");
	assert_int_equal(get(NULL, -1), 0);
	assert_string_equal(password.text, "secret");
	assert_null(getenv("SOFTSOCKS_PASSWORD"));
	assert_memory_equal(place, "\0\0\0\0\0\0", 6); /* wiped where it was, too */

	/* a file or a descriptor comes first, and still nothing is left for children to inherit */
	setenv("SOFTSOCKS_PASSWORD", "other", 1);
	write_file("secret\n", 7, 0600);
	assert_int_equal(get(path, -1), 0);
	assert_string_equal(password.text, "secret");
	assert_null(getenv("SOFTSOCKS_PASSWORD"));

	memset(big, 'p', sizeof(big));
	big[PASSWORD_MAX] = '\0';
	setenv("SOFTSOCKS_PASSWORD", big, 1);
	assert_int_equal(get(NULL, -1), 0);
	assert_string_equal(password.text, big);
	big[PASSWORD_MAX] = 'p';
	big[PASSWORD_MAX + 1] = '\0';
	setenv("SOFTSOCKS_PASSWORD", big, 1);
	refused(get(NULL, -1),
		"environment variable SOFTSOCKS_PASSWORD: the password is longer than 255 bytes");
	setenv("SOFTSOCKS_PASSWORD", "secret\xff", 1);
	refused(get(NULL, -1), "environment variable SOFTSOCKS_PASSWORD: the password is not UTF-8");
	assert_null(getenv("SOFTSOCKS_PASSWORD"));
}

/* What a config file says comes before the environment, and after files. */
static void test_config_file(void **state)
{
	struct conf c = bare;

	(void)state;
	c.password_text = "secret";
	setenv("SOFTSOCKS_PASSWORD", "other", 1);
	assert_int_equal(password_get(&password, &c, &fault), 0);
	assert_string_equal(password.text, "secret");
	assert_null(getenv("SOFTSOCKS_PASSWORD"));
	write_file("from a file\n", 12, 0600);
	c.password_file = path;
	assert_int_equal(password_get(&password, &c, &fault), 0);
	assert_string_equal(password.text, "from a file");
	c.password_file = NULL;
	c.password_text = "";
	assert_int_equal(password_get(&password, &c, &fault), 0);
	assert_string_equal(password.text, "");
}

static void test_key_password(void **state)
{
	struct conf c = bare;

	(void)state;
	setenv("SOFTSOCKS_KEY_PASSWORD", "secret", 1);
	assert_int_equal(get_key(), 0);
	assert_string_equal(password.text, "secret");
	assert_null(getenv("SOFTSOCKS_KEY_PASSWORD"));
	write_file("from a file\n", 12, 0600);
	c.key_password_file = path;
	setenv("SOFTSOCKS_KEY_PASSWORD", "secret", 1);
	assert_int_equal(password_get_key(&password, &c, "--key alice.key", &fault), 0);
	assert_string_equal(password.text, "from a file");
	assert_null(getenv("SOFTSOCKS_KEY_PASSWORD"));
	setenv("SOFTSOCKS_KEY_PASSWORD", "secret\xff", 1);
	refused(get_key(), "environment variable SOFTSOCKS_KEY_PASSWORD: the password is not UTF-8");
}

static void test_new_password_file(void **state)
{
	struct conf c = bare;

	(void)state;
	write_file("from a file\n", 12, 0600);
	c.new_password_file = path;
	assert_int_equal(password_get_new(&password, &c, &fault), 0);
	assert_string_equal(password.text, "from a file");
}

static void test_forget(void **state)
{
	char *place;

	(void)state;
	setenv("SOFTSOCKS_PASSWORD", "secret", 1);
	setenv("SOFTSOCKS_KEY_PASSWORD", "secret", 1);
	place = getenv("SOFTSOCKS_KEY_PASSWORD");
	password_forget_env();
	assert_null(getenv("SOFTSOCKS_PASSWORD"));
	assert_null(getenv("SOFTSOCKS_KEY_PASSWORD"));
	assert_memory_equal(place, "\0\0\0\0\0\0", 6);
	password_forget_env();
}

/* --- terminal ------------------------------------------------------------------------------------------- */

static int master = -1; /* our side of the terminal */
static int report = -1; /* the child's answers: "0 secret", "-5 text of the fault" */
static pid_t child = -1;
static int (*what)(void) = get_user; /* the child is asked for */

static void on_term(int signum)
{
	(void)signum;
}

/* In the child: ask, answer. */
static void be_asked(int to)
{
	static const struct sigaction survive = { .sa_handler = on_term };
	char text[FAULT_TEXT_MAX + 32];
	int r;

	signal(SIGHUP, SIG_IGN);
	sigaction(SIGTERM, &survive, NULL); /* like a program that has plans of its own for it */
	setenv("SOFTSOCKS_PASSWORD", "", 1); /* empty counts as not set */
	r = what();
	snprintf(text, sizeof(text), "%d %s", r, r == 0 ? password.text : fault.text);
	_exit(write(to, text, strlen(text)) > 0 ? 42 : 102);
}

/* In the child: a shell with one job in the foreground, which it continues whenever it has stopped. */
static void be_shell(int tty, int to)
{
	pid_t job = fork();
	int status;

	signal(SIGTTOU, SIG_IGN);
	if (job < 0)
		_exit(103);
	setpgid(job, job); /* in both, so that neither has to wait for the other */
	tcsetpgrp(tty, job == 0 ? getpid() : job);
	if (job == 0) {
		signal(SIGTTOU, SIG_DFL);
		be_asked(to);
	}
	while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
		struct termios t;
		bool echo = tcgetattr(tty, &t) == 0 && (t.c_lflag & ECHO);

		if (write(to, echo ? "stopped with echo, " : "stopped without..., ", 19) != 19)
			_exit(104);
		kill(-job, SIGCONT);
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 105);
}

enum kind { WITHOUT_TERMINAL, WITH_TERMINAL, UNDER_A_SHELL };

static void be_child(enum kind kind, int to)
{
	int tty = -1;

	if (setsid() < 0)
		_exit(100);
	if (kind != WITHOUT_TERMINAL) {
		tty = open(ptsname(master), O_RDWR);
		if (tty < 0 || ioctl(tty, TIOCSCTTY, 0) != 0)
			_exit(101);
	}
	if (kind == UNDER_A_SHELL)
		be_shell(tty, to);
	be_asked(to);
}

static void start(enum kind kind)
{
	int p[2];

	if (kind != WITHOUT_TERMINAL) {
		master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		assert_true(master >= 0);
		assert_int_equal(grantpt(master), 0);
		assert_int_equal(unlockpt(master), 0);
	}
	assert_int_equal(pipe(p), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		be_child(kind, p[1]);
	close(p[1]);
	report = p[0];
}

/* Collect what the terminal shows until @text was in it; 10 s are far more than it takes. */
static void expect(const char *text)
{
	char shown[4096] = "";
	size_t n = 0;

	while (!strstr(shown, text)) {
		struct pollfd p = { .fd = master, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, 10000) != 1 || n == sizeof(shown) - 1)
			fail_msg("wanted \"%s\", the terminal shows \"%s\"", text, shown);
		got = read(master, shown + n, sizeof(shown) - 1 - n);
		if (got <= 0)
			fail_msg("wanted \"%s\", the terminal ended with \"%s\"", text, shown);
		n += (size_t)got;
		shown[n] = '\0';
		assert_null(strstr(shown, "secret")); /* no echo, ever */
	}
}

static void type(const void *keys, size_t n)
{
	assert_int_equal(write(master, keys, n), n);
}

static bool echo_is_on(void)
{
	struct termios t;

	assert_int_equal(tcgetattr(master, &t), 0);
	return (t.c_lflag & ECHO) != 0;
}

/* The child's report, "" if it died without one. Returns its wait status. */
static int finish(char *text, size_t cap)
{
	size_t n = 0;
	ssize_t got;
	int status;

	while ((got = read(report, text + n, cap - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(report);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void end(void)
{
	close(master);
	master = -1;
}

static void test_prompt(void **state)
{
	char text[1024];

	(void)state;
	start(WITH_TERMINAL);
	assert_true(echo_is_on());
	expect("Password for alice@vpn.example.com: ");
	assert_false(echo_is_on());
	type("se", 2);
	type("cretX\x7f\r", 7); /* backspace works; Enter sends CR, the terminal makes it LF */
	expect("\n");
	assert_int_equal(finish(text, sizeof(text)), 42 << 8);
	assert_string_equal(text, "0 secret");
	assert_true(echo_is_on());
	end();
}

static void test_prompt_empty_and_long(void **state)
{
	char text[1024], keys[512];

	(void)state;
	start(WITH_TERMINAL);
	expect(": ");
	type("\n", 1);
	finish(text, sizeof(text));
	assert_string_equal(text, "0 ");
	end();

	memset(keys, 'p', sizeof(keys));
	for (size_t n = PASSWORD_MAX; n <= PASSWORD_MAX + 100; n += 50) {
		start(WITH_TERMINAL);
		expect(": ");
		type(keys, n);
		type("\n", 1);
		finish(text, sizeof(text));
		if (n == PASSWORD_MAX)
			assert_int_equal(strlen(text), 2 + PASSWORD_MAX);
		else
			assert_string_equal(text, "-5 terminal: the password is longer than 255 bytes");
		assert_true(echo_is_on());
		end();
	}
}

static void test_prompt_end_of_file(void **state)
{
	char text[1024];

	(void)state;
	start(WITH_TERMINAL);
	expect(": ");
	type("\x04", 1);
	finish(text, sizeof(text));
	assert_string_equal(text, "-20 no password was given");
	assert_true(echo_is_on());
	end();
}

static void test_prompt_interrupted(void **state)
{
	static const struct {
		char key;
		int signum;
	} keys[] = { { 0x03, SIGINT }, { 0x1c, SIGQUIT } };
	char text[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		int status;

		start(WITH_TERMINAL);
		expect(": ");
		type("sec", 3);
		type(&keys[i].key, 1);
		status = finish(text, sizeof(text));
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), keys[i].signum);
		assert_string_equal(text, "");
		assert_true(echo_is_on());
		end();
	}
}

static void test_prompt_signals(void **state)
{
	char text[1024];

	(void)state;
	start(WITH_TERMINAL);
	expect(": ");
	assert_int_equal(kill(child, SIGHUP), 0); /* ignored before, ignored now */
	assert_int_equal(kill(child, SIGTERM), 0); /* has a handler: ends the prompt, not the program */
	finish(text, sizeof(text));
	assert_string_equal(text, "-20 no password was given");
	assert_true(echo_is_on());
	end();
}

/* Ctrl-Z stops it, with echo on for the shell; when it goes on it asks again, from the start. */
static void test_prompt_suspended(void **state)
{
	char text[1024];

	(void)state;
	start(UNDER_A_SHELL);
	for (int i = 0; i < 2; i++) {
		expect("Password for alice@vpn.example.com: ");
		assert_false(echo_is_on());
		type("wrong\x1a", 6);
	}
	expect("Password for alice@vpn.example.com: ");
	assert_false(echo_is_on());
	type("secret\n", 7);
	assert_int_equal(finish(text, sizeof(text)), 42 << 8);
	assert_string_equal(text, "stopped with echo, stopped with echo, 0 secret");
	assert_true(echo_is_on());
	end();
}

/* SIGSTOP cannot be caught: echo stays off, and what was typed before still counts. */
static void test_prompt_stopped(void **state)
{
	char text[1024];
	int status;

	(void)state;
	start(WITH_TERMINAL);
	expect(": ");
	type("sec", 3);
	assert_int_equal(kill(child, SIGSTOP), 0);
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(kill(child, SIGCONT), 0);
	type("ret\n", 4);
	assert_int_equal(finish(text, sizeof(text)), 42 << 8);
	assert_string_equal(text, "0 secret");
	end();
}

static void test_no_terminal(void **state)
{
	char text[1024];

	(void)state;
	start(WITHOUT_TERMINAL);
	finish(text, sizeof(text));
	assert_string_equal(
		text, "-5 no password for user alice, and no terminal to ask for it: use --password-file, "
		      "--password-fd or the variable SOFTSOCKS_PASSWORD");
}

static void test_prompt_for_a_key(void **state)
{
	char text[1024];

	(void)state;
	what = get_key;
	start(WITH_TERMINAL);
	expect("Password of --key alice.key: ");
	assert_false(echo_is_on());
	type("secret\r", 7);
	finish(text, sizeof(text));
	assert_string_equal(text, "0 secret");
	end();
	start(WITHOUT_TERMINAL);
	finish(text, sizeof(text));
	assert_string_equal(text, "-5 no password for --key alice.key, and no terminal to ask for it: use "
				  "--key-password-file or the variable SOFTSOCKS_KEY_PASSWORD");
	what = get_user;
}

static void test_prompt_for_a_new_one(void **state)
{
	static const char *const second[] = { "secret\r", "secreT\r", "\x04" };
	static const char *const report_of[] = { "0 secret", "-5 the two new passwords differ: nothing was changed",
						 "-20 no password was given" };
	char text[1024];

	(void)state;
	what = get_new;
	for (size_t i = 0; i < ARRAY_LEN(second); i++) {
		start(WITH_TERMINAL);
		expect("New password for alice@vpn.example.com: ");
		type("secret\r", 7);
		expect("Once more: ");
		assert_false(echo_is_on());
		type(second[i], strlen(second[i]));
		finish(text, sizeof(text));
		assert_string_equal(text, report_of[i]);
		assert_true(echo_is_on());
		end();
	}
	start(WITHOUT_TERMINAL);
	finish(text, sizeof(text));
	assert_string_equal(text, "-5 no password for user alice that is to be set, and no terminal to ask for it: use "
				  "--new-password-file");
	what = get_user;
}

static int make_dir(void **state)
{
	(void)state;
	log_set_sink(remember, NULL);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/password", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_file_modes),
		cmocka_unit_test(test_file_errors),
		cmocka_unit_test(test_fd),
		cmocka_unit_test(test_fd_in_pieces),
		cmocka_unit_test(test_fd_shared),
		cmocka_unit_test(test_fd_errors),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_config_file),
		cmocka_unit_test(test_key_password),
		cmocka_unit_test(test_new_password_file),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_prompt_empty_and_long),
		cmocka_unit_test(test_prompt_end_of_file),
		cmocka_unit_test(test_prompt_interrupted),
		cmocka_unit_test(test_prompt_signals),
		cmocka_unit_test(test_prompt_suspended),
		cmocka_unit_test(test_prompt_stopped),
		cmocka_unit_test(test_no_terminal),
		cmocka_unit_test(test_prompt_for_a_key),
		cmocka_unit_test(test_prompt_for_a_new_one),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

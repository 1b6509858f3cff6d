/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_install_id.c - an id that stays: over calls, over a race of many first starts, and where nothing can
 * be written. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/install_id.h"
#include "core/log.h"

#define NO_MACHINE "/nonexistent/machine-id"

static char dir[] = "/tmp/softsocks-test-XXXXXX";
static char file[128], machine[128];
static int warnings;

static void count_warning(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)line;
	assert_int_equal(level, LOG_WARN);
	warnings++;
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void read_text(const char *path, char *to, size_t cap)
{
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	to[fread(to, 1, cap - 1, f)] = '\0';
	fclose(f);
}

static void remove_stored(void)
{
	char text[256];

	unlink(file);
	snprintf(text, sizeof(text), "%s/state/softsocks", dir);
	rmdir(text);
	snprintf(text, sizeof(text), "%s/state", dir);
	rmdir(text);
}

static enum install_id_source load(uint8_t id[INSTALL_ID_SIZE])
{
	char state[128];

	snprintf(state, sizeof(state), "%s/state", dir);
	return install_id_load(state, NO_MACHINE, id);
}

static size_t files_in_state(void)
{
	char text[256];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	snprintf(text, sizeof(text), "%s/state/softsocks", dir);
	d = opendir(text);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void test_made_once(void **state)
{
	uint8_t id[INSTALL_ID_SIZE], again[INSTALL_ID_SIZE], other[INSTALL_ID_SIZE];
	char text[128], want[64] = "";
	struct stat st;

	(void)state;
	assert_int_equal(load(id), INSTALL_ID_STORED);
	assert_int_equal(load(again), INSTALL_ID_STORED);
	assert_memory_equal(id, again, sizeof(id));
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(want + 2 * i, 4, "%02x\n", id[i]);
	read_text(file, text, sizeof(text));
	assert_string_equal(text, want);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	*strrchr(strcpy(text, file), '/') = '\0';
	assert_int_equal(stat(text, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(files_in_state(), 1); /* no temporary file is left */
	remove_stored();
	assert_int_equal(load(other), INSTALL_ID_STORED);
	assert_memory_not_equal(id, other, sizeof(id));
	remove_stored();
}

/* Everything but 40 hex digits and a newline is replaced, for good. */
static void test_bad_files_are_replaced(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"0123456789abcdef0123456789abcdef0123456",
		"0123456789abcdef0123456789abcdef01234567",
		"0123456789abcdef0123456789abcdef012345678\n",
		"0123456789abcdef0123456789abcdef0123456g\n",
		"0123456789ABCDEF0123456789ABCDEF01234567\n",
		"0123456789abcdef0123456789abcdef01234567\n\n",
		"0123456789abcdef0123456789abcdef01234567 ",
		"-123456789abcdef0123456789abcdef01234567\n",
	};
	static const uint8_t want[INSTALL_ID_SIZE] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd,
						       0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab,
						       0xcd, 0xef, 0x01, 0x23, 0x45, 0x67 };
	uint8_t id[INSTALL_ID_SIZE], again[INSTALL_ID_SIZE];

	(void)state;
	assert_int_equal(load(id), INSTALL_ID_STORED);
	write_text(file, "0123456789abcdef0123456789abcdef01234567\n");
	assert_int_equal(load(id), INSTALL_ID_STORED);
	assert_memory_equal(id, want, sizeof(id));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		write_text(file, bad[i]);
		assert_int_equal(load(id), INSTALL_ID_STORED);
		assert_memory_not_equal(id, want, 8);
		assert_int_equal(load(again), INSTALL_ID_STORED);
		assert_memory_equal(id, again, sizeof(id));
		assert_int_equal(files_in_state(), 1);
	}
	remove_stored();
}

/* Many processes start for the first time at once: they must all have the same id. */
static void test_race(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		uint8_t ids[8][INSTALL_ID_SIZE], last[INSTALL_ID_SIZE];
		int go[2], result[2];

		assert_int_equal(pipe(go), 0);
		assert_int_equal(pipe(result), 0);
		for (int i = 0; i < 8; i++) {
			pid_t pid = fork();
			char c;

			assert_true(pid >= 0);
			if (pid > 0)
				continue;
			close(go[1]);
			if (read(go[0], &c, 1) != 0 || load(ids[0]) != INSTALL_ID_STORED)
				_exit(1);
			_exit(write(result[1], ids[0], INSTALL_ID_SIZE) != INSTALL_ID_SIZE);
		}
		close(go[0]);
		close(go[1]); /* the start */
		for (int i = 0; i < 8; i++) {
			int status;

			assert_true(wait(&status) > 0);
			assert_int_equal(status, 0);
			assert_int_equal(read(result[0], ids[i], INSTALL_ID_SIZE), INSTALL_ID_SIZE);
			assert_memory_equal(ids[i], ids[0], INSTALL_ID_SIZE);
		}
		assert_int_equal(load(last), INSTALL_ID_STORED);
		assert_memory_equal(last, ids[0], INSTALL_ID_SIZE);
		assert_int_equal(files_in_state(), 1);
		close(result[0]);
		close(result[1]);
		remove_stored();
	}
}

/* The hash of our text, the machine id and the user id, made with: { printf 'softsocks installation id 1\0';
 * printf 0123456789abcdef0123456789abcdef; printf '\0\0\0\0'; } | sha256sum */
static const uint8_t hash_for_root[INSTALL_ID_SIZE] = { 0x86, 0x32, 0x5c, 0x1d, 0xb8, 0x61, 0x28,
							0xea, 0x5b, 0xd7, 0xc6, 0x48, 0x6a, 0x8c,
							0x47, 0x30, 0x9c, 0x59, 0xc5, 0x57 };

/* A directory that cannot be made: its parent is a file. (Permissions would not stop root.) */
static enum install_id_source load_unwritable(uint8_t id[INSTALL_ID_SIZE])
{
	char state[160];

	snprintf(state, sizeof(state), "%s/under-a-file", machine);
	return install_id_load(state, machine, id);
}

static void test_machine_id(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"uninitialized\n",
		"0123456789abcdef0123456789abcde\n",
		"0123456789abcdef0123456789abcdef0\n",
		"0123456789ABCDEF0123456789ABCDEF\n",
		"00000000000000000000000000000000\n",
		"0123456789abcdef-0123456789abcde\n",
	};
	uint8_t id[INSTALL_ID_SIZE], again[INSTALL_ID_SIZE];

	(void)state;
	write_text(machine, "0123456789abcdef0123456789abcdef\n");
	assert_int_equal(load_unwritable(id), INSTALL_ID_MACHINE);
	if (getuid() == 0)
		assert_memory_equal(id, hash_for_root, sizeof(id));
	assert_int_equal(load_unwritable(again), INSTALL_ID_MACHINE);
	assert_memory_equal(id, again, sizeof(id));
	assert_int_equal(install_id_load(NULL, machine, again), INSTALL_ID_MACHINE);
	assert_memory_equal(id, again, sizeof(id));
	write_text(machine, "0123456789abcdef0123456789abcdef"); /* the newline is optional */
	assert_int_equal(load_unwritable(again), INSTALL_ID_MACHINE);
	assert_memory_equal(id, again, sizeof(id));
	write_text(machine, "1123456789abcdef0123456789abcdef\n");
	assert_int_equal(load_unwritable(again), INSTALL_ID_MACHINE);
	assert_memory_not_equal(id, again, sizeof(id));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		write_text(machine, bad[i]);
		assert_int_equal(load_unwritable(id), INSTALL_ID_RANDOM);
		assert_int_equal(load_unwritable(again), INSTALL_ID_RANDOM);
		assert_memory_not_equal(id, again, sizeof(id));
	}
	unlink(machine);
}

/* Two users of one machine. Only root can be somebody else for the time of a test. */
static void test_other_user(void **state)
{
	uint8_t id[INSTALL_ID_SIZE], theirs[INSTALL_ID_SIZE];
	int p[2], status;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	write_text(machine, "0123456789abcdef0123456789abcdef\n");
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(machine, 0644), 0);
	assert_int_equal(install_id_load(NULL, machine, id), INSTALL_ID_MACHINE);
	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setuid(65534) != 0 || install_id_load(NULL, machine, theirs) != INSTALL_ID_MACHINE)
			_exit(1);
		_exit(write(p[1], theirs, sizeof(theirs)) != sizeof(theirs));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(p[0], theirs, sizeof(theirs)), sizeof(theirs));
	assert_memory_not_equal(id, theirs, sizeof(id));
	close(p[0]);
	close(p[1]);
	unlink(machine);
}

/* Where install_id_get() looks: XDG_STATE_HOME if it is absolute, else under HOME. */
static void test_places(void **state)
{
	uint8_t id[INSTALL_ID_SIZE], again[INSTALL_ID_SIZE];
	char text[256], *slash;

	(void)state;
	snprintf(text, sizeof(text), "%s/state", dir);
	setenv("XDG_STATE_HOME", text, 1);
	setenv("HOME", "/nonexistent", 1);
	install_id_get(id);
	assert_int_equal(access(file, F_OK), 0);
	install_id_get(again);
	assert_memory_equal(id, again, sizeof(id));
	remove_stored();

	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", dir, 1);
	install_id_get(id);
	assert_int_equal(access("relative", F_OK), -1);
	snprintf(text, sizeof(text), "%s/.local/state/softsocks/installation-id", dir);
	assert_int_equal(unlink(text), 0);
	while ((slash = strrchr(text, '/')) && (size_t)(slash - text) > strlen(dir)) {
		*slash = '\0';
		assert_int_equal(rmdir(text), 0);
	}
	assert_int_equal(warnings, 0);
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	install_id_get(id); /* from the machine id, or at random and with a warning: as this machine has it */
	install_id_get(again);
	assert_int_equal(warnings, memcmp(id, again, sizeof(id)) == 0 ? 0 : 2);
}

static int make_dir(void **state)
{
	(void)state;
	log_set_sink(count_warning, NULL);
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/state/softsocks/installation-id", dir);
	snprintf(machine, sizeof(machine), "%s/machine-id", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	remove_stored();
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_once),
		cmocka_unit_test(test_bad_files_are_replaced),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_machine_id),
		cmocka_unit_test(test_other_user),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

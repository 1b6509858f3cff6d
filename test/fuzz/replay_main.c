/* SPDX-License-Identifier: GPL-3.0-or-later */
/* replay_main.c - runs a fuzz target over files instead of a fuzzer's inputs.
 *
 * fuzz_NAME [FILE-OR-DIRECTORY...]: every regular file, in directories sorted by name, is one input. Each input is also
 * given once with its last byte missing, because truncation is the commonest fault and costs nothing to try. Every
 * input lies in a heap block of exactly its size, so that a sanitizer sees a read past its end. Prints TAP: one line
 * per argument. Links in place of libFuzzer, needs no clang. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/support/fuzz.h"

#define INPUT_MAX (1 << 20) /* libFuzzer's own default limit: larger seeds would never be tried by it */

static void run_one(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static bool replay_file(const char *path)
{
	static uint8_t buf[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t n;
	bool ok;

	if (!f) {
		printf("# cannot open %s\n", path);
		return false;
	}
	n = fread(buf, 1, sizeof(buf), f);
	ok = !ferror(f) && (feof(f) || getc(f) == EOF);
	fclose(f);
	if (!ok) {
		printf("# %s cannot be read, or is larger than %d bytes\n", path, INPUT_MAX);
		return false;
	}
	run_one(buf, n);
	if (n > 0)
		run_one(buf, n - 1);
	return true;
}

/* How many files were replayed from the directory; -1 if one of them, or the directory, could not be read. */
static int replay_directory(const char *path)
{
	struct dirent **names;
	int count = scandir(path, &names, NULL, alphasort);
	int replayed = 0;
	bool ok = count >= 0;

	if (!ok)
		printf("# cannot read the directory %s\n", path);
	for (int i = 0; i < count; i++) {
		char file[4096];
		struct stat st;
		int n = snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);

		if (n < 0 || (size_t)n >= sizeof(file) || stat(file, &st) != 0) {
			printf("# cannot open %s in %s\n", names[i]->d_name, path);
			ok = false;
		} else if (S_ISREG(st.st_mode)) {
			ok = replay_file(file) && ok;
			replayed++;
		}
		free(names[i]);
	}
	if (count >= 0)
		free(names);
	return ok ? replayed : -1;
}

int main(int argc, char **argv)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%d\n", argc);
	run_one((const uint8_t *)"", 0);
	printf("ok 1 - empty input\n");
	for (int i = 1; i < argc; i++) {
		struct stat st;
		int n = -1;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			n = replay_directory(argv[i]);
		else if (replay_file(argv[i]))
			n = 1;
		printf("%s %d - %s (%d inputs)\n", n < 0 ? "not ok" : "ok", i + 1, argv[i], n < 0 ? 0 : n);
		failed += n < 0;
	}
	return failed ? 1 : 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* install_id.c - a small file, made once.
 *
 * It holds 40 hex digits and a newline. Two processes that start for the first time at the same moment must
 * agree: each writes a file of its own, then links it to the final name, which only one of them can; whoever
 * loses reads the winner's. Nobody ever sees half a file. A file that is no such text (a disk ran full,
 * somebody edited it) is replaced.
 *
 * Where nothing can be written, as in many containers, the machine id stands in: hashed together with the
 * user id and a text of our own, as machine-id(5) asks, because the id itself must not leave the machine. */
#include "core/install_id.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "core/bytes.h"
#include "core/log.h"
#include "core/random.h"

#define TEXT_SIZE (2 * INSTALL_ID_SIZE + 1) /* hex and newline */
#define MACHINE_ID_SIZE 32                  /* hex digits, machine-id(5) */

static bool is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") >= n;
}

/* At most @cap - 1 bytes of a regular file, with NUL. Returns the count, or -1. */
static ssize_t read_small(const char *path, char *to, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, to, cap - 1);
	if (n >= 0)
		to[n] = '\0';
	close(fd);
	return n;
}

static bool read_stored(const char *path, uint8_t ret[static INSTALL_ID_SIZE])
{
	char text[TEXT_SIZE + 2]; /* one byte more than there should be */

	if (read_small(path, text, sizeof(text)) != TEXT_SIZE || text[TEXT_SIZE - 1] != '\n' ||
	    !is_hex(text, TEXT_SIZE - 1))
		return false;
	for (size_t i = 0; i < INSTALL_ID_SIZE; i++) {
		char digits[3] = { text[2 * i], text[2 * i + 1], '\0' };

		ret[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

/* Make every directory above the file @path. Failure shows when the file is made. */
static void make_directories(const char *path)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", path);
	for (char *s = dir + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		mkdir(dir, 0700);
		*s = '/';
	}
}

static bool write_all(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	if (!ok)
		unlink(path);
	return ok;
}

/* Give @from the name @to. Somebody else's good file there wins; a bad one is replaced. Not all file systems
 * have links: then the last of several processes wins, and all but that one keep their id until their next
 * start. */
static void publish(const char *from, const char *to)
{
	uint8_t theirs[INSTALL_ID_SIZE];

	if (link(from, to) != 0 && !(errno == EEXIST && read_stored(to, theirs)))
		rename(from, to);
	unlink(from); /* after a rename there is nothing left to remove */
}

/* Make a new file at @path and read back what is there now, ours or that of somebody quicker. */
static bool create_stored(const char *path, uint8_t ret[static INSTALL_ID_SIZE])
{
	char temporary[PATH_MAX], text[TEXT_SIZE + 1];
	uint8_t id[INSTALL_ID_SIZE], suffix[8];
	int n;

	random_bytes(NULL, id, sizeof(id));
	random_bytes(NULL, suffix, sizeof(suffix));
	n = snprintf(temporary, sizeof(temporary), "%s.%08x%08x", path, load_be32(suffix),
		     load_be32(suffix + 4));
	if (n < 0 || (size_t)n >= sizeof(temporary))
		return false;
	for (size_t i = 0; i < INSTALL_ID_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	text[TEXT_SIZE - 1] = '\n';
	make_directories(path);
	if (!write_all(temporary, text, TEXT_SIZE))
		return false;
	publish(temporary, path);
	return read_stored(path, ret);
}

static bool from_machine(const char *path, uint8_t ret[static INSTALL_ID_SIZE])
{
	static const char purpose[] = "softsocks installation id 1";
	char machine[MACHINE_ID_SIZE + 2];
	uint8_t user[4], digest[WC_SHA256_DIGEST_SIZE];
	ssize_t n = read_small(path, machine, sizeof(machine));
	wc_Sha256 sha;
	bool ok;

	if (n < MACHINE_ID_SIZE || (n > MACHINE_ID_SIZE && machine[MACHINE_ID_SIZE] != '\n') ||
	    !is_hex(machine, MACHINE_ID_SIZE))
		return false; /* also "uninitialized", and the empty file of many images */
	if (strspn(machine, "0") >= MACHINE_ID_SIZE || wc_InitSha256(&sha) != 0)
		return false;
	store_be32(user, (uint32_t)getuid());
	ok = wc_Sha256Update(&sha, (const uint8_t *)purpose, sizeof(purpose)) == 0 &&
	     wc_Sha256Update(&sha, (const uint8_t *)machine, MACHINE_ID_SIZE) == 0 &&
	     wc_Sha256Update(&sha, user, sizeof(user)) == 0 && wc_Sha256Final(&sha, digest) == 0;
	wc_Sha256Free(&sha);
	if (ok)
		memcpy(ret, digest, INSTALL_ID_SIZE);
	return ok;
}

enum install_id_source install_id_load(const char *state_dir, const char *machine_id,
				       uint8_t ret[static INSTALL_ID_SIZE])
{
	char path[PATH_MAX];
	int n = state_dir ? snprintf(path, sizeof(path), "%s/softsocks/installation-id", state_dir) : -1;

	if (n > 0 && (size_t)n < sizeof(path) && (read_stored(path, ret) || create_stored(path, ret)))
		return INSTALL_ID_STORED;
	if (from_machine(machine_id, ret))
		return INSTALL_ID_MACHINE;
	random_bytes(NULL, ret, INSTALL_ID_SIZE);
	return INSTALL_ID_RANDOM;
}

void install_id_get(uint8_t ret[static INSTALL_ID_SIZE])
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char dir[PATH_MAX];
	int n;

	/* The XDG base directory specification: a relative path is to be ignored. */
	if (!state || state[0] != '/') {
		n = home && home[0] == '/' ? snprintf(dir, sizeof(dir), "%s/.local/state", home) : -1;
		state = n > 0 && (size_t)n < sizeof(dir) ? dir : NULL;
	}
	if (install_id_load(state, "/etc/machine-id", ret) == INSTALL_ID_RANDOM)
		log_warn("installation id: can be stored nowhere and there is no machine id: servers see a "
			 "new device at each start; set XDG_STATE_HOME to a directory that lasts");
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_file.c - the part of conf.h that touches the file system, kept apart so that the rest stays pure. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/conf.h"
#include "core/log.h"

/* Up to CONF_FILE_MAX bytes, and one more if there are too many. Returns the count or -1 with errno. */
static ssize_t read_all(int fd, char *to)
{
	size_t n = 0;

	while (n <= CONF_FILE_MAX) {
		ssize_t got = read(fd, to + n, CONF_FILE_MAX + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

int conf_read_file(const char *path, char **ret_text, struct fault *f)
{
	char *text = calloc(1, CONF_FILE_MAX + 2);
	int fd = -1, r = VE_USAGE;
	ssize_t n;

	if (!text) {
		fault_set(f, VE_NOMEM, "config file %s: no memory", path);
		return VE_NOMEM;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		fault_set(f, r, "config file %s: cannot be opened: %s", path, strerror(errno));
		goto out;
	}
	n = read_all(fd, text);
	if (n < 0) {
		fault_set(f, r, "config file %s: cannot be read: %s", path, strerror(errno));
	} else if ((size_t)n > CONF_FILE_MAX) {
		fault_set(f, r, "config file %s: longer than %u bytes", path, CONF_FILE_MAX);
	} else if (memchr(text, '\0', (size_t)n)) {
		fault_set(f, r, "config file %s: has NUL bytes: is it a text file, in UTF-8?", path);
	} else {
		text[n] = '\0';
		*ret_text = text;
		text = NULL;
		r = 0;
	}
	close(fd);
out:
	if (text)
		wipe(text, CONF_FILE_MAX + 2);
	free(text);
	return r;
}

/* Everybody, that is: a group may be meant, and directories above may keep others out, so it is a warning. */
void conf_warn_of_public_secrets(const struct conf *c)
{
	struct stat st;

	if (c->secrets_file && stat(c->secrets_file, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH))
		log_warn("config file %s: there are secrets in it, and every user of this machine may read it: chmod 600 it",
			 c->secrets_file);
}

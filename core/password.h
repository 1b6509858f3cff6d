/* SPDX-License-Identifier: GPL-3.0-or-later */
/* password.h - getting the password to us without anybody else seeing it.
 *
 * Reads files, descriptors, the environment and the terminal, so it is none of the pure parts. */
#ifndef CORE_PASSWORD_H
#define CORE_PASSWORD_H

#include "core/conf.h"
#include "core/err.h"
#include "core/limits.h"

/* Of a fixed size, so that it lies in one place and no copy stays behind. The owner wipes it. */
struct password {
	char text[PASSWORD_MAX + 1]; /* UTF-8, may be empty */
};

/* The password for @c's user, from the first of these that there is: c->password_file (its first line),
 * c->password_fd (the first line that comes; closed unless it is 0, 1 or 2), c->password_text, SOFTSOCKS_PASSWORD, a
 * prompt on the terminal with echo off. Whichever it is, SOFTSOCKS_PASSWORD is wiped and removed from the environment,
 * so that no child inherits it. Logs a warning if everybody may read the file.
 *
 * Returns 0 with *ret filled. Otherwise *ret is untouched and @f says which source, why, and how to do it
 * right: VE_USAGE (cannot be read; empty; longer than PASSWORD_MAX; NUL bytes or not UTF-8; there is no
 * source at all), VE_CANCELED (somebody pressed Ctrl-D at the prompt, or sent a signal that the program
 * survives). Ctrl-C at the prompt ends the program as usual, with the terminal's echo back on. */
int password_get(struct password *ret, const struct conf *c, struct fault *f);

/* The password of an encrypted key, @object in messages ("--key alice.key"): from c->key_password_file,
 * SOFTSOCKS_KEY_PASSWORD, or the terminal. Returns as password_get(). */
int password_get_key(struct password *ret, const struct conf *c, const char *object, struct fault *f);

/* The password that is to be set on the server: from c->new_password_file, or the terminal, where it has to be typed
 * twice. Returns as password_get(); VE_USAGE also if the two are not the same. */
int password_get_new(struct password *ret, const struct conf *c, struct fault *f);

/* A password that somebody else has to know, from the first line of @path. Returns as password_get(). */
int password_get_file(struct password *ret, const char *path, struct fault *f);

/* Wipe the variables above and remove them from the environment, whether they were asked for or not. */
void password_forget_env(void);

#endif

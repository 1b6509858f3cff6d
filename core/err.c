/* SPDX-License-Identifier: GPL-3.0-or-later */
/* err.c - tables made from VE_LIST, and the making of fault lines. */
#include "core/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const struct {
	int err;
	int exit_status;
	const char *name;
} codes[] = {
	{ 0, 0, "ok" },
#define VE_ROW(code, num, exit_status, name) { code, exit_status, name },
	VE_LIST(VE_ROW)
#undef VE_ROW
};

const char *ve_name(int err)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].err == err)
			return codes[i].name;
	}
	return "unknown";
}

int ve_exit_status(int err)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].err == err)
			return codes[i].exit_status;
	}
	return 1;
}

/* A line stays a line and a terminal stays as it is, whatever a server put into its strings. Bytes from 0x80 up are
 * left alone: they are UTF-8 in every protocol that reaches here. */
static void keep_printable(char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			*s = '?';
	}
}

static void set(struct fault *f, int err, bool final, const char *fmt, va_list ap)
{
	if (f->err != 0)
		return;
	f->err = err;
	f->final = final;
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	keep_printable(f->text);
}

void fault_set(struct fault *f, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(f, err, false, fmt, ap);
	va_end(ap);
}

void fault_set_final(struct fault *f, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(f, err, true, fmt, ap);
	va_end(ap);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_zip.c - zlib, with parameters for one frame at a time.
 *
 * A window of 4 KiB holds every frame whole, and hash chains of 4096 entries are enough for one; a reset clears them, so
 * larger tables would cost every frame more than they could save it. Level 1: the greedy match finder. Any receiver takes
 * such streams, their headers say what they are.
 *
 * Inflating is one call: input and output are given whole, so zlib needs no window of its own, and an output that does not
 * fit is an end like any other error. What a stream of 1600 bytes may claim to be does not matter: it is written into
 * FRAME_MAX bytes or not at all. */
#include "core/softether/se_zip.h"

#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#include "core/err.h"

#define WINDOW_BITS 12 /* 4 KiB */
#define MEM_LEVEL 5    /* 2^12 hash entries, 2^11 symbols: one block holds a frame */
#define LEVEL 1

_Static_assert(FRAME_MAX <= 1u << (MEM_LEVEL + 6), "a frame is one block");
_Static_assert(SE_ZIP_MAX <= FRAME_HARD_MAX, "servers end the session above this");

struct se_zip {
	z_stream in, out;
};

int se_zip_new(struct se_zip **ret)
{
	struct se_zip *z = calloc(1, sizeof(*z));

	if (!z)
		return VE_NOMEM;
	if (deflateInit2(&z->out, LEVEL, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		goto err_zip;
	if (inflateInit(&z->in) != Z_OK)
		goto err_out;
	*ret = z;
	return 0;

err_out:
	deflateEnd(&z->out);
err_zip:
	free(z);
	return VE_NOMEM;
}

void se_zip_free(struct se_zip *z)
{
	if (!z)
		return;
	inflateEnd(&z->in);
	deflateEnd(&z->out);
	free(z);
}

size_t se_zip_deflate(struct se_zip *z, const struct slice *v, size_t nv, uint8_t to[static SE_ZIP_MAX])
{
	z_stream *s = &z->out;
	size_t n = 0;

	for (size_t i = 0; i < nv; i++)
		n += v[i].n;
	if (n == 0 || n > FRAME_MAX || deflateReset(s) != Z_OK)
		return 0;
	s->next_out = to;
	s->avail_out = SE_ZIP_MAX;
	for (size_t i = 0; i < nv; i++) {
		s->next_in = v[i].p;
		s->avail_in = (uInt)v[i].n;
		if (s->avail_in > 0 && (deflate(s, Z_NO_FLUSH) != Z_OK || s->avail_in > 0))
			return 0;
	}
	return deflate(s, Z_FINISH) == Z_STREAM_END ? SE_ZIP_MAX - s->avail_out : 0;
}

int se_zip_inflate(struct se_zip *z, struct slice in, uint8_t to[static FRAME_MAX], struct slice *ret)
{
	z_stream *s = &z->in;

	if (in.n == 0 || in.n > FRAME_HARD_MAX || inflateReset(s) != Z_OK)
		return VE_PROTO;
	s->next_in = in.p;
	s->avail_in = (uInt)in.n;
	s->next_out = to;
	s->avail_out = FRAME_MAX;
	if (inflate(s, Z_FINISH) != Z_STREAM_END || s->avail_in > 0 || s->avail_out == FRAME_MAX)
		return VE_PROTO;
	*ret = (struct slice){ .p = to, .n = FRAME_MAX - s->avail_out };
	return 0;
}

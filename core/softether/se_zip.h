/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_zip.h - frames in their compressed form: each one a zlib stream of its own (softether-protocol.md 6.5). Pure.
 *
 * The state of both directions is made once and used again for every frame: nothing is allocated for a frame, and no
 * frame can be told from another by what it does to the size of a third. */
#ifndef SOFTETHER_SE_ZIP_H
#define SOFTETHER_SE_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/limits.h"

/* The longest compressed form of a frame of FRAME_MAX that se_zip_deflate() makes. Random bytes grow: zlib's own bound
 * for our parameters is an eighth and some more. Less than FRAME_HARD_MAX, so every receiver takes it. */
#define SE_ZIP_MAX (FRAME_MAX + FRAME_MAX / 8 + 64u)

struct se_zip;

/* Returns 0 with *ret (se_zip_free), or VE_NOMEM. About 60 KiB. */
int se_zip_new(struct se_zip **ret);
void se_zip_free(struct se_zip *z); /* NULL is fine */

/* Compress one frame of @nv pieces, in all 1..FRAME_MAX bytes, into @to. Returns its size there; 0 if the frame is empty
 * or too long: drop it. */
size_t se_zip_deflate(struct se_zip *z, const struct slice *v, size_t nv, uint8_t to[static SE_ZIP_MAX]);

/* The frame that @in holds: all of one zlib stream, of 1..FRAME_MAX bytes when inflated. Returns 0 with *ret in @to, or
 * VE_PROTO: anything else, to be dropped and counted. */
int se_zip_inflate(struct se_zip *z, struct slice in, uint8_t to[static FRAME_MAX], struct slice *ret);

#endif

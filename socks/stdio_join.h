/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stdio_join.h - -W: standard input and output joined to one target.
 *
 * Pipes, sockets, terminals and files will do. The end of the input becomes the end of our stream, the end of the target's
 * stream closes the output, and each direction goes on without the other. Nothing but the target's bytes is written to the
 * output: from the start on descriptors 0 and 1 are /dev/null for everybody else in the program. */
#ifndef SOCKS_STDIO_JOIN_H
#define SOCKS_STDIO_JOIN_H

#include "core/addr.h"
#include "core/err.h"
#include "socks/target.h"

struct stdio_join;

struct stdio_join_events {
	/* Once, the last event: f->err is 0 if both directions ended in order, else @f says what failed. stdio_join_close() may
	 * be called from inside. */
	void (*over)(void *ctx, const struct fault *f);
};

/* Take the descriptors @in and @out (0 and 1; tests have others), which are closed in the end. Nothing moves before
 * stdio_join_open(). @ts, @ev and @ctx are lent. Returns 0, or VE_NOMEM, VE_IO with @f. */
int stdio_join_new(struct stdio_join **ret, struct targets *ts, int in, int out, const struct stdio_join_events *ev,
		   void *ctx, struct fault *f);

/* Open the target; once. Errors are over(), from inside if it cannot even be tried. Outside of events the caller does
 * target_flush(). */
void stdio_join_open(struct stdio_join *j, const struct dest *to);

/* Free the target at once, the rest when libuv is done. NULL is fine. */
void stdio_join_close(struct stdio_join *j);

#endif

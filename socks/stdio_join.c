/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stdio_join.c - see stdio_join.h.
 *
 * Theory of operation
 *
 * Pipes, sockets and terminals are libuv's streams; files (and /dev/null) cannot be polled, so they are read and written by
 * libuv's threads. Both kinds fill and empty one buffer for each direction:
 *
 *     input  -> in.buf  -> target_reserve()      the next read begins when the buffer is empty
 *     output <- out.buf <- target_peek()         the next write begins when the last one is through
 *
 * A program that gave us its pipe may have it in common with others, and libuv makes it non-blocking for all of them: the
 * flags are put back at the end. A terminal is reopened by libuv and is not changed.
 *
 * Errors. What a target has sent before it broke is still written; then it is over: a truncated stream must not look like a
 * whole one, and the exit status is what the reader's program sees. An output that nobody reads any more (EPIPE) is an error, too. */
#include "socks/stdio_join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/bytes.h"
#include "core/limits.h"

#define PIECES 16

/* One of the two. */
struct end {
	struct stdio_join *j;
	const char *name;
	int fd;       /* ours; -1: closed, or libuv's */
	int flags;    /* it had at first; -1: unknown */
	bool is_file;
	bool open;    /* the handle below was made */
	union {
		uv_handle_t any;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
		uv_tty_t tty;
	} handle;
	union {
		uv_fs_t fs;
		uv_write_t write;
		uv_shutdown_t shutdown;
	} req;
	bool busy;    /* @req, or reading of a stream, is under way */
	bool done;    /* its stream has ended, and that was passed on */
	size_t at, n; /* what @buf holds */
	uint8_t buf[STDIO_BUFFER];
};

struct stdio_join {
	struct targets *ts;
	struct target *target;
	struct dest to;
	const struct stdio_join_events *ev;
	void *ctx;
	struct end in, out;
	bool opened;
	int target_err; /* it has closed with this; what came before is still written */
	bool shared;    /* input and output are one socket: their flags are, too */
	bool over, closing;
	unsigned refs; /* handles, requests of files, and the owner */
};

/* --- the end ------------------------------------------------------------------------------------------- */

static void unref(struct stdio_join *j)
{
	if (--j->refs == 0)
		free(j);
}

/* The last thing on every path that calls it. */
static void finish(struct stdio_join *j, const struct fault *f)
{
	if (j->over)
		return;
	j->over = true;
	j->ev->over(j->ctx, f);
}

static void fail_end(struct end *e, int uv_err)
{
	struct fault f = { 0 };

	fault_set_final(&f, VE_IO, "-W: standard %s: %s", e->name, uv_strerror(uv_err));
	finish(e->j, &f);
}

static void fail_target(struct stdio_join *j, int err)
{
	char text[DEST_TEXT_MAX];
	struct fault f = { 0 };

	fault_set_final(&f, err, "-W %s: %s", dest_text(&j->to, text), ve_name(err));
	finish(j, &f);
}

/* Both directions have ended in order, and everything was written. */
static void check_end(struct stdio_join *j)
{
	static const struct fault none = { 0 };

	if (j->in.done && j->out.done)
		finish(j, &none);
}

static void on_end_closed(uv_handle_t *h)
{
	struct end *e = h->data;

	e->open = false;
	unref(e->j);
}

/* Whoever reads our output sees its end now. Again: nothing. */
static void close_end(struct end *e)
{
	const struct end *other = e == &e->j->in ? &e->j->out : &e->j->in;

	if (e->open && !uv_is_closing(&e->handle.any)) {
		uv_os_fd_t fd;

		if (e->flags >= 0 && !(e->j->shared && other->open) && uv_fileno(&e->handle.any, &fd) == 0)
			(void)fcntl(fd, F_SETFL, e->flags);
		uv_close(&e->handle.any, on_end_closed);
	}
	if (e->fd >= 0 && !(e->is_file && e->busy)) {
		close(e->fd);
		e->fd = -1;
	}
}

/* --- output -------------------------------------------------------------------------------------------- */

static void pump_out(struct stdio_join *j);

static void on_shut(uv_shutdown_t *req, int status)
{
	struct end *e = req->data;

	(void)status; /* what is no socket has no such thing; closing says the same */
	e->busy = false;
	close_end(e);
}

static void end_output(struct stdio_join *j)
{
	struct end *e = &j->out;

	e->done = true;
	if (!e->is_file && e->handle.any.type != UV_TTY) {
		e->req.shutdown.data = e;
		e->busy = uv_shutdown(&e->req.shutdown, &e->handle.stream, on_shut) == 0;
	}
	if (!e->busy)
		close_end(e);
	check_end(j);
}

/* @n bytes (or a negative error) of what is under way are out. */
static void wrote(struct end *e, ssize_t n)
{
	struct stdio_join *j = e->j;
	struct targets *ts = j->ts;

	e->busy = false;
	if (j->over || j->closing)
		return;
	if (n < 0) {
		fail_end(e, (int)n);
	} else {
		e->at += (size_t)n;
		pump_out(j);
	}
	target_flush(ts);
}

static void on_file_written(uv_fs_t *req)
{
	struct end *e = req->data;
	struct stdio_join *j = e->j;
	ssize_t n = req->result;

	uv_fs_req_cleanup(req);
	wrote(e, n);
	if (j->closing)
		close_end(e);
	unref(j);
}

static void on_stream_written(uv_write_t *req, int status)
{
	struct end *e = req->data;

	wrote(e, status < 0 ? status : (ssize_t)(e->n - e->at));
}

static void write_out(struct end *e)
{
	uv_buf_t b = uv_buf_init((char *)e->buf + e->at, (unsigned)(e->n - e->at));
	int r;

	if (e->is_file) {
		e->req.fs.data = e;
		r = uv_fs_write(e->j->ts->loop, &e->req.fs, e->fd, &b, 1, -1, on_file_written);
		e->j->refs += r == 0;
	} else {
		e->req.write.data = e;
		r = uv_write(&e->req.write, &e->handle.stream, &b, 1, on_stream_written);
	}
	e->busy = r == 0;
	if (r != 0)
		fail_end(e, r);
}

/* Fill the buffer from the target. Returns false at the end of its stream. */
static bool fill_out(struct stdio_join *j)
{
	struct end *e = &j->out;
	struct slice v[PIECES];
	int n = target_peek(j->target, v, PIECES);

	e->at = e->n = 0;
	for (int i = 0; i < n; i++) {
		size_t part = min_size(v[i].n, sizeof(e->buf) - e->n);

		memcpy(e->buf + e->n, v[i].p, part);
		e->n += part;
	}
	if (e->n > 0)
		target_consume(j->target, e->n);
	return n != VE_EOF;
}

static void pump_out(struct stdio_join *j)
{
	struct end *e = &j->out;

	if (!j->opened || e->busy || e->done || j->over)
		return;
	if (e->at == e->n && !fill_out(j))
		end_output(j);
	else if (e->at < e->n)
		write_out(e);
	else if (j->target_err != 0)
		fail_target(j, j->target_err);
}

/* --- input --------------------------------------------------------------------------------------------- */

static void pump_in(struct stdio_join *j);

static void got(struct end *e, ssize_t n)
{
	struct stdio_join *j = e->j;
	struct targets *ts = j->ts;

	if (j->over || j->closing)
		return;
	if (n == 0 || n == UV_EOF) {
		e->done = true;
		target_shutdown(j->target);
		close_end(e);
		check_end(j);
	} else if (n < 0) {
		fail_end(e, (int)n);
	} else {
		e->at = 0;
		e->n = (size_t)n;
		pump_in(j);
	}
	target_flush(ts);
}

static void on_file_read(uv_fs_t *req)
{
	struct end *e = req->data;
	struct stdio_join *j = e->j;
	ssize_t n = req->result;

	uv_fs_req_cleanup(req);
	e->busy = false;
	got(e, n);
	if (j->closing)
		close_end(e);
	unref(j);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct end *e = h->data;

	(void)suggested;
	*ret = uv_buf_init((char *)e->buf, sizeof(e->buf));
}

static void on_stream_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct end *e = s->data;

	(void)b;
	if (n == 0)
		return; /* nothing there after all */
	uv_read_stop(s);
	e->busy = false;
	got(e, n);
}

static void read_in(struct end *e)
{
	uv_buf_t b = uv_buf_init((char *)e->buf, sizeof(e->buf));
	int r;

	if (e->is_file) {
		e->req.fs.data = e;
		r = uv_fs_read(e->j->ts->loop, &e->req.fs, e->fd, &b, 1, -1, on_file_read);
		e->j->refs += r == 0;
	} else {
		r = uv_read_start(&e->handle.stream, on_alloc, on_stream_read);
	}
	e->busy = r == 0;
	if (r != 0)
		fail_end(e, r);
}

/* Give the target what it takes. */
static void drain_in(struct stdio_join *j)
{
	struct end *e = &j->in;

	while (e->at < e->n) {
		size_t room;
		uint8_t *p = target_reserve(j->target, &room);

		if (!p || room == 0)
			return; /* writable() goes on */
		room = min_size(room, e->n - e->at);
		memcpy(p, e->buf + e->at, room);
		target_commit(j->target, room);
		e->at += room;
	}
}

static void pump_in(struct stdio_join *j)
{
	struct end *e = &j->in;

	if (!j->opened || e->busy || e->done || j->over)
		return;
	drain_in(j);
	if (e->at == e->n)
		read_in(e);
}

/* --- the target ---------------------------------------------------------------------------------------- */

static void on_opened(void *ctx)
{
	struct stdio_join *j = ctx;

	j->opened = true;
	j->refs++; /* one of these may end it */
	pump_in(j);
	pump_out(j);
	unref(j);
}

static void on_readable(void *ctx)
{
	pump_out(ctx);
}

static void on_writable(void *ctx)
{
	pump_in(ctx);
}

static void on_closed(void *ctx, int err)
{
	struct stdio_join *j = ctx;

	j->target_err = err;
	if (err != 0 && (!j->opened || j->out.done))
		fail_target(j, err);
	else if (err != 0)
		pump_out(j);
}

static const struct flow_events target_events = { on_opened, on_readable, on_writable, on_closed };

void stdio_join_open(struct stdio_join *j, const struct dest *to)
{
	int r;

	j->to = *to;
	r = target_open(j->ts, to, &target_events, j, &j->target);
	if (r != 0)
		fail_target(j, r);
}

/* --- descriptors --------------------------------------------------------------------------------------- */

/* A descriptor of our own for @fd, which becomes /dev/null. Returns it, or -1 and errno. */
static int take_over(int fd)
{
	int null, own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (own < 0)
		return -1;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, fd) < 0) {
		int err = errno;

		if (null >= 0)
			close(null);
		close(own);
		errno = err;
		return -1;
	}
	close(null);
	return own;
}

/* Returns 0 or a libuv error. */
static int open_stream(struct end *e)
{
	uv_loop_t *loop = e->j->ts->loop;
	int r;

	e->flags = fcntl(e->fd, F_GETFL);
	switch (uv_guess_handle(e->fd)) {
	case UV_TTY:
		e->flags = -1;
		r = uv_tty_init(loop, &e->handle.tty, e->fd, 0);
		if (r != 0)
			return r; /* nothing to be closed */
		break;
	case UV_TCP:
		uv_tcp_init(loop, &e->handle.tcp);
		r = uv_tcp_open(&e->handle.tcp, e->fd);
		break;
	default:
		uv_pipe_init(loop, &e->handle.pipe, 0);
		r = uv_pipe_open(&e->handle.pipe, e->fd);
		break;
	}
	e->open = true;
	e->handle.any.data = e;
	e->j->refs++;
	if (r == 0)
		e->fd = -1; /* closed with the handle */
	return r;
}

static int open_end(struct end *e, struct stdio_join *j, int fd, const char *name, struct fault *f)
{
	int r = 0;

	e->j = j;
	e->name = name;
	e->fd = take_over(fd);
	if (e->fd < 0)
		r = -errno;
	else if (uv_guess_handle(e->fd) == UV_FILE)
		e->is_file = true;
	else
		r = open_stream(e);
	if (r == 0)
		return 0;
	fault_set_final(f, VE_IO, "-W: standard %s: %s", name, uv_strerror(r));
	return VE_IO;
}

/* --- life ---------------------------------------------------------------------------------------------- */

int stdio_join_new(struct stdio_join **ret, struct targets *ts, int in, int out, const struct stdio_join_events *ev,
		   void *ctx, struct fault *f)
{
	struct stdio_join *j = calloc(1, sizeof(*j));
	struct stat a, b;
	bool shared = fstat(in, &a) == 0 && fstat(out, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	int r;

	if (!j) {
		fault_set_final(f, VE_NOMEM, "-W: %s", ve_name(VE_NOMEM));
		return VE_NOMEM;
	}
	j->ts = ts;
	j->ev = ev;
	j->ctx = ctx;
	j->refs = 1;
	j->in.j = j->out.j = j;
	j->in.fd = j->out.fd = j->in.flags = j->out.flags = -1;
	r = open_end(&j->in, j, in, "input", f);
	if (r == 0)
		r = open_end(&j->out, j, out, "output", f);
	j->shared = shared;
	if (r != 0) {
		j->over = true;
		stdio_join_close(j);
		return r;
	}
	*ret = j;
	return 0;
}

void stdio_join_close(struct stdio_join *j)
{
	if (!j)
		return;
	j->closing = true;
	target_free(j->target);
	j->target = NULL;
	close_end(&j->in);
	close_end(&j->out);
	unref(j);
}

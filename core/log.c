/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log.c - one line, made in memory, handed to the kernel in one write().
 *
 * A message is formatted, cut to its bound, and cleaned: what is left is UTF-8 without control characters,
 * whatever a server put into a string, so it can neither break a line nor move a terminal's cursor, and needs
 * no more than two escapes to be JSON. Then it is dressed as text or JSON and written. One write() keeps the
 * lines of several processes that share a descriptor whole; a descriptor that does not take it loses the line
 * rather than stopping the program. */
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/err.h"
#include "core/utf8.h"
#include "core/wr.h"

#define TEXT_MAX 1024u /* the bound in log.h */
#define TIME_MAX 32u   /* "2026-01-02T03:04:05.678Z" and room for a year of any length */
#define LINE_CAP (2 * TEXT_MAX + 128u) /* every byte escaped, and the longest dressing */

static const char *const names[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn",   [LOG_INFO] = "info",
	[LOG_DEBUG] = "debug", [LOG_TRACE] = "trace",
};

static struct {
	enum log_level level;
	bool json;
	void (*sink)(void *ctx, enum log_level level, const char *line);
	void *sink_ctx;
} out = { .level = LOG_INFO };

void log_set_level(enum log_level level)
{
	out.level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= out.level;
}

void log_set_json(bool on)
{
	out.json = on;
}

void log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *line), void *ctx)
{
	out.sink = sink;
	out.sink_ctx = ctx;
}

int log_level_parse(const char *word, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(word, names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return VE_USAGE;
}

/* Shorten @text to TEXT_MAX bytes with "..." at the end, without leaving half a character before it. */
static void cut(char *text)
{
	size_t n = TEXT_MAX - 3;

	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	memcpy(text + n, "...", 4);
}

static void clean(char *text)
{
	size_t n = strlen(text), at = 0;

	while (at < n) {
		size_t len = utf8_char(text + at, n - at);

		if (len > 0 && utf8_is_text(text + at, len)) {
			at += len;
			continue;
		}
		if (len == 0)
			len = 1;
		memset(text + at, '?', len);
		at += len;
	}
}

static void put_time(struct wr *w)
{
	char text[TIME_MAX];
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &tm))
		return;
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	wr_bytes(w, text, n);
	snprintf(text, sizeof(text), ".%03dZ", (int)(now.tv_nsec / 1000000));
	wr_str(w, text);
}

static void put_text_line(struct wr *w, enum log_level level, const char *text)
{
	if (out.level >= LOG_DEBUG) {
		put_time(w);
		wr_u8(w, ' ');
	}
	wr_str(w, "softsocks: ");
	wr_str(w, names[level]);
	wr_str(w, ": ");
	wr_str(w, text);
	wr_u8(w, '\n');
}

static void put_json_line(struct wr *w, enum log_level level, const char *text)
{
	wr_str(w, "{\"time\":\"");
	put_time(w);
	wr_str(w, "\",\"level\":\"");
	wr_str(w, names[level]);
	wr_str(w, "\",\"text\":\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			wr_u8(w, '\\');
		wr_u8(w, (uint8_t)*text);
	}
	wr_str(w, "\"}\n");
}

static void write_line(enum log_level level, const char *text)
{
	char line[LINE_CAP];
	struct wr w = wr_init(line, sizeof(line));
	ssize_t r;

	if (out.json)
		put_json_line(&w, level, text);
	else
		put_text_line(&w, level, text);
	do {
		r = write(STDERR_FILENO, line, w.n);
	} while (r < 0 && errno == EINTR);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[TEXT_MAX + 1];
	int saved = errno, n;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > (int)TEXT_MAX)
		cut(text);
	clean(text);
	if (out.sink)
		out.sink(out.sink_ctx, level, text);
	else
		write_line(level, text);
	errno = saved;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log.h - the one place where lines leave the program.
 *
 * A line starts with the object it speaks of: log_info("tunnel softether: up, address %s", a). Pure code logs
 * nothing: it returns faults, and its driver logs them. Secrets and payload are never arguments. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* Lines above @level are dropped before they are formatted. Default: LOG_INFO. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Parse "error", "warn", "info", "debug" or "trace" into *ret. Returns 0 or VE_USAGE (*ret untouched). */
int log_level_parse(const char *word, enum log_level *ret);

/* Choose the form of the lines on stderr. Text (the default): "softsocks: LEVEL: text", led by the time when
 * the level is debug or trace. JSON: one object a line, {"time":...,"level":...,"text":...}. Times are UTC,
 * RFC 3339. */
void log_set_json(bool on);

/* Send lines somewhere else than stderr (tests). @line is the bare text without newline, level or time, and
 * is borrowed for the call. NULL: stderr again. */
void log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *line), void *ctx);

/* One line, at most 1 KiB (longer ones end in "..."); control characters, and bytes that are not UTF-8, are
 * shown as '?'. Keeps errno. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_at(level, ...)                         \
	do {                                       \
		if (log_enabled(level))            \
			log_line(level, __VA_ARGS__); \
	} while (0)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_trace(...) log_at(LOG_TRACE, __VA_ARGS__)

#endif

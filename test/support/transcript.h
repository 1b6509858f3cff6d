/* SPDX-License-Identifier: GPL-3.0-or-later */
/* transcript.h - reads a recorded SSTP session: test/vectors/sstp, format in its README. */
#ifndef TEST_SUPPORT_TRANSCRIPT_H
#define TEST_SUPPORT_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

#define TRANSCRIPT_VALUES_MAX 32u
#define TRANSCRIPT_ENTRIES_MAX 200u

struct transcript_value {
	char name[32];
	char text[128];    /* for the names that hold text */
	uint8_t bytes[1024];
	size_t n;
};

struct transcript_entry {
	char who;          /* 'C', 'S' or '!' */
	uint64_t ms;
	char text[120];
	uint8_t bytes[4096];
	size_t n;
};

struct transcript {
	struct transcript_value values[TRANSCRIPT_VALUES_MAX];
	size_t nvalues;
	struct transcript_entry entries[TRANSCRIPT_ENTRIES_MAX];
	size_t nentries;
};

/* Read test/vectors/sstp/NAME.txt, from the project's top directory. malloc'd; aborts with a line if it is
 * not well-formed. */
struct transcript *transcript_read(const char *name);

/* The value called @name, or NULL. */
const struct transcript_value *transcript_value(const struct transcript *t, const char *name);

/* Its bytes; n == 0 if there is none. */
struct slice transcript_bytes(const struct transcript *t, const char *name);

/* Its text; aborts if there is none. */
const char *transcript_text(const struct transcript *t, const char *name);

/* The SSTP packet of an entry: is it data, and with which PPP protocol? 0: not a data packet, or HTTP. */
uint16_t transcript_protocol(const struct transcript_entry *e, struct slice *ret_packet);

/* The type of a control packet, 0: it is none. */
uint16_t transcript_control(const struct transcript_entry *e);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "test/support/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/support/unhex.h"

static const char *const text_names[] = { "outer_tls", "inner_tls", "client_tls",
					  "user",      "password",  "binding_hash_id" };

static void die(const char *name, unsigned line, const char *what)
{
	fprintf(stderr, "transcript %s:%u: %s\n", name, line, what);
	abort();
}

/* Copy a line's text, cut to what there is room for. */
static void keep(char *to, size_t cap, const char *from)
{
	size_t n = min_size(strlen(from), cap - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

static bool is_text(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(text_names); i++) {
		if (strcmp(text_names[i], name) == 0)
			return true;
	}
	return false;
}

/* "= name rest" */
static void read_value(struct transcript *t, char *line, const char *file, unsigned number)
{
	struct transcript_value *v = &t->values[t->nvalues];
	char *name = line + 2, *rest = strchr(name, ' ');

	if (t->nvalues == TRANSCRIPT_VALUES_MAX)
		die(file, number, "too many values");
	t->nvalues++;
	if (rest)
		*rest++ = '\0';
	keep(v->name, sizeof(v->name), name);
	if (!rest)
		return;
	keep(v->text, sizeof(v->text), rest);
	if (!is_text(v->name))
		v->n = unhex(rest, v->bytes, sizeof(v->bytes));
}

/* "C ms bytes meaning" or "! ms text" */
static void read_entry(struct transcript *t, const char *line, size_t *ret_expected, const char *file,
		       unsigned number)
{
	struct transcript_entry *e = &t->entries[t->nentries];
	unsigned long ms, bytes = 0;
	int at = 0;

	if (t->nentries == TRANSCRIPT_ENTRIES_MAX)
		die(file, number, "too many entries");
	t->nentries++;
	if (line[0] == '!' ? sscanf(line + 1, " %lu %n", &ms, &at) < 1
			   : sscanf(line + 1, " %lu %lu %n", &ms, &bytes, &at) < 2)
		die(file, number, "no entry");
	e->who = line[0];
	e->ms = ms;
	keep(e->text, sizeof(e->text), line + 1 + at);
	*ret_expected = bytes;
}

static void check_length(const struct transcript *t, size_t expected, const char *file, unsigned number)
{
	if (t->nentries > 0 && t->entries[t->nentries - 1].n != expected)
		die(file, number, "an entry has not the length it says");
}

struct transcript *transcript_read(const char *name)
{
	struct transcript *t = calloc(1, sizeof(*t));
	char path[200], line[400];
	bool in_values = true;
	size_t expected = 0;
	unsigned number = 0;
	FILE *f;

	snprintf(path, sizeof(path), "test/vectors/sstp/%s.txt", name);
	f = fopen(path, "r");
	if (!t || !f)
		die(path, 0, "cannot be read; tests run in the project's top directory");
	while (fgets(line, sizeof(line), f)) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (line[0] == '=') {
			read_value(t, line, name, number);
		} else if (line[0] == ' ' && in_values && t->nentries == 0 && t->nvalues > 0) {
			struct transcript_value *v = &t->values[t->nvalues - 1];

			v->n += unhex(line, v->bytes + v->n, sizeof(v->bytes) - v->n);
		} else if (line[0] == ' ' && t->nentries > 0) {
			struct transcript_entry *e = &t->entries[t->nentries - 1];

			e->n += unhex(line, e->bytes + e->n, sizeof(e->bytes) - e->n);
		} else if (strchr("CS!", line[0])) {
			in_values = false;
			check_length(t, expected, name, number);
			read_entry(t, line, &expected, name, number);
		} else {
			die(name, number, "no line of a transcript");
		}
	}
	check_length(t, expected, name, number);
	fclose(f);
	return t;
}

const struct transcript_value *transcript_value(const struct transcript *t, const char *name)
{
	for (size_t i = 0; i < t->nvalues; i++) {
		if (strcmp(t->values[i].name, name) == 0)
			return &t->values[i];
	}
	return NULL;
}

struct slice transcript_bytes(const struct transcript *t, const char *name)
{
	const struct transcript_value *v = transcript_value(t, name);

	return v ? (struct slice){ .p = v->bytes, .n = v->n } : (struct slice){ 0 };
}

const char *transcript_text(const struct transcript *t, const char *name)
{
	const struct transcript_value *v = transcript_value(t, name);

	if (!v)
		die(name, 0, "no such value");
	return v->text;
}

/* A reader of its own, on purpose: what is tested here must not be what reads it. */
uint16_t transcript_protocol(const struct transcript_entry *e, struct slice *ret_packet)
{
	const uint8_t *p = e->bytes;
	size_t at = 4;
	uint16_t protocol;

	if (e->n < 6 || p[0] != 0x10 || (p[1] & 1))
		return 0;
	if (p[at] == 0xff && p[at + 1] == 0x03)
		at += 2;
	protocol = p[at];
	at++;
	if (!(protocol & 1)) {
		protocol = (uint16_t)(protocol << 8 | p[at]);
		at++;
	}
	*ret_packet = (struct slice){ .p = p + at, .n = e->n - at };
	return protocol;
}

uint16_t transcript_control(const struct transcript_entry *e)
{
	if (e->n < 8 || e->bytes[0] != 0x10 || !(e->bytes[1] & 1))
		return 0;
	return load_be16(e->bytes + 4);
}

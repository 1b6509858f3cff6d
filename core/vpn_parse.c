/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vpn_parse.c - an account file, line by line; see vpn_parse.h.
 *
 * The text is taken to pieces where it lies: words are ended by NULs, and what they stand for is never longer than
 * they are. A file is whole only if all of its folders are closed, so one that was cut off is never taken for a
 * shorter one. */
#include "core/vpn_parse.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base64.h"
#include "core/bytes.h"
#include "core/limits.h"

const struct vpn_key_info vpn_keys[VPN_KEYS] = {
#define VPN_KEY(id, in, key, kind, meaning) \
	[VPN_K_##id] = { .folder = VPN_##in, .name = key, .type = VPN_##kind, .note = meaning },
#include "core/vpn_keys.def"
#undef VPN_KEY
};

static const char *const type_words[] = {
	[VPN_BOOL] = "bool", [VPN_UINT] = "uint", [VPN_UINT64] = "uint64", [VPN_STRING] = "string", [VPN_BYTE] = "byte"
};

struct reader {
	struct vpn_account *a;
	const char *file;
	struct fault *f;
	unsigned line;
	enum vpn_folder path[VPN_DEPTH_MAX]; /* the folders that are open */
	unsigned depth;
	bool declared; /* the next line must be "{" */
	bool seen_root;
};

static int wrong(const struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int wrong(const struct reader *r, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fault_set(r->f, VE_USAGE, "account file %.200s, line %u: %s", r->file, r->line, text);
	return VE_USAGE;
}

/* --- words ---------------------------------------------------------------------------------------------- */

/* Cut the next word off *@at. NULL if there is none. */
static char *next_word(char **at)
{
	static const char blanks[] = " \t\r";
	char *word = *at + strspn(*at, blanks), *end = word + strcspn(word, blanks);

	*at = *end != '\0' ? end + 1 : end;
	*end = '\0';
	return end > word ? word : NULL;
}

/* Undo the escapes, in place. Returns the length, or -1. */
static ptrdiff_t unescape(char *word)
{
	char *to = word;

	if (strcmp(word, "$") == 0) {
		*word = '\0';
		return 0;
	}
	for (const char *s = word; *s; s++) {
		int high, low;

		if (*s != '$') {
			*to++ = *s;
			continue;
		}
		high = hex_digit((unsigned char)s[1]);
		low = high >= 0 ? hex_digit((unsigned char)s[2]) : -1;
		if (low < 0 || (high == 0 && low == 0))
			return -1;
		*to++ = (char)(high << 4 | low);
		s += 2;
	}
	*to = '\0';
	return to - word;
}

/* Decimal digits only. */
static int parse_decimal(const char *word, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (*word == '\0')
		return VE_USAGE;
	for (; *word; word++) {
		unsigned digit = (unsigned)((unsigned char)*word - '0');

		if (digit > 9 || v > (max - digit) / 10)
			return VE_USAGE;
		v = v * 10 + digit;
	}
	*ret = v;
	return 0;
}

/* --- values --------------------------------------------------------------------------------------------- */

static int take_number(const struct reader *r, enum vpn_key key, const char *word, struct vpn_value *v)
{
	enum vpn_type type = vpn_keys[key].type;
	uint64_t max = type == VPN_UINT64 ? UINT64_MAX : UINT32_MAX;
	int err = parse_decimal(word, max, &v->number);

	if (type != VPN_BOOL)
		return err == 0 ? 0 : wrong(r, "%s: expected a number from 0 to %llu", vpn_keys[key].name,
					    (unsigned long long)max);
	if (err == 0)
		v->number = v->number != 0;
	else if (strcasecmp(word, "true") == 0 || strcasecmp(word, "false") == 0)
		v->number = (word[0] | 0x20) == 't';
	else
		return wrong(r, "%s: expected true or false", vpn_keys[key].name);
	return 0;
}

static int take_bytes(const struct reader *r, enum vpn_key key, char *word, size_t n, struct vpn_value *v)
{
	switch (base64_decode(word, n, (uint8_t *)word, CERT_DER_MAX, &v->n)) {
	case 0:
		word[v->n] = '\0';
		v->text = word;
		return 0;
	case VE_LIMIT:
		return wrong(r, "%s: longer than %u bytes", vpn_keys[key].name, CERT_DER_MAX);
	default:
		return wrong(r, "%s: expected Base64", vpn_keys[key].name);
	}
}

static int take_value(const struct reader *r, enum vpn_key key, enum vpn_type type, char *word)
{
	struct vpn_value *v = &r->a->v[key];
	ptrdiff_t n = unescape(word);

	if (v->line != 0)
		return wrong(r, "%s is in line %u already", vpn_keys[key].name, v->line);
	if (type != vpn_keys[key].type)
		return wrong(r, "%s: expected %s", vpn_keys[key].name, type_words[vpn_keys[key].type]);
	if (n < 0)
		return wrong(r, "%s: a $ is not followed by two hex digits that are a character", vpn_keys[key].name);
	v->line = r->line;
	if (type == VPN_BYTE)
		return take_bytes(r, key, word, (size_t)n, v);
	if (type != VPN_STRING)
		return take_number(r, key, word, v);
	v->text = word;
	v->n = (size_t)n;
	return 0;
}

static void note_unknown(const struct reader *r, const char *name)
{
	struct vpn_account *a = r->a;

	if (a->nunknown < VPN_UNKNOWN_MAX)
		a->unknown[a->nunknown] = (struct vpn_unknown){ .line = r->line, .name = name };
	a->nunknown++;
}

/* "TYPE NAME VALUE": @type is known. A missing value is an empty one. */
static int take_item(const struct reader *r, enum vpn_type type, char *name, char *word)
{
	enum vpn_folder folder;

	if (r->depth == 0)
		return wrong(r, "a value outside of \"declare root\"");
	folder = r->path[r->depth - 1];
	if (folder == VPN_OTHER)
		return 0; /* its folder is named as unknown */
	if (!name || unescape(name) < 0)
		return wrong(r, "expected a name behind %s", type_words[type]);
	for (int key = 0; key < VPN_KEYS; key++) {
		if (vpn_keys[key].folder == folder && strcasecmp(vpn_keys[key].name, name) == 0)
			return take_value(r, (enum vpn_key)key, type, word ? word : name + strlen(name));
	}
	note_unknown(r, name);
	return 0;
}

/* --- folders -------------------------------------------------------------------------------------------- */

static int declare(struct reader *r, char *name)
{
	enum vpn_folder in = r->depth > 0 ? r->path[r->depth - 1] : VPN_OTHER, folder = VPN_OTHER;

	if (!name || unescape(name) < 0)
		return wrong(r, "expected a name behind declare");
	if (r->depth == VPN_DEPTH_MAX)
		return wrong(r, "more than %u folders in folders", VPN_DEPTH_MAX);
	if (r->depth == 0) {
		if (strcasecmp(name, "root") != 0 || r->seen_root)
			return wrong(r, "expected one \"declare root\" around everything");
		r->seen_root = true;
		folder = VPN_ROOT;
	} else if (in == VPN_ROOT && strcasecmp(name, "ClientAuth") == 0) {
		folder = VPN_AUTH;
	} else if (in == VPN_ROOT && strcasecmp(name, "ClientOption") == 0) {
		folder = VPN_OPTION;
	} else if (in != VPN_OTHER) {
		note_unknown(r, name);
	}
	r->path[r->depth++] = folder;
	r->declared = true;
	return 0;
}

static int take_line(struct reader *r, char *line)
{
	char *word = next_word(&line), *name;

	if (!word)
		return 0;
	if (r->declared) {
		r->declared = false;
		return strcmp(word, "{") == 0 ? 0 : wrong(r, "expected { behind declare");
	}
	if (strcmp(word, "{") == 0)
		return wrong(r, "there is a { without declare");
	if (strcmp(word, "}") == 0) {
		if (r->depth == 0)
			return wrong(r, "there is a } too many");
		r->depth--;
		return 0;
	}
	name = next_word(&line);
	if (strcasecmp(word, "declare") == 0)
		return declare(r, name);
	for (int type = VPN_BOOL; type <= VPN_BYTE; type++) {
		if (strcasecmp(word, type_words[type]) == 0)
			return take_item(r, (enum vpn_type)type, name, next_word(&line));
	}
	return 0;
}

int vpn_parse(struct vpn_account *ret, const char *file, char *text, struct fault *f)
{
	struct reader r = { .a = ret, .file = file, .f = f };
	int err = 0;

	*ret = (struct vpn_account){ 0 };
	for (int key = 0; key < VPN_KEYS; key++)
		ret->v[key].text = "";
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (text && err == 0) {
		char *end = strchr(text, '\n');

		if (end)
			*end = '\0';
		r.line++;
		err = take_line(&r, text);
		text = end ? end + 1 : NULL;
	}
	if (err == 0 && !r.seen_root)
		err = wrong(&r, "no account file of SoftEther's client: there is no \"declare root\" in it");
	if (err == 0 && (r.depth > 0 || r.declared))
		err = wrong(&r, "the file is cut off: a folder is not closed");
	return err;
}

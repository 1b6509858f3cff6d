/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_vpn_file.c - an account file of any bytes is refused with a reason, or becomes a config file that our own parser
 * takes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/conf.h"
#include "core/vpn_file.h"
#include "test/support/fuzz.h"

static const char *config; /* what "-c any" reads */

static int read_text(const char *path, char **ret_text, struct fault *f)
{
	(void)path;
	*ret_text = strdup(config);
	if (!*ret_text)
		fault_set(f, VE_NOMEM, "no memory");
	return *ret_text ? 0 : VE_NOMEM;
}

static void check_fault(const struct fault *f)
{
	MUST(f->err == VE_USAGE && f->text[0] != '\0');
	for (const char *s = f->text; *s; s++)
		MUST((unsigned char)*s >= 0x20 && *s != 0x7f);
}

/* The result, and the file itself given to -c, are the same configuration. */
static void check_parses(const char *text)
{
	static char *const argv[] = { "softsocks", "check", "-c", "any", NULL };
	static struct conf c;
	struct fault f = { 0 };

	config = text;
	MUST(conf_parse(&c, ARRAY_LEN(argv) - 1, argv, NULL, read_text, &f) == 0);
	MUST(c.protocol->link == LINK_ETHERNET && c.hub[0] != '\0');
	MUST(c.tcp_connections >= 1 && c.tcp_connections <= SESSION_CHANNELS_MAX);
	MUST(!(c.has_password_hash && c.password_text));
	conf_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fault f = { 0 };
	char *text, *result = NULL;

	if (size > CONF_FILE_MAX || memchr(data, '\0', size)) /* as conf_read_file() */
		return 0;
	text = malloc(size + 1);
	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (vpn_file_convert("any", text, &result, &f) == 0) {
		MUST(f.err == 0 && !vpn_file_is(result) && strlen(result) <= CONF_FILE_MAX);
		check_parses(result);
		if (vpn_file_is(text))
			check_parses(text);
		free(result);
	} else {
		check_fault(&f);
		MUST(!result);
	}
	free(text);
	return 0;
}

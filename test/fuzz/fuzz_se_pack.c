/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_se_pack.c - any bytes as a PACK; what was accepted is then read through every getter, under every name
 * in it. */
#include <stdint.h>
#include <string.h>

#include "core/softether/se_pack.h"
#include "test/support/fuzz.h"

static volatile uint8_t sink;

/* Read every byte, so that a sanitizer sees one that is not there. */
static void touch(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		sink = s.p[i];
}

static void read_element(const struct se_pack *p, const struct se_pack_element *e)
{
	char name[SE_PACK_NAME_MAX + 1];
	unsigned found = 0;
	uint8_t fixed[20];
	struct slice s;
	struct ip ip;
	uint32_t v;
	uint64_t v64;

	memcpy(name, e->name, e->name_len);
	name[e->name_len] = '\0';
	MUST(se_pack_count(p, name, e->type) == e->count);
	for (size_t i = 0; i <= e->count; i++) {
		if (se_pack_u32(p, name, i, &v))
			found++;
		if (se_pack_u64(p, name, i, &v64))
			found++;
		if (se_pack_data(p, name, i, &s) || se_pack_str(p, name, i, &s)) {
			MUST(s.n <= SE_PACK_VALUE_MAX);
			touch(s);
			found++;
		}
	}
	MUST(found == e->count);
	(void)se_pack_fixed(p, name, fixed, sizeof(fixed));
	if (se_pack_ip(p, name, &ip))
		MUST(ip.family == IP_V4 || ip.family == IP_V6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fault f = { 0 };
	struct se_pack p;

	if (se_pack_parse(&p, (struct slice){ .p = data, .n = size }, &f) != 0) {
		MUST(f.err == VE_PROTO && f.text[0] != '\0');
		return 0;
	}
	MUST(f.err == 0 && p.n <= SE_PACK_ELEMENTS_MAX);
	for (size_t i = 0; i < p.n; i++)
		read_element(&p, &p.e[i]);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_ident.c - each number is SHA-256(label, installation, host, hub, user), cut to its size.
 *
 * The strings go in with their NUL, so that no two accounts give the same bytes. A label for each number
 * keeps the MAC, which everybody on the hub sees, from telling anything about the numbers that only the
 * server sees. */
#include "core/softether/se_ident.h"

#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "core/bytes.h"
#include "core/err.h"

static int add_folded(wc_Sha256 *h, const char *s)
{
	int r = 0;

	do {
		uint8_t c = (uint8_t)*s;

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + ('a' - 'A'));
		r |= wc_Sha256Update(h, &c, 1);
	} while (*s++);
	return r;
}

static int derive(const char *label, const uint8_t *installation, const char *const names[3], uint8_t *to,
		  size_t n)
{
	uint8_t digest[WC_SHA256_DIGEST_SIZE];
	wc_Sha256 h;
	int r;

	if (wc_InitSha256(&h) != 0)
		return VE_NOMEM;
	r = wc_Sha256Update(&h, (const uint8_t *)label, (word32)strlen(label) + 1);
	r |= wc_Sha256Update(&h, installation, 20);
	for (unsigned i = 0; i < 3; i++)
		r |= add_folded(&h, names[i]);
	r |= wc_Sha256Final(&h, digest);
	wc_Sha256Free(&h);
	if (r == 0)
		memcpy(to, digest, n);
	wipe(digest, sizeof(digest));
	return r == 0 ? 0 : VE_NOMEM;
}

int se_ident_make(struct se_ident *ret, const uint8_t installation[static 20], const char *host,
		  const char *hub, const char *user)
{
	const char *const names[3] = { host, hub, user };
	struct se_ident id;

	if (derive("softether machine", installation, names, id.machine, sizeof(id.machine)) != 0 ||
	    derive("softether node", installation, names, id.node, sizeof(id.node)) != 0 ||
	    derive("softether mac", installation, names, id.mac, sizeof(id.mac)) != 0)
		return VE_NOMEM;
	id.mac[0] = 0x5e; /* so never 00:AE, the hub's own (11.2) */
	*ret = id;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session_table.c - the protocols this program speaks; a new one is one row here. */
#include <strings.h>

#include "core/session.h"
#include "core/softether/softether.h"
#include "core/sstp/sstp.h"

static const struct session_ops *const table[] = {
	&softether_session_ops,
	&softether_udp_session_ops,
	&sstp_session_ops,
	NULL,
};

const struct session_ops *session_find(const char *scheme)
{
	for (size_t i = 0; table[i]; i++) {
		if (strcasecmp(table[i]->scheme, scheme) == 0)
			return table[i];
	}
	return NULL;
}

const struct session_ops *const *session_table(void)
{
	return table;
}

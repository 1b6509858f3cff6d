/* SPDX-License-Identifier: GPL-3.0-or-later */

/* rival-nogroups.c - to be preloaded into ocserv: it gives up supplementary groups that it does not have.
 *
 * ocserv as root insists on setgroups(), which the kernel denies in a user namespace made without privilege, and ends
 * every connection. In there only one group exists, so there is nothing to give up. Nothing else of it is changed.
 */
#include <grp.h>

int setgroups(size_t n, const gid_t *list)
{
	(void)n;
	(void)list;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vpn_file.h - account files of SoftEther's own client (.vpn), made into config files of ours (softether-protocol.md
 * 12.2). Pure: text to text. */
#ifndef CORE_VPN_FILE_H
#define CORE_VPN_FILE_H

#include <stdbool.h>

#include "core/err.h"

/* Does @text look like one? By content: the first line that is neither empty nor a comment is "declare root". A config
 * file has no such line. */
bool vpn_file_is(const char *text);

/* Make the account file @text, called @name in the fault, a config file: every key that means something here is an
 * option, every other one is named in a comment. The result, malloc'd, may hold secrets: wipe it. What conf_parse() would
 * refuse is refused here. Returns 0, VE_NOMEM, or VE_USAGE with the line and the reason: not such a file, cut off, nested
 * too deeply, a value that is none, no host or hub, a login with a smart card. */
int vpn_file_convert(const char *name, const char *text, char **ret, struct fault *f);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vpn_parse.h - the grammar of SoftEther's account files (softether-protocol.md 12.2), for vpn_file.c.
 *
 * Lines of words: "declare NAME" and folders in braces, "TYPE NAME VALUE" in them. "$XX" is a byte, a single "$" the
 * empty string. Keywords and names have no case; lines that begin with another word are comments. */
#ifndef CORE_VPN_PARSE_H
#define CORE_VPN_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum vpn_folder { VPN_OTHER, VPN_ROOT, VPN_AUTH, VPN_OPTION };
enum vpn_type { VPN_BOOL, VPN_UINT, VPN_UINT64, VPN_STRING, VPN_BYTE };

enum vpn_key {
#define VPN_KEY(id, folder, name, type, note) VPN_K_##id,
#include "core/vpn_keys.def"
#undef VPN_KEY
	VPN_KEYS
};

struct vpn_key_info {
	enum vpn_folder folder;
	const char *name;
	enum vpn_type type;
	const char *note;
};

extern const struct vpn_key_info vpn_keys[VPN_KEYS];

struct vpn_value {
	unsigned line;   /* where it is; 0: not in the file, and the rest is 0, "" and no bytes */
	uint64_t number; /* VPN_BOOL, VPN_UINT, VPN_UINT64 */
	const char *text; /* VPN_STRING, VPN_BYTE: in the buffer; never NULL, with a NUL behind it and none in a string */
	size_t n;
};

#define VPN_DEPTH_MAX 8u    /* folders in folders; an account has 2 */
#define VPN_UNKNOWN_MAX 32u /* unknown keys and folders that are remembered by name; there are none today */

struct vpn_account {
	struct vpn_value v[VPN_KEYS];
	struct vpn_unknown {
		unsigned line;
		const char *name;
	} unknown[VPN_UNKNOWN_MAX];
	size_t nunknown; /* all of them, even above VPN_UNKNOWN_MAX */
};

/* Read the file in @text, which is taken to pieces and then holds what *ret points to; @file is its name for the fault.
 * Returns 0, or VE_USAGE with @f: the line and what is wrong with it, or that the file is cut off. */
int vpn_parse(struct vpn_account *ret, const char *file, char *text, struct fault *f);

#endif

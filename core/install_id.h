/* SPDX-License-Identifier: GPL-3.0-or-later */
/* install_id.h - 20 bytes that say "the same softsocks as last time" and nothing else.
 *
 * A server ties DHCP leases, session counts and its logs to them (session_conf.installation_id), so they stay
 * the same for a user on a machine, differ between users and machines, and lead back to neither. */
#ifndef CORE_INSTALL_ID_H
#define CORE_INSTALL_ID_H

#include <stdint.h>

#define INSTALL_ID_SIZE 20 /* softether-protocol.md 5.1: unique_id */

enum install_id_source {
	INSTALL_ID_STORED,  /* random, from the file, which may have been made just now */
	INSTALL_ID_MACHINE, /* derived from machine id and user id: the file could not be written */
	INSTALL_ID_RANDOM,  /* neither was there: good for this run only */
};

/* The id of this user on this machine. Stored in $XDG_STATE_HOME/softsocks/installation-id, or, without that
 * variable, in ~/.local/state/softsocks/installation-id (mode 0600, directories 0700). Never fails; logs a
 * warning for INSTALL_ID_RANDOM. */
void install_id_get(uint8_t ret[static INSTALL_ID_SIZE]);

/* The same with the places given: @state_dir is what XDG_STATE_HOME would be (NULL: none), @machine_id a file
 * like /etc/machine-id. Returns where the id is from. */
enum install_id_source install_id_load(const char *state_dir, const char *machine_id,
				       uint8_t ret[static INSTALL_ID_SIZE]);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_table.h - what the rows of options.def mean to conf*.c and conf_text.c. */
#ifndef CORE_CONF_TABLE_H
#define CORE_CONF_TABLE_H

enum {
	OPT_SWITCH = 1 << 0,    /* yes or no; on the command line the bare name means yes */
	OPT_REPEAT = 1 << 1,    /* a list: repeat it, or in the environment separate by commas or blanks */
	OPT_ARGV_ONLY = 1 << 2, /* not in a config file or the environment */
	OPT_NO_ARGV = 1 << 3,   /* only there: on the command line it stands without its name */
	OPT_HIDDEN = 1 << 4,    /* not in any text */
	OPT_FILE_NAME = 1 << 5, /* completions offer file names */
	OPT_FILE_ONLY = 1 << 6, /* only in a config file: what others could read elsewhere */
	OPT_SECRET = 1 << 7,    /* never shown; a config file that has it should be nobody else's to read */
};

#define OPT_NOT_TYPED (OPT_NO_ARGV | OPT_FILE_ONLY) /* there is no --name */

#define ENV_PREFIX "SOFTSOCKS_"

/* Texts that several rows share. */
#define EXPECTED_SWITCH "yes or no"
#define EXPECTED_FD "the number of a descriptor, 0 to 1048575"
#define EXPECTED_HOST "a host name"
#define EXPECTED_FILE "the name of a file"

#define FD_MAX 1048575u /* what Linux allows a process by default, fs.nr_open */

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credential_int.h - what credential.c and credential_file.c share. */
#ifndef CORE_CREDENTIAL_INT_H
#define CORE_CREDENTIAL_INT_H

#include "core/credential.h"

/* Say why, for good. Is VE_USAGE. */
#define refuse(f, ...) (fault_set_final((f), VE_USAGE, __VA_ARGS__), VE_USAGE)

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz.h - what every fuzz target has. */
#ifndef TEST_SUPPORT_FUZZ_H
#define TEST_SUPPORT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The target, called by libFuzzer or by replay_main.c. Deterministic; keeps no state between calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What always holds, whatever the input; unlike assert() in every build. */
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cc.h - compiler and platform as lwIP wants them described. */
#ifndef SOFTSOCKS_LWIP_ARCH_CC_H
#define SOFTSOCKS_LWIP_ARCH_CC_H

#include <endian.h> /* BYTE_ORDER, LITTLE_ENDIAN */
#include <stdio.h>
#include <stdlib.h>

#include "lwip_hooks.h"

#define LWIP_RAND() netstack_random()
#define LWIP_PLATFORM_ASSERT(x) netstack_assert_failed(x, __LINE__, __FILE__)
#define LWIP_PLATFORM_DIAG(x) do { fprintf x; } while (0) /* only with LWIP_DEBUG, which no build of ours sets */
#define LWIP_ERRNO_STDINCLUDE 1

#endif

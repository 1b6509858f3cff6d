/* SPDX-License-Identifier: GPL-3.0-or-later */
/* version.h - the one place that says which version this is. */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

#define SOFTSOCKS_VERSION "0.1.0"
#define SOFTSOCKS_VERSION_NUMBER 1 /* major * 100 + minor, as SoftEther counts */
#define SOFTSOCKS_BUILD 1

#endif

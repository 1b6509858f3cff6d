/* SPDX-License-Identifier: GPL-3.0-or-later */
/* err.h - what can go wrong, as codes for programs and as one line for people.
 *
 * Functions return 0 or a negative VE_*. A fault is what ends something: its code, and the one line the user will
 * read. Whoever first sees the cause writes the line; everybody else passes it on. Our own bugs are not errors: they
 * assert. */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include <stdbool.h>
#include <stdint.h>

/* X(code, number, exit status if it ends the program, name) - the names are stable: tests and JSON logs use them. */
#define VE_LIST(X)                                                                                    \
	X(VE_AGAIN, -1, 6, "again")             /* flow control: nothing taken, try after room; never logged */ \
	X(VE_EOF, -2, 6, "eof")                 /* the other side finished in an orderly way */              \
	X(VE_NOMEM, -3, 6, "no memory")         /* an allocation failed */                                   \
	X(VE_LIMIT, -4, 6, "limit")             /* one of the caps of limits.h was reached */                \
	X(VE_USAGE, -5, 2, "usage")             /* command line or config file */                            \
	X(VE_RESOLVE, -6, 3, "unknown host")    /* the server's or the target's name has no address */       \
	X(VE_CONNECT, -7, 3, "connect failed")  /* the way to the server: TCP or upstream proxy */           \
	X(VE_TLS, -8, 4, "tls")                 /* handshake, certificate, pin */                            \
	X(VE_AUTH, -9, 5, "authentication")     /* the server refused us, or we refuse to log in to it */    \
	X(VE_PROTO, -10, 6, "protocol")         /* the peer broke a rule of its protocol */                  \
	X(VE_TIMEOUT, -11, 6, "timeout")        /* the peer did not answer in its time */                    \
	X(VE_ADDRESS, -12, 7, "no address")     /* no DHCP answer, IPCP without address */                   \
	X(VE_LISTEN, -13, 8, "listen failed")   /* a local listener could not be opened */                   \
	X(VE_LOST, -14, 9, "tunnel lost")       /* it was up and went away */                                \
	X(VE_DOWN, -15, 9, "tunnel down")       /* a request came while there is no tunnel */                \
	X(VE_REFUSED, -16, 6, "refused")        /* private target: connection refused */                     \
	X(VE_UNREACH, -17, 6, "host unreachable")    /* private target: no route to this host */             \
	X(VE_NETUNREACH, -18, 6, "net unreachable")  /* private target: no address of that family here */    \
	X(VE_RESET, -19, 6, "reset")            /* private target: it reset an open connection */            \
	X(VE_CANCELED, -20, 0, "canceled")      /* somebody asked us to stop */                              \
	X(VE_IO, -21, 6, "input/output")        /* a local file or socket failed */                          \
	X(VE_BLOCKED, -22, 6, "blocked")        /* a rule, or this machine's, forbids the destination */

enum {
#define VE_ENUM(code, num, exit_status, name) code = num,
	VE_LIST(VE_ENUM)
#undef VE_ENUM
};

/* The stable name of a code ("timeout"), "ok" for 0, "unknown" for what is none of ours. Static. */
const char *ve_name(int err);

/* The exit status of architecture section 4 for a code; 0 for 0. */
int ve_exit_status(int err);

#define FAULT_TEXT_MAX 640 /* one line; the longest of ours, a refused crypto binding with its reasons, has about 520 */

struct fault {
	int err;                   /* 0: no fault so far */
	bool final;                /* trying again cannot help (wrong password, wrong certificate) */
	uint32_t wait_ms;          /* not before this time is trying again of use; 0: the usual back-off */
	char text[FAULT_TEXT_MAX]; /* one line for the user, no newline, no secret */
};

/* Record the first fault: keeps an earlier one, so the cause survives its consequences. Control characters that a
 * peer smuggled into the arguments become '?'. */
void fault_set(struct fault *f, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same, and marks it final: no reconnect. */
void fault_set_final(struct fault *f, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif

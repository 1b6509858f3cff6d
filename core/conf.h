/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf.h - everything a user can say, from one option table.
 *
 * options.def holds one row for each option; the command line, the config file, the environment, --help, the
 * man page and the completions are made from it. Parsing is pure: it reads no file by itself (it is given a
 * function that does), opens nothing, and prints nothing; a mistake is one line in a fault that names the
 * place (command line, FILE:LINE or environment), the option, the value and what was expected. Precedence:
 * command line over config file over environment over default. An option that can be repeated is replaced as
 * a whole by the higher source, not added to. */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/route.h"
#include "core/session.h"
#include "core/trust.h"

enum conf_command {
	CMD_CONNECT,
	CMD_CHECK,   /* parse only, and everything was fine */
	CMD_HELP,    /* print conf_text(): --help, or the hidden --man and --completion */
	CMD_VERSION,
	CMD_IMPORT,  /* print the account file conf.import_file as a config file; of all other options only the log's count */
	CMD_PASSWD,  /* SoftEther: set a new password on the server, and that is all */
};

/* Where local programs connect: a TCP address, or a socket in the file system. */
struct listen_addr {
	struct dest at;   /* path NULL */
	const char *path; /* unix:PATH */
};

/* -L and -R, TCP or UDP. */
struct forward {
	struct listen_addr from; /* -L: here, TCP or UDP address. -R: only from.at.port counts, a port of ours in there */
	struct dest to;          /* -L: in the private network (or wherever the routes lead). -R: from this machine */
	bool udp;
};

#define FORWARDS_MAX 64u /* of each direction; a person types them */

/* The texts that are made from the option table. */
enum conf_text_kind { TEXT_HELP, TEXT_MAN, TEXT_BASH, TEXT_ZSH, TEXT_FISH };

struct conf {
	enum conf_command command;
	enum conf_text_kind text; /* CMD_HELP: which */

	/* the URL: scheme://[user@]host[:port][/hub] */
	const struct session_ops *protocol;
	char host[HOST_MAX + 1]; /* no brackets */
	uint16_t port;
	char user[USER_MAX + 1];
	char hub[USER_MAX + 1];

	/* credentials: where to read the password from; never the password itself in argv */
	const char *password_file; /* NULL: not given */
	int password_fd;           /* -1: not given */
	const char *password_text; /* from a config file only; NULL: not there */
	const char *new_password_file; /* CMD_PASSWD, or a server that demands a change; NULL: asked for on the terminal */
	bool has_password_hash;    /* from a config file only: SoftEther's hash, 4.3, as imports have it */
	uint8_t password_hash[20];
	const char *cert_file, *key_file; /* PEM or DER; NULL: not given */
	const char *p12_file;      /* PKCS #12 */
	const char *key_password_file; /* for an encrypted key or PKCS #12; else SOFTSOCKS_KEY_PASSWORD, or a prompt */
	struct slice cert_data, key_data; /* from a config file only: DER; n is 0 without */
	bool anonymous;            /* no user was named, or --auth anonymous: no password either */
	unsigned auth_methods;     /* AUTH_* of session.h; 0: the protocol's own */

	struct trust_conf trust;

	struct listen_addr listen[LISTENERS_MAX]; /* proxy listeners; default 127.0.0.1:1080 */
	unsigned nlisten;
	bool allow_remote; /* listeners may be on other addresses than loopback without proxy_auth */
	const char *proxy_user, *proxy_password_file; /* --proxy-auth USER:FILE; NULL: nobody is asked */
	struct forward local[FORWARDS_MAX], remote[FORWARDS_MAX]; /* -L, -R */
	unsigned nlocal, nremote;
	bool has_stdio;
	struct dest stdio; /* -W: join standard input and output to it; then no default listener */
	struct route_rule *routes; /* malloc'd, in order */
	size_t nroutes;
	uint32_t connect_ms; /* --connect-timeout: one connect of a client */
	uint32_t idle_ms;    /* --idle-timeout: a relayed connection without a byte; 0: for ever */
	const char *search;  /* --search DOMAIN: for names without a dot, instead of the pushed one; "" none; NULL: pushed */

	/* SoftEther */
	unsigned tcp_connections; /* 1..32 */
	enum udp_acceleration udp_acceleration;
	bool compress;
	bool half_connection; /* then tcp_connections is 2 or more */
	uint16_t vlan; /* 802.1Q id, 1..4094; 0: no tags */
	const char *rendezvous; /* --nat-traversal: "" the project's service, else HOST[:PORT]; NULL: off */
	const char *import_file; /* CMD_IMPORT */

	/* static instead of negotiated; IP_NONE: negotiate */
	struct ip ip4;
	uint8_t ip4_prefix;
	struct ip gateway;
	struct ip dns;
	uint16_t mtu; /* 0: negotiated; above 1500 for SoftEther only */

	uint32_t retries; /* reconnects in a row before giving up; UINT32_MAX: for ever */
	bool retries_given; /* the user named a number, or "forever" */
	uint32_t retry_interval_ms; /* first back-off */
	size_t memory;    /* bytes that the windows of all flows share */
	uint32_t hold_ms; /* how long a new request waits for the tunnel */

	int ready_fd; /* -1: none; gets one line and is closed */
	const char *pid_file;
	enum log_level log_level;
	bool log_json;

	const char *secrets_file; /* the config file, if there are passwords or keys in it; NULL */

	char *strings; /* memory behind the const char * above */
	size_t strings_len, strings_cap;
};

/* Parse @argv (argv[0] is skipped) and @env ("NAME=value", NULL-terminated; may be NULL). A -c FILE on the
 * command line, a config file or an account file (vpn_file.h), is read by @read_file, which gives malloc'd text
 * (NUL-terminated, wiped and freed by the caller of it) or a negative VE_* with its reason in the fault. With
 * --help and the like nothing but the command line is looked at. Returns 0 and fills *ret (conf_fini when done),
 * or with @f: VE_USAGE, VE_NOMEM, or what @read_file returned. */
int conf_parse(struct conf *ret, int argc, char *const argv[], char *const env[],
	       int (*read_file)(const char *path, char **ret_text, struct fault *f), struct fault *f);
void conf_fini(struct conf *c);

/* A @read_file for conf_parse(): the whole of a regular file or pipe of at most CONF_FILE_MAX bytes, without
 * NUL bytes. Returns 0, VE_NOMEM, or VE_USAGE with @f naming the file and the system's reason. */
int conf_read_file(const char *path, char **ret_text, struct fault *f);

/* Log a warning if everybody may read a config file with secrets in it. */
void conf_warn_of_public_secrets(const struct conf *c);

/* The text that a command line with CMD_HELP asks for, made from the table, malloc'd. NULL without memory. */
char *conf_text(enum conf_text_kind kind);

/* A URL into host, port, hub and protocol, and into user if it names one (else that stays). "%XX" in user and
 * hub is decoded; both are UTF-8 without control characters. A password in the URL is refused with the reason
 * (other users see argv) and is not repeated in the fault. Returns 0, or VE_USAGE with @f and @c untouched. */
int conf_parse_url(struct conf *c, const char *url, struct fault *f);

#endif

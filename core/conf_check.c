/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_check.c - do the options fit together? One line for the first two that do not, which says what to do.
 *
 * Each value is right by itself when this runs. What only one of the sources said is at a place of its own, and the
 * complaint names that. */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/conf_int.h"

static bool is_softether(const struct conf *c)
{
	return c->protocol->link == LINK_ETHERNET; /* only SoftEther has hubs */
}

static int check_url(struct parse *p)
{
	if (p->c.protocol)
		return 0;
	if (p->config)
		fault_set(p->f, VE_USAGE,
			  "no server: add a URL, softether://USER@HOST/HUB or sstp://USER@HOST, to the command line, or "
			  "the line \"url = ...\" to %.200s",
			  p->config);
	else
		fault_set(p->f, VE_USAGE,
			  "no server: expected a URL, softether://USER@HOST/HUB or sstp://USER@HOST; softsocks --help "
			  "tells more");
	return VE_USAGE;
}

/* --- commands ------------------------------------------------------------------------------------------- */

static int check_import(struct parse *p)
{
	if (!p->c.import_file) {
		fault_set(p->f, VE_USAGE, "import: expected the name of an account file, as in softsocks import FILE.vpn");
		return VE_USAGE;
	}
	for (int id = 0; id < OPTION_COUNT; id++) {
		if (p->set_at[id].rank == FROM_ARGV && id != O_LOG_LEVEL && id != O_LOG_FORMAT)
			return conf_contradiction(p, (enum option_id)id, "import takes no options but those about the log");
	}
	return 0;
}

static int check_passwd(struct parse *p)
{
	static const enum option_id opens[] = { O_STDIO, O_LOCAL_FORWARD, O_REMOTE_FORWARD, O_LISTEN };
	const struct conf *c = &p->c;

	if (c->command != CMD_PASSWD)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(opens); i++) {
		if (p->set_at[opens[i]].rank == FROM_ARGV)
			return conf_contradiction(p, opens[i], "passwd sets a new password on the server, and opens nothing");
	}
	if (!is_softether(c)) {
		fault_set(p->f, VE_USAGE, "passwd: only SoftEther lets users set a password: expected a URL "
					  "softether://USER@HOST/HUB");
		return VE_USAGE;
	}
	if (c->user[0] == '\0') {
		fault_set(p->f, VE_USAGE, "passwd: whose password? Name the user, as in softether://USER@%s/...", c->host);
		return VE_USAGE;
	}
	if (c->anonymous || c->auth_methods != 0)
		return conf_contradiction(p, O_AUTH, "passwd needs a login with the password that is to be changed");
	return 0;
}

/* --- the local side ------------------------------------------------------------------------------------- */

static int check_listeners(struct parse *p)
{
	const struct conf *c = &p->c;

	for (unsigned i = 0; i < c->nlisten && !c->allow_remote && !c->proxy_user; i++) {
		char text[DEST_TEXT_MAX];

		if (c->listen[i].path || conf_is_loopback(&c->listen[i].at.ip))
			continue;
		p->at = p->listen_at[i];
		return conf_complain(p, O_LISTEN, dest_text(&c->listen[i].at, text),
				     "other machines could reach it, and the proxy asks nobody for a password: use "
				     "127.0.0.1 or [::1], add --proxy-auth, or add --allow-remote if everybody there may "
				     "enter the private network");
	}
	return 0;
}

/* A forward has nobody to ask for a password. */
static int check_forwards(struct parse *p)
{
	const struct conf *c = &p->c;

	for (unsigned i = 0; i < c->nlocal && !c->allow_remote; i++) {
		char text[DEST_TEXT_MAX];

		if (c->local[i].from.path || conf_is_loopback(&c->local[i].from.at.ip))
			continue;
		p->at = p->local_at[i];
		return conf_complain(p, O_LOCAL_FORWARD, dest_text(&c->local[i].from.at, text),
				     "other machines could reach it, and a forward asks nobody for a password: use "
				     "127.0.0.1 or [::1], or add --allow-remote if everybody there may reach its target");
	}
	return 0;
}

/* With -W nobody needs the default listener, and several may run at once. */
static int check_stdio(struct parse *p)
{
	struct conf *c = &p->c;

	if (!c->has_stdio)
		return 0;
	if (!conf_is_said(p, O_LISTEN))
		c->nlisten = 0;
	if (c->ready_fd == 1)
		return conf_contradiction(p, O_READY_FD, "--stdio needs standard output for itself: use another descriptor");
	return 0;
}

/* --- the login ------------------------------------------------------------------------------------------ */

/* The option that gives the password; OPTION_COUNT if there is none. */
static enum option_id password_option(const struct conf *c)
{
	if (c->password_file)
		return O_PASSWORD_FILE;
	if (c->password_fd >= 0)
		return O_PASSWORD_FD;
	if (c->password_text)
		return O_PASSWORD;
	return c->has_password_hash ? O_PASSWORD_HASH : OPTION_COUNT;
}

static enum option_id certificate_option(const struct conf *c)
{
	return c->cert_file ? O_CERT : c->p12_file ? O_P12 : c->cert_data.n > 0 ? O_CERT_DATA : OPTION_COUNT;
}

static int check_anonymous(struct parse *p)
{
	struct conf *c = &p->c;
	bool nameless = c->user[0] == '\0';
	enum option_id password = password_option(c);

	if (nameless && c->auth_methods & (AUTH_PLAIN | AUTH_CERTIFICATE))
		return conf_contradiction(p, certificate_option(c) == OPTION_COUNT || conf_is_said(p, O_AUTH) ?
						     O_AUTH : certificate_option(c),
					  "the server wants to know whose login it is: name the user in the URL or with --user");
	if (nameless)
		c->anonymous = true;
	if (c->anonymous && !c->protocol->has_anonymous) {
		fault_set(p->f, VE_USAGE, "%s has no login without a user and a password: name the user, as in %s://USER@%s",
			  c->protocol->scheme, c->protocol->scheme, c->host);
		return VE_USAGE;
	}
	if (c->anonymous && password != OPTION_COUNT)
		return conf_contradiction(p, password,
					  nameless ? "without a user the login is anonymous and has no password: name the "
						     "user in the URL or with --user"
						   : "--auth anonymous has no password: drop one of the two");
	return 0;
}

/* A certificate is enough to say that it is the login. */
static int check_certificate(struct parse *p)
{
	struct conf *c = &p->c;
	enum option_id cert = certificate_option(c), password = password_option(c);

	if (cert != OPTION_COUNT && !conf_is_said(p, O_AUTH))
		c->auth_methods = AUTH_CERTIFICATE;
	if (cert == O_CERT && !c->key_file)
		return conf_contradiction(p, O_CERT, "it needs --key: the certificate's key proves that it is yours");
	if (c->key_file && cert != O_CERT)
		return conf_contradiction(p, O_KEY, "it needs --cert: the certificate that this key belongs to");
	if (cert == O_CERT_DATA && c->key_data.n == 0)
		return conf_contradiction(p, O_CERT_DATA, "it needs key-data: the certificate's key proves that it is yours");
	if (c->key_data.n > 0 && cert != O_CERT_DATA)
		return conf_contradiction(p, O_KEY_DATA, "it needs cert-data: the certificate that this key belongs to");
	if (c->key_password_file && !c->key_file && !c->p12_file)
		return conf_contradiction(p, O_KEY_PASSWORD_FILE, "it needs --key or --p12: there is no key to decrypt");
	if (c->auth_methods & AUTH_CERTIFICATE) {
		if (cert == OPTION_COUNT)
			return conf_contradiction(p, O_AUTH, "certificate needs --cert and --key, or --p12");
		if (password != OPTION_COUNT)
			return conf_contradiction(p, password, "a login with a certificate has no password: drop one of the two "
							       "(--key-password-file is for the key's)");
	} else if (cert != OPTION_COUNT) {
		return conf_contradiction(p, cert, "--auth names another way to log in: drop one of the two");
	}
	return 0;
}

static int check_methods(struct parse *p)
{
	const struct conf *c = &p->c;
	const unsigned softether = AUTH_PLAIN | AUTH_CERTIFICATE;

	if (is_softether(c) && c->auth_methods & ~softether)
		return conf_contradiction(p, O_AUTH, "mschapv2, chap and pap are for sstp://; SoftEther has anonymous, "
						     "password, plain and certificate");
	if (!is_softether(c) && (c->auth_methods & softether || p->auth_password))
		return conf_contradiction(p, O_AUTH, "password, plain and certificate are for softether://; SSTP has "
						     "mschapv2, chap and pap");
	if (c->auth_methods & AUTH_PLAIN && c->has_password_hash)
		return conf_contradiction(p, O_PASSWORD_HASH, "--auth plain sends the password itself, which no hash tells");
	if (c->auth_methods & AUTH_PLAIN && c->trust.insecure)
		return conf_contradiction(p, O_INSECURE, "--auth plain sends the password itself, and whoever is on the way "
							 "could read it: use --pin or --ca");
	return 0;
}

/* What SSTP has nothing like. */
static int check_softether_only(struct parse *p)
{
	static const enum option_id only[] = {
		O_CERT, O_KEY, O_P12, O_KEY_PASSWORD_FILE, O_CERT_DATA, O_KEY_DATA, O_PASSWORD_HASH, O_NEW_PASSWORD_FILE,
		O_TCP_CONNECTIONS, O_UDP_ACCELERATION, O_COMPRESS, O_HALF_CONNECTION, O_NAT_TRAVERSAL,
		O_VLAN,
	};

	if (is_softether(&p->c))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(only); i++) {
		if (conf_is_said(p, only[i]))
			return conf_contradiction(p, only[i], "it is for softether:// only: SSTP has nothing like it");
	}
	if (p->c.mtu > PPP_MTU_MAX)
		return conf_contradiction(p, O_MTU, "PPP carries no packet above 1500 bytes");
	return 0;
}

static int check_transport(struct parse *p)
{
	const struct conf *c = &p->c;

	if (c->half_connection && c->tcp_connections < 2)
		return conf_contradiction(p, O_HALF_CONNECTION, "it needs two connections or more: add --tcp-connections");
	if (c->rendezvous && c->protocol->transport != WIRE_RUDP)
		return conf_contradiction(p, O_NAT_TRAVERSAL, "it finds a way for UDP: it needs a URL that begins with "
							      "softether+udp://");
	return 0;
}

static int check_trust(struct parse *p)
{
	const struct conf *c = &p->c;

	if (c->trust.insecure && c->trust.npins > 0)
		return conf_contradiction(p, O_INSECURE,
					  "it would take any certificate, but --pin asks for a certain one: drop "
					  "--insecure, a pin needs no CA");
	return 0;
}

static int check_descriptors(struct parse *p)
{
	const struct conf *c = &p->c;

	if (c->password_fd >= 0 && c->password_fd == c->ready_fd)
		return conf_contradiction(p, O_READY_FD, "--password-fd is the same descriptor");
	return 0;
}

/* --- addresses ------------------------------------------------------------------------------------------ */

static int check_addresses(struct parse *p)
{
	const struct conf *c = &p->c;

	if (c->gateway.family == IP_NONE)
		return 0;
	if (c->ip4.family == IP_NONE)
		return conf_contradiction(p, O_GATEWAY,
					  "it needs --ip4: an address that is negotiated comes with its gateway");
	if (!conf_same_net(&c->gateway, &c->ip4, c->ip4_prefix) || !conf_is_host_of(&c->gateway, c->ip4_prefix))
		return conf_contradiction(p, O_GATEWAY, "it is no host of the network that --ip4 names");
	if (ip_equal(&c->gateway, &c->ip4))
		return conf_contradiction(p, O_GATEWAY, "it is our own address, --ip4");
	return 0;
}

int conf_check(struct parse *p)
{
	static int (*const checks[])(struct parse *p) = {
		check_url,     check_listeners, check_forwards, check_stdio,	   check_softether_only, check_certificate,
		check_methods, check_anonymous, check_passwd,	check_descriptors, check_trust,		 check_transport,
		check_addresses,
	};
	int r = 0;

	if (p->c.command == CMD_IMPORT)
		return check_import(p);
	for (size_t i = 0; i < ARRAY_LEN(checks) && r == 0; i++)
		r = checks[i](p);
	return r;
}

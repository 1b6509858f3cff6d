/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_conf.c - a URL, a config file, words of a command line, or a variable of the environment, from any bytes.
 *
 * The first byte chooses: 'u' URL, 'f' file, 'e' environment (NAME=value), else words of a command line, one a line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf.h"
#include "core/conf_url.h"
#include "core/utf8.h"
#include "test/support/fuzz.h"

#define URL "softether://user@host/HUB"
#define WORDS_MAX 32

static const char *file_text;

static int read_text(const char *path, char **ret_text, struct fault *f)
{
	(void)path;
	*ret_text = file_text ? strdup(file_text) : NULL;
	if (!*ret_text)
		fault_set(f, VE_USAGE, "no such file");
	return *ret_text ? 0 : VE_USAGE;
}

static void check_fault(const struct fault *f, int r)
{
	MUST(r == VE_USAGE && f->err == VE_USAGE);
	MUST(f->text[0] != '\0');
	for (const char *s = f->text; *s; s++)
		MUST((unsigned char)*s >= 0x20 && *s != 0x7f);
}

static void check_name(const char *name, size_t size)
{
	MUST(strnlen(name, size) < size);
	MUST(utf8_is_text(name, strlen(name)));
}

static void check_server(const struct conf *c)
{
	struct ip ip;

	MUST(c->protocol && c->port != 0);
	MUST(ip_parse(c->host, &ip) == 0 || conf_is_host_name(c->host));
	check_name(c->user, sizeof(c->user));
	check_name(c->hub, sizeof(c->hub));
	MUST(c->hub[0] != '\0');
}

static void check_listener(const struct conf *c, const struct listen_addr *l, bool has_password)
{
	if (l->path) {
		MUST(l->path[0] != '\0' && strlen(l->path) <= SOCKET_PATH_MAX);
		return;
	}
	MUST(l->at.ip.family != IP_NONE);
	MUST(c->allow_remote || has_password || l->at.ip.b[0] == 127 || l->at.ip.family == IP_V6);
}

static void check_conf(const struct conf *c)
{
	if (c->command == CMD_HELP || c->command == CMD_VERSION)
		return;
	if (c->command == CMD_IMPORT) {
		MUST(c->import_file);
		return;
	}
	check_server(c);
	MUST(c->anonymous || c->user[0] != '\0');
	MUST((c->nlisten >= 1 || c->has_stdio) && c->nlisten <= LISTENERS_MAX);
	for (unsigned i = 0; i < c->nlisten; i++)
		check_listener(c, &c->listen[i], c->proxy_user != NULL);
	MUST(c->nlocal <= FORWARDS_MAX && c->nremote <= FORWARDS_MAX && c->nroutes <= ROUTES_MAX);
	for (unsigned i = 0; i < c->nlocal; i++)
		check_listener(c, &c->local[i].from, false);
	MUST(!c->proxy_user == !c->proxy_password_file);
	MUST((c->cert_data.n > 0) == (c->key_data.n > 0) && !c->cert_file == !c->key_file);
	MUST((c->auth_methods & AUTH_CERTIFICATE) == 0 || c->cert_data.n > 0 || c->cert_file || c->p12_file);
	MUST(c->tcp_connections >= 1 && c->tcp_connections <= SESSION_CHANNELS_MAX);
	MUST(c->trust.npins <= TRUST_PINS_MAX && !(c->trust.npins > 0 && c->trust.insecure));
	MUST(!c->password_file || c->password_fd < 0);
	MUST(c->mtu == 0 || (c->mtu >= 576 && c->mtu <= 1500));
	MUST(c->retry_interval_ms >= 1 && c->retry_interval_ms <= 60000);
	MUST(c->gateway.family == IP_NONE || c->ip4.family == IP_V4);
	MUST(c->ready_fd != 0 && c->ready_fd != 2);
	MUST(c->strings_len <= c->strings_cap);
}

static void parse(int argc, char *const argv[], char *const env[])
{
	static struct conf c;
	struct fault f = { 0 };
	int r = conf_parse(&c, argc, argv, env, read_text, &f);

	if (r != 0) {
		check_fault(&f, r);
		return;
	}
	MUST(f.err == 0);
	check_conf(&c);
	conf_fini(&c);
}

static void try_url(const char *text)
{
	static char url[8192];
	static struct conf c;
	struct fault f = { 0 }, with_password = { 0 };
	int r;

	memset(&c, 0, sizeof(c));
	r = conf_parse_url(&c, text, &f);
	if (r != 0)
		check_fault(&f, r);
	else
		check_server(&c);
	/* whatever stands behind it, a password in the URL is refused and not repeated */
	snprintf(url, sizeof(url), "softether://u:hunter2@%s", text);
	r = conf_parse_url(&c, url, &with_password);
	check_fault(&with_password, r);
	MUST(strstr(text, "hunter2") || !strstr(with_password.text, "hunter2"));
}

static void try_words(char *text)
{
	char *argv[WORDS_MAX + 2] = { "softsocks" };
	int argc = 1;

	for (char *word = strtok(text, "\n"); word && argc <= WORDS_MAX; word = strtok(NULL, "\n"))
		argv[argc++] = word;
	file_text = "user = alice\n";
	parse(argc, argv, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *from_file[] = { "softsocks", "-c", "file", NULL }, *from_env[] = { "softsocks", URL, NULL };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	file_text = NULL;
	switch (text[0]) {
	case 'u':
		try_url(text + 1);
		break;
	case 'f':
		file_text = text + 1;
		parse(3, from_file, NULL);
		break;
	case 'e':
		parse(2, from_env, (char *[]){ text + 1, NULL });
		break;
	default:
		try_words(text);
	}
	free(text);
	return 0;
}

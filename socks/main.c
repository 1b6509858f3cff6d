/* SPDX-License-Identifier: GPL-3.0-or-later */
/* main.c - softsocks: the parts, put together.
 *
 * Reading it is reading the program: options, secrets, trust; then the stack, the listeners and the tunnel on one loop;
 * then the loop until somebody asks us to stop or the tunnel is over. Listeners open before the tunnel does, so that a
 * taken port is found at once and requests made early wait for the tunnel instead of failing.
 *
 * Ending goes one way, whatever the reason: the tunnel says over(), close_all() closes every handle, uv_run() returns
 * when the last one is gone, and the exit status is that of the fault. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "core/conf.h"
#include "core/credential.h"
#include "core/install_id.h"
#include "core/log.h"
#include "core/password.h"
#include "core/random.h"
#include "core/trust.h"
#include "core/tunnel.h"
#include "core/version.h"
#include "core/vpn_file.h"
#include "netstack/netstack.h"
#include "socks/forward.h"
#include "socks/front.h"
#include "socks/ready.h"
#include "socks/stdio_join.h"
#include "socks/udp_relay.h"

#define PATIENCE_MS 1000u
#define DOORS_TEXT_MAX 4096u /* of the forwards in the ready line; what does not fit is cut off */

struct app {
	uv_loop_t loop;
	struct conf conf;
	struct password password, new_password;
	bool has_new_password;
	struct credential credential;
	struct trust *trust;
	struct netstack *netstack;
	struct targets targets;
	struct proxy_auth proxy_auth;
	struct client_conf client_conf;
	struct front *front;
	struct forwards *forwards;
	struct stdio_join *stdio; /* -W */
	bool stdio_over;          /* and why we end is in @fault */
	struct tunnel *tunnel;
	struct session_env env;
	uv_signal_t stop_signals[2];
	uv_signal_t stats_signal;
	uv_timer_t patience; /* for what cannot be canceled, see close_all() */
	bool was_ready;
	bool was_stopped; /* by a signal */
	bool pid_written;
	bool stuck; /* a thread of libuv's is still looking up a name: exit() would wait for it */
	struct fault fault; /* why we end; VE_CANCELED: asked to */
};

extern char **environ;

/* --- events --------------------------------------------------------------------------------------------------- */

/* Each with a blank in front. */
static void describe_doors(const struct app *a, char *to, size_t cap)
{
	char forward[FORWARD_TEXT_MAX];
	size_t n = 0;

	to[0] = '\0';
	for (unsigned i = 0; a->front && i < a->conf.nlisten && n < cap; i++) {
		char text[FRONT_TEXT_MAX];

		n += (size_t)snprintf(to + n, cap - n, " %s", front_listener(a->front, i, text));
	}
	for (unsigned i = 0; a->forwards && n < cap && forwards_text(a->forwards, i, forward); i++)
		n += (size_t)snprintf(to + n, cap - n, " %s", forward);
}

static void on_ready(void *ctx, const struct ip *address)
{
	struct app *a = ctx;
	char doors[LISTENERS_MAX * (FRONT_TEXT_MAX + 1) + DOORS_TEXT_MAX], line[sizeof(doors) + 80], text[IP_TEXT_MAX];

	describe_doors(a, doors, sizeof(doors));
	snprintf(line, sizeof(line), "ready%s address %s", doors, ip_text(address, text));
	log_info("%s", line);
	if (a->was_ready)
		return;
	a->was_ready = true;
	if (a->stdio)
		stdio_join_open(a->stdio, &a->conf.stdio);
	if (a->conf.ready_fd >= 0)
		ready_tell_fd(a->conf.ready_fd, line);
	ready_tell_systemd("READY=1");
}

static void on_lost(void *ctx, const struct fault *f)
{
	(void)ctx;
	(void)f; /* the tunnel has logged it, with the time of the next try */
}

static void on_patience_over(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* A name that the system is still looking up cannot be canceled, and may take libc half a minute. It keeps the loop alive,
 * but nobody who pressed Ctrl-C wants to wait for it: the timer does not keep the loop alive, and ends it. */
static void close_all(struct app *a)
{
	uv_timer_start(&a->patience, on_patience_over, PATIENCE_MS, 0);
	uv_unref((uv_handle_t *)&a->patience);
	front_close(a->front); /* first: its flows belong to the netstack */
	a->front = NULL;
	forwards_close(a->forwards);
	a->forwards = NULL;
	stdio_join_close(a->stdio);
	a->stdio = NULL;
	if (a->targets.loop)
		targets_fini(&a->targets);
	tunnel_free(a->tunnel); /* second: its link belongs to the netstack */
	a->tunnel = NULL;
	netstack_free(a->netstack);
	a->netstack = NULL;
	for (size_t i = 0; i < ARRAY_LEN(a->stop_signals); i++)
		uv_close((uv_handle_t *)&a->stop_signals[i], NULL);
	uv_close((uv_handle_t *)&a->stats_signal, NULL);
}

static void on_over(void *ctx, const struct fault *f)
{
	struct app *a = ctx;

	if (a->stdio && f->err == VE_CANCELED)
		fault_set_final(&a->fault, VE_EOF, "-W: stopped before both directions had ended");
	else if (!a->stdio_over)
		a->fault = *f;
	ready_tell_systemd("STOPPING=1");
	close_all(a);
}

static void on_stop_signal(uv_signal_t *handle, int signum)
{
	struct app *a = handle->data;

	log_debug("signal %d: stopping", signum);
	a->was_stopped = true;
	tunnel_stop(a->tunnel);
}

static void on_stats_signal(uv_signal_t *handle, int signum)
{
	struct app *a = handle->data;
	const struct udp_relays *u;
	struct netstack_stats s;

	(void)signum;
	netstack_get_stats(a->netstack, &s);
	log_info("counters: clients %u, flows %" PRIu32 " (%" PRIu32 " held), frames in %" PRIu64 " out %" PRIu64
		 ", bytes in %" PRIu64 " out %" PRIu64 ", dropped in %" PRIu64 " out %" PRIu64,
		 a->front ? front_clients(a->front) : 0, s.flows, s.flows_held, s.frames_in, s.frames_out, s.bytes_in, s.bytes_out,
		 s.dropped_in, s.dropped_out);
	if (!a->front)
		return;
	u = front_udp(a->front);
	log_info("counters: UDP associations %u, datagrams in %" PRIu64 " out %" PRIu64 ", dropped: fragments %" PRIu64
		 ", malformed %" PRIu64 ", from others %" PRIu64 ", by rules %" PRIu64 ", lost %" PRIu64,
		 u->count, u->in, u->out, u->fragments, u->malformed, u->strangers, u->blocked, u->lost);
}

/* --- start ---------------------------------------------------------------------------------------------------- */

static int start_netstack(struct app *a)
{
	struct netstack_conf c = {
		.ip4 = a->conf.ip4,
		.ip4_prefix = a->conf.ip4_prefix,
		.gateway = a->conf.gateway,
		.dns = a->conf.dns,
		.search = a->conf.search,
		.vlan = a->conf.vlan,
		.memory = a->conf.memory,
		.hold_ms = a->conf.hold_ms,
		.random = random_bytes,
	};
	int r = netstack_new(&a->netstack, &a->loop, &c);

	if (r != 0)
		fault_set_final(&a->fault, r, "the TCP/IP stack could not be started: %s", ve_name(r));
	return r;
}

/* Is a password what the login needs, and is it not there yet? */
static bool asks_for_password(const struct conf *c)
{
	return !c->anonymous && !c->has_password_hash && !(c->auth_methods & AUTH_CERTIFICATE);
}

static int start_tunnel(struct app *a)
{
	static const struct tunnel_events events = { on_ready, on_lost, on_over };
	const bool is_passwd = a->conf.command == CMD_PASSWD;
	struct tunnel_conf c = {
		.protocol = a->conf.protocol,
		.host = a->conf.host,
		.port = a->conf.port,
		.rendezvous = a->conf.rendezvous,
		.session = {
			.user = a->conf.user,
			.password = asks_for_password(&a->conf) ? a->password.text : NULL,
			.password_hash = a->conf.has_password_hash ? a->conf.password_hash : NULL,
			.new_password = a->has_new_password ? a->new_password.text : NULL,
			.change_password = is_passwd,
			.certificate = { .p = a->credential.certificate, .n = a->credential.certificate_n },
			.key = { .p = a->credential.key, .n = a->credential.key_n },
			.hub = a->conf.hub,
			.tcp_connections = a->conf.tcp_connections,
			.udp_acceleration = a->conf.udp_acceleration,
			.compress = a->conf.compress,
			.half_connection = a->conf.half_connection,
			.auth_methods = a->conf.auth_methods,
			.allow_unverified = a->conf.trust.insecure,
			.mtu = a->conf.mtu,
		},
		.retries = is_passwd ? 0 : a->conf.retries,
		.retry_interval_ms = a->conf.retry_interval_ms,
		.retry_first = a->conf.retries_given,
	};
	int r;

	install_id_get(c.session.installation_id);
	r = tunnel_new(&a->tunnel, &a->loop, &c, a->trust, netstack_link_ops(), a->netstack, &a->env, &events, a);
	if (r != 0)
		fault_set_final(&a->fault, r, "the tunnel could not be started: %s", ve_name(r));
	return r;
}

/* Both directions have ended, or one has failed: then the tunnel has served its purpose. */
static void on_stdio_over(void *ctx, const struct fault *f)
{
	static const struct fault done = { .err = VE_CANCELED, .final = true, .text = "done" };
	struct app *a = ctx;

	a->stdio_over = true;
	a->fault = f->err != 0 ? *f : done;
	stdio_join_close(a->stdio);
	a->stdio = NULL;
	tunnel_stop(a->tunnel);
}

static int start_forwards(struct app *a)
{
	static const struct stdio_join_events stdio_events = { on_stdio_over };
	const struct forwards_conf c = {
		.local = a->conf.local,
		.nlocal = a->conf.nlocal,
		.remote = a->conf.remote,
		.nremote = a->conf.nremote,
		.idle_ms = a->conf.idle_ms,
	};
	int r = 0;

	if (c.nlocal + c.nremote > 0)
		r = forwards_new(&a->forwards, &a->targets, &c, &a->fault);
	if (r == 0 && a->conf.has_stdio)
		r = stdio_join_new(&a->stdio, &a->targets, STDIN_FILENO, STDOUT_FILENO, &stdio_events, a, &a->fault);
	return r;
}

static int start_front(struct app *a)
{
	a->targets = (struct targets){
		.loop = &a->loop,
		.ns = a->netstack,
		.rules = a->conf.routes,
		.nrules = a->conf.nroutes,
		.connect_ms = a->conf.connect_ms,
	};
	a->client_conf = (struct client_conf){
		.auth = a->conf.proxy_user ? &a->proxy_auth : NULL,
		.idle_ms = a->conf.idle_ms,
	};
	if (a->conf.nlisten == 0)
		return 0;
	return front_new(&a->front, &a->targets, &a->client_conf, a->conf.listen, a->conf.nlisten, &a->fault);
}

static void start_signals(struct app *a)
{
	static const int stop[] = { SIGINT, SIGTERM };

	for (size_t i = 0; i < ARRAY_LEN(a->stop_signals); i++) {
		uv_signal_init(&a->loop, &a->stop_signals[i]);
		a->stop_signals[i].data = a;
		uv_signal_start(&a->stop_signals[i], on_stop_signal, stop[i]);
	}
	uv_signal_init(&a->loop, &a->stats_signal);
	a->stats_signal.data = a;
	uv_signal_start(&a->stats_signal, on_stats_signal, SIGUSR1);
}

/* Every client and flow is a descriptor: take as many as the administrator allows. */
static void raise_descriptor_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int start(struct app *a)
{
	const struct conf *c = &a->conf;
	int r;

	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	a->env.random = random_bytes;
	r = trust_new(&a->trust, &c->trust, &a->fault);
	if (r != 0)
		return r;
	r = start_netstack(a);
	if (r != 0)
		return r;
	if (c->command == CMD_PASSWD) /* nobody needs a proxy for that */
		return start_tunnel(a);
	r = start_front(a);
	if (r != 0)
		return r;
	r = start_forwards(a);
	if (r != 0)
		return r;
	if (c->pid_file) {
		r = ready_write_pid(c->pid_file, &a->fault);
		if (r != 0)
			return r;
		a->pid_written = true;
	}
	return start_tunnel(a);
}

/* --- the program ---------------------------------------------------------------------------------------------- */

static int run(struct app *a)
{
	uv_loop_init(&a->loop);
	uv_timer_init(&a->loop, &a->patience);
	start_signals(a);
	if (start(a) != 0)
		close_all(a);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&a->patience, NULL);
	uv_run(&a->loop, UV_RUN_NOWAIT);
	a->stuck = uv_loop_close(&a->loop) != 0;
	trust_free(a->trust);
	if (a->pid_written)
		unlink(a->conf.pid_file);
	if (a->fault.err == VE_CANCELED && (a->was_stopped || a->conf.command != CMD_PASSWD)) {
		log_info("stopped");
		return a->conf.command == CMD_PASSWD ? ve_exit_status(VE_EOF) : 0; /* who knows what the server did */
	}
	if (a->fault.err == VE_CANCELED) {
		log_info("%s", a->fault.text);
		return 0;
	}
	log_error("%s", a->fault.text);
	return ve_exit_status(a->fault.err);
}

static int print_text(const struct app *a)
{
	char *text = conf_text(a->conf.text);

	if (!text)
		return ve_exit_status(VE_NOMEM);
	fputs(text, stdout);
	free(text);
	return fflush(stdout) == 0 ? 0 : ve_exit_status(VE_IO);
}

static int import_command(struct app *a)
{
	char *account = NULL, *text = NULL;
	int r = conf_read_file(a->conf.import_file, &account, &a->fault);

	if (r == 0)
		r = vpn_file_convert(a->conf.import_file, account, &text, &a->fault);
	if (r == 0 && (fputs(text, stdout) < 0 || fflush(stdout) != 0)) {
		r = VE_IO;
		fault_set(&a->fault, r, "import: standard output cannot be written: %s", strerror(errno));
	}
	if (r != 0)
		log_error("%s", a->fault.text);
	if (account)
		wipe(account, strlen(account));
	if (text)
		wipe(text, strlen(text));
	free(account);
	free(text);
	return ve_exit_status(r);
}

/* --proxy-auth: what local programs must know. */
static int get_proxy_password(struct app *a)
{
	struct password password;
	int r = password_get_file(&password, a->conf.proxy_password_file, &a->fault);

	if (r != 0)
		return r;
	r = proxy_auth_set(&a->proxy_auth, a->conf.proxy_user, password.text);
	if (r != 0)
		fault_set_final(&a->fault, r, "--proxy-auth: user and password have 1 to %u bytes each", PROXY_WORD_MAX);
	wipe(&password, sizeof(password));
	return r;
}

/* Whatever the login and the proxy need; afterwards the environment has no secret of ours to pass on. */
static int get_secrets(struct app *a)
{
	const struct conf *c = &a->conf;
	int r = 0;

	if (asks_for_password(c))
		r = password_get(&a->password, c, &a->fault);
	if (r == 0 && credential_is_given(c))
		r = credential_load(&a->credential, c, &a->fault);
	if (r == 0 && (c->command == CMD_PASSWD || c->new_password_file)) {
		r = password_get_new(&a->new_password, c, &a->fault);
		a->has_new_password = r == 0;
	}
	if (r == 0 && c->proxy_user)
		r = get_proxy_password(a);
	password_forget_env();
	return r;
}

/* A connection, or only as much of one as a new password takes. */
static int connect_command(struct app *a)
{
	int r = get_secrets(a);

	if (r == 0) {
		r = run(a);
	} else {
		log_error("%s", a->fault.text);
		r = ve_exit_status(r);
	}
	credential_fini(&a->credential);
	wipe(&a->password, sizeof(a->password));
	wipe(&a->new_password, sizeof(a->new_password));
	wipe(&a->proxy_auth, sizeof(a->proxy_auth));
	return r;
}

int main(int argc, char **argv)
{
	static struct app a;
	int status = 0;

	if (conf_parse(&a.conf, argc, argv, environ, conf_read_file, &a.fault) != 0) {
		log_error("%s", a.fault.text);
		return ve_exit_status(a.fault.err);
	}
	log_set_level(a.conf.log_level);
	log_set_json(a.conf.log_json);
	conf_warn_of_public_secrets(&a.conf);
	switch (a.conf.command) {
	case CMD_HELP:
		status = print_text(&a);
		break;
	case CMD_VERSION:
		printf("softsocks %s\n", SOFTSOCKS_VERSION);
		break;
	case CMD_CHECK:
		printf("configuration is valid\n");
		break;
	case CMD_IMPORT:
		status = import_command(&a);
		break;
	case CMD_PASSWD:
	case CMD_CONNECT:
		status = connect_command(&a);
		break;
	}
	conf_fini(&a.conf);
	if (a.stuck)
		_exit(status);
	return status;
}

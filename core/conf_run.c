/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_run.c - setters of options about SoftEther's session, the private network, staying connected, and running. */
#include <string.h>

#include "core/bytes.h"
#include "core/conf_int.h"

/* --- SoftEther ------------------------------------------------------------------------------------------ */

int conf_set_tcp_connections(struct parse *p, const char *value)
{
	uint32_t n;

	if (conf_number(value, 1, SESSION_CHANNELS_MAX, &n) != 0)
		return VE_USAGE;
	p->c.tcp_connections = n;
	return 0;
}

int conf_set_udp_acceleration(struct parse *p, const char *value)
{
	bool on;

	if (strcmp(value, "v1") == 0) {
		p->c.udp_acceleration = UDP_V1;
		return 0;
	}
	if (conf_switch(value, &on) != 0)
		return VE_USAGE;
	p->c.udp_acceleration = on ? UDP_V2 : UDP_OFF;
	return 0;
}

int conf_set_compress(struct parse *p, const char *value)
{
	return conf_switch(value, &p->c.compress);
}

int conf_set_half_connection(struct parse *p, const char *value)
{
	return conf_switch(value, &p->c.half_connection);
}

int conf_set_nat_traversal(struct parse *p, const char *value)
{
	struct dest d;
	bool on;

	if (conf_switch(value, &on) == 0) {
		p->c.rendezvous = on ? "" : NULL;
		return 0;
	}
	/* the port has a default, which is for others to know */
	if (dest_parse(value, 1, &d) != 0 || (d.ip.family == IP_NONE && !conf_is_host_name(d.name)))
		return VE_USAGE;
	if (d.ip.family == IP_V6)
		return conf_because(p, "SoftEther's NAT traversal has IPv4 only");
	p->c.rendezvous = conf_keep(p, value);
	return 0;
}

/* --- private network ------------------------------------------------------------------------------------ */

int conf_set_ip4(struct parse *p, const char *value)
{
	const char *slash = strchr(value, '/');
	char text[IP_TEXT_MAX];
	uint32_t prefix;
	struct ip ip;

	if (!slash || (size_t)(slash - value) >= sizeof(text) || conf_number(slash + 1, 1, 32, &prefix) != 0)
		return VE_USAGE;
	memcpy(text, value, (size_t)(slash - value));
	text[slash - value] = '\0';
	if (conf_host4(text, &ip) != 0)
		return VE_USAGE;
	if (!conf_is_host_of(&ip, prefix))
		return conf_because(p, "this is the address of the network itself, or its broadcast address: "
				       "expected that of a host");
	p->c.ip4 = ip;
	p->c.ip4_prefix = (uint8_t)prefix;
	return 0;
}

int conf_set_gateway(struct parse *p, const char *value)
{
	return conf_host4(value, &p->c.gateway);
}

int conf_set_dns(struct parse *p, const char *value)
{
	return conf_host4(value, &p->c.dns);
}

int conf_set_search(struct parse *p, const char *value)
{
	size_t n = strlen(value);
	struct ip ip;

	if (strcmp(value, "none") == 0) {
		p->c.search = "";
		return 0;
	}
	if (!conf_is_host_name(value) || ip_parse(value, &ip) == 0)
		return VE_USAGE;
	p->c.search = conf_keep_n(p, value, value[n - 1] == '.' ? n - 1 : n);
	return 0;
}

int conf_set_mtu(struct parse *p, const char *value)
{
	uint32_t n;

	if (conf_number(value, 576, FRAME_MTU_MAX, &n) != 0)
		return VE_USAGE;
	p->c.mtu = (uint16_t)n;
	return 0;
}

int conf_set_vlan(struct parse *p, const char *value)
{
	uint32_t n;

	if (conf_number(value, 1, 4094, &n) != 0)
		return VE_USAGE;
	p->c.vlan = (uint16_t)n;
	return 0;
}

int conf_set_memory(struct parse *p, const char *value)
{
	uint32_t n;

	if (conf_number(value, FLOW_MEMORY_MIN / MIB, FLOW_MEMORY_MAX_MIB, &n) != 0)
		return VE_USAGE;
	p->c.memory = (size_t)n * MIB;
	return 0;
}

/* --- staying connected ---------------------------------------------------------------------------------- */

int conf_set_retries(struct parse *p, const char *value)
{
	uint32_t n = UINT32_MAX;

	if (strcmp(value, "forever") != 0 && conf_number(value, 0, UINT32_MAX - 1, &n) != 0)
		return VE_USAGE;
	p->c.retries = n;
	p->c.retries_given = p->at.rank > FROM_DEFAULT;
	return 0;
}

int conf_set_retry_interval(struct parse *p, const char *value)
{
	return conf_seconds(value, 1, 60000, &p->c.retry_interval_ms);
}

int conf_set_hold(struct parse *p, const char *value)
{
	return conf_seconds(value, 0, 3600000, &p->c.hold_ms);
}

/* --- running it ----------------------------------------------------------------------------------------- */

/* It is closed once written to, and its number is given to the next socket: that must not be standard error,
 * where log lines go, and standard input is nothing to write to. */
int conf_set_ready_fd(struct parse *p, const char *value)
{
	uint32_t n;

	if (conf_number(value, 1, FD_MAX, &n) != 0 || n == 2)
		return VE_USAGE;
	p->c.ready_fd = (int)n;
	return 0;
}

int conf_set_pid_file(struct parse *p, const char *value)
{
	p->c.pid_file = conf_keep(p, value);
	return 0;
}

int conf_set_log_level(struct parse *p, const char *value)
{
	return log_level_parse(value, &p->c.log_level);
}

int conf_set_log_format(struct parse *p, const char *value)
{
	bool json = strcmp(value, "json") == 0;

	if (!json && strcmp(value, "text") != 0)
		return VE_USAGE;
	p->c.log_json = json;
	return 0;
}

/* Options that have done their work in the first walk over the command line. */
int conf_set_nothing(struct parse *p, const char *value)
{
	(void)p;
	(void)value;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/* tun.c - the way into the kernel of the private network: one TUN interface for all clients, told apart by address. */
#include "test/gateway/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_ROUNDS 256         /* packets a turn */
#define QUEUE       5000        /* packets the kernel keeps for us before it drops any */

/* One setting of the interface, by ioctl. */
static bool set(int s, unsigned long what, const char *name, struct in_addr addr, int number)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = addr };
	struct ifreq ifr = { 0 };

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (what == SIOCSIFADDR || what == SIOCSIFNETMASK)
		memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	else if (what == SIOCSIFMTU)
		ifr.ifr_mtu = number;
	else
		ifr.ifr_flags = (short)number;
	return ioctl(s, what, &ifr) == 0;
}

/* By netlink: the ioctl for this is the real root's only. */
static bool set_queue(const char *name)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
		struct rtattr attr;
		uint32_t value;
	} m = {
		.head = { .nlmsg_len = sizeof(m), .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST },
		.info = { .ifi_index = (int)if_nametoindex(name) },
		.attr = { .rta_len = RTA_LENGTH(4), .rta_type = IFLA_TXQLEN },
		.value = QUEUE,
	};
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool ok = s >= 0 && send(s, &m, sizeof(m), 0) == (ssize_t)sizeof(m);

	close(s);
	return ok;
}

int tun_open(const char *name)
{
	struct in_addr none = { 0 }, mask = { htonl(0xffffff00) };
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), s, err;

	if (fd < 0)
		return -1;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0 && set(s, SIOCSIFADDR, name, gw.own, 0) &&
	    set(s, SIOCSIFNETMASK, name, mask, 0) && set(s, SIOCSIFMTU, name, none, 1400) &&
	    set_queue(name) && set(s, SIOCSIFFLAGS, name, none, IFF_UP | IFF_RUNNING)) {
		close(s);
		return fd;
	}
	err = errno;
	close(s);
	close(fd);
	errno = err;
	return -1;
}

static struct conn *owner(struct in_addr addr)
{
	for (int i = 0; i < gw.nconns; i++)
		if (gw.conns[i]->addr.s_addr == addr.s_addr && gw.conns[i]->phase >= PH_NCP)
			return gw.conns[i];
	return NULL;
}

void tun_readable(void)
{
	uint8_t packet[4096];
	struct in_addr to;
	struct conn *c;

	for (int round = 0; round < READ_ROUNDS; round++) {
		ssize_t n = read(gw.tun, packet, sizeof(packet));

		if (n <= 0)
			return;
		if (n < 20 || packet[0] >> 4 != 4)
			continue;
		memcpy(&to, packet + 16, 4);
		c = owner(to);
		if (c)
			conn_send_ip(c, PROTO_IP, packet, (size_t)n);
	}
}

void tun_write(const uint8_t *packet, size_t n)
{
	/* A packet the kernel does not like is lost, as anywhere. */
	if (n >= 20 && packet[0] >> 4 == 4 && write(gw.tun, packet, n) < 0)
		return;
}

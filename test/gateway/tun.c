/* SPDX-License-Identifier: GPL-3.0-or-later */

/* tun.c - the way into the kernel of the private network: one TUN interface for all clients, told apart by address.
 *
 * Where the kernel can, it exchanges packets of up to 64 KiB with us (offload.c), so that neither it nor we pay for each
 * packet of the wire. Where it cannot, or with --no-offload, packets are as they are on the wire.
 */
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
#define READ_BYTES  (512 * 1024) /* bytes a turn, so that acknowledgments are not late */
#define PUSH        (64 * 1024) /* so much leaves before the turn ends, while the caches still have it */
#define QUEUE       5000        /* packets the kernel keeps for us before it drops any */

static bool offload;
static struct merger merger;

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

/* A descriptor for an interface that does, or does not, exchange large packets; -1 with errno set. */
static int attach(const char *name, bool large)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TUN | IFF_NO_PI | (large ? IFF_VNET_HDR : 0)) };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), err;

	if (fd < 0)
		return -1;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0 &&
	    (!large || ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4)) == 0))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static void emit(void *ctx, const struct iovec *iov, int n)
{
	(void)ctx;
	/* A packet the kernel does not like is lost, as anywhere. */
	if (writev(gw.tun, iov, n) < 0)
		return;
}

int tun_open(const char *name)
{
	struct in_addr none = { 0 }, mask = { htonl(0xffffff00) };
	int fd = gw.no_offload ? -1 : attach(name, true), s, err;

	merger.emit = emit;
	offload = fd >= 0;
	if (!offload)
		fd = attach(name, false);
	if (fd < 0)
		return -1;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (set(s, SIOCSIFADDR, name, gw.own, 0) && set(s, SIOCSIFNETMASK, name, mask, 0) &&
	    set(s, SIOCSIFMTU, name, none, 1400) && set_queue(name) &&
	    set(s, SIOCSIFFLAGS, name, none, IFF_UP | IFF_RUNNING)) {
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

/* Returns false if its client should get no more for now. */
static bool pass_on(const struct virtio_net_hdr *h, uint8_t *packet, size_t n)
{
	struct in_addr to;
	struct split s;
	struct conn *c;
	uint8_t *room;

	if (n < 20 || packet[0] >> 4 != 4)
		return true;
	memcpy(&to, packet + 16, 4);
	c = owner(to);
	if (!c || !split_begin(&s, h, packet, n))
		return true;
	while (split_length(&s) > 0) {
		room = conn_ip_room(c, PROTO_IP, split_length(&s));
		if (!room)
			return true;
		split_next(&s, room);
	}
	if (c->out.len >= PUSH)
		conn_push(c);
	return !conn_full(c);
}

void tun_readable(void)
{
	static uint8_t packet[65536];
	struct virtio_net_hdr h = { 0 };
	struct iovec iov[2] = { { &h, sizeof(h) }, { packet, sizeof(packet) } };
	size_t sum = 0;

	for (int round = 0; round < READ_ROUNDS && sum < READ_BYTES; round++) {
		ssize_t n = offload ? readv(gw.tun, iov, 2) - (ssize_t)sizeof(h) : read(gw.tun, packet, sizeof(packet));

		if (n <= 0 || !pass_on(&h, packet, (size_t)n))
			return;
		sum += (size_t)n;
	}
}

void tun_write(const uint8_t *packet, size_t n)
{
	if (n < 20 || packet[0] >> 4 != 4)
		return;
	if (offload)
		merge_add(&merger, packet, n);
	else if (write(gw.tun, packet, n) < 0)
		return;
}

void tun_flush(void)
{
	if (offload)
		merge_flush(&merger);
}

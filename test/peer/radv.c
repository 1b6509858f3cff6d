/* SPDX-License-Identifier: GPL-3.0-or-later */

/* radv.c - a router that says so: IPv6 router advertisements on one interface (RFC 4861, 4.2).
 *
 *   radv INTERFACE PREFIX
 *
 * Every second, and when asked, it tells everybody on INTERFACE that it is a router, that PREFIX (a /64) may be used for
 * addresses of one's own (SLAAC). The advertisement names the router's link-layer address, as real ones do: without it
 * SoftEther's server 5.01 crashes when it crosses a hub. Needs the right to open raw sockets, which root of a namespace has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIFETIME  1800
#define PERIOD_MS 1000
#define MTU       1500

struct advert {
	unsigned char bytes[256];
	size_t n;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "radv: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put(struct advert *a, const void *p, size_t n)
{
	memcpy(a->bytes + a->n, p, n);
	a->n += n;
}

static void put32(struct advert *a, uint32_t v)
{
	v = htonl(v);
	put(a, &v, 4);
}

static void put_prefix(struct advert *a, const struct in6_addr *prefix)
{
	put(a, (unsigned char[]){ 3, 4, 64, 0xc0 }, 4); /* on-link, autonomous */
	put32(a, LIFETIME);
	put32(a, LIFETIME);
	put32(a, 0);
	put(a, prefix, 16);
}

static void compose(struct advert *a, const unsigned char mac[6], const struct in6_addr *prefix)
{
	put(a, (unsigned char[]){ ND_ROUTER_ADVERT, 0, 0, 0, 64, 0, LIFETIME >> 8, LIFETIME & 255 }, 8);
	put32(a, 0);
	put32(a, 0);
	put(a, (unsigned char[]){ 1, 1 }, 2);
	put(a, mac, 6);
	put_prefix(a, prefix);
	put(a, (unsigned char[]){ 5, 1, 0, 0 }, 4);
	put32(a, MTU);
}

static int open_socket(unsigned index)
{
	struct icmp6_filter only;
	struct ipv6_mreq routers = { .ipv6mr_interface = index };
	const int hops = 255;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);

	ICMP6_FILTER_SETBLOCKALL(&only);
	ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &only);
	inet_pton(AF_INET6, "ff02::2", &routers.ipv6mr_multiaddr);
	if (fd < 0 || setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &only, sizeof(only)) != 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) != 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)) != 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &routers, sizeof(routers)) != 0)
		die("raw socket");
	return fd;
}

static void own_mac(int fd, const char *interface, unsigned char ret[6])
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	if (ioctl(fd, SIOCGIFHWADDR, &r) != 0)
		die(interface);
	memcpy(ret, r.ifr_hwaddr.sa_data, 6);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 all = { .sin6_family = AF_INET6 };
	struct in6_addr prefix;
	struct advert a = { .n = 0 };
	unsigned char asked[256], mac[6];
	struct pollfd p;
	int fd;

	if (argc != 3 || inet_pton(AF_INET6, argv[2], &prefix) != 1) {
		fprintf(stderr, "usage: radv INTERFACE PREFIX\n");
		return 2;
	}
	all.sin6_scope_id = if_nametoindex(argv[1]);
	if (all.sin6_scope_id == 0)
		die(argv[1]);
	fd = open_socket(all.sin6_scope_id);
	inet_pton(AF_INET6, "ff02::1", &all.sin6_addr);
	own_mac(fd, argv[1], mac);
	compose(&a, mac, &prefix);
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (;;) {
		if (sendto(fd, a.bytes, a.n, 0, (struct sockaddr *)&all, sizeof(all)) < 0)
			fprintf(stderr, "radv: sending: %s\n", strerror(errno));
		if (poll(&p, 1, PERIOD_MS) > 0 && recv(fd, asked, sizeof(asked), 0) < 0)
			die("receiving");
	}
}

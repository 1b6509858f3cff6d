/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_path.h - frames as datagrams, beside the TCP connections: UDP acceleration (softether-protocol.md 8) and bulk
 * datagrams over R-UDP (9.5), with the queue of what is sealed and not yet sent.
 *
 * Either, both or neither may have been agreed upon. UDP acceleration is preferred as soon as it is proven; bulk datagrams
 * need no proof, as the R-UDP stream beside them is one. Compressed frames are for both the same: marked one by one, so
 * what does not get smaller is sent as it is. */
#ifndef SOFTETHER_SE_PATH_H
#define SOFTETHER_SE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/session.h"
#include "core/softether/rudp_bulk.h"
#include "core/softether/se_login.h"
#include "core/softether/se_udp.h"
#include "core/softether/se_zip.h"

#define SE_PATH_NO_CHANNEL UINT32_MAX

struct se_path {
	struct se_udp *udp;    /* NULL: not agreed upon */
	bool has_bulk;
	struct rudp_bulk bulk;
	struct se_zip *zip;    /* lent; NULL: frames are not compressed */
	const struct session_env *env;
	struct buf out;        /* sealed datagrams, each behind its head; memory only if there is a path */
	uint64_t dropped;      /* datagrams that were none of ours, forged, old or broken */
	uint8_t sealed[SE_UDP_DATAGRAM_MAX > RUDP_BULK_DATAGRAM_MAX ? SE_UDP_DATAGRAM_MAX : RUDP_BULK_DATAGRAM_MAX];
	uint8_t opened[RUDP_BULK_DATAGRAM_MAX];
};

/* What @w agreed upon. @zip and @env are lent. Returns 0, or VE_NOMEM with @p safe to fini. */
int se_path_init(struct se_path *p, const struct se_welcome *w, struct se_zip *zip, const struct session_env *env,
		 uint64_t now_ms);
void se_path_fini(struct se_path *p); /* wipes keys; a zeroed one is fine */

/* Do frames go this way now? @channel is the R-UDP connection that was heard last, SE_PATH_NO_CHANNEL without one. */
bool se_path_ready(const struct se_path *p, uint32_t channel, uint64_t now_ms);

/* Is less than half of the queue taken? */
bool se_path_has_room(const struct se_path *p);

/* Seal and queue one frame of FRAME_MIN..FRAME_MAX bytes, if se_path_ready(). Returns 0 or VE_AGAIN. */
int se_path_put(struct se_path *p, uint32_t channel, const struct slice *v, size_t nv, uint64_t now_ms);

/* Take the next datagram to be sent, sealed frames before keep-alives; false when there is none. */
bool se_path_out(struct se_path *p, struct session_datagram *ret, uint64_t now_ms);

/* One datagram. Returns true with a frame of FRAME_MIN..FRAME_MAX bytes in @to and its size in *ret. */
bool se_path_in(struct se_path *p, uint32_t path, const struct endpoint *from, struct slice bytes,
		uint8_t to[static FRAME_MAX], size_t *ret, uint64_t now_ms);

/* The filler of a keep-alive that came by TCP: it may tell how the server's NAT shows it, 6.3. */
void se_path_keepalive(struct se_path *p, struct slice filler);

uint64_t se_path_deadline(const struct se_path *p);

/* The largest TCP segment over IPv4 whose datagram is not fragmented, 8.7 and 9.5; 0: there is no path. */
uint16_t se_path_mss(const struct se_path *p);

#endif

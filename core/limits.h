/* SPDX-License-Identifier: GPL-3.0-or-later */
/* limits.h - every cap in the program, with its reason. Sizes in bytes, times in milliseconds.
 *
 * Nothing grows without one of these. The sum for the worst case is at the end, asserted at compile time. */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#define KIB 1024u
#define MIB (1024u * KIB)

/* --- names ------------------------------------------------------------------------------------------------ */
#define HOST_MAX 255u     /* a DNS name in text form, RFC 1035; also SOCKS5's one-byte length */
#define USER_MAX 255u     /* SoftEther's limit for user and hub names; MS-CHAPv2 allows 256 */
#define PASSWORD_MAX 255u /* longest that every method can carry (PAP: one length byte) */

/* --- what users write --------------------------------------------------------------------------------------- */
#define CONF_FILE_MAX (128u * KIB) /* a config file: every option a hundred times; an account file with its certificates */
#define CREDENTIAL_FILE_MAX (256u * KIB) /* certificate, key or PKCS #12; with a whole chain these have some 20 KiB */
#define CREDENTIAL_CERTS_MAX 32u  /* certificates in one file that are tried with the key: a chain, in any order */
#define KEY_ITERATIONS_MAX 2000000u /* of a key's password; recommended are up to 1.3 million; more only costs time */
#define CONF_VALUE_MAX 4096u      /* one value of a repeatable option in the environment; the longest are file names */

/* --- wire: TCP and TLS to the server ---------------------------------------------------------------------- */
#define WIRE_READ_MAX (256u * KIB)  /* ciphertext taken from the kernel at once: a batch of about 170 frames */
#define WIRE_WRITE_MAX (256u * KIB) /* ciphertext waiting for the kernel; above it the session keeps its bytes */
#define WIRE_TURN_MAX (128u * KIB)  /* after so much, no further read in this turn of the loop, where libuv would make up to 32:
				     * whoever is new or has few bytes comes after half a millisecond, not after ten */
#define WIRE_BACKLOG_MS 5u          /* of bytes that may wait in the kernel of a connection that is full, and half of that each in
				     * TLS and in the session: more than a busy turn of the loop takes, less than anyone feels */
#define WIRE_BACKLOG_MIN (8u * KIB) /* five packets: below, there are only more system calls */
#define WIRE_BACKLOG_MAX (256u * KIB)
#define BATCH_BYTES (12u * KIB)     /* brought by each visit of the loop: bulk, at least 400 Mbit/s if BATCH_WAIT_US pass between */
#define BATCH_WAIT_US 250u          /* added to a round trip while there is bulk: less than a LAN's jitter, ten times a wake-up */
#define WIRE_CONNECT_MS 10000u      /* one TCP connect, softether-protocol.md 12.1 */
#define WIRE_TLS_MS 15000u          /* one TLS handshake, softether-protocol.md 12.1 */
#define WIRE_STAGGER_MS 250u        /* head start of one address before the next is tried too; RFC 8305, section 5 */
#define WIRE_ADDRESSES_MAX 8u       /* addresses of one server name that we try */
#define UDP_DATAGRAM_MAX 2048u      /* bytes of one that we send: a sealed frame has at most FRAME_MAX + 128 */
#define UDP_BATCH 20u               /* datagrams a system call; what libuv does at once */
#define UDP_SOCKET_BYTES (4 * 1024 * 1024) /* kernel buffers: at 1 Gbit/s 4 MiB are the 15 ms that a busy turn of the
				     * loop may take, counted as the kernel does, twice the bytes */
#define CERT_DER_MAX (16u * KIB)    /* one certificate; TLS itself (wolfSSL) takes 18 KiB for a whole chain */
#define CRL_DER_MAX (1u * MIB)      /* one revocation list; those of large public CAs have about 1 MiB */
#define CRLS_MAX 8u                 /* revocation lists in one --ca file */
#define CHAIN_MAX 9u                /* certificates a server may send: wolfSSL's MAX_CHAIN_DEPTH */
#define ANCHORS_MAX 16u             /* CAs of the store whose name fits one chain: old and new keys of each issuer */

/* --- HTTP heads ------------------------------------------------------------------------------------------- */
#define HTTP_HEAD_MAX (16u * KIB) /* start line and all fields; what nginx and Apache allow, rounded up */
#define HTTP_FIELDS_MAX 100u      /* fields in one head; what Apache allows */

/* --- sessions --------------------------------------------------------------------------------------------- */
#define SESSION_TX_MAX (256u * KIB)   /* frames waiting for the wire: a few milliseconds at full speed */
#define SESSION_TX_CONTROL (4u * KIB) /* of these kept free for keep-alives and goodbyes */
#define SESSION_RX_MAX (64u * KIB)    /* at least one largest message (HTTP phase: grown separately) plus a read */

/* --- Ethernet --------------------------------------------------------------------------------------------- */
#define FRAME_MAX 1600u      /* SoftEther drops larger ones, softether-protocol.md 6.2 */
#define FRAME_HARD_MAX 3200u /* and ends the session above this */
#define FRAME_MIN 14u        /* two addresses and a type */
#define FRAME_MTU_MAX 1582u  /* the largest IP packet in such a frame, behind a header with an 802.1Q tag */

/* --- SoftEther -------------------------------------------------------------------------------------------- */
#define SE_BODY_MAX (1u * MIB)         /* one HTTP body, one PACK; a Welcome has 2 KiB, a hub message adds up to 60 */
#define SE_PACK_ELEMENTS_MAX 512u      /* a Welcome has about 80, softether-protocol.md 3 */
#define SE_PACK_VALUES_MAX 256u        /* in one element; the longest array we know, ports, has 128 */
#define SE_PACK_VALUE_MAX (512u * KIB) /* one value; the longest we know are hub messages and certificates */
#define SE_PACK_NAME_MAX 63u           /* softether-protocol.md 3 */
#define SE_NOOPS_MAX 30u               /* NOOPs before one answer, softether-protocol.md 2.6 */
#define SE_NOTICE_MAX (64u * KIB)      /* text of a hub message, softether-protocol.md 5.3 */
#define SE_UNIT_BLOCKS_MAX 65536u      /* blocks the server may announce at once; a counter, nothing is allocated */
#define SE_UNIT_FRAMES_MAX 1024u       /* blocks we announce at once: the queue length of the official programs */
#define SE_KEEPALIVE_MAX 512u          /* filler in a keep-alive, softether-protocol.md 6.2 */
#define RUDP_SEND_MAX (64u * KIB)      /* stream waiting for a segment's slot: twice the window of 64 * 512 bytes */
#define RUDP_RECV_MAX (64u * KIB)      /* stream waiting for its reader: the same, so the window rarely closes */
#define RUDP_CONNECT_MS 12000u         /* until the first segment of the server, softether-protocol.md 9.2 */
#define RUDP_DEAD_MS 12000u            /* no progress of the echoed clock, softether-protocol.md 9.3 */
#define SE_HTTP_IDLE_MS 15000u         /* silence before the data phase, softether-protocol.md 12.1 */
#define SE_LOGIN_MS 300000u            /* all of the login: 30 NOOPs of a slow server, but no endless drip */
#define SE_JOIN_MS 30000u              /* another connection, from the dial to its first frame: connect, TLS, two answers */
#define SE_LEAVE_MS 2000u              /* for the last bytes on a connection that was given up */
#define SE_DIAL_MS 1000u               /* between two dials: servers count faster ones as an attack, 1.1 */
#define SE_STILLBORN_MAX 2u        /* connections in a row that the server takes and closes at once: bad luck is one */
#define SE_DIAL_PAUSE_MAX_MS 60000u    /* and after failures, doubled up to this: then a minute is no loss */
#define SE_HOPS_MAX 2u                 /* redirects in one login, softether-protocol.md 5.5 */
#define SE_CHANNEL_TX_MIN (64u * KIB)  /* queue of each of many connections: a batch of 40 frames, twice the 32 KiB that
					* SESSION_TX_MAX, shared out to eight of them, would leave */
#define SESSION_UDP_MAX (128u * KIB)   /* sealed datagrams waiting for the socket: a batch of 80 frames; the kernel's own
					* buffer behind it holds no more either */
#define SE_TIMEOUT_MIN_MS 5000u        /* bounds of the session's own timeout, softether-protocol.md 5.2 */
#define SE_TIMEOUT_MAX_MS 60000u
#define SE_TIMEOUT_DEFAULT_MS 20000u   /* a server that names none has the default policy */

/* --- SSTP ------------------------------------------------------------------------------------------------- */
#define SSTP_HTTP_MS 60000u                /* for the HTTP answer, sstp-protocol.md 3.2 */
#define SSTP_NEGOTIATION_MS 60000u         /* for CALL_CONNECT_ACK, then for the login */
#define SSTP_HELLO_MS 30000u               /* silence before we ask; NATs forget before 60 s */
#define SSTP_ABORT_SENT_MS 3000u           /* these four as in the specification */
#define SSTP_ABORT_ANSWERED_MS 1000u
#define SSTP_DISCONNECT_SENT_MS 5000u
#define SSTP_DISCONNECT_ANSWERED_MS 1000u
#define SSTP_TERMINATE_MS 2000u            /* for LCP's Terminate-Ack, sstp-protocol.md 5.9 */
#define SSTP_PEER_GOODBYE_MS 5000u         /* from the server's Terminate-Request to CALL_DISCONNECT */
#define SSTP_STOP_MS 500u                  /* each of the waits above when somebody asked us to stop, 5.9 */
#define SSTP_NAKS_MAX 3u                   /* calls repeated after CALL_CONNECT_NAK, as Windows does, 3.3 */
#define SSTP_ECHOES_A_SECOND 100u          /* replies: at most one in 10 ms, 9.7 */
#define SSTP_TEXT_MAX 257u                 /* a server's text in a message: 256 bytes and a NUL, 9.6 */

/* --- PPP -------------------------------------------------------------------------------------------------- */
#define PPP_RESTART_MS 3000u      /* restart timer, RFC 1661 4.6; also for a peer that said goodbye */
#define PPP_TERMINATE_MS 1000u    /* the same for Terminate-Requests: 2 s in all, sstp-protocol.md 5.9 */
#define PPP_CONFIGURES_MAX 10u    /* Configure-Requests without an answer: 30 s in all */
#define PPP_TERMINATES_MAX 2u
#define PPP_NAKS_MAX 5u           /* Naks in a row before we Reject, RFC 1661 4.6 Max-Failure */
#define PPP_ROUNDS_MAX 12u        /* Naks and Rejects in a row before the peer is beyond agreement */
#define PPP_OPTIONS_MAX 64u       /* options in one packet, sstp-protocol.md 9.6 */
#define PPP_REQUEST_MAX 64u       /* bytes of options that we ever ask for; IPCP's five have 30 */
#define PPP_ACKED_MAX 128u        /* bytes of a peer's request that we recognise again; RRAS sends 50 */
#define PPP_REJECTS_A_SECOND 4u   /* Code- and Protocol-Rejects, sstp-protocol.md 5.2 */
#define PPP_ECHOES_A_SECOND 100u  /* replies: at most one in 10 ms, sstp-protocol.md 9.7 */
#define PPP_REPEATS_MAX 3u        /* an unacceptable login proposed so often: the server insists */
#define PPP_AUTH_RESEND_MS 3000u  /* an unanswered packet of a login is repeated, sstp-protocol.md 5.3 */
#define PPP_AUTH_RESENDS_MAX 10u  /* and then no more; RADIUS may be slow: the call's timer goes on */
#define PPP_AUTH_PACKET_MAX 1500u /* the longest packet of a login that we write: fits every MRU */
#define PPP_CHALLENGES_MAX 16u    /* before a verdict: each costs us hashing, nobody needs many */
#define PPP_RECHALLENGE_MS 1000u  /* after login; a server that wants us earlier repeats itself anyway */
#define PPP_MTU_DEFAULT 1400u     /* what Windows uses: fits the way below, TLS and all */
#define PPP_MTU_MIN 576u          /* every IPv4 host takes this much */
#define PPP_MTU_MAX 1500u         /* what we offer to receive, RFC 1661's default */
#define PPP_MTU_MIN_IP6 1280u     /* RFC 8200 5: no IPv6 on a smaller link */
#define PPP_ECHO_MS 15000u        /* our LCP echo: SoftEther's PPP runs only when it gets packets */
#define PPP_ECHO_MISSES_MAX 4u    /* of these in a row without anything from the server: it is gone */
#define PPP_IP6_GRACE_MS 500u     /* IPv4 is up and IPV6CP says nothing: how long we wait for it */
#define PPP_IP6_ALONE_MS 4000u    /* IPv4 is refused: how long IPv6 alone may take, a lost packet included */

/* --- the private network ---------------------------------------------------------------------------------- */
#define DHCP_WAIT_MS 15000u    /* to the first address; 4 DISCOVERs of lwIP; a user should know within 20 s in all */
#define DHCP_ROUTES_MAX 64u    /* classless routes of a lease; one option of 255 bytes holds 51. Each packet walks their list */
#define FLOW_CONNECT_MS 9000u  /* one TCP connect through the tunnel; browsers and curl hear of it within 10 s */
#define RESOLVE_MS 5000u       /* one name, all servers tried */
#define FLOWS_MAX 16384u       /* conversations at once; above it clients wait in the listen queue */
#define FLOW_MEMORY (256u * MIB)    /* that the windows of all flows share, if the user does not say otherwise, */
#define FLOW_MEMORY_MIN (16u * MIB) /* and the least he may say: two flows at 10 MB/s over 100 ms */
#define FLOW_MEMORY_MAX_MIB 65536u  /* and the most: more than FLOWS_MAX flows have ever needed */
#define FLOW_WINDOW_MIN (16u * KIB) /* receive window that every flow has, whatever the others hold: a first flight of
				     * ten segments, RFC 6928 */
#define FLOW_WINDOW_START (64u * KIB) /* where it starts as long as half of the memory is free: all a SYN can say */
#define FLOW_WINDOW_MAX (8u * MIB)  /* up to which it grows: 640 Mbit/s at 100 ms */
#define FLOW_SEND_START (128u * KIB) /* the same for bytes of a flow that are queued, sent or not, until their ACK */
#define FLOW_SEND_MAX (8u * MIB)
#define FLOW_REST_MS 10000u    /* a window of which not a quarter was needed for so long is halved */
#define HELD_MAX 256u          /* requests waiting for the tunnel to come (back) up, of FLOWS_MAX */
#define FLOW_CHUNK (64u * KIB)  /* unit of a flow's send queue, a socket read; an idle flow holds none, */
#define FLOW_CHUNK_MIN (16u * KIB) /* and one that sends a request now and then only this first one */
#define FLOW_LINGER_MS 60000u  /* a flow its client is done with: how long the rest of its queue may take */
#define FLOW_SMALL 1024u       /* received pieces below this are gathered, so that a byte costs at most a few in memory */
#define FLOW_KEEPALIVE_MS 300000u /* silence until a peer is asked whether it is still there, */
#define FLOW_KEEPALIVE_RETRY_MS 15000u /* how often then, */
#define FLOW_KEEPALIVE_RETRIES 4u /* and how many times: six minutes in all */
#define TCP_PORTS_MAX 256u     /* TCP ports of ours: -R, and one for each BIND under way */
#define TCP_BACKLOG_MAX 64u    /* of one port: connections begun and not yet taken. A flood of SYNs fills it and no more */
#define UDP_SOCKS_MAX 1024u    /* UDP ports of ours: proxy associations and forwards; each datagram in walks their list */
#define UDP_QUEUE_MAX (256u * KIB) /* datagrams waiting for their socket's next event: one read of the wire, all for it */
#define RESOLVE_QUERIES_MAX 256u  /* different names being asked for at once: a browser's worst page load, twice */
#define RESOLVE_CACHE_MAX 64u  /* names remembered */
#define RESOLVE_TTL_MAX_S 3600u /* and no longer than this: the private network may change under us */
#define RESOLVE_IPS_MAX 6u     /* addresses of one name that are tried; more would not be reached in time */
#define RESOLVE_TCP_MAX 8192u  /* bytes of an answer over TCP: 60 addresses with long aliases are half of that */
#define RESOLVE_ANSWER_MAX 4096u /* bytes of a DNS answer that are read; without EDNS there are 512 */

/* --- local clients ---------------------------------------------------------------------------------------- */
#define LISTENERS_MAX 16u
#define SOCKET_PATH_MAX 107u /* path of a socket in the file system: Linux' sun_path, with a NUL behind it */
#define CLIENTS_MAX FLOWS_MAX   /* every client holds at most one flow */
#define SOCKS_HANDSHAKE_MS 10000u /* from accept to a whole request: a local program has no reason to take longer; also
				   * from a refusal to the client's close */
#define SOCKS_READ_MAX 1024u /* handshake and what a client sends along with it (TLS hello); more waits in its socket */
#define HTTP_IDLE_MS 120000u /* a client's HTTP connection between two requests: longer than servers keep theirs (5 to 75 s),
			      * shorter than browsers would (5 minutes) */
#define HTTP_ANSWER_MS 900000u /* from a whole request to the head of its answer; long polls take minutes */
#define HTTP_OUT_MAX (32u * KIB) /* bytes of an answer on their way to the client; more waits in the target's window */
#define HTTP_PAGE_MAX 3072u  /* a page of our own; so much of the above is kept for one */
#define CLIENT_KEEPALIVE_S 60u /* how often TCP asks a silent client: one on another machine may have vanished */
#define CLIENT_UNSENT_MAX (1u * MIB) /* bytes that wait in the socket of a client until it reads; at a quarter of it, a client
				      * that does read cost a third more CPU for each byte */
#define CLIENT_TURN_MAX (64u * KIB) /* the same for one client of the proxy */
#define UDP_ASSOCIATIONS_MAX 256u /* at once, and a port in the private network each; a client needs one for all it does */
#define UDP_IDLE_MS 300000u       /* an association without a datagram either way; RFC 4787 REQ-5 recommends 5 minutes */
#define UDP_LOOKUPS_MAX 16u       /* datagrams of one association whose name is being looked up, */
#define UDP_PENDING_MAX (64u * KIB) /* and their bytes: one of the largest */
#define BINDS_MAX 64u             /* BINDs that wait for their peer: a port in the private network each; FTP needs one a file */
#define BIND_MS 120000u           /* how long they wait: what the SOCKS4 memo says */
#define BIND_ADDRESSES_MAX 8u     /* of a peer that was given by name */
#define PROXY_DENIED_MS 1000u     /* until a wrong password is answered: guessing costs a place among the clients meanwhile */
#define SOCKS4_USER_MAX 255u /* a user id; the memo has no bound, login names are shorter */
#define PROXY_WORD_MAX 255u /* user and password of the proxy: one length byte, RFC 1929 */
#define HALF_OPEN_MAX 1024u /* connects under way; one host has half of them at most, and that is as many as a fast scan of
			     * its ports tries at once. What is more waits; small routers forget connections above some thousands */
#define HALF_OPEN_MS 2000u  /* one connect, when others wait that had none yet: who lives within a second's round trip has
			     * answered the SYN by then, or the one that lwIP sends after a second */
#define TARGET_PART_MS 2000u /* for the other side's end, when ours is sent: a few round trips, and no lasting burden */
#define TARGET_PART_BYTES (64u * KIB) /* thrown away in that time: what was under way, but no endless stream */
#define TARGETS_PARTING_MAX 256u /* at once; flows and descriptors that no client is counted for: a page's servers, many times */
#define DIRECT_WINDOW (64u * KIB) /* each way of a connection that goes around the tunnel; the kernel has buffers of its own */
#define DIRECT_ADDRESSES_MAX 8u   /* of one name that are tried for it */
#define FORWARD_CLIENTS_MAX 1024u  /* connections of -L and -R together; the rest of all flows is the proxy's */
#define FORWARD_PEERS_MAX 256u     /* UDP conversations of -L and -R together; each takes a port, in there or here */
#define FORWARD_IDLE_MS 120000u    /* silence until such a conversation is over; RFC 4787 REQ-5 wants at least two minutes */
#define FORWARD_NAME_MS 60000u     /* how old the address of a UDP forward's named destination may be */
#define STDIO_BUFFER (64u * KIB)   /* each way of -W: what a pipe of Linux holds */
#define ACCEPT_BATCH 32u       /* clients accepted in one turn, so that they do not hold up the others */
#define ACCEPT_PAUSE_MS 250u   /* until accepting is tried again when the system has no descriptor left */
#define DESCRIPTORS_KEPT 64u   /* not for clients: listeners, the wire and its reconnects, resolving, files, libuv */

/* --- the sum ---------------------------------------------------------------------------------------------- *
 * Nothing of this is allocated ahead, and an idle flow holds none of it. The worst case is that every flow has both of
 * its windows full: thousands of clients that do not read what a private network sends, and as many uploads to peers that
 * do not acknowledge. Then they hold the memory they share, and each the little beside it that lets it go on. FLOW_SMALL
 * sees to it that a received byte costs less than two. */
#define FLOW_FLOOR_KIB ((2u * FLOW_WINDOW_MIN + FLOW_CHUNK_MIN) / KIB)
#define FLOWS_WORST_MIB (FLOW_MEMORY / MIB + FLOWS_MAX * FLOW_FLOOR_KIB / KIB)
#define CHANNEL_WORST_KIB ((2u * WIRE_READ_MAX + 2u * WIRE_WRITE_MAX + SESSION_RX_MAX + SE_CHANNEL_TX_MIN) / KIB)
#define SESSION_WORST_MIB (32u * CHANNEL_WORST_KIB / KIB + (SESSION_TX_MAX + SESSION_UDP_MAX) / MIB + 3u)
#define UDP_WORST_MIB (UDP_ASSOCIATIONS_MAX * UDP_PENDING_MAX / MIB) /* what goes around the tunnel has smaller windows than a flow */
_Static_assert(FLOWS_WORST_MIB + SESSION_WORST_MIB + UDP_WORST_MIB <= 1088u, "memory at every cap: a bit more than 1 GiB");
_Static_assert(2u * DIRECT_WINDOW <= FLOW_FLOOR_KIB * KIB + FLOW_SEND_START, "a client has one target, a flow or a direct one");

#endif

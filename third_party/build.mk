# SPDX-License-Identifier: GPL-3.0-or-later
#
# build.mk - the libraries in third_party/versions, compiled from build/src with our options into $(OUT)/third_party.
# The lists name what is compiled: nothing of these libraries gets in that is not written here.

# Remaking an included makefile makes make start over: with the sources in place, and with what a changed patch touched
# newer than its objects.
ifneq ($(filter-out clean distclean lint install-tools,$(or $(MAKECMDGOALS),all)),)
include $(SRC)/ready.mk
endif
$(SRC)/ready.mk: third_party/versions third_party/fetch $(wildcard third_party/patches/* third_party/patches/*/*.patch)
	@third_party/fetch
	@echo "# written when the sources were complete" > $@

TP_INCLUDES := -isystem $(SRC)/wolfssl -isystem $(SRC)/lwip/src/include -isystem $(SRC)/libuv/include \
	-isystem $(SRC)/llhttp/include -isystem $(SRC)/zlib -isystem $(SRC)/cmocka/include -Ithird_party/wolfssl -Ithird_party/lwip
TP_DEFINES  := -DWOLFSSL_USER_SETTINGS $(if $(filter no,$(ASM)),-DSOFTSOCKS_NO_ASM)

# ---- wolfSSL ----
wolfssl_c := $(addprefix src/, crl.c internal.c keys.c ocsp.c ssl.c tls.c tls13.c wolfio.c) \
	$(addprefix wolfcrypt/src/, aes.c arc4.c asn.c chacha.c chacha20_poly1305.c cmac.c coding.c curve25519.c des3.c \
	dh.c ecc.c ed25519.c error.c fe_operations.c ge_operations.c hash.c hmac.c kdf.c logging.c md4.c md5.c memory.c \
	pkcs12.c poly1305.c pwdbased.c random.c rc2.c rsa.c sha.c sha256.c sha512.c signature.c sp_int.c wc_encrypt.c \
	wc_port.c wolfmath.c cpuid.c)
ifeq ($(ARCH)$(filter no,$(ASM)),x86_64)
wolfssl_c += wolfcrypt/src/sp_x86_64.c
wolfssl_S := $(addprefix wolfcrypt/src/, aes_asm.S aes_gcm_asm.S chacha_asm.S fe_x25519_asm.S poly1305_asm.S \
	sha256_asm.S sha512_asm.S sp_x86_64_asm.S)
wolfssl_S_flags := -DWOLFSSL_X86_64_BUILD= # aes_asm.S does not read user_settings.h
# Intrinsics for code that only runs where cpuid has found AES-NI.
$(OUT)/third_party/wolfssl/wolfcrypt/src/aes.o: private TP_FLAGS += -maes -mpclmul
else
wolfssl_c += wolfcrypt/src/sp_c64.c wolfcrypt/src/sp_c32.c # the one of the other word size is empty
endif
wolfssl_o := $(OUT)/third_party/wolfssl/tls_records.o
$(OUT)/third_party/wolfssl/tls_records.o: third_party/wolfssl/tls_records.c $(OUT)/.flags third_party/build.mk
	$(call compile,$(TP_CFLAGS) $(wolfssl_flags))
wolfssl_flags := -Ithird_party/wolfssl -I$(SRC)/wolfssl $(if $(SAN),-fno-sanitize=undefined) # its big-number code shifts into the sign bit

# ---- lwIP ----
lwip_c := $(addprefix src/core/, def.c dns.c inet_chksum.c init.c ip.c mem.c memp.c netif.c pbuf.c raw.c stats.c tcp.c \
	tcp_in.c tcp_out.c timeouts.c udp.c) \
	$(addprefix src/core/ipv4/, dhcp.c etharp.c icmp.c ip4.c ip4_addr.c ip4_frag.c) \
	$(addprefix src/core/ipv6/, dhcp6.c ethip6.c icmp6.c inet6.c ip6.c ip6_addr.c ip6_frag.c mld6.c nd6.c) \
	src/netif/ethernet.c
lwip_o := $(OUT)/third_party/lwip/chksum.o
$(OUT)/third_party/lwip/chksum.o: private TP_FLAGS += -O3
$(OUT)/third_party/lwip/chksum.o: third_party/lwip/chksum.c $(OUT)/.flags third_party/build.mk
	$(call compile,$(TP_CFLAGS) $(lwip_flags) $(TP_FLAGS))
lwip_flags := -Ithird_party/lwip -I$(SRC)/lwip/src/include

# ---- libuv (Linux) ----
libuv_c := $(addprefix src/, fs-poll.c idna.c inet.c random.c strscpy.c strtok.c thread-common.c threadpool.c timer.c \
	uv-common.c uv-data-getter-setters.c version.c) \
	$(addprefix src/unix/, async.c core.c dl.c fs.c getaddrinfo.c getnameinfo.c linux.c loop-watcher.c loop.c pipe.c \
	poll.c process.c procfs-exepath.c proctitle.c random-devurandom.c random-getrandom.c random-sysctl-linux.c signal.c \
	stream.c tcp.c thread.c tty.c udp.c)
libuv_flags := -I$(SRC)/libuv/include -I$(SRC)/libuv/src

# ---- llhttp ----
llhttp_c := $(addprefix src/, api.c http.c llhttp.c)
llhttp_flags := -I$(SRC)/llhttp/include

# ---- zlib: streams in memory, without gzip and its CRC ----
zlib_c := adler32.c deflate.c inffast.c inflate.c inftrees.c trees.c zutil.c
zlib_flags := -I$(SRC)/zlib -DNO_GZIP -DHAVE_UNISTD_H -DHAVE_HIDDEN

# ---- cmocka (tests only) ----
cmocka_c := src/cmocka.c
cmocka_flags := -I$(SRC)/cmocka/include $(addprefix -DHAVE_, MALLOC_H INTTYPES_H SIGNAL_H STRINGS_H STRSIGNAL \
	GCC_THREAD_LOCAL_STORAGE CLOCK_REALTIME STRUCT_TIMESPEC SIGLONGJMP)

# library NAME: rules for $(OUT)/third_party/libNAME.a
define library
$(1)_o += $$(patsubst %,$(OUT)/third_party/$(1)/%.o,$$(basename $$($(1)_c) $$($(1)_S)))
$(OUT)/third_party/$(1)/%.o: $(SRC)/$(1)/%.c $(OUT)/.flags third_party/build.mk
	$$(call compile,$$(TP_CFLAGS) $$($(1)_flags) $$(TP_FLAGS))
$(OUT)/third_party/$(1)/%.o: $(SRC)/$(1)/%.S $(OUT)/.flags third_party/build.mk
	$$(call compile,$$(TP_DEFINES) $$($(1)_flags) $$($(1)_S_flags))
$(OUT)/third_party/lib$(1).a: $$($(1)_o)
	$$(call archive)
OBJECTS += $$($(1)_o)
endef
$(foreach l,wolfssl lwip libuv llhttp zlib cmocka,$(eval $(call library,$(l))))

TP_LIBS := $(patsubst %,$(OUT)/third_party/lib%.a,wolfssl lwip libuv llhttp zlib)
CMOCKA  := $(OUT)/third_party/libcmocka.a

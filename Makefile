# SPDX-License-Identifier: GPL-3.0-or-later
#
# make                  build/softsocks (the first time it fetches the libraries it is built from, see third_party/)
# make check            unit tests and the fuzzing corpus: quick, no network; ONLY='test_rd*' for some of them
# make test             everything: lint, check, check again with sanitizers, then test/interop against real servers
# make test-browser     a headless browser through the proxy: test/browser; fetches Chromium if there is none (100 MB)
# make demo             show it: test/demo
# make bench            measure it, beside its rivals: test/bench/run, 15 minutes; QUICK=1 is a look in two
# make fuzz T=NAME      fuzz one target of test/fuzz with clang, S=SECONDS (60)
# make lint | tidy      our own rules | clang-tidy
# make install          DESTDIR=, PREFIX=/usr/local
# make clean | distclean   without or with the fetched sources
#
# V=1 shows the commands; CC=clang; SAN=address,undefined; WERROR=1; ASM=no; BUILD=DIR for another build directory.
# By convention: every .c of core/, netstack/ and socks/ but socks/main.c is in the library; every test/unit/test_*.c and
# test/fuzz/fuzz_*.c is a program; test/support/*.c is in all of these; every test/peer/*.c is a program of its own;
# test/gateway/*.c is one; so is every test/bench/*.c (but a rival's).

ifeq ($(origin CC),default)
CC := gcc
endif
BUILD  ?= build
PREFIX ?= /usr/local
S      ?= 60
SRC    := build/src
ARCH   := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
comma  := ,
# Each kind of build has a directory of its own; the fetched sources are shared.
OUT    := $(BUILD)$(if $(filter-out gcc,$(CC)),/$(notdir $(CC)))$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))$(if $(FUZZER),/fuzzer)

# Once per build directory: can it compile at all?
ifeq ($(wildcard $(OUT)/.flags),)
ifneq ($(shell echo 'int main(void) { return 0; }' | $(CC) -include stdio.h -x c -o /dev/null - 2>&1 || echo no),)
$(error $(CC) cannot compile a C program: install the Debian packages gcc and libc6-dev, or name another compiler, CC=clang)
endif
endif

# As many jobs as there are processors, unless the user says how many.
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wconversion $(if $(WERROR),-Werror)
HARDEN := -fstack-protector-strong $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
COMMON := -O2 -g -fPIE -ffunction-sections -fdata-sections -pthread $(HARDEN) \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
	$(if $(FUZZER),-fsanitize=fuzzer-no-link)
TP_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(COMMON) -w $(TP_DEFINES) \
	$(if $(SAN),-fno-sanitize=alignment$(comma)null -DSOFTSOCKS_LWIP_CHECK_TAILS)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(COMMON) $(WARN) -I. $(TP_INCLUDES) $(TP_DEFINES) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread $(if $(SAN),-fsanitize=$(SAN)) -Wl,-z,relro,-z,now,--gc-sections,--as-needed $(LDFLAGS)
LIBS   := -lm -ldl -lrt

.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all check test test-browser demo bench fuzz lint tidy install clean distclean programs check-programs sanitized force
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $@)
define compile
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(1) -MD -MP -c -o $@ $<
endef
define archive
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $^
endef
define link
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $(1) -o $@ $(filter %.o %.a,$^) $(LIBS)
endef

ours    := $(sort $(filter-out socks/main.c,$(wildcard core/*.c core/*/*.c netstack/*.c socks/*.c)))
main    := $(wildcard socks/main.c)
support := $(wildcard test/support/*.c)
chosen   = $(if $(ONLY),$(filter $(subst *,%,$(ONLY)),$(1)),$(1))
units   := $(call chosen,$(patsubst test/unit/%.c,%,$(wildcard test/unit/test_*.c)))
fuzzers := $(call chosen,$(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/fuzz_*.c)))
peers   := $(patsubst test/peer/%.c,%,$(wildcard test/peer/*.c))
benches := $(patsubst test/bench/%.c,%,$(filter-out test/bench/rival%,$(wildcard test/bench/*.c)))
obj      = $(patsubst %.c,$(OUT)/obj/%.o,$(1))

program := $(if $(main),$(OUT)/softsocks)
LIB     := $(OUT)/libsoftsocks.a
UNITS   := $(addprefix $(OUT)/unit/,$(units))
REPLAYS := $(addprefix $(OUT)/fuzz/,$(fuzzers))
PEERS   := $(addprefix $(OUT)/peer/,$(peers))
BENCHES := $(addprefix $(OUT)/bench/,$(benches))
GATEWAY := $(if $(wildcard test/gateway/gateway.c),$(OUT)/gateway)
OBJECTS := $(call obj,$(ours) $(main) $(support) $(wildcard test/unit/*.c test/fuzz/*.c test/peer/*.c test/bench/*.c))

include third_party/build.mk

.DEFAULT_GOAL := all
all: $(LIB) $(TP_LIBS) $(program)

$(OUT)/obj/%.o: %.c $(OUT)/.flags
	$(call compile,$(ALL_CFLAGS))
$(LIB): $(call obj,$(ours))
	$(call archive)
$(OUT)/softsocks: $(call obj,$(main)) $(LIB) $(TP_LIBS)
	$(call link)
$(UNITS): $(OUT)/unit/%: $(OUT)/obj/test/unit/%.o $(call obj,$(support)) $(LIB) $(TP_LIBS) $(CMOCKA)
	$(call link)
$(REPLAYS): $(OUT)/fuzz/%: $(OUT)/obj/test/fuzz/%.o $(OUT)/obj/test/fuzz/replay_main.o $(call obj,$(support)) $(LIB) $(TP_LIBS)
	$(call link)
$(addprefix $(OUT)/libfuzzer/,$(fuzzers)): $(OUT)/libfuzzer/%: $(OUT)/obj/test/fuzz/%.o $(call obj,$(support)) $(LIB) $(TP_LIBS)
	$(call link,-fsanitize=fuzzer)
$(PEERS): $(OUT)/peer/%: $(OUT)/obj/test/peer/%.o
	$(call link)
$(BENCHES): $(OUT)/bench/%: $(OUT)/obj/test/bench/%.o
	$(call link)

# The SSTP server of the tests: on OpenSSL, and without a line of ours from core/.
$(OUT)/gateway: test/gateway/build $(wildcard test/gateway/*.[ch]) $(OUT)/.flags
	$(call say,CC)
	$(Q)CC='$(CC)' $< $(abspath $@) $(COMMON) $(WARN)

# Other flags than last time: everything is stale. (-Werror changes no object.)
flags = $(shell $(CC) --version | head -n 1) $(filter-out -Werror,$(ALL_CFLAGS)) / $(TP_CFLAGS) / $(ALL_LDFLAGS)
$(OUT)/.flags: force
	@mkdir -p $(@D)
	@printf '%s\n' '$(flags)' | cmp -s - $@ || printf '%s\n' '$(flags)' > $@

programs: all $(UNITS) $(REPLAYS) $(PEERS) $(BENCHES) $(GATEWAY)
check-programs: $(UNITS) $(REPLAYS)
check: check-programs
	@OUT=$(OUT) test/run check
sanitized: programs
	@$(MAKE) --no-print-directory SAN=address,undefined check-programs
test: programs $(if $(SAN),,sanitized)
	@OUT=$(OUT) test/run lint check $(if $(SAN),,sanitized) interop
test-browser: all $(PEERS)
	@OUT=$(OUT) RESULTS=$(OUT)/test-results-browser test/run browser
demo: all $(PEERS)
	@OUT=$(OUT) test/demo
bench: all $(BENCHES)
	@OUT=$(OUT) test/bench/run
lint:
	@OUT=$(OUT) test/run lint

# New finds go to build/, never into the committed corpus.
fuzz:
	@command -v clang > /dev/null || { echo "make fuzz needs clang: install the Debian packages clang and llvm" >&2; exit 1; }
	@[ -e "test/fuzz/fuzz_$(T).c" ] || { echo "make fuzz T=NAME with NAME one of: $(fuzzers:fuzz_%=%)" >&2; exit 1; }
	@$(MAKE) --no-print-directory CC=clang SAN=address,undefined FUZZER=1 \
		$(BUILD)/clang/san-address-undefined/fuzzer/libfuzzer/fuzz_$(T)
	@mkdir -p $(BUILD)/fuzz-finds/$(T) test/fuzz/corpus/$(T)
	$(BUILD)/clang/san-address-undefined/fuzzer/libfuzzer/fuzz_$(T) -max_total_time=$(S) -timeout=10 -print_final_stats=1 \
		-artifact_prefix=$(BUILD)/fuzz-finds/$(T)- $(BUILD)/fuzz-finds/$(T) test/fuzz/corpus/$(T)

tidy:
	@command -v clang-tidy > /dev/null || { echo "make tidy needs clang-tidy: install the Debian package clang-tidy" >&2; exit 1; }
	@clang-tidy --quiet $(ours) $(main) -- $(ALL_CFLAGS)

install: all
	install -D -m 755 $(OUT)/softsocks $(DESTDIR)$(PREFIX)/bin/softsocks
	mkdir -p $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(OUT)/softsocks --man > $(DESTDIR)$(PREFIX)/share/man/man1/softsocks.1
	$(OUT)/softsocks --completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/softsocks
clean:
	rm -rf $(addprefix $(BUILD)/,obj unit fuzz libfuzzer peer bench gateway third_party test-results libsoftsocks.a softsocks .flags clang san-*)
distclean:
	rm -rf $(BUILD) build

-include $(OBJECTS:.o=.d)

# SPDX-License-Identifier: BSD-2-Clause
#
# Builds Granule: the kernel image, the library for embedders, and the tests of both worlds. `make help` lists the targets.
#
# Everything is found by directory, so a new source file needs no line here. Objects live in
# $(BUILD)/$(TOOLCHAIN)-$(VARIANT)/ for the target and in $(BUILD)/host-*/ for the host; the kernel and library of the
# toolchain that was built last are copied to $(BUILD)/.

VERSION := 0.1.0

TOOLCHAIN ?= clang
VARIANT ?= release
BUILD ?= build
PREFIX ?= /usr/local
TIME ?= 60
V ?= 0

ifeq ($(filter $(TOOLCHAIN),clang gcc),)
$(error TOOLCHAIN is clang or gcc, not "$(TOOLCHAIN)")
endif
ifeq ($(filter $(VARIANT),release debug ubsan),)
$(error VARIANT is release, debug or ubsan, not "$(VARIANT)")
endif

SHELL := /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

ifeq ($(V),0)
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)';
else
Q :=
say =
endif

OUT := $(BUILD)/$(TOOLCHAIN)-$(VARIANT)

# ---- tools -----------------------------------------------------------------------------------------------------------

# The first command that exists of NAME, NAME-19 .. NAME-14; NAME itself when there is none, so that the error names it.
LLVM_VERSIONS := 19 18 17 16 15 14
pick = $(or $(firstword $(foreach c,$(1) $(addprefix $(1)-,$(LLVM_VERSIONS)),$(shell command -v $(c)))),$(1))

CLANG := $(call pick,clang)
HOST_GCC ?= gcc

# gcc's prefix: a bare-metal compiler where there is one; Debian and Ubuntu only have the Linux one, which serves as well.
ifeq ($(CROSS_COMPILE),)
CROSS := $(if $(shell command -v aarch64-none-elf-gcc),aarch64-none-elf-,aarch64-linux-gnu-)
else
CROSS := $(CROSS_COMPILE)
endif

ifeq ($(TOOLCHAIN),clang)
# ld.lld is called directly: clang's bare-metal driver ignores -pie without a word.
CC := $(CLANG) --target=aarch64-none-elf
LD := $(call pick,ld.lld)
AR := $(call pick,llvm-ar)
NM := $(call pick,llvm-nm)
OBJCOPY := $(call pick,llvm-objcopy)
else
CC := $(CROSS)gcc
LD := $(CROSS)ld
AR := $(CROSS)ar
NM := $(CROSS)nm
OBJCOPY := $(CROSS)objcopy
endif

# ---- flags -----------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wpointer-arith -Wvla \
	-Wimplicit-fallthrough
COMMON := -std=gnu17 -I. -g $(WARNINGS)

TARGET_FLAGS := -march=armv8-a -mgeneral-regs-only -mstrict-align -ffreestanding -fno-builtin -fpie -fno-common \
	-fvisibility=hidden -fno-stack-protector -fno-omit-frame-pointer -fno-asynchronous-unwind-tables

ifeq ($(TOOLCHAIN),clang)
TARGET_FLAGS += -Wthread-safety
TRAP_UBSAN := -fsanitize=undefined -fsanitize-trap=undefined
else
TARGET_FLAGS += -mno-outline-atomics
TRAP_UBSAN := -fsanitize=undefined -fsanitize-undefined-trap-on-error
endif

# debug only turns the optimiser down; ubsan traps (BRK) on undefined behaviour, in the kernel as well.
VARIANT_FLAGS_release := -O2
VARIANT_FLAGS_debug := -Og
VARIANT_FLAGS_ubsan := -O2 $(TRAP_UBSAN)

CFLAGS_TARGET := $(COMMON) $(TARGET_FLAGS) $(VARIANT_FLAGS_$(VARIANT)) $(EXTRA_CFLAGS)
ASFLAGS_TARGET := -I. -g -march=armv8-a -D__ASSEMBLY__
LDFLAGS_TARGET := -nostdlib -pie --no-dynamic-linker -z text -z max-page-size=4096 -z noexecstack --build-id=none \
	--fatal-warnings

# ---- sources ---------------------------------------------------------------------------------------------------------

LIB_C := $(wildcard lib/*.c)
MM_C := $(wildcard mm/*.c)
ARCH_C := $(wildcard arch/aarch64/*.c)
ARCH_S := $(wildcard arch/aarch64/*.S)
BOOT_C := $(wildcard boot/*.c boot/console/*.c boot/board/*.c)
BOOT_S := $(wildcard boot/*.S)
SUITES := $(wildcard tests/suites/*.c)

KERNEL_SRC := $(BOOT_S) $(BOOT_C) $(ARCH_S) $(ARCH_C) $(MM_C) $(LIB_C) $(SUITES)

# Files of the target that hold no register access of their own (or whose instructions arch/aarch64/insn.h records on
# the host): the host tests call them.
ARCH_PURE := $(wildcard $(addprefix arch/aarch64/,format.c tlb.c cache.c mmu_on.c features.c))
BOOT_PURE := $(wildcard $(addprefix boot/,symbols.c cmdline.c))
HOST_ARCH_C := $(wildcard arch/host/*.c)
HOST_TEST_C := $(wildcard tests/host/*.c)
HOST_MAIN_C := $(filter tests/host/main.c,$(HOST_TEST_C))
FUZZ_C := $(wildcard tests/fuzz/*.c)

# What libgranule.a is made of: everything an embedder gets, without the boot, the consoles and the test runner.
LIB_ARCH_SRCS := $(wildcard $(addprefix arch/aarch64/,format.c tlb.c cache.c features.c spinlock.c irq.c cpu.c zero.S))
LIB_SRCS := $(filter-out lib/tap.c,$(LIB_C)) $(MM_C) $(LIB_ARCH_SRCS)

objects = $(addprefix $(1)/,$(addsuffix .o,$(basename $(2))))

# ---- the default target ----------------------------------------------------------------------------------------------

.PHONY: all
ifeq ($(SUITE),)
all: kernel compile_commands.json
ifneq ($(wildcard mm/granule.c),)
all: library
endif
else
# `make SUITE=buddy` is short for running that suite on the host.
all: test-host
endif

FORCE:
.PHONY: FORCE

# A stamp holds the words that an output depends on besides its files; it changes only when they do.
stamp = $(Q)mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(1))' >$@

# ---- the kernel ------------------------------------------------------------------------------------------------------

KERNEL_OBJ := $(call objects,$(OUT),$(KERNEL_SRC))

.PHONY: kernel objects
kernel: $(BUILD)/granule.elf $(BUILD)/granule.img
objects: $(KERNEL_OBJ)

$(OUT)/flags: FORCE
	$(call stamp,$(CC) $(CFLAGS_TARGET) $(ASFLAGS_TARGET) $(shell $(CC) --version | head -n1))

$(OUT)/sources: FORCE
	$(call stamp,$(KERNEL_SRC) $(LD) $(LDFLAGS_TARGET))

$(OUT)/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS_TARGET) -MMD -MP -c $< -o $@

$(OUT)/%.o: %.S $(OUT)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)$(CC) $(ASFLAGS_TARGET) -MMD -MP -c $< -o $@

# Function names for backtraces. The table's size depends on the symbols and its content on their addresses, so the kernel
# is linked with an empty table first; the table stands at the end of the read-only data, behind all code, and so moves none.
SYMTAB := tools/symtab.py
LINK = $(LD) $(LDFLAGS_TARGET) -T linker.ld

$(OUT)/symtab0.S: $(SYMTAB)
	@mkdir -p $(@D)
	$(Q)python3 $(SYMTAB) </dev/null >$@

$(OUT)/symtab0.o $(OUT)/symtab.o: $(OUT)/%.o: $(OUT)/%.S
	$(Q)$(CC) $(ASFLAGS_TARGET) -c $< -o $@

$(OUT)/pass1.elf: $(KERNEL_OBJ) $(OUT)/symtab0.o linker.ld $(OUT)/sources
	$(call say,LD,$@)$(LINK) $(KERNEL_OBJ) $(OUT)/symtab0.o -o $@

$(OUT)/symtab.S: $(OUT)/pass1.elf $(SYMTAB)
	$(call say,SYMTAB,$@)$(NM) -n $< | python3 $(SYMTAB) >$@

$(OUT)/granule.elf: $(OUT)/pass1.elf $(OUT)/symtab.o
	$(call say,LD,$@)$(LINK) $(KERNEL_OBJ) $(OUT)/symtab.o -o $@
	$(Q)for f in $(OUT)/pass1 $(OUT)/granule; do $(NM) -n $$f.elf | grep -i ' t ' >$$f.text; done; \
		cmp $(OUT)/pass1.text $(OUT)/granule.text || { echo "$@: code moved when the symbol table was added" >&2; exit 1; }

$(OUT)/granule.img: $(OUT)/granule.elf
	$(call say,OBJCOPY,$@)$(OBJCOPY) -O binary $< $@

# The copies that people and documents name: always those of the last toolchain and variant built.
$(BUILD)/granule.%: $(OUT)/granule.% FORCE
	$(Q)cmp -s $< $@ || cp $< $@

# ---- the library for embedders -----------------------------------------------------------------------------------------

LIB_OBJ := $(call objects,$(OUT),$(LIB_SRCS))

.PHONY: library
library: $(BUILD)/libgranule.a

$(OUT)/libsources: FORCE
	$(call stamp,$(LIB_SRCS))

# One relocatable object in which only the gr_ names are global; what it leaves undefined are the hooks alone.
$(OUT)/granule.o: $(LIB_OBJ) $(OUT)/libsources
	$(call say,LD -r,$@)$(LD) -r $(LIB_OBJ) -o $@.tmp
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='gr_*' $@.tmp $@
	$(Q)rm -f $@.tmp
	$(Q)bad=$$($(NM) -u $@ | awk '$$NF !~ /^gr_host_/ { print $$NF }'); \
		test -z "$$bad" || { echo "$@: undefined names that are no hooks:" $$bad >&2; exit 1; }

$(OUT)/libgranule.a: $(OUT)/granule.o
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $<

$(BUILD)/libgranule.a: $(OUT)/libgranule.a FORCE
	$(Q)cmp -s $< $@ || cp $< $@

-include $(patsubst %.o,%.d,$(KERNEL_OBJ) $(LIB_OBJ))

# ---- the host builds ---------------------------------------------------------------------------------------------------
#
# One program per suite, so that a crash costs one suite. The tested code is an archive: a suite pulls in what it uses.
#
#	clang	AddressSanitizer, UndefinedBehaviorSanitizer, thread-safety analysis
#	gcc	the other compiler's warnings and code, no sanitizers
#	tsan	ThreadSanitizer
#	trace	every function entry is recorded, for the behaviour inventory
#	fuzz	libFuzzer with both sanitizers

HOST_FLAGS := -DGRANULE_HOST -fno-omit-frame-pointer -fno-common -pthread
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

HOST_clang_CC := $(CLANG)
HOST_clang_FLAGS := -O1 $(SANITIZE) -Wthread-safety
HOST_gcc_CC := $(HOST_GCC)
HOST_gcc_FLAGS := -O2
HOST_tsan_CC := $(CLANG)
HOST_tsan_FLAGS := -O1 -fsanitize=thread
HOST_trace_CC := $(HOST_GCC)
HOST_trace_FLAGS := -O0 -fno-inline -finstrument-functions -fno-pie -no-pie
HOST_fuzz_CC := $(CLANG)
HOST_fuzz_FLAGS := -O1 $(SANITIZE)
HOST_BUILDS := clang gcc tsan trace fuzz

HOST_CODE := $(LIB_C) $(MM_C) $(ARCH_PURE) $(BOOT_PURE) $(HOST_ARCH_C) $(filter-out $(HOST_MAIN_C),$(HOST_TEST_C))
SUITE_NAMES := $(if $(SUITE),$(SUITE),$(basename $(notdir $(SUITES))))

# $(1): name of the build
define host_build
HOST_$(1) := $(BUILD)/host-$(1)
HOST_$(1)_OBJ := $$(call objects,$(BUILD)/host-$(1),$(HOST_CODE))
HOST_$(1)_MAIN := $$(call objects,$(BUILD)/host-$(1),$(HOST_MAIN_C))
HOST_$(1)_SUITES := $$(addprefix $(BUILD)/host-$(1)/suites/,$(SUITE_NAMES))

$(BUILD)/host-$(1)/flags: FORCE
	$$(call stamp,$$(HOST_$(1)_CC) $$(COMMON) $$(HOST_FLAGS) $$(HOST_$(1)_FLAGS) $$(EXTRA_CFLAGS))

$(BUILD)/host-$(1)/%.o: %.c $(BUILD)/host-$(1)/flags
	@mkdir -p $$(@D)
	$$(call say,CC $(1),$$<)$$(HOST_$(1)_CC) $$(COMMON) $$(HOST_FLAGS) $$(HOST_$(1)_FLAGS) \
		$$(if $$(filter fuzz,$(1)),$$(if $$(filter tests/fuzz/%,$$<),-fsanitize=fuzzer,-fsanitize=fuzzer-no-link)) \
		$$(EXTRA_CFLAGS) -MMD -MP -c $$< -o $$@

$(BUILD)/host-$(1)/sources: FORCE
	$$(call stamp,$(HOST_CODE))

$(BUILD)/host-$(1)/libcode.a: $$(HOST_$(1)_OBJ) $(BUILD)/host-$(1)/sources
	$$(Q)rm -f $$@ && ar rcs $$@ $$(HOST_$(1)_OBJ)

$(BUILD)/host-$(1)/suites/%: $(BUILD)/host-$(1)/tests/suites/%.o $$(HOST_$(1)_MAIN) $(BUILD)/host-$(1)/libcode.a
	@mkdir -p $$(@D)
	$$(call say,LD $(1),$$@)$$(HOST_$(1)_CC) $$(HOST_FLAGS) $$(HOST_$(1)_FLAGS) $$(filter %.o %.a,$$^) -o $$@

.PRECIOUS: $(BUILD)/host-$(1)/%.o

-include $$(patsubst %.o,%.d,$$(HOST_$(1)_OBJ) $$(HOST_$(1)_MAIN) $$(call objects,$(BUILD)/host-$(1),$(SUITES) $(FUZZ_C)))
endef
$(foreach b,$(HOST_BUILDS),$(eval $(call host_build,$(b))))

# A suite that hangs is a failure, not a wait.
PROVE := prove --failures --exec 'timeout -k 5 300'

.PHONY: test-host test-host-clang test-host-gcc test-host-tsan
test-host: test-host-clang test-host-gcc
test-host-clang test-host-gcc test-host-tsan: test-host-%:
	$(Q)test -n '$(SUITE_NAMES)' || { echo "no suites in tests/suites" >&2; exit 1; }
	$(Q)$(MAKE) --no-print-directory $(HOST_$*_SUITES)
	@echo "host suites, $* build:"
	$(Q)$(PROVE) $(HOST_$*_SUITES)

# ---- everything else -----------------------------------------------------------------------------------------------------

compile_commands.json: $(OUT)/flags $(OUT)/sources tools/compile_commands.py
	$(call say,GEN,$@)python3 tools/compile_commands.py '$(CC) $(CFLAGS_TARGET)' $(filter %.c,$(KERNEL_SRC)) \
		-- '$(HOST_clang_CC) $(COMMON) $(HOST_FLAGS)' $(HOST_ARCH_C) $(HOST_TEST_C) $(FUZZ_C) >$@

.PHONY: clean
clean:
	rm -rf $(BUILD) compile_commands.json

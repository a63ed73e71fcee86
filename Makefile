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
ifeq ($(filter $(VARIANT),release debug ubsan trace),)
$(error VARIANT is release, debug, ubsan or trace, not "$(VARIANT)")
endif
ifeq ($(TOOLCHAIN)-$(VARIANT),clang-trace)
$(error VARIANT=trace needs TOOLCHAIN=gcc: only gcc can leave files out of -finstrument-functions)
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
OBJDUMP := $(call pick,llvm-objdump)
else
CC := $(CROSS)gcc
LD := $(CROSS)ld
AR := $(CROSS)ar
NM := $(CROSS)nm
OBJCOPY := $(CROSS)objcopy
OBJDUMP := $(CROSS)objdump
endif

# ---- flags -----------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wpointer-arith -Wvla \
	-Wimplicit-fallthrough
COMMON := -std=gnu17 -I. -g $(WARNINGS)

# Cortex-A53 errata 835769 here and 843419 at the link: both are about instruction sequences.
TARGET_FLAGS := -march=armv8-a -mfix-cortex-a53-835769 -mgeneral-regs-only -mstrict-align -ffreestanding -fno-builtin -fpie -fno-common \
	-fvisibility=hidden -include lib/hidden.h -fno-stack-protector -fno-omit-frame-pointer -fno-asynchronous-unwind-tables

ifeq ($(TOOLCHAIN),clang)
TARGET_FLAGS += -Wthread-safety
TRAP_UBSAN := -fsanitize=undefined -fsanitize-trap=undefined
else
TARGET_FLAGS += -mno-outline-atomics
TRAP_UBSAN := -fsanitize=undefined -fsanitize-undefined-trap-on-error
endif

# debug only turns the optimiser down (gcc then makes no tail calls, and loses sight of what is initialised); ubsan traps
# (BRK) on undefined behaviour, in the kernel as well; trace records every function entered (tests/trace), but for the code
# that runs from the identity map, where the recorder is not.
VARIANT_FLAGS_release := -O2
VARIANT_FLAGS_debug := -Og $(if $(filter gcc,$(TOOLCHAIN)),-Wno-maybe-uninitialized -DNO_TAIL_CALLS)
VARIANT_FLAGS_ubsan := -O2 $(TRAP_UBSAN)
VARIANT_FLAGS_trace := -O2 -DNO_TAIL_CALLS -gdwarf-4 -falign-functions=16 -finstrument-functions \
	-finstrument-functions-exclude-file-list=arch/aarch64/mmu_on,arch/aarch64/insn

CFLAGS_TARGET := $(COMMON) $(TARGET_FLAGS) $(VARIANT_FLAGS_$(VARIANT)) $(EXTRA_CFLAGS)
ASFLAGS_TARGET := -I. -g -march=armv8-a -D__ASSEMBLY__
LDFLAGS_TARGET := -nostdlib -pie --fix-cortex-a53-843419 --no-dynamic-linker -z text -z max-page-size=4096 -z noexecstack --build-id=none \
	--fatal-warnings

# ---- sources ---------------------------------------------------------------------------------------------------------

LIB_C := $(wildcard lib/*.c)
MM_C := $(wildcard mm/*.c)
ARCH_C := $(wildcard arch/aarch64/*.c)
ARCH_S := $(wildcard arch/aarch64/*.S)
BOOT_C := $(wildcard boot/*.c boot/console/*.c boot/board/*.c)
BOOT_S := $(wildcard boot/*.S)
SUITES := $(wildcard tests/suites/*.c)
# Reference models that suites, fuzzers and proofs compare with, and the enumeration of all states.
MODEL_C := $(wildcard tests/model/*.c) tests/proof/enumerate.c
# The packing benchmark without its program and without what records in the kernel.
PACKING_C := $(filter-out %/main.c %/record.c %/record_load.c,$(wildcard tests/bench/packing/*.c))

KERNEL_SRC := $(BOOT_S) $(BOOT_C) $(ARCH_S) $(ARCH_C) $(MM_C) $(LIB_C) $(SUITES) $(MODEL_C)
ifeq ($(VARIANT),trace)
KERNEL_SRC += tests/trace/target.c
endif

# Files of the target that hold no register access of their own (or whose instructions arch/aarch64/insn.h records on
# the host): the host tests call them.
ARCH_PURE := $(wildcard $(addprefix arch/aarch64/,format.c tlb.c cache.c mmu_on.c features.c gicv2.c gicv3.c timer.c))
# Of boot/, everything but what holds instructions or answers for the machine; tests/host/boot_fakes.c stands in for those.
BOOT_PURE := $(filter-out $(addprefix boot/,main.c early_map.c exception.c irq.c log_lock.c panic.c power.c smp.c symbols_image.c),$(BOOT_C))
HOST_ARCH_C := $(wildcard arch/host/*.c)
HOST_TEST_C := $(wildcard tests/host/*.c)
HOST_MAIN_C := $(filter tests/host/main.c,$(HOST_TEST_C))
FUZZ_C := $(wildcard tests/fuzz/*.c)

# What libgranule.a is made of: everything an embedder gets, without the boot, the consoles and the test runner.
LIB_ARCH_SRCS := $(wildcard $(addprefix arch/aarch64/,format.c tlb.c cache.c features.c spinlock.c cpu.c))
LIB_SRCS := $(filter-out lib/tap.c,$(LIB_C)) $(MM_C) $(wildcard mm/library/*.c) $(LIB_ARCH_SRCS)

objects = $(addprefix $(1)/,$(addsuffix .o,$(basename $(2))))

# ---- the default target ----------------------------------------------------------------------------------------------

.PHONY: all
ifeq ($(SUITE),)
all: kernel compile_commands.json
ifneq ($(wildcard mm/library/granule.c),)
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
	$(Q)$(OBJDUMP) -d --no-show-raw-insn $(OUT)/arch/aarch64/mmu_on.o | sed -n '/<mmu_switch_on>:/,/\tret/p' >$(OUT)/mmu_switch_on.text; \
		grep -qi sctlr_el1 $(OUT)/mmu_switch_on.text && ! grep -w sp $(OUT)/mmu_switch_on.text || \
		{ echo "$@: mmu_switch_on() uses the stack, and a secondary CPU has none there" >&2; exit 1; }

$(OUT)/granule.img: $(OUT)/granule.elf
	$(call say,OBJCOPY,$@)$(OBJCOPY) -O binary $< $@

# The copies that people and documents name: always those of the last toolchain and variant built.
$(BUILD)/granule.%: $(OUT)/granule.% FORCE
	$(Q)cmp -s $< $@ || cp $< $@

# ---- the library for embedders -----------------------------------------------------------------------------------------

LIB_OBJ := $(call objects,$(OUT),$(LIB_SRCS))

.PHONY: library
library: $(BUILD)/libgranule.a $(OUT)/embed.elf

$(OUT)/libsources: FORCE
	$(call stamp,$(LIB_SRCS))

# One relocatable object in which only the names that the public header declares are global; what it leaves undefined are the
# hooks alone.
$(OUT)/granule.o: $(LIB_OBJ) $(OUT)/libsources mm/library/granule.h
	$(call say,LD -r,$@)$(LD) -r $(LIB_OBJ) -o $@.tmp
	$(Q)grep -oE '\bgr_[a-z0-9_]+\(' mm/library/granule.h | tr -d '(' | sort -u >$@.names
	$(Q)$(OBJCOPY) --keep-global-symbols=$@.names $@.tmp $@
	$(Q)rm -f $@.tmp
	$(Q)! $(OBJDUMP) -d --no-show-raw-insn $@ | grep -i tpidr || \
		{ echo "$@: reads or writes TPIDR, which is the embedder's" >&2; exit 1; }
	$(Q)bad=$$($(NM) -u $@ | awk '$$NF !~ /^gr_host_/ { print $$NF }'); \
		test -z "$$bad" || { echo "$@: undefined names that are no hooks:" $$bad >&2; exit 1; }

$(OUT)/libgranule.a: $(OUT)/granule.o
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $<

$(BUILD)/libgranule.a: $(OUT)/libgranule.a FORCE
	$(Q)cmp -s $< $@ || cp $< $@

# Somebody else's kernel with the library in it (tests/embed): shows that it links, and is booted by the QEMU checks.
EMBED_OBJ := $(call objects,$(OUT),$(wildcard tests/embed/*.S tests/embed/*.c))

$(OUT)/embed.elf: $(EMBED_OBJ) $(OUT)/libgranule.a tests/embed/embed.ld
	$(call say,LD,$@)$(LD) -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none -T tests/embed/embed.ld \
		$(EMBED_OBJ) $(OUT)/libgranule.a -o $@

# The guest in which tests/bench/storeset.py watches who stores where: tests/embed's kernel with a main of its own.
STORESET_OBJ := $(call objects,$(OUT),$(wildcard tests/bench/storeset/*.S tests/bench/storeset/*.c) tests/embed/start.S tests/embed/kernel.c)

$(OUT)/storeset.elf: $(STORESET_OBJ) $(OUT)/libgranule.a tests/embed/embed.ld
	$(call say,LD,$@)$(LD) -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none -T tests/embed/embed.ld \
		$(STORESET_OBJ) $(OUT)/libgranule.a -o $@

.PHONY: storeset storeset-clang storeset-gcc
storeset: storeset-clang storeset-gcc
	$(Q)HOST_GCC='$(HOST_GCC)' python3 tests/bench/storeset.py $(foreach t,clang gcc,$(BUILD)/$(t)-$(VARIANT)/storeset.elf)
storeset-clang storeset-gcc: storeset-%:
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=$* SUITE= $(BUILD)/$*-$(VARIANT)/storeset.elf

-include $(patsubst %.o,%.d,$(KERNEL_OBJ) $(LIB_OBJ) $(EMBED_OBJ) $(STORESET_OBJ))

# ---- the host builds ---------------------------------------------------------------------------------------------------
#
# One program per suite, so that a crash costs one suite. The tested code is an archive: a suite pulls in what it uses.
#
#	clang	AddressSanitizer, UndefinedBehaviorSanitizer, thread-safety analysis
#	gcc	the other compiler's warnings and code, no sanitizers
#	tsan	ThreadSanitizer
#	trace	every function entry is recorded, for the behaviour inventory (DWARF 4: addr2line 2.40 mistakes the file of a
#		function in an included .c file under DWARF 5)
#	fuzz	libFuzzer with both sanitizers

HOST_FLAGS := -DGRANULE_HOST -fno-omit-frame-pointer -fno-common -pthread
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

HOST_clang_CC := $(CLANG)
HOST_clang_FLAGS := -O1 -DNO_TAIL_CALLS $(SANITIZE) -Wthread-safety
HOST_gcc_CC := $(HOST_GCC)
HOST_gcc_FLAGS := -O2
HOST_tsan_CC := $(CLANG)
HOST_tsan_FLAGS := -O1 -DNO_TAIL_CALLS -fsanitize=thread
HOST_trace_CC := $(HOST_GCC)
HOST_trace_FLAGS := -O1 -DNO_TAIL_CALLS -gdwarf-4 -fno-inline -Wno-maybe-uninitialized -finstrument-functions
HOST_trace_EXTRA := tests/trace/host.c
HOST_fuzz_CC := $(CLANG)
HOST_fuzz_FLAGS := -O1 -DNO_TAIL_CALLS $(SANITIZE)
HOST_BUILDS := clang gcc tsan trace fuzz

# A suite all of whose tests are TEST_ON(TAP_TARGET, ...) makes no host program; a file without tests helps the others.
ANY_TEST := ^TEST(_ON)?\(
HOST_TEST := ^TEST\(|^TEST_ON\((TAP_HOST|TAP_BOTH)
HOST_SUITES := $(if $(SUITES),$(shell grep -lE '$(HOST_TEST)' $(SUITES)))
SUITE_HELPERS := $(if $(SUITES),$(shell grep -LE '$(ANY_TEST)' $(SUITES)))
HOST_CODE := $(LIB_C) $(MM_C) $(ARCH_PURE) $(BOOT_PURE) $(HOST_ARCH_C) $(SUITE_HELPERS) $(MODEL_C) $(PACKING_C) \
	$(filter-out $(HOST_MAIN_C),$(HOST_TEST_C))
SUITE_NAMES := $(if $(SUITE),$(SUITE),$(basename $(notdir $(HOST_SUITES))))

# $(1): name of the build
define host_build
HOST_$(1) := $(BUILD)/host-$(1)
HOST_$(1)_OBJ := $$(call objects,$(BUILD)/host-$(1),$(HOST_CODE))
HOST_$(1)_MAIN := $$(call objects,$(BUILD)/host-$(1),$(HOST_MAIN_C) $$(HOST_$(1)_EXTRA))
HOST_$(1)_SUITES := $$(addprefix $(BUILD)/host-$(1)/suites/,$(SUITE_NAMES))

$(BUILD)/host-$(1)/flags: FORCE
	$$(call stamp,$$(HOST_$(1)_CC) $$(COMMON) $$(HOST_FLAGS) $$(HOST_$(1)_FLAGS) $$(EXTRA_CFLAGS))

$(BUILD)/host-$(1)/%.o: %.c $(BUILD)/host-$(1)/flags
	@mkdir -p $$(@D)
	$$(call say,CC $(1),$$<)$$(HOST_$(1)_CC) $$(COMMON) $$(HOST_FLAGS) $$(HOST_$(1)_FLAGS) \
		$$(if $$(filter fuzz,$(1)),$$(if $$(filter tests/fuzz/%,$$<),-fsanitize=fuzzer,$$(if $$(filter tests/model/%,$$<),,-fsanitize=fuzzer-no-link))) \
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

# tap_run.py ends a suite that hangs, and keeps the TAP in $(BUILD)/tap for .ci/run to count.
export GRANULE_TAP_DIR := $(BUILD)/tap
NPROC := $(shell nproc 2>/dev/null || echo 2)
PROVE := prove --failures --exec 'python3 tools/tap_run.py'
# Without -j from the caller the whole machine is used.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS))$(filter -j%,$(MAKEFLAGS)),,-j$(NPROC))
SUBMAKE = $(MAKE) --no-print-directory $(PARALLEL)

.PHONY: test-host test-host-clang test-host-gcc test-host-tsan
test-host: $(HOST_clang_SUITES) $(HOST_gcc_SUITES)
	$(Q)$(PROVE) -j$(NPROC) $^
test-host-clang test-host-gcc test-host-tsan: test-host-%:
	$(Q)$(SUBMAKE) $(HOST_$*_SUITES)
	$(Q)$(PROVE) -j$(NPROC) $(HOST_$*_SUITES)

# The suites that start threads, under ThreadSanitizer.
TSAN_SUITES := $(addprefix $(HOST_tsan)/suites/,$(basename $(notdir $(shell grep -l '<pthread.h>' $(SUITES)))))
.PHONY: test-tsan
test-tsan:
	$(Q)$(SUBMAKE) $(TSAN_SUITES)
	$(Q)$(PROVE) -j$(NPROC) $(TSAN_SUITES)

# ---- machines in QEMU ----------------------------------------------------------------------------------------------------

# A test for prove is an executable file: these are commands wrapped as one.
define wrapper
$(Q)mkdir -p $(@D); printf '#!/bin/sh\nexec %s\n' '$(1)' >$@.tmp; chmod +x $@.tmp; mv $@.tmp $@
endef

QEMU_TOOLCHAINS := clang gcc
ONLY ?=
JOBS ?= $(NPROC)

# Undefined behaviour traps in this kernel; that every suite passes there is what it is for.
$(BUILD)/t/qemu-ubsan: FORCE
	$(call wrapper,python3 tests/qemu/run.py --toolchain ubsan --build $(BUILD)/clang-ubsan --jobs $(JOBS) --only "^suites-(el1-a53|el2-max)")

$(BUILD)/t/qemu-%: FORCE
	$(call wrapper,python3 tests/qemu/run.py --toolchain $* --build $(BUILD)/$*-$(VARIANT) --jobs $(JOBS)$(if $(ONLY), --only "$(ONLY)"))

# The checks of the matrix, checked: a hang or a lost line must fail.
$(BUILD)/t/qemu-selftest: FORCE
	$(call wrapper,python3 tests/qemu/selftest.py)

.PHONY: test-qemu kernel-clang kernel-gcc
test-qemu: kernel-$(TOOLCHAIN) $(BUILD)/t/qemu-$(TOOLCHAIN) $(BUILD)/t/qemu-selftest
	$(Q)GRANULE_TIMEOUT=900 $(PROVE) $(filter $(BUILD)/t/%,$^)

kernel-clang kernel-gcc: kernel-%:
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=$* SUITE= all bench-kernels

.PHONY: kernel-ubsan
kernel-ubsan:
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=clang VARIANT=ubsan SUITE= $(BUILD)/clang-ubsan/granule.img

.PHONY: run debug
run: setup
	$(Q)$(SUBMAKE) SUITE= all
	$(Q)tools/run $(BUILD)/granule.img $(WORDS)

debug: all
	$(Q)DEBUG=1 tools/run $(BUILD)/granule.img $(WORDS)

include tests/bench/bench.mk
include tests/bench/packing/packing.mk

# ---- fuzzing --------------------------------------------------------------------------------------------------------------

FUZZERS := $(addprefix $(BUILD)/host-fuzz/fuzz/,$(basename $(notdir $(FUZZ_C))))

$(BUILD)/host-fuzz/fuzz/%: $(BUILD)/host-fuzz/tests/fuzz/%.o $(BUILD)/host-fuzz/libcode.a
	@mkdir -p $(@D)
	$(call say,LD fuzz,$@)$(CLANG) $(HOST_FLAGS) $(HOST_fuzz_FLAGS) -fsanitize=fuzzer $(filter %.o %.a,$^) -o $@

$(BUILD)/t/fuzz-short: FORCE
	$(call wrapper,python3 tools/fuzz.py --seconds 10 $(FUZZERS))

# Random machines and broken trees in QEMU: 40 of a fixed seed in `make test`, BOOTS of a seed of one's own by hand.
BOOTS ?= 200
SEED ?= 1
$(BUILD)/t/bootfuzz: FORCE
	$(call wrapper,python3 tests/qemu/bootfuzz.py --count 40 --seed 1 --image $(BUILD)/$(TOOLCHAIN)-$(VARIANT)/granule.img)

.PHONY: fuzz
fuzz: $(FUZZERS) kernel-$(TOOLCHAIN)
	$(Q)python3 tools/fuzz.py --seconds $(TIME) $(FUZZERS)
	$(Q)python3 tests/qemu/bootfuzz.py --count $(BOOTS) --seed $(SEED) --image $(BUILD)/$(TOOLCHAIN)-$(VARIANT)/granule.img

# ---- mutants -----------------------------------------------------------------------------------------------------------------

# MUTANTS: how many, or all. More arguments of tests/mutants/mutate.py: make mutants MUTANT_ARGS="--files mm/heap.c --seed 2".
MUTANT_FILES := $(wildcard mm/buddy*.[ch] mm/frames*.[ch])
MUTANTS ?= 300
MUTANT_JOBS ?= 1
MUTANT_ARGS ?=

.PHONY: mutants mutants-config
mutants:
	$(Q)python3 tests/mutants/mutate.py --jobs $(MUTANT_JOBS) --sample $(MUTANTS) --json $(BUILD)/mutants.json $(MUTANT_ARGS)

mutants-config:
	@printf '%s\n' 'cc: $(HOST_GCC)' 'clang: $(CLANG)' 'flags: $(COMMON) $(HOST_FLAGS)' 'sanitize: -O1 -DNO_TAIL_CALLS $(SANITIZE)' \
		'code: $(HOST_CODE)' 'main: $(HOST_MAIN_C)' 'suites: $(HOST_SUITES)' 'files: $(MUTANT_FILES)'

$(BUILD)/t/mutants-selftest: FORCE
	$(call wrapper,python3 tests/mutants/selftest.py)

# ---- proofs ---------------------------------------------------------------------------------------------------------------
#
# Every state of a small machine, in the build without sanitizers: that is five times as fast. And Spin, over the protocol of
# the caches: the smaller settings in `make test`, all of them here.

PROOFS := $(HOST_gcc)/proof/enumerate

$(HOST_gcc)/proof/enumerate: $(HOST_gcc)/tests/proof/main.o $(HOST_gcc)/libcode.a
	@mkdir -p $(@D)
	$(call say,LD gcc,$@)$(HOST_GCC) $(HOST_FLAGS) $(HOST_gcc_FLAGS) $(filter %.o %.a,$^) -o $@

-include $(HOST_gcc)/tests/proof/main.d

$(BUILD)/t/spin: FORCE
	$(call wrapper,python3 tests/proof/spin.py --cc $(HOST_GCC))
$(BUILD)/t/spin-large: FORCE
	$(call wrapper,python3 tests/proof/spin.py --large --cc $(HOST_GCC))

.PHONY: prove
prove: setup
	$(Q)$(SUBMAKE) $(PROOFS) $(BUILD)/t/spin-large
	$(Q)GRANULE_TIMEOUT=1800 $(PROVE) $(PROOFS) $(BUILD)/t/spin-large

# ---- the behaviour inventory -----------------------------------------------------------------------------------------------

$(BUILD)/t/inventory: FORCE
	$(call wrapper,python3 tools/inventory.py check --build $(BUILD) --cross $(CROSS) --jobs $(JOBS))

.PHONY: inventory inventory-traces trace-kernel
inventory: inventory-traces $(BUILD)/t/inventory
	$(Q)GRANULE_TIMEOUT=900 $(PROVE) $(BUILD)/t/inventory
inventory-traces: $(HOST_trace_SUITES) trace-kernel
trace-kernel:
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=gcc VARIANT=trace SUITE= $(BUILD)/gcc-trace/granule.img

# ---- all tests ---------------------------------------------------------------------------------------------------------------

.PHONY: setup test test-all
setup:
	$(Q)tools/setup

test: setup
	$(Q)rm -f $(BUILD)/tap/host-*.tap $(BUILD)/tap/t.*.tap
	$(Q)$(SUBMAKE) kernel-ubsan
	$(Q)$(SUBMAKE) kernel-gcc
	$(Q)$(SUBMAKE) kernel-clang
	$(Q)$(SUBMAKE) $(HOST_clang_SUITES) $(HOST_gcc_SUITES) $(TSAN_SUITES) $(FUZZERS) inventory-traces
	$(Q)$(MAKE) --no-print-directory test-all

# One prove, so that one summary stands at the end. The machines have the processors to themselves: they are timed.
TESTS_ALONE := $(addprefix $(BUILD)/t/,$(addprefix qemu-,$(QEMU_TOOLCHAINS) ubsan selftest) bootfuzz fuzz-short inventory mutants-selftest spin)
TESTS_ALONE += $(BUILD)/t/bench-selftest $(if $(filter release,$(VARIANT)),$(BUILD)/t/ratchet)
test-all: $(TESTS_ALONE)
	$(Q)GRANULE_TIMEOUT=900 $(PROVE) -j$(NPROC) --rules 'seq={$(BUILD)/t/*,par=**}' --rules 'par=**' \
		$(HOST_clang_SUITES) $(HOST_gcc_SUITES) $(TSAN_SUITES) $(TESTS_ALONE)

# ---- everything else -----------------------------------------------------------------------------------------------------

.PHONY: lint
lint: compile_commands.json
	$(Q)CLANG='$(CLANG)' CLANG_FORMAT='$(call pick,clang-format)' CLANG_TIDY='$(call pick,clang-tidy)' \
		GCC='$(HOST_GCC)' JOBS=$(NPROC) FLAGS='$(COMMON) $(HOST_FLAGS)' GRANULE_TIMEOUT=900 $(PROVE) tools/lint

compile_commands.json: $(OUT)/flags $(OUT)/sources tools/compile_commands.py
	$(call say,GEN,$@)python3 tools/compile_commands.py '$(CC) $(CFLAGS_TARGET)' $(filter %.c,$(KERNEL_SRC)) \
		-- '$(HOST_clang_CC) $(COMMON) $(HOST_FLAGS)' $(HOST_ARCH_C) $(HOST_TEST_C) $(FUZZ_C) >$@

# Headers that an embedder includes; they need nothing else of this tree.
INSTALL_HEADERS := mm/library/granule.h mm/library/granule_names.h

.PHONY: install
install: library
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/granule
	install -m 644 $(BUILD)/libgranule.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 $(INSTALL_HEADERS) $(DESTDIR)$(PREFIX)/include/granule/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' tools/granule.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/granule.pc

.PHONY: clean
clean:
	rm -rf $(BUILD) compile_commands.json

.PHONY: help
help:
	@echo 'make                    the kernel ($(BUILD)/granule.elf, granule.img) and $(BUILD)/libgranule.a'
	@echo 'make run                boot 2 GiB and 4 CPUs in QEMU; WORDS="verbose ..." is the command line'
	@echo 'make debug              the same, waiting for gdb on port 1234'
	@echo 'make test               everything: both compilers, host suites, QEMU matrix, short fuzz, inventory'
	@echo 'make test-host          the suites on this machine, under sanitizers and as gcc builds them'
	@echo 'make SUITE=buddy        one suite on this machine (test-host-clang, -gcc, -tsan: one build)'
	@echo 'make test-tsan          the suites with threads of their own, under ThreadSanitizer'
	@echo 'make test-qemu          the QEMU matrix of TOOLCHAIN; ONLY=PATTERN picks machines, JOBS=N'
	@echo 'make inventory          every behaviour has its source, its test, and the test reaches the source'
	@echo 'make fuzz TIME=60       libFuzzer over tests/fuzz, that many seconds in all; then BOOTS=200 random boots of SEED=1'
	@echo 'make mutants            small faults seeded in the page allocator, one at a time: do the host suites notice? MUTANTS=all'
	@echo 'make prove              every state of small machines, every operation, against the reference model; Spin'
	@echo 'make storeset           which cache lines CPUs share that allocate and free, watched in QEMU'
	@echo 'make bench              counts every benchmark row in QEMU beside its target; build/bench.json (docs/benchmarks.md)'
	@echo 'make packing            how much free memory stays in whole 2 MiB, against a LIFO buddy; build/packing.json'
	@echo 'make bench-host         the same operations on this machine, in nanoseconds'
	@echo 'make bench-docs plots   writes the tables and the plots of docs/benchmarks.md anew'
	@echo 'make ratchet-update     commits make test to the counts of today'
	@echo 'make lint               format, clang-tidy, cppcheck, gcc -fanalyzer, include floors, lock probes'
	@echo 'make library            $(BUILD)/libgranule.a alone'
	@echo 'make objects            compile the kernel without linking'
	@echo 'make compile_commands.json'
	@echo 'make install            library, headers and granule.pc below DESTDIR and PREFIX=$(PREFIX)'
	@echo 'make clean'
	@echo
	@echo 'TOOLCHAIN=clang|gcc  CROSS_COMPILE=aarch64-none-elf-  VARIANT=release|debug|ubsan|trace  BUILD=build  V=1'

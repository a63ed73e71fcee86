# SPDX-License-Identifier: BSD-2-Clause
#
# The benchmarks' part of the Makefile: what is built for them, and the targets bench, bench-docs, bench-host, plots and ratchet-update. All
# of it is measured with VARIANT=release, whatever VARIANT says.

# bench.elf: the library measured through its public functions, in a kernel that starts like the embedder's. boot-bench.img: the
# objects of the kernel as they are, linked once more so that the counter is read where the boot is done (tests/bench/boot).

BENCH_OBJ := $(call objects,$(OUT),$(wildcard $(addprefix tests/bench/,kernel/*.S kernel/*.c rows/*.c)) tests/embed/start.S tests/embed/kernel.c)
BENCH_BOOT_OBJ := $(call objects,$(OUT),$(wildcard tests/bench/boot/*.c))
BENCH_STUB := $(OUT)/tests/bench/boot/stub.bin

.PHONY: bench-kernels
bench-kernels: $(OUT)/bench.elf $(OUT)/boot-bench.img $(BENCH_STUB) $(OUT)/storeset.elf

$(OUT)/bench.elf: $(BENCH_OBJ) $(OUT)/libgranule.a tests/embed/embed.ld
	$(call say,LD,$@)$(LD) -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none -T tests/embed/embed.ld \
		$(BENCH_OBJ) $(OUT)/libgranule.a -o $@

$(OUT)/boot-bench.elf: $(OUT)/granule.elf $(BENCH_BOOT_OBJ)
	$(call say,LD,$@)$(LINK) --wrap=report_boot $(KERNEL_OBJ) $(BENCH_BOOT_OBJ) $(OUT)/symtab.o -o $@

$(OUT)/boot-bench.img $(BENCH_STUB): %:
	$(call say,OBJCOPY,$@)$(OBJCOPY) -O binary $< $@

$(OUT)/boot-bench.img: $(OUT)/boot-bench.elf
$(BENCH_STUB): $(OUT)/tests/bench/boot/stub.o

-include $(patsubst %.o,%.d,$(BENCH_OBJ) $(BENCH_BOOT_OBJ))

# All rows beside their targets, the packing benchmark's too, and $(BUILD)/bench.json; fails when a gated row is worse.
.PHONY: bench bench-docs bench-host plots ratchet-update
bench: bench-both packing-program
	$(Q)python3 tests/bench/run.py --build $(BUILD) --jobs $(JOBS)

.PHONY: bench-both
bench-both: setup
	$(Q)$(SUBMAKE) TOOLCHAIN=clang VARIANT=release SUITE= bench-kernels
	$(Q)$(SUBMAKE) TOOLCHAIN=gcc VARIANT=release SUITE= bench-kernels

# Three rows that `make test` holds to tests/bench/ratchet.json; ratchet-update writes today's counts there.
$(BUILD)/t/ratchet: FORCE
	$(call wrapper,python3 tests/bench/run.py --ratchet --build $(BUILD))

# The checks of run.py, checked.
$(BUILD)/t/bench-selftest: FORCE
	$(call wrapper,python3 tests/bench/selftest.py)

ratchet-update: bench-both
	$(Q)python3 tests/bench/run.py --update-ratchet --build $(BUILD)

# The same, and the tables of docs/benchmarks.md are written anew.
bench-docs: bench-both packing-program
	$(Q)python3 tests/bench/run.py --build $(BUILD) --jobs $(JOBS) --markdown docs/benchmarks.md

plots: bench-both
	$(Q)tools/setup --plots
	$(Q)python3 tests/bench/run.py --curves $(BUILD)/curves.json --build $(BUILD)
	$(Q)python3 tools/plot_bench.py $(BUILD)/curves.json docs/img

bench-host: $(BUILD)/host-gcc/bench
	$(Q)python3 tests/bench/run.py --host $<

# The same rows over the host build (tests/bench/host), gcc -O2 without sanitizers.
BENCH_HOST_OBJ := $(call objects,$(BUILD)/host-gcc,$(wildcard $(addprefix tests/bench/,host/*.c rows/*.c) mm/library/*.c))

$(BUILD)/host-gcc/bench: $(BENCH_HOST_OBJ) $(BUILD)/host-gcc/libcode.a
	$(call say,LD gcc,$@)$(HOST_GCC) $(HOST_FLAGS) $(HOST_gcc_FLAGS) $^ -o $@

-include $(BENCH_HOST_OBJ:.o=.d)

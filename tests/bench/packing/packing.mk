# SPDX-License-Identifier: BSD-2-Clause
#
# The packing benchmark's part of the Makefile: how well free memory stays whole, against a textbook buddy (tests/bench/packing).

PACKING_TRACE := tests/bench/packing/boot_load.trace

# The figures, as a table and in $(BUILD)/packing.json; fails when the shipped allocator is not ahead on a trace.
.PHONY: packing packing-program packing-plots record-packing
packing: packing-program
	$(Q)$(HOST_gcc)/packing --recorded $(PACKING_TRACE) --json $(BUILD)/packing.json --memory $(BUILD)/packing-memory.json

packing-program:
	$(Q)$(SUBMAKE) $(HOST_gcc)/packing

$(HOST_gcc)/packing: $(HOST_gcc)/tests/bench/packing/main.o $(HOST_gcc)/libcode.a
	$(call say,LD gcc,$@)$(HOST_GCC) $(HOST_FLAGS) $(HOST_gcc_FLAGS) $(filter %.o %.a,$^) -o $@

-include $(HOST_gcc)/tests/bench/packing/main.d

# The pictures of docs/benchmarks.md, from the last run.
packing-plots:
	$(Q)python3 tools/plot_packing.py $(BUILD)/packing.json $(BUILD)/packing-memory.json docs/img

# The recorded trace anew: the release kernel's objects, linked once more with the recorder in front of the page allocator.
RECORD_WRAP := frames_add_memory frames_alloc frames_alloc_page frames_alloc_2m frames_alloc_bulk frames_take \
	frames_free frames_free_paddr frames_free_page frames_free_2m frames_free_bulk frames_put semihost_exit
RECORD_OBJ := $(call objects,$(OUT),$(wildcard tests/bench/packing/record*.c))

$(OUT)/record.elf: $(KERNEL_OBJ) $(RECORD_OBJ) $(OUT)/symtab0.o linker.ld tests/bench/packing/packing.mk $(OUT)/sources
	$(call say,LD,$@)$(LINK) $(addprefix --wrap=,$(RECORD_WRAP)) $(KERNEL_OBJ) $(RECORD_OBJ) $(OUT)/symtab0.o -o $@

-include $(RECORD_OBJ:.o=.d)

record-packing: $(OUT)/record.elf
	$(Q)python3 tests/bench/packing/record.py --kernel $< --objcopy $(OBJCOPY) -o $(PACKING_TRACE)

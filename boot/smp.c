/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Secondary CPUs. They come out of firmware at secondary_entry (boot/entry.S) with the MMU off, at the highest non-secure
 * level whatever the caller's, and take the same way to EL1 as CPU 0 did.
 */
#include "boot/smp.h"

#include "arch/aarch64/features.h"
#include "arch/aarch64/insn.h"
#include "arch/aarch64/psci.h"
#include "boot/early_map.h"
#include "boot/boot.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "lib/string.h"

#define STACK_ORDER 2 /* 16 KiB */
#define START_SECONDS 1

enum cpu_state { CPU_OFF, CPU_ONLINE, CPU_UNFIT };

extern char secondary_entry[];
/* Read by entry.S with the MMU on. */
uintptr_t secondary_stack_top;
void secondary_main(uint64_t cpu);

static struct kspace *stacks;
static uint32_t online[MAX_CPUS];

void secondary_main(uint64_t cpu)
{
	mmu_ttbr0_clear(image_paddr(empty_table));
	__asm__ volatile("msr daifclr, #4" ::: "memory"); /* asynchronous aborts are reported, as on CPU 0 */
	/* CPU 0 speaks for a CPU that lacks what is in use already. */
	__atomic_store_n(&online[cpu], features_join() ? CPU_ONLINE : CPU_UNFIT, __ATOMIC_RELEASE);
	/* Nothing to do yet: interrupts stay masked, WFI sleeps until the machine ends. */
	for (;;)
		__asm__ volatile("wfi");
}

static bool wait_online(unsigned cpu)
{
	uint64_t start, ticks = READ_SYSREG(cntfrq_el0);

	/* Firmware that leaves CNTFRQ_EL0 at 0 is common enough: then 1 GHz, the fastest that the architecture asks for. */
	ticks = (ticks ? ticks : 1000000000) * START_SECONDS;
	/* The virtual counter: a hypervisor may keep the physical one for itself. */
	start = READ_SYSREG(cntvct_el0);
	while (!__atomic_load_n(&online[cpu], __ATOMIC_ACQUIRE)) {
		if (READ_SYSREG(cntvct_el0) - start > ticks)
			return false;
		arch_cpu_relax();
	}
	return true;
}

static bool start_cpu(unsigned cpu, uint64_t mpidr)
{
	int64_t status;
	int err = kspace_stack(stacks, STACK_ORDER, &secondary_stack_top);

	if (err) {
		log_error("cpu %u: no stack: %s\n", cpu, mm_strerror(err));
		return false;
	}
	/* What the CPU reads before its caches are on, and what it reads first after. */
	arch_dcache_clean(&boot_mmu, sizeof(boot_mmu));
	arch_dcache_clean(&secondary_stack_top, sizeof(secondary_stack_top));
	status = psci_cpu_on(mpidr, image_paddr(secondary_entry).v, cpu);
	if (status != 0) {
		log_error("cpu %u (MPIDR 0x%lx): PSCI CPU_ON says %ld\n", cpu, (unsigned long)mpidr, (long)status);
		return false;
	}
	if (wait_online(cpu) && online[cpu] == CPU_UNFIT) {
		log_error("cpu %u (MPIDR 0x%lx): lacks what the running CPUs use: parked\n", cpu, (unsigned long)mpidr);
		return false;
	}
	if (online[cpu] != CPU_ONLINE) {
		/* It may still come, on this stack: no other CPU can be started safely after it. */
		log_error("cpu %u (MPIDR 0x%lx): did not come up\n", cpu, (unsigned long)mpidr);
		return false;
	}
	return true;
}

/* [BT3] */
void smp_start(const struct fdt *fdt, struct kspace *space)
{
	int cpus = fdt_find(fdt, "/cpus", 5);
	uint64_t self = READ_SYSREG(mpidr_el1) & 0xff00ffffff;
	unsigned cells, next = 1;
	bool starting = psci_available();

	stacks = space;
	boot.cpus_described = 0;
	boot.cpus_online = 1;
	if (cpus == FDT_NONE) {
		boot.cpus_described = 1;
		return;
	}
	cells = fdt_address_cells(fdt, cpus);
	for (int n = fdt_first_child(fdt, cpus); n != FDT_NONE; n = fdt_next_sibling(fdt, n)) {
		const char *type = fdt_prop_string(fdt, n, "device_type");
		const char *method = fdt_prop_string(fdt, n, "enable-method");
		size_t len;
		const void *reg = fdt_prop(fdt, n, "reg", &len);
		uint64_t mpidr;

		if (!type || strcmp(type, "cpu") != 0 || !fdt_enabled(fdt, n))
			continue;
		boot.cpus_described++;
		if (!reg || len < cells * 4 || !fdt_read_cells(reg, cells, &mpidr) || mpidr == self)
			continue;
		if (!starting || !method || strcmp(method, "psci") != 0)
			continue;
		if (next >= MAX_CPUS) {
			log_error("cpu: more than %u CPUs: the rest stays off\n", MAX_CPUS);
			starting = false;
			continue;
		}
		if (start_cpu(next, mpidr)) {
			next++;
			boot.cpus_online++;
		} else {
			starting = false;
		}
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Secondary CPUs. They come out of firmware at secondary_entry (boot/entry.S) with the MMU off, at the highest non-secure
 * level whatever the caller's, and take the same way to EL1 as CPU 0 did. A CPU's struct cpu lies at the top of its stacks.
 */
#include "boot/smp.h"

#include "arch/aarch64/features.h"
#include "arch/aarch64/insn.h"
#include "arch/aarch64/psci.h"
#include "arch/aarch64/timer.h"
#include "boot/boot.h"
#include "boot/early_map.h"
#include "boot/irq.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "lib/string.h"

#define STACK_ORDER 2 /* 16 KiB, of which a quarter is for exceptions that find no room on the rest */
#define EXCEPTION_STACK PAGE_SIZE
#define START_SECONDS 1

/* The CPU and its starter both move from STARTING: whoever comes first wins. */
enum cpu_state {
	CPU_STARTING,
	CPU_JOINING, /* the CPU has come; from here it is waited for without limit */
	CPU_LATE,    /* it has been given up: when it comes, it parks */
	CPU_ONLINE,
	CPU_UNFIT,
};

extern char secondary_entry[];
void secondary_main(void);

static struct cpu *cpus[MAX_CPUS] = { &boot_cpu };

struct cpu *smp_cpu(unsigned index)
{
	return index < boot.cpus_online ? cpus[index] : NULL;
}

/* ---- work ------------------------------------------------------------------------------------------------------------- */

/* One for all: a CPU has done the job when it has counted `running` down. */
static struct {
	void (*fn)(void *arg);
	void *arg;
	uint32_t round;	  /* changes with every job */
	uint32_t running; /* how many others have not finished it */
	bool busy;	  /* the boot CPU's: inside smp_run() */
} job;

/* Sleeps until *word may differ from value: the load-exclusive arms the monitor, and a store to the word is the event. */
static void wait_store(uint32_t *word, uint32_t value)
{
	uint32_t now;

	__asm__ volatile("	ldaxr	%w[now], %[word]\n\t"
			 "cmp	%w[now], %w[value]\n\t"
			 "b.ne	1f\n\t"
			 "wfe\n"
			 "1:"
			 : [now] "=&r"(now), [word] "+Q"(*word)
			 : [value] "r"(value)
			 : "memory", "cc");
}

/*
 * Interrupts are masked between the look at the job and WFI, which an interrupt ends all the same (Arm ARM DDI 0487, C6.2
 * "WFI"): the one that says that there is work is not lost between the two.
 */
static _Noreturn void wait_for_work(struct cpu *cpu)
{
	uint32_t done = 0;

	for (;;) {
		uint32_t round = __atomic_load_n(&job.round, __ATOMIC_ACQUIRE);

		if (round != done) {
			done = round;
			job.fn(job.arg);
			(void)arch_irq_save();
			__atomic_fetch_sub(&job.running, 1, __ATOMIC_RELEASE);
		} else if (cpu->irq_ready) {
			__asm__ volatile("dsb sy\n\twfi" ::: "memory");
			irq_unmask();
			isb(); /* what is pending is taken here */
			(void)arch_irq_save();
		} else {
			wait_store(&job.round, done);
		}
	}
}

/* [BT55] [BT58] */
void smp_run(void (*fn)(void *arg), void *arg)
{
	unsigned long state = arch_irq_save();
	uint32_t running;

	if (this_cpu() != &boot_cpu || job.busy)
		panic("smp_run: on CPU %u, %s", arch_cpu_id(), job.busy ? "inside such work" : "not the boot CPU");
	job.busy = true;
	job.fn = fn;
	job.arg = arg;
	__atomic_store_n(&job.running, boot.cpus_online - 1, __ATOMIC_RELAXED);
	__atomic_store_n(&job.round, job.round + 1, __ATOMIC_RELEASE);
	irq_send_others(IRQ_WAKE);
	fn(arg);
	arch_irq_restore(state);
	while ((running = __atomic_load_n(&job.running, __ATOMIC_ACQUIRE)) != 0)
		wait_store(&job.running, running);
	job.busy = false;
}

/* ---- coming up -------------------------------------------------------------------------------------------------------- */

/* Interrupts are masked. A CPU without a cache works as well, through the banks' locks. */
static void start_cache(void)
{
	const struct cpu *cpu = this_cpu();
	int err = frames_cpu_start(boot.frames, cpu->index, cpu->node);

	if (err)
		log_error("cpu %u: no cache of page frames: %s\n", cpu->index, mm_strerror(err));
}

static bool change_state(struct cpu *cpu, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&cpu->state, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static _Noreturn void sleep_forever(void)
{
	for (;;)
		__asm__ volatile("wfi");
}

/* Called by entry.S with interrupts masked, in the high half, on the CPU's own stack. [BT56] */
void secondary_main(void)
{
	struct cpu *cpu = this_cpu();

	mmu_ttbr0_clear(image_paddr(empty_table));
	if (!change_state(cpu, CPU_STARTING, CPU_JOINING))
		sleep_forever();
	__asm__ volatile("msr daifclr, #4" ::: "memory"); /* asynchronous aborts are reported, as on CPU 0 */
	/* CPU 0 speaks for a CPU that lacks what is in use already. */
	if (!features_join()) {
		__atomic_store_n(&cpu->state, CPU_UNFIT, __ATOMIC_RELEASE);
		sleep_forever();
	}
	cpu->mpidr = READ_SYSREG(mpidr_el1) & MPIDR_AFFINITY;
	irq_start_cpu();
	start_cache();
	__atomic_store_n(&cpu->state, CPU_ONLINE, __ATOMIC_RELEASE);
	wait_for_work(cpu);
}

/* A struct cpu on top of a new stack. NULL: no memory; said. */
static struct cpu *new_cpu(struct kspace *space)
{
	struct cpu *cpu;
	uintptr_t top;
	int err = kspace_stack(space, STACK_ORDER, &top);

	if (err) {
		log_error("cpu: no stack: %s\n", mm_strerror(err));
		return NULL;
	}
	cpu = (struct cpu *)(top - sizeof(*cpu));
	memset(cpu, 0, sizeof(*cpu));
	cpu->exception_stack = (uintptr_t)cpu;
	cpu->stack_top = (uintptr_t)cpu - EXCEPTION_STACK;
	return cpu;
}

/* Until the CPU has come or is given up; returns where it ended. The virtual counter: a hypervisor may keep the physical one. */
static enum cpu_state wait_online(struct cpu *cpu)
{
	uint64_t start = timer_now(), ticks = timer_hz() * START_SECONDS;

	for (;;) {
		uint32_t state = __atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE);

		if (state != CPU_STARTING && state != CPU_JOINING)
			return state;
		if (state == CPU_STARTING && timer_now() - start > ticks)
			change_state(cpu, CPU_STARTING, CPU_LATE);
		arch_cpu_relax();
	}
}

/* What came of one cpu node. */
enum started {
	STARTED,
	REFUSED, /* by firmware: what was prepared for it is as it was */
	LOST,	 /* it runs somewhere, or may; what was prepared is its own */
	GIVE_UP, /* the same, and no more should be tried */
};

static enum started start_cpu(struct cpu *cpu)
{
	unsigned long mpidr = (unsigned long)cpu->mpidr;
	int64_t status;

	/* What the CPU reads before its caches are on. */
	arch_dcache_clean(&boot_mmu, sizeof(boot_mmu));
	status = psci_cpu_on(cpu->mpidr, image_paddr(secondary_entry).v, (uintptr_t)cpu);
	if (status != 0) {
		log_error("cpu (MPIDR 0x%lx): PSCI CPU_ON says %ld\n", mpidr, (long)status);
		return REFUSED;
	}
	switch (wait_online(cpu)) {
	case CPU_ONLINE:
		return STARTED;
	case CPU_UNFIT:
		log_error("cpu (MPIDR 0x%lx): lacks what the running CPUs use: parked\n", mpidr);
		return LOST;
	default:
		log_error("cpu (MPIDR 0x%lx): did not come up\n", mpidr);
		return GIVE_UP;
	}
}

/* [BT57] */
static void start_others(const struct fdt *fdt, struct kspace *space)
{
	int nodes = fdt_find(fdt, "/cpus", 5);
	bool starting = psci_available();
	struct cpu *next = NULL; /* prepared, and not yet given to anybody */
	unsigned cells;

	boot.cpus_described = 0;
	boot.cpus_online = 1;
	if (nodes == FDT_NONE) {
		boot.cpus_described = 1;
		return;
	}
	cells = fdt_address_cells(fdt, nodes);
	for (int n = fdt_first_child(fdt, nodes); n != FDT_NONE; n = fdt_next_sibling(fdt, n)) {
		const char *type = fdt_prop_string(fdt, n, "device_type");
		const char *method = fdt_prop_string(fdt, n, "enable-method");
		size_t len;
		const void *reg = fdt_prop(fdt, n, "reg", &len);
		uint32_t node = 0;
		uint64_t mpidr;

		if (!type || strcmp(type, "cpu") != 0 || !fdt_enabled(fdt, n))
			continue;
		boot.cpus_described++;
		if (!reg || len < cells * 4 || !fdt_read_cells(reg, cells, &mpidr))
			continue;
		(void)fdt_prop_u32(fdt, n, "numa-node-id", &node);
		if (mpidr == boot_cpu.mpidr) {
			boot_cpu.node = node;
			continue;
		}
		if (!starting || !method || strcmp(method, "psci") != 0)
			continue;
		if (boot.cpus_online >= MAX_CPUS) {
			log_error("cpu: more than %u CPUs: the rest stays off\n", MAX_CPUS);
			starting = false;
			continue;
		}
		if (!next)
			next = new_cpu(space);
		if (!next) {
			starting = false;
			continue;
		}
		next->index = boot.cpus_online;
		next->node = node;
		next->mpidr = mpidr;
		switch (start_cpu(next)) {
		case STARTED:
			cpus[boot.cpus_online++] = next;
			next = NULL;
			break;
		case REFUSED:
			break;
		case LOST:
			next = NULL;
			break;
		case GIVE_UP:
			next = NULL;
			starting = false;
			break;
		}
	}
}

/* [BT3] */
void smp_start(const struct fdt *fdt, struct kspace *space)
{
	start_others(fdt, space);
	start_cache(); /* this CPU's: its cpu node has been seen */
}

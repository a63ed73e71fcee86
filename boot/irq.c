/* SPDX-License-Identifier: BSD-2-Clause */
/* Where IRQs arrive (vectors.S), and how their controller is brought up. Kernel only. */
#include "boot/irq.h"
#include "arch/aarch64/probe.h"
#include "arch/aarch64/timer.h"
#include "boot/boot.h"
#include "boot/irq_tree.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "mm/heap.h"

void irq_entry(void);

static const struct gic_driver *gic;
static struct gic_regs regs;
static irq_fn handlers[GIC_PRIVATE];
static unsigned timer_intid;

/* ---- bring-up --------------------------------------------------------------------------------------------------------- */

/* Maps registers and tries one of them: what the tree names need not be there. */
static const char *map(struct kspace *space, uint64_t base, uint64_t size, unsigned probe, struct gic_range *out)
{
	struct ram_range ram;
	uint32_t word;
	void *va;
	int err;

	/* A tree that names such registers would have us write into memory. */
	if (ram_next(&boot.ram, base, &ram) && ram.base <= base + (size - 1))
		return "its registers lie in RAM";
	err = kspace_map(space, paddr(base), size, PT_DEVICE_nGnRE, &va);
	if (err)
		return mm_strerror(err);
	*out = (struct gic_range){ (uintptr_t)va, size };
	return probe_read32((const volatile uint32_t *)(out->va + probe), &word) ? NULL : "nothing answers there";
}

static const char *map_all(struct fdt *fdt, struct kspace *space, const struct irq_desc *d)
{
	struct gic_range *regions = kcalloc(d->region_count, sizeof(*regions));
	const char *why;

	if (!regions)
		return "no memory for the list of its registers";
	why = map(space, d->dist_base, d->dist_size, d->driver->dist_probe, &regs.dist);
	for (unsigned i = 0; i < d->region_count && !why; i++) {
		uint64_t base, size;

		if (!irq_tree_region(fdt, d, i, &base, &size))
			why = "a region of its registers has no usable reg";
		else
			why = map(space, base, size, d->driver->region_probe, &regions[i]);
	}
	regs.regions = regions;
	regs.region_count = d->region_count;
	regs.stride = d->stride;
	return why;
}

/* [BT52] */
void irq_init(struct fdt *fdt, struct kspace *space)
{
	struct irq_timer_desc timer;
	struct irq_desc d;
	const char *why = irq_tree_controller(fdt, &d);

	if (!why)
		why = map_all(fdt, space, &d);
	if (!why)
		why = d.driver->start(&regs);
	if (why) {
		log_info("interrupts: none: %s\n", why);
		return;
	}
	gic = d.driver;
	irq_start_cpu();
	if (!this_cpu()->irq_ready)
		return;
	why = irq_tree_timer(fdt, &d, &timer);
	if (!why) {
		timer_start(timer.frequency);
		if (irq_enable(timer.intid))
			timer_intid = timer.intid;
		else
			why = "the controller keeps its interrupt";
		irq_disable(timer.intid);
	}
	if (why)
		log_info("timer: none: %s\n", why);
	log_verbose("interrupts: %s at 0x%lx, %u region%s; timer %u at %lu Hz\n", gic->name, (unsigned long)d.dist_base,
		    regs.region_count, regs.region_count == 1 ? "" : "s", timer_intid, (unsigned long)timer_hz());
}

void irq_start_cpu(void)
{
	struct cpu *cpu = this_cpu();
	const char *why;

	timer_stop(); /* whoever ran before may have left it running */
	if (!gic)
		return;
	why = gic->start_cpu(cpu);
	/* Without its wake-up a CPU would sleep for ever. */
	if (!why && !gic->enable(cpu, IRQ_WAKE))
		why = "the controller keeps the SGI that wakes it";
	if (why)
		log_error("cpu %u: no interrupts: %s\n", cpu->index, why);
	else
		cpu->irq_ready = true;
}

/* ---- who handles what ------------------------------------------------------------------------------------------------- */

int irq_handle(unsigned intid, irq_fn fn)
{
	irq_fn none = NULL;

	if (intid >= GIC_PRIVATE || intid == IRQ_WAKE)
		return MM_EINVAL;
	if (!fn)
		__atomic_store_n(&handlers[intid], NULL, __ATOMIC_RELEASE);
	else if (!__atomic_compare_exchange_n(&handlers[intid], &none, fn, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return MM_EEXIST;
	return MM_OK;
}

bool irq_enable(unsigned intid)
{
	return this_cpu()->irq_ready && intid < GIC_PRIVATE && gic->enable(this_cpu(), intid);
}

void irq_disable(unsigned intid)
{
	if (this_cpu()->irq_ready && intid < GIC_PRIVATE)
		gic->disable(this_cpu(), intid);
}

void irq_send_others(unsigned intid)
{
	if (this_cpu()->irq_ready)
		gic->send_others(intid);
}

unsigned irq_timer(void)
{
	return timer_intid;
}

/* ---- arrival ---------------------------------------------------------------------------------------------------------- */

/* Nobody has asked for it: it is masked, so that it does not come for ever. One line for each CPU. */
static void unwanted(struct cpu *cpu, unsigned intid)
{
	if (intid < GIC_PRIVATE)
		gic->disable(cpu, intid);
	if (cpu->unwanted++ == 0)
		log_error("cpu %u: interrupt %u, which nobody handles: masked\n", cpu->index, intid);
}

/* Called by vectors.S with interrupts masked. [BT53] [BT54] [BT58] [BT60] */
void irq_entry(void)
{
	struct cpu *cpu = this_cpu();
	uint32_t token;
	unsigned intid;
	irq_fn fn;

	if (!cpu->irq_ready)
		panic("cpu %u: an interrupt without a controller", cpu->index);
	if (!gic->acknowledge(cpu, &intid, &token)) {
		cpu->spurious++;
		return;
	}
	cpu->irqs++;
	fn = intid < GIC_PRIVATE ? __atomic_load_n(&handlers[intid], __ATOMIC_ACQUIRE) : NULL;
	if (fn)
		fn();
	else if (intid != IRQ_WAKE)
		unwanted(cpu, intid);
	gic->end(cpu, token);
}

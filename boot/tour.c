/* SPDX-License-Identifier: BSD-2-Clause */
/* The tour: a script over monitor_execute(). Each step says what it should return, so the tour is a test as well. */
#include "boot/tour.h"
#include "arch/arch.h"
#include "boot/boot.h"
#include "boot/line_edit.h"
#include "boot/monitor.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "mm/mmu.h"

static int step(const char *sentence, const char *command)
{
	int err;

	log_info("\n-- %s\n" MONITOR_PROMPT "%s\n", sentence, command);
	err = monitor_execute(command);
	return err;
}

static unsigned expect(int got, int want)
{
	if (got == want)
		return 0;
	log_error("tour: that should have ended with '%s', not '%s'\n", want == MM_OK ? "success" : mm_strerror(want),
		  got == MM_OK ? "success" : mm_strerror(got));
	return 1;
}

/* pt, where the kernel's tables are what translates: in a host program they are an exercise. */
static unsigned show_translation(const char *sentence, uintptr_t va)
{
	char command[LINE_EDIT_MAX];

	if (mmu_kernel.format == NULL || va < mmu_kernel.input_base)
		return 0;
	gr_snprintf(command, sizeof(command), "pt 0x%lx", (unsigned long)va);
	return expect(step(sentence, command), MM_OK);
}

/* [BU39] */
unsigned tour_run(void)
{
	char command[LINE_EDIT_MAX];
	unsigned wrong = 0;

	log_info("\nA tour of the monitor.\n");
	wrong += expect(step("What one can ask", "help"), MM_OK);
	wrong += expect(step("Who owns the memory: every range that the device tree or the image names", "ram"), MM_OK);
	gr_snprintf(command, sizeof(command), "ram 0x%lx", (unsigned long)boot.dtb_pa.v);
	wrong += expect(step("Why an address is not free: the story of the device tree", command), MM_OK);
	wrong += expect(step("How much there is", "mem"), MM_OK);
	wrong += expect(step("The buddy allocator keeps what is free in blocks of 2^order pages", "buddy"), MM_OK);
	wrong += expect(step("Who holds the pages that are not free", "owners"), MM_OK);
	wrong += expect(step("From here on, what is allocated is new", "mark"), MM_OK);
	wrong += expect(step("Take eight pages", "alloc 3"), MM_OK);
	wrong += expect(step("What came after the mark and is still there", "leaks"), MM_OK);
	wrong += expect(step("Ask for the story of that address", "ram last"), MM_OK);
	wrong += expect(step("Giving back less than was taken is refused, and changes nothing", "free last 2"),
			MM_EORDER);
	wrong += expect(step("The right order is accepted", "free last 3"), MM_OK);
	wrong += expect(step("A second time is a double free, and refused", "free last 3"), MM_EDOUBLE);
	gr_snprintf(command, sizeof(command), "free 0x%lx 0", (unsigned long)boot.image_pa);
	wrong += expect(step("The kernel's own image was never the allocator's to give", command), MM_ERESERVED);
	wrong += show_translation("This function in the page tables: executable, so not writable", (uintptr_t)tour_run);
	wrong += show_translation("RAM in the linear map: writable, so never executable",
				  (uintptr_t)phys_to_virt(boot.mm.window));
	wrong += expect(step("Every structure is derived again and compared", "check"), MM_OK);
	log_info("\nThat was the tour.\n");
	return wrong;
}

// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Memory for Rust. It may be asked for, and given back, wherever Rust runs: also under a lock that
 * keeps interrupts out, and in the completion of a bio.
 */
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "dmrs.h"

static void free_late(struct work_struct *work);

static LLIST_HEAD(late);
static DECLARE_WORK(late_work, free_late);

static bool may_sleep(void)
{
	/* Rust's locks are taken with interrupts off, and completions run in interrupts. */
	return !in_interrupt() && !irqs_disabled();
}

/* How many pieces Rust has. */
static atomic_long_t pieces = ATOMIC_LONG_INIT(0);

static void *counted(void *memory)
{
	if (memory)
		atomic_long_inc(&pieces);
	return memory;
}

void *dmrs_alloc(size_t size, size_t align)
{
	/* kmalloc aligns to the size where that is a power of two; larger memory is whole pages. */
	if (align > ARCH_KMALLOC_MINALIGN && size < PAGE_SIZE)
		size = roundup_pow_of_two(max(size, align));
	if (align > PAGE_SIZE)
		return NULL;
	/* NOIO: reclaim must not wait for a device that waits for this very memory. */
	if (may_sleep())
		return counted(kvmalloc(size, GFP_NOIO | __GFP_NOWARN));
	return counted(kmalloc(size, GFP_ATOMIC | __GFP_NOWARN));
}

void dmrs_free(void *memory)
{
	atomic_long_dec(&pieces);
	/* vfree may sleep, so what it is to free waits until somebody can, linked through itself. */
	if (is_vmalloc_addr(memory) && !may_sleep()) {
		if (llist_add(memory, &late))
			schedule_work(&late_work);
		return;
	}
	kvfree(memory);
}

static void free_late(struct work_struct *work)
{
	struct llist_node *node, *next;

	llist_for_each_safe(node, next, llist_del_all(&late))
		vfree(node);
}

/* When Rust is gone: whatever it still has is lost, and tests look for these words in the log. */
void dmrs_memory_exit(void)
{
	long lost = atomic_long_read(&pieces);

	flush_work(&late_work);
	if (lost)
		pr_err("dmrs: %ld pieces of memory are lost\n", lost);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Memory for Rust. It may be asked for, and given back, wherever Rust runs: also under a lock that
 * keeps interrupts out, and in the completion of a bio.
 */
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
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

/*
 * For tests, since Debian's kernels are built without fault injection: what is asked for is refused
 * once, when it has been asked for so many times. By the thread that said so, or by all the others.
 */
static atomic_long_t until_refused = ATOMIC_LONG_INIT(0);
static struct {
	pid_t thread;
	bool others;
} refuse;

/* Whether to answer that there is no memory. Called by whatever may answer that. */
bool dmrs_refused(void)
{
	bool others;

	if (likely(!atomic_long_read(&until_refused)))
		return false;
	others = !in_task() || current->pid != READ_ONCE(refuse.thread);
	if (others != READ_ONCE(refuse.others))
		return false;
	return !atomic_long_dec_if_positive(&until_refused);
}

static int refuse_set(const char *text, const struct kernel_param *param)
{
	long n;
	int err = kstrtol(text, 0, &n);

	if (err || n == LONG_MIN)
		return err ?: -EINVAL;
	atomic_long_set(&until_refused, 0);
	/* What was begun before is no part of what is tested. */
	dmrs_flush();
	WRITE_ONCE(refuse.thread, current->pid);
	WRITE_ONCE(refuse.others, n < 0);
	atomic_long_set(&until_refused, abs(n));
	return 0;
}

static int refuse_get(char *page, const struct kernel_param *param)
{
	dmrs_flush();
	return sprintf(page, "%ld\n", atomic_long_read(&until_refused));
}

static const struct kernel_param_ops refuse_ops = { .set = refuse_set, .get = refuse_get };
module_param_cb(fail_allocation, &refuse_ops, NULL, 0600);
MODULE_PARM_DESC(fail_allocation, "for tests: N fails the N-th allocation from now on, once, of "
		 "those of the thread that writes it; -N, of all others; reads as how many are left");

/* How many pieces Rust has. */
static atomic_long_t pieces = ATOMIC_LONG_INIT(0);

static int pieces_get(char *page, const struct kernel_param *param)
{
	dmrs_flush();
	return sprintf(page, "%ld\n", atomic_long_read(&pieces));
}

static const struct kernel_param_ops pieces_ops = { .get = pieces_get };
module_param_cb(allocations, &pieces_ops, NULL, 0400);
MODULE_PARM_DESC(allocations, "how many pieces of memory it has, other than for requests");

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
	if (align > PAGE_SIZE || dmrs_refused())
		return NULL;
	/* NOIO: reclaim must not wait for a device that waits for this very memory. */
	if (may_sleep())
		return counted(kvmalloc(size, GFP_NOIO | __GFP_NOWARN));
	return counted(kmalloc(size, GFP_ATOMIC | __GFP_NOWARN));
}

void dmrs_free(void *memory)
{
	if (!memory)
		return;
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

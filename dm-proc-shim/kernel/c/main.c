// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The module: loading, unloading, and what else Rust needs of the kernel.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/smp.h>
#include <linux/timekeeping.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "dmrs.h"

static bool legacy_names;
module_param(legacy_names, bool, 0444);
MODULE_PARM_DESC(legacy_names, "call disks dm-<minor> and the block major device-mapper");

static struct workqueue_struct *workqueue;

/*
 * A lock of Rust's is a word of its own that starts at zero: arch_spinlock_t, on every kernel. With
 * interrupts off, since completions take it too.
 */
static_assert(sizeof(arch_spinlock_t) == sizeof(u32));

unsigned long dmrs_lock(u32 *lock)
{
	unsigned long irq;

	local_irq_save(irq);
	arch_spin_lock((arch_spinlock_t *)lock);
	return irq;
}

int dmrs_try_lock(u32 *lock, unsigned long *flags)
{
	unsigned long irq;

	local_irq_save(irq);
	if (!arch_spin_trylock((arch_spinlock_t *)lock)) {
		local_irq_restore(irq);
		return 0;
	}
	*flags = irq;
	return 1;
}

void dmrs_unlock(u32 *lock, unsigned long flags)
{
	arch_spin_unlock((arch_spinlock_t *)lock);
	local_irq_restore(flags);
}

/* Mutexes by number, for what may sleep. */
static struct mutex mutexes[18];

void dmrs_mutex_lock(u32 number)
{
	mutex_lock(&mutexes[number % ARRAY_SIZE(mutexes)]);
}

void dmrs_mutex_unlock(u32 number)
{
	mutex_unlock(&mutexes[number % ARRAY_SIZE(mutexes)]);
}

u32 dmrs_cpu(void)
{
	return raw_smp_processor_id();
}

u32 dmrs_cpus(void)
{
	return nr_cpu_ids;
}

/* Changes of devices: something drained, an event number moved. */
static atomic64_t changes = ATOMIC64_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(waiting);

/* Wakes those who wait for a change. */
void dmrs_changed(void)
{
	atomic64_inc(&changes);
	wake_up_all(&waiting);
}

static void settle(struct work_struct *work)
{
	dmrs_rs_settle();
	dmrs_changed();
}

static DECLARE_WORK(settle_work, settle);

/* What a thaw waits for may need the other work item. */
static void thaw(struct work_struct *work)
{
	dmrs_rs_thaw();
}

static DECLARE_WORK(thaw_work, thaw);

void dmrs_thaw_later(void)
{
	schedule_work(&thaw_work);
}

/* May be called anywhere. */
void dmrs_notify(void)
{
	queue_work(workqueue, &settle_work);
}

u64 dmrs_now(void)
{
	return ktime_get_ns();
}

static void wake(struct work_struct *work)
{
	dmrs_rs_wake();
	dmrs_notify();
}

static DECLARE_DELAYED_WORK(wake_work, wake);

/* Notifies then; an earlier call does not hold any more. May be called anywhere. */
void dmrs_wake_in(u64 nanoseconds)
{
	mod_delayed_work(workqueue, &wake_work, nsecs_to_jiffies64(nanoseconds) + 1);
}

/* Once nobody notifies, or asks to be woken, any more. */
void dmrs_stop(void)
{
	cancel_delayed_work_sync(&wake_work);
	dmrs_flush();
}

/* Waits until what was notified is settled. */
void dmrs_flush(void)
{
	flush_work(&settle_work);
	flush_work(&thaw_work);
}

u64 dmrs_changes(void)
{
	return atomic64_read(&changes);
}

/* Waits for a change after the seen one; -ERESTARTSYS when interrupted. */
int dmrs_wait(u64 seen)
{
	return wait_event_interruptible(waiting, atomic64_read(&changes) != seen);
}

void dmrs_poll(struct file *file, struct poll_table_struct *wait)
{
	poll_wait(file, &waiting, wait);
}

void dmrs_say(const char *text, size_t length)
{
	pr_err("dmrs: %.*s\n", (int)length, text);
}

/* An oops in whoever came here is better than a disk that nobody can trust any more. */
void dmrs_panic(const char *text, size_t length)
{
	pr_emerg("dmrs: panic: %.*s\n", (int)length, text);
	BUG();
}

static int __init dmrs_init(void)
{
	size_t n;
	int err;

	for (n = 0; n < ARRAY_SIZE(mutexes); n++)
		mutex_init(&mutexes[n]);
	err = -ENOMEM;
	workqueue = dmrs_refused() ? NULL : alloc_workqueue("dmrs", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!workqueue)
		goto no_workqueue;
	err = dmrs_requests_init(workqueue);
	if (err)
		goto no_requests;
	err = dmrs_disks_init(legacy_names);
	if (err)
		goto no_disks;
	err = dmrs_rs_init();
	if (err)
		goto no_mapper;
	err = dmrs_files_init();
	if (err)
		goto no_files;
	return 0;
no_files:
	dmrs_rs_exit();
no_mapper:
	dmrs_disks_exit();
no_disks:
	dmrs_requests_exit();
no_requests:
	destroy_workqueue(workqueue);
no_workqueue:
	dmrs_memory_exit();
	return err;
}

/* Not called while a disk or a file is open: they hold the module. */
static void __exit dmrs_exit(void)
{
	dmrs_rs_exit();
	dmrs_files_exit();
	dmrs_disks_exit();
	dmrs_requests_exit();
	destroy_workqueue(workqueue);
	dmrs_memory_exit();
}

module_init(dmrs_init);
module_exit(dmrs_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("A device mapper, controlled through /proc/device-mapper");

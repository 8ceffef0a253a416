// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The files of /proc/device-mapper.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmrs.h"

static struct proc_dir_entry *folder;

/* One open of a file. Threads that share it take turns. */
struct open_file {
	struct mutex turn;
	void *session;
};

static int file_open(struct inode *inode, struct file *file)
{
	struct open_file *open;
	int err = -ENOMEM;

	/* An open file keeps the module: what is written may have to wait for requests. */
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	open = dmrs_refused() ? NULL : kmalloc(sizeof(*open), GFP_KERNEL);
	if (!open)
		goto no_open;
	mutex_init(&open->turn);
	open->session = dmrs_rs_file_open(pde_data(inode), &err);
	if (!open->session)
		goto no_session;
	file->private_data = open;
	return 0;
no_session:
	kfree(open);
no_open:
	module_put(THIS_MODULE);
	return err;
}

static int file_release(struct inode *inode, struct file *file)
{
	struct open_file *open = file->private_data;

	dmrs_rs_file_close(open->session);
	kfree(open);
	module_put(THIS_MODULE);
	return 0;
}

static ssize_t file_write(struct file *file, const char __user *bytes, size_t count, loff_t *pos)
{
	struct open_file *open = file->private_data;
	size_t done = 0;
	char *page;
	int err = 0;

	page = dmrs_refused() ? NULL : (char *)__get_free_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	if (mutex_lock_interruptible(&open->turn)) {
		free_page((unsigned long)page);
		return -EINTR;
	}
	while (!err && done < count) {
		size_t length = min_t(size_t, count - done, PAGE_SIZE);

		if (copy_from_user(page, bytes + done, length))
			err = -EFAULT;
		else
			err = dmrs_rs_file_write(open->session, page, length);
		done += length;
	}
	mutex_unlock(&open->turn);
	free_page((unsigned long)page);
	/* For those who poll: they may wait for a device to come, or could not ask while we wrote. */
	dmrs_changed();
	return err ?: count;
}

static ssize_t file_read(struct file *file, char __user *bytes, size_t count, loff_t *pos)
{
	struct open_file *open = file->private_data;
	const char *text;
	size_t length;
	ssize_t read;

	if (mutex_lock_interruptible(&open->turn))
		return -EINTR;
	/* A reader that starts over gets what there is now; until then, all of one moment. */
	read = dmrs_rs_file_read(open->session, *pos == 0, &text, &length);
	if (!read)
		read = simple_read_from_buffer(bytes, count, pos, text, length);
	mutex_unlock(&open->turn);
	return read;
}

/* As with /proc/mounts: there is always something to read, and a change since then is an error. */
static __poll_t file_poll(struct file *file, struct poll_table_struct *wait)
{
	struct open_file *open = file->private_data;
	__poll_t events = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;

	dmrs_poll(file, wait);
	/* Another thread that is in this open, perhaps for long, wakes us when it is done. */
	if (mutex_trylock(&open->turn)) {
		if (dmrs_rs_file_changed(open->session))
			events |= EPOLLERR | EPOLLPRI;
		mutex_unlock(&open->turn);
	}
	return events;
}

static const struct proc_ops file_ops = {
	.proc_open = file_open,
	.proc_read = file_read,
	.proc_write = file_write,
	.proc_poll = file_poll,
	.proc_lseek = default_llseek,
	.proc_release = file_release,
};

void *dmrs_file_create(const char *name, void *disk)
{
	return dmrs_refused() ? NULL : proc_create_data(name, 0600, folder, &file_ops, disk);
}

/* Waits for calls that are in the file, and closes it under those that have it open. */
void dmrs_file_remove(void *entry)
{
	proc_remove(entry);
}

int dmrs_files_init(void)
{
	folder = dmrs_refused() ? NULL : proc_mkdir("device-mapper", NULL);
	if (!folder)
		return -ENOMEM;
	if (!dmrs_file_create("control", DMRS_CONTROL) ||
	    !proc_create_data("targets", 0400, folder, &file_ops, DMRS_TARGETS)) {
		proc_remove(folder);
		return -ENOMEM;
	}
	return 0;
}

void dmrs_files_exit(void)
{
	proc_remove(folder);
}

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the C and the Rust half of the module know of each other.
 *
 * dmrs_rs_*: Rust's, called from C. The other dmrs_*: C's, called from Rust. C decides nothing
 * here: it translates between the kernel's API, much of which is macros and inline functions, and
 * plain calls. The Rust side of this file is src/glue.rs.
 */
#ifndef DMRS_H
#define DMRS_H

#include <linux/blkdev.h>
#include <linux/bio.h>
#include <linux/types.h>
#include <linux/workqueue.h>

/* request.c */

enum dmrs_op { DMRS_READ, DMRS_WRITE, DMRS_DISCARD, DMRS_WRITE_ZEROES, DMRS_FLUSH };

#define DMRS_FUA 1
#define DMRS_CHILD 2	/* over the memory of another; Rust is told of its end */
#define DMRS_BUFFER 4	/* memory, and no request */

/* How many mapped devices may lie on top of one another: dm_core::MAX_DEPTH. */
#define DMRS_MAX_PASSES 8

/* A bio on its way through, and what was in it that must be put back when it completes. */
struct dmrs_req {
	u64 sector;
	u64 sectors;
	u32 op;
	u32 flags;
	struct block_device *bdev;	/* where it is to go */
	struct dmrs_req *next;		/* while it waits */
	void *passes[DMRS_MAX_PASSES];
	u32 n_passes;
	atomic_t children;		/* of a buffer */
	void *ended[2];			/* Rust's, for a child */
	struct dmrs_req *buffer;	/* that a child is of */
	void *memory;			/* a buffer's */
	/* From here on C's own. */
	u32 bytes;			/* when it came in */
	struct bio *bio;
	bio_end_io_t *end_io;
	void *private;
	struct block_device *owner;
	unsigned long start;		/* for the disk's statistics; 0 if they are off */
	bool pooled;			/* from the pool, not in front of a bio of ours */
};

#define DMRS_REQ_SIZE 200

int dmrs_requests_init(struct workqueue_struct *queue);
void dmrs_requests_exit(void);
void dmrs_submit_bio(struct bio *bio);

void dmrs_submit(struct dmrs_req *req);
struct dmrs_req *dmrs_split(struct dmrs_req *req, u32 front);
struct dmrs_req *dmrs_duplicate(struct dmrs_req *req);
struct dmrs_req *dmrs_child(struct dmrs_req *req, u32 op, u32 fua, u32 sectors);
struct dmrs_req *dmrs_buffer(u32 sectors);
void dmrs_buffer_free(struct dmrs_req *buffer);
void dmrs_fill_zeros(struct dmrs_req *req);
void dmrs_complete(struct dmrs_req *req, u32 status);

void dmrs_rs_submit(void *disk, struct dmrs_req *req);
/* status: as for dmrs_complete. */
void dmrs_rs_done(struct dmrs_req *req, u32 status);

/* backing.c */

struct dmrs_backing {
	struct block_device *bdev;
	void *handle;
	u32 writable;
};

struct dmrs_limits {
	u32 logical_block;	/* bytes */
	u32 physical_block;
	u32 discards;		/* whether it takes them */
	u32 write_zeroes;
};

int dmrs_backing_find(const char *path, u32 *major, u32 *minor);
int dmrs_backing_open(struct dmrs_backing *backing, u32 major, u32 minor, u32 writable);
void dmrs_backing_close(struct dmrs_backing *backing);
u64 dmrs_bdev_sectors(struct block_device *bdev);
void dmrs_bdev_number(struct block_device *bdev, u32 *major, u32 *minor);
void dmrs_bdev_limits(struct block_device *bdev, struct dmrs_limits *limits);

/* disk.c */

int dmrs_disks_init(bool legacy_names);
void dmrs_disks_exit(void);

struct gendisk *dmrs_disk_create(void *disk, u32 minor, int *error);
void dmrs_disk_remove(struct gendisk *gendisk);
void dmrs_disk_bind(struct gendisk *gendisk, u64 sectors, const struct dmrs_limits *limits,
		    void *below);
/* The next of the devices below that dmrs_disk_bind was given; NULL behind the last. */
struct block_device *dmrs_rs_next_below(void *below);
void dmrs_disk_changed(struct gendisk *gendisk);
void dmrs_disk_get(struct gendisk *gendisk);
void dmrs_disk_put(struct gendisk *gendisk);
int dmrs_disk_freeze(struct gendisk *gendisk);
void dmrs_disk_thaw(struct gendisk *gendisk);
u32 dmrs_own_major(void);
int dmrs_disk_link(struct gendisk *gendisk, struct block_device *below);
void dmrs_disk_unlink(struct gendisk *gendisk, struct block_device *below);

int dmrs_rs_disk_open(void *disk);
void dmrs_rs_disk_release(void *disk);
/* What a disk is called, by kind; at most size bytes, without a NUL; returns how many. */
enum dmrs_text { DMRS_NAME, DMRS_UUID, DMRS_SUSPENDED };
size_t dmrs_rs_disk_text(void *disk, u32 kind, char *text, size_t size);

/* files.c */

int dmrs_files_init(void);
void dmrs_files_exit(void);
void *dmrs_file_create(const char *name, void *disk);
void dmrs_file_remove(void *entry);

/* disk: the pointer that was given to dmrs_file_create, or one of these. */
#define DMRS_CONTROL ((void *)1)
#define DMRS_TARGETS ((void *)2)
void *dmrs_rs_file_open(void *disk, int *error);
int dmrs_rs_file_write(void *session, const char *bytes, size_t length);
int dmrs_rs_file_read(void *session, u32 again, const char **bytes, size_t *length);
/* Whether something has changed since the session last read. */
int dmrs_rs_file_changed(void *session);
void dmrs_rs_file_close(void *session);

/* memory.c */

void dmrs_memory_exit(void);
bool dmrs_refused(void);
void *dmrs_alloc(size_t size, size_t align);
void dmrs_free(void *memory);

/* main.c */

unsigned long dmrs_lock(u32 *lock);
int dmrs_try_lock(u32 *lock, unsigned long *flags);
void dmrs_unlock(u32 *lock, unsigned long flags);
void dmrs_mutex_lock(u32 number);
void dmrs_mutex_unlock(u32 number);
u32 dmrs_cpu(void);
u32 dmrs_cpus(void);
void dmrs_notify(void);
u64 dmrs_now(void);
void dmrs_wake_in(u64 nanoseconds);
void dmrs_stop(void);
void dmrs_flush(void);
u64 dmrs_changes(void);
int dmrs_wait(u64 seen);
void dmrs_changed(void);
struct file;
struct poll_table_struct;
void dmrs_poll(struct file *file, struct poll_table_struct *wait);
void dmrs_thaw_later(void);
void dmrs_say(const char *text, size_t length);
void __noreturn dmrs_panic(const char *text, size_t length);

int dmrs_rs_init(void);
void dmrs_rs_exit(void);
void dmrs_rs_settle(void);
void dmrs_rs_thaw(void);
void dmrs_rs_wake(void);

#endif

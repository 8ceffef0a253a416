/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Where kernels differ. One name for each thing that has had several.
 */
#ifndef DMRS_COMPAT_H
#define DMRS_COMPAT_H

#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/version.h>

#define SINCE(major, minor) (LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0))

/* What a disk's open and release are given. */
#if SINCE(6, 5)
#define DMRS_OPEN(name, disk) static int name(struct gendisk *disk, blk_mode_t mode)
#define DMRS_RELEASE(name, disk) static void name(struct gendisk *disk)
#else
#define DMRS_OPEN(name, disk)						\
	static int name##_disk(struct gendisk *disk);			\
	static int name(struct block_device *bdev, fmode_t mode)	\
	{								\
		return name##_disk(bdev->bd_disk);			\
	}								\
	static int name##_disk(struct gendisk *disk)
#define DMRS_RELEASE(name, disk) static void name(struct gendisk *disk, fmode_t mode)
#endif

/* An exclusive open; the holder is the module. */
#if SINCE(6, 11)
static inline struct block_device *dmrs_bdev_get(dev_t dev, bool writable, void *holder,
						 void **handle)
{
	blk_mode_t mode = BLK_OPEN_READ | (writable ? BLK_OPEN_WRITE : 0);
	struct file *file = bdev_file_open_by_dev(dev, mode, holder, NULL);

	*handle = file;
	return IS_ERR(file) ? ERR_CAST(file) : file_bdev(file);
}

static inline void dmrs_bdev_put(struct block_device *bdev, bool writable, void *holder,
				 void *handle)
{
	/*
	 * Not fput or bdev_fput, which close it later; as one of ours it could not be removed until
	 * then.
	 */
	__fput_sync(handle);
}
#elif SINCE(6, 5)
#error "kernels 6.5 to 6.10 are not supported"
#else
static inline fmode_t dmrs_mode(bool writable)
{
	return FMODE_READ | FMODE_EXCL | (writable ? FMODE_WRITE : 0);
}

static inline struct block_device *dmrs_bdev_get(dev_t dev, bool writable, void *holder,
						 void **handle)
{
	*handle = NULL;
	return blkdev_get_by_dev(dev, dmrs_mode(writable), holder);
}

static inline void dmrs_bdev_put(struct block_device *bdev, bool writable, void *holder,
				 void *handle)
{
	blkdev_put(bdev, dmrs_mode(writable));
}
#endif

/* Has what is mounted on a device write what it holds, and stop writing. */
#if SINCE(6, 8)
#define dmrs_freeze bdev_freeze
#define dmrs_thaw bdev_thaw
#else
#define dmrs_freeze freeze_bdev
#define dmrs_thaw thaw_bdev
#endif

/* A disk without requests of its own: every bio comes to submit_bio. It has statistics. */
static inline struct gendisk *dmrs_gendisk_alloc(void)
{
#if SINCE(6, 11)
	struct queue_limits limits = { .features = BLK_FEAT_IO_STAT };

	return blk_alloc_disk(&limits, NUMA_NO_NODE);
#else
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	blk_queue_flag_set(QUEUE_FLAG_IO_STAT, disk->queue);
	return disk;
#endif
}

/*
 * Goes on with a bio whose bio_endio has called our end_io, now that its own is put back. Newer
 * kernels forbid to call that of a chained bio; older ones would tell the queue's policies a second
 * time that the bio has ended.
 */
static inline void dmrs_end_bio(struct bio *bio)
{
#if SINCE(6, 13)
	bio_endio(bio);
#else
	if (bio->bi_end_io)
		bio->bi_end_io(bio);
#endif
}

/* A queue's limits, changed as a whole. */
static inline void dmrs_limits_commit(struct gendisk *disk, struct queue_limits *limits,
				      bool write_cache)
{
#if SINCE(6, 11)
	struct queue_limits old = queue_limits_start_update(disk->queue);

	/* What somebody has chosen in sysfs stays. */
	limits->features |= old.features & BLK_FEAT_IO_STAT;
	if (write_cache)
		limits->features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
	if (queue_limits_commit_update(disk->queue, limits))
		pr_err("dmrs: %s: the limits of the devices below do not go together\n",
		       disk->disk_name);
#else
	disk->queue->limits = *limits;
	blk_queue_write_cache(disk->queue, write_cache, write_cache);
	disk_update_readahead(disk);
#endif
}

/* Limits that stack begin with no limit, and a disk without zones must have none to append to. */
static inline void dmrs_limits_without_zones(struct queue_limits *limits)
{
#if SINCE(6, 13)
	limits->max_hw_zone_append_sectors = 0;
#else
	limits->max_zone_append_sectors = 0;
#endif
}

static inline const struct queue_limits *dmrs_limits_of(struct block_device *bdev)
{
	return &bdev_get_queue(bdev)->limits;
}

/* When a disk's statistics count a request's sectors. */
#if SINCE(6, 4)
#define dmrs_start_io(bdev, op, sectors) bdev_start_io_acct(bdev, op, jiffies)
#define dmrs_end_io(bdev, op, sectors, start) bdev_end_io_acct(bdev, op, sectors, start)
#else
#define dmrs_start_io(bdev, op, sectors) bdev_start_io_acct(bdev, sectors, op, jiffies)
#define dmrs_end_io(bdev, op, sectors, start) bdev_end_io_acct(bdev, op, start)
#endif

#endif

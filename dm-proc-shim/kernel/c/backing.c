// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Devices below, opened for the module alone.
 */
#include "compat.h"
#include "dmrs.h"

/* Two of our tables may share a device; others may not: the holder is one for all of them. */
static char holder[] = "dmrs";

/* The numbers of the device whose node is at path. */
int dmrs_backing_find(const char *path, u32 *major, u32 *minor)
{
	dev_t dev;
	int err = dmrs_refused() ? -ENOMEM : lookup_bdev(path, &dev);

	if (err)
		return err;
	*major = MAJOR(dev);
	*minor = MINOR(dev);
	return 0;
}

int dmrs_backing_open(struct dmrs_backing *backing, u32 major, u32 minor, u32 writable)
{
	int err = 0;

	if (dmrs_refused())
		return -ENOMEM;
	backing->bdev = dmrs_bdev_get(MKDEV(major, minor), writable, holder, &backing->handle);
	if (IS_ERR(backing->bdev))
		return PTR_ERR(backing->bdev);
	if (writable && bdev_read_only(backing->bdev))
		err = -EROFS;
	else if (bdev_is_zoned(backing->bdev))
		err = -EOPNOTSUPP;
	if (err)
		dmrs_bdev_put(backing->bdev, writable, holder, backing->handle);
	backing->writable = writable;
	return err;
}

void dmrs_backing_close(struct dmrs_backing *backing)
{
	dmrs_bdev_put(backing->bdev, backing->writable, holder, backing->handle);
}

u64 dmrs_bdev_sectors(struct block_device *bdev)
{
	return bdev_nr_sectors(bdev);
}

void dmrs_bdev_number(struct block_device *bdev, u32 *major, u32 *minor)
{
	*major = MAJOR(bdev->bd_dev);
	*minor = MINOR(bdev->bd_dev);
}

void dmrs_bdev_limits(struct block_device *bdev, struct dmrs_limits *limits)
{
	limits->logical_block = bdev_logical_block_size(bdev);
	limits->physical_block = bdev_physical_block_size(bdev);
	limits->discards = bdev_max_discard_sectors(bdev) != 0;
	limits->write_zeroes = bdev_write_zeroes_sectors(bdev) != 0;
}

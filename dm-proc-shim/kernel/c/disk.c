// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The disk of a mapped device: what the rest of the system sees of it.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "compat.h"
#include "dmrs.h"

#define MAX_NAME 127

static unsigned int own_major;
static bool legacy;

static const char *major_name(void)
{
	return legacy ? "device-mapper" : "dmrs";
}

/* The kernel calls both of these under the disk's open_mutex. */
DMRS_OPEN(disk_open, disk)
{
	return dmrs_rs_disk_open(disk->private_data);
}

DMRS_RELEASE(disk_release, disk)
{
	dmrs_rs_disk_release(disk->private_data);
}

/* Where devtmpfs puts the node, below /dev. */
static char *disk_devnode(struct gendisk *disk, umode_t *mode)
{
	char name[MAX_NAME];
	size_t length = dmrs_rs_disk_text(disk->private_data, DMRS_NAME, name, sizeof(name));

	return kasprintf(GFP_KERNEL, "device-mapper/%.*s", (int)length, name);
}

static const struct block_device_operations disk_ops = {
	.owner = THIS_MODULE,
	.submit_bio = dmrs_submit_bio,
	.open = disk_open,
	.release = disk_release,
	.devnode = disk_devnode,
};

static ssize_t show(struct device *dev, u32 kind, char *page)
{
	size_t length = dmrs_rs_disk_text(dev_to_disk(dev)->private_data, kind, page, PAGE_SIZE - 1);

	page[length] = '\n';
	return length + 1;
}

static ssize_t name_show(struct device *dev, struct device_attribute *attr, char *page)
{
	return show(dev, DMRS_NAME, page);
}

static ssize_t uuid_show(struct device *dev, struct device_attribute *attr, char *page)
{
	return show(dev, DMRS_UUID, page);
}

static ssize_t suspended_show(struct device *dev, struct device_attribute *attr, char *page)
{
	return show(dev, DMRS_SUSPENDED, page);
}

static DEVICE_ATTR_RO(name);
static DEVICE_ATTR_RO(uuid);
static DEVICE_ATTR_RO(suspended);

static struct attribute *disk_attrs[] = {
	&dev_attr_name.attr, &dev_attr_uuid.attr, &dev_attr_suspended.attr, NULL,
};

static const struct attribute_group disk_group = { .name = "dm", .attrs = disk_attrs };
static const struct attribute_group *disk_groups[] = { &disk_group, NULL };

struct gendisk *dmrs_disk_create(void *disk, u32 minor, int *error)
{
	struct gendisk *gendisk = dmrs_refused() ? ERR_PTR(-ENOMEM) : dmrs_gendisk_alloc();

	if (IS_ERR(gendisk)) {
		*error = PTR_ERR(gendisk);
		return NULL;
	}
	gendisk->major = own_major;
	gendisk->first_minor = minor;
	gendisk->minors = 1;
	gendisk->flags |= GENHD_FL_NO_PART;
	gendisk->fops = &disk_ops;
	gendisk->private_data = disk;
	snprintf(gendisk->disk_name, DISK_NAME_LEN, "%s-%u", legacy ? "dm" : "dmr", minor);
	*error = dmrs_refused() ? -ENOMEM : device_add_disk(NULL, gendisk, disk_groups);
	if (*error) {
		put_disk(gendisk);
		return NULL;
	}
	return gendisk;
}

void dmrs_disk_remove(struct gendisk *gendisk)
{
	del_gendisk(gendisk);
	put_disk(gendisk);
}

void dmrs_disk_bind(struct gendisk *gendisk, u64 sectors, const struct dmrs_limits *limits,
		    void *below)
{
	struct block_device *bdev;
	struct queue_limits stacked;
	bool write_cache = false;

	blk_set_stacking_limits(&stacked);
	stacked.logical_block_size = limits->logical_block;
	stacked.physical_block_size = limits->physical_block;
	stacked.io_min = limits->physical_block;
	stacked.max_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
	stacked.max_hw_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
	stacked.discard_granularity = limits->logical_block;
	while ((bdev = dmrs_rs_next_below(below))) {
		blk_stack_limits(&stacked, (void *)dmrs_limits_of(bdev), 0);
		write_cache |= bdev_write_cache(bdev);
	}
	if (!limits->discards) {
		stacked.max_discard_sectors = 0;
		stacked.max_hw_discard_sectors = 0;
		stacked.discard_granularity = 0;
	}
	if (!limits->write_zeroes)
		stacked.max_write_zeroes_sectors = 0;
	/* Nothing here erases securely. */
	stacked.max_secure_erase_sectors = 0;
	dmrs_limits_without_zones(&stacked);
	dmrs_limits_commit(gendisk, &stacked, write_cache);
	set_capacity_and_notify(gendisk, sectors);
}

void dmrs_disk_changed(struct gendisk *gendisk)
{
	kobject_uevent(&disk_to_dev(gendisk)->kobj, KOBJ_CHANGE);
}

/* Keeps the gendisk, though not the disk that it is of, while somebody uses it. */
void dmrs_disk_get(struct gendisk *gendisk)
{
	get_device(disk_to_dev(gendisk));
}

void dmrs_disk_put(struct gendisk *gendisk)
{
	put_device(disk_to_dev(gendisk));
}

/* Both may wait for I/O. Each freeze is to be undone by a thaw. */
int dmrs_disk_freeze(struct gendisk *gendisk)
{
	return dmrs_freeze(gendisk->part0);
}

void dmrs_disk_thaw(struct gendisk *gendisk)
{
	dmrs_thaw(gendisk->part0);
}

u32 dmrs_own_major(void)
{
	return own_major;
}

int dmrs_disk_link(struct gendisk *gendisk, struct block_device *below)
{
	return dmrs_refused() ? -ENOMEM : bd_link_disk_holder(below, gendisk);
}

void dmrs_disk_unlink(struct gendisk *gendisk, struct block_device *below)
{
	bd_unlink_disk_holder(below, gendisk);
}

int dmrs_disks_init(bool legacy_names)
{
	int major;

	legacy = legacy_names;
	major = dmrs_refused() ? -ENOMEM : register_blkdev(0, major_name());
	if (major < 0)
		return major;
	own_major = major;
	return 0;
}

void dmrs_disks_exit(void)
{
	unregister_blkdev(own_major, major_name());
}

// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Bios on their way through.
 *
 * A bio that comes in is not cloned: its end_io is replaced, and put back when it completes. The
 * struct dmrs_req that remembers it comes from a mempool, so that requests make progress when
 * memory is short. Parts of a bio and duplicates are bios of our own, chained to the one that they
 * are made of, with their dmrs_req in front of them.
 */
#include <linux/mempool.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "dmrs.h"

#define MIN_REQS 256

struct part {
	struct dmrs_req req;
	struct bio bio;		/* must be last: its vectors follow it */
};

static struct workqueue_struct *workqueue;
static struct kmem_cache *req_cache;
static mempool_t *reqs;
static struct bio_set parts;

/*
 * A few structs ready on each CPU: the pool and the slab behind it are the dearer part of what we
 * add to a request.
 */
#define MAX_READY 32

struct ready {
	unsigned int count;
	struct dmrs_req *reqs[MAX_READY];
};

static DEFINE_PER_CPU(struct ready, ready);

/* Flushes that go ahead of the writes that asked for them; then those writes. */
static struct bio_set flushes;
static void submit_flushed(struct work_struct *work);
static DECLARE_WORK(flushed_work, submit_flushed);
static DEFINE_SPINLOCK(flushed_lock);
static struct bio_list flushed = BIO_EMPTY_LIST;

static_assert(sizeof(struct dmrs_req) == DMRS_REQ_SIZE);
static_assert(offsetof(struct dmrs_req, n_passes) == 104);
static_assert(offsetof(struct dmrs_req, memory) == 136);

static struct dmrs_req *get_req(void)
{
	struct dmrs_req *req = NULL;
	struct ready *here;
	unsigned long irq;

	/* Completions, which put structs back, may interrupt us. */
	local_irq_save(irq);
	here = this_cpu_ptr(&ready);
	if (likely(here->count))
		req = here->reqs[--here->count];
	local_irq_restore(irq);
	/* With NOIO a mempool waits, and doesn't fail. */
	return req ?: mempool_alloc(reqs, GFP_NOIO);
}

static void put_req(struct dmrs_req *req)
{
	struct ready *here;
	unsigned long irq;

	/* While the pool is not full somebody may be waiting for it, as in mempool_free. */
	smp_rmb();
	if (likely(READ_ONCE(reqs->curr_nr) >= reqs->min_nr)) {
		local_irq_save(irq);
		here = this_cpu_ptr(&ready);
		if (likely(here->count < MAX_READY)) {
			here->reqs[here->count++] = req;
			req = NULL;
		}
		local_irq_restore(irq);
	}
	if (req)
		mempool_free(req, reqs);
}

/* The order is that of `Status` in src/bio.rs. */
static const blk_status_t statuses[] = {
	BLK_STS_OK, BLK_STS_IOERR, BLK_STS_NOTSUPP, BLK_STS_NOSPC, BLK_STS_RESOURCE,
};

static u32 status_of(struct bio *bio)
{
	u32 n;

	for (n = 0; n < ARRAY_SIZE(statuses); n++)
		if (bio->bi_status == statuses[n])
			return n;
	return 1;
}

static void end_io(struct bio *bio)
{
	struct dmrs_req *req = bio->bi_private;

	bio->bi_private = req->private;
	bio->bi_end_io = req->end_io;
	bio->bi_bdev = req->owner;
	dmrs_rs_done(req, status_of(bio));
	if (req->pooled) {
		if (req->start)
			dmrs_end_io(req->owner, bio_op(bio), req->bytes >> SECTOR_SHIFT, req->start);
		put_req(req);
	}
	/*
	 * Last, since whoever has the disk open, and so keeps this code loaded, may let go of it from
	 * here on.
	 */
	dmrs_end_bio(bio);
}

static void hook(struct dmrs_req *req, struct bio *bio, bool pooled)
{
	req->next = NULL;
	req->bdev = NULL;
	req->n_passes = 0;
	req->pooled = pooled;
	req->bio = bio;
	req->end_io = bio->bi_end_io;
	req->private = bio->bi_private;
	req->owner = bio->bi_bdev;
	bio->bi_end_io = end_io;
	bio->bi_private = req;
}

static void enter(struct bio *bio)
{
	struct gendisk *disk = bio->bi_bdev->bd_disk;
	struct dmrs_req *req;
	u32 op;

	switch (bio_op(bio)) {
	case REQ_OP_READ:
		op = DMRS_READ;
		break;
	case REQ_OP_WRITE:
		op = bio_sectors(bio) ? DMRS_WRITE : DMRS_FLUSH;
		break;
	case REQ_OP_DISCARD:
		op = DMRS_DISCARD;
		break;
	case REQ_OP_WRITE_ZEROES:
		op = DMRS_WRITE_ZEROES;
		break;
	default:
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
		return;
	}
	req = get_req();
	hook(req, bio, true);
	req->op = op;
	req->flags = bio->bi_opf & REQ_FUA ? DMRS_FUA : 0;
	req->sector = bio->bi_iter.bi_sector;
	req->sectors = bio_sectors(bio);
	req->bytes = bio->bi_iter.bi_size;
	req->start = blk_queue_io_stat(disk->queue) ?
		     dmrs_start_io(bio->bi_bdev, bio_op(bio), bio_sectors(bio)) : 0;
	dmrs_rs_submit(disk->private_data, req);
}

/* A write that is to be preceded by a flush: of all devices below, so it can't be passed on so. */
static void flush_ended(struct bio *flush)
{
	struct bio *bio = flush->bi_private;
	unsigned long irq;

	bio->bi_status = flush->bi_status;
	bio_put(flush);
	if (bio->bi_status) {
		bio_endio(bio);
		return;
	}
	bio->bi_opf &= ~REQ_PREFLUSH;
	spin_lock_irqsave(&flushed_lock, irq);
	bio_list_add(&flushed, bio);
	spin_unlock_irqrestore(&flushed_lock, irq);
	queue_work(workqueue, &flushed_work);
}

static void submit_flushed(struct work_struct *work)
{
	struct bio_list list;
	struct bio *bio;

	spin_lock_irq(&flushed_lock);
	list = flushed;
	bio_list_init(&flushed);
	spin_unlock_irq(&flushed_lock);
	while ((bio = bio_list_pop(&list)))
		enter(bio);
}

void dmrs_submit_bio(struct bio *bio)
{
	struct bio *flush;

	if (likely(!(bio->bi_opf & REQ_PREFLUSH) || !bio_sectors(bio))) {
		enter(bio);
		return;
	}
	flush = bio_alloc_bioset(bio->bi_bdev, 0, REQ_OP_WRITE | REQ_PREFLUSH, GFP_NOIO, &flushes);
	flush->bi_private = bio;
	flush->bi_end_io = flush_ended;
	enter(flush);
}

void dmrs_submit(struct dmrs_req *req)
{
	struct bio *bio = req->bio;

	bio_set_dev(bio, req->bdev);
	bio->bi_iter.bi_sector = req->sector;
	submit_bio_noacct(bio);
}

/* Chains a bio of ours to the one it is made of, which then completes when both have. */
static struct dmrs_req *chain(struct bio *bio, struct dmrs_req *whole)
{
	struct dmrs_req *req = &container_of(bio, struct part, bio)->req;

	bio_chain(bio, whole->bio);
	hook(req, bio, false);
	req->op = whole->op;
	req->flags = whole->flags & DMRS_FUA;
	req->sector = whole->sector;
	req->sectors = whole->sectors;
	return req;
}

struct dmrs_req *dmrs_split(struct dmrs_req *req, u32 front)
{
	struct dmrs_req *part;
	struct bio *bio;

	if (dmrs_refused())
		return NULL;
	bio = bio_split(req->bio, front, GFP_NOIO, &parts);
	if (IS_ERR_OR_NULL(bio))
		return NULL;
	part = chain(bio, req);
	part->sectors = front;
	req->sector += front;
	req->sectors -= front;
	return part;
}

struct dmrs_req *dmrs_duplicate(struct dmrs_req *req)
{
	struct bio *bio;

	if (dmrs_refused())
		return NULL;
	bio = bio_alloc_clone(req->bio->bi_bdev, req->bio, GFP_NOIO, &parts);
	return bio ? chain(bio, req) : NULL;
}

static void child_ended(struct bio *bio)
{
	bio_put(bio);
}

/* A bio of its own over the first sectors of another's memory. */
struct dmrs_req *dmrs_child(struct dmrs_req *of, u32 op, u32 fua, u32 sectors)
{
	static const blk_opf_t ops[] = {
		REQ_OP_READ, REQ_OP_WRITE, REQ_OP_DISCARD, REQ_OP_WRITE_ZEROES,
		REQ_OP_WRITE | REQ_PREFLUSH,
	};
	struct bio *bio;
	struct dmrs_req *req;

	if (op == DMRS_FLUSH)
		bio = bio_alloc_bioset(NULL, 0, ops[op], GFP_NOIO, &parts);
	else
		bio = bio_alloc_clone(of->bio->bi_bdev, of->bio, GFP_NOIO, &parts);
	if (!bio)
		return NULL;
	bio->bi_opf = ops[op] | (fua ? REQ_FUA : 0) | (of->bio->bi_opf & REQ_SYNC);
	bio->bi_iter.bi_size = sectors << SECTOR_SHIFT;
	bio->bi_end_io = child_ended;
	req = &container_of(bio, struct part, bio)->req;
	hook(req, bio, false);
	req->op = op;
	req->flags = DMRS_CHILD | (fua ? DMRS_FUA : 0);
	req->sector = 0;
	req->sectors = sectors;
	req->buffer = of->flags & DMRS_BUFFER ? of : NULL;
	if (req->buffer)
		atomic_inc(&req->buffer->children);
	return req;
}

/* Memory that children are made of: a bio that goes nowhere. */
struct dmrs_req *dmrs_buffer(u32 sectors)
{
	size_t size = (size_t)sectors << SECTOR_SHIFT, pages = DIV_ROUND_UP(size, PAGE_SIZE), at;
	struct part *part;
	struct bio_vec *vecs;
	void *memory;

	if (!pages || pages > USHRT_MAX)
		return NULL;
	part = dmrs_alloc(sizeof(*part), __alignof__(*part));
	vecs = dmrs_alloc(pages * sizeof(*vecs), __alignof__(*vecs));
	memory = dmrs_refused() ? NULL : __vmalloc(size, GFP_NOIO | __GFP_ZERO);
	if (!part || !vecs || !memory) {
		vfree(memory);
		dmrs_free(vecs);
		dmrs_free(part);
		return NULL;
	}
	memset(part, 0, sizeof(*part));
	bio_init(&part->bio, NULL, vecs, pages, REQ_OP_READ);
	for (at = 0; at < size; at += PAGE_SIZE)
		__bio_add_page(&part->bio, vmalloc_to_page(memory + at),
			       min_t(size_t, size - at, PAGE_SIZE), 0);
	part->req.bio = &part->bio;
	part->req.op = DMRS_READ;
	part->req.flags = DMRS_BUFFER;
	part->req.sectors = sectors;
	part->req.memory = memory;
	return &part->req;
}

void dmrs_buffer_free(struct dmrs_req *buffer)
{
	struct part *part = container_of(buffer, struct part, req);

	vfree(buffer->memory);
	dmrs_free(part->bio.bi_io_vec);
	bio_uninit(&part->bio);
	dmrs_free(part);
}

void dmrs_fill_zeros(struct dmrs_req *req)
{
	zero_fill_bio(req->bio);
}

void dmrs_complete(struct dmrs_req *req, u32 status)
{
	/* A part may have failed before: what there is stays. */
	if (status)
		req->bio->bi_status = status < ARRAY_SIZE(statuses) ? statuses[status] :
								     BLK_STS_IOERR;
	bio_endio(req->bio);
}

/* A cache with a constructor is not merged with others, and so tells of leaks when it is destroyed. */
static void unmerged(void *req)
{
}

int dmrs_requests_init(struct workqueue_struct *queue)
{
	int err = -ENOMEM;

	workqueue = queue;
	if (dmrs_refused())
		return -ENOMEM;
	req_cache = kmem_cache_create("dmrs_req", sizeof(struct dmrs_req), 0, 0, unmerged);
	if (!req_cache)
		return -ENOMEM;
	reqs = dmrs_refused() ? NULL : mempool_create_slab_pool(MIN_REQS, req_cache);
	if (!reqs)
		goto no_reqs;
	/*
	 * A bio that splits into many parts may wait for the first of them to complete, which the
	 * block layer keeps back until we return: the rescuer submits them.
	 */
	err = dmrs_refused() ? -ENOMEM : bioset_init(&parts, BIO_POOL_SIZE,
						     offsetof(struct part, bio),
						     BIOSET_NEED_RESCUER);
	if (err)
		goto no_parts;
	err = dmrs_refused() ? -ENOMEM : bioset_init(&flushes, BIO_POOL_SIZE, 0,
						     BIOSET_NEED_RESCUER);
	if (err)
		goto no_flushes;
	return 0;
no_flushes:
	bioset_exit(&parts);
no_parts:
	mempool_destroy(reqs);
no_reqs:
	kmem_cache_destroy(req_cache);
	return err;
}

void dmrs_requests_exit(void)
{
	int cpu;

	flush_work(&flushed_work);
	bioset_exit(&flushes);
	bioset_exit(&parts);
	for_each_possible_cpu(cpu) {
		struct ready *there = per_cpu_ptr(&ready, cpu);

		while (there->count)
			mempool_free(there->reqs[--there->count], reqs);
	}
	mempool_destroy(reqs);
	kmem_cache_destroy(req_cache);
}

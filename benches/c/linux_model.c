/*
 * A model of how Linux finds a target, written from the description in REFERENCE.md: 8 keys a node,
 * scanned in order for the first that is not below the sector; child k of node n is node 9n + k of
 * the level below. Each level is an array of its own.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 8
#define CHILDREN (KEYS + 1)
#define LEVELS 16

struct model {
	unsigned int levels;
	uint64_t *level[LEVELS]; /* the root first */
};

static uint64_t *new_level(size_t nodes)
{
	size_t bytes = nodes * KEYS * sizeof(uint64_t);
	uint64_t *keys = aligned_alloc(64, bytes);

	if (keys)
		memset(keys, 0xff, bytes);
	return keys;
}

void linux_model_free(struct model *model)
{
	for (unsigned int l = 0; model && l < model->levels; l++)
		free(model->level[l]);
	free(model);
}

/* The model of count (at least one) keys in order, or NULL without memory. */
struct model *linux_model_new(const uint64_t *keys, size_t count)
{
	struct model *model = calloc(1, sizeof(*model));
	size_t widths[LEVELS];
	size_t width = (count + KEYS - 1) / KEYS;
	size_t span = KEYS;
	unsigned int depth = 0;

	if (!model)
		return NULL;
	widths[depth++] = width;
	while (width > 1) {
		width = (width + CHILDREN - 1) / CHILDREN;
		widths[depth++] = width;
	}
	for (unsigned int up = 0; up < depth; up++) {
		uint64_t *level = new_level(widths[up]);

		if (!level) {
			model->levels = 0;
			free(model);
			return NULL;
		}
		model->level[depth - 1 - up] = level;
		if (up == 0) {
			memcpy(level, keys, count * sizeof(*keys));
			continue;
		}
		/* key k of node n is the last key under child 9n + k */
		for (size_t n = 0; n < widths[up]; n++)
			for (size_t k = 0; k < KEYS; k++) {
				size_t last = (n * CHILDREN + k + 1) * span;

				if (last < count)
					level[n * KEYS + k] = keys[last - 1];
			}
		span *= CHILDREN;
	}
	model->levels = depth;
	return model;
}

static inline size_t find(const struct model *model, uint64_t sector)
{
	size_t node = 0, key = 0;

	for (unsigned int l = 0; l < model->levels; l++) {
		const uint64_t *keys;

		node = node * CHILDREN + key;
		keys = model->level[l] + node * KEYS;
		for (key = 0; key < KEYS; key++)
			if (keys[key] >= sector)
				break;
	}
	return node * KEYS + key;
}

size_t linux_model_find(const struct model *model, uint64_t sector)
{
	return find(model, sector);
}

/* The sum of all answers: each query on its own. */
uint64_t linux_model_independent(const struct model *model, const uint64_t *sectors, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		size_t found = find(model, sectors[i]);

		/* Each answer is wanted by itself: no compiler may work on many queries at once. */
		__asm__ volatile("" : : "g"(found));
		sum += found;
	}
	return sum;
}

/* The same, each query waiting for the answer before; mask is 0, which the compiler cannot know. */
uint64_t linux_model_dependent(const struct model *model, const uint64_t *sectors, size_t count,
			       uint64_t mask)
{
	uint64_t sum = 0, last = 0;

	for (size_t i = 0; i < count; i++) {
		last = find(model, sectors[i] ^ (last & mask));
		sum += last;
	}
	return sum;
}

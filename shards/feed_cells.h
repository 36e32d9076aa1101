/*
 * How an epoch is cut into batches: at the multiples of batch_size x world, so that every rank gets
 * at most batch_size positions, and at the multiples of the recipe's block of one task.  A cell is
 * what lies between two cuts; a batch is a rank's part of a cell.  Pure functions of positions:
 * ranks cut alike, and a run that is resumed at a cut goes on with the same batches.
 *
 * Of a cell of fewer positions than ranks, which a block's end or a start between two cuts may
 * leave, not every rank has a part.  With drop_last no rank makes a batch of it, so that all of
 * them make as many.
 */
#ifndef SHARDS_FEED_CELLS_H
#define SHARDS_FEED_CELLS_H

#include <stdbool.h>
#include <stdint.h>

struct feed_cells {
    uint64_t total;  /* positions in the epoch that count */
    uint64_t window; /* batch_size x world */
    uint64_t block;  /* positions that share a task; 0: the recipe has none */
    uint32_t rank;
    uint32_t world;
    bool drop_last;
};

/* drop_last leaves out the positions behind the last whole window, too. */
struct feed_cells feed_cells_make(uint64_t total, uint32_t batch_size, uint64_t block,
                                  uint32_t rank, uint32_t world, bool drop_last);

/* The end of the cell that holds `position` < total. */
uint64_t feed_cells_end(const struct feed_cells *c, uint64_t position);

/* How many of the positions [from, to) are the rank's. */
uint64_t feed_cells_share(const struct feed_cells *c, uint64_t from, uint64_t to);

/* Whether the rank makes a batch of its positions in [from, to), which is a cell or its end. */
bool feed_cells_is_batch(const struct feed_cells *c, uint64_t from, uint64_t to);

/* The rank's batches from `start` on. */
uint64_t feed_cells_batches(const struct feed_cells *c, uint64_t start);

#endif

#include "shards/feed_cells.h"

struct feed_cells feed_cells_make(uint64_t total, uint32_t batch_size, uint64_t block,
                                  uint32_t rank, uint32_t world, bool drop_last)
{
    const uint64_t window = (uint64_t)batch_size * world;
    return (struct feed_cells){
        .total = drop_last ? total - total % window : total,
        .window = window,
        .block = block,
        .rank = rank,
        .world = world,
        .drop_last = drop_last,
    };
}

uint64_t feed_cells_end(const struct feed_cells *c, uint64_t position)
{
    uint64_t end = (position / c->window + 1) * c->window;
    if (c->block) {
        const uint64_t cut = (position / c->block + 1) * c->block;
        end = cut < end ? cut : end;
    }
    return end < c->total ? end : c->total;
}

/* Positions below n that are the rank's. */
static uint64_t below(const struct feed_cells *c, uint64_t n)
{
    return n / c->world + (n % c->world > c->rank);
}

uint64_t feed_cells_share(const struct feed_cells *c, uint64_t from, uint64_t to)
{
    return below(c, to) - below(c, from);
}

bool feed_cells_is_batch(const struct feed_cells *c, uint64_t from, uint64_t to)
{
    return c->drop_last ? to - from >= c->world : feed_cells_share(c, from, to) > 0;
}

uint64_t feed_cells_batches(const struct feed_cells *c, uint64_t start)
{
    uint64_t n = 0;
    for (uint64_t at = start; at < c->total;) {
        const uint64_t end = feed_cells_end(c, at);
        n += feed_cells_is_batch(c, at, end);
        at = end;
    }
    return n;
}

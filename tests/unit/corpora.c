#include "tests/unit/corpora.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "shards/catalog.h"
#include "shards/open_shard.h"
#include "tests/unit/records.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text())

static const char about[] =
    "{\"pairmill\": \"test\", \"detector\": \"detector 1/2\","
    " \"object_names\": [\"dog\", \"cat\", \"car\", \"hat\", \"sun\", \"cup\", \"box\", \"bed\","
    " \"toy\", \"pen\"],"
    " \"attribute_names\": [\"red\", \"blue\", \"big\", \"small\", \"old\"],"
    " \"tokenizer\": \"words 1/0\", \"wordpiece\": {\"size\": 2000, \"pad\": 0, \"unk\": 100,"
    " \"cls\": 101, \"sep\": 102, \"mask\": 103, \"random_first\": 110, \"random_end\": 2000}}";

static void put(struct open_shard *s, uint32_t medium, const struct corpus_shape *shape,
                int with_visual, uint32_t first, uint32_t texts)
{
    struct made_visual v = make_visual(medium, shape->regions, shape->dim, FEATURE_F16);
    const struct staged_mark mark = {.medium = medium_id(medium), .token = 1};
    struct made_pair made[64];
    struct pair_record pairs[64];
    cr_assert_leq(texts, 64);
    for (uint32_t t = 0; t < texts; t++) {
        made[t] = make_pair(medium, first + t);
        pairs[t] = made[t].r;
    }
    OK(open_shard_put(s, &mark, with_visual ? &v.r : NULL, pairs, texts));
    for (uint32_t t = 0; t < texts; t++) {
        free_pair(&made[t]);
    }
    free_visual(&v);
}

static void fill(struct open_shard *s, uint32_t number, const struct corpus_shape *shape)
{
    for (uint32_t m = 0; m < shape->media; m++) {
        const uint32_t home = m % shape->shards;
        const uint32_t away = (m + 1) % shape->shards;
        const uint32_t moved = shape->scattered && away != home ? shape->texts / 2 : 0;
        if (home == number) {
            put(s, m, shape, 1, 0, shape->texts - moved);
        } else if (away == number && moved) {
            put(s, m, shape, 0, shape->texts - moved, moved);
        }
    }
}

void make_corpus(const char *dir, struct corpus_shape shape)
{
    char shards[128];
    struct catalog c;
    snprintf(shards, sizeof shards, "%s/shards", dir);
    OK(catalog_init(&c, "made"));
    for (uint32_t i = 0; i < shape.shards; i++) {
        struct open_shard *s = NULL;
        struct shard_manifest m;
        char file[32];
        OK(open_shard_create(shards, i, about, &s));
        fill(s, i, &shape);
        OK(open_shard_seal(s, &m));
        open_shard_close(s);
        snprintf(file, sizeof file, "shards/%06u.mdb", i);
        OK(catalog_add(&c, file, &m));
    }
    OK(catalog_save(&c, dir));
    catalog_release(&c);
}

const char *corpus_shard_file(const char *dir, uint32_t number)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/shards/%06u.mdb", dir, number);
    return path;
}

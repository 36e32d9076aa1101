#include "tests/unit/corpora.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shards/catalog.h"
#include "shards/open_shard.h"
#include "shards/shard_internal.h"
#include "tests/unit/records.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text())

const char corpus_about[] =
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
        OK(open_shard_create(shards, i, corpus_about, &s));
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

void flip_byte(const char *path, off_t at)
{
    unsigned char byte;
    chmod(path, 0644);
    const int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

off_t inside_record(const char *path, const struct id *medium)
{
    struct buf file;
    buf_init(&file, 1 << 28);
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi;
    MDB_val k = {ID_BYTES, (void *)medium->b};
    MDB_val v;
    OK(shard_env_open(path, MDB_RDONLY, &env));
    cr_assert_eq(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, DB_VISUAL, 0, &dbi), 0);
    cr_assert_eq(mdb_get(txn, dbi, &k, &v), 0);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f);
    fseek(f, 0, SEEK_END);
    const size_t n = (size_t)ftell(f);
    rewind(f);
    OK(buf_append_zeros(&file, n));
    cr_assert_eq(fread(file.p, 1, n, f), n);
    fclose(f);
    const unsigned char *at = memmem(file.p, n, v.mv_data, v.mv_size);
    cr_assert_not_null(at);
    const off_t offset = at - file.p + (off_t)(v.mv_size / 2);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    buf_release(&file);
    return offset;
}

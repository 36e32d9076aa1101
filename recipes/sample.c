#include "recipes/sample.h"

enum { ARRAY_ALIGN = 64 };

static const struct {
    size_t size;
    const char *name;
} dtypes[] = {
    [ARRAY_U8] = {1, "|u1"},
    [ARRAY_I32] = {4, "<i4"},
    [ARRAY_F32] = {4, "<f4"},
};

size_t array_dtype_size(enum array_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *array_dtype_name(enum array_dtype dtype)
{
    return dtypes[dtype].name;
}

void sample_init(struct sample *s, size_t limit)
{
    *s = (struct sample){0};
    buf_init(&s->block, limit);
}

void sample_release(struct sample *s)
{
    buf_release(&s->block);
    s->count = 0;
}

void sample_reset(struct sample *s)
{
    struct buf block = s->block;
    buf_reset(&block);
    *s = (struct sample){.block = block};
}

uint32_t sample_declare(struct sample *s, const char *name, enum array_dtype dtype, uint64_t rows,
                        uint64_t columns)
{
    BUG_ON(s->count == SAMPLE_ARRAYS_MAX);
    s->arrays[s->count] = (struct sample_array){
        .name = name,
        .dtype = dtype,
        .dimensions = columns ? 2 : 1,
        .shape = {rows, columns},
    };
    return s->count++;
}

/* E_TOO_BIG when the product does not fit in 64 bits. */
static int array_measure(struct sample_array *a)
{
    uint64_t bytes = array_dtype_size(a->dtype);
    for (uint32_t i = 0; i < a->dimensions; i++) {
        if (__builtin_mul_overflow(bytes, a->shape[i], &bytes)) {
            return err_set(E_TOO_BIG, "the array \"%s\" is larger than any memory", a->name);
        }
    }
    a->bytes = bytes;
    return 0;
}

int sample_allocate(struct sample *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        int rc = array_measure(&s->arrays[i]);
        rc = rc ? rc : buf_append_zeros(&s->block, s->arrays[i].bytes);
        rc = rc ? rc : buf_align(&s->block, ARRAY_ALIGN);
        if (rc) {
            return rc;
        }
    }
    size_t at = 0; /* only now: the block may have moved while it grew */
    for (uint32_t i = 0; i < s->count; i++) {
        s->arrays[i].data = s->block.p + at;
        at += (s->arrays[i].bytes + ARRAY_ALIGN - 1) / ARRAY_ALIGN * ARRAY_ALIGN;
    }
    return 0;
}

const struct sample_array *sample_find(const struct sample *s, const char *name)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (strcmp(s->arrays[i].name, name) == 0) {
            return &s->arrays[i];
        }
    }
    return NULL;
}

#include "recipes/collate.h"

const struct sample_array *collate_array(const struct sample *s, const char *name)
{
    const struct sample_array *a = sample_find(s, name);
    BUG_ON(!a || !a->data);
    return a;
}

const int32_t *collate_lengths(const struct sample *s)
{
    return collate_array(s, "lengths")->data;
}

const char *collate_find_name(const struct sample *s, const char *const *names)
{
    for (size_t i = 0; names[i]; i++) {
        if (sample_find(s, names[i])) {
            return names[i];
        }
    }
    return NULL;
}

/* Whether a sample goes together with the first. */
static int check_sample(const struct sample *first, const struct sample *s, const char *features,
                        const char *targets, const struct extent *e)
{
    if (strcmp(s->task, first->task) != 0) {
        return err_set(E_ARG, "a batch of both %s and %s", first->task, s->task);
    }
    const uint64_t dim = collate_array(s, features)->shape[1];
    if (dim != e->dim || collate_array(s, targets)->shape[1] != e->per_target) {
        return err_set(E_ARG,
                       "a batch of features of %llu and of %llu numbers: the corpus was "
                       "ground with different detectors",
                       (unsigned long long)e->dim, (unsigned long long)dim);
    }
    return 0;
}

int collate_measure(const struct sample *samples, size_t n, const char *features,
                    const char *targets, struct extent *e)
{
    *e = (struct extent){.n = n};
    e->dim = collate_array(&samples[0], features)->shape[1];
    e->per_target = collate_array(&samples[0], targets)->shape[1];
    for (size_t i = 0; i < n; i++) {
        const int rc = check_sample(&samples[0], &samples[i], features, targets, e);
        if (rc) {
            return rc;
        }
        const uint64_t text = (uint64_t)collate_lengths(&samples[i])[0];
        const uint64_t regions = (uint64_t)collate_lengths(&samples[i])[1];
        e->text = text > e->text ? text : e->text;
        e->regions = regions > e->regions ? regions : e->regions;
        e->joint = text + regions > e->joint ? text + regions : e->joint;
        e->targets += collate_array(&samples[i], targets)->shape[0];
    }
    return 0;
}

void collate_declare3(struct sample *s, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    struct sample_array *x = &s->arrays[sample_declare(s, name, ARRAY_F32, a, b)];
    x->dimensions = 3;
    x->shape[2] = c;
}

int collate_allocate(const struct sample *first, struct sample *out)
{
    out->epoch = first->epoch;
    out->position = first->position;
    out->task = first->task;
    return sample_allocate(out);
}

void collate_copy(const struct sample *out, const struct sample *s, const char *name, size_t i)
{
    const struct sample_array *from = collate_array(s, name);
    const struct sample_array *to = collate_array(out, name);
    memcpy((char *)to->data + i * (to->bytes / to->shape[0]), from->data, from->bytes);
}

void collate_append(const struct sample *out, const struct sample *s, const char *name,
                    size_t *done)
{
    const struct sample_array *from = collate_array(s, name);
    const struct sample_array *to = collate_array(out, name);
    if (from->bytes) {
        memcpy((char *)to->data + *done * (from->bytes / from->shape[0]), from->data, from->bytes);
    }
    *done += from->shape[0];
}

int32_t *collate_row(const struct sample *out, const char *name, size_t i)
{
    const struct sample_array *a = collate_array(out, name);
    return (int32_t *)a->data + i * a->shape[1];
}

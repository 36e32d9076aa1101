/*
 * ERNIE-ViL's batches, with the names of the released fine-tuning code (batching/
 * finetune_batching.py) where it has one.  Two streams: text and image are padded apart, with
 * zeros; the image's row 0 stands for the whole image.
 *
 *     B samples, T = most text positions, N = most rows of an image, M chosen regions, D, C
 *     src_ids i32 (B,T)    src_pos i32 (B,T)    src_seg i32 (B,T)    src_masks f32 (B,T)
 *     image_embeddings f32 (B,N,D)    image_loc f32 (B,N,5)    image_mask f32 (B,N)
 *     mask_label i32 (B,T), -1 where nothing is asked    mask_task i32 (B,T), for which task
 *     image_label u8 (B,N), and of the M asked regions one of
 *         image_soft_labels f32 (M,C) | image_classes i32 (M) | image_features f32 (M,D)
 *     match_label i32 (B)
 */
#include "recipes/collate.h"
#include "recipes/ernievil.h"

static void declare(struct sample *out, const struct sample *first, const struct extent *e,
                    const char *target)
{
    static const char *const text[] = {"src_ids", "src_pos", "src_seg", "mask_label", "mask_task"};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        sample_declare(out, text[i], ARRAY_I32, e->n, e->text);
    }
    sample_declare(out, "src_masks", ARRAY_F32, e->n, e->text);
    collate_declare3(out, "image_embeddings", e->n, e->regions, e->dim);
    collate_declare3(out, "image_loc", e->n, e->regions, 5);
    sample_declare(out, "image_mask", ARRAY_F32, e->n, e->regions);
    sample_declare(out, "image_label", ARRAY_U8, e->n, e->regions);
    sample_declare(out, target, collate_array(first, target)->dtype, e->targets, e->per_target);
    sample_declare(out, "match_label", ARRAY_I32, e->n, 0);
}

/* Ones over what a sample fills of row i. */
static void write_mask(const struct sample *out, const char *name, size_t i, int32_t used)
{
    const struct sample_array *a = collate_array(out, name);
    float *mask = (float *)a->data + i * a->shape[1];
    for (int32_t k = 0; k < used; k++) {
        mask[k] = 1;
    }
}

static void write_sample(const struct extent *e, const struct sample *s, const char *target,
                         size_t i, size_t *done, struct sample *out)
{
    static const char *const rows[] = {"src_ids",    "src_pos",     "src_seg",
                                       "mask_label", "mask_task",   "image_embeddings",
                                       "image_loc",  "image_label", "match_label"};
    memset(collate_row(out, "mask_label", i), 0xff, e->text * sizeof(int32_t)); /* -1 */
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        collate_copy(out, s, rows[k], i);
    }
    write_mask(out, "src_masks", i, collate_lengths(s)[0]);
    write_mask(out, "image_mask", i, collate_lengths(s)[1]);
    collate_append(out, s, target, done);
}

int ernievil_batch(const struct sample *samples, size_t n, struct sample *out)
{
    struct extent e;
    size_t done = 0;
    sample_reset(out);
    const char *target = n ? collate_find_name(&samples[0], ernievil_target_names) : NULL;
    if (!target) {
        return err_set(E_ARG, "a batch of no samples, or of samples that are not ernievil's");
    }
    int rc = collate_measure(samples, n, "image_embeddings", target, &e);
    if (rc) {
        return rc;
    }
    declare(out, &samples[0], &e, target);
    rc = collate_allocate(&samples[0], out);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        write_sample(&e, &samples[i], target, i, &done, out);
    }
    return 0;
}

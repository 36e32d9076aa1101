/*
 * UNITER's batches.  Text and regions are padded apart; the model concatenates their embeddings and
 * gather_index then moves each sample's regions next to its text, so that padding is at the end
 * only.
 *
 *     B samples, T = most text positions, N = most regions, J = most of both together, D, C
 *     input_ids i32 (B,T)     position_ids i32 (1,T)    img_feat f32 (B,N,D)
 *     img_pos_feat f32 (B,N,7)    attn_masks i32 (B,J)    gather_index i32 (B,J)
 *     mlm     txt_labels i32 (B,T), -1 where nothing is asked
 *     mrfr, mrckl, mrc   img_masks u8 (B,N), img_mask_tgt u8 (B,J), and of the M masked regions
 *             feat_targets f32 (M,D) | label_targets f32 (M,C) | label_targets i32 (M)
 *     itm     targets i32 (B), and for optimal transport ot_scatter i32 (B,J), txt_pad u8 (B,T),
 *             img_pad u8 (B,N)
 */
#include "recipes/uniter.h"

#include <stdbool.h>

#include "recipes/collate.h"

static const char *target_name(const struct sample *s)
{
    static const char *const names[] = {"targets", "txt_labels", "feat_targets", "label_targets",
                                        NULL};
    return collate_find_name(s, names);
}

static void declare(struct sample *out, const struct sample *first, const struct extent *e)
{
    const char *target = target_name(first);
    const enum array_dtype dtype = collate_array(first, target)->dtype;
    sample_declare(out, "input_ids", ARRAY_I32, e->n, e->text);
    sample_declare(out, "position_ids", ARRAY_I32, 1, e->text);
    collate_declare3(out, "img_feat", e->n, e->regions, e->dim);
    collate_declare3(out, "img_pos_feat", e->n, e->regions, 7);
    sample_declare(out, "attn_masks", ARRAY_I32, e->n, e->joint);
    sample_declare(out, "gather_index", ARRAY_I32, e->n, e->joint);
    if (sample_find(first, "txt_labels")) {
        sample_declare(out, "txt_labels", ARRAY_I32, e->n, e->text);
    } else if (sample_find(first, "img_masks")) {
        sample_declare(out, "img_masks", ARRAY_U8, e->n, e->regions);
        sample_declare(out, "img_mask_tgt", ARRAY_U8, e->n, e->joint);
        sample_declare(out, target, dtype, e->targets, e->per_target);
    } else {
        sample_declare(out, "targets", ARRAY_I32, e->n, 0);
        sample_declare(out, "ot_scatter", ARRAY_I32, e->n, e->joint);
        sample_declare(out, "txt_pad", ARRAY_U8, e->n, e->text);
        sample_declare(out, "img_pad", ARRAY_U8, e->n, e->regions);
    }
}

/* Where joint position j of a sample is in the concatenation of padded text and padded regions;
 * behind the sample's end it does not matter, the released code leaves j. */
static void write_gather_index(const struct extent *e, int32_t text, int32_t regions, int32_t *out)
{
    for (uint64_t j = 0; j < e->joint; j++) {
        const bool region = j >= (uint64_t)text && j < (uint64_t)(text + regions);
        out[j] = (int32_t)(region ? e->text + j - (uint64_t)text : j);
    }
}

/* As gather_index, but regions' padding goes on counting. */
static void write_ot_scatter(const struct extent *e, int32_t text, int32_t *out)
{
    for (uint64_t j = 0; j < e->joint; j++) {
        out[j] = (int32_t)(j < (uint64_t)text ? j : e->text + j - (uint64_t)text);
    }
}

static void write_padding(const struct sample *out, const char *name, size_t i, int32_t used)
{
    const struct sample_array *a = collate_array(out, name);
    uint8_t *pad = (uint8_t *)a->data + i * a->shape[1];
    memset(pad + used, 1, a->shape[1] - (uint64_t)used);
}

static void write_itm(const struct extent *e, const struct sample *s, size_t i, struct sample *out)
{
    const int32_t *n = collate_lengths(s);
    ((int32_t *)collate_array(out, "targets")->data)[i] =
        *(const int32_t *)collate_array(s, "targets")->data;
    write_ot_scatter(e, n[0], collate_row(out, "ot_scatter", i));
    write_padding(out, "txt_pad", i, n[0]);
    write_padding(out, "img_pad", i, n[1]);
}

/* *done: rows of targets written so far. */
static void write_mrm(const struct sample *s, size_t i, size_t *done, struct sample *out)
{
    const struct sample_array *joint = collate_array(out, "img_mask_tgt");
    collate_copy(out, s, "img_masks", i);
    memcpy((uint8_t *)joint->data + i * joint->shape[1] + collate_lengths(s)[0],
           collate_array(s, "img_masks")->data, (size_t)collate_lengths(s)[1]);
    collate_append(out, s, target_name(s), done);
}

static void write_sample(const struct extent *e, const struct sample *s, size_t i, size_t *done,
                         struct sample *out)
{
    const int32_t *n = collate_lengths(s);
    collate_copy(out, s, "input_ids", i);
    collate_copy(out, s, "img_feat", i);
    collate_copy(out, s, "img_pos_feat", i);
    int32_t *mask = collate_row(out, "attn_masks", i);
    for (int32_t j = 0; j < n[0] + n[1]; j++) {
        mask[j] = 1;
    }
    write_gather_index(e, n[0], n[1], collate_row(out, "gather_index", i));
    if (sample_find(s, "txt_labels")) {
        memset(collate_row(out, "txt_labels", i), 0xff, e->text * sizeof(int32_t)); /* -1 */
        collate_copy(out, s, "txt_labels", i);
    } else if (sample_find(s, "img_masks")) {
        write_mrm(s, i, done, out);
    } else {
        write_itm(e, s, i, out);
    }
}

int uniter_batch(const struct sample *samples, size_t n, struct sample *out)
{
    struct extent e;
    size_t done = 0;
    sample_reset(out);
    const char *target = n ? target_name(&samples[0]) : NULL;
    if (!target) {
        return err_set(E_ARG, "a batch of no samples, or of samples that are not uniter's");
    }
    int rc = collate_measure(samples, n, "img_feat", target, &e);
    if (rc) {
        return rc;
    }
    declare(out, &samples[0], &e);
    rc = collate_allocate(&samples[0], out);
    if (rc) {
        return rc;
    }
    int32_t *positions = collate_row(out, "position_ids", 0);
    for (uint64_t t = 0; t < e.text; t++) {
        positions[t] = (int32_t)t;
    }
    for (size_t i = 0; i < n; i++) {
        write_sample(&e, &samples[i], i, &done, out);
    }
    return 0;
}

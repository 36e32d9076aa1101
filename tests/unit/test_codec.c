/* Records survive encoding and packing; damaged bytes are refused and never crash. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/philox.h"
#include "shards/codec.h"
#include "shards/value.h"
#include "tests/unit/records.h"

static struct buf buffer(void)
{
    struct buf b;
    buf_init(&b, CODEC_MAX_RECORD);
    return b;
}

Test(codec, a_visual_record_comes_back_as_it_was)
{
    struct buf b = buffer();
    for (uint32_t i = 0; i < 20; i++) {
        struct made_visual m = make_visual(i, i * 3, 1 + i * 7, i % 2 ? FEATURE_F16 : FEATURE_F32);
        if (i % 3 == 0) {
            m.r.attr_id = NULL;
            m.r.attr_conf = NULL;
        }
        if (i % 4 == 0) {
            m.r.soft_labels = NULL;
            m.r.classes = 0;
        }
        cr_assert_eq(codec_encode_visual(&m.r, &b), 0, "%s", err_text());
        struct visual_record got;
        cr_assert_eq(codec_decode_visual(buf_view(&b), &got), 0, "%s", err_text());
        expect_same_visual(&m.r, &got);
        cr_assert_eq((uintptr_t)got.features % CODEC_ALIGN, 0);
        cr_assert_eq((uintptr_t)got.boxes % CODEC_ALIGN, 0);
        free_visual(&m);
    }
    buf_release(&b);
}

Test(codec, a_pair_record_comes_back_as_it_was)
{
    struct buf b = buffer();
    for (uint32_t i = 0; i < 50; i++) {
        struct made_pair m = make_pair(i, i % 6);
        cr_assert_eq(codec_encode_pair(&m.r, &b), 0, "%s", err_text());
        struct pair_record got;
        cr_assert_eq(codec_decode_pair(buf_view(&b), &got), 0, "%s", err_text());
        expect_same_pair(&m.r, &got);
        free_pair(&m);
    }
    buf_release(&b);
}

Test(codec, a_record_of_nothing_but_what_is_required_comes_back)
{
    struct buf b = buffer();
    const struct pair_record bare = {.text = view_str("x")};
    cr_assert_eq(codec_encode_pair(&bare, &b), 0, "%s", err_text());
    struct pair_record got;
    cr_assert_eq(codec_decode_pair(buf_view(&b), &got), 0, "%s", err_text());
    expect_same_pair(&bare, &got);
    buf_release(&b);
}

Test(codec, a_record_that_contradicts_itself_is_not_encoded)
{
    struct buf b = buffer();
    struct made_pair m = make_pair(1, 1);
    struct graph_edge edge = {7, 0, 0};
    struct pair_record bad = m.r;
    bad.graph.edges = &edge;
    bad.graph.edge_count = 1;
    cr_assert_eq(codec_encode_pair(&bad, &b), E_ARG);
    bad = m.r;
    bad.text.n = 2; /* the tokens now lie outside */
    cr_assert_eq(codec_encode_pair(&bad, &b), E_ARG);
    bad = m.r;
    bad.graph.labels.n = 2; /* no NUL left */
    cr_assert_eq(codec_encode_pair(&bad, &b), E_ARG);
    free_pair(&m);
    buf_release(&b);
}

/* Rewrites the table of an encoded record: renames a field to one of the same length. */
static void rename_field(struct buf *b, const char *from, const char *to)
{
    cr_assert_eq(strlen(from), strlen(to));
    char *at = memmem(b->p, b->n, from, strlen(from));
    cr_assert_not_null(at);
    memcpy(at, to, strlen(to));
}

Test(codec, unknown_fields_are_skipped_and_missing_ones_are_named)
{
    struct buf b = buffer();
    struct made_visual m = make_visual(3, 4, 8, FEATURE_F32);
    struct visual_record got;
    cr_assert_eq(codec_encode_visual(&m.r, &b), 0);
    rename_field(&b, "soft_labels", "hard_labels");
    cr_assert_eq(codec_decode_visual(buf_view(&b), &got), 0, "%s", err_text());
    cr_assert_eq(got.classes, 0);
    rename_field(&b, "object_conf", "abject_conf");
    cr_assert_eq(codec_decode_visual(buf_view(&b), &got), E_FORMAT);
    cr_assert_not_null(strstr(err_text(), "\"object_conf\""), "%s", err_text());
    free_visual(&m);
    buf_release(&b);
}

Test(codec, a_newer_format_is_refused_by_number)
{
    struct buf b = buffer();
    struct made_pair m = make_pair(1, 1);
    struct pair_record got;
    cr_assert_eq(codec_encode_pair(&m.r, &b), 0);
    put_le16(b.p + 4, CODEC_FORMAT + 1);
    cr_assert_eq(codec_decode_pair(buf_view(&b), &got), E_VERSION);
    free_pair(&m);
    buf_release(&b);
}

/* Reads everything a recipe would read, so that a sanitizer sees every pointer used. */
static uint64_t touch_pair(const struct pair_record *r)
{
    uint64_t sum = r->group + r->text.n;
    for (uint32_t i = 0; i < r->tokens.n; i++) {
        sum += r->tokens.ids[i] + r->tokens.word_start[i];
        if (r->tokens.beg[i] < r->tokens.end[i]) {
            sum += ((const unsigned char *)r->text.p)[r->tokens.end[i] - 1];
        }
    }
    for (uint32_t i = 0; i < r->graph.node_count; i++) {
        sum += strlen((const char *)r->graph.labels.p + r->graph.nodes[i].label);
    }
    for (uint32_t i = 0; i < r->graph.edge_count; i++) {
        sum += r->graph.nodes[r->graph.edges[i].subject].type;
    }
    for (uint32_t i = 0; i < r->sentence_count; i++) {
        sum += r->sentences[i].end;
    }
    return sum;
}

static uint64_t touch_visual(const struct visual_record *r)
{
    uint64_t sum = r->width;
    for (uint32_t i = 0; i < r->n; i++) {
        sum += r->object_id[i] + (uint64_t)(r->boxes[4 * i + 3] > 0) + (uint64_t)(r->conf[i] > 0);
    }
    const unsigned char *f = r->features;
    const size_t bytes = (size_t)r->n * r->dim * (r->feature_dtype == FEATURE_F16 ? 2 : 4);
    for (size_t i = 0; i < bytes; i++) {
        sum += f[i];
    }
    for (size_t i = 0; i < (size_t)r->n * r->classes; i++) {
        sum += r->soft_labels[i];
    }
    return sum;
}

/* One to four random changes: a byte, a 32-bit number, or a cut. */
static size_t mutate(unsigned char *p, size_t n, const struct draw *d, uint32_t round)
{
    static const uint32_t nasty[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0};
    const uint32_t base = round * 16;
    const size_t changes = 1 + draw_below(d, base, 4);
    for (uint32_t i = 0; i < changes; i++) {
        const uint32_t at = (uint32_t)draw_below(d, base + 1 + 3 * i, n < 512 ? n : 512);
        const uint32_t how = (uint32_t)draw_below(d, base + 2 + 3 * i, 3);
        if (how == 0) {
            p[at] = (unsigned char)draw_u32(d, base + 3 + 3 * i);
        } else if (how == 1 && at + 4 <= n) {
            put_le32(p + at, nasty[draw_below(d, base + 3 + 3 * i, 6)]);
        } else {
            p[draw_below(d, base + 3 + 3 * i, n)] ^= 0x80;
        }
    }
    return draw_below(d, base + 15, 8) ? n : (size_t)draw_below(d, base + 14, n);
}

/* Each mutant lies in memory of exactly its size, so that reading past its end is seen. */
Test(codec, hostile_bytes_are_refused_or_read_within_bounds)
{
    enum { ROUNDS = 20000 };
    const struct draw d = draw_stream(77, 0, 0, 0, DRAW_ORDER);
    struct buf pair = buffer();
    struct buf visual = buffer();
    struct made_pair mp = make_pair(1, 2);
    struct made_visual mv = make_visual(1, 3, 5, FEATURE_F16);
    cr_assert_eq(codec_encode_pair(&mp.r, &pair), 0);
    cr_assert_eq(codec_encode_visual(&mv.r, &visual), 0);
    unsigned refused = 0;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const struct buf *from = i % 2 ? &pair : &visual;
        unsigned char *copy = aligned_alloc(64, from->n);
        memcpy(copy, from->p, from->n);
        const size_t n = mutate(copy, from->n, &d, i);
        struct pair_record p;
        struct visual_record v;
        const int rc = i % 2 ? codec_decode_pair(view_of(copy, n), &p)
                             : codec_decode_visual(view_of(copy, n), &v);
        if (rc) {
            refused++;
        } else {
            sum += i % 2 ? touch_pair(&p) : touch_visual(&v);
        }
        free(copy);
    }
    cr_assert_gt(refused, ROUNDS / 10, "only %u of %d mutants were refused", refused, ROUNDS);
    cr_assert_gt(sum, 0);
    free_pair(&mp);
    free_visual(&mv);
    buf_release(&pair);
    buf_release(&visual);
}

Test(value, a_record_comes_back_from_its_stored_form)
{
    struct value_coder *c = NULL;
    cr_assert_eq(value_coder_new(&c), 0);
    struct buf record = buffer();
    struct buf stored = buffer();
    struct buf back = buffer();
    for (uint32_t i = 0; i < 12; i++) {
        struct made_visual m =
            make_visual(i, i * 4, 64 * (i + 1), i % 2 ? FEATURE_F16 : FEATURE_F32);
        cr_assert_eq(codec_encode_visual(&m.r, &record), 0);
        cr_assert_eq(value_pack(c, buf_view(&record), NULL, &stored), 0, "%s", err_text());
        cr_assert_eq(value_unpack(c, buf_view(&stored), NULL, &back), 0, "%s", err_text());
        cr_assert(view_equal(buf_view(&record), buf_view(&back)));
        free_visual(&m);
    }
    value_coder_free(c);
    buf_release(&record);
    buf_release(&stored);
    buf_release(&back);
}

/* Every byte of the stored form is covered by a checksum: a change is noticed or changes nothing.
 */
Test(value, no_changed_byte_goes_unnoticed)
{
    struct value_coder *c = NULL;
    cr_assert_eq(value_coder_new(&c), 0);
    struct buf record = buffer();
    struct buf stored = buffer();
    struct buf back = buffer();
    struct made_visual m = make_visual(5, 4, 700, FEATURE_F16);
    cr_assert_eq(codec_encode_visual(&m.r, &record), 0);
    cr_assert_eq(value_pack(c, buf_view(&record), NULL, &stored), 0);
    const struct draw d = draw_stream(9, 0, 0, 0, DRAW_ORDER);
    unsigned noticed = 0;
    for (size_t at = 0; at < stored.n; at++) {
        const unsigned char bit = (unsigned char)(1u << draw_below(&d, (uint32_t)at, 8));
        stored.p[at] ^= bit;
        if (value_unpack(c, buf_view(&stored), NULL, &back)) {
            noticed++;
        } else {
            cr_assert(view_equal(buf_view(&record), buf_view(&back)), "byte %zu of %zu", at,
                      stored.n);
        }
        stored.p[at] ^= bit;
    }
    cr_assert_gt(noticed, stored.n * 99 / 100);
    for (size_t n = 0; n < stored.n; n += 7) {
        cr_assert_neq(value_unpack(c, view_of(stored.p, n), NULL, &back), 0);
    }
    free_visual(&m);
    value_coder_free(c);
    buf_release(&record);
    buf_release(&stored);
    buf_release(&back);
}

Test(value, a_record_larger_than_the_buffers_limit_is_refused)
{
    struct value_coder *c = NULL;
    cr_assert_eq(value_coder_new(&c), 0);
    struct buf record = buffer();
    struct buf stored = buffer();
    struct buf small;
    buf_init(&small, 1024);
    struct made_visual m = make_visual(5, 4, 700, FEATURE_F16);
    cr_assert_eq(codec_encode_visual(&m.r, &record), 0);
    cr_assert_eq(value_pack(c, buf_view(&record), NULL, &stored), 0);
    cr_assert_eq(value_unpack(c, buf_view(&stored), NULL, &small), E_TOO_BIG);
    free_visual(&m);
    value_coder_free(c);
    buf_release(&record);
    buf_release(&stored);
    buf_release(&small);
}

#include "shards/codec.h"

#include <stdbool.h>
#include <stdio.h>

/*
 *  0 u32 magic "pmrc"         16 per field: u8 bytes of its name, u8 dtype, u8 dims,
 *  4 u16 CODEC_FORMAT            the name, dims x u32 shape
 *  6 u8  enum record_kind        then each field's data in the order of the table:
 *  7 u8  0                       arrays at multiples of 64, scalars at multiples of their size,
 *  8 u32 bytes of the table      text anywhere
 * 12 u32 fields
 *
 * Changing it: a new optional field needs nothing (old readers skip it); anything an old reader
 * must not ignore raises CODEC_FORMAT, and the decoder keeps reading the older ones.
 */
enum { HEADER_BYTES = 16, RECORD_MAGIC = 0x63726d70 };

static const struct {
    unsigned dtype;
    const char *name;
} dtypes[] = {
    {DTYPE_U8, "u8"},   {DTYPE_U16, "u16"}, {DTYPE_U32, "u32"},
    {DTYPE_U64, "u64"}, {DTYPE_I32, "i32"}, {DTYPE_I64, "i64"},
    {DTYPE_F16, "f16"}, {DTYPE_F32, "f32"}, {DTYPE_UTF8, "utf8"},
};

const char *dtype_name(unsigned dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (dtypes[i].dtype == dtype) {
            return dtypes[i].name;
        }
    }
    return "?";
}

static size_t element_bytes(unsigned dtype)
{
    return (size_t)1 << (dtype & 0x0f);
}

static size_t field_align(unsigned dtype, unsigned dims)
{
    if (dtype == DTYPE_UTF8) {
        return 1;
    }
    return dims ? CODEC_ALIGN : element_bytes(dtype);
}

/* The structs below are views of u32 tables: their columns are their members. */
_Static_assert(sizeof(struct graph_node) == 5 * sizeof(uint32_t), "graph.nodes is u32 (n,5)");
_Static_assert(sizeof(struct graph_edge) == 3 * sizeof(uint32_t), "graph.edges is u32 (n,3)");
_Static_assert(sizeof(struct sentence) == 4 * sizeof(uint32_t),
               "sentences is u32 (n,4): beg, end, and the bits of two f32 times");

/* ---- what holds inside every record, written or read ---- */

static int check_span(const char *what, uint32_t i, uint32_t beg, uint32_t end, size_t text)
{
    if (beg > end || end > text) {
        return err_set(E_FORMAT, "%s %u spans bytes %u to %u of a text of %zu bytes", what, i, beg,
                       end, text);
    }
    return 0;
}

static int check_tokens(const struct token_block *t, size_t text)
{
    for (uint32_t i = 0; i < t->n; i++) {
        const int rc = check_span("sub-token", i, t->beg[i], t->end[i], text);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int check_node(const struct scene_graph *g, uint32_t i, size_t text)
{
    const struct graph_node *n = &g->nodes[i];
    if (n->type < GRAPH_OBJECT || n->type > GRAPH_RELATION || n->implicit > 1) {
        return err_set(E_FORMAT, "graph node %u has type %u, which there is not", i, n->type);
    }
    const char *labels = g->labels.p;
    if (n->label >= g->labels.n || !memchr(labels + n->label, '\0', g->labels.n - n->label)) {
        return err_set(E_FORMAT, "graph node %u has its label outside the %zu bytes of labels", i,
                       g->labels.n);
    }
    return check_span("graph node", i, n->beg, n->end, text);
}

static int check_edge(const struct scene_graph *g, uint32_t i)
{
    const struct graph_edge *e = &g->edges[i];
    const bool ends = e->node < g->node_count && e->subject < g->node_count &&
                      (e->object < g->node_count || e->object == GRAPH_NONE);
    return ends ? 0
                : err_set(E_FORMAT, "graph edge %u names a node beyond the %u that there are", i,
                          g->node_count);
}

static int check_pair(const struct pair_record *r)
{
    int rc = check_tokens(&r->tokens, r->text.n);
    for (uint32_t i = 0; rc == 0 && i < r->sentence_count; i++) {
        rc = check_span("sentence", i, r->sentences[i].beg, r->sentences[i].end, r->text.n);
    }
    for (uint32_t i = 0; rc == 0 && i < r->graph.node_count; i++) {
        rc = check_node(&r->graph, i, r->text.n);
    }
    for (uint32_t i = 0; rc == 0 && i < r->graph.edge_count; i++) {
        rc = check_edge(&r->graph, i);
    }
    return rc;
}

static int check_visual(const struct visual_record *r)
{
    if (r->width == 0 || r->height == 0) {
        return err_set(E_FORMAT, "a medium of %u x %u px", r->width, r->height);
    }
    if (r->convention != BOX_PROPOSAL && r->convention != BOX_REGRESSED) {
        return err_set(E_FORMAT, "box convention %u, which there is not", (unsigned)r->convention);
    }
    if (r->order != BOX_BY_CONFIDENCE && r->order != BOX_BY_PROPOSAL) {
        return err_set(E_FORMAT, "box order %u, which there is not", (unsigned)r->order);
    }
    return 0;
}

/* ---- encoding ---- */

struct item {
    const char *name;
    unsigned dtype;
    unsigned dims;
    uint32_t shape[2];
    const void *data;
};

struct item_list {
    size_t n;
    struct item item[CODEC_MAX_FIELDS];
};

static void add(struct item_list *l, struct item item)
{
    BUG_ON(l->n == CODEC_MAX_FIELDS);
    l->item[l->n++] = item;
}

static void add_scalar(struct item_list *l, const char *name, unsigned dtype, const void *data)
{
    add(l, (struct item){.name = name, .dtype = dtype, .data = data});
}

static void add_row(struct item_list *l, const char *name, unsigned dtype, uint32_t n,
                    const void *data)
{
    add(l, (struct item){.name = name, .dtype = dtype, .dims = 1, .shape = {n}, .data = data});
}

static void add_table(struct item_list *l, const char *name, unsigned dtype, uint32_t n,
                      uint32_t columns, const void *data)
{
    add(l, (struct item){name, dtype, 2, {n, columns}, data});
}

/* Empty text and a zero source id are the absent ones: they are not written. */
static void add_text(struct item_list *l, const char *name, struct view text)
{
    if (text.n) {
        add_row(l, name, DTYPE_UTF8, (uint32_t)text.n, text.p);
    }
}

static void add_source_id(struct item_list *l, const char *name, const uint64_t *number)
{
    if (*number) {
        add_scalar(l, name, DTYPE_U64, number);
    }
}

static int shape_bytes(unsigned dtype, unsigned dims, const uint32_t *shape, size_t *out)
{
    size_t n = element_bytes(dtype);
    for (unsigned d = 0; d < dims; d++) {
        if (__builtin_mul_overflow(n, shape[d], &n)) {
            return err_set(E_TOO_BIG, "an array of more than 2^64 bytes");
        }
    }
    *out = n;
    return 0;
}

static int append_entry(struct buf *out, const struct item *it)
{
    const size_t name = strlen(it->name);
    BUG_ON(name > CODEC_MAX_NAME);
    const unsigned char head[] = {(unsigned char)name, (unsigned char)it->dtype,
                                  (unsigned char)it->dims};
    int rc = buf_append(out, head, sizeof head);
    rc = rc ? rc : buf_append(out, it->name, name);
    for (unsigned d = 0; rc == 0 && d < it->dims; d++) {
        unsigned char number[4];
        put_le32(number, it->shape[d]);
        rc = buf_append(out, number, sizeof number);
    }
    return rc;
}

static int append_data(struct buf *out, const struct item *it)
{
    size_t bytes = 0;
    int rc = shape_bytes(it->dtype, it->dims, it->shape, &bytes);
    rc = rc ? rc : buf_align(out, field_align(it->dtype, it->dims));
    return rc ? rc : buf_append(out, it->data, bytes);
}

static int encode(enum record_kind kind, const struct item_list *l, struct buf *out)
{
    buf_reset(out);
    int rc = buf_append_zeros(out, HEADER_BYTES);
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        rc = append_entry(out, &l->item[i]);
    }
    if (rc) {
        return rc;
    }
    put_le32(out->p, RECORD_MAGIC);
    put_le16(out->p + 4, CODEC_FORMAT);
    out->p[6] = (unsigned char)kind;
    put_le32(out->p + 8, (uint32_t)(out->n - HEADER_BYTES));
    put_le32(out->p + 12, (uint32_t)l->n);
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        rc = append_data(out, &l->item[i]);
    }
    return rc ? rc : buf_align(out, CODEC_ALIGN);
}

/* A record that contradicts itself is the caller's mistake here, not damaged bytes. */
static int as_argument(int rc)
{
    return rc ? err_set(E_ARG, "the record contradicts itself: %s", err_text()) : 0;
}

int codec_encode_visual(const struct visual_record *r, struct buf *out)
{
    int rc = as_argument(check_visual(r));
    if (rc) {
        return rc;
    }
    if (r->feature_dtype != FEATURE_F16 && r->feature_dtype != FEATURE_F32) {
        return err_set(E_ARG, "feature dtype %u, which there is not", (unsigned)r->feature_dtype);
    }
    const unsigned char convention = (unsigned char)r->convention;
    const unsigned char order = (unsigned char)r->order;
    struct item_list l = {0};
    add_row(&l, "medium", DTYPE_U8, ID_BYTES, r->medium.b);
    add_scalar(&l, "width", DTYPE_U32, &r->width);
    add_scalar(&l, "height", DTYPE_U32, &r->height);
    add_text(&l, "detector", r->detector);
    add_text(&l, "locator", r->locator);
    add_scalar(&l, "convention", DTYPE_U8, &convention);
    add_scalar(&l, "order", DTYPE_U8, &order);
    add_table(&l, "boxes", DTYPE_F32, r->n, 4, r->boxes);
    add_row(&l, "conf", DTYPE_F32, r->n, r->conf);
    add_row(&l, "object_id", DTYPE_U16, r->n, r->object_id);
    add_row(&l, "object_conf", DTYPE_F32, r->n, r->object_conf);
    if (r->attr_id) {
        add_row(&l, "attr_id", DTYPE_U16, r->n, r->attr_id);
        add_row(&l, "attr_conf", DTYPE_F32, r->n, r->attr_conf);
    }
    add_table(&l, "features", r->feature_dtype == FEATURE_F16 ? DTYPE_F16 : DTYPE_F32, r->n, r->dim,
              r->features);
    if (r->classes) {
        add_table(&l, "soft_labels", DTYPE_F16, r->n, r->classes, r->soft_labels);
    }
    return encode(RECORD_VISUAL, &l, out);
}

int codec_encode_pair(const struct pair_record *r, struct buf *out)
{
    const struct view texts[] = {r->text,  r->source,           r->key,
                                 r->split, r->tokens.tokenizer, r->graph.labels};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].n > CODEC_MAX_RECORD) {
            return err_set(E_TOO_BIG, "a text of %zu bytes in a pair record", texts[i].n);
        }
    }
    const int rc = as_argument(check_pair(r));
    if (rc) {
        return rc;
    }
    struct item_list l = {0};
    add_row(&l, "id", DTYPE_U8, ID_BYTES, r->id.b);
    add_row(&l, "medium", DTYPE_U8, ID_BYTES, r->medium.b);
    add_scalar(&l, "group", DTYPE_U64, &r->group);
    add_text(&l, "source", r->source);
    add_text(&l, "key", r->key);
    add_text(&l, "split", r->split);
    add_source_id(&l, "coco_image_id", &r->coco_image_id);
    add_source_id(&l, "coco_caption_id", &r->coco_caption_id);
    add_source_id(&l, "vg_id", &r->vg_id);
    add_source_id(&l, "flickr_id", &r->flickr_id);
    add_row(&l, "text", DTYPE_UTF8, (uint32_t)r->text.n, r->text.p);
    add_table(&l, "sentences", DTYPE_U32, r->sentence_count, 4, r->sentences);
    add_text(&l, "tokens.tokenizer", r->tokens.tokenizer);
    add_row(&l, "tokens.ids", DTYPE_U32, r->tokens.n, r->tokens.ids);
    add_row(&l, "tokens.beg", DTYPE_U32, r->tokens.n, r->tokens.beg);
    add_row(&l, "tokens.end", DTYPE_U32, r->tokens.n, r->tokens.end);
    add_row(&l, "tokens.word_start", DTYPE_U8, r->tokens.n, r->tokens.word_start);
    add_table(&l, "graph.nodes", DTYPE_U32, r->graph.node_count, 5, r->graph.nodes);
    add_table(&l, "graph.edges", DTYPE_U32, r->graph.edge_count, 3, r->graph.edges);
    add_row(&l, "graph.labels", DTYPE_U8, (uint32_t)r->graph.labels.n, r->graph.labels.p);
    return encode(RECORD_PAIR, &l, out);
}

/* ---- decoding ---- */

static int read_header(struct view bytes, struct codec_fields *out, size_t *table_end)
{
    const unsigned char *p = bytes.p;
    if (bytes.n < HEADER_BYTES || get_le32(p) != RECORD_MAGIC) {
        return err_set(E_FORMAT, "%zu bytes that are no record", bytes.n);
    }
    if (get_le16(p + 4) > CODEC_FORMAT) {
        return err_set(E_VERSION, "a record of format %u; this pairmill reads up to %d",
                       get_le16(p + 4), CODEC_FORMAT);
    }
    const uint32_t table = get_le32(p + 8);
    const uint32_t count = get_le32(p + 12);
    if (get_le16(p + 4) == 0 || (p[6] != RECORD_VISUAL && p[6] != RECORD_PAIR) ||
        table > bytes.n - HEADER_BYTES || count > CODEC_MAX_FIELDS) {
        return err_set(E_FORMAT, "a record whose header is damaged (kind %u, %u fields)", p[6],
                       count);
    }
    out->kind = (enum record_kind)p[6];
    out->count = count;
    *table_end = HEADER_BYTES + table;
    return 0;
}

/* One entry at *at, which moves behind it. */
static int read_entry(const unsigned char *p, size_t table_end, size_t *at, struct codec_field *f)
{
    size_t left = table_end - *at;
    const unsigned char *e = p + *at;
    if (left < 3 || e[0] > CODEC_MAX_NAME || e[2] > CODEC_MAX_DIMS ||
        left - 3 < e[0] + (size_t)e[2] * 4 || (e[1] & 0x0f) > 3) {
        return err_set(E_FORMAT, "a record whose table of fields is damaged");
    }
    const size_t name = e[0];
    f->dtype = e[1];
    f->dims = e[2];
    memcpy(f->name, e + 3, name);
    f->name[name] = '\0';
    for (unsigned d = 0; d < f->dims; d++) {
        f->shape[d] = get_le32(e + 3 + name + (size_t)d * 4);
    }
    *at += 3 + name + (size_t)f->dims * 4;
    return 0;
}

/* Where the field's data lie, from *at on, which moves behind them. */
static int place_field(struct view bytes, size_t *at, struct codec_field *f)
{
    const size_t align = field_align(f->dtype, f->dims);
    const size_t offset = (*at + align - 1) / align * align;
    if (shape_bytes(f->dtype, f->dims, f->shape, &f->bytes) || offset > bytes.n ||
        f->bytes > bytes.n - offset) {
        return err_set(E_FORMAT, "field \"%s\" does not fit into its record of %zu bytes", f->name,
                       bytes.n);
    }
    f->offset = offset;
    *at = offset + f->bytes;
    return 0;
}

int codec_read_fields(struct view bytes, struct codec_fields *out)
{
    size_t table_end = 0;
    int rc = read_header(bytes, out, &table_end);
    size_t entry = HEADER_BYTES;
    size_t data = table_end;
    for (size_t i = 0; rc == 0 && i < out->count; i++) {
        rc = read_entry(bytes.p, table_end, &entry, &out->field[i]);
        rc = rc ? rc : place_field(bytes, &data, &out->field[i]);
    }
    return rc;
}

/* A decoder asks for field after field; the first error sticks and makes the rest no-ops. */
struct decoder {
    const unsigned char *bytes;
    struct codec_fields fields;
    size_t next; /* fields are mostly asked for in the order in which they were written */
    int rc;
};

static void decoder_init(struct decoder *d, struct view bytes, enum record_kind kind)
{
    d->bytes = bytes.p;
    d->next = 0;
    d->rc = 0;
    if ((uintptr_t)bytes.p % CODEC_ALIGN) {
        d->rc = err_set(E_ARG, "an encoded record must begin on a %d-byte boundary", CODEC_ALIGN);
        return;
    }
    d->rc = codec_read_fields(bytes, &d->fields);
    if (d->rc == 0 && d->fields.kind != kind) {
        d->rc = err_set(E_FORMAT, "a %s record where a %s record was expected",
                        kind == RECORD_PAIR ? "visual" : "pair",
                        kind == RECORD_PAIR ? "pair" : "visual");
    }
}

static const struct codec_field *find(struct decoder *d, const char *name)
{
    for (size_t tried = 0; d->rc == 0 && tried < d->fields.count; tried++) {
        const size_t i = (d->next + tried) % d->fields.count;
        if (strcmp(d->fields.field[i].name, name) == 0) {
            d->next = i + 1;
            return &d->fields.field[i];
        }
    }
    return NULL;
}

enum need { OPTIONAL, REQUIRED };

/* The field's data, or NULL when it is absent or d->rc is set. */
static const void *take(struct decoder *d, const char *name, unsigned dtype, unsigned dims,
                        enum need need, const struct codec_field **out)
{
    const struct codec_field *f = find(d, name);
    if (out) {
        *out = f;
    }
    if (!f) {
        if (d->rc == 0 && need == REQUIRED) {
            d->rc = err_set(E_FORMAT, "a record without the field \"%s\"", name);
        }
        return NULL;
    }
    if (f->dtype != dtype || f->dims != dims) {
        d->rc = err_set(E_FORMAT, "field \"%s\" is %s with %u dimensions instead of %s with %u",
                        name, dtype_name(f->dtype), f->dims, dtype_name(dtype), dims);
        return NULL;
    }
    return d->bytes + f->offset;
}

/* [n] elements of a known n. */
static const void *take_row_of(struct decoder *d, const char *name, unsigned dtype, uint32_t n,
                               enum need need)
{
    const struct codec_field *f = NULL;
    const void *p = take(d, name, dtype, 1, need, &f);
    if (p && f->shape[0] != n) {
        d->rc =
            err_set(E_FORMAT, "field \"%s\" has %u entries instead of %u", name, f->shape[0], n);
        return NULL;
    }
    return p;
}

static const void *take_row(struct decoder *d, const char *name, unsigned dtype, enum need need,
                            uint32_t *n)
{
    const struct codec_field *f = NULL;
    const void *p = take(d, name, dtype, 1, need, &f);
    *n = p ? f->shape[0] : 0;
    return p;
}

/* [n][columns] of known columns. */
static const void *take_table(struct decoder *d, const char *name, uint32_t columns, unsigned dtype,
                              enum need need, uint32_t *n)
{
    const struct codec_field *f = NULL;
    const void *p = take(d, name, dtype, 2, need, &f);
    if (p && f->shape[1] != columns) {
        d->rc = err_set(E_FORMAT, "field \"%s\" has %u columns instead of %u", name, f->shape[1],
                        columns);
        return NULL;
    }
    *n = p ? f->shape[0] : 0;
    return p;
}

static struct view take_text(struct decoder *d, const char *name, enum need need)
{
    uint32_t n = 0;
    const void *p = take_row(d, name, DTYPE_UTF8, need, &n);
    return p ? view_of(p, n) : view_of("", 0);
}

static void take_id(struct decoder *d, const char *name, struct id *out)
{
    const void *p = take_row_of(d, name, DTYPE_U8, ID_BYTES, REQUIRED);
    if (p) {
        memcpy(out->b, p, ID_BYTES);
    }
}

static uint8_t take_u8(struct decoder *d, const char *name)
{
    const uint8_t *p = take(d, name, DTYPE_U8, 0, REQUIRED, NULL);
    return p ? *p : 0;
}

static uint32_t take_u32(struct decoder *d, const char *name)
{
    const uint32_t *p = take(d, name, DTYPE_U32, 0, REQUIRED, NULL);
    return p ? *p : 0;
}

static uint64_t take_u64(struct decoder *d, const char *name, enum need need)
{
    const uint64_t *p = take(d, name, DTYPE_U64, 0, need, NULL);
    return p ? *p : 0;
}

/* Features are the one field of two dtypes. */
static void take_features(struct decoder *d, struct visual_record *out)
{
    const struct codec_field *f = find(d, "features");
    const unsigned dtype = f && f->dtype == DTYPE_F16 ? DTYPE_F16 : DTYPE_F32;
    out->feature_dtype = dtype == DTYPE_F16 ? FEATURE_F16 : FEATURE_F32;
    out->features = take(d, "features", dtype, 2, REQUIRED, &f);
    if (out->features && f->shape[0] != out->n) {
        d->rc = err_set(E_FORMAT, "features of %u regions where there are %u boxes", f->shape[0],
                        out->n);
    }
    out->dim = out->features ? f->shape[1] : 0;
}

static void take_soft_labels(struct decoder *d, struct visual_record *out)
{
    const struct codec_field *f = NULL;
    out->soft_labels = take(d, "soft_labels", DTYPE_F16, 2, OPTIONAL, &f);
    if (out->soft_labels && f->shape[0] != out->n) {
        d->rc = err_set(E_FORMAT, "soft labels of %u regions where there are %u boxes", f->shape[0],
                        out->n);
    }
    out->classes = out->soft_labels ? f->shape[1] : 0;
}

int codec_decode_visual(struct view bytes, struct visual_record *out)
{
    struct decoder d;
    decoder_init(&d, bytes, RECORD_VISUAL);
    *out = (struct visual_record){0};
    take_id(&d, "medium", &out->medium);
    out->width = take_u32(&d, "width");
    out->height = take_u32(&d, "height");
    out->detector = take_text(&d, "detector", OPTIONAL);
    out->locator = take_text(&d, "locator", OPTIONAL);
    out->convention = (enum box_convention)take_u8(&d, "convention");
    out->order = (enum box_order)take_u8(&d, "order");
    out->boxes = take_table(&d, "boxes", 4, DTYPE_F32, REQUIRED, &out->n);
    out->conf = take_row_of(&d, "conf", DTYPE_F32, out->n, REQUIRED);
    out->object_id = take_row_of(&d, "object_id", DTYPE_U16, out->n, REQUIRED);
    out->object_conf = take_row_of(&d, "object_conf", DTYPE_F32, out->n, REQUIRED);
    out->attr_id = take_row_of(&d, "attr_id", DTYPE_U16, out->n, OPTIONAL);
    if (out->attr_id) {
        out->attr_conf = take_row_of(&d, "attr_conf", DTYPE_F32, out->n, REQUIRED);
    }
    take_features(&d, out);
    take_soft_labels(&d, out);
    return d.rc ? d.rc : check_visual(out);
}

static void take_tokens(struct decoder *d, struct token_block *out)
{
    out->tokenizer = take_text(d, "tokens.tokenizer", OPTIONAL);
    out->ids = take_row(d, "tokens.ids", DTYPE_U32, REQUIRED, &out->n);
    out->beg = take_row_of(d, "tokens.beg", DTYPE_U32, out->n, REQUIRED);
    out->end = take_row_of(d, "tokens.end", DTYPE_U32, out->n, REQUIRED);
    out->word_start = take_row_of(d, "tokens.word_start", DTYPE_U8, out->n, REQUIRED);
}

static void take_graph(struct decoder *d, struct scene_graph *out)
{
    uint32_t labels = 0;
    out->nodes = take_table(d, "graph.nodes", 5, DTYPE_U32, OPTIONAL, &out->node_count);
    out->edges = take_table(d, "graph.edges", 3, DTYPE_U32, OPTIONAL, &out->edge_count);
    const void *p = take_row(d, "graph.labels", DTYPE_U8, OPTIONAL, &labels);
    out->labels = p ? view_of(p, labels) : view_of("", 0);
}

int codec_decode_pair(struct view bytes, struct pair_record *out)
{
    struct decoder d;
    decoder_init(&d, bytes, RECORD_PAIR);
    *out = (struct pair_record){0};
    take_id(&d, "id", &out->id);
    take_id(&d, "medium", &out->medium);
    out->group = take_u64(&d, "group", REQUIRED);
    out->source = take_text(&d, "source", OPTIONAL);
    out->key = take_text(&d, "key", OPTIONAL);
    out->split = take_text(&d, "split", OPTIONAL);
    out->coco_image_id = take_u64(&d, "coco_image_id", OPTIONAL);
    out->coco_caption_id = take_u64(&d, "coco_caption_id", OPTIONAL);
    out->vg_id = take_u64(&d, "vg_id", OPTIONAL);
    out->flickr_id = take_u64(&d, "flickr_id", OPTIONAL);
    out->text = take_text(&d, "text", REQUIRED);
    out->sentences = take_table(&d, "sentences", 4, DTYPE_U32, OPTIONAL, &out->sentence_count);
    take_tokens(&d, &out->tokens);
    take_graph(&d, &out->graph);
    return d.rc ? d.rc : check_pair(out);
}

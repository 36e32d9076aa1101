/* One drawn sample, shown as the trainer receives it. */
#include <math.h>
#include <stdio.h>

#include "ops/report_internal.h"

enum { BEST_SHOWN = 3, FEATURES_SHOWN = 4, TARGETS_SHOWN = 8 };

/* What a task asks of the model, for a person. */
static const struct {
    const char *task;
    const char *title;
    const char *meaning;
} tasks[] = {
    {"mlm", "Masked language modelling",
     "Some sub-tokens are hidden or replaced; the model says what they were, from the rest of the "
     "caption and from the picture."},
    {"mrfr", "Masked region feature regression",
     "Some regions lose their features; the model restores the numbers from the caption and the "
     "other regions."},
    {"mrckl", "Masked region classification, soft labels",
     "Some regions lose their features; the model says what they show, as a distribution close to "
     "the detector's own."},
    {"mrc", "Masked region classification, hard labels",
     "Some regions lose their features; the model says what they show."},
    {"itm", "Image-text matching",
     "The model says whether the caption belongs to the picture; half of the time another picture "
     "stands in."},
    {"joint", "Scene graph prediction and all the rest",
     "Words of the caption's objects, attributes and relations are hidden or replaced, each node "
     "as "
     "a whole, and what they must be told from stays visible; other sub-tokens and some regions "
     "are hidden as well. The model says what they were, and whether the picture is the "
     "caption's."},
    {"object", "Object prediction",
     "Objects of the caption's scene graph are hidden or replaced, all words of each; the model "
     "says what they were."},
    {"attribute", "Attribute prediction",
     "Attributes of the caption's scene graph are hidden or replaced while the objects that have "
     "them stay; the model says what they were."},
    {"relation", "Relationship prediction",
     "Relations of the caption's scene graph are hidden or replaced while the objects at their "
     "ends stay; the model says what they were."},
};

/* The arrays of what is asked of regions, and how to show a row of them. */
enum target_kind { TARGET_KIND_CLASS, TARGET_KIND_DISTRIBUTION, TARGET_KIND_FEATURE };
static const struct {
    const char *array;
    enum array_dtype dtype;
    enum target_kind kind;
} region_targets[] = {
    {"label_targets", ARRAY_I32, TARGET_KIND_CLASS},
    {"label_targets", ARRAY_F32, TARGET_KIND_DISTRIBUTION},
    {"feat_targets", ARRAY_F32, TARGET_KIND_FEATURE},
    {"image_classes", ARRAY_I32, TARGET_KIND_CLASS},
    {"image_soft_labels", ARRAY_F32, TARGET_KIND_DISTRIBUTION},
    {"image_features", ARRAY_F32, TARGET_KIND_FEATURE},
};

/* ---- the text ---- */

/* A sub-token's text: the vocabulary's, else the caption's own bytes for a token that stands
 * there, else its number. */
static void put_piece(struct html *h, const struct report_sample *s, uint32_t id, uint32_t at)
{
    const struct wordpiece_ids *ids = &s->context->ids;
    const struct token_block *t = &s->pair->tokens;
    if (s->vocabulary) {
        html_text(h, wordpiece_piece(s->vocabulary, id));
    } else if (id == ids->mask) {
        html_put(h, "[MASK]");
    } else if (id == t->ids[at]) {
        html_put(h, t->word_start[at] ? "" : "##");
        html_text(h, view_of((const char *)s->pair->text.p + t->beg[at], t->end[at] - t->beg[at]));
    } else {
        html_printf(h, "id %u", id);
    }
}

static uint32_t input_id(const struct report_sample *s, uint32_t at)
{
    switch (s->plan->token_op[at]) {
    case MASK_HIDE: return s->context->ids.mask;
    case MASK_RANDOM: return s->plan->token_random[at];
    default: return s->pair->tokens.ids[at];
    }
}

static void put_token(struct html *h, const struct report_sample *s, uint32_t at)
{
    static const char *const classes[] = {"", " class=\"hide\"", " class=\"random\"",
                                          " class=\"keep\""};
    static const char *const fates[] = {"", "hidden", "replaced", "kept"};
    const uint8_t op = s->plan->token_op[at];
    const uint8_t task = s->plan->token_for[at]; /* 0: the sample's only one */
    const uint32_t id = input_id(s, at);
    html_printf(h, "<li%s><b>", classes[op & 3]);
    put_piece(h, s, id, at);
    html_printf(h, "</b><small>%u</small>", id);
    if (op != MASK_NONE) {
        html_printf(h, "<em>%s%s%s; label <b>", fates[op & 3], task ? " for " : "",
                    task ? s->context->recipe->tasks[task] : "");
        put_piece(h, s, s->pair->tokens.ids[at], at);
        html_put(h, "</b></em>");
    }
    html_put(h, "</li>");
}

static void put_tokens(struct html *h, const struct report_sample *s)
{
    html_printf(h, "<ol class=\"tokens\"><li class=\"special\"><b>[CLS]</b><small>%u</small></li>",
                s->context->ids.cls);
    for (uint32_t i = 0; i < s->plan->tokens; i++) {
        put_token(h, s, i);
    }
    html_printf(h, "<li class=\"special\"><b>[SEP]</b><small>%u</small></li></ol>\n",
                s->context->ids.sep);
}

/* ---- the targets ---- */

/* Column 0 of the soft labels is the background. */
static void put_class(struct html *h, const struct report_sample *s, uint32_t class)
{
    const char *name = class ? about_object_name(s->picture.about, class - 1) : "background";
    if (name) {
        html_str(h, name);
    } else {
        html_printf(h, "class %u", class);
    }
}

/* The most probable classes of p: [n]. */
static void put_best(struct html *h, const struct report_sample *s, const float *p, uint32_t n)
{
    uint32_t last = 0;
    float below = INFINITY;
    for (int k = 0; k < BEST_SHOWN; k++) {
        uint32_t best = n;
        for (uint32_t i = 0; i < n; i++) {
            const bool follows = p[i] < below || (p[i] == below && i > last);
            best = follows && (best == n || p[i] > p[best]) ? i : best;
        }
        if (best == n) {
            return;
        }
        html_put(h, k ? ", " : "");
        put_class(h, s, best);
        html_printf(h, " %.2f", (double)p[best]);
        below = p[best];
        last = best;
    }
}

static void put_features(struct html *h, const float *f, uint32_t n)
{
    html_put(h, "<code>");
    for (uint32_t i = 0; i < n && i < FEATURES_SHOWN; i++) {
        html_printf(h, "%.2f ", (double)f[i]);
    }
    html_put(h, "…</code>");
}

static void put_region(struct html *h, const struct report_sample *s, uint32_t region)
{
    struct buf name;
    buf_init(&name, 4096);
    region_name(&s->picture, region, &name);
    html_printf(h, "<li>region %u, <b>", region);
    html_text_cut(h, buf_view(&name), 100);
    html_put(h, "</b>: ");
    buf_release(&name);
}

/* Row `row` of the targets is that of the row-th chosen region. */
static void put_region_target(struct html *h, const struct report_sample *s,
                              const struct sample_array *a, enum target_kind kind, uint32_t region,
                              uint32_t row)
{
    const uint32_t columns = (uint32_t)a->shape[1];
    put_region(h, s, region);
    switch (kind) {
    case TARGET_KIND_CLASS: put_class(h, s, (uint32_t)((const int32_t *)a->data)[row]); break;
    case TARGET_KIND_DISTRIBUTION:
        put_best(h, s, (const float *)a->data + (size_t)row * columns, columns);
        break;
    case TARGET_KIND_FEATURE:
        put_features(h, (const float *)a->data + (size_t)row * columns, columns);
        break;
    }
    html_put(h, "</li>");
}

static void put_region_targets(struct html *h, const struct report_sample *s,
                               const struct sample_array *a, enum target_kind kind)
{
    uint32_t row = 0;
    html_put(h, "<p class=\"asked\">Asked for, region by region:</p><ul class=\"targets\">");
    for (uint32_t i = 0; i < s->plan->regions && row < a->shape[0]; i++) {
        if (s->plan->region_op[i] == MASK_NONE) {
            continue;
        }
        if (row < TARGETS_SHOWN) {
            put_region_target(h, s, a, kind, i, row);
        }
        row++;
    }
    if (row > TARGETS_SHOWN) {
        html_printf(h, "<li>and %u more</li>", row - TARGETS_SHOWN);
    }
    html_put(h, "</ul>\n");
}

static void put_match(struct html *h, const struct report_sample *s)
{
    html_printf(h, "<p class=\"asked\">Asked for: match <b>%u</b>. %s</p>\n", s->plan->match,
                s->plan->match ? "This is the caption's own picture."
                               : "This is not the caption's own picture: it was drawn from all the "
                                 "others.");
}

static void put_targets(struct html *h, const struct report_sample *s)
{
    for (size_t i = 0; i < sizeof region_targets / sizeof *region_targets; i++) {
        const struct sample_array *a = sample_find(s->sample, region_targets[i].array);
        if (a && a->dtype == region_targets[i].dtype && a->shape[0] > 0) {
            put_region_targets(h, s, a, region_targets[i].kind);
        }
    }
    if (sample_find(s->sample, "targets") || sample_find(s->sample, "match_label")) {
        put_match(h, s);
    }
}

/* ---- the arrays ---- */

static const char *type_name(enum array_dtype dtype)
{
    switch (dtype) {
    case ARRAY_U8: return "uint8";
    case ARRAY_I32: return "int32";
    case ARRAY_F32: return "float32";
    }
    return "?";
}

static void put_arrays(struct html *h, const struct sample *s)
{
    html_put(h, "<ul class=\"arrays\" aria-label=\"The sample's arrays\">");
    for (uint32_t i = 0; i < s->count; i++) {
        const struct sample_array *a = &s->arrays[i];
        html_put(h, "<li><code>");
        html_str(h, a->name);
        html_printf(h, "</code> %s (", type_name(a->dtype));
        for (uint32_t d = 0; d < a->dimensions; d++) {
            html_printf(h, d ? ", %llu" : "%llu", (unsigned long long)a->shape[d]);
        }
        html_put(h, a->dimensions == 1 ? ",)</li>" : ")</li>");
    }
    html_put(h, "</ul>\n");
}

static void put_title(struct html *h, const struct report_sample *s)
{
    const char *title = s->sample->task;
    const char *meaning = "";
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (strcmp(tasks[i].task, s->sample->task) == 0) {
            title = tasks[i].title;
            meaning = tasks[i].meaning;
        }
    }
    html_put(h, "<h3>");
    html_str(h, title);
    html_put(h, " <code>");
    html_str(h, s->sample->task);
    html_printf(h,
                "</code></h3>\n<p>%s <span class=\"quiet\">Epoch %u, position %llu.</span></p>\n",
                meaning, s->plan->epoch, (unsigned long long)s->plan->position);
}

void report_sample(struct html *h, const struct report_sample *s)
{
    html_put(h, "<article class=\"sample\">\n<div>");
    report_masked_picture(h, &s->picture, s->plan);
    html_put(h, "</div>\n<div>");
    put_title(h, s);
    put_tokens(h, s);
    put_targets(h, s);
    put_arrays(h, s->sample);
    html_put(h, "</div>\n</article>\n");
}

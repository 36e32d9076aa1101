#include "ops/report.h"

#include <stdio.h>
#include <stdlib.h>

#include "ops/report_internal.h"
#include "recipes/order.h"
#include "shards/feed_selection.h"
#include "workers/medium_file.h"

enum { EPOCHS_SEARCHED = 64, SAMPLE_MAX = 64 << 20, TASKS_MAX = 16, ALT_MAX = 700 };

/* A medium of the gallery and the one of its pairs that is shown. */
struct shown {
    uint64_t medium;
    uint64_t pair;
    uint64_t texts; /* pairs the medium has */
};

struct report {
    const char *dir;
    const struct report_options *options;
    struct corpus *corpus;
    struct about *abouts; /* [shards] */
    struct survey survey;
    struct html html;
    uint32_t n;
    struct shown shown[REPORT_PAIRS_MAX];
    uint32_t embedded_count;
    uint64_t embedded[REPORT_PAIRS_MAX + TASKS_MAX]; /* media whose picture is in the page */
    size_t picture_bytes;                            /* of all of them */
    struct buf pair_bytes;
    struct buf visual_bytes;
    struct buf picture_buf;
    struct pair_record pair;
    struct visual_record visual;
    char missing[400];
    char alt[ALT_MAX];
};

/* ---- which pairs ---- */

/* The first media of the order that the seed gives, spread over the corpus. */
static int choose_media(struct report *r)
{
    const uint64_t media = corpus_media(r->corpus);
    struct order order;
    const int rc = order_init(&order, r->options->seed, 0, media);
    r->n = r->options->pairs < media ? r->options->pairs : (uint32_t)media;
    for (uint32_t i = 0; rc == 0 && i < r->n; i++) {
        r->shown[i].medium = order_at(&order, i);
    }
    return rc;
}

/* Of a medium's pairs the first by id, which is as good as any. */
static void choose_pairs(struct report *r)
{
    for (uint64_t i = corpus_pairs(r->corpus); i-- > 0;) {
        const uint32_t medium = corpus_pair(r->corpus, i)->medium;
        for (uint32_t k = 0; k < r->n; k++) {
            if (r->shown[k].medium == medium) {
                r->shown[k].pair = i;
                r->shown[k].texts++;
            }
        }
    }
}

/* ---- pictures ---- */

static bool is_embedded(const struct report *r, uint64_t medium)
{
    for (uint32_t i = 0; i < r->embedded_count; i++) {
        if (r->embedded[i] == medium) {
            return true;
        }
    }
    return false;
}

/* Reads the medium's bytes and sees that they are the ones the regions were found in. */
static int read_picture(struct report *r, struct picture *p)
{
    char locator[QUEUE_LOCATOR_MAX + 1];
    const struct visual_record *v = &r->visual;
    if (v->locator.n >= sizeof locator) {
        return err_set(E_TOO_BIG, "its locator is too long");
    }
    memcpy(locator, v->locator.p, v->locator.n);
    locator[v->locator.n] = '\0';
    const int rc = medium_fetch(locator, &r->picture_buf);
    if (rc) {
        return rc;
    }
    const struct id now = id_of_medium(buf_view(&r->picture_buf));
    if (!id_equal(&now, &v->medium)) {
        return err_set(E_MEDIUM_CHANGED, "%s is not the file it was when the corpus was built",
                       locator);
    }
    p->type = picture_type(buf_view(&r->picture_buf));
    if (!p->type) {
        return err_set(E_IMAGE_UNREADABLE, "%s is of a kind that browsers do not show", locator);
    }
    if (r->picture_bytes + r->picture_buf.n > REPORT_PICTURES_MAX) {
        return err_set(E_TOO_BIG, "the page holds %d MB of pictures already",
                       REPORT_PICTURES_MAX >> 20);
    }
    p->bytes = buf_view(&r->picture_buf);
    return 0;
}

/* The picture of r->visual, which is medium number `medium`.  One that cannot be shown is drawn as
 * boxes on a grey ground, with the reason. */
static struct picture picture_of(struct report *r, uint64_t medium)
{
    struct picture p = {
        .visual = &r->visual,
        .about = &r->abouts[corpus_medium(r->corpus, medium)->shard],
        .number = medium,
        .embedded = is_embedded(r, medium),
        .alt = r->alt,
    };
    if (!p.embedded && read_picture(r, &p)) {
        snprintf(r->missing, sizeof r->missing, "The picture is not shown: %.300s.", err_text());
        p.missing = r->missing;
    } else if (!p.embedded) {
        r->embedded[r->embedded_count++] = medium;
        r->picture_bytes += p.bytes.n;
    }
    return p;
}

static void describe_picture(struct report *r, const char *what, struct view text)
{
    snprintf(r->alt, sizeof r->alt, "%s: %.*s", what, text.n < 500 ? (int)text.n : 500,
             (const char *)text.p);
}

/* ---- the gallery ---- */

static void put_pair(struct report *r, const struct shown *s)
{
    struct html *h = &r->html;
    char hex[ID_HEX];
    id_to_hex(&r->pair.id, hex);
    describe_picture(r, "The picture captioned", r->pair.text);
    const struct picture p = picture_of(r, s->medium);
    html_put(h, "<article class=\"pair\">\n<div>");
    report_named_picture(h, &p);
    html_put(h, "</div>\n<div>\n");
    report_caption(h, r->pair.text, &r->pair.graph);
    report_graph(h, &r->pair.graph);
    report_region_table(h, &p);
    html_printf(h, "<p class=\"quiet\">Pair <code>%.12s</code>, %u sub-tokens", hex,
                r->pair.tokens.n);
    if (s->texts > 1) {
        html_printf(h, "; one of %llu captions of this image", (unsigned long long)s->texts);
    }
    html_put(h, ".</p>\n</div>\n</article>\n");
}

static int read_pair(struct report *r, uint64_t pair, uint64_t medium)
{
    const int rc = corpus_read_pair(r->corpus, pair, &r->pair_bytes, &r->pair);
    return rc ? rc : corpus_read_visual(r->corpus, medium, &r->visual_bytes, &r->visual);
}

static int put_gallery(struct report *r)
{
    struct html *h = &r->html;
    if (r->n == 0) {
        html_put(h, "<section>\n<h2>Pairs</h2>\n<p>There are none yet. <code>pairmill build</code> "
                    "grinds a source into this corpus.</p>\n</section>\n");
        return 0;
    }
    html_put(h,
             "<section>\n<h2>Pairs, ground</h2>\n<p>On the picture: the detector's regions, with "
             "attribute, object and confidence. In the caption: the words of its scene graph, "
             "<mark class=\"obj\">objects</mark>, <mark class=\"att\">attributes</mark> and "
             "<mark class=\"rel\">relations</mark>; below it the graph itself.</p>\n");
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < r->n; i++) {
        rc = read_pair(r, r->shown[i].pair, r->shown[i].medium);
        if (rc == 0) {
            put_pair(r, &r->shown[i]);
        }
    }
    html_put(h, "</section>\n");
    return rc ? rc : h->rc;
}

/* ---- the drawn samples ---- */

struct drawing {
    struct feed_selection selection;
    struct recipe_context context;
    struct wordpiece *vocabulary;
    uint64_t index;  /* the pair's, among those the recipe takes */
    uint64_t medium; /* its medium's, likewise */
    bool found[TASKS_MAX];
    struct plan plans[TASKS_MAX]; /* one a task */
};

/* The index of a corpus' pair among those that the recipe takes; they are in the same order. */
static bool find_taken(const struct feed_selection *s, uint64_t pair, uint64_t *index)
{
    uint64_t lo = 0;
    uint64_t hi = s->pairs;
    while (lo < hi) {
        const uint64_t mid = lo + (hi - lo) / 2;
        if (s->pair[mid] < pair) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    *index = lo;
    return lo < s->pairs && s->pair[lo] == pair;
}

/* The first pair of the gallery that the recipe takes. */
static bool choose_sample(struct report *r, struct drawing *d)
{
    for (uint32_t i = 0; i < r->n; i++) {
        if (find_taken(&d->selection, r->shown[i].pair, &d->index)) {
            d->medium = d->selection.medium_number[r->shown[i].medium];
            return true;
        }
    }
    return false;
}

/* Keeps the first plan of each task, and rather one with another medium than the pair's own. */
static void keep_plan(struct drawing *d, const struct plan *plan)
{
    const uint32_t t = plan->task;
    if (t < TASKS_MAX && (!d->found[t] || (d->plans[t].match && !plan->match))) {
        d->plans[t] = *plan;
        d->found[t] = true;
    }
}

/* The pair is in every epoch once; which task it serves there is the epoch's draw. */
static int search_epochs(const struct report *r, struct drawing *d)
{
    int rc = 0;
    for (uint32_t epoch = 0; rc == 0 && epoch < EPOCHS_SEARCHED; epoch++) {
        struct order order;
        struct plan plan;
        rc = order_init(&order, r->options->seed, epoch, d->selection.pairs);
        if (rc == 0) {
            const struct recipe_place place = {epoch, order_position(&order, d->index), d->medium};
            rc = recipe_plan(&d->context, &place, &r->pair, &plan);
        }
        if (rc == 0) {
            keep_plan(d, &plan);
        }
    }
    return rc;
}

static int put_sample(struct report *r, struct drawing *d, struct plan *plan)
{
    struct sample sample;
    const uint64_t medium = d->selection.medium[plan->medium];
    int rc = corpus_read_visual(r->corpus, medium, &r->visual_bytes, &r->visual);
    if (rc) {
        return rc;
    }
    sample_init(&sample, SAMPLE_MAX);
    rc = recipe_materialise(&d->context, &r->pair, &r->visual, plan, &sample);
    if (rc == 0) {
        describe_picture(r,
                         plan->match ? "Regions of the picture captioned"
                                     : "Another picture than the one captioned",
                         r->pair.text);
        const struct report_sample s = {
            .context = &d->context,
            .vocabulary = d->vocabulary,
            .pair = &r->pair,
            .plan = plan,
            .sample = &sample,
            .picture = picture_of(r, medium),
        };
        report_sample(&r->html, &s);
    }
    sample_release(&sample);
    return rc;
}

/* Samples with the pair's own picture first. */
static int put_plans(struct report *r, struct drawing *d)
{
    int rc = 0;
    for (uint32_t match = 2; match-- > 0;) {
        for (uint32_t t = 0; rc == 0 && t < TASKS_MAX; t++) {
            if (d->found[t] && d->plans[t].match == match) {
                rc = put_sample(r, d, &d->plans[t]);
            }
        }
    }
    return rc;
}

static void put_introduction(struct report *r, const struct drawing *d)
{
    struct html *h = &r->html;
    html_put(h, "<section>\n<h2>What a trainer receives</h2>\n<p>The recipe <code>");
    html_str(h, d->selection.recipe->name);
    html_printf(
        h,
        "</code> makes another exercise of a pair in every epoch; here is the pair above, "
        "as drawn with seed %llu. Nothing of this is stored: a sample is a pure function of "
        "records, seed, epoch and position, so every trainer, restart and machine gets the "
        "same.</p>\n",
        (unsigned long long)r->options->seed);
    report_caption(h, r->pair.text, &r->pair.graph);
}

/* The vocabulary that the corpus was tokenised with, where it is at hand. */
static int open_vocabulary(const struct report *r, struct drawing *d)
{
    const char *name = r->abouts[0].tokenizer;
    int rc = wordpiece_open(r->options->vocabulary, WORDPIECE_AUTO, WORDPIECE_SPLIT_PYTHON,
                            &d->vocabulary);
    if (rc || (name && strcmp(name, wordpiece_name(d->vocabulary)) == 0)) {
        return rc;
    }
    if (r->options->vocabulary) {
        rc = err_set(E_ARG, "%s is not the vocabulary of this corpus, which is %s",
                     r->options->vocabulary, name ? name : "not told");
    }
    wordpiece_free(d->vocabulary);
    d->vocabulary = NULL;
    return rc;
}

static int draw_samples(struct report *r, struct drawing *d)
{
    int rc = feed_selection_init(&d->selection, r->corpus, r->options->recipe, NULL);
    rc = rc ? rc : open_vocabulary(r, d);
    if (rc || !choose_sample(r, d)) {
        return rc;
    }
    d->context = feed_selection_context(&d->selection, r->options->seed);
    rc = corpus_read_pair(r->corpus, d->selection.pair[d->index], &r->pair_bytes, &r->pair);
    rc = rc ? rc : search_epochs(r, d);
    if (rc) {
        return rc;
    }
    put_introduction(r, d);
    rc = put_plans(r, d);
    html_put(&r->html, "</section>\n");
    return rc;
}

static int put_samples(struct report *r)
{
    const struct recipe *recipe;
    int rc = recipe_find(r->options->recipe, &recipe);
    struct drawing *d = calloc(1, sizeof *d);
    if (rc == 0 && !d) {
        rc = err_set(E_NOMEM, "no memory to draw samples");
    }
    if (rc == 0 && r->n) {
        rc = draw_samples(r, d);
    }
    if (d) {
        wordpiece_free(d->vocabulary);
        feed_selection_release(&d->selection);
    }
    free(d);
    return rc;
}

/* ---- the page ---- */

static int load_abouts(struct report *r)
{
    const size_t n = corpus_catalog(r->corpus)->n;
    r->abouts = calloc(n + 1, sizeof *r->abouts);
    int rc = r->abouts ? 0 : err_set(E_NOMEM, "no memory to read %zu shards", n);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        rc = about_parse(sealed_shard_about(corpus_shard(r->corpus, i)), &r->abouts[i]);
    }
    return rc;
}

static int put_page(struct report *r)
{
    const struct about *about = &r->abouts[0]; /* all zeros when there is no shard */
    int rc = choose_media(r);
    if (rc) {
        return rc;
    }
    choose_pairs(r);
    rc = r->n ? read_pair(r, r->shown[0].pair, r->shown[0].medium) : 0;
    if (rc) {
        return rc;
    }
    const struct report_page page = {
        .dir = r->dir,
        .options = r->options,
        .catalog = corpus_catalog(r->corpus),
        .survey = &r->survey,
        .detector = about->detector ? about->detector : "",
        .tokenizer = about->tokenizer ? about->tokenizer : "",
        .source = r->pair.source,
    };
    report_begin(&r->html, &page);
    rc = put_gallery(r);
    rc = rc ? rc : put_samples(r);
    report_tables(&r->html, &page);
    report_end(&r->html, &page);
    return rc ? rc : r->html.rc;
}

static void release(struct report *r)
{
    for (size_t i = 0; r->abouts && i < corpus_catalog(r->corpus)->n; i++) {
        about_release(&r->abouts[i]);
    }
    free(r->abouts);
    survey_release(&r->survey);
    corpus_close(r->corpus);
    html_release(&r->html);
    buf_release(&r->pair_bytes);
    buf_release(&r->visual_bytes);
    buf_release(&r->picture_buf);
    free(r);
}

int report_make(const char *corpus, const struct report_options *options, struct buf *page)
{
    if (options->pairs > REPORT_PAIRS_MAX) {
        return err_set(E_ARG, "a report shows at most %d pairs, not %u", REPORT_PAIRS_MAX,
                       options->pairs);
    }
    struct report *r = calloc(1, sizeof *r);
    if (!r) {
        return err_set(E_NOMEM, "no memory for a report");
    }
    r->dir = corpus;
    r->options = options;
    html_init(&r->html, REPORT_PAGE_MAX);
    buf_init(&r->pair_bytes, CODEC_MAX_RECORD);
    buf_init(&r->visual_bytes, CODEC_MAX_RECORD);
    buf_init(&r->picture_buf, REPORT_PICTURE_MAX);
    int rc = corpus_open(corpus, CORPUS_TRUST_DIGESTS, &r->corpus);
    rc = rc ? rc : load_abouts(r);
    rc = rc ? rc : survey_corpus(r->corpus, r->abouts, corpus, &r->survey);
    rc = rc ? rc : put_page(r);
    rc = rc ? rc : buf_append(page, r->html.out.p, r->html.out.n);
    release(r);
    return rc;
}

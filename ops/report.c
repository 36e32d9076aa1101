#include "ops/report.h"

#include <stdlib.h>

#include "ops/report_internal.h"
#include "recipes/order.h"

/* ---- which pairs ---- */

/* The first media of the order that the seed gives, spread over the corpus. */
static int choose_media(struct report_input *in)
{
    const uint64_t media = corpus_media(in->corpus);
    struct order order;
    const int rc = order_init(&order, in->options->seed, 0, media);
    in->n = in->options->pairs < media ? in->options->pairs : (uint32_t)media;
    for (uint32_t i = 0; rc == 0 && i < in->n; i++) {
        in->shown[i].medium = order_at(&order, i);
    }
    return rc;
}

/* Of a medium's pairs the first by id, which is as good as any. */
static void choose_pairs(struct report_input *in)
{
    for (uint64_t i = corpus_pairs(in->corpus); i-- > 0;) {
        const uint32_t medium = corpus_pair(in->corpus, i)->medium;
        for (uint32_t k = 0; k < in->n; k++) {
            if (in->shown[k].medium == medium) {
                in->shown[k].pair = i;
                in->shown[k].texts++;
            }
        }
    }
}

/* ---- the gallery ---- */

static void put_pair(struct html *h, const struct pair_record *pair, const struct picture *p,
                     uint64_t texts)
{
    char hex[ID_HEX];
    id_to_hex(&pair->id, hex);
    html_put(h, "<article class=\"pair\">\n<div>");
    report_named_picture(h, p);
    html_put(h, "</div>\n<div>\n");
    report_caption(h, pair->text, &pair->graph);
    report_graph(h, &pair->graph);
    report_region_table(h, p);
    html_printf(h, "<p class=\"quiet\">Pair <code>%.12s</code>, %u sub-tokens", hex,
                pair->tokens.n);
    if (texts > 1) {
        html_printf(h, "; one of %llu captions of this image", (unsigned long long)texts);
    }
    html_put(h, ".</p>\n</div>\n</article>\n");
}

static int put_gallery(struct html *h, const struct report_input *in)
{
    struct buf pair_bytes;
    struct buf visual_bytes;
    struct pair_record pair;
    struct visual_record visual;
    buf_init(&pair_bytes, CODEC_MAX_RECORD);
    buf_init(&visual_bytes, CODEC_MAX_RECORD);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < in->n; i++) {
        const struct shown *s = &in->shown[i];
        rc = corpus_read_pair(in->corpus, s->pair, &pair_bytes, &pair);
        rc = rc ? rc : corpus_read_visual(in->corpus, s->medium, &visual_bytes, &visual);
        if (rc == 0) {
            const struct picture p =
                album_picture(in->album, s->medium, &visual, "The picture captioned", pair.text);
            put_pair(h, &pair, &p, s->texts);
        }
    }
    buf_release(&pair_bytes);
    buf_release(&visual_bytes);
    return rc;
}

static int put_pairs(struct html *h, const struct report_input *in)
{
    if (in->n == 0) {
        html_put(h, "<section>\n<h2>Pairs</h2>\n<p>There are none yet. <code>pairmill build</code> "
                    "grinds a source into this corpus.</p>\n</section>\n");
        return 0;
    }
    html_put(h,
             "<section>\n<h2>Some of the pairs</h2>\n<p>On the picture: the detector's regions, "
             "with attribute, object and confidence. In the caption: the words of its scene "
             "graph, <mark class=\"obj\">objects</mark>, <mark class=\"att\">attributes</mark> and "
             "<mark class=\"rel\">relations</mark>; below it the graph itself.</p>\n");
    const int rc = put_gallery(h, in);
    html_put(h, "</section>\n");
    return rc;
}

/* ---- the page ---- */

/* Where the first pair came from, into `out`, which must hold it as long as the page is made. */
static int read_source(const struct report_input *in, struct buf *out)
{
    struct buf bytes;
    struct pair_record pair;
    if (in->n == 0) {
        return 0;
    }
    buf_init(&bytes, CODEC_MAX_RECORD);
    int rc = corpus_read_pair(in->corpus, in->shown[0].pair, &bytes, &pair);
    rc = rc ? rc : buf_append(out, pair.source.p, pair.source.n);
    buf_release(&bytes);
    return rc;
}

static int put_page(struct html *h, const char *dir, const struct report_input *in,
                    const struct survey *survey)
{
    const struct about *about = &in->abouts[0]; /* all zeros when there is no shard */
    struct buf source;
    buf_init(&source, CODEC_MAX_RECORD);
    int rc = read_source(in, &source);
    const struct report_page page = {
        .dir = dir,
        .options = in->options,
        .catalog = corpus_catalog(in->corpus),
        .survey = survey,
        .detector = about->detector ? about->detector : "",
        .tokenizer = about->tokenizer ? about->tokenizer : "",
        .source = buf_view(&source),
    };
    report_begin(h, &page);
    rc = rc ? rc : put_pairs(h, in);
    rc = rc ? rc : report_drawing(h, in);
    report_tables(h, &page);
    report_end(h, &page);
    buf_release(&source);
    return rc ? rc : h->rc;
}

static int load_abouts(struct corpus *c, struct about **out)
{
    const size_t n = corpus_catalog(c)->n;
    struct about *abouts = calloc(n + 1, sizeof *abouts);
    int rc = abouts ? 0 : err_set(E_NOMEM, "no memory to read %zu shards", n);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        rc = about_parse(sealed_shard_about(corpus_shard(c, i)), &abouts[i]);
    }
    *out = abouts;
    return rc;
}

static void free_abouts(struct about *abouts, size_t n)
{
    for (size_t i = 0; abouts && i < n; i++) {
        about_release(&abouts[i]);
    }
    free(abouts);
}

static int make_page(struct html *h, const char *dir, struct corpus *c, const struct about *abouts,
                     const struct report_options *options)
{
    struct survey survey = {0};
    struct album album;
    struct report_input in = {.options = options, .corpus = c, .abouts = abouts, .album = &album};
    album_init(&album, c, abouts);
    int rc = survey_corpus(c, abouts, dir, &survey);
    rc = rc ? rc : choose_media(&in);
    if (rc == 0) {
        choose_pairs(&in);
        rc = put_page(h, dir, &in, &survey);
    }
    album_release(&album);
    survey_release(&survey);
    return rc;
}

int report_make(const char *corpus, const struct report_options *options, struct buf *page)
{
    if (options->pairs < 1 || options->pairs > REPORT_PAIRS_MAX) {
        return err_set(E_ARG, "a report shows 1 to %d pairs, not %u", REPORT_PAIRS_MAX,
                       options->pairs);
    }
    struct corpus *c = NULL;
    struct about *abouts = NULL;
    struct html h;
    html_init(&h, REPORT_PAGE_MAX);
    int rc = corpus_open(corpus, CORPUS_TRUST_DIGESTS, &c);
    if (rc == 0) {
        rc = load_abouts(c, &abouts);
        rc = rc ? rc : make_page(&h, corpus, c, abouts, options);
        free_abouts(abouts, corpus_catalog(c)->n);
    }
    rc = rc ? rc : buf_append(page, h.out.p, h.out.n);
    corpus_close(c);
    html_release(&h);
    return rc;
}

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/broker.h"
#include "common/file.h"
#include "ops/report_internal.h"
#include "shards/open_shard.h"
#include "tests/unit/corpora.h"
#include "tests/unit/records.h"
#include "tests/unit/tempdir.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text())

/* What has been written, as a C string; freed with the page. */
static const char *text_of(struct html *h)
{
    OK(h->rc);
    OK(buf_terminate(&h->out));
    return (const char *)h->out.p;
}

static void expect_has(const char *page, const char *what)
{
    cr_assert_not_null(strstr(page, what), "\"%s\" is not in\n%.4000s", what, page);
}

static void expect_lacks(const char *page, const char *what)
{
    const char *at = strstr(page, what);
    cr_assert_null(at, "\"%s\" is there: %.300s", what, at);
}

static unsigned count_of(const char *page, const char *what)
{
    unsigned n = 0;
    for (const char *p = page; (p = strstr(p, what)) != NULL; p += strlen(what)) {
        n++;
    }
    return n;
}

/* ---- text ---- */

Test(html, escapes_what_would_end_a_tag_or_an_attribute)
{
    struct html h;
    html_init(&h, 1 << 16);
    html_str(&h, "a<b>&\"'c");
    cr_assert_str_eq(text_of(&h), "a&lt;b&gt;&amp;&quot;&#39;c");
    html_release(&h);
}

Test(html, replaces_what_no_page_may_hold)
{
    struct html h;
    html_init(&h, 1 << 16);
    /* a bad byte, an overlong "<", a NUL, an escape, a right-to-left override, U+FFFE */
    const char bad[] = "a\xff"
                       "b\xc0\xbc"
                       "c\0d\x1b"
                       "e\xe2\x80\xae"
                       "f\xef\xbf\xbe"
                       "g\tü";
    html_text(&h, view_of(bad, sizeof bad - 1));
    const char *r = "\xef\xbf\xbd";
    char expected[64];
    snprintf(expected, sizeof expected, "a%sb%s%sc%sd%se%sf%sg\tü", r, r, r, r, r, r, r);
    cr_assert_str_eq(text_of(&h), expected);
    html_release(&h);
}

Test(html, cuts_between_characters)
{
    struct html h;
    html_init(&h, 1 << 16);
    html_text_cut(&h, view_str("aüb"), 2);
    html_put(&h, "|");
    html_text_cut(&h, view_str("aüb"), 4);
    cr_assert_str_eq(text_of(&h), "a…|aüb");
    html_release(&h);
}

Test(html, writes_numbers_sizes_and_shell_words_for_people)
{
    struct html h;
    html_init(&h, 1 << 16);
    html_count(&h, 999);
    html_put(&h, " ");
    html_count(&h, 1234567);
    html_put(&h, " ");
    html_bytes(&h, 999);
    html_put(&h, " ");
    html_bytes(&h, 999999);
    html_put(&h, " ");
    html_shell_word(&h, "/data/a.b-c");
    html_put(&h, " ");
    html_shell_word(&h, "it's; rm <x>");
    cr_assert_str_eq(text_of(&h), "999 1,234,567 999 bytes 1.0 MB /data/a.b-c "
                                  "&#39;it&#39;\\&#39;&#39;s; rm &lt;x&gt;&#39;");
    html_release(&h);
}

Test(html, remembers_that_the_page_grew_too_big)
{
    struct html h;
    html_init(&h, 8);
    html_put(&h, "1234");
    html_put(&h, "56789");
    html_put(&h, "x");
    cr_assert_eq(h.rc, E_TOO_BIG);
    cr_assert_eq(h.out.n, 4);
    html_release(&h);
}

/* ---- captions ---- */

static struct scene_graph graph_of(const struct graph_node *nodes, uint32_t n,
                                   const struct graph_edge *edges, uint32_t m, struct view labels)
{
    return (struct scene_graph){n, nodes, m, edges, labels};
}

Test(report_caption, marks_the_narrowest_node_at_each_byte_and_no_implicit_one)
{
    /*                   0123456789012345678 */
    const char *text = "a dark red ball < b";
    const struct graph_node nodes[] = {
        {GRAPH_OBJECT, 0, 2, 15, 0},    /* dark red ball */
        {GRAPH_ATTRIBUTE, 0, 2, 10, 5}, /* dark red */
        {GRAPH_ATTRIBUTE, 0, 7, 10, 5}, /* red */
        {GRAPH_ATTRIBUTE, 0, 7, 10, 9}, /* red once more: the first is shown */
        {GRAPH_RELATION, 1, 16, 17, 9}, /* implicit */
        {GRAPH_RELATION, 0, 18, 18, 9}, /* empty */
        {GRAPH_OBJECT, 0, 18, 19, 11},
    };
    const struct scene_graph g = graph_of(nodes, 7, NULL, 0, view_of("ball\0red\0\"\0<\0", 13));
    struct html h;
    html_init(&h, 1 << 16);
    report_caption(&h, view_str(text), &g);
    cr_assert_str_eq(text_of(&h),
                     "<p class=\"caption\"><bdi>a "
                     "<mark class=\"att\" title=\"attribute: red\">dark </mark>"
                     "<mark class=\"att\" title=\"attribute: red\">red</mark>"
                     "<mark class=\"obj\" title=\"object: ball\"> ball</mark> &lt; "
                     "<mark class=\"obj\" title=\"object: &lt;\">b</mark></bdi></p>\n");
    html_release(&h);
}

Test(report_caption, never_cuts_a_character_in_two)
{
    const struct graph_node nodes[] = {{GRAPH_OBJECT, 0, 2, 4, 0}}; /* from inside the ü */
    const struct scene_graph g = graph_of(nodes, 1, NULL, 0, view_of("b\0", 2));
    struct html h;
    html_init(&h, 1 << 16);
    report_caption(&h, view_str("aübc"), &g);
    cr_assert_str_eq(text_of(&h), "<p class=\"caption\"><bdi>aü<mark class=\"obj\" title=\"object: "
                                  "b\">b</mark>c</bdi></p>\n");
    html_release(&h);
}

Test(report_caption, cuts_a_page_long_text)
{
    char *text = calloc(1, 100001);
    cr_assert_not_null(text);
    memset(text, 'x', 100000);
    const struct graph_node nodes[] = {{GRAPH_OBJECT, 0, 10, 99999, 0}};
    const struct scene_graph g = graph_of(nodes, 1, NULL, 0, view_of("b\0", 2));
    struct html h;
    html_init(&h, 1 << 16);
    report_caption(&h, view_str(text), &g);
    expect_has(text_of(&h), "…</bdi></p>");
    cr_assert_lt(h.out.n, 2000);
    html_release(&h);
    free(text);
}

Test(report_graph, names_every_object_once_and_ends_in_a_cycle)
{
    static const char labels[] = "man\0dog\0see\0old\0<hat>";
    const struct graph_node nodes[] = {
        {GRAPH_OBJECT, 0, 0, 1, 0},   {GRAPH_OBJECT, 0, 0, 1, 4},     {GRAPH_RELATION, 0, 0, 1, 8},
        {GRAPH_RELATION, 1, 0, 0, 8}, {GRAPH_ATTRIBUTE, 0, 0, 1, 12}, {GRAPH_OBJECT, 0, 0, 1, 16},
    };
    const struct graph_edge edges[] = {{2, 0, 1}, {3, 1, 0}, {4, 0, GRAPH_NONE}};
    const struct scene_graph g = graph_of(nodes, 6, edges, 3, view_of(labels, sizeof labels));
    struct html h;
    html_init(&h, 1 << 16);
    report_graph(&h, &g);
    const char *page = text_of(&h);
    expect_has(page, "<span class=\"obj\">man</span> <span class=\"att\">old</span><ul>");
    expect_has(page, "<span class=\"rel\">see</span> <span class=\"arrow\">→</span> "
                     "<span class=\"obj\">dog</span><ul>");
    expect_has(page, "<span class=\"rel implicit\">see</span> <span class=\"arrow\">→</span> "
                     "<span class=\"obj again\">man</span></li>");
    expect_has(page, "<span class=\"obj\">&lt;hat&gt;</span>");
    cr_assert_eq(count_of(page, "<span class=\"obj\">"), 3);
    html_release(&h);
}

/* ---- pictures ---- */

Test(report_picture, knows_jpeg_and_png_by_their_first_bytes)
{
    cr_assert_str_eq(picture_type(view_of("\xff\xd8\xff\xe0", 4)), "image/jpeg");
    cr_assert_str_eq(picture_type(view_of("\x89PNG\r\n\x1a\nx", 9)), "image/png");
    cr_assert_null(picture_type(view_str("<svg onload=x>")));
    cr_assert_null(picture_type(view_of("\xff\xd8", 2)));
    cr_assert_null(picture_type(view_of(NULL, 0)));
}

static struct visual_record visual_of(const float *boxes, const float *conf, uint32_t n)
{
    static const uint16_t ids[64];
    return (struct visual_record){.width = 200,
                                  .height = 100,
                                  .n = n,
                                  .boxes = boxes,
                                  .conf = conf,
                                  .object_id = ids,
                                  .object_conf = conf};
}

Test(report_picture, draws_the_most_confident_regions_and_each_thing_once)
{
    static const uint16_t objects[] = {1, 2, 3, 4, 5, 3};
    const float boxes[][4] = {{0, 0, 10, 10},   {50, 50, 91, 90}, {50, 50, 90, 90},
                              {20, 20, 40, 40}, {5, 60, 9, 80},   {60, 60, 80, 95}};
    const float conf[] = {0.3f, 0.5f, 0.9f, 0.05f, 0.04f, 0.8f};
    struct visual_record v = visual_of(&boxes[0][0], conf, 6);
    v.object_id = objects;
    uint32_t index[10];
    /* 1 coincides with 2 and 5 is a part of it; of the unlikely ones one is drawn, to make three */
    cr_assert_eq(picture_choose(&v, index, 10), 3);
    cr_assert_eq(index[0], 2);
    cr_assert_eq(index[1], 0);
    cr_assert_eq(index[2], 3);
    cr_assert_eq(picture_choose(&v, index, 1), 1);
}

/* Labels lie inside the picture and on no other label, however crowded it is. */
Test(report_picture, keeps_labels_inside_and_apart)
{
    float boxes[4 * 40];
    float conf[40];
    for (uint32_t i = 0; i < 40; i++) {
        const float x = (float)(i * 37 % 190);
        const float y = (float)(i * 53 % 90);
        const float box[4] = {x, y, x + 10, y + 10};
        memcpy(boxes + 4 * (size_t)i, box, sizeof box);
        conf[i] = 0.9f - 0.01f * (float)i;
    }
    const struct about about = {0};
    const struct visual_record v = visual_of(boxes, conf, 40);
    const struct picture p = {.visual = &v, .about = &about, .missing = "gone <b>", .alt = "\"x\""};
    struct html h;
    html_init(&h, 1 << 20);
    report_named_picture(&h, &p);
    const char *page = text_of(&h);
    expect_has(page, "aria-label=\"&quot;x&quot;\"");
    expect_has(page, "<figcaption>gone &lt;b&gt;</figcaption>");
    float chips[40][4];
    int n = 0;
    for (const char *at = page; (at = strstr(at, "<rect ")) != NULL; at++) {
        float c[4];
        char end[9];
        if (sscanf(at, "<rect x=\"%f\" y=\"%f\" width=\"%f\" height=\"%f\" rx=%8s", &c[0], &c[1],
                   &c[2], &c[3], end) != 5) {
            continue;
        }
        cr_assert(c[0] >= 0 && c[1] >= 0 && c[0] + c[2] <= 520.1f && c[1] + c[3] <= 260.1f);
        for (int k = 0; k < n; k++) {
            cr_assert(
                c[0] >= chips[k][0] + chips[k][2] - 0.2f || chips[k][0] >= c[0] + c[2] - 0.2f ||
                    c[1] >= chips[k][1] + chips[k][3] - 0.2f || chips[k][1] >= c[1] + c[3] - 0.2f,
                "labels %d and %d overlap", k, n);
        }
        memcpy(chips[n++], c, sizeof c);
    }
    cr_assert_eq(n, 10);
    html_release(&h);
}

/* ---- whole pages ---- */

static const struct report_options options = {.recipe = "uniter", .seed = 3, .pairs = 4};

static const char *page_with(const char *dir, const struct report_options *o, struct buf *page)
{
    buf_init(page, REPORT_PAGE_MAX);
    OK(report_make(dir, o, page));
    OK(buf_terminate(page));
    return (const char *)page->p;
}

static const char *page_of(const char *dir, struct buf *page)
{
    return page_with(dir, &options, page);
}

static void expect_whole(const char *page)
{
    static const char *const tags[] = {"article", "section", "figure", "svg",  "table", "ul",  "p",
                                       "div",     "details", "mark",   "main", "body",  "html"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        char open[16];
        char attributed[16];
        char close[16];
        snprintf(open, sizeof open, "<%s>", tags[i]);
        snprintf(attributed, sizeof attributed, "<%s ", tags[i]);
        snprintf(close, sizeof close, "</%s>", tags[i]);
        cr_assert_eq(count_of(page, open) + count_of(page, attributed), count_of(page, close), "%s",
                     close);
    }
    expect_lacks(page, "<script");
    expect_lacks(page, "http://");
    expect_lacks(page, "https://");
}

Test(report, shows_a_corpus_whose_pictures_are_gone)
{
    char dir[TEMPDIR_MAX];
    struct buf page;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){6, 3, 2, 12, 16, 1});
    const char *p = page_of(dir, &page);
    expect_whole(p);
    cr_assert_eq(count_of(p, "<article class=\"pair\">"), 4);
    cr_assert_geq(count_of(p, "The picture is not shown: cannot open /images/"), 4);
    cr_assert_eq(count_of(p, "<article class=\"sample\">"), 4); /* itm, mlm, mrfr, mrckl */
    expect_has(p, "<dt>pairs</dt><dd>18</dd>");
    expect_has(p, "<dt>images</dt><dd>6</dd>");
    expect_has(p, "<dt>regions</dt><dd>72</dd>");
    expect_lacks(p, "quarantined</dt>"); /* there is no queue to ask */
    buf_release(&page);
    tempdir_remove(dir);
}

Test(report, is_the_same_for_the_same_corpus)
{
    char dir[TEMPDIR_MAX];
    struct buf a;
    struct buf b;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){6, 3, 2, 12, 16, 0});
    page_of(dir, &a);
    page_of(dir, &b);
    cr_assert(view_equal(buf_view(&a), buf_view(&b)));
    buf_release(&a);
    buf_release(&b);
    tempdir_remove(dir);
}

Test(report, shows_an_empty_corpus)
{
    char dir[TEMPDIR_MAX];
    struct catalog c;
    struct buf page;
    tempdir_make(dir);
    OK(catalog_init(&c, "nothing <yet>"));
    OK(catalog_save(&c, dir));
    catalog_release(&c);
    const char *p = page_of(dir, &page);
    expect_whole(p);
    expect_has(p, "<title>nothing &lt;yet&gt;: a pairmill corpus</title>");
    expect_has(p, "There are none yet.");
    expect_has(p, "<dt>pairs</dt><dd>0</dd>");
    buf_release(&page);
    tempdir_remove(dir);
}

/* A corpus of one pair whose text, names and picture are given. */
static void make_hostile(const char *dir, const char *about, const struct made_visual *v,
                         struct made_pair *p, const char *text)
{
    char shards[TEMPDIR_MAX + 16];
    struct open_shard *s = NULL;
    struct shard_manifest m;
    struct catalog c;
    const struct staged_mark mark = {.medium = v->r.medium, .token = 1};
    p->r.medium = v->r.medium;
    p->r.text = view_str(text);
    snprintf(shards, sizeof shards, "%s/shards", dir);
    OK(open_shard_create(shards, 1, about, &s));
    OK(open_shard_put(s, &mark, &v->r, &p->r, 1));
    OK(open_shard_seal(s, &m));
    open_shard_close(s);
    OK(catalog_init(&c, "hostile"));
    OK(catalog_add(&c, "shards/000001.mdb", &m));
    OK(catalog_save(&c, dir));
    catalog_release(&c);
}

#define EVIL "<script>alert('1')</script>"

static const char evil_about[] =
    "{\"detector\": \"" EVIL "\", \"object_names\": [\"" EVIL "\", \"" EVIL "\", \"" EVIL "\"],"
    " \"attribute_names\": [\"\\\" onload=\\\"x\"], \"tokenizer\": \"" EVIL "\","
    " \"wordpiece\": {\"size\": 2000, \"pad\": 0, \"unk\": 100, \"cls\": 101, \"sep\": 102,"
    " \"mask\": 103, \"random_first\": 110, \"random_end\": 2000}}";

Test(report, escapes_captions_names_and_paths_and_embeds_the_true_picture)
{
    static const char jpeg[] = "\xff\xd8\xff\xe0 not really";
    char dir[TEMPDIR_MAX];
    char path[TEMPDIR_MAX + 32];
    char locator[TEMPDIR_MAX + 40];
    char text[400];
    struct buf page;
    tempdir_make(dir);
    snprintf(path, sizeof path, "%s/<img src=x>.jpg", dir);
    snprintf(locator, sizeof locator, "path:%s", path);
    snprintf(text, sizeof text, "%-399s", "</bdi>" EVIL "\" onload=\"x & <b>");
    struct made_visual v = make_visual(1, 12, 16, FEATURE_F16);
    struct made_pair p = make_pair(1, 1);
    v.r.medium = id_of_medium(view_of(jpeg, sizeof jpeg));
    v.r.locator = view_str(locator);
    make_hostile(dir, evil_about, &v, &p, text);
    OK(file_write_atomic(path, view_of(jpeg, sizeof jpeg)));
    const char *shown = page_of(dir, &page);
    expect_whole(shown);
    expect_has(shown, "&lt;script&gt;alert(&#39;1&#39;)");
    expect_lacks(shown, "\" onload=\"");
    expect_lacks(shown, "<img");
    cr_assert_eq(count_of(shown, "data:image/jpeg;base64,/9j/4CBub3QgcmVhbGx5AA=="), 1);
    cr_assert_geq(count_of(shown, "<use href=\"#m0\"/>"), 1);
    buf_release(&page);

    OK(file_write_atomic(path, view_of(jpeg, sizeof jpeg - 1)));
    const char *changed = page_of(dir, &page);
    expect_whole(changed);
    expect_lacks(changed, "data:image/jpeg;base64");
    expect_has(changed, "is not the file it was when the corpus was built");
    expect_lacks(changed, "<img");
    buf_release(&page);
    free_visual(&v);
    free_pair(&p);
    tempdir_remove(dir);
}

Test(report, tells_the_account_and_why_pairs_are_in_quarantine)
{
    char dir[TEMPDIR_MAX];
    char path[TEMPDIR_MAX + 16];
    struct buf page;
    struct queue *q = NULL;
    const struct queue_options queue_options = queue_default_options();
    enum ingest_result result;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){2, 1, 1, 3, 16, 0});
    snprintf(path, sizeof path, "%s/%s", dir, QUEUE_FILE);
    OK(queue_open(path, &queue_options, &q));
    const struct queue_item item = {.source = view_str("s"),
                                    .key = view_str("k"),
                                    .medium = id_of_locator(view_str("path:/a")),
                                    .locator = view_str("path:/a"),
                                    .text = view_str("a cat"),
                                    .blob = view_str("b"),
                                    .problem = E_NO_FILE,
                                    .detail = view_str("cannot open /a<b>: no such file")};
    OK(queue_ingest(q, &item, &result));
    cr_assert_eq(result, INGEST_QUARANTINED);
    OK(queue_commit(q));
    queue_close(q);
    const char *p = page_of(dir, &page);
    expect_whole(p);
    expect_has(p, "<b>1</b> ingested = <span>0</span> pending");
    expect_has(p, "<b>1</b> quarantined. The account adds up");
    expect_has(p, "<code>E_NO_FILE</code>");
    expect_has(p, "cannot open /a&lt;b&gt;: no such file");
    buf_release(&page);
    tempdir_remove(dir);
}

/* Of each text's graph an object and an attribute can be masked. */
Test(report, shows_a_joint_sample_with_what_each_word_is_masked_for)
{
    char dir[TEMPDIR_MAX];
    struct buf page;
    const struct report_options o = {.recipe = "ernievil", .seed = 4, .pairs = 4};
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){6, 3, 2, 12, 16, 1});
    const char *p = page_with(dir, &o, &page);
    expect_whole(p);
    cr_assert_eq(count_of(p, "<article class=\"sample\">"), 1);
    expect_has(p, "Scene graph prediction");
    expect_has(p, " for mlm; label <b>");
    cr_assert(strstr(p, " for object; label") || strstr(p, " for attribute; label"));
    expect_has(p, "Asked for, region by region:");
    expect_has(p, "Asked for: match <b>");
    expect_has(p, "<code>image_loc</code> float32 (12, 5)");
    buf_release(&page);
    tempdir_remove(dir);
}

Test(report, refuses_an_unknown_recipe_and_another_vocabulary)
{
    char dir[TEMPDIR_MAX];
    char path[TEMPDIR_MAX + 16];
    struct buf page;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){2, 1, 1, 3, 16, 0});
    buf_init(&page, REPORT_PAGE_MAX);
    struct report_options o = {.recipe = "none", .pairs = 2};
    cr_assert_eq(report_make(dir, &o, &page), E_ARG);
    expect_has(err_text(), "none");
    snprintf(path, sizeof path, "%s/vocab.txt", dir);
    OK(file_write_atomic(path, view_str("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n!\n")));
    o = (struct report_options){.recipe = "uniter", .pairs = 2, .vocabulary = path};
    cr_assert_eq(report_make(dir, &o, &page), E_ARG);
    expect_has(err_text(), "is not the vocabulary of this corpus");
    o = (struct report_options){.recipe = "uniter", .pairs = 101};
    cr_assert_eq(report_make(dir, &o, &page), E_ARG);
    cr_assert_eq(page.n, 0);
    buf_release(&page);
    tempdir_remove(dir);
}

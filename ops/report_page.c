/* What stands around the pairs: the head, the tables and the foot of the page. */
#include <stdio.h>

#include "ops/report_internal.h"

/* The style sheet, ops/report.css, as the linker keeps it. */
__asm__(".pushsection .rodata\n"
        ".hidden report_css_begin\n"
        ".hidden report_css_end\n"
        ".globl report_css_begin\n"
        ".globl report_css_end\n"
        "report_css_begin: .incbin \"ops/report.css\"\n"
        "report_css_end: .byte 0\n"
        ".popsection\n");
extern const char report_css_begin[];

/* ---- the head ---- */

static void put_figure(struct html *h, uint64_t n, const char *what)
{
    html_put(h, "<div><dt>");
    html_put(h, what);
    html_put(h, "</dt><dd>");
    html_count(h, n);
    html_put(h, "</dd></div>");
}

static void put_figures(struct html *h, const struct report_page *p)
{
    const struct survey *s = p->survey;
    html_put(h, "<dl class=\"figures\">");
    put_figure(h, s->pairs, "pairs");
    put_figure(h, s->media, "images");
    put_figure(h, s->regions, "regions");
    if (s->queue.sight == QUEUE_READ) {
        put_figure(h, s->queue.counts.pairs[PAIR_QUARANTINED], "quarantined");
    }
    put_figure(h, p->catalog->n, p->catalog->n == 1 ? "shard" : "shards");
    html_put(h, "<div><dt>on disk</dt><dd>");
    html_bytes(h, s->bytes);
    html_put(h, "</dd></div></dl>\n");
}

static void put_identity(struct html *h, const struct queue_counts *c, bool holds)
{
    html_put(h, "<p class=\"identity\"><b>");
    html_count(h, c->ingested);
    html_put(h, "</b> ingested");
    for (int s = 0; s < PAIR_STATES; s++) {
        html_put(h, c->pairs[s] ? s ? " + <b>" : " = <b>" : s ? " + <span>" : " = <span>");
        html_count(h, c->pairs[s]);
        html_put(h, c->pairs[s] ? "</b> " : "</span> ");
        html_put(h, pair_state_name((enum pair_state)s));
    }
    html_put(h, holds ? ". The account adds up: every pair that came in is somewhere, with a "
                        "reason.</p>\n"
                      : ". <strong>The account does not add up</strong>: the queue's file is "
                        "damaged.</p>\n");
}

static void put_queue(struct html *h, const struct report_page *p)
{
    const struct queue_facts *q = &p->survey->queue;
    switch (q->sight) {
    case QUEUE_READ: put_identity(h, &q->counts, q->identity); break;
    case QUEUE_HELD:
        html_put(h, "<p class=\"quiet\">A broker is at work on this corpus; <code>pairmill status "
                    "");
        html_shell_word(h, p->dir);
        html_put(h, "</code> tells how far it is.</p>\n");
        break;
    case QUEUE_UNREADABLE:
        html_put(h, "<p class=\"quiet\">The queue could not be read: ");
        html_str(h, q->why);
        html_put(h, "</p>\n");
        break;
    case QUEUE_ABSENT: break;
    }
}

/* ---- the flow ---- */

enum { STATIONS = 6, STATION_WIDTH = 132, STATION_HEIGHT = 46, STEP_ACROSS = 166, STEP_DOWN = 112 };

static const struct {
    const char *name;
    const char *what; /* in two lines */
    const char *more;
} stations[STATIONS] = {
    {"pairs", "image + caption,", "as they were found"},
    {"broker", "durable queue;", "nothing gets lost"},
    {"workers", "regions, features,", "scene graph, tokens"},
    {"shards", "records, checked", "to the last byte"},
    {"feed", "order and masks,", "drawn by a seed"},
    {"trainer", "ready batches,", "numpy or torch"},
};

static void put_station(struct html *h, int i, int columns)
{
    const int x = i % columns * STEP_ACROSS + 1;
    const int y = i / columns * STEP_DOWN + 1;
    const int middle = x + STATION_WIDTH / 2;
    if (i) { /* the way from the station before, or from the end of the row above */
        html_printf(h, "<path d=\"M%d %dh%d\" class=\"way\"/>", x - STEP_ACROSS + STATION_WIDTH + 3,
                    y + STATION_HEIGHT / 2, STEP_ACROSS - STATION_WIDTH - 8);
    }
    html_printf(h,
                "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\"/>"
                "<text x=\"%d\" y=\"%d\" class=\"name\">%s</text>",
                x, y, STATION_WIDTH, STATION_HEIGHT, middle, y + 28, stations[i].name);
    html_printf(h,
                "<text x=\"%d\" y=\"%d\" class=\"what\">%s</text>"
                "<text x=\"%d\" y=\"%d\" class=\"what\">%s</text>",
                middle, y + 67, stations[i].what, middle, y + 85, stations[i].more);
}

/* In rows of `columns`; the style sheet shows one drawing in wide and one in narrow windows. */
static void put_flow(struct html *h, int columns, const char *class)
{
    const int rows = STATIONS / columns;
    const int left = rows > 1 ? STEP_ACROSS - STATION_WIDTH : 0; /* for the way to a next row */
    html_printf(
        h,
        "<svg class=\"flow %s\" viewBox=\"%d 0 %d %d\" role=\"img\" aria-label=\"Pairs go to "
        "the broker, which leases them to workers; workers write shards; a feed streams "
        "the shards to the trainer.\">",
        class, -left, left + columns * STEP_ACROSS - STEP_ACROSS + STATION_WIDTH + 2,
        rows * STEP_DOWN - 20);
    html_printf(h,
                "<defs><marker id=\"tip-%s\" viewBox=\"0 0 8 8\" refX=\"6\" refY=\"4\" "
                "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/>"
                "</marker></defs>",
                class);
    for (int i = 0; i < STATIONS; i++) {
        put_station(h, i, columns);
    }
    html_put(h, "</svg>\n");
}

static void put_plural(struct html *h, uint64_t n, const char *one, const char *many)
{
    html_count(h, n);
    html_put(h, " ");
    html_put(h, n == 1 ? one : many);
}

static void put_summary(struct html *h, const struct report_page *p)
{
    const struct survey *s = p->survey;
    html_put(h, "<p class=\"lead\">This corpus holds ");
    put_plural(h, s->pairs, "caption", "captions");
    html_put(h, " of ");
    put_plural(h, s->media, "image", "images");
    if (p->source.n) {
        html_put(h, ", taken from <code>");
        html_text_cut(h, p->source, 200);
        html_put(h, "</code>");
    }
    html_put(h,
             ", ready to pretrain a vision-language model. Pairmill ran every image once through "
             "an object detector, turned every caption into sub-tokens and a scene graph, packed "
             "all of it into ");
    put_plural(h, p->catalog->n, "shard", "shards");
    html_put(h, ", and can now stream freshly masked samples to any number of trainers.</p>\n");
}

void report_begin(struct html *h, const struct report_page *p)
{
    html_put(h,
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<meta name=\"color-scheme\" content=\"light dark\">\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src "
             "data:; style-src 'unsafe-inline'\">\n<title>");
    html_str(h, p->catalog->corpus);
    html_put(h, ": a pairmill corpus</title>\n<style>\n");
    html_put(h, report_css_begin);
    html_put(h, "</style>\n</head>\n<body>\n<header>\n<p class=\"brand\">pairmill</p>\n<h1>The "
                "corpus <span>");
    html_str(h, p->catalog->corpus);
    html_put(h, "</span></h1>\n");
    put_summary(h, p);
    put_figures(h, p);
    put_flow(h, STATIONS, "wide");
    put_flow(h, STATIONS / 2, "narrow");
    put_queue(h, p);
    html_put(h, "</header>\n<main>\n");
}

/* ---- tables ---- */

static void put_shards(struct html *h, const struct catalog *c)
{
    html_put(h, "<section>\n<h2>Shards</h2>\n<p>Each is one read-only file of records. Its digest "
                "stands in the catalog, and <code>pairmill verify</code> recomputes it.</p>\n"
                "<div class=\"wide\"><table><thead><tr><th scope=\"col\">shard</th>"
                "<th scope=\"col\">pairs</th><th scope=\"col\">images</th><th scope=\"col\">size"
                "</th><th scope=\"col\">BLAKE2b</th></tr></thead><tbody>");
    for (size_t i = 0; i < c->n; i++) {
        const struct shard_manifest *m = &c->shards[i].manifest;
        char hex[ID_HEX];
        id_to_hex(&m->file_digest, hex);
        html_printf(h, "<tr><th scope=\"row\">%u</th><td>", m->number);
        html_count(h, m->pairs);
        html_put(h, "</td><td>");
        html_count(h, m->media);
        html_put(h, "</td><td>");
        html_bytes(h, m->bytes);
        html_printf(h, "</td><td><code>%.16s…</code></td></tr>\n", hex);
    }
    html_put(h, "</tbody></table></div>\n</section>\n");
}

static void put_histogram(struct html *h, const struct histogram *g, const char *title,
                          const char *column)
{
    if (g->n == 0) {
        return;
    }
    html_printf(h,
                "<div><h3>%s</h3>\n<table class=\"bars\"><thead><tr><th scope=\"col\">%s</th>"
                "<th scope=\"col\">regions</th></tr></thead><tbody>",
                title, column);
    for (uint32_t i = 0; i < g->n; i++) {
        html_put(h, "<tr><th scope=\"row\">");
        html_text_cut(h, view_str(g->name[i]), 60);
        html_printf(h, "</th><td><span class=\"bar\" style=\"width:%.1f%%\"></span><span>",
                    70.0 * (double)g->count[i] / (double)g->count[0]);
        html_count(h, g->count[i]);
        html_put(h, "</span></td></tr>\n");
    }
    html_put(h, "</tbody></table>");
    if (g->kinds > g->n) {
        html_put(h, "<p class=\"quiet\">and ");
        html_count(h, g->kinds - g->n);
        html_put(h, " more kinds</p>");
    }
    html_put(h, "</div>\n");
}

static void put_histograms(struct html *h, const struct survey *s)
{
    if (s->objects.n == 0) {
        return;
    }
    html_put(h,
             "<section>\n<h2>What the detector saw</h2>\n<p>Regions with a confidence above 0.2");
    if (s->sampled < s->media) {
        html_put(h, " of a sample of ");
        html_count(h, s->sampled);
        html_put(h, " images");
    }
    html_put(h, ", by the best of their classes; attributes where they are at least 0.3 likely."
                "</p>\n<div class=\"two\">\n");
    put_histogram(h, &s->objects, "Objects", "object");
    put_histogram(h, &s->attributes, "Attributes", "attribute");
    html_put(h, "</div>\n</section>\n");
}

static void put_quarantine(struct html *h, const struct queue_facts *q)
{
    if (q->sight != QUEUE_READ) {
        return;
    }
    html_put(h, "<section>\n<h2>Quarantine</h2>\n");
    if (q->counts.pairs[PAIR_QUARANTINED] == 0) {
        html_put(h, "<p>Empty: every pair could be ground. A damaged image or an unusable caption "
                    "would wait here with its reason; nothing is skipped silently.</p>\n"
                    "</section>\n");
        return;
    }
    html_put(h,
             "<p>These pairs could not be ground. They are kept, with the reason, until somebody "
             "mends or drops them.</p>\n<div class=\"wide\"><table class=\"reasons\"><thead><tr>"
             "<th scope=\"col\">reason</th><th scope=\"col\">pairs</th><th scope=\"col\">for "
             "example</th></tr></thead><tbody>");
    for (int i = 0; i < REASONS_MAX; i++) {
        if (q->reason[i].pairs == 0) {
            continue;
        }
        html_put(h, "<tr><th scope=\"row\"><code>");
        html_put(h, err_name(-i));
        html_put(h, "</code><br>");
        html_put(h, err_meaning(-i));
        html_put(h, "</th><td>");
        html_count(h, q->reason[i].pairs);
        html_put(h, "</td><td>");
        html_str(h, q->reason[i].example);
        html_put(h, "</td></tr>\n");
    }
    html_put(h, "</tbody></table></div>\n</section>\n");
}

void report_tables(struct html *h, const struct report_page *p)
{
    put_histograms(h, p->survey);
    put_shards(h, p->catalog);
    put_quarantine(h, &p->survey->queue);
}

/* ---- the foot ---- */

static void put_command(struct html *h, const struct report_page *p, const char *before,
                        const char *after, const char *comment)
{
    html_put(h, before);
    html_put(h, " ");
    html_shell_word(h, p->dir);
    html_put(h, after);
    html_put(h, "  <i># ");
    html_put(h, comment);
    html_put(h, "</i>\n");
}

static void put_commands(struct html *h, const struct report_page *p)
{
    html_put(h, "<pre>");
    put_command(h, p, "pairmill verify", "", "read every byte and check it");
    put_command(h, p, "pairmill inspect", " 0", "one pair: its text, graph and regions");
    put_command(h, p, "pairmill status", "", "what became of every pair");
    put_command(h, p, "pairmill feed", " --bind tcp://127.0.0.1:7400", "serve it to trainers");
    html_put(h, "</pre>\n<pre>import pairmill\n\nwith pairmill.Feed(\"tcp://127.0.0.1:7400\", "
                "recipe=\"");
    html_str(h, p->options->recipe);
    html_printf(h,
                "\", seed=%llu, epoch=0, batch_size=64) as feed:\n    for batch in feed:\n"
                "        print(batch.task, {name: a.shape for name, a in batch.items()})\n"
                "</pre>\n",
                (unsigned long long)p->options->seed);
    html_put(h,
             "<p class=\"quiet\">With this batch size, and the epochs named above, these are the "
             "very samples shown.</p>\n");
}

void report_end(struct html *h, const struct report_page *p)
{
    html_put(h, "</main>\n<footer>\n<h2>Go on from here</h2>\n");
    put_commands(h, p);
    html_put(h, "<dl class=\"made\"><dt>detector</dt><dd><code>");
    html_str(h, p->detector[0] ? p->detector : "not told");
    html_put(h, "</code></dd><dt>tokenizer</dt><dd><code>");
    html_str(h, p->tokenizer[0] ? p->tokenizer : "not told");
    html_put(h, "</code></dd><dt>this page</dt><dd><code>pairmill report ");
    html_shell_word(h, p->dir);
    html_printf(h, " -o report.html --pairs %u --recipe ", p->options->pairs);
    html_shell_word(h, p->options->recipe);
    html_printf(h, " --seed %llu</code></dd></dl>\n</footer>\n</body>\n</html>\n",
                (unsigned long long)p->options->seed);
}

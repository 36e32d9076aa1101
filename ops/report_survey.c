/* The figures of a report: counted over the corpus and its queue. */
#include <stdlib.h>

#include "common/progress.h"
#include "ops/corpus_queue.h"
#include "ops/report_internal.h"

/* ---- histograms ---- */

/* Names are counted, not ids: shards of another model number theirs otherwise. */
static int count_name(struct histogram *g, const char *name, const char *kind, uint32_t id)
{
    char number[32];
    snprintf(number, sizeof number, "%s %u", kind, id);
    const char *key = name ? name : number;
    json_t *old = json_object_get(g->counts, key);
    g->total++;
    if (old) {
        return json_integer_set(old, json_integer_value(old) + 1);
    }
    g->kinds++;
    return json_object_set_new(g->counts, key, json_integer(1));
}

static int count_regions(struct survey *s, const struct visual_record *v, const struct about *about)
{
    int bad = 0;
    for (uint32_t i = 0; i < v->n && !bad; i++) {
        if (v->conf[i] <= REGION_CONFIDENT) {
            continue;
        }
        const uint32_t object = v->object_id[i];
        bad = count_name(&s->objects, about_object_name(about, object), "object", object);
        if (!bad && v->attr_id && v->attr_conf[i] >= ATTRIBUTE_LIKELY) {
            const uint32_t a = v->attr_id[i];
            bad = count_name(&s->attributes, about_attribute_name(about, a), "attribute", a);
        }
    }
    return bad ? err_set(E_NOMEM, "no memory to count the names of regions") : 0;
}

/* Of equal counts the name that comes first in the alphabet leads. */
static bool leads(const struct histogram *g, uint32_t at, uint64_t count, const char *name)
{
    return count > g->count[at] || (count == g->count[at] && strcmp(name, g->name[at]) < 0);
}

static void take_top(struct histogram *g)
{
    const char *name;
    json_t *value;
    json_object_foreach(g->counts, name, value)
    {
        const uint64_t count = (uint64_t)json_integer_value(value);
        uint32_t at = g->n;
        while (at > 0 && leads(g, at - 1, count, name)) {
            at--;
        }
        if (at == SURVEY_TOP) {
            continue;
        }
        g->n += g->n < SURVEY_TOP;
        for (uint32_t i = g->n - 1; i > at; i--) {
            g->name[i] = g->name[i - 1];
            g->count[i] = g->count[i - 1];
        }
        g->name[at] = name;
        g->count[at] = count;
    }
}

/* Media are numbered by their hash, so every k-th of them is a fair sample. */
static int survey_names(struct corpus *c, const struct about *abouts, struct survey *s)
{
    const uint64_t step = s->media / SURVEY_MEDIA_MAX + 1;
    struct buf bytes;
    struct progress progress;
    buf_init(&bytes, CODEC_MAX_RECORD);
    progress_init(&progress, "media read", 0, s->media / step);
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < s->media; i += step) {
        struct visual_record v;
        rc = corpus_read_visual(c, i, &bytes, &v);
        rc = rc ? rc : count_regions(s, &v, &abouts[corpus_medium(c, i)->shard]);
        progress_update(&progress, ++s->sampled, s->media / step, NULL);
    }
    progress_end(&progress);
    buf_release(&bytes);
    take_top(&s->objects);
    take_top(&s->attributes);
    return rc;
}

/* ---- the queue ---- */

static int count_reason(const struct pair_report *p, void *arg)
{
    struct queue_facts *f = arg;
    const int number = -p->reason;
    if (number < 0 || number >= REASONS_MAX) {
        return 0;
    }
    if (f->reason[number].pairs++ == 0) {
        snprintf(f->reason[number].example, sizeof f->reason[number].example, "%.*s",
                 (int)p->detail.n, (const char *)p->detail.p);
    }
    return 0;
}

static int read_queue(const char *dir, struct queue_facts *f)
{
    struct queue *q = NULL;
    int rc = corpus_queue_look(dir, &q);
    if (rc) {
        return rc;
    }
    f->counts = queue_counts(q);
    f->identity = queue_identity_holds(&f->counts);
    rc = queue_each_pair(q, PAIR_QUARANTINED, NULL, count_reason, f);
    queue_close(q);
    return rc;
}

/* A report can do without the queue: corpora are copied without theirs, and a broker may hold it.
 */
static int survey_queue(const char *dir, struct queue_facts *f)
{
    const int rc = read_queue(dir, f);
    f->sight = rc == 0           ? QUEUE_READ
               : rc == E_NO_FILE ? QUEUE_ABSENT
               : rc == E_BUSY    ? QUEUE_HELD
                                 : QUEUE_UNREADABLE;
    if (f->sight == QUEUE_UNREADABLE) {
        f->why = strdup(err_text());
        return f->why ? 0 : err_set(E_NOMEM, "no memory for a sentence");
    }
    return 0;
}

/* ---- all of it ---- */

int survey_corpus(struct corpus *c, const struct about *abouts, const char *dir, struct survey *out)
{
    const struct catalog *catalog = corpus_catalog(c);
    *out = (struct survey){.pairs = corpus_pairs(c), .media = corpus_media(c)};
    out->objects.counts = json_object();
    out->attributes.counts = json_object();
    if (!out->objects.counts || !out->attributes.counts) {
        return err_set(E_NOMEM, "no memory to count the names of regions");
    }
    for (size_t i = 0; i < catalog->n; i++) {
        out->bytes += catalog->shards[i].manifest.bytes;
    }
    for (uint64_t i = 0; i < out->media; i++) {
        out->regions += corpus_medium(c, i)->regions;
    }
    const int rc = survey_names(c, abouts, out);
    return rc ? rc : survey_queue(dir, &out->queue);
}

void survey_release(struct survey *s)
{
    json_decref(s->objects.counts);
    json_decref(s->attributes.counts);
    free(s->queue.why);
    *s = (struct survey){0};
}

/*
 * What the parts of the report share.  report.c, report_survey.c, report_album.c and
 * report_drawing.c read the corpus; the functions declared last turn what was read into HTML and
 * touch nothing else.
 */
#ifndef OPS_REPORT_INTERNAL_H
#define OPS_REPORT_INTERNAL_H

#include "broker/queue.h"
#include "ops/html.h"
#include "ops/report.h"
#include "recipes/recipe.h"
#include "shards/about.h"
#include "shards/corpus.h"

#define REGION_CONFIDENT 0.2f /* UNITER's threshold for a region, also of what is counted here */
#define ATTRIBUTE_LIKELY 0.3f /* an attribute worth naming and counting */

/* ---- what was read */

enum { SURVEY_TOP = 20, SURVEY_MEDIA_MAX = 4000, REASONS_MAX = 64 };

/* The most frequent names, most frequent first; strings live as long as the survey. */
struct histogram {
    json_t *counts; /* name -> number: owns the names */
    uint64_t total;
    uint64_t kinds; /* different names */
    uint32_t n;
    const char *name[SURVEY_TOP];
    uint64_t count[SURVEY_TOP];
};

enum queue_sight { QUEUE_ABSENT, QUEUE_HELD, QUEUE_UNREADABLE, QUEUE_READ };

/* What the queue's file tells. */
struct queue_facts {
    enum queue_sight sight;
    char *why; /* the sentence, when unreadable */
    struct queue_counts counts;
    bool identity;
    struct {
        uint64_t pairs;
        char example[QUEUE_DETAIL_MAX + 1];
    } reason[REASONS_MAX]; /* quarantined, by the code's number without its sign */
};

struct survey {
    uint64_t pairs;
    uint64_t media;
    uint64_t regions;
    uint64_t bytes;   /* of all shards */
    uint64_t sampled; /* media whose records the histograms are made of */
    struct histogram objects;
    struct histogram attributes;
    struct queue_facts queue;
};

int survey_corpus(struct corpus *c, const struct about *abouts, const char *dir,
                  struct survey *out) MUST_CHECK;
void survey_release(struct survey *s);

/* ---- a picture with its regions */

struct picture {
    const struct visual_record *visual;
    const struct about *about; /* names of its regions */
    uint64_t number;           /* the medium's: names the picture inside the page */
    bool embedded;             /* an earlier part of the page holds the bytes */
    struct view bytes;         /* to embed; empty when embedded, or when it cannot be shown */
    const char *type;          /* "image/jpeg" */
    const char *missing;       /* why it cannot be shown; NULL when it can */
    const char *alt;           /* what it shows, for those who do not see it */
};

/* The pictures of one page: each is embedded where it is met first and referred to afterwards. */
enum { ALBUM_MAX = REPORT_PAIRS_MAX + 16, ALBUM_ALT_MAX = 1000 };

struct album {
    struct corpus *corpus;
    const struct about *abouts; /* [shards] */
    uint32_t n;
    uint64_t medium[ALBUM_MAX]; /* those embedded */
    size_t bytes;               /* of all of them */
    struct buf file;
    char missing[500];
    char alt[ALBUM_ALT_MAX];
};

void album_init(struct album *a, struct corpus *corpus, const struct about *abouts);
void album_release(struct album *a);

/* The picture of medium number `medium`, whose record is `visual`; one that cannot be shown says
 * why.  To be put on the page at once: it borrows from the album until the next.  `what` and the
 * caption together tell those who do not see it what it shows. */
struct picture album_picture(struct album *a, uint64_t medium, const struct visual_record *visual,
                             const char *what, struct view caption);

/* "image/jpeg" or "image/png" by the first bytes; NULL for anything else. */
const char *picture_type(struct view bytes);

/* The regions worth drawing: at most `room` of the most confident, without those that show what a
 * more confident one shows.  Writes their indexes and returns how many. */
uint32_t picture_choose(const struct visual_record *v, uint32_t *index, uint32_t room);

/* "red ball" for a region, the attribute only where it is likely. */
void region_name(const struct picture *p, uint32_t region, struct buf *out);

/* ---- the samples, drawn from the corpus */

/* A medium of the gallery and the one of its pairs that is shown. */
struct shown {
    uint64_t medium;
    uint64_t pair;
    uint64_t texts; /* pairs the medium has */
};

struct report_input {
    const struct report_options *options;
    struct corpus *corpus;
    const struct about *abouts; /* [shards] */
    struct album *album;
    uint32_t n;
    struct shown shown[REPORT_PAIRS_MAX];
};

/* "What a trainer receives": a sample of each task, of one of the pairs shown. */
int report_drawing(struct html *h, const struct report_input *in) MUST_CHECK;

/* ---- the page, part by part */

/* The figure of the gallery: regions drawn, numbered and named. */
void report_named_picture(struct html *h, const struct picture *p);

/* The figure of a sample: the regions it uses; those whose feature is zeroed are blacked out. */
void report_masked_picture(struct html *h, const struct picture *p, const struct plan *plan);

/* Every drawn region in words. */
void report_region_table(struct html *h, const struct picture *p);

/* The text with the words of its graph's nodes marked by kind, and the graph as a tree. */
void report_caption(struct html *h, struct view text, const struct scene_graph *graph);
void report_graph(struct html *h, const struct scene_graph *graph);

struct report_sample {
    const struct recipe_context *context;
    const struct wordpiece *vocabulary; /* NULL when it is not the corpus's */
    const struct pair_record *pair;
    const struct plan *plan;
    const struct sample *sample;
    struct picture picture; /* of the medium that the sample looks at */
};

void report_sample(struct html *h, const struct report_sample *s);

struct report_page {
    const char *dir; /* as the user named it */
    const struct report_options *options;
    const struct catalog *catalog;
    const struct survey *survey;
    const char *detector;  /* "" when no shard tells */
    const char *tokenizer; /* likewise */
    struct view source;    /* where the first pair came from */
};

void report_begin(struct html *h, const struct report_page *p);
void report_tables(struct html *h, const struct report_page *p);
void report_end(struct html *h, const struct report_page *p);

#endif

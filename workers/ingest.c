#include "workers/ingest.h"

#include <stdio.h>
#include <time.h>

#include "broker/client.h"
#include "broker/queue.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/log.h"
#include "common/progress.h"
#include "workers/medium_file.h"
#include "workers/pair_item.h"
#include "workers/source.h"

enum {
    PUT_ITEMS = 512,         /* in one message */
    PUT_BYTES = 1 << 20,     /* about where a message ends */
    PUT_BYTES_MAX = 4 << 20, /* where it must have */
    KEY_MAX = 4000,          /* so that "item:", the source's path and it are a locator */
    SPLIT_MAX = 256,
    TEXT_KEPT = 1000, /* of a text over QUEUE_TEXT_MAX */
    BUSY_WAIT_MS = 1000,
    BUSY_WAIT_MAX_MS = 10000,
};

/* The image whose name was found last: its other texts follow. */
struct image_name {
    struct buf locator;
    struct id medium;
    int problem;
    char detail[1001];
};

struct ingest {
    struct client client;
    struct source *source;
    struct image_name image;
    struct buf locator; /* of the current item */
    struct buf bytes;   /* of the current image */
    struct wire_out blob;
    struct wire_list_out list;
    struct progress progress;
    bool show;
    uint64_t next_id;
    char busy[300]; /* what the broker said last when it took nothing */
    struct ingest_counts *counts;
};

/* Names the image of in->locator, unless it is the one named last. */
static int name_image(struct ingest *in)
{
    struct image_name *image = &in->image;
    if (view_equal(buf_view(&image->locator), buf_view(&in->locator))) {
        return 0;
    }
    buf_reset(&image->locator);
    int rc = buf_append(&image->locator, in->locator.p, in->locator.n);
    rc = rc ? rc : buf_terminate(&in->locator);
    if (rc) {
        return rc;
    }
    image->problem = medium_fetch((const char *)in->locator.p, &in->bytes);
    memcpy(image->detail, "", 1);
    if (image->problem) {
        strncpy(image->detail, err_text(), sizeof image->detail - 1);
        image->medium = id_of_locator(buf_view(&in->locator));
    } else {
        image->medium = id_of_medium(buf_view(&in->bytes));
    }
    return image->problem == E_NOMEM ? E_NOMEM : 0;
}

/* The first thing that is wrong with an item is its reason. */
static void refuse(struct source_item *item, int problem, const char *detail)
{
    if (!item->problem) {
        item->problem = problem;
        item->detail = detail;
    }
}

/* What is over a limit is not carried through the queue just to be refused, and may not take its
 * neighbours in the message with it: the item is a problem, and its beginning is kept. */
static struct source_item within_limits(const struct source_item *item)
{
    struct source_item cut = *item;
    if (item->text.n > QUEUE_TEXT_MAX) {
        cut.text.n = TEXT_KEPT;
        refuse(&cut, E_TEXT_TOO_LONG,
               "the text is longer than the limit of 65,536 bytes; its first 1,000 are kept here");
    }
    if (item->split.n > SPLIT_MAX) {
        cut.split.n = 0;
        refuse(&cut, E_FORMAT, "the name of its split is longer than the limit of 256 bytes");
    }
    if (item->key.n > KEY_MAX) {
        cut.key.n = KEY_MAX;
        refuse(&cut, E_FORMAT, "its key is longer than the limit of 4,000 bytes");
    }
    return cut;
}

/* An item without an image is named by its place in the source. */
static int name_place(struct ingest *in, const struct source_item *item)
{
    buf_reset(&in->locator);
    buf_reset(&in->image.locator);
    const int rc = buf_printf(&in->locator, "item:%s#%.*s", source_name(in->source),
                              (int)item->key.n, (const char *)item->key.p);
    in->image.medium = id_of_locator(buf_view(&in->locator));
    in->image.problem = 0;
    return rc;
}

static int name_item(struct ingest *in, struct source_item *item)
{
    const int rc = item->image ? locator_of_path(item->image, &in->locator) : 0;
    if (rc == E_TOO_BIG || (item->image && in->locator.n > QUEUE_LOCATOR_MAX)) {
        item->image = NULL;
        refuse(item, E_TOO_BIG, "its image's path is longer than any file's can be");
    } else if (rc) {
        return rc;
    }
    return item->image ? name_image(in) : name_place(in, item);
}

static int pack_item(struct ingest *in, const struct source_item *whole)
{
    struct source_item cut = within_limits(whole);
    const struct source_item *item = &cut;
    const struct view source = view_str(source_name(in->source));
    const struct pair_item pair = {
        .source = source,
        .key = item->key,
        .text = item->text,
        .split = item->split,
        .coco_image_id = item->coco_image_id,
        .coco_caption_id = item->coco_caption_id,
    };
    struct view blob;
    int rc = name_item(in, &cut);
    rc = rc ? rc : pair_item_pack(&in->blob, &pair, &blob);
    if (rc) {
        return rc;
    }
    struct wire_out *out = wire_list_item(&in->list);
    wire_put_bin(out, "source", source);
    wire_put_bin(out, "key", item->key);
    wire_put_bin(out, "medium", view_of(in->image.medium.b, ID_BYTES));
    wire_put_bin(out, "locator", buf_view(&in->locator));
    wire_put_bin(out, "text", item->text);
    wire_put_bin(out, "item", blob);
    const int problem = item->problem ? item->problem : in->image.problem;
    if (problem) {
        const char *detail = item->problem ? item->detail : in->image.detail;
        wire_put_str(out, "problem", view_str(err_name(problem)));
        wire_put_bin(out, "detail", view_str(detail));
    }
    wire_list_item_end(&in->list);
    return in->list.rc;
}

static int get_counts(const struct wire_map *m, struct ingest_counts *c)
{
    uint64_t fresh = 0;
    uint64_t known = 0;
    uint64_t duplicate = 0;
    uint64_t quarantined = 0;
    int rc = wire_get_u64(m, "new", &fresh);
    rc = rc ? rc : wire_get_u64(m, "known", &known);
    rc = rc ? rc : wire_get_u64(m, "duplicate", &duplicate);
    rc = rc ? rc : wire_get_u64(m, "quarantined", &quarantined);
    c->fresh += fresh;
    c->known += known;
    c->duplicate += duplicate;
    c->quarantined += quarantined;
    c->items += fresh + known + duplicate + quarantined;
    return rc;
}

/* Waits as long as the broker asks for; why is told once, and again when it changes. */
static void wait_busy(struct ingest *in, const struct wire_map *answer)
{
    struct view text = view_str("it does not say why");
    uint64_t ms = BUSY_WAIT_MS;
    char why[sizeof in->busy];
    if (wire_get_str(answer, "text", &text) || wire_get_u64(answer, "retry_ms", &ms)) {
        ms = BUSY_WAIT_MS; /* an older broker, or another */
    }
    snprintf(why, sizeof why, "%.*s", (int)text.n, (const char *)text.p);
    if (strcmp(why, in->busy) != 0) {
        memcpy(in->busy, why, sizeof why);
        log_warn("ingest_waits", "why=\"%s\"", why);
    }
    ms = ms < BUSY_WAIT_MAX_MS ? ms : BUSY_WAIT_MAX_MS;
    nanosleep(
        &(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000},
        NULL);
}

/* Puts the list until it is accepted; a broker whose disk is full is asked again for as long as it
 * says so. */
static int put_list(struct ingest *in)
{
    struct view payload;
    if (in->list.n == 0) {
        return 0;
    }
    int rc = wire_list_end(&in->list, &payload);
    const uint64_t id = ++in->next_id;
    while (rc == 0) {
        struct wire_in answer;
        wire_begin(&in->client.out, "PUT");
        wire_put_u64(&in->client.out, "id", id);
        rc = client_ask(&in->client, &payload, &answer);
        const bool busy = rc == 0 && wire_is(&answer, "BUSY");
        if (rc == 0 && !busy) {
            rc = wire_is(&answer, "ACCEPTED")
                     ? get_counts(&answer.header, in->counts)
                     : err_set(E_PEER, "the broker answered a PUT with %s", answer.verb);
        }
        if (busy) {
            wait_busy(in, &answer.header);
        }
        wire_in_release(&answer);
        if (!busy) {
            break;
        }
    }
    wire_list_begin(&in->list, PUT_BYTES_MAX);
    if (in->show) {
        progress_update(&in->progress, in->counts->items, source_total(in->source), NULL);
    }
    return rc;
}

/* What was read before a failure is put all the same. */
static int put_all(struct ingest *in)
{
    struct source_item item;
    int rc = 0;
    wire_list_begin(&in->list, PUT_BYTES_MAX);
    while (rc == 0 && (rc = source_next(in->source, &item)) == 0) {
        rc = pack_item(in, &item);
        if (rc == 0 && (in->list.n >= PUT_ITEMS || in->list.bytes.n >= PUT_BYTES)) {
            rc = put_list(in);
        }
    }
    char why[1001];
    snprintf(why, sizeof why, "%s", err_text());
    const int last = put_list(in);
    return rc == E_NOT_FOUND ? last : err_set(rc, "%s", why);
}

int ingest_run(const struct ingest_options *options, struct ingest_counts *counts)
{
    struct ingest in = {.counts = counts, .show = options->progress};
    const struct source_options source = {.images = options->images};
    *counts = (struct ingest_counts){0};
    buf_init(&in.image.locator, 1 << 16);
    buf_init(&in.locator, 1 << 16);
    buf_init(&in.bytes, MEDIUM_BYTES_MAX);
    int rc = source_open(options->source, &source, &in.source);
    rc = rc ? rc : client_open(&in.client, options->broker);
    if (rc == 0) {
        progress_init(&in.progress, "items ingested", 0, source_total(in.source));
        rc = put_all(&in);
        progress_end(&in.progress);
    }
    client_close(&in.client);
    source_close(in.source);
    wire_out_release(&in.blob);
    wire_list_out_release(&in.list);
    buf_release(&in.image.locator);
    buf_release(&in.locator);
    buf_release(&in.bytes);
    return rc;
}

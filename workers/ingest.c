#include "workers/ingest.h"

#include <time.h>

#include "broker/client.h"
#include "broker/queue.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/progress.h"
#include "workers/medium_file.h"
#include "workers/pair_item.h"
#include "workers/source.h"

enum {
    PUT_ITEMS = 512,         /* in one message */
    PUT_BYTES = 1 << 20,     /* about where a message ends */
    PUT_BYTES_MAX = 4 << 20, /* where it must have */
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

/* An item without an image is named by its place in the source. */
static int name_item(struct ingest *in, const struct source_item *item)
{
    if (item->image) {
        const int rc = locator_of_path(item->image, &in->locator);
        return rc ? rc : name_image(in);
    }
    buf_reset(&in->locator);
    buf_reset(&in->image.locator);
    const int rc = buf_printf(&in->locator, "item:%s#%.*s", source_name(in->source),
                              (int)item->key.n, (const char *)item->key.p);
    in->image.medium = id_of_locator(buf_view(&in->locator));
    in->image.problem = 0;
    return rc;
}

/* A text over the limit is not carried through the queue just to be refused: its beginning is kept.
 */
static struct source_item within_limits(const struct source_item *item)
{
    struct source_item cut = *item;
    if (item->text.n > QUEUE_TEXT_MAX && !item->problem) {
        cut.problem = E_TEXT_TOO_LONG;
        cut.detail =
            "the text is longer than the limit of 65,536 bytes; its first 1,000 are kept here";
        cut.text.n = 1000;
    }
    return cut;
}

static int pack_item(struct ingest *in, const struct source_item *whole)
{
    const struct source_item cut = within_limits(whole);
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
    int rc = name_item(in, item);
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
        wire_in_release(&answer);
        if (!busy) {
            break;
        }
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    wire_list_begin(&in->list, PUT_BYTES_MAX);
    if (in->show) {
        progress_update(&in->progress, in->counts->items, source_total(in->source), NULL);
    }
    return rc;
}

static int put_all(struct ingest *in)
{
    struct source_item item;
    int rc = 0;
    wire_list_begin(&in->list, PUT_BYTES_MAX);
    while ((rc = source_next(in->source, &item)) == 0) {
        rc = pack_item(in, &item);
        if (rc == 0 && (in->list.n >= PUT_ITEMS || in->list.bytes.n >= PUT_BYTES)) {
            rc = put_list(in);
        }
        if (rc) {
            return rc;
        }
    }
    return rc == E_NOT_FOUND ? put_list(in) : rc;
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

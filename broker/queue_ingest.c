/* Ingest: an item becomes a pair that is pending, or is known, a duplicate, or in quarantine from
 * the start. */
#include <utf8proc.h>

#include "broker/queue_internal.h"

static bool is_utf8(struct view text)
{
    const utf8proc_uint8_t *p = text.p;
    utf8proc_ssize_t left = (utf8proc_ssize_t)text.n;
    while (left > 0) {
        utf8proc_int32_t code;
        const utf8proc_ssize_t n = utf8proc_iterate(p, left, &code);
        if (n <= 0) {
            return false;
        }
        p += n;
        left -= n;
    }
    return true;
}

static bool is_blank(struct view text)
{
    const char *p = text.p;
    for (size_t i = 0; i < text.n; i++) {
        if (!strchr(" \t\r\n\f\v", p[i]) || p[i] == '\0') {
            return false;
        }
    }
    return true;
}

/* What is wrong with the item, with a sentence in err_text(); 0 when nothing is. */
static int judge(const struct queue_item *item)
{
    if (item->problem) {
        return err_set(item->problem, "%.*s", (int)item->detail.n, (const char *)item->detail.p);
    }
    if (item->text.n > QUEUE_TEXT_MAX) {
        return err_set(E_TEXT_TOO_LONG, "the text has %zu bytes; the limit is %d", item->text.n,
                       QUEUE_TEXT_MAX);
    }
    if (is_blank(item->text)) {
        return err_set(E_TEXT_EMPTY,
                       "the text is empty, so there is nothing to pair with the medium");
    }
    if (!is_utf8(item->text)) {
        return err_set(E_TEXT_UTF8, "the text is not valid UTF-8; convert the source first");
    }
    return 0;
}

static int put_item(struct queue *q, const struct id *item, const struct id *pair, bool duplicate)
{
    unsigned char value[1 + ID_BYTES] = {duplicate};
    memcpy(value + 1, pair->b, ID_BYTES);
    const int rc = queue_put(q, q->items, view_of(item->b, ID_BYTES), view_of(value, sizeof value));
    if (rc == 0) {
        q->n.counts.ingested++;
    }
    return rc;
}

/* The pair joins its medium's wanted ones; an idle medium becomes a job. */
static int want(struct queue *q, const struct queue_item *item, const struct id *pair)
{
    struct medium_row row;
    int rc = queue_get_medium(q, &item->medium, &row);
    if (rc == E_NOT_FOUND) {
        row = (struct medium_row){.state = MEDIUM_IDLE, .locator = item->locator};
        q->n.counts.media++;
        rc = 0;
    }
    if (rc) {
        return rc;
    }
    char locator[QUEUE_LOCATOR_MAX];
    medium_keep_locator(&row, locator);
    unsigned char key[2 * ID_BYTES];
    memcpy(key, item->medium.b, ID_BYTES);
    memcpy(key + ID_BYTES, pair->b, ID_BYTES);
    rc = queue_put(q, q->wanted, view_of(key, sizeof key), view_of("", 0));
    row.wanted++;
    if (rc == 0) {
        rc = row.state == MEDIUM_IDLE ? queue_make_ready(q, &item->medium, &row)
                                      : queue_put_medium(q, &item->medium, &row);
    }
    return rc;
}

/* The earlier row says only that the medium could not be read; now it can, and the new pair stands
 * for it. */
static int replace_earlier(struct queue *q, const struct queue_item *item)
{
    struct pair_row row;
    const int rc = queue_get_pair(q, &item->earlier, &row);
    if (rc == E_NOT_FOUND || (rc == 0 && row.state != PAIR_QUARANTINED)) {
        return 0;
    }
    const struct view why = view_str("ingested again, once its medium could be read");
    return rc ? rc : queue_move_pair(q, &item->earlier, PAIR_DUPLICATE, 0, why, 0);
}

static int add_pair(struct queue *q, const struct queue_item *item, const struct id *pair,
                    enum ingest_result *result)
{
    const int problem = judge(item);
    const struct pair_row row = {
        .state = problem ? PAIR_QUARANTINED : PAIR_PENDING,
        .reason = problem,
        .medium = item->medium,
        .detail = problem ? view_str(err_text()) : view_of(NULL, 0),
        .blob = item->blob,
    };
    int rc = queue_put_pair(q, pair, &row);
    if (rc) {
        return rc;
    }
    q->n.counts.pairs[row.state]++;
    *result = problem ? INGEST_QUARANTINED : INGEST_NEW;
    return problem ? 0 : want(q, item, pair);
}

int queue_check_item(const struct queue_item *item)
{
    if (item->blob.n > QUEUE_ITEM_MAX || item->locator.n > QUEUE_LOCATOR_MAX ||
        item->locator.n == 0) {
        return err_set(E_TOO_BIG,
                       "an item has %zu bytes and a locator of %zu; at most %d and %d are allowed",
                       item->blob.n, item->locator.n, QUEUE_ITEM_MAX, QUEUE_LOCATOR_MAX);
    }
    return 0;
}

int queue_ingest(struct queue *q, const struct queue_item *item, enum ingest_result *result)
{
    int rc = queue_check_item(item);
    if (rc) {
        return rc;
    }
    const struct id pair = id_of_pair(&item->medium, item->text);
    const struct id id = id_of_item(item->source, item->key, &pair);
    struct view found;
    rc = queue_begin(q);
    rc = rc ? rc : queue_get(q, q->items, view_of(id.b, ID_BYTES), &found);
    if (rc == 0) {
        *result = INGEST_KNOWN;
        return 0;
    }
    if (rc != E_NOT_FOUND) {
        return rc;
    }
    rc = item->retried ? replace_earlier(q, item) : 0;
    if (rc) {
        return rc;
    }
    rc = queue_get(q, q->pairs, view_of(pair.b, ID_BYTES), &found);
    if (rc == 0) {
        q->n.counts.pairs[PAIR_DUPLICATE]++;
        *result = INGEST_DUPLICATE;
        return put_item(q, &id, &pair, true);
    }
    rc = rc == E_NOT_FOUND ? add_pair(q, item, &pair, result) : rc;
    return rc ? rc : put_item(q, &id, &pair, false);
}

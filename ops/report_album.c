/* The pictures of the page: read from where their records say they are, each embedded once. */
#include <stdio.h>

#include "ops/report_internal.h"
#include "workers/medium_file.h"

void album_init(struct album *a, struct corpus *corpus, const struct about *abouts)
{
    *a = (struct album){.corpus = corpus, .abouts = abouts};
    buf_init(&a->file, REPORT_PICTURE_MAX);
}

void album_release(struct album *a)
{
    buf_release(&a->file);
}

static bool is_embedded(const struct album *a, uint64_t medium)
{
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->medium[i] == medium) {
            return true;
        }
    }
    return false;
}

/* Fetches the medium's bytes and sees that they are the ones the regions were found in. */
static int fetch(struct album *a, const struct visual_record *v)
{
    char locator[QUEUE_LOCATOR_MAX + 1];
    if (v->locator.n >= sizeof locator) {
        return err_set(E_TOO_BIG, "its locator is longer than %d bytes", QUEUE_LOCATOR_MAX);
    }
    memcpy(locator, v->locator.p, v->locator.n);
    locator[v->locator.n] = '\0';
    const int rc = medium_fetch(locator, &a->file);
    if (rc) {
        return rc;
    }
    const struct id now = id_of_medium(buf_view(&a->file));
    return id_equal(&now, &v->medium)
               ? 0
               : err_set(E_MEDIUM_CHANGED,
                         "%.300s is not the file it was when the corpus was built", locator);
}

static int read_picture(struct album *a, struct picture *p)
{
    if (a->n == ALBUM_MAX) {
        return err_set(E_TOO_BIG, "the page holds %d pictures already", ALBUM_MAX);
    }
    const int rc = fetch(a, p->visual);
    if (rc) {
        return rc;
    }
    p->type = picture_type(buf_view(&a->file));
    if (!p->type) {
        return err_set(E_IMAGE_UNREADABLE, "the file is neither JPEG nor PNG");
    }
    if (a->bytes + a->file.n > REPORT_PICTURES_MAX) {
        return err_set(E_TOO_BIG, "the page holds %d MB of pictures already",
                       REPORT_PICTURES_MAX >> 20);
    }
    p->bytes = buf_view(&a->file);
    return 0;
}

struct picture album_picture(struct album *a, uint64_t medium, const struct visual_record *visual,
                             const char *what, struct view caption)
{
    const int n = caption.n < ALBUM_ALT_MAX / 2 ? (int)caption.n : ALBUM_ALT_MAX / 2;
    snprintf(a->alt, sizeof a->alt, "%s: %.*s", what, n, (const char *)caption.p);
    struct picture p = {
        .visual = visual,
        .about = &a->abouts[corpus_medium(a->corpus, medium)->shard],
        .number = medium,
        .embedded = is_embedded(a, medium),
        .alt = a->alt,
    };
    if (p.embedded) {
        return p;
    }
    if (read_picture(a, &p)) {
        snprintf(a->missing, sizeof a->missing, "The picture is not shown: %.*s.",
                 (int)sizeof a->missing - 32, err_text());
        p.missing = a->missing;
    } else {
        a->medium[a->n++] = medium;
        a->bytes += p.bytes.n;
    }
    return p;
}

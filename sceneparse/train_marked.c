/* Captions whose nodes are marked in place, "a {red} [car] <in> the [rain]": what `pairmill parse`
 * prints.  They teach the tagger alone, for they do not say what belongs to what. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

static const char opening[] = "[{<";
static const char closing[] = "]}>";

/* Takes the marks out of a line, in place, and notes which bytes they held.  `types` becomes, for
 * every byte that stays, 0 or twice its node's type, plus 1 at the node's first byte. */
static int take_marks(char *line, uint8_t *types, uint32_t *n)
{
    int type = 0;
    int first = 0;
    *n = 0;
    for (const char *p = line; *p; p++) {
        const char *open = strchr(opening, *p);
        const char *close = strchr(closing, *p);
        if (open && type == 0 && p[1] != ' ') {
            type = (int)(open - opening) + 1;
            first = 1;
        } else if (close && type == (int)(close - closing) + 1 && !first) {
            type = 0;
        } else if (open || close) {
            return -1;
        } else {
            types[*n] = (uint8_t)(2 * type + first);
            line[(*n)++] = *p;
            first = 0;
        }
    }
    line[*n] = 0;
    return type == 0 ? 0 : -1;
}

/* The bytes' types as spans of words; -1 where a mark splits a word or begins between two. */
static int spans_of_words(struct segment *s, const struct sg_token *tokens, const uint8_t *types,
                          struct example *e)
{
    e->spans = xrealloc(NULL, s->n + 1, sizeof *e->spans);
    for (uint32_t i = 0; i < s->n; i++) {
        const uint8_t first = types[tokens[i].beg];
        for (uint32_t b = tokens[i].beg + 1; b < tokens[i].end; b++) {
            if (types[b] != (first & ~1)) {
                return -1;
            }
        }
        if (first & 1) {
            e->spans[e->span_count++] = (struct span){first / 2, (uint16_t)i, (uint16_t)(i + 1)};
        } else if (first) {
            struct span *last = e->span_count > 0 ? &e->spans[e->span_count - 1] : NULL;
            if (!last || last->type != first / 2 || last->end != i) {
                return -1;
            }
            last->end = (uint16_t)(i + 1);
        }
    }
    return 0;
}

static int read_line(struct trainer *t, char *line, struct example *e)
{
    static struct sg_token tokens[SEGMENT_MAX];
    uint8_t *types = xrealloc(NULL, strlen(line) + 1, 1);
    uint32_t count = 0;
    size_t pos = 0;
    e->caption = line;
    int rc = take_marks(line, types, &e->caption_n);
    if (rc == 0) {
        segment_read(t->s, line, e->caption_n, &pos, READ_ALL, tokens, &count);
        rc = spans_of_words(t->s, tokens, types, e);
    }
    free(types);
    return rc ? err_set(E_FORMAT, "marks must close as they open, hold words and not split them")
           : pos < e->caption_n ? err_set(E_FORMAT, "more than %d words", SEGMENT_MAX)
                                : 0;
}

int marked_is_comment(const char *line)
{
    return line[0] == '#' && line[1] == '#';
}

int marked_read(const char *path, struct trainer *t)
{
    struct examples *out = &t->marked;
    size_t n;
    char *text;
    const int rc = text_read(path, &text, &n);
    if (rc) {
        return rc;
    }
    t->marked_hash = hash_mix(t->marked_hash, XXH3_64bits(text, n));
    BUG_ON(out->text_count == TRAIN_CAPTIONS_MAX);
    out->texts[out->text_count++] = text;
    unsigned number = 0;
    for (char *line = text; line;) {
        char *end = strchr(line, '\n');
        char *next = end ? end + 1 : NULL;
        if (end) {
            *end = 0;
        }
        number++;
        if (line[0] && !marked_is_comment(line)) {
            struct example e = {0};
            const int bad = read_line(t, line, &e);
            out->e = xrealloc(out->e, out->n + 1, sizeof e);
            out->e[out->n++] = e;
            if (bad) {
                return err_set(bad, "%s: line %u: %s", path, number, err_text());
            }
        }
        line = next;
    }
    return 0;
}

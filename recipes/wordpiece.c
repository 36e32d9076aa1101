#include "recipes/wordpiece_internal.h"

#include <stdlib.h>

/* BERT's limit on a word. */
enum { WORD_CHARS_MAX = 100 };

void wordpiece_tokens_release(struct wordpiece_tokens *t)
{
    if (t->scratch) {
        text_run_release(&t->scratch->raw);
        text_run_release(&t->scratch->folded);
        free(t->scratch);
    }
    free(t->ids);
    free(t->beg);
    free(t->end);
    free(t->word_start);
    *t = (struct wordpiece_tokens){0};
}

static int grow_u32(uint32_t **p, size_t room)
{
    uint32_t *more = realloc(*p, room * sizeof **p);
    *p = more ? more : *p;
    return more ? 0 : E_NOMEM;
}

static int tokens_grow(struct wordpiece_tokens *t)
{
    const size_t room = t->room ? 2 * t->room : 64;
    uint8_t *starts = realloc(t->word_start, room);
    t->word_start = starts ? starts : t->word_start;
    if (!starts || grow_u32(&t->ids, room) || grow_u32(&t->beg, room) || grow_u32(&t->end, room)) {
        return err_set(E_NOMEM, "no memory for %zu sub-tokens", room);
    }
    t->room = room;
    return 0;
}

static int emit(struct wordpiece_tokens *t, uint32_t id, uint32_t beg, uint32_t end, int start)
{
    const int rc = t->n == t->room ? tokens_grow(t) : 0;
    if (rc) {
        return rc;
    }
    t->ids[t->n] = id;
    t->beg[t->n] = beg;
    t->end[t->n] = end;
    t->word_start[t->n++] = (uint8_t)start;
    return 0;
}

/* Emits a sub-token that covers chars[0..n).  Canonical ordering can exchange characters, so the
 * bounds are the least and the greatest. */
static int emit_chars(struct wordpiece_tokens *t, uint32_t id, const struct text_char *chars,
                      size_t n, int start)
{
    uint32_t beg = chars[0].beg;
    uint32_t end = chars[0].end;
    for (size_t i = 1; i < n; i++) {
        beg = chars[i].beg < beg ? chars[i].beg : beg;
        end = chars[i].end > end ? chars[i].end : end;
    }
    return emit(t, id, beg, end, start);
}

/* A word as UTF-8, with where each character begins. */
struct word {
    unsigned char bytes[4 * WORD_CHARS_MAX];
    uint32_t at[WORD_CHARS_MAX + 1];
    uint32_t n; /* characters */
};

/* How many characters the longest piece from `from` on covers, 0 when there is none. */
static uint32_t longest_piece(const struct wordpiece *w, const struct word *word, uint32_t from,
                              uint32_t *id)
{
    uint32_t hashes[WORD_CHARS_MAX + 1];
    const uint32_t continuation = from > 0;
    uint64_t h = piece_hash_start(continuation);
    for (uint32_t i = from; i < word->n; i++) {
        for (uint32_t b = word->at[i]; b < word->at[i + 1]; b++) {
            h = piece_hash_step(h, word->bytes[b]);
        }
        hashes[i + 1] = piece_hash_finish(h);
    }
    const unsigned char *p = word->bytes + word->at[from];
    for (uint32_t to = word->n; to > from; to--) {
        const uint32_t n = word->at[to] - word->at[from];
        const uint32_t slot = *piece_slot(w, p, n, continuation, hashes[to]);
        if (slot) {
            *id = slot - 1;
            return to - from;
        }
    }
    return 0;
}

/* Covers one word of n > 0 characters by pieces, or by [UNK]. */
static int add_word(const struct wordpiece *w, const struct text_char *chars, size_t n,
                    struct wordpiece_tokens *t)
{
    if (n > WORD_CHARS_MAX) {
        return emit_chars(t, w->ids.unk, chars, n, 1);
    }
    struct word word;
    word.n = (uint32_t)n;
    word.at[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        word.at[i + 1] = word.at[i] + text_encode(chars[i].code, word.bytes + word.at[i]);
    }
    const uint32_t before = t->n;
    for (uint32_t from = 0; from < n;) {
        uint32_t id;
        const uint32_t covered = longest_piece(w, &word, from, &id);
        if (covered == 0) {
            t->n = before;
            return emit_chars(t, w->ids.unk, chars, n, 1);
        }
        const int rc = emit_chars(t, id, chars + from, covered, from == 0);
        if (rc) {
            return rc;
        }
        from += covered;
    }
    return 0;
}

/* Whether the run is a special token, letter for letter. */
static int find_special(const struct wordpiece *w, const struct text_run *r, uint32_t *id)
{
    for (int s = 0; r->chars[0].code == '[' && s < WORDPIECE_SPECIALS; s++) {
        const struct view name = wordpiece_piece(w, w->specials[s]);
        const unsigned char *p = name.p;
        size_t i = 0;
        while (i < r->n && i < name.n && r->chars[i].code == p[i]) {
            i++;
        }
        if (i == r->n && i == name.n) {
            *id = w->specials[s];
            return 1;
        }
    }
    return 0;
}

/* What stood between two white spaces: folds it, splits off punctuation, adds the words. */
static int add_run(const struct wordpiece *w, struct wordpiece_tokens *t)
{
    struct wordpiece_scratch *s = t->scratch;
    uint32_t special;
    int rc = 0;
    if (s->raw.n == 0) {
        return 0;
    }
    if (find_special(w, &s->raw, &special)) {
        rc = emit_chars(t, special, s->raw.chars, s->raw.n, 1);
        s->raw.n = 0;
        return rc;
    }
    rc = w->cased ? 0 : text_fold(&s->raw, &s->folded);
    const struct text_run *r = w->cased ? &s->raw : &s->folded;
    size_t from = 0;
    for (size_t i = 0; i < r->n && rc == 0; i++) {
        if (text_is_punctuation(r->chars[i].code)) {
            rc = i > from ? add_word(w, r->chars + from, i - from, t) : 0;
            rc = rc ? rc : add_word(w, r->chars + i, 1, t);
            from = i + 1;
        }
    }
    if (rc == 0 && r->n > from) {
        rc = add_word(w, r->chars + from, r->n - from, t);
    }
    s->raw.n = 0;
    return rc;
}

/* One character of the text: part of the present run, or its end. */
static int add_char(const struct wordpiece *w, struct text_char c, struct wordpiece_tokens *t)
{
    switch (text_classify(c.code, w->split)) {
    case TEXT_DROP: return 0;
    case TEXT_SPACE: return add_run(w, t);
    case TEXT_OTHER: return text_run_append(&t->scratch->raw, c);
    case TEXT_IDEOGRAPH: break;
    }
    int rc = add_run(w, t);
    rc = rc ? rc : text_run_append(&t->scratch->raw, c);
    return rc ? rc : add_run(w, t);
}

int wordpiece_tokenize(const struct wordpiece *w, struct view text, struct wordpiece_tokens *t)
{
    t->n = 0;
    if (text.n > WORDPIECE_TEXT_MAX) {
        return err_set(E_TOO_BIG, "a text of %zu bytes; at most %d are tokenised", text.n,
                       WORDPIECE_TEXT_MAX);
    }
    if (!t->scratch) {
        t->scratch = calloc(1, sizeof *t->scratch);
        if (!t->scratch) {
            return err_set(E_NOMEM, "no memory to tokenise in");
        }
    }
    t->scratch->raw.n = 0;
    const unsigned char *p = text.p;
    int rc = 0;
    for (uint32_t at = 0; at < text.n && rc == 0;) {
        uint32_t length;
        const uint32_t code = text_decode(p + at, text.n - at, &length);
        rc = add_char(w, (struct text_char){code, at, at + length}, t);
        at += length;
    }
    rc = rc ? rc : add_run(w, t);
    if (rc) {
        t->n = 0;
    }
    return rc;
}

struct token_block wordpiece_block(const struct wordpiece *w, const struct wordpiece_tokens *t)
{
    return (struct token_block){.tokenizer = view_str(w->name),
                                .n = t->n,
                                .ids = t->ids,
                                .beg = t->beg,
                                .end = t->end,
                                .word_start = t->word_start};
}

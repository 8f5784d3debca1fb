/* Signed notes and verifier keys: opening agrees with peeking, and a key that parses formats to the same text but for the case
 * of its key id. */
#include <string.h>
#include <strings.h>

#include "federation/ledger/note.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_note(struct bytes in)
{
    static struct note_verifier keys[2];
    static const struct note_verifier *known[2] = {&keys[0], &keys[1]};
    if (keys[0].key_id == 0) { /* the keys of the corpus */
        int rc = note_verifier_parse(
            bytes_of_string("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), &keys[0], NULL);
        xassert(rc == 0);
        rc = note_verifier_parse(
            bytes_of_string("node.p12.gov-interop.example/w1+52e5c385+BB5TbreC0yxLJxFdxt7PS7PVaS6kYmcjVbnrt1d3qKvu"),
            &keys[1], NULL);
        xassert(rc == 0);
    }

    struct bytes text;
    struct note note;
    size_t count;
    int peeked = note_peek(in, &text, &count, NULL);
    int opened = note_open(in, known, array_count(known), &note, NULL);
    xassert(opened < 0 || peeked == 0);
    if (opened < 0)
        return;
    xassert(note.verified_count >= 1 && note.verified_count <= 2 && note.signature_count == count);
    xassert(bytes_equal(note.text, text) && text.size < in.size && text.data[text.size - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct note_verifier key;
    try_note(in);
    if (note_verifier_parse(in, &key, NULL) == 0) {
        struct buf out;
        buf_init(&out, 0);
        note_verifier_format(&key, &out);
        xassert(out.size == size && strncasecmp((const char *)out.data, (const char *)data, size) == 0);
        buf_close(&out);
    }
    return 0;
}

/* Answers for whole batches of calls what shims/launcher.c makes of them, in one process.
 *
 * Standard input: requests, standard output: answers. Both are lists of byte strings: a number of
 * strings, then each one's length and bytes; numbers have 4 bytes, the least first.
 *
 * Request "call": package, program, uv, cwd, identity, number of words, words, number of variables, entries,
 * added entries. Answer: see `call` below. Request "holds": a witness. Answer: "1" or "0".
 * Request "mount": 256 bytes from statx(2). Answer: the sight.
 */
#define main launcher_main
#include "../../shims/launcher.c"
#undef main

#include <stdio.h>
#include <stdlib.h>

static uint32_t read_size(void) {
    unsigned char bytes[4];
    if (fread(bytes, 1, 4, stdin) != 4) exit(0); /* no more requests */
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static char **read_strings(uint32_t *count) {
    *count = read_size();
    char **strings = calloc(*count + 1, sizeof *strings);
    for (uint32_t index = 0; index < *count; index++) {
        uint32_t length = read_size();
        strings[index] = malloc(length + 1); /* exactly: AddressSanitizer sees every byte beyond */
        if (fread(strings[index], 1, length, stdin) != length) exit(2);
        strings[index][length] = '\0';
    }
    return strings;
}

static void write_size(size_t size) {
    for (int index = 0; index < 4; index++) putchar((int)(size >> 8 * index & 255));
}

static void write_bytes(const char *bytes, size_t length) {
    write_size(length);
    fwrite(bytes, 1, length, stdout);
}

static void write_flag(bool flag) { write_bytes(flag ? "1" : "0", 1); }

static void set_place(char *place, size_t room, const char *value) {
    if (strlen(value) >= room) exit(3);
    strcpy(place, value);
}

static void call(char **given, uint32_t count) {
    char **end = given + count;
    package = *given++;
    program = *given++;
    set_place(uv, sizeof uv, *given++);
    set_place(cwd, sizeof cwd, *given++);
    set_place(identity, sizeof identity, *given++);
    argument_count = (size_t)atol(*given++);
    /* Lists of their own, of just the right length, for AddressSanitizer. */
    char **words = calloc(argument_count + 1, sizeof *words);
    for (size_t index = 0; index < argument_count; index++) words[index] = *given++;
    arguments = (const char *const *)words;
    size_t variables = (size_t)atol(*given++);
    environ = calloc(variables + 1, sizeof *environ);
    for (size_t index = 0; index < variables; index++) environ[index] = *given++;
    forget_added();
    while (given < end) append(&added_variables, *given++);

    uid = geteuid();
    read_guard();
    bool is_clean = clean_environment();
    bool back = came_back() != NO;
    bool alone = is_clean && is_left_alone();
    bool understood = is_clean && keep_significant_words();
    bool has_key = understood && make_key();
    bool has_guard = render_guard(false);

    write_size(8 + significant.length + clean.length);
    write_flag(is_clean);
    write_flag(back);
    write_flag(alone);
    write_flag(understood);
    write_bytes(key.bytes, has_key ? key.length : 0);
    write_bytes(guard_bytes, has_guard ? strlen(guard_bytes) : 0);
    char digits[17];
    struct text name = TEXT_IN(digits);
    put_number(&name, has_key ? fingerprint((struct slice){key.bytes, key.length}) : 0, 16, 16);
    write_bytes(digits, name.length);
    char number[24];
    write_bytes(number, (size_t)snprintf(number, sizeof number, "%zu", significant.length));
    for (size_t index = 0; index < significant.length; index++)
        write_bytes(significant.items[index], strlen(significant.items[index]));
    for (size_t index = 0; index < clean.length; index++)
        write_bytes(clean.items[index], strlen(clean.items[index]));
    free(words);
    free(environ);
    environ = NULL;
}

int main(void) {
    for (;;) {
        uint32_t count;
        char **given = read_strings(&count);
        significant.length = clean.length = 0;
        in_detail = strcmp(given[0], "call in detail") == 0;
        if (strcmp(given[0], "call") == 0 || in_detail) {
            call(given + 1, count - 1);
        } else if (strcmp(given[0], "mount") == 0) {
            char bytes[160], answer[256] = {0};
            struct text sight = TEXT_IN(bytes);
            for (size_t at = 0; at < sizeof answer; at++) /* a NUL would end a string */
                answer[at] = (char)(given[1][2 * at] << 4 | (given[1][2 * at + 1] & 15));
            put_mount(answer, &sight);
            write_size(1);
            write_bytes(sight.bytes, sight.length);
        } else {
            write_size(1);
            write_flag(holds(slice_of(given[1])));
        }
        fflush(stdout);
        for (uint32_t index = 0; index < count; index++) free(given[index]);
        free(given);
    }
}

/* The launcher: the files `uv` and `uvx` on PATH, where `linkpolicy setup` could install it.
 *
 * It repeats a decision that Python has recorded, when all that the decision depended on is still
 * the same, and becomes the real uv. Every other call it hands to Python. It knows no policy, no
 * TOML, and nothing of uv but the generated tables. `launch`, at the end, is the way of a call; it
 * is the way of `become` in uvx_policy/shim.py. README.md in this directory is the contract,
 * uvx_policy/replay/ writes what is read here.
 *
 * This file knows no operating system: what it asks of one is listed under "The system", and
 * linux.c and windows.c answer. All is compiled as one.
 *
 * No heap, no stdio, no thread. Buffers are static and of fixed size: untouched pages cost nothing,
 * and what does not fit goes to Python. A file is opened once and judged by its handle.
 *
 * Built by hatch_build.py with the flags in the file CFLAGS. Static: the dynamic loader would add
 * 0.2 ms, half of what all this costs (README.md). Not position independent: nothing to relocate.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tables.h"

#include "tables.h"

#define CONFIG_HEAD "linkpolicy-launcher-config-v2\n"
#define RECORD_FORMAT "linkpolicy-decision-v1"
#define GUARD_VERSION "1"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127,
    MOST_WORDS = 8000, /* of the command line, and as many environment variables */
    MOST_ADDED = 64,   /* words or variables of a record, and values of ours in a guard */
    MOST_DIGITS = 9,   /* of a number in a guard */
    MOST_TURNS = 200, UNKNOWN_TURNS = 8, MOST_GENERATIONS = 1000, /* see recursion.py */
    LONGEST_PATH = 4096, /* with its NUL, as PATH_MAX of Linux */
    LONGEST_RECORD = 262144,
    LONGEST_GUARD = 65536,  /* below MAX_ARG_STRLEN of execve(2) */
    LONGEST_PSEUDO = 1 << 24, /* bytes of a file of /proc, or of a text; more may never end */
};

/* Pieces of memory --------------------------------------------------------------------------- */

/* Some bytes of another's, with or without a NUL behind them. */
struct slice {
    const char *start;
    size_t length;
};

static struct slice slice_of(const char *string) {
    return (struct slice){string, strlen(string)};
}

static bool same(struct slice one, struct slice other) {
    return one.length == other.length && memcmp(one.start, other.start, one.length) == 0;
}

static bool equals(struct slice slice, const char *string) {
    return same(slice, slice_of(string));
}

/* Cut the piece before `separator` off `rest`. Without one: false, and the piece is all of it. */
static bool cut(struct slice *rest, char separator, struct slice *piece) {
    const char *found = rest->length ? memchr(rest->start, separator, rest->length) : NULL;
    piece->start = rest->start;
    piece->length = found ? (size_t)(found - rest->start) : rest->length;
    size_t used = piece->length + (found != NULL);
    rest->start += used;
    rest->length -= used;
    return found != NULL;
}

/* Bytes that are being put together. What does not fit makes it `full`, and then it is no use. */
struct text {
    char *bytes;
    size_t room, length;
    bool full;
};

#define TEXT_IN(array) ((struct text){.bytes = (array), .room = sizeof(array)})

static void put(struct text *text, struct slice slice) {
    if (text->full || slice.length > text->room - text->length) {
        text->full = true;
        return;
    }
    memcpy(text->bytes + text->length, slice.start, slice.length);
    text->length += slice.length;
}

static void put_string(struct text *text, const char *string) {
    put(text, slice_of(string));
}

/* With the NUL that ends it. */
static void put_field(struct text *text, const char *string) {
    put(text, (struct slice){string, strlen(string) + 1});
}

static void put_byte(struct text *text, char byte) {
    put(text, (struct slice){&byte, 1});
}

/* `base` is 10 or 16; zeros in front fill up to `width` digits. */
static void put_number(struct text *text, uint64_t number, unsigned base, int width) {
    char digits[20]; /* of 2 ** 64 in base 10 */
    size_t place = sizeof digits;
    do {
        digits[--place] = "0123456789abcdef"[number % base];
        number /= base;
    } while (--width > 0 || number);
    put(text, (struct slice){digits + place, sizeof digits - place});
}

static void put_hex(struct text *text, uint64_t number) {
    put_number(text, number, 16, 1);
}

/* A list of strings, as execve(2) wants it: room for a NULL at its end is always kept. */
struct list {
    const char **items;
    size_t room, length;
    bool full;
};

#define LIST(array) ((struct list){.items = (array), .room = COUNT(array)})

static void append(struct list *list, const char *item) {
    if (list->full || list->length + 1 >= list->room) {
        list->full = true;
        return;
    }
    list->items[list->length++] = item;
    list->items[list->length] = NULL;
}

/* The value in `entry` if that is NAME=value, else NULL. */
static const char *value_in(const char *entry, struct slice name) {
    bool named = strncmp(entry, name.start, name.length) == 0 && entry[name.length] == '=';
    return named ? entry + name.length + 1 : NULL;
}

/* The value of a variable in a list that NULL ends; the first one counts, as for getenv(3). */
static const char *variable(const char *const *entries, const char *name) {
    struct slice wanted = slice_of(name);
    for (; *entries; entries++) {
        const char *value = *entries[0] == name[0] ? value_in(*entries, wanted) : NULL;
        if (value) return value;
    }
    return NULL;
}

/* The checksum of uvx_policy/fingerprint.py: a 1 and then the bytes, as one number modulo the
 * prime 2 ** 64 - 59. There 2 ** 64 is 59, so what is shifted out comes back 59 times. */
#define WRAPPED UINT64_C(59)
#define PRIME (UINT64_MAX - WRAPPED + 1)

/* `bits` is 8 or 56, `more` has no more bits than that. */
static uint64_t shifted_and_added(uint64_t sum, unsigned bits, uint64_t more) {
    uint64_t low = sum << bits | more;
    uint64_t all = low + (sum >> (64 - bits)) * WRAPPED;
    if (all < low) all += WRAPPED;
    return all >= PRIME ? all - PRIME : all;
}

static uint64_t fingerprint_more(uint64_t sum, struct slice slice) {
    const unsigned char *byte = (const unsigned char *)slice.start;
    size_t left = slice.length;
    for (; left >= 7; left -= 7) { /* seven at once: a pyproject.toml may have a megabyte */
        uint64_t seven = 0;
        for (int index = 0; index < 7; index++) seven = seven << 8 | *byte++;
        sum = shifted_and_added(sum, 56, seven);
    }
    for (; left > 0; left--) sum = shifted_and_added(sum, 8, *byte++);
    return sum;
}

static uint64_t fingerprint(struct slice slice) {
    return fingerprint_more(1, slice);
}

/* As `_mixed` in uvx_policy/replay/witness.py. */
static uint64_t mixed(uint64_t sum) {
    sum = (sum ^ sum >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 32;
}

/* The call ----------------------------------------------------------------------------------- */

extern char **environ;

static const char *program;   /* "uv" or "uvx" */
static const char *fallback;  /* path of what is handed over to */
static const char *package;   /* whose decisions are repeated: another linkpolicy may differ */
static struct slice embedded; /* directories to search after PATH, each ended by NUL */

static const char *const *arguments; /* without argv[0] */
static size_t argument_count;

static char cwd[LONGEST_PATH]; /* "" when there is none any more */
static char identity[72];      /* of this process, as in a guard */
static char uv[LONGEST_PATH];  /* the real one, once it was found */

/* Text and file buffers of one function at a time. */
static char scratch[32768];

/* What the record adds to the call. */
static const char *added_word_items[MOST_ADDED], *added_variable_items[MOST_ADDED];
static struct list added_words, added_variables;

static char record[LONGEST_RECORD + 1];

static bool is_python_lost = true; /* once it was tried in vain */

/* The system --------------------------------------------------------------------------------- */

/* Take apart what setup wrote. False: nothing was. */
static bool read_configuration(void);
/* Fill what "The call" declares. */
static void see_call(int argc, char **argv);
/* As `_uv_above` in uvx_policy/recursion.py; `named` is what UV says. UNREAD: all processes up to
 * the one that left the guard were seen, none runs that file, and what they run was not read. */
enum above { A_UV, NO_UV, UNREAD, UNSEEN };
static enum above look_above(const char *named);
/* The directories to look for programs in, as they are listed; and cut the first one off. */
static const char *search_path(void);
static bool cut_directory(struct slice *rest, struct slice *directory);
/* Set `uv` to directory/name if that is a program and no shim of ours. */
static bool is_real(struct slice directory, const char *name, bool again);
/* Who must own what we believe. */
static void put_user(struct text *text);
/* Render what a witness of this kind sees now, as the function of the same kind does in
 * uvx_policy/replay/witness.py. False: it cannot be seen, and nothing is equal to that. */
static bool see(char kind, const char *path, uint64_t number, struct text *sight);
/* Read the record of that name into `record`, whole; an empty slice when there is none that we may
 * believe. */
static struct slice read_record(const char *name);
/* Become `uv`, with what is added. Returns when that is not possible. */
static void become_uv(bool again);
/* The same without what is added, words and variables as they came. */
static void become_uv_as_it_is(void);
/* Let Python decide. Returns when there is none. */
static void hand_over(void);
/* Say a line on stderr. Nobody may be listening. */
static void write_line(struct slice line);
/* Is this the first time in this terminal session? Never for a program that reads stderr, nor where
 * that cannot be noted: a line for each call would be too many. */
static bool is_first_here(void);

/* Our own variable --------------------------------------------------------------------------- */

static bool is_below;            /* an outer shim has left a guard */
static struct slice outer_guard; /* its fields, without the version */

/* Environment variables without those that are our own old answers. */
static const char *clean_items[MOST_WORDS + 1];
static struct list clean;

/* The next field NAME=VALUE of a guard. */
static bool next_field(struct slice *rest, const char *name, struct slice *value) {
    while (rest->length > 0) {
        struct slice field;
        cut(rest, ';', value);
        cut(value, '=', &field);
        if (equals(field, name)) return true;
    }
    return false;
}

/* Cut the next byte off what stands escaped in a guard, and give what it means. */
static char cut_byte(struct slice *escaped) {
    char byte = escaped->start[0];
    size_t used = 1;
    if (byte == '%' && escaped->length >= 3) {
        bool percent = memcmp(escaped->start, "%25", 3) == 0;
        bool semicolon = memcmp(escaped->start, "%3b", 3) == 0;
        if (semicolon) byte = ';';
        if (percent || semicolon) used = 3;
    }
    escaped->start += used;
    escaped->length -= used;
    return byte;
}

/* Is `escaped`, as it stands in a guard, the same as `plain`? */
static bool means(struct slice escaped, struct slice plain) {
    for (size_t index = 0; index < plain.length; index++)
        if (escaped.length == 0 || cut_byte(&escaped) != plain.start[index]) return false;
    return escaped.length == 0;
}

static void put_escaped(struct text *text, struct slice plain) {
    for (size_t index = 0; index < plain.length; index++) {
        char byte = plain.start[index];
        if (byte == '%') put_string(text, "%25");
        else if (byte == ';') put_string(text, "%3b");
        else put_byte(text, byte);
    }
}

static void read_guard(void) {
    const char *value = variable((const char *const *)environ, GUARD_NAME);
    struct slice version;
    outer_guard = slice_of(value ? value : "");
    cut(&outer_guard, ';', &version);
    is_below = equals(version, GUARD_VERSION);
    if (!is_below) outer_guard.length = 0;
}

/* The value of this field of the outer guard, the last of that name. */
static struct slice outer_field(const char *name) {
    struct slice value, last = {"", 0}, rest = outer_guard;
    while (next_field(&rest, name, &value)) last = value;
    return last;
}

/* Was this program started, and came back? */
static bool is_tried(const char *path) {
    struct slice value, rest = outer_guard;
    while (next_field(&rest, "tried", &value))
        if (means(value, slice_of(path))) return true;
    return false;
}

static uint64_t number_in(struct slice digits) {
    uint64_t number = 0;
    for (size_t index = 0; index < digits.length && index < MOST_DIGITS; index++) {
        if (digits.start[index] < '0' || digits.start[index] > '9') return 0;
        number = number * 10 + (uint64_t)(digits.start[index] - '0');
    }
    return number;
}

static uint64_t depth; /* UV_RUN_RECURSION_DEPTH */
static uint64_t turn;  /* as in a guard */

enum came_back { NO, YES, ASK_PYTHON, ENDLESS };

/* Is this process what an outer shim started, without a real uv in between? As `follow` in
 * uvx_policy/recursion.py. Sets `turn`. */
static enum came_back came_back(void) {
    const char *run = variable((const char *const *)environ, "UV_RUN_RECURSION_DEPTH");
    const char *named = variable((const char *const *)environ, "UV");
    depth = number_in(slice_of(run ? run : ""));
    turn = 0;
    if (!named) named = "";
    if (!is_below || depth > number_in(outer_field("depth"))) return NO;
    turn = number_in(outer_field("turn")) + 1;
    if (identity[0] && equals(outer_field("process"), identity)) return YES;
    enum above above = look_above(named);
    bool differs = named[0] && !means(outer_field("uv"), slice_of(named));
    if (above == UNSEEN && differs) above = A_UV;
    if (above == UNSEEN || above == UNREAD) turn += UNKNOWN_TURNS - 1;
    if (turn > MOST_TURNS) return above == A_UV ? ENDLESS : YES;
    if (above == UNREAD) return ASK_PYTHON; /* it reads what the programs are */
    return above == NO_UV ? YES : NO;
}

/* Fill `clean`. False for what only Python knows to treat: too many of them, one of ours twice. */
static bool clean_environment(void) {
    struct {
        struct slice name, value;
        size_t seen;
    } ours[MOST_ADDED] = {{{GUARD_NAME, sizeof GUARD_NAME - 1}, {"", 0}, 0}};
    size_t count = 1;
    struct slice rest = outer_guard, value;
    while (next_field(&rest, "set", &value)) {
        if (count == COUNT(ours)) return false;
        cut(&value, '=', &ours[count].name);
        ours[count].value = value;
        for (size_t other = 0; other < count; other++)
            if (same(ours[count].name, ours[other].name)) return false;
        if (ours[count++].name.length == 0) return false;
    }
    clean = LIST(clean_items);
    clean_items[0] = NULL;
    for (char **entry = environ; *entry; entry++) {
        bool drop = false;
        for (size_t index = 0; index < count; index++) {
            const char *held = value_in(*entry, ours[index].name);
            if (!held) continue;
            if (ours[index].seen++) return false;
            drop = index == 0 || means(ours[index].value, slice_of(held));
        }
        if (!drop) append(&clean, *entry);
    }
    return !clean.full && argument_count <= MOST_WORDS;
}

/* The real uv -------------------------------------------------------------------------------- */

/* The first program of this name on PATH. */
static bool find_on(struct slice directories, const char *name, bool again) {
    struct slice directory;
    bool more = directories.length > 0;
    while (more) {
        more = cut_directory(&directories, &directory);
        if (is_real(directory, name, again)) return true;
    }
    return false;
}

/* Find what to become, in the order of `candidates` in uvx_policy/shim.py. `again`: leave out what
 * came straight back to us. */
static bool find_uv(bool again) {
    struct slice on_path = slice_of(search_path());
    bool uvx = strcmp(program, "uvx") == 0;
    if ((uvx && find_on(on_path, "uvx", again)) || find_on(on_path, "uv", again)) return true;
    struct slice rest = embedded, directory;
    while (cut(&rest, '\0', &directory))
        if ((uvx && is_real(directory, "uvx", again)) || is_real(directory, "uv", again))
            return true;
    return false;
}

/* Is it this lower-case word, whatever the case of its letters? */
static bool is_word(const char *given, const char *word) {
    for (; *given && *word; given++, word++) {
        char low = *given >= 'A' && *given <= 'Z' ? (char)(*given | 0x20) : *given;
        if (low != *word) return false;
    }
    return *given == *word;
}

/* Is this a call that the policy never touches? */
static bool is_left_alone(void) {
    static const char off[][6] = {"", "0", "false", "no", "off"};
    const char *bypass = variable(clean.items, "LINKPOLICY_BYPASS");
    bool bypassed = bypass != NULL;
    for (size_t index = 0; bypassed && index < COUNT(off); index++)
        bypassed = !is_word(bypass, off[index]);
    if (bypassed || argument_count == 0) return true;
    for (size_t index = 0; index < COUNT(QUICK); index++)
        if (strcmp(arguments[0], QUICK[index]) == 0) return true;
    return false;
}

/* The words that matter ---------------------------------------------------------------------- */

/* What a decision may depend on, as `Invocation.significant` in uvx_policy/uv/invocation.py: the
 * functions below are that parser, function by function, without all that is not asked here. */
static const char *significant_items[MOST_WORDS + 4]; /* `+`, `--`, a NULL more than were given */
static struct list significant;
static bool in_detail; /* as `Invocation.detailed` instead */

/* What stands between one (sub)command's words and those of its subcommand. */
struct level {
    unsigned char command; /* index in COMMANDS */
    unsigned char child;   /* the subcommand that follows, or NO_COMMAND */
    bool printed;          /* --help or --version was met: uv reads no further */
    bool script;           /* an option was met that makes the first word a script */
    bool uncertain;        /* what the tables do not know */
    size_t end;            /* index of the first word that is not of this level */
};

static const struct option *find_option(unsigned char command, struct slice spelling) {
    for (;;) {
        for (unsigned index = COMMANDS[command].first; index < COMMANDS[command].end; index++) {
            const struct option *option = &OPTIONS[ACCEPTED[index]];
            if (equals(spelling, option->spelling)) return option;
        }
        if (command == UV_ITSELF) return NULL;
        command = COMMANDS[command].parent;
    }
}

static unsigned char find_subcommand(unsigned char command, const char *word) {
    for (size_t index = 0; index < COUNT(SUBCOMMANDS); index++)
        if (SUBCOMMANDS[index].below == command && strcmp(SUBCOMMANDS[index].word, word) == 0)
            return SUBCOMMANDS[index].command;
    return NO_COMMAND;
}

/* Take the next word as an option's value, unless uv would not. */
static void take_next_value(struct level *level) {
    const char *word = level->end < argument_count ? arguments[level->end] : NULL;
    if (!word || (word[0] == '-' && word[1] != '\0')) level->uncertain = true;
    else level->end++;
}

/* One option has been found, or none: remember what of it matters later. */
static bool take_option(struct level *level, const struct option *option) {
    if (!option) {
        level->uncertain = true;
        return false;
    }
    if (option->flags & SCRIPT_FLAG) level->script = true;
    if (option->flags & PRINTS) level->printed = true;
    return (option->flags & (in_detail ? SIGNIFICANT | DETAIL : SIGNIFICANT)) != 0;
}

static bool read_long_option(struct level *level, const char *word) {
    struct slice rest = slice_of(word), spelling;
    bool attached = cut(&rest, '=', &spelling);
    const struct option *option = find_option(level->command, spelling);
    bool matters = take_option(level, option);
    if (option && !(option->flags & TAKES_VALUE) && attached) level->uncertain = true;
    if (option && option->flags & TAKES_VALUE && !attached) take_next_value(level);
    return matters;
}

static bool read_short_options(struct level *level, const char *word) {
    bool matters = false;
    for (size_t index = 1; word[index] && !level->printed && !level->uncertain; index++) {
        char spelling[] = {'-', word[index]};
        const struct option *option = find_option(level->command, (struct slice){spelling, 2});
        if (take_option(level, option)) matters = true;
        if (option && option->flags & TAKES_VALUE) {
            if (!word[index + 1]) take_next_value(level);
            break; /* all that is left of the word is the value */
        }
    }
    return matters;
}

static void read_option(struct level *level) {
    size_t start = level->end++;
    const char *word = arguments[start];
    bool is_long = word[1] == '-';
    if (is_long ? read_long_option(level, word) : read_short_options(level, word))
        for (; start < level->end; start++) append(&significant, arguments[start]);
}

/* The first word of an external command: it matters if it may name a file. */
static const char *target(const struct level *level, const char *word) {
    if (COMMANDS[level->command].flags & TARGET_IS_PLAIN) return PLAIN;
    if (level->script || word[0] == '-' || word[0] == '\0') return word;
    return word[strspn(word, PROGRAM_CHARACTERS)] == '\0' ? PLAIN : word;
}

static bool keeps_positionals(unsigned char flags) {
    return (flags & KEEPS_POSITIONALS) != 0 || (in_detail && flags & DETAILED_POSITIONALS);
}

/* All that follows are positional words, or an external command. `start`: behind a `--`. */
static void read_rest(struct level *level, size_t start) {
    unsigned char flags = COMMANDS[level->command].flags;
    if (flags & EXTERNAL && start < argument_count) {
        append(&significant, "--");
        append(&significant, target(level, arguments[start]));
    }
    for (; level->end < argument_count; level->end++)
        if (keeps_positionals(flags)) append(&significant, arguments[level->end]);
}

static void read_level(struct level *level) {
    unsigned char flags = COMMANDS[level->command].flags;
    while (level->end < argument_count && !level->printed && !level->uncertain) {
        const char *word = arguments[level->end];
        if (flags & NAMESPACE) { /* before options, because one alias looks like an option */
            level->child = find_subcommand(level->command, word);
            if (level->child != NO_COMMAND) {
                append(&significant, word);
                level->end++;
                return;
            }
        }
        bool separator = strcmp(word, "--") == 0;
        if (word[0] == '-' && word[1] != '\0' && !separator) {
            read_option(level);
        } else if (flags & NAMESPACE) {
            level->uncertain = true;
        } else if (separator || flags & EXTERNAL) {
            read_rest(level, level->end + separator);
        } else {
            if (keeps_positionals(flags)) append(&significant, word);
            level->end++;
        }
    }
}

/* False when the words are not understood, and for more than a record may hold. */
static bool keep_significant_words(void) {
    significant = LIST(significant_items);
    if (in_detail) append(&significant, DETAILED);
    struct level level = {.child = strcmp(program, "uvx") == 0 ? TOOL_RUN : UV_ITSELF};
    while (level.child != NO_COMMAND && !level.uncertain) {
        level = (struct level){.command = level.child, .child = NO_COMMAND, .end = level.end};
        read_level(&level);
    }
    return !level.uncertain && !significant.full;
}

/* The key ------------------------------------------------------------------------------------ */

static char key_bytes[LONGEST_KEY];
static struct text key;

/* As `make_key` in uvx_policy/replay/key.py. */
static bool make_key(void) {
    key = TEXT_IN(key_bytes);
    put_field(&key, KEY_FORMAT);
    put_field(&key, package);
    put_field(&key, program);
    put_field(&key, uv);
    put_user(&key);
    put_byte(&key, '\0');
    put_field(&key, cwd);
    put_number(&key, significant.length, 10, 1);
    put_byte(&key, '\0');
    for (size_t index = 0; index < significant.length; index++)
        put_field(&key, significant.items[index]);
    for (size_t index = 0; index < COUNT(VARIABLES); index++) {
        const char *value = variable(clean.items, VARIABLES[index]);
        /* The entry itself begins before its value: NAME=VALUE. */
        if (value) put_field(&key, value - strlen(VARIABLES[index]) - 1);
    }
    return !key.full;
}

/* Witnesses ---------------------------------------------------------------------------------- */

static bool put_letter(struct text *sight, char letter) {
    put_byte(sight, letter);
    return true;
}

static bool put_numbers(struct text *sight, size_t count, const uint64_t *numbers) {
    for (size_t index = 0; index < count; index++) {
        if (index > 0) put_byte(sight, ':');
        put_hex(sight, numbers[index]);
    }
    return true;
}

/* Lower-case hexadecimal, up to 64 bits; nothing at all is false, too. */
static bool read_hex(struct slice digits, uint64_t *number) {
    *number = 0;
    for (size_t index = 0; index < digits.length; index++) {
        const char *found = memchr("0123456789abcdef", digits.start[index], 16);
        if (!found || *number >> 60) return false;
        *number = *number << 4 | (uint64_t)(found - "0123456789abcdef");
    }
    return digits.length > 0;
}

/* Is all as this witness, KIND[PARAMETER]=EXPECTED PATH, has seen it? */
static bool holds(struct slice witness) {
    struct slice token, expected;
    if (!cut(&witness, '=', &token) || !cut(&witness, ' ', &expected)) return false;
    if (token.length == 0 || witness.length == 0) return false;
    const char *path = witness.start; /* up to the NUL of its field */
    struct slice parameter = {token.start + 1, token.length - 1};
    uint64_t number = 0;
    char kind = token.start[0];
    bool numbered = kind == 'a' || kind == 'f';
    if (numbered ? !read_hex(parameter, &number) : parameter.length > 0) return false;

    char seen_bytes[160]; /* a letter and 8 numbers of 64 bits: 137 */
    struct text seen = TEXT_IN(seen_bytes);
    return see(kind, path, number, &seen) && !seen.full &&
           same((struct slice){seen.bytes, seen.length}, expected);
}

/* The record --------------------------------------------------------------------------------- */

/* Does the record begin with its format and the whole key? Then `rest` is what follows. */
static bool is_for_this_call(struct slice *rest) {
    struct slice field;
    if (!cut(rest, '\0', &field) || !equals(field, RECORD_FORMAT)) return false;
    char length_bytes[24];
    struct text length = TEXT_IN(length_bytes);
    put_byte(&length, 'k');
    put_number(&length, key.length, 10, 1);
    put_byte(&length, '\0');
    if (!cut(rest, '\0', &field) || !equals(field, length_bytes)) return false;
    if (rest->length < key.length || memcmp(rest->start, key.bytes, key.length) != 0) return false;
    rest->start += key.length;
    rest->length -= key.length;
    return true;
}

/* Add NAME=VALUE. False when it is none, or when there is another one, or we set it ourselves. */
static bool add_variable(struct slice entry) {
    struct slice rest = entry, name;
    if (!cut(&rest, '=', &name) || name.length == 0 || equals(name, GUARD_NAME)) return false;
    for (size_t index = 0; index < added_variables.length; index++)
        if (value_in(added_variables.items[index], name)) return false;
    append(&added_variables, entry.start);
    return true;
}

static void forget_added(void) {
    added_words = LIST(added_word_items);
    added_variables = LIST(added_variable_items);
}

/* Does all that the recorded decision depended on hold? Then `added_...` are its answer. */
static bool replay(void) {
    forget_added();
    char name_bytes[17];
    struct text name = TEXT_IN(name_bytes);
    put_number(&name, fingerprint((struct slice){key.bytes, key.length}), 16, 16);
    put_byte(&name, '\0');
    struct slice rest = read_record(name_bytes), field;
    if (!is_for_this_call(&rest)) return false;
    while (cut(&rest, '\0', &field)) { /* so that each field is a string as well */
        if (field.length == 0) return false;
        struct slice value = {field.start + 1, field.length - 1};
        switch (field.start[0]) {
        case 'w':
            if (!holds(value)) return false;
            break;
        case 'a': append(&added_words, value.start); break;
        case 'e':
            if (!add_variable(value)) return false;
            break;
        case '.':
            return value.length == 0 && rest.length == 0 && !added_words.full &&
                   !added_variables.full;
        default: return false;
        }
    }
    return false;
}

/* Is there a decision for all calls that differ in details alone, or for this one? */
static bool is_decided(void) {
    for (int closer = 0; closer <= 1; closer++) {
        in_detail = closer;
        if (keep_significant_words() && make_key() && replay()) return true;
    }
    return false;
}

/* What is left for what is started ----------------------------------------------------------- */

static char guard_bytes[LONGEST_GUARD];

/* As `render` in uvx_policy/guard.py. */
static bool render_guard(bool again) {
    struct text text = TEXT_IN(guard_bytes);
    const char *named = variable((const char *const *)environ, "UV");
    put_string(&text, GUARD_NAME "=" GUARD_VERSION ";process=");
    put_string(&text, identity);
    put_string(&text, ";turn=");
    put_number(&text, turn, 10, 1);
    put_string(&text, ";depth=");
    put_number(&text, depth, 10, 1);
    put_string(&text, ";uv=");
    put_escaped(&text, slice_of(named ? named : ""));
    struct slice value, rest = outer_guard;
    while (again && next_field(&rest, "tried", &value)) {
        put_string(&text, ";tried=");
        put(&text, value);
    }
    put_string(&text, ";tried=");
    put_escaped(&text, slice_of(uv));
    for (size_t index = 0; index < added_variables.length; index++) {
        struct slice name;
        value = slice_of(added_variables.items[index]);
        cut(&value, '=', &name);
        put_string(&text, ";set=");
        put(&text, name);
        put_byte(&text, '=');
        put_escaped(&text, value);
    }
    put_byte(&text, '\0');
    return !text.full;
}

/* The way of a call -------------------------------------------------------------------------- */

/* One line on stderr. */
static void tell(const char *before, const char *path, const char *after) {
    struct text line = TEXT_IN(scratch);
    put_string(&line, "linkpolicy: ");
    put_string(&line, before);
    put_string(&line, path);
    put_string(&line, after);
    for (size_t index = 0; index < line.length; index++) /* a path may hold anything */
        if ((unsigned char)line.bytes[index] < ' ' || line.bytes[index] == 127)
            line.bytes[index] = '?';
    put_byte(&line, '\n');
    write_line((struct slice){line.bytes, line.length});
}

/* What the outer shim became. */
static const char *tried_last(void) {
    struct slice escaped = outer_field("tried");
    struct text path = TEXT_IN(uv);
    while (escaped.length > 0) put_byte(&path, cut_byte(&escaped));
    put_byte(&path, '\0');
    return path.full ? program : uv;
}

/* The Python shim is gone: become the real uv all the same, without policy. Its exit code. */
static int fail_open(void) {
    const char *log = variable((const char *const *)environ, "LINKPOLICY_LOG");
    if (is_python_lost && ((log && log[0]) || is_first_here()))
        tell("cannot run `", fallback, "`: uv runs without a policy "
             "(hint: uv tool install uvx-policy && linkpolicy setup)");
    forget_added();
    enum came_back back = came_back();
    bool again = back == YES;
    if (back == ENDLESS || !find_uv(again)) {
        if (back == ENDLESS || again) {
            tell("`", tried_last(), again ? "` starts this shim again, and PATH has no other uv"
                                          : "` keeps starting this shim");
            return EXIT_CANNOT_EXECUTE;
        }
        tell("no ", program, " on PATH but this shim (hint: install uv, then `linkpolicy setup`)");
        return EXIT_NOT_FOUND;
    }
    if (clean_environment()) become_uv(again);
    else become_uv_as_it_is();
    tell("cannot execute `", uv, "`");
    return EXIT_CANNOT_EXECUTE;
}

/* Its exit code, where nothing was become. */
static int launch(int argc, char **argv) {
    if (!read_configuration()) {
        tell("this launcher is not configured", "", " (hint: `linkpolicy setup` installs it)");
        return EXIT_CANNOT_EXECUTE;
    }
    see_call(argc, argv);
    read_guard();
    forget_added();
    const char *log = variable((const char *const *)environ, "LINKPOLICY_LOG");
    bool wants_story = log && log[0]; /* only Python tells one */
    if (!wants_story && cwd[0] && clean_environment() && came_back() == NO && find_uv(false)) {
        if (is_left_alone() || is_decided()) become_uv(false);
    }
    hand_over();
    return fail_open();
}

#ifndef SYSTEM
#ifdef _WIN32
#define SYSTEM "windows.c"
#else
#define SYSTEM "linux.c"
#endif
#endif
#include SYSTEM

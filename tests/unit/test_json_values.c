/* JSON as the engine reads and writes it: depth, limits, bounds and what is found in the place of
 * what is wanted; and UTF-8, over all there is. */
#include <float.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "support/fault.h"

/* ---- UTF-8 -------------------------------------------------------------------------------- */

/* The shortest form of a code point. */
static int32_t encode(uint32_t code, uint8_t *out)
{
  if (code < 0x80) return out[0] = (uint8_t)code, 1;
  const int32_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (int32_t i = bytes - 1; i > 0; i--, code >>= 6) out[i] = (uint8_t)(0x80 | (code & 0x3f));
  out[0] = (uint8_t)((0xf00 >> bytes) & 0xff) | (uint8_t)code;
  return bytes;
}

TEST(every_character_is_read_and_no_other)
{
  int32_t wrong = 0;
  for (uint32_t code = 1; code < 0x120000; code++) {
    uint8_t text[8] = {0};
    uint32_t found = 0;
    const int32_t bytes = encode(code, text);
    const bool good = code < 0x110000 && (code < 0xd800 || code >= 0xe000);
    wrong += anet__utf8(text, &found) != (good ? bytes : 0) || (good && found != code);
  }
  CHECK_EQ_I(wrong, 0);
  uint32_t code = 7;
  CHECK_EQ_I(anet__utf8((const uint8_t *)"", &code), 1);
  CHECK_EQ_I(code, 0);
}

/* Every first byte with every second: what is followed by a wrong byte, or is too long, is none. */
TEST(bytes_that_are_no_character)
{
  for (int32_t a = 0x80; a < 0x100; a++)
    for (int32_t b = 0; b < 0x100; b++) {
      const uint8_t text[8] = {(uint8_t)a, (uint8_t)b, 0x80, 0x80, 0};
      const bool next = b >= 0x80 && b < 0xc0;
      const int32_t want =
          a >= 0xc2 && a < 0xe0 && next ? 2
          : a >= 0xe0 && a < 0xf0 && next && !(a == 0xe0 && b < 0xa0) && !(a == 0xed && b >= 0xa0)
              ? 3
          : a >= 0xf0 && a < 0xf5 && next && !(a == 0xf0 && b < 0x90) && !(a == 0xf4 && b >= 0x90)
              ? 4
              : 0;
      test_checks++;
      if (anet__utf8(text, NULL) != want)
        TEST_FAIL("%02x %02x: %d, want %d", a, b, anet__utf8(text, NULL), want);
    }
  /* cut off by the text's end, or in the middle */
  CHECK_EQ_I(anet__utf8((const uint8_t *)"\xe2\x82", NULL), 0);
  CHECK_EQ_I(anet__utf8((const uint8_t *)"\xf0\x9f\x98", NULL), 0);
  CHECK_EQ_I(anet__utf8((const uint8_t *)"\xf0\x9f\x98z", NULL), 0);
  CHECK_EQ_I(anet__utf8((const uint8_t *)"\xc3", NULL), 0);
}

TEST(texts_and_messages)
{
  CHECK(anet__json_is_text("") && anet__json_is_text("caf\xc3\xa9 \xf0\x9f\x98\x80"));
  CHECK(!anet__json_is_text("caf\xc3") && !anet__json_is_text("\xff") &&
        !anet__json_is_text("ok \xed\xa0\x80"));
  json_t *value = anet__json_message("a\xff\xc3\xa9 b\xe2\x82");
  CHECK_EQ_S(json_string_value(value), "a?\xc3\xa9 b??");
  json_decref(value);
}

/* ---- the characters of a message ----------------------------------------------------------- */

/* Those that steer a terminal are written as their bytes; their neighbours are not. */
TEST(characters_that_steer)
{
  static const uint32_t first[] = {0x1, 0x7f, 0x2028, 0x2066},
                        last[] = {0x1f, 0x9f, 0x202e, 0x2069};
  for (uint32_t code = 1; code < 0x2100; code++) {
    uint8_t text[8] = {0};
    const int32_t bytes = encode(code, text);
    bool steers = false;
    for (int i = 0; i < ANET_COUNT(first); i++) steers |= code >= first[i] && code <= last[i];
    anet_fail(ANET_IO, "%s", (const char *)text);
    test_checks++;
    if ((int32_t)strlen(anet_error()) != (steers ? 4 * bytes : bytes))
      TEST_FAIL("U+%04X became '%s'", code, anet_error());
  }
}

/* A message is cut between characters, where the next would not fit in 511 bytes. */
TEST(messages_are_cut_between_characters)
{
  for (int32_t before = 500; before < 515; before++) {
    char text[600];
    memset(text, 'x', sizeof text);
    memcpy(text + before, "\xe2\x82\xac", 4);
    anet_fail(ANET_IO, "%s", text);
    const int32_t want = before + 3 <= 511 ? before + 3 : ANET_MIN(before, 511);
    test_checks++;
    if (before < 509 && (int32_t)strlen(anet_error()) != want)
      TEST_FAIL("after %d: %zu bytes, want %d", before, strlen(anet_error()), want);
    CHECK(strlen(anet_error()) <= 511);
    memcpy(text + before, "\x01", 2);
    anet_fail(ANET_IO, "%s", text);
    if (before < 511) CHECK_EQ_I(strlen(anet_error()), before + 4 <= 511 ? before + 4 : before);
  }
}

/* ---- values ------------------------------------------------------------------------------- */

static int parse(const char *text)
{
  json_t *value = NULL;
  const int rc = anet__json_parse(text, strlen(text), "here", &value);
  CHECK_EQ_I(rc == ANET_OK, value != NULL);
  json_decref(value);
  return rc;
}

static int parse_deep(int32_t depth)
{
  static char text[8192];
  for (int32_t i = 0; i < depth; i++) text[i] = '[', text[2 * depth - 1 - i] = ']';
  text[2 * depth] = 0;
  return parse(text);
}

TEST(texts_that_are_no_json)
{
  static const struct {
    const char *text, *words;
  } row[] = {
      {"", "here: JSON, line 1, column 0"},
      {"{\"a\":\n\n1,}", "line 3, column 3"},
      {"[1] 2", "end of file expected"},
      {"[1", "here: JSON, line 1, column 2"},
      {"1", "'[' or '{' expected"},
      {"\"text\"", "'[' or '{' expected"},
      {"{\"a\": 1, \"a\": 2}", "duplicate object key"},
      {"[\"\xff\"]", "unable to decode byte 0xff"},
      {"[\"a\\u0000b\"]", "\\u0000 is not allowed"},
      {"[99999999999999999999]", "too big integer"},
      {"[1e999]", "real number overflow"},
      {"[nan]", "invalid token"},
  };
  for (int i = 0; i < ANET_COUNT(row); i++)
    CHECK_FAILS(parse(row[i].text), ANET_FORMAT, row[i].words);
  CHECK_OK(parse_deep(2000));
  CHECK_FAILS(parse_deep(2100), ANET_FORMAT, "maximum parsing depth reached");
}

/* bytes are how many count, a 0 after them or not. */
TEST(bytes_bound_the_text)
{
  json_t *value = NULL;
  CHECK_OK(anet__json_parse("[12]34", 4, "here", &value));
  CHECK_EQ_I(json_integer_value(json_array_get(value, 0)), 12);
  json_decref(value);
}

TEST(lines_of_any_length)
{
  for (int32_t length = 0; length < 300; length++) {
    char text[400], want[500];
    memset(text, 'a', sizeof text);
    text[length] = 0;
    json_t *value = json_pack("[s, i]", text, length);
    char *line = anet__json_text(value);
    snprintf(want, sizeof want, "[\"%s\",%d]", text, length);
    CHECK_EQ_S(line, want);
    anet__free(line);
    json_decref(value);
  }
  json_t *text = json_string("\n");
  char *line = anet__json_text(text); /* alone, too */
  CHECK_EQ_S(line, "\"\\n\"");
  anet__free(line);
  json_decref(text);
  CHECK(anet__json_text(NULL) == NULL);
  CHECK_EQ_S(anet_error(), "no memory to write a value as JSON");
}

TEST(lists_are_made_in_a_loop)
{
  json_t *list = anet__json_push(json_array(), json_integer(3));
  CHECK_EQ_I(json_array_size(list), 1);
  CHECK(anet__json_push(list, NULL) == NULL);
  CHECK(anet__json_push(NULL, json_integer(3)) == NULL);
}

/* Of every type in the place of every other. */
TEST(what_is_found_is_named)
{
  static const struct {
    const char *key, *found;
  } row[] = {{"none", "missing"},   {"object", "an object"}, {"array", "an array"},
             {"text", "a string"},  {"whole", "an integer"}, {"real", "a number"},
             {"true", "a boolean"}, {"false", "a boolean"},  {"null", "null"}};
  json_t *all = NULL, *inner;
  const char *text;
  int64_t whole;
  double number;
  const char json[] = "{\"object\":{},\"array\":[],\"text\":\"\",\"whole\":1,\"real\":1.5,"
                      "\"true\":true,\"false\":false,\"null\":null}";
  CHECK_OK(anet__json_parse(json, sizeof json - 1, "here", &all));
  for (int i = 0; i < ANET_COUNT(row); i++) {
    const char *key = row[i].key;
    char words[100];
#define TRY(call, name, want, article)                                                             \
  snprintf(words, sizeof words, "JSON: '%s' is %s, want " article, key, row[i].found);             \
  if (strcmp(key, name) == 0 || strcmp(key, want) == 0)                                            \
    CHECK_OK(call);                                                                                \
  else                                                                                             \
    CHECK_FAILS(call, ANET_FORMAT, words)
    TRY(anet__json_int(all, key, 1, 1, &whole), "whole", "whole", "an integer");
    TRY(anet__json_number(all, key, &number), "whole", "real", "a number");
    TRY(anet__json_string(all, key, &text), "text", "text", "a string");
    TRY(anet__json_array(all, key, &inner), "array", "array", "an array");
    TRY(anet__json_object(all, key, &inner), "object", "object", "an object");
#undef TRY
  }
  CHECK_NEAR(number, 1.5, 0);
  CHECK_FAILS(anet__json_int(all, "whole", 2, 5, &whole), ANET_FORMAT, "'whole' is 1, want 2 .. 5");
  CHECK_FAILS(anet__json_int(all, "whole", -5, 0, &whole), ANET_FORMAT, "is 1, want -5 .. 0");
  json_decref(all);
}

TEST(arrays_of_numbers)
{
  json_t *all = NULL;
  double out[3];
  const char json[] = "{\"a\":[1, 2.5, -3],\"b\":[1, \"x\", 2], \"c\": 4}";
  CHECK_OK(anet__json_parse(json, sizeof json - 1, "here", &all));
  CHECK_OK(anet__json_numbers(all, "a", -3, 3, out));
  CHECK(out[0] == 1 && out[1] == 2.5 && out[2] == -3);
  CHECK_FAILS(anet__json_numbers(all, "a", -2.75, 3, out), ANET_FORMAT,
              "JSON: item 2 of 'a' is -3, want at least -2.75");
  CHECK_FAILS(anet__json_numbers(all, "a", -3, 2, out), ANET_FORMAT, "'a' has 3 numbers, want 2");
  CHECK_FAILS(anet__json_numbers(all, "a", -3, 4, out), ANET_FORMAT, "'a' has 3 numbers, want 4");
  CHECK_FAILS(anet__json_numbers(all, "b", -3, 3, out), ANET_FORMAT,
              "JSON: item 1 of 'b' is a string, want a number");
  CHECK_FAILS(anet__json_numbers(all, "c", -3, 3, out), ANET_FORMAT, "'c' is an integer, want an");
  json_decref(all);
}

TEST_MAIN(CASE(every_character_is_read_and_no_other), CASE(bytes_that_are_no_character),
          CASE(texts_and_messages), CASE(characters_that_steer),
          CASE(messages_are_cut_between_characters), CASE(texts_that_are_no_json),
          CASE(bytes_bound_the_text), CASE(lines_of_any_length), CASE(lists_are_made_in_a_loop),
          CASE(what_is_found_is_named), CASE(arrays_of_numbers))
